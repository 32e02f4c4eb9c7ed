"""The only module that imports an engine: an Ibis connection by name.

Stages describe what they want as expressions on ``Relation``; they use only what Ibis offers on every
engine (no ordered collect, no ASOF join, no ``mode``, no pandas or pyarrow functions inside a query).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import ibis
import pyarrow as pa

from stillwatch.errors import UsageError

__all__ = ["ENGINES", "Engine", "Relation", "connect", "engine_errors", "engine_trouble", "engine_versions",
           "literal", "row_lag"]

# Ibis ships no types: a relation is an ibis.expr.types.Table.
Relation: TypeAlias = Any
ENGINES = ("duckdb",)

literal = ibis.literal


def row_lag(relation: Relation, column: str, *, within: Sequence[str]) -> Any:
    """The value of ``column`` in the row before, in its own order, among rows alike in ``within``."""
    return relation[column].lag().over(group_by=[relation[name] for name in within], order_by=relation[column])


def engine_versions() -> dict[str, str]:
    """Versions of the libraries behind the engines, for the findings' record of how they were made."""
    import duckdb

    return {"ibis": ibis.__version__, "duckdb": duckdb.__version__}


def engine_errors() -> tuple[type[Exception], ...]:
    """What engines raise for data that they cannot read; their texts may quote values, so they are not shown."""
    import duckdb

    return (duckdb.Error, ibis.common.exceptions.IbisError)


def engine_trouble(error: BaseException) -> str | None:
    """Whether an engine failed for want of ``disk`` or ``memory``: the machine's trouble, no fault of ours."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return "disk" if "max_temp_directory_size" in str(error) else "memory"
    full = ("No space left on device", "File too large", "Disk quota exceeded")
    return "disk" if isinstance(error, duckdb.IOException) and any(text in str(error) for text in full) else None


class Engine:
    """A connection with the few operations that stages need."""

    def __init__(self, name: str, backend: Any, scratch: tempfile.TemporaryDirectory[str]) -> None:
        self.name = name
        self._backend = backend
        self._scratch = scratch
        self._made = 0
        self._held: list[str] = []

    def parquet(self, paths: Sequence[Path]) -> Relation:
        """A relation over Parquet files of one schema."""
        return self._backend.read_parquet([str(path) for path in paths])

    def table(self, data: pa.Table) -> Relation:
        """A relation over an Arrow table, copied in (joins over registered Arrow data can hang)."""
        return self._backend.create_table(self._own("given"), data, temp=True)

    def keep(self, relation: Relation) -> Relation:
        """Compute the relation once and hold it in the engine (spilling to disk), for several readers."""
        return self._backend.create_table(self._own("kept"), relation, temp=True)

    def _own(self, kind: str) -> str:
        self._made += 1
        name = f"{kind}_{self._made}"
        self._held.append(name)
        return name

    @contextmanager
    def passing(self) -> Iterator[None]:
        """What is copied in or kept meanwhile is dropped at the end: work that is done many times holds one's space."""
        before = len(self._held)
        try:
            yield
        finally:
            for name in self._held[before:]:
                self._backend.drop_table(name, force=True)
            del self._held[before:]

    def arrow(self, relation: Any) -> pa.Table:
        """The relation's rows, in no particular order."""
        return relation.to_pyarrow()

    def write(self, relation: Relation, path: Path) -> None:
        """Write the relation to one Parquet file."""
        relation.to_parquet(str(path), compression="zstd")

    def close(self) -> None:
        """Close the connection and remove what it spilled."""
        self._backend.disconnect()
        self._scratch.cleanup()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def connect(name: str = "duckdb", *, threads: int = 0, memory: str | None = None,
            scratch: Path | None = None) -> Engine:
    """Connect to an engine.

    ``memory`` such as ``4GB`` bounds it; what does not fit spills to ``scratch`` (the system's
    temporary folder by default). Raises ``UsageError`` for an engine that is not known.
    """
    if name not in ENGINES:
        raise UsageError(f"no engine is called {name!r}", remedy=f"use one of: {', '.join(ENGINES)}")
    spill = tempfile.TemporaryDirectory(prefix="stillwatch-", dir=scratch)
    options: dict[str, Any] = {"temp_directory": spill.name, "preserve_insertion_order": False}
    if threads:
        options["threads"] = threads
    if memory:
        options["memory_limit"] = memory
    backend = ibis.duckdb.connect(**options)
    backend.raw_sql("SET TimeZone = 'UTC'")
    return Engine(name, backend, spill)
