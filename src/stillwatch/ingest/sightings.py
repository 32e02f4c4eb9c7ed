"""Anybody's own sightings in: `account_id, kind, value`, and optionally times and counts; nothing lost in silence.

Rows are read column-wise in blocks. Python looks at single rows only in a block that the fast reader refuses, which
is how one damaged line costs itself and no other.
"""

from __future__ import annotations

import difflib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from stillwatch.errors import InputError
from stillwatch.ingest.containers import Source, open_source, records
from stillwatch.ingest.model import BadRecord
from stillwatch.ingest.parquet import ParquetSource
from stillwatch.ingest.settling import Settler
from stillwatch.ingest.sources import Input, find
from stillwatch.schema import SIGHTINGS
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["GivenSightings", "read_sightings"]

_NEEDED = ("account_id", "kind", "value")
_USED = SIGHTINGS.names
_BLOCK = 8 << 20
_SAMPLE_ROWS = 1000


@dataclass
class GivenSightings:
    """What was read: Parquet parts (schema ``SIGHTINGS``, rows as they came), and what became of every row.

    ``rows`` = ``kept`` + the sum of ``set_aside`` (by reason). ``unread`` counts what was left empty in rows that
    were kept.
    """

    parts: list[Path] = field(default_factory=list)
    rows: int = 0
    kept: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    files: list[dict[str, object]] = field(default_factory=list)


def read_sightings(inputs: Sequence[str | Path], into: Path, *, settings: Settings, key: DeploymentKey,
                   secret: frozenset[str], tick: Callable[[int], None] | None = None) -> GivenSightings:
    """Read files, folders or globs of Parquet, CSV or JSON lines (plain, gzip, zstd), told by content.

    Values of the kinds in ``secret`` become keyed digests. Raises ``UsageError`` for what is not there, ``InputError``
    for files without the needed columns or without any row that can be used.
    """
    found, settler = GivenSightings(), Settler(key, secret)
    into.mkdir(parents=True)
    for number, file in enumerate(find(inputs)):
        part = into / f"part-{number:05d}.parquet"
        before = settler.rows
        with pq.ParquetWriter(part, SIGHTINGS.arrow, compression="lz4") as writer:
            for table in _tables(file, settings, settler):
                writer.write_table(settler.settle(table))
                if tick is not None:
                    tick(settler.rows)
        found.parts.append(part)
        found.files.append({"path": file.name, "rows": settler.rows - before})
    found.rows, found.kept = settler.rows, settler.kept
    found.set_aside, found.unread, found.kinds = settler.set_aside, settler.unread, settler.kinds
    if not found.kept:
        why = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in found.set_aside.most_common())
        raise InputError(f"none of {found.rows:,} rows can be used{f': {why}' if why else ''}",
                         remedy="give rows with account_id, kind and value, such as `acct_1,payment,card_9f3`")
    return found


def _tables(file: Input, settings: Settings, settler: Settler) -> Iterator[pa.Table]:
    try:
        source = open_source(file.path, settings)
        try:
            if source.container == "parquet":
                yield from _parquet(file, settings, settler)
            elif source.container != "empty":
                yield from _text(file, source, settings, settler)
        finally:
            source.stream.close()
    except BadRecord as bad:
        raise InputError(f"{file.name} cannot be read: {bad.detail or bad.reason.replace('_', ' ')}",
                         remedy="give Parquet, CSV or JSON lines, plain or compressed with gzip or zstd") from None


def _check(names: Sequence[str], file: Input) -> list[str]:
    """The columns to read. Raises ``InputError`` for those that are needed and not there."""
    gone = [name for name in _NEEDED if name not in names]
    if gone:
        spare = [name for name in names if name not in _USED]
        near = {name: difflib.get_close_matches(name, spare, n=1, cutoff=0.5) or _alias(name, spare) for name in gone}
        guess = ", ".join(f"{match[0][:60]!r} for {name}" for name, match in near.items() if match)
        has = ", ".join(name[:60] for name in names[:12]) or "none"
        raise InputError(f"{file.name} has no column {', '.join(gone)} (its columns: {has})",
                         remedy=f"did you mean {guess}? rename it" if guess else "one row is one trait of one"
                         " account: account_id, kind, value, and optionally first_seen, last_seen, count")
    if len(set(names)) != len(names):
        raise InputError(f"{file.name} names a column twice", remedy="remove or rename one of them")
    return [name for name in _USED if name in names]


_ALIASES = {"account_id": ("account", "user", "user_id", "id", "address", "customer", "customer_id", "wallet",
                           "org_id"),
            "kind": ("type", "trait", "attribute", "feature", "key", "name", "field"),
            "value": ("val", "trait_value", "data", "content", "identifier")}


def _alias(name: str, names: Sequence[str]) -> list[str]:
    return [other for alias in _ALIASES[name] for other in names if other.lower() == alias][:1]


