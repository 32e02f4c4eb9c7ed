"""What ingest counts and returns, and what a log format is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

from stillwatch.settings import DeploymentKey

__all__ = [
    "ELSEWHERE",
    "OUT_OF_SCOPE",
    "BadRecord",
    "Counts",
    "Example",
    "FileReport",
    "Format",
    "Ingested",
    "Joins",
    "OutOfScope",
    "Row",
    "Unpacks",
]

# A parsed record: values by column of `input.exchanges`; `extra` is a dict here, JSON text once written.
Row: TypeAlias = dict[str, Any]


# No column: the names of the text columns that a record says are kept in another place, which is not read.
ELSEWHERE: Final = "kept elsewhere"


class OutOfScope(Enum):
    """The type of ``OUT_OF_SCOPE``."""

    OUT_OF_SCOPE = "out of scope"


# What a format returns for a record that is no call to a model: a model list, a health check.
OUT_OF_SCOPE: Final[Literal[OutOfScope.OUT_OF_SCOPE]] = OutOfScope.OUT_OF_SCOPE


class BadRecord(Exception):  # noqa: N818 - it is about a record, not about the program
    """A record that cannot be read. ``reason`` is a term of ``quarantine_reason``; neither text quotes content."""

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Counts:
    """What became of the records read: ``records_in`` is the sum of the others, always."""

    records_in: int = 0
    kept: int = 0
    quarantined: int = 0
    duplicates: int = 0
    merged: int = 0
    out_of_scope: int = 0

    @property
    def balanced(self) -> bool:
        """Whether records in = kept + quarantined + duplicates + merged + out of scope."""
        parts = self.kept + self.quarantined + self.duplicates + self.merged + self.out_of_scope
        return self.records_in == parts

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = self.as_dict(), other.as_dict()
        return Counts(**{name: value + theirs[name] for name, value in mine.items()})


@dataclass(frozen=True)
class FileReport:
    """One input file: how it was read and what became of its records.

    ``digest`` is the SHA-256 of the content after decompression (of the file itself for Parquet), in
    hex; ``format`` is null for a file that no format recognises or that is empty; ``broken`` says what of a damaged
    file could not be read, and is empty for others.
    """

    path: str
    format: str | None
    container: str
    compression: str
    digest: str
    counts: Counts
    broken: str = ""


@dataclass(frozen=True)
class Ingested:
    """What ``ingest`` leaves behind, and what it learnt on the way.

    ``elsewhere`` counts the records that say, of a text column, that its text is kept in another place.
    """

    counts: Counts
    files: tuple[FileReport, ...]
    parts: tuple[Path, ...]
    quarantine: Path
    present: frozenset[str]
    set_aside: dict[str, int]
    unknown_accounts: int
    elsewhere: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A documented record of a format with the columns that must come out of it.

    ``expected`` is compared column by column after validation; ``None`` stands for null, and the string
    ``"out of scope"`` in place of the mapping for a record that is no call to a model.
    """

    record: Mapping[str, Any]
    expected: Mapping[str, Any] | Literal["out of scope"]


@runtime_checkable
class Format(Protocol):
    """One kind of log. Third parties add theirs under the entry-point group ``stillwatch.formats``.

    ``looks_like`` completes the sentence "its records have …" in the error for an unrecognised file.
    """

    name: str
    looks_like: str

    def recognises(self, record: Mapping[str, Any]) -> int:
        """How surely the record is of this format: 0 for not at all, 100 for certainly."""

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """The record's values by column name; what no column holds goes into the dict ``extra``.

        Values need not have the column's type: strings of digits, epoch numbers and the like are
        converted afterwards. Under ``ELSEWHERE`` may stand a list of text columns whose text the record says is in
        another place. Raises ``BadRecord``.
        """

    def examples(self) -> Sequence[Example]:
        """Records built from the product's documentation, for the contract tests."""


@runtime_checkable
class Unpacks(Protocol):
    """A format whose records may hold several: a line of OTLP is many spans. Beside ``Format``, not instead."""

    def unpack(self, record: Mapping[str, Any]) -> Iterable[Mapping[str, Any] | BadRecord]:
        """The records in a record, each counted as one; none for one that holds nothing, which is out of scope."""


@runtime_checkable
class Joins(Protocol):
    """A format whose source may write one exchange as several records, anywhere in the input, in any order."""

    def join_key(self, record: Mapping[str, Any]) -> str | None:
        """What the records of one exchange have in common; ``None`` for a record that stands alone."""

    def join(self, records: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[int, BadRecord]]:
        """The one record that ``parse`` reads, of all with one key in reading order, and what is wrong with those that
        could not be part of it, by their number (never the first). Raises ``BadRecord``."""
