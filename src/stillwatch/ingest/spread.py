"""Reading logs in an engine's processes: each reads a share of the files, with the very code that reads all in one.

Records stay where they are read. What comes back is what one process would have kept of them: parts in the folder that
all share, counts, lines for the quarantine, and what the reduction knows. Taken over in the order of the files that is
what one process would have made of all files, whatever the shares were.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import orjson
import pyarrow as pa

from stillwatch.errors import InputError, StillwatchError, UsageError
from stillwatch.ingest.joining import JoinsRecordsError
from stillwatch.ingest.reading import Read
from stillwatch.ingest.sources import Input

__all__ = ["Reduce", "Share", "Spreads", "Told", "shares"]

# Bytes of files a share: to begin one takes a second, and one that is lost is begun anew.
_LEAST, _MOST = 1 << 20, 256 << 20
_A_PROCESS = 4
_ERRORS: Mapping[str, type[StillwatchError]] = {error.__name__: error for error in (
    StillwatchError, InputError, UsageError)}

Reduce: TypeAlias = Callable[[pa.RecordBatch], pa.RecordBatch]


@runtime_checkable
class Spreads(Protocol):
    """A reduction that can be made in parts."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """As any reduction."""

    def fresh(self) -> Spreads:
        """One that has seen nothing."""

    def save(self, path: Path) -> None:
        """Write what it knows to a file."""

    def take_over(self, path: Path) -> None:
        """Add what another saved, as if its batches had been given to this one."""


@dataclass(frozen=True)
class Told:
    """What became of a share: where it is, how its files were read by their numbers, which of them no format
    recognises, and what the sink counted. Or an error; or that its records are parts of exchanges (``joins``)."""

    folder: str = ""
    reads: Sequence[tuple[int, dict[str, Any]]] = ()
    unrecognised: Sequence[tuple[str, str]] = ()
    sink: Mapping[str, Any] | None = None
    error: tuple[str, str, str] | None = None
    joins: bool = False

    def raised(self) -> None:
        """Raise the share's error, if it has one."""
        if self.error is not None:
            kind, message, remedy = self.error
            raise _ERRORS.get(kind, StillwatchError)(message, remedy=remedy)

    def each(self) -> Sequence[tuple[int, Read]]:
        """How each file was read."""
        return [(number, Read(**read)) for number, read in self.reads]


@dataclass(frozen=True)
class Share:
    """Reads share after share, each by its number, in whatever process it is called.

    ``reads`` is given a folder, the numbers of the files to read into it and a reduction, and says what became of them.
    """

    folder: Path
    of: Sequence[range]
    reads: Callable[[Path, range, Reduce | None], Told]
    reduce: Spreads | None

    def __call__(self, number: int) -> bytes:
        """Read the share; what is told of it is JSON. One that is read twice leaves two folders, and tells one."""
        if not self.folder.is_dir():
            remedy = "name a findings folder that all machines of the cluster see under the same path"
            return orjson.dumps(asdict(Told(error=("UsageError", f"{self.folder} is not there where the engine's"
                                                   " processes run", remedy))))
        folder = self.folder / f"share-{number:06d}-{uuid.uuid4().hex}"
        folder.mkdir()
        reduce = None if self.reduce is None else self.reduce.fresh()
        try:
            told = self.reads(folder, self.of[number], reduce)
        except JoinsRecordsError:
            told = Told(joins=True)
        except StillwatchError as error:
            told = Told(error=(type(error).__name__, error.message, error.remedy))
        if told.sink is None:
            shutil.rmtree(folder, ignore_errors=True)
        elif reduce is not None:
            reduce.save(folder / "reduction")
        return orjson.dumps(asdict(told))


def shares(files: Sequence[Input], parallel: int) -> list[range]:
    """Runs of files, by their numbers: a few a process, but none so small that beginning it is most of the work."""
    sizes = [file.path.stat().st_size if file.regular and file.path.exists() else 0 for file in files]
    target = max(_LEAST, min(_MOST, sum(sizes) // (_A_PROCESS * max(1, parallel))))
    found, first, held = [], 0, 0
    for number, size in enumerate(sizes):
        held += size
        if held >= target or number == len(sizes) - 1:
            found.append(range(first, number + 1))
            first, held = number + 1, 0
    return found
