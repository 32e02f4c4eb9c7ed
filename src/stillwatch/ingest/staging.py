"""All or nothing: work in a sibling folder, then rename."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stillwatch.errors import UsageError

__all__ = ["staged"]

_LOCK = ".lock"
_GRACE_SECONDS = 60.0


@contextmanager
def staged(into: Path) -> Iterator[Path]:
    """A temporary sibling of ``into`` that becomes ``into`` if the block succeeds, and vanishes if not.

    A killed process leaves its temporary folder; the next run for the same target removes it. A live
    process holds a lock on its own, so it is never taken for dead. Raises ``UsageError`` where ``into``
    holds something already.
    """
    into = into.absolute()
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"{into} exists already", remedy="name a fresh folder, or remove this one")
    into.parent.mkdir(parents=True, exist_ok=True)
    _clean(into)
    draft = into.with_name(f".{into.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    draft.mkdir()
    lock = (draft / _LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield draft
        (draft / _LOCK).unlink()
        draft.replace(into)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        lock.close()


def _clean(into: Path) -> None:
    prefix = f".{into.name}."
    for left in into.parent.iterdir():
        if left.name.startswith(prefix) and left.name.endswith(".tmp") and left.is_dir() and _is_dead(left):
            shutil.rmtree(left, ignore_errors=True)


def _is_dead(draft: Path) -> bool:
    try:
        with (draft / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        # Either just made, or about to be renamed: only an old one is a leftover.
        with suppress(OSError):
            return time.time() - draft.stat().st_mtime > _GRACE_SECONDS
        return False
    except OSError:
        return False
