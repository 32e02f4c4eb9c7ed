"""One file: recognise its format from its records, then read them all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stillwatch.errors import InputError
from stillwatch.ingest.batches import as_extra
from stillwatch.ingest.containers import Item, open_source
from stillwatch.ingest.joining import Apart, Joiner
from stillwatch.ingest.model import OUT_OF_SCOPE, BadRecord, Format, Joins, OutOfScope, Row, Unpacks
from stillwatch.ingest.native import NativeFormat
from stillwatch.ingest.opening import CHUNK, Stream
from stillwatch.ingest.parquet import ParquetSource
from stillwatch.ingest.sink import Sink
from stillwatch.schema import EXCHANGES
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["Read", "Reader", "Unrecognised"]

_SAMPLE = 64
_LONGEST_SEARCH = 100_000
_TICK = 4096
_PLAIN_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_.\-]{0,39}\Z")


@dataclass(frozen=True)
class Read:
    """How one file was read; ``broken`` says what of it could not be, where it is damaged."""

    records: int = 0
    out_of_scope: int = 0
    format: str | None = None
    container: str = "unknown"
    compression: str = "none"
    digest: str = ""
    broken: str = ""


class Unrecognised(Exception):  # noqa: N818 - turned into an error or a line of the quarantine by the caller
    """No format recognises a file."""

    def __init__(self, path: Path, read: Read, tried: Sequence[Format], seen: Sequence[str],
                 bad: BadRecord | None = None) -> None:
        super().__init__(str(path))
        self.path, self.read, self.tried, self.seen, self.bad = path, read, tried, seen, bad

    def error(self, folder: str | None = None) -> InputError:
        """The error to raise, which says what was tried and what was found instead."""
        if self.bad is not None and self.bad.detail:
            return InputError(f"{self.path} cannot be read: {self.bad.detail}", remedy="restore it, or leave it out")
        tried = "".join(f"\n  {format.name}: its records have {format.looks_like}" for format in self.tried)
        fields = ", ".join(self.seen) if self.seen else "no record that could be parsed"
        what = f"nothing in {folder} is" if folder is not None and folder != str(self.path) else f"{self.path} is not"
        return InputError(
            f"{what} in a format that Stillwatch knows. Tried:{tried}\n  found in {self.path.name}"
            f" ({self.read.container}): {fields}",
            remedy="name the format with --format, or say which field is which column with --mapping FILE",
        )


class Reader:
    """Reads files into a sink."""

    def __init__(self, known: Mapping[str, Format], chosen: Format | None, settings: Settings,
                 key: DeploymentKey, sink: Sink, joiner: Joiner | Apart) -> None:
        self._known = known
        self._chosen = chosen
        self._settings = settings
        self._key = key
        self._sink = sink
        self._joiner = joiner
        self._place = 0  # of the last record of the file that is being read
        self._partition: dict[str, str] = {}
        self._identities: dict[Path, str] = {}

    def identity(self, path: Path) -> str:
        """What ids of records without one begin with: 128 bits of the content's SHA-256."""
        if path not in self._identities:
            self._identities[path] = _digest(path, self._settings)[:32]
        return self._identities[path]

    def read(self, number: int, path: Path, tick: Callable[[int], None] | None,
             partition: Mapping[str, str] | None = None) -> Read:
        """Read all records of a file; those that lack a field of ``partition`` get it.

        Raises ``Unrecognised``, and ``InputError`` if the file cannot be opened.
        """
        self._place, self._partition = 0, dict(partition or {})
        try:
            source = open_source(path, self._settings)
        except BadRecord as bad:
            raise Unrecognised(path, Read(digest=_digest(path, self._settings)), list(self._known.values()), (),
                               bad) from None
        compression = source.stream.compression
        if source.container == "empty":
            return Read(container="empty", compression=compression, digest=source.exhaust())
        if source.container == "parquet":
            source.stream.close()
            return self._parquet(number, path, compression, tick)
        source.stream.close()
        container = source.container.rstrip(",;\t|")
        read = Read(container=container, compression=compression)
        format = self._chosen or self._recognise(path, read, _values(self._items(path)))
        source = open_source(path, self._settings)
        records, scoped = self._records(number, source.items(), format, tick)
        self._identities.setdefault(path, source.stream.digest[:32])
        return Read(records, scoped, format.name, container, compression, source.stream.digest, source.stream.broken)

    def _items(self, path: Path) -> Generator[Item, None, None]:
        return open_source(path, self._settings).items()

    def _recognise(self, path: Path, read: Read, values: Iterator[Mapping[str, Any]]) -> Format:
        """The format that most of the first records speak for."""
        scores = dict.fromkeys(self._known, 0)
        seen: dict[str, None] = {}
        for tried, value in enumerate(values):
            for name, format in self._known.items():
                scores[name] += _score(format, value)
            if len(seen) < 12:
                seen.update((name, None) for name in value if isinstance(name, str) and _PLAIN_NAME.match(name))
            if tried >= _LONGEST_SEARCH or (tried >= _SAMPLE and any(scores.values())):
                break
        best = max(scores, key=lambda name: scores[name])
        if not scores[best]:
            digest = _digest(path, self._settings)
            raise Unrecognised(path, Read(0, 0, None, read.container, read.compression, digest),
                               list(self._known.values()), list(seen)[:12])
        return self._known[best]

    def _records(self, number: int, items: Iterator[Item], format: Format,
                 tick: Callable[[int], None] | None) -> tuple[int, int]:
        """How many records the items are, and how many of these are calls to no model."""
        records = scoped = 0
        # Asked once: whether an object has a protocol's methods takes longer than reading many a record.
        unpacks = format if isinstance(format, Unpacks) else None
        joins = format if isinstance(format, Joins) else None
        for item in items:
            whole = self._with_partition(item.value)
            for value in (whole,) if unpacks is None else _unpacked(unpacks, whole):
                records += 1
                # A record's number is its line's, unless lines before it held several.
                self._place = max(self._place + 1, item.place)
                scoped += self._one(number, value, item.size, format, joins)
                if tick is not None and not records % _TICK:
                    tick(records)
        return records, scoped

    def _with_partition(self, value: Any) -> Any:
        if not self._partition or not isinstance(value, dict):
            return value
        return {**value, **{name: text for name, text in self._partition.items() if value.get(name) is None}}

    def _one(self, number: int, value: Any, size: int, format: Format, joins: Joins | None) -> bool:
        """Take one record; whether it is a call to no model."""
        try:
            if isinstance(value, BadRecord):
                raise value
            key = None if joins is None else _join_key(joins, value)
            if key is not None:
                self._joiner.add(format, key, number, self._place, value)
                return False
            row = parse(format, value, self._key)
        except BadRecord as bad:
            self._sink.refuse(number, self._place, bad)
            return False
        if row is OUT_OF_SCOPE:
            return True
        assert isinstance(row, dict)
        self._sink.add(number, self._place, row, size)
        return False

    def _parquet(self, number: int, path: Path, compression: str, tick: Callable[[int], None] | None) -> Read:
        read = Read(container="parquet", compression=compression, digest=_digest(path, self._settings))
        if compression != "none":
            raise Unrecognised(path, read, (), (), BadRecord(
                "unrecognised_file", f"Parquet inside {compression}; unpack it, Parquet compresses itself"))
        try:
            source = ParquetSource(path, self._settings)
        except BadRecord as bad:
            raise Unrecognised(path, read, (), (), bad) from None
        try:
            if not source.file.metadata.num_rows:
                return read
            format = self._chosen or self._recognise(path, read, _parquet_values(source))
            records, scoped, broken = self._rows(number, source, format, tick)
        except BadRecord as bad:
            raise Unrecognised(path, read, (), (), bad) from None
        finally:
            source.close()
        return Read(records, scoped, format.name, "parquet", "none", read.digest, broken)

    def _rows(self, number: int, source: ParquetSource, format: Format,
              tick: Callable[[int], None] | None) -> tuple[int, int, str]:
        """Take the rows. Returns how many there were, how many of them are calls to no model, and what of a damaged
        file could not be read; raises ``BadRecord`` where that is all of it."""
        records = scoped = 0
        broken = ""
        # Single rows may lack what the partition has: these are looked at one by one.
        columnar = (isinstance(format, NativeFormat)
                    and self._partition.keys().isdisjoint(source.file.schema_arrow.names))
        try:
            for first, batch, large in source.batches():
                for index in np.flatnonzero(large).tolist():
                    self._sink.refuse(number, first + index,
                                      BadRecord("too_large", "see settings.max_record_bytes"))
                if columnar and not large.any():
                    self._sink.add_columns(number, first, _native_columns(batch, self._partition), batch.num_rows)
                    records += batch.num_rows
                else:
                    small = [Item(first + index, value, 1024) for index, value in _python_rows(batch, large)]
                    found, out = self._records(number, iter(small), format, None)
                    records, scoped = records + found + int(large.sum()), scoped + out
                if tick is not None:
                    tick(records)
        except BadRecord as bad:
            if not records and bad.reason == "unparsable":
                raise
            whole = source.file.metadata.num_rows
            broken = f"{bad.detail}: {whole - records:,} of its {whole:,} rows were not read"
            records += 1
            self._sink.refuse(number, records, BadRecord(bad.reason, broken))
        return records, scoped, broken


