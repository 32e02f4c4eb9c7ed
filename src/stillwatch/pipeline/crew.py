"""Worker processes that score decoys: the tables go in once, seeds go in, scores come out, nobody lingers.

Plain subprocesses on pipes rather than ``multiprocessing``: a caller's script needs no guard around its main part,
an interrupt reaches the parent alone, and a worker whose parent is gone ends too.
"""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any

import pyarrow as pa

from stillwatch.errors import StillwatchError
from stillwatch.pipeline.candidates import score_decoys

__all__ = ["Crew", "Recipe", "peak_memory", "serve"]

# Arrow imports pandas where it finds it, to know its objects when it sees them; here nobody shows it any.
_START = """
import sys

class WithoutPandas:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ImportError(name)

sys.meta_path.insert(0, WithoutPandas())
from stillwatch.pipeline.crew import serve
serve()
"""

_REMEDY = "where memory ran out, give fewer --threads; they are also the number of these processes"


@dataclass(frozen=True)
class Recipe:
    """What every decoy is made from; with a number it gives that decoy's scores, whoever makes it."""

    blocks: pa.Table
    fixed: pa.Table
    known: pa.Table
    of_account: pa.Table
    likely: frozenset[str]
    seed: int

    def make(self, number: int) -> tuple[list[float], list[float]]:
        """Scores of the groups in a decoy of all accounts, and in one without the likely detections'."""
        def scores(left_out: frozenset[str]) -> list[float]:
            return score_decoys(self.blocks, self.fixed, self.known, self.of_account, set(left_out),
                                self.seed + 1 + number)

        whole = scores(frozenset())
        return whole, scores(self.likely) if self.likely else whole


@dataclass(frozen=True)
class _Failure:
    """An error on its way to the parent: its kind and place, without anything that might quote a text."""

    what: str


class Crew:
    """Some workers, from ``with`` to its end."""

    def __init__(self, recipe: Recipe, size: int) -> None:
        """``size`` is the number of processes."""
        self._recipe, self._size = recipe, size
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(size)
        self._peaks: dict[int, int] = {}

    @property
    def peak(self) -> int:
        """Bytes that the workers have held at most, their own greatest amounts added up."""
        return sum(self._peaks.values())

    def __enter__(self) -> Crew:
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._workers = [
            subprocess.Popen([sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE,  # noqa: S603 - ourselves
                             start_new_session=True,
                             env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
            for _ in range(self._size)]
        for worker in self._workers:
            self._threads.submit(self._tell, worker)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.kill()
        # A thread that waits for a worker now reads the end of its output.
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers:
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                with suppress(OSError):
                    _open(pipe).close()

    def run(self, first: int) -> Iterator[tuple[list[float], list[float]]]:
        """Yield the scores of decoys ``first``, ``first + 1``, … in that order, without end; the workers are ahead.

        Raises ``StillwatchError`` where a worker fails or was ended from outside.
        """
        ahead: list[Future[tuple[list[float], list[float]]]] = []
        for number in count(first):
            ahead.append(self._threads.submit(self._work, number))
            if len(ahead) > self._size:
                yield ahead.pop(0).result()

    def _tell(self, worker: subprocess.Popen[bytes]) -> None:
        # One that is gone already is found out by whoever hands it work.
        with suppress(OSError):
            _send(_open(worker.stdin), self._recipe)
        self._idle.put(worker)

    def _work(self, number: int) -> tuple[list[float], list[float]]:
        worker = self._idle.get()
        try:
            _send(_open(worker.stdin), number)
            reply, peak = pickle.load(_open(worker.stdout))  # noqa: S301 - our own process
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            code = worker.wait()
            raise StillwatchError("a process that made decoys ended " + (
                f"by signal {-code}" if code < 0 else f"with code {code}"), remedy=_REMEDY) from error
        finally:
            self._idle.put(worker)
        self._peaks[worker.pid] = peak
        if isinstance(reply, _Failure):
            raise StillwatchError(f"unexpected {reply.what} in a process that made decoys",
                                  remedy="this is a fault of Stillwatch; please report it with that line")
        scores: tuple[list[float], list[float]] = reply
        return scores


def serve() -> None:
    """What a worker does: read what decoys are made from, then numbers, and answer each."""
    parent = os.getppid()
    replies = os.fdopen(os.dup(1), "wb")
    # What anybody prints must not get between the replies.
    os.dup2(2, 1)
    pa.set_cpu_count(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with suppress(EOFError, BrokenPipeError):
        recipe: Recipe = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our parent
        while True:
            number = pickle.load(sys.stdin.buffer)  # noqa: S301
            try:
                reply: Any = recipe.make(number)
            except Exception as error:
                if os.environ.get("STILLWATCH_DEBUG") == "1":
                    traceback.print_exc()
                place = traceback.extract_tb(error.__traceback__)[-1]
                reply = _Failure(f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}")
            _send(replies, (reply, peak_memory()))
    # Neither buffers nor threads are worth a wait.
    os._exit(0)


def peak_memory() -> int:
    """Most memory that this process has held at once, resident, in bytes; getrusage(2) counts KiB, on macOS bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, whatever it is at."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _send(pipe: IO[bytes], what: Any) -> None:
    pickle.dump(what, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()
