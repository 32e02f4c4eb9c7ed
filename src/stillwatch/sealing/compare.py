"""Two folders of findings that should hold the same, compared table by table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.digests import file_digest
from stillwatch.errors import InputError
from stillwatch.schema import EVIDENCE, QUARANTINE, TABLES, Table

__all__ = ["ROUNDING", "compare_findings", "compare_tables"]

ROUNDING = 1e-9
"""Relative difference up to which two fractions count as the same: what adding up in another order may change."""

# Whatever the schema declares as findings; what was set aside is no Parquet table and is compared as a file.
_TABLES = tuple(table for table in TABLES if table.name.startswith("findings.") and table is not QUARANTINE)
# The one table without a declared key, and what tells its rows apart.
_KEYS = {EVIDENCE.name: ("campaign_id", "kind", "value")}
_FILES = ("quarantine.jsonl",)


def compare_findings(sealed: Path, again: Path) -> list[dict[str, Any]]:
    """Every table of two findings folders, the sealed one first: whether it is the same, and how it differs."""
    told = [compare_tables(table, *(_read(folder, table) for folder in (sealed, again))) for table in _TABLES]
    for name in _FILES:
        digests = [file_digest(folder / name) if (folder / name).is_file() else None for folder in (sealed, again)]
        told.append({"table": name, "same": digests[0] == digests[1]})
    return told


def _read(folder: Path, table: Table) -> pa.Table | None:
    path = folder / f"{table.name.partition('.')[2]}.parquet"
    try:
        return pq.read_table(path) if path.is_file() else None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet", remedy="restore the findings") from error


def compare_tables(table: Table, sealed: pa.Table | None, again: pa.Table | None) -> dict[str, Any]:
    """How two tables differ, whatever the order of their rows: rows on one side only, and columns that changed.

    Fractions that differ by rounding (``ROUNDING``) are the same.
    """
    told: dict[str, Any] = {"table": table.name.partition(".")[2], "same": True}
    if sealed is None or again is None:
        return told | {"same": sealed is again, "missing": "sealed" if sealed is None else "rerun"}
    told |= {"rows_sealed": sealed.num_rows, "rows_rerun": again.num_rows}
    if sealed.equals(again):
        return told
    key = table.key or _KEYS[table.name]
    absent = [name for name in key if name not in sealed.column_names or name not in again.column_names]
    if absent:
        return told | {"same": False, "columns": absent}
    before, after = (_by_key(data, key) for data in (sealed, again))
    changed: dict[str, dict[str, Any]] = {}
    for place in before.keys() & after.keys():
        for name in {*before[place], *after[place]}:
            apart = _apart(before[place].get(name), after[place].get(name))
            if apart > ROUNDING:
                column = changed.setdefault(name, {"rows": 0, "largest": 0.0})
                column["rows"] += 1
                # Where two are no fractions there is no size to tell, only that they differ.
                column["largest"] = max(column["largest"], apart if math.isfinite(apart) else 0.0)
    gone, new = len(before.keys() - after.keys()), len(after.keys() - before.keys())
    return told | {"same": not (gone or new or changed), "only_sealed": gone, "only_rerun": new,
                   "changed": dict(sorted(changed.items()))}


def _by_key(data: pa.Table, key: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by key; rows of one key are told apart by how many came before."""
    times: Counter[tuple[Any, ...]] = Counter()
    found = {}
    for row in data.to_pylist():
        place = tuple(row[name] for name in key)
        found[(*place, times[place])] = row
        times[place] += 1
    return found


def _apart(one: Any, other: Any) -> float:
    """Relative difference of two values: 0 where they are equal, infinite where they have nothing to compare."""
    if isinstance(one, float) and isinstance(other, float):
        if one == other or (math.isnan(one) and math.isnan(other)):
            return 0.0
        # Below one, differences count as they are: a probability of 1e-12 may well come out as 2e-12.
        return abs(one - other) / max(1.0, abs(one), abs(other))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max((_apart(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max((_apart(one[name], other[name]) for name in one), default=0.0)
    return 0.0 if one == other else math.inf
