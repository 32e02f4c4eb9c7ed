"""A findings folder → its tables as CSV, Parquet or JSON, for spreadsheets and programs of others.

What strangers wrote (account names, user agents) goes into these files. In CSV no cell is a formula, and nothing that a
reader cannot see is left in it; JSON is plain ASCII with escapes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.errors import InputError, UsageError
from stillwatch.folders import new_folder
from stillwatch.schema import QUARANTINE, TABLES, SchemaError, Table, conform

__all__ = ["EXPORT_FORMATS", "export", "spreadsheet_cell"]

EXPORT_FORMATS = ("csv", "parquet", "json")
_RERUN = "run `stillwatch scan` again, or name another folder"
_MANIFEST = "export.json"
_BATCH = 16_384
_LONGEST_LINE = 65_536
_LONGEST_CELL = 32_000  # a spreadsheet's cell holds 32,767 characters
_LONGEST_PART = 1_000  # of a text in a list
# The full-width forms count as formulas where a spreadsheet folds them.
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")

Inert: TypeAlias = Callable[[str], str]


def export(findings: Path, out: Path, form: str, *, inert: Inert, only: Sequence[str] = ()) -> dict[str, int]:
    """Write every table of a findings folder to ``out``, and return rows by table name.

    A file a table (``campaigns.csv``), ``columns.csv`` or ``.json`` with what each column means, and ``export.json``.
    Tables that the folder lacks are left out; ``only`` names the tables to write, all by default. The same folder gives
    the same bytes, in the order of its rows. ``inert`` makes what cannot be seen in a text visible; CSV is written
    through it. Raises ``UsageError`` for a format, table or folder that is not there, or an ``out`` that holds
    something else, and ``InputError`` for a table that cannot be read.
    """
    if form not in EXPORT_FORMATS:
        raise UsageError(f"tables cannot be written as {form!r}", remedy=f"use one of: {', '.join(EXPORT_FORMATS)}")
    tables = _chosen(findings, only)
    rows = {}
    with new_folder(out, lambda folder: (folder / _MANIFEST).is_file(), "export of findings") as draft:
        for table in tables:
            name = _name(table)
            rows[name] = _WRITERS[form](draft / f"{name}.{form}", table, _batches(findings, table), inert)
        _columns(draft, tables, "csv" if form == "csv" else "json")
        told = {"format": form, "rows": rows}
        (draft / _MANIFEST).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", "utf-8")
    return rows


def spreadsheet_cell(text: str, inert: Inert) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula: an apostrophe stands before what could be one."""
    # What is made visible is longer than it was, and a spreadsheet cuts off what it cannot hold.
    shown = _middle_out(inert(text), _LONGEST_CELL)
    return f"'{shown}" if text[:1] in _FORMULA or text.lstrip()[:1] in _FORMULA else shown


def _name(table: Table) -> str:
    return table.name.partition(".")[2]


def _file(findings: Path, table: Table) -> Path:
    return findings / (f"{_name(table)}.jsonl" if table is QUARANTINE else f"{_name(table)}.parquet")


def _chosen(findings: Path, only: Sequence[str]) -> list[Table]:
    if not findings.is_dir():
        raise UsageError(f"there is no findings folder {findings}",
                         remedy="name the folder that `stillwatch scan --out` wrote")
    known = {_name(table): table for table in TABLES if table.name.startswith("findings.")}
    there = [name for name, table in known.items() if _file(findings, table).is_file()]
    if "campaigns" not in there:
        raise InputError(f"{findings} holds no findings: campaigns.parquet is not in it",
                         remedy="name the folder that `stillwatch scan --out` wrote")
    for name in only:
        if name not in there:
            raise UsageError(f"{findings} has no table {name!r}", remedy=f"use one of: {', '.join(there)}")
    return [known[name] for name in there if not only or name in only]


def _batches(findings: Path, table: Table) -> Iterator[pa.Table]:
    """The table in parts, with the declared columns."""
    path = _file(findings, table)
    if table is QUARANTINE:
        yield from _quarantine(path)
        return
    try:
        with pq.ParquetFile(path) as file:
            known = [name for name in table.names if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=_BATCH, columns=known):
                yield conform(pa.table(batch), table)
    except SchemaError as error:
        raise InputError(f"{path}: {error.message}", remedy=_RERUN) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet", remedy=_RERUN) from error


def _quarantine(path: Path) -> Iterator[pa.Table]:
    rows: list[dict[str, Any]] = []
    with path.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), b""), 1):
            rows.append(_set_aside(line, number, path.name))
            if len(rows) == _BATCH:
                yield pa.Table.from_pylist(rows, schema=QUARANTINE.arrow)
                rows = []
    if rows:
        yield pa.Table.from_pylist(rows, schema=QUARANTINE.arrow)


def _set_aside(line: bytes, number: int, file: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        texts = [str(row["file"]), str(row["reason"]), str(row.get("detail") or "")]
        "".join(texts).encode("utf-8")
        made = {"file": texts[0], "line": int(row["line"]), "reason": texts[1], "detail": texts[2] or None}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return {"file": file, "line": number, "reason": "unparsable", "detail": None}
    return made


def _rows(batches: Iterable[pa.Table], table: Table) -> Iterator[dict[str, Any]]:
    for batch in batches:
        try:
            yield from batch.to_pylist()
        except (ValueError, OverflowError) as error:
            raise InputError(f"{table.name} holds a time that no calendar has", remedy=_RERUN) from error


def _as_csv(path: Path, table: Table, batches: Iterable[pa.Table], inert: Inert) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        # Everything is quoted, so that a separator of another locale inside a text begins no cell.
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(table.names)
        for row in _rows(batches, table):
            writer.writerow([_cell(row[name], inert) for name in table.names])
            count += 1
    return count


def _cell(value: Any, inert: Inert) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return spreadsheet_cell(value, inert)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, list | dict):
        # ASCII that begins with a bracket: no formula, and nothing hidden.
        return json.dumps(_shortened(_plain(value)), ensure_ascii=True)
    return repr(value)


def _shortened(value: Any) -> Any:
    """Lists and objects with long texts cut, so that a cell can hold them."""
    if isinstance(value, str):
        return _middle_out(value, _LONGEST_PART)
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def _middle_out(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most // 2]}…{text[-(most // 2):]}"


def _as_json(path: Path, table: Table, batches: Iterable[pa.Table], inert: Inert) -> int:
    """A list of objects, one a line; a number that is none is null."""
    count = 0
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write("[")
        for row in _rows(batches, table):
            file.write(",\n" if count else "\n")
            file.write(json.dumps(_plain(row), ensure_ascii=True, allow_nan=False))
            count += 1
        file.write("\n]\n")
    return count


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _as_parquet(path: Path, table: Table, batches: Iterable[pa.Table], inert: Inert) -> int:
    count = 0
    with pq.ParquetWriter(path, table.arrow, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(batch)
            count += batch.num_rows
    return count


_WRITERS: Mapping[str, Callable[[Path, Table, Iterable[pa.Table], Inert], int]] = {
    "csv": _as_csv, "json": _as_json, "parquet": _as_parquet}


def _columns(folder: Path, tables: Sequence[Table], form: str) -> None:
    """What each column means and who may see it."""
    rows = [{"table": _name(table), "column": column.name, "type": str(column.type), "unit": column.unit,
             "sensitivity": str(column.sensitivity), "meaning": column.meaning}
            for table in tables for column in table.columns]
    path = folder / f"columns.{form}"
    if form == "json":
        path.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
