"""Folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stillwatch.errors import UsageError

__all__ = ["check_target", "new_folder"]

_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_AT_FDCWD = -100


def check_target(target: Path, ours: Callable[[Path], bool], what: str) -> None:
    """Raise ``UsageError`` unless ``target`` may be written: absent, empty, or ``ours`` to replace."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file", remedy=f"name a folder for the {what}")
    if any(target.iterdir()) and not ours(target):
        raise UsageError(f"{target} holds something that is no {what}",
                         remedy="name another folder, or empty this one: nothing of yours is overwritten")


@contextmanager
def new_folder(target: Path, ours: Callable[[Path], bool], what: str) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its place when the block ends well.

    A reader sees the old folder or the new one, never a mixture; a killed process leaves the old one and a
    hidden draft, which the next call for the same target removes. Raises ``UsageError`` as ``check_target``.
    """
    target = target.absolute()
    check_target(target, ours, what)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", suffix=".draft", dir=target.parent))
    try:
        yield draft
        draft.chmod(0o755)
        for file in draft.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        _take_place(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


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
    """Remove drafts that killed processes left for this target; those of living processes stay."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(\d+)\.[^.]*\.(draft|old)")
    for entry in target.parent.iterdir():
        found = pattern.fullmatch(entry.name)
        if not found or _alive(int(found[1])):
            continue
        if found[2] == "old" and not target.exists():
            entry.rename(target)
        else:
            with contextlib.suppress(OSError):
                shutil.rmtree(entry)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
