"""Delta tables as inputs: the files that the table's newest version consists of, with their partitions' values.

The log of the table says which files are part of it; reading all that lie in the folder would count rows that were
deleted or rewritten. Needs the package `deltalake` (extra `stillwatch[delta]`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from stillwatch.errors import InputError, UsageError

__all__ = ["TableFile", "delta_files", "is_delta"]

_COMMIT = re.compile(r"[0-9]{20}\.(json|checkpoint\..*parquet)\Z")
# Features that change nothing about which rows a file's Parquet holds, or under which names.
_HARMLESS = frozenset({"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "variantType", "variantType-preview",
                       "columnMapping", "deletionVectors"})
_EXPORT = "write the table out as plain Parquet with the engine that keeps it, and give that folder"


@dataclass(frozen=True)
class TableFile:
    """A data file of a table, and what the table says of all rows in it.

    With ``whole`` its rows say everything themselves, so that the names of its folders are not asked.
    """

    path: Path
    partition: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False


def is_delta(folder: Path) -> bool:
    """Whether a folder holds a Delta table: a log with a version in it."""
    log = folder / "_delta_log"
    return log.is_dir() and any(_COMMIT.match(path.name) for path in log.iterdir())


def delta_files(folder: Path) -> list[TableFile]:
    """The data files of the table's newest version, by path.

    Raises ``UsageError`` without the package, ``InputError`` for a log that cannot be read, for files outside the
    folder and for what cannot be read file by file: deletion vectors, columns under other names.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise UsageError(f"{folder} is a Delta table, and the package that reads its log is not installed",
                         remedy="pip install 'stillwatch[delta]'") from None
    try:
        table = DeltaTable(str(folder.resolve()))
        _check(table, folder)
        actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    except (DeltaError, OSError, ValueError, pa.ArrowException) as error:
        # The package's messages may quote what stands in the log.
        raise InputError(f"the log of the Delta table {folder} cannot be read: {type(error).__name__}",
                         remedy=_EXPORT) from error
    root = folder.resolve()
    return sorted((_file(action, folder, root) for action in actions), key=lambda file: file.path.as_posix())


def _check(table: Any, folder: Path) -> None:
    protocol, configured = table.protocol(), table.metadata().configuration or {}
    features = set(protocol.reader_features or ())
    if features - _HARMLESS:
        named = ", ".join(sorted(name[:40] for name in features - _HARMLESS))
        raise InputError(f"the Delta table {folder} uses what is not read here: {named}", remedy=_EXPORT)
    if configured.get("delta.columnMapping.mode", "none") != "none":
        raise InputError(f"the Delta table {folder} keeps its columns under other names (column mapping)",
                         remedy=_EXPORT)
    if "deletionVectors" in features and any(batch.num_rows for batch in table.deletion_vectors()):
        raise InputError(f"the Delta table {folder} has deleted rows that its files still hold (deletion vectors)",
                         remedy="rewrite them first, as REORG TABLE … APPLY (PURGE) does")


def _file(action: Mapping[str, Any], folder: Path, root: Path) -> TableFile:
    path = folder / unquote(str(action["path"]))
    if "://" in str(action["path"])[:12] or not path.resolve().is_relative_to(root):
        raise InputError(f"the Delta table {folder} names data files outside its folder", remedy=_EXPORT)
    if not path.is_file():
        raise InputError(f"{path} is part of a Delta table and is not there",
                         remedy="copy the whole table, or restore the file")
    given = {name.removeprefix("partition."): _text(value) for name, value in action.items()
             if name.startswith("partition.") and value is not None}
    return TableFile(path, given)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
