"""Several processes that make scans side by side; results do not depend on how many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from stillwatch.errors import StillwatchError
from stillwatch.proof.power.grid import Point
from stillwatch.proof.power.logs import Base
from stillwatch.proof.power.trial import Outcome, trial

__all__ = ["Crew", "Task"]

Task = tuple[Point, int]


class Crew:
    """Runs tasks on ``size`` processes; one process works in this one.

    What the scans start from is handed over in memory, never on disk. A worker ends with its parent, even with one
    that was killed.
    """

    def __init__(self, base: Base, scratch: Path, size: int) -> None:
        self._base, self._scratch = base, scratch
        self._workers: list[tuple[Any, Connection]] = []
        self._size = max(1, size)

    def __enter__(self) -> Crew:
        if self._size > 1:
            context = multiprocessing.get_context("spawn")
            for _ in range(self._size):
                ours, theirs = context.Pipe()
                worker = context.Process(target=_work, args=(theirs, self._base, self._scratch), daemon=True)
                worker.start()
                theirs.close()
                self._workers.append((worker, ours))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for worker, pipe in self._workers:
            worker.terminate()
            pipe.close()
        for worker, _ in self._workers:
            worker.join()

    def run(self, tasks: Sequence[Task], until: float | None = None) -> Iterator[tuple[Task, Outcome, float]]:
        """Yield each task, its outcome and its seconds, in order of completion.

        No task is begun after ``until`` (on the monotonic clock). Raises ``StillwatchError`` where a scan fails.
        """
        left = deque(tasks)
        if not self._workers:
            while left and (until is None or time.monotonic() < until):
                task, started = left.popleft(), time.monotonic()
                yield task, trial(self._base, *task, self._scratch), time.monotonic() - started
            return
        busy: dict[Connection, Task] = {}
        free = [pipe for _, pipe in self._workers]
        while left or busy:
            late = until is not None and time.monotonic() >= until
            while free and left and not late:
                pipe = free.pop()
                busy[pipe] = left.popleft()
                pipe.send(busy[pipe])
            if not busy:
                return
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                outcome, seconds = _answer(ready)
                free.append(ready)
                yield busy.pop(ready), outcome, seconds


def _answer(pipe: Connection) -> tuple[Outcome, float]:
    try:
        said = pipe.recv()
    except (EOFError, OSError) as error:
        raise StillwatchError("a process that was scanning ended unexpectedly, perhaps for want of memory",
                              remedy="run again with --processes 1 or --memory; what was done is kept") from error
    kind, *rest = said
    if kind == "error":
        raise StillwatchError(rest[0], remedy=rest[1])
    if kind == "fault":
        raise StillwatchError(f"unexpected {rest[0]} in a planted scan", remedy="please report this as a bug")
    outcome, seconds = rest
    return outcome, float(seconds)


def _work(pipe: Connection, base: Base, scratch: Path) -> None:
    """Scan what is sent through the pipe until the other end closes or its process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            point, repeat = pipe.recv()
            started = time.monotonic()
            try:
                said: tuple[Any, ...] = ("done", trial(base, point, repeat, scratch), time.monotonic() - started)
            except StillwatchError as error:
                said = ("error", error.message, error.remedy)
            except Exception as error:
                # Its kind and place only: its text might quote what somebody wrote.
                place = traceback.extract_tb(error.__traceback__)[-1]
                said = ("fault", f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}")
            pipe.send(said)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
