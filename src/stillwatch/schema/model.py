"""What a table, a column and a closed vocabulary are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import pyarrow as pa

__all__ = ["TIMESTAMP", "Column", "SchemaError", "Sensitivity", "Table", "Vocabulary"]

TIMESTAMP = pa.timestamp("us", tz="UTC")


class SchemaError(ValueError):
    """A table is not what its declaration says; ``remedy`` says what to do about it."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Sensitivity(StrEnum):
    """Who may see a column, from least to most guarded."""

    PUBLIC = "public"
    PSEUDONYMOUS = "pseudonymous"
    SECRET = "secret"  # noqa: S105 - a level's name, not a password
    CONTENT = "content"


@dataclass(frozen=True)
class Vocabulary:
    """A set of terms with their meanings; ``closed`` ones admit no other term."""

    name: str
    meaning: str
    terms: Mapping[str, str]
    closed: bool = True

    def __contains__(self, term: object) -> bool:
        return term in self.terms

    def __iter__(self) -> Iterator[str]:
        return iter(self.terms)


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, unit, meaning and sensitivity."""

    name: str
    type: pa.DataType
    meaning: str
    sensitivity: Sensitivity = Sensitivity.PUBLIC
    unit: str = ""
    required: bool = False
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True)
class Table:
    """A table of the project; it exists only if it is declared as one of these.

    ``name`` is ``group.table``; the file that holds it is named after the second part.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = field(default=())

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, columns in declared order."""
        return pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in self.columns])

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {c.name: c for c in self.columns}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in declared order."""
        return tuple(c.name for c in self.columns)

    def without(self, *names: str) -> tuple[Column, ...]:
        """The columns except the named ones: tables derived from this one are declared through it."""
        return tuple(c for c in self.columns if c.name not in names)