def _parquet(file: Input, settings: Settings, settler: Settler) -> Iterator[pa.Table]:
    source = ParquetSource(file.path, settings)
    try:
        columns = _check(source.file.schema_arrow.names, file)
        for _, batch, large in source.batches(columns):
            settler.bad("too_large", int(large.sum()))
            batch = batch.filter(pa.array(~large)) if large.any() else batch
            yield pa.Table.from_batches([batch])
    finally:
        source.close()


def _text(file: Input, source: Source, settings: Settings, settler: Settler) -> Iterator[pa.Table]:
    limit = settings.max_record_bytes
    if source.container == "json":
        yield from _slow(source.chunks(), "json", limit, file, settler)
        return
    blocks = _blocks(source.chunks(), limit, settler, quoted=source.container != "jsonl")
    first = next(blocks, b"")
    if source.container == "jsonl":
        sample = (item.value for item in records(iter([first]), "jsonl", limit))
        names = list(dict.fromkeys(name for row, _ in zip(sample, range(_SAMPLE_ROWS), strict=False)
                                   if isinstance(row, dict) for name in row))
        columns = _check(names, file) if names else list(_USED)
        header, parse = b"", _json_block
    else:
        line, _, first = first.partition(b"\n")
        header, parse = line.rstrip(b"\r") + b"\n", _csv_block
        columns = _header(header, source.container, file)
    for block in chain([first], blocks):
        if not block.strip():
            continue
        table = parse(block, header, columns, source.container)
        if table is not None:
            yield table
        else:
            yield from _slow(iter([header, block]), source.container, limit, file, settler, check=False)


def _header(header: bytes, container: str, file: Input) -> list[str]:
    """The columns to read of a CSV file, by its first line."""
    made = records(iter([header, header]), container, len(header) * 2)
    row = next(made).value
    names = list(row) if isinstance(row, dict) else []
    return _check(names, file)


def _blocks(chunks: Iterator[bytes], limit: int, settler: Settler, *, quoted: bool) -> Iterator[bytes]:
    """The text in blocks of whole lines, in bounded memory: a line beyond ``limit`` bytes is skipped and counted.

    Where fields may be ``quoted``, no block ends within quotes unless that would take it beyond four blocks.
    """
    held, skipping = bytearray(), False
    for chunk in _until_broken(chunks, settler):
        if skipping:
            start = chunk.find(b"\n")
            if start < 0:
                continue
            skipping, chunk = False, chunk[start + 1:]
        held += chunk
        if len(held) < _BLOCK:
            continue
        cut = held.rfind(b"\n") + 1
        if quoted and held.count(b'"', 0, cut) % 2 and len(held) < 4 * _BLOCK:
            continue
        if cut:
            yield bytes(held[:cut])
            del held[:cut]
        elif len(held) > limit:
            settler.bad("too_large")
            held, skipping = bytearray(), True
    if held:
        yield bytes(held)


def _until_broken(chunks: Iterator[bytes], settler: Settler) -> Iterator[bytes]:
    """What comes before a file breaks off; the break itself counts as one row that could not be read."""
    try:
        yield from chunks
    except BadRecord as bad:
        settler.bad(bad.reason)


def _json_block(block: bytes, header: bytes, columns: Sequence[str], container: str) -> pa.Table | None:
    """The block's rows; ``None`` where the fast reader refuses any of it."""
    shape = SIGHTINGS.arrow
    for name in ("first_seen", "last_seen"):
        shape = shape.set(shape.get_field_index(name), pa.field(name, pa.string()))
    try:
        # One line may be as long as the block: the reader's own blocks must not cut it.
        table = pajson.read_json(
            io.BytesIO(block), read_options=pajson.ReadOptions(block_size=len(block) + 1, use_threads=False),
            parse_options=pajson.ParseOptions(explicit_schema=shape, unexpected_field_behavior="ignore"))
        return table.select(list(columns))
    except (pa.ArrowException, KeyError):
        return None


def _csv_block(block: bytes, header: bytes, columns: Sequence[str], container: str) -> pa.Table | None:
    try:
        return pacsv.read_csv(
            io.BytesIO(header + block),
            read_options=pacsv.ReadOptions(block_size=len(header) + len(block) + 1, use_threads=False),
            parse_options=pacsv.ParseOptions(delimiter=container[3:] or ",", newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string()),
                null_values=[""], strings_can_be_null=True))
    except (pa.ArrowException, KeyError):
        return None


def _slow(chunks: Iterator[bytes], container: str, limit: int, file: Input, settler: Settler, *,
          check: bool = True) -> Iterator[pa.Table]:
    """Rows one by one: for JSON documents, and for blocks of which some line is damaged."""
    rows: list[dict[str, object]] = []

    def flush() -> Iterator[pa.Table]:
        nonlocal check
        if check and rows:
            _check(list(dict.fromkeys(name for row in rows[:_SAMPLE_ROWS] for name in row)), file)
            check = False
        yield settler.table(rows)
        rows.clear()

    for item in records(_until_broken(chunks, settler), container, limit):
        if isinstance(item.value, BadRecord):
            settler.bad(item.value.reason)
            continue
        rows.append(item.value)
        if len(rows) >= 50_000:
            yield from flush()
    if rows:
        yield from flush()