def _unpacked(format: Unpacks, value: Any) -> Iterator[Any]:
    """The records in a record; whatever a format's reader does wrong becomes one ``BadRecord`` after those before."""
    if isinstance(value, BadRecord):
        yield value
        return
    try:
        empty = True
        for inner in format.unpack(value):
            empty = False
            yield inner
        if empty:
            yield {}
    except BadRecord as bad:
        yield bad
    except RecursionError:
        yield BadRecord("too_deep")
    except Exception as error:
        yield BadRecord("connector_failure", type(error).__name__)


def _join_key(format: Joins, value: Mapping[str, Any]) -> str | None:
    try:
        return format.join_key(value)
    except Exception as error:
        raise BadRecord("connector_failure", type(error).__name__) from None


def parse(format: Format, value: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
    """Parse one record; whatever a format's reader does wrong becomes a ``BadRecord``."""
    try:
        return format.parse(value, key)
    except BadRecord:
        raise
    except RecursionError:
        raise BadRecord("too_deep") from None
    except UnicodeError:
        raise BadRecord("not_unicode") from None
    except Exception as error:
        raise BadRecord("connector_failure", type(error).__name__) from None


def _score(format: Format, value: Mapping[str, Any]) -> int:
    try:
        return int(format.recognises(value))
    except Exception:
        return 0


def _values(items: Generator[Item, None, None]) -> Iterator[Mapping[str, Any]]:
    with closing(items):
        for item in items:
            if isinstance(item.value, dict):
                yield item.value


def _parquet_values(source: ParquetSource) -> Iterator[Mapping[str, Any]]:
    batch = source.sample(_SAMPLE)
    if batch is None:
        return
    for _, value in _python_rows(batch, np.zeros(batch.num_rows, np.bool_)):
        if isinstance(value, dict):
            yield value
    # The columns tell the format even where every row is too large or unreadable.
    yield dict.fromkeys(batch.schema.names)


def _python_rows(batch: pa.RecordBatch, large: Any) -> Iterator[tuple[int, Any]]:
    """Rows as dicts without their nulls' names lost; one that Python cannot hold comes as a BadRecord."""
    for index in np.flatnonzero(~large).tolist():
        try:
            yield index, batch.slice(index, 1).to_pylist()[0]
        except (ValueError, OverflowError, UnicodeError, pa.ArrowException):
            yield index, BadRecord("not_unicode")


def _native_columns(batch: pa.RecordBatch, partition: Mapping[str, str]) -> dict[str, Any]:
    """Columns by name for the columnar path; the others are gathered into ``extra`` row by row."""
    for name, text in partition.items():
        batch = batch.append_column(name, pa.repeat(text, batch.num_rows))
    names = batch.schema.names
    columns = {name: batch.column(at) for at, name in enumerate(names)
               if name in EXCHANGES.by_name and names.count(name) == 1}
    others = [at for at, name in enumerate(names) if name not in columns]
    if "extra" in columns and not others and pa.types.is_string(columns["extra"].type):
        columns["extra"] = columns["extra"].to_pylist()
        return columns
    if others or "extra" in columns:
        extra = columns.pop("extra").to_pylist() if "extra" in columns else [None] * batch.num_rows
        rest = [batch.column(at).to_pylist() for at in others]
        columns["extra"] = [
            {**as_extra(extra[row]), **{names[at]: values[row] for at, values in zip(others, rest, strict=True)
                                        if values[row] is not None}} or None
            for row in range(batch.num_rows)
        ]
    return columns


def _digest(path: Path, settings: Settings) -> str:
    """SHA-256 of a file's content: decompressed, or as it is for Parquet and for what cannot be opened."""
    try:
        stream = Stream(path, settings)
    except BadRecord:
        return _plain_digest(path)
    try:
        for _ in stream.chunks():
            pass
    except BadRecord:
        pass
    return stream.digest


def _plain_digest(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()
