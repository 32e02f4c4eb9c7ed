"""What holds the records of a file: JSON lines, a JSON document, CSV or Parquet; told by content."""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillwatch.ingest import jsontext
from stillwatch.ingest.lines import BLANK, TOO_LONG, lines
from stillwatch.ingest.model import BadRecord
from stillwatch.ingest.opening import Stream
from stillwatch.settings import Settings

__all__ = ["Item", "Source", "open_source", "records"]

SAMPLE = 1 << 20
_BOM = b"\xef\xbb\xbf"
_PARQUET = b"PAR1"
_DELIMITERS = ",;\t|"
_HEADER_NAME = re.compile(r"[^\x00-\x1f]{1,200}\Z")


@dataclass(frozen=True)
class Item:
    """One record: its line or element number from 1, its value or what is wrong, its size in bytes."""

    place: int
    value: Any
    size: int


@dataclass(frozen=True)
class Source:
    """An open input file of text records (Parquet is read column-wise, see ``parquet``)."""

    path: Path
    container: str
    stream: Stream
    _first: list[bytes]
    _rest: Iterator[bytes]
    _settings: Settings

    def items(self) -> Generator[Item, None, None]:
        """Its records in order. Ends with a bad one where the file breaks off. Never raises."""
        place = 0
        try:
            for item in records(self.chunks(), self.container, self._settings.max_record_bytes):
                place = item.place
                yield item
        except BadRecord as bad:
            yield Item(place + 1, bad, 0)
        finally:
            self.stream.close()

    def chunks(self) -> Iterator[bytes]:
        """The decompressed text from its beginning, without a byte order mark. Raises ``BadRecord`` where it breaks
        off."""
        yield from self._first
        yield from self._rest

    def exhaust(self) -> str:
        """Digest of the whole content, whether or not its records were read."""
        try:
            for _ in self._rest:
                pass
        except BadRecord:
            pass
        return self.stream.digest


def records(chunks: Iterator[bytes], container: str, limit: int) -> Iterator[Item]:
    """The records of a text in a container, as ``Source.container`` names them; those beyond ``limit`` bytes are bad.

    Raises ``BadRecord`` where the text breaks off.
    """
    if container == "jsonl":
        return _json_lines(chunks, limit)
    if container == "json":
        return _json_document(chunks, limit)
    return _csv_rows(chunks, limit, container)


def open_source(path: Path, settings: Settings) -> Source:
    """Open a file and tell its compression and container.

    Raises ``InputError`` where it cannot be opened, and ``BadRecord`` (``unrecognised_file``,
    ``unparsable``) where nothing in it can be read.
    """
    stream = Stream(path, settings)
    chunks = stream.chunks()
    first: list[bytes] = []
    held = 0
    broken: BadRecord | None = None
    while held < SAMPLE:
        try:
            chunk = next(chunks, b"")
        except BadRecord as bad:
            broken = bad
            break
        if not chunk:
            break
        first.append(chunk)
        held += len(chunk)
    sample = b"".join(first)
    if broken is not None and not sample:
        stream.close()
        raise broken
    try:
        container = _container(sample)
    except BadRecord:
        stream.close()
        raise
    if sample.startswith(_BOM):
        sample = sample[len(_BOM):]
    return Source(path, container, stream, [sample], _then(chunks, broken), settings)


def _then(chunks: Iterator[bytes], broken: BadRecord | None) -> Iterator[bytes]:
    if broken is not None:
        raise broken
    yield from chunks


def _container(sample: bytes) -> str:
    """``empty``, ``parquet``, ``jsonl``, ``json`` or ``csv`` with its delimiter (``csv,``)."""
    if sample.startswith(_PARQUET):
        return "parquet"
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")) or sample[:4].count(0) in (2, 3):
        raise BadRecord("unrecognised_file", "UTF-16 or UTF-32 text; convert it to UTF-8")
    sample = sample.removeprefix(_BOM)
    rows = sample.split(b"\n")
    whole = rows[:-1] if len(sample) >= SAMPLE and len(rows) > 1 else rows
    whole = [row for row in whole if row.strip(BLANK)]
    if not whole:
        return "empty" if len(sample) < SAMPLE else "jsonl"
    head = whole[0].strip(BLANK)
    opens = head[:1]
    if _is_json(head):
        # A whole array in one line is a document unless other lines follow that are values of their own.
        if opens == b"[":
            return "json" if len(whole) == 1 or not _is_json(whole[1]) else "jsonl"
        return "json" if len(whole) == 1 and _wrapped(_value(head)) is not None else "jsonl"
    braces = [row for row in whole if row.startswith(b"{") and len(row.strip(BLANK)) > 1]
    if opens == b"[":
        return "json"
    if any(_is_json(row) for row in braces[:1000]):
        return "jsonl"
    if opens == b"{":
        # Lines that are all damaged, or one too long for the sample; a pretty-printed object otherwise.
        several = len(braces) > 1 or (len(whole) == 1 and len(sample) >= SAMPLE)
        return "jsonl" if several else "json"
    return "csv" + _delimiter(whole[0])


