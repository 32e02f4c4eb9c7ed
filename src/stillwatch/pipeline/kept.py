"""What an unfinished scan has finished: kept beside its findings, each part under the digest of all it came from.

A part that is there under its digest need not be made again; one that came from anything else is never looked at.
The folder is its owner's alone, and all in it is readable with the deployment key only (see ``lockbox``). It goes when
the scan is done. See ``docs/decisions/0019-resuming.md``.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from stillwatch.errors import UsageError
from stillwatch.pipeline.lockbox import DamagedError, Lockbox
from stillwatch.pipeline.watch import Clock, Quiet, Watcher
from stillwatch.settings import DeploymentKey

__all__ = ["Items", "Kept", "digest_of", "work_folder"]

T = TypeVar("T")
_LOCK = ".lock"
_MARKER = "ABOUT.txt"
_ABOUT = """Made by stillwatch scan: what a scan that did not end had finished.

The same command goes on from here, and removes this folder when it is done. All in it is encrypted under the deployment
key. Delete the folder if the scan is not to go on.
"""
_END = ".sealed"
_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


def work_folder(out: Path) -> Path:
    """Where what an unfinished scan for the findings folder ``out`` had finished is kept."""
    return out.absolute().with_name(f"{out.absolute().name}.work")


def digest_of(*parts: Any) -> str:
    """The digest of anything that JSON can tell: 128 bits of SHA-256, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


class Kept:
    """The folder, held by one scan at a time; without a folder nothing is kept, and nothing is there."""

    def __init__(self, folder: Path | None, key: DeploymentKey, watcher: Watcher | None = None) -> None:
        self._folder = folder
        self._watcher = watcher or Quiet()
        self._box = Lockbox(key.subkey("kept work"))

    @classmethod
    @contextmanager
    def open(cls, out: Path, key: DeploymentKey, *, keep: bool = False, watcher: Watcher | None = None
             ) -> Iterator[Kept]:
        """Hold what belongs to the findings folder ``out``.

        After an error or an interruption what is finished stays, and the error says so in a note. Otherwise nothing
        stays, unless ``keep`` says so. Where another scan for the same folder runs, nothing is kept. Raises
        ``UsageError`` where the place is taken by something else.
        """
        folder = work_folder(out)
        with _claim(folder) as lock:
            kept = cls(folder if _held(lock, folder) else None, key, watcher)
            try:
                yield kept
            except BaseException as error:
                if kept.finished:
                    error.add_note(f"What was finished is kept in {folder}, encrypted; the same command goes on from"
                                   " there. Delete it if you will not.")
                else:
                    kept.remove()
                raise
            if not keep:
                kept.remove()

    @property
    def finished(self) -> bool:
        """Whether anything is kept."""
        return self._folder is not None and any(self._folder.glob(f"*{_END}"))

    def remove(self) -> None:
        """Keep nothing, from now on either."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def items(self, name: str, key: str) -> Items:
        """The parts of a stage by number, each kept as soon as it is there."""
        return Items(self, name, key)

    def made(self, clock: Clock, name: str, key: str, make: Callable[[], T]) -> T:
        """What a stage makes: as it was kept, or made now and kept."""
        held = self.get(name, key)
        if held is not None:
            clock.kept(name)
            value: T = held
            return value
        with clock.stage(name):
            value = make()
            self.put(name, key, value)
        return value

    def get(self, name: str, key: str, item: str = "") -> Any | None:
        """A value that was kept; ``None`` where there is none or it is damaged."""
        return None if self._folder is None else self._whole(name, key, item, self._box.get)

    def put(self, name: str, key: str, value: Any, item: str = "") -> None:
        """Keep a value that is not ``None``. What the stage once made from anything else goes."""
        self._write(name, key, item, lambda path: self._box.put(path, value))

    def get_file(self, name: str, key: str, item: str, target: Path) -> bool:
        """Put a file that was kept to ``target``, a path where nothing is; says whether it was there, whole."""
        def to_target(path: Path) -> bool:
            self._box.get_file(path, target)
            return True

        if self._folder is None:
            return False
        if self._whole(name, key, item, to_target):
            return True
        target.unlink(missing_ok=True)
        return False

    def put_file(self, name: str, key: str, item: str, source: Path) -> None:
        """Keep the content of a file."""
        self._write(name, key, item, lambda path: self._box.put_file(path, source))

    def drop(self, name: str, key: str, item: str) -> None:
        """Keep one part of a stage no longer."""
        if self._folder is not None:
            self._path(name, key, item).unlink(missing_ok=True)

    def _whole(self, name: str, key: str, item: str, read: Callable[[Path], T]) -> T | None:
        path = self._path(name, key, item)
        try:
            return read(path)
        except FileNotFoundError:
            return None
        except DamagedError:
            path.unlink(missing_ok=True)
            return None

    def _write(self, name: str, key: str, item: str, write: Callable[[Path], None]) -> None:
        if self._folder is None:
            return
        ours = f"{_slug(name)}.{key}."
        for path in self._folder.glob(f"{_slug(name)}.*"):
            if not path.name.startswith(ours):
                path.unlink(missing_ok=True)
        try:
            write(self._path(name, key, item))
        except OSError as error:
            if error.errno not in _FULL:
                raise
            # The findings need the room more than a scan that may never have to go on.
            self.remove()
            self._watcher.stage("no room to keep what is finished: going on without")

    def _path(self, name: str, key: str, item: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{_slug(name)}.{key}.{item}{_END}"


@dataclass(frozen=True)
class Items:
    """Numbered parts of one stage (see ``Kept.items``)."""

    kept: Kept
    name: str
    key: str

    def get(self, number: int) -> Any | None:
        """Part ``number``, or ``None``."""
        return self.kept.get(self.name, self.key, f"{number:06d}")

    def put(self, number: int, value: Any) -> None:
        """Keep part ``number``, a value that is not ``None``."""
        self.kept.put(self.name, self.key, value, f"{number:06d}")


def _slug(name: str) -> str:
    return name.replace(" ", "-")


def _claim(folder: Path) -> IO[str]:
    """Make the folder ours, and open its lock; raises ``UsageError`` where it holds what is not."""
    if folder.exists() and not (folder.is_dir() and ((folder / _MARKER).is_file() or not any(folder.iterdir()))):
        raise UsageError(f"{folder} is where a scan keeps what it has finished, and holds something else",
                         remedy="move it away, or name another --out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder.mkdir(exist_ok=True, mode=0o700)
        # Another scan that ends just now may remove it in between.
        with suppress(FileNotFoundError):
            folder.chmod(0o700)
            (folder / _MARKER).write_text(_ABOUT, "utf-8")
            return (folder / _LOCK).open("w")


def _held(lock: IO[str], folder: Path) -> bool:
    """Whether the folder is now this process's, and still there: its last holder may just have removed it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat((folder / _LOCK).stat(), os.fstat(lock.fileno()))
    except OSError:
        return False
