"""Worker processes that write files of exchanges: numbers go in, labels come out, errors are told, nobody lingers.

Plain subprocesses on pipes rather than ``multiprocessing``: a caller's script needs no guard around its main part,
an interrupt reaches the parent alone, and a worker whose parent is gone reads the end of its input and goes too.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any

import pyarrow as pa

from stillwatch.errors import StillwatchError
from stillwatch.proof.cast import staged
from stillwatch.proof.lengths import Lengths
from stillwatch.proof.parts import Part, write_part
from stillwatch.proof.render import Renderer
from stillwatch.proof.scenario import Scenario

__all__ = ["Crew", "Task", "serve"]

# Arrow imports pandas where it finds it, to know its objects when it sees them; here nobody shows it any.
_START = """
import sys

class WithoutPandas:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ImportError(name)

sys.meta_path.insert(0, WithoutPandas())
from stillwatch.proof.crew import serve
serve()
"""


@dataclass(frozen=True)
class Task:
    """What a simulation is made from; with it, a process can render any rows of it."""

    scenario: Scenario
    seed: int
    scale: float
    lengths: Lengths | None
    folder: Path

    def renderer(self) -> Renderer:
        """The world made anew, and what renders it."""
        world, actors = staged(self.scenario, self.seed, self.scale, mute=self.lengths is not None)
        return Renderer(world, actors, self.lengths)


@dataclass(frozen=True)
class _Failure:
    """An error on its way to the parent, without anything that might quote a text."""

    message: str
    remedy: str = ""
    code: int = 0

    def error(self) -> Exception:
        return OSError(self.code, self.message) if self.code else StillwatchError(self.message, remedy=self.remedy)


class Crew:
    """Some workers, from ``with`` to its end; they start at once, and wait for ``begin``."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(count)

    def __enter__(self) -> Crew:
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._workers = [
            subprocess.Popen([sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE,  # noqa: S603 - ourselves
                             start_new_session=True, env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
            for _ in range(self._count)]
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

    def begin(self, task: Task) -> None:
        """Tell every worker what is simulated."""
        for worker in self._workers:
            self._threads.submit(self._tell, worker, task)

    def submit(self, part: Part) -> Future[pa.Table]:
        """Have a file written by whoever is free first; the result is the labels of its rows.

        Raises from the result: ``StillwatchError`` or ``OSError`` as the work did, and ``StillwatchError`` where the
        worker was ended from outside.
        """
        return self._threads.submit(self._work, part)

    def _tell(self, worker: subprocess.Popen[bytes], task: Task) -> None:
        # One that is gone already is found out by whoever hands it work.
        with suppress(OSError):
            _send(_open(worker.stdin), task)
        self._idle.put(worker)

    def _work(self, part: Part) -> pa.Table:
        worker = self._idle.get()
        try:
            _send(_open(worker.stdin), part)
            reply = pickle.load(_open(worker.stdout))  # noqa: S301 - our own process
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise _ended(worker) from error
        finally:
            self._idle.put(worker)
        if isinstance(reply, _Failure):
            raise reply.error()
        return reply


def _ended(worker: subprocess.Popen[bytes]) -> StillwatchError:
    code = worker.wait()
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    return StillwatchError(f"a worker process ended {how} before its work was done",
                           remedy="where memory ran out, give fewer --workers or a smaller --scale;"
                                  " nothing was left behind")


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _send(pipe: IO[bytes], what: Any) -> None:
    pickle.dump(what, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def serve() -> None:
    """What a worker does: read a task, then parts, and answer each."""
    parent = os.getppid()
    replies = os.fdopen(os.dup(1), "wb")
    # What anybody prints must not get between the replies.
    os.dup2(2, 1)
    pa.set_cpu_count(1)
    orders = sys.stdin.buffer
    renderer: Renderer | None = None
    with suppress(EOFError, BrokenPipeError):
        task: Task = pickle.load(orders)  # noqa: S301 - from our parent
        while True:
            part = pickle.load(orders)  # noqa: S301
            try:
                renderer = renderer or task.renderer()
                reply: Any = write_part(renderer, task.folder, part, lambda: _go_with(parent))
            except Exception as error:
                reply = _told(error)
            _send(replies, reply)
    # Neither buffers nor threads are worth a wait.
    os._exit(0)


def _go_with(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(1)


def _told(error: Exception) -> _Failure:
    if os.environ.get("STILLWATCH_DEBUG") == "1":
        traceback.print_exc()
    if isinstance(error, StillwatchError):
        return _Failure(error.message, error.remedy)
    if isinstance(error, OSError) and error.errno:
        return _Failure(error.strerror or type(error).__name__, code=error.errno)
    if isinstance(error, MemoryError):
        return _Failure("a worker process ran out of memory", "give fewer --workers")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "stillwatch" in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return _Failure(f"unexpected {type(error).__name__} at {place} in a worker process",
                    "this is a fault of Stillwatch; please report it with that line")