def _is_json(row: bytes) -> bool:
    try:
        value = jsontext.loads(row)
    except BadRecord as bad:
        return bad.reason == "too_deep"
    return isinstance(value, (dict, list))


def _delimiter(header: bytes) -> str:
    return max(_DELIMITERS, key=lambda mark: (header.count(mark.encode()), -_DELIMITERS.index(mark)))


def _json_lines(chunks: Iterator[bytes], limit: int) -> Iterator[Item]:
    for place, line in lines(chunks, limit):
        if line is TOO_LONG:
            yield Item(place, BadRecord("too_large", "see settings.max_record_bytes"), 0)
            continue
        assert isinstance(line, bytes)
        if not line.strip(BLANK):
            continue
        yield Item(place, _value(line), len(line))


def _value(text: bytes) -> Any:
    try:
        value = jsontext.loads(text)
    except BadRecord as bad:
        return bad
    return value if isinstance(value, dict) else BadRecord("not_an_object")


def _json_document(chunks: Iterator[bytes], limit: int) -> Iterator[Item]:
    place = 0
    for element in jsontext.document(chunks, limit):
        if isinstance(element, BadRecord):
            place += 1
            yield Item(place, element, 0)
            continue
        value = _value(element)
        wrapped = _wrapped(value)
        for inner in wrapped if wrapped is not None else [value]:
            place += 1
            size = len(element) // max(len(wrapped), 1) if wrapped else len(element)
            yield Item(place, inner if isinstance(inner, (dict, BadRecord)) else BadRecord("not_an_object"), size)


_ENVELOPE = frozenset({"data", "logs", "records", "rows", "items", "results"})


def _wrapped(value: Any) -> list[Any] | None:
    """The records of a page as an API returns it: ``{"data": [...], "total": 2}``; ``None`` if it is none."""
    if not isinstance(value, dict) or "ts" in value or "request_id" in value or "method" in value:
        return None
    lists = [name for name in _ENVELOPE & value.keys()
             if isinstance(value[name], list) and value[name] and isinstance(value[name][0], dict)]
    return value[lists[0]] if len(lists) == 1 else None


class _CsvLines:
    """Lines for the csv module; one too long raises ``BadRecord`` once, and reading can go on."""

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        self._lines = lines(chunks, limit, empty=True)
        self.number = 0  # of the last line read

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line is TOO_LONG:
            raise BadRecord("too_large", "see settings.max_record_bytes")
        assert isinstance(line, bytes)
        return line.decode("utf-8", "surrogateescape") + "\n"


def _csv_rows(chunks: Iterator[bytes], limit: int, container: str) -> Iterator[Item]:
    csv.field_size_limit(max(csv.field_size_limit(), limit))
    feed = _CsvLines(chunks, limit)
    reader = csv.reader(feed, delimiter=container[3:] or ",")
    header: list[str] | None = None
    while True:
        before = feed.number
        try:
            cells = next(reader)
        except StopIteration:
            return
        except BadRecord as bad:
            if bad.reason != "too_large":
                raise
            yield Item(feed.number, bad, 0)
            continue
        except csv.Error:
            yield Item(feed.number, BadRecord("unparsable"), 0)
            continue
        place = before + 1
        size = sum(map(len, cells))
        if not cells or (len(cells) == 1 and not cells[0].strip()):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if len(set(header)) != len(header) or not all(_HEADER_NAME.match(cell) for cell in header):
                header = [cell or f"column_{at}" for at, cell in enumerate(header, start=1)]
            continue
        large = BadRecord("too_large", "see settings.max_record_bytes") if size > limit else None
        yield Item(place, large or _row(header, cells), size)


def _row(header: list[str], cells: list[str]) -> dict[str, str | None] | BadRecord:
    if len(cells) != len(header):
        return BadRecord("unparsable", f"{len(cells)} fields for {len(header)} columns")
    return {name: cell or None for name, cell in zip(header, cells, strict=True)}
