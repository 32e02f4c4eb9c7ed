"""Folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stillwatch.errors import UsageError

__all__ = ["check_target", "new_folder"]

_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_AT_FDCWD = -100
_LOCK = ".lock"
_OWNERS = 0o700
_GRACE_SECONDS = 60.0


def check_target(target: Path, ours: Callable[[Path], bool], what: str) -> None:
    """Raise ``UsageError`` unless ``target`` may be written: absent, empty, or ``ours`` to replace."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file", remedy=f"name a folder for the {what}")
    if any(target.iterdir()) and not ours(target):
        raise UsageError(f"{target} exists already and is no {what}",
                         remedy="name another folder, or empty this one: nothing of yours is overwritten")


@contextmanager
def new_folder(target: Path, ours: Callable[[Path], bool], what: str) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its place when the block ends well.

    A reader sees the old folder or the new one, never a mixture; a killed process leaves the old one and a
    hidden draft, which the next call for the same target removes. A living process holds a lock in its draft, so it
    is never taken for dead. Raises ``UsageError`` as ``check_target``.

    What is in it names accounts, so it is its owner's alone, whatever the umask. A folder that was there keeps its
    permissions, and all that is in the new one gets the same: who shares it says so once, by ``mkdir`` or ``chmod``.
    """
    target = target.absolute()
    check_target(target, ours, what)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    draft = target.with_name(f".{target.name}.{os.getpid()}-{time.monotonic_ns()}.draft")
    draft.mkdir(mode=0o700)
    lock = (draft / _LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield draft
        (draft / _LOCK).unlink()
        for file in draft.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        check_target(target, ours, what)  # somebody else may have finished first
        _permit(draft, target)
        _take_place(draft, target)
    finally:
        lock.close()
        shutil.rmtree(draft, ignore_errors=True)


def _permit(draft: Path, target: Path) -> None:
    """Let those read the draft, and only those, who may read what it replaces."""
    every = [draft, *draft.rglob("*")]
    mode = _OWNERS
    if target.exists():
        old = target.stat()
        mode = stat.S_IMODE(old.st_mode) & 0o777 | _OWNERS
        try:
            for path in every:
                os.chown(path, -1, old.st_gid)
        except PermissionError:
            # It cannot be that group's again, and what one group may read is not for another.
            mode &= ~0o070
    for path in reversed(every):
        path.chmod(mode if path.is_dir() else mode & 0o666)


def _take_place(draft: Path, target: Path) -> None:
    if not target.exists():
        draft.rename(target)
        return
    if not _exchange(draft, target):
        # Without an atomic exchange there is a moment in which the target is missing; the old one is kept aside.
        aside = draft.with_suffix(".old")
        target.rename(aside)
        draft.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done: int = call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    return done == 0


def _sweep(target: Path) -> None:
    """Remove drafts that killed processes left for this target, and put back a folder that one had set aside."""
    for left in sorted(target.parent.iterdir()):
        if not left.name.startswith(f".{target.name}.") or not left.is_dir():
            continue
        if left.suffix == ".old" and not target.exists():
            left.rename(target)
        elif left.suffix == ".old" or (left.suffix == ".draft" and _dead(left)):
            shutil.rmtree(left, ignore_errors=True)


def _dead(draft: Path) -> bool:
    try:
        with (draft / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        # Just made, or about to take its place: only an old one is a leftover.
        with contextlib.suppress(OSError):
            return time.time() - draft.stat().st_mtime > _GRACE_SECONDS
        return False
    except OSError:
        return False
