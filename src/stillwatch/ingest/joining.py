"""Exchanges that a source writes as several records, put together in bounded memory.

Records are gathered by key. What does not fit memory is written to disk in buckets by a hash of the key and read
back a bucket at a time. These records hold raw text, so what is written is encrypted (AES-256-GCM) under a key that
is made for the run and never leaves memory: a run that is killed leaves nothing that anybody can read.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import orjson
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stillwatch.ingest import jsontext
from stillwatch.ingest.extras import dump
from stillwatch.ingest.model import BadRecord, Format, Joins
from stillwatch.settings import Settings

__all__ = ["Apart", "Exchange", "Joiner", "JoinsRecordsError"]

_HELD = 64 << 20
_MOST_PARTS = 10_000
_LEAST_BUCKETS, _MOST_BUCKETS = 16, 2048
_GROWTH = 6  # bytes in memory for a byte of input, roughly: parts are held as text with their keys
_NONCE = 12
_LENGTH = 8
_Part: TypeAlias = tuple[str, str, int, int, str]  # format, key, file, place, the record as JSON text


@dataclass
class Exchange:
    """One exchange put together: where its first record stands, the whole record or what is wrong with it, and what
    became of the other records: merged and duplicates by number of file, refused ones with their places."""

    format: Format
    file: int
    place: int
    value: Mapping[str, Any] | BadRecord
    size: int = 0
    merged: Counter[int] = field(default_factory=Counter)
    duplicates: Counter[int] = field(default_factory=Counter)
    refused: list[tuple[int, int, BadRecord]] = field(default_factory=list)


class Joiner:
    """Gathers records and hands them out put together, each exchange once, in an order that the input alone decides."""

    def __init__(self, folder: Path, settings: Settings, formats: Mapping[str, Format], expected_bytes: int) -> None:
        self._folder = folder
        self._limit = settings.max_record_bytes
        self._formats = formats
        buckets = expected_bytes * _GROWTH // _HELD
        self._buckets = max(_LEAST_BUCKETS, min(int(buckets), _MOST_BUCKETS))
        self._held: dict[int, list[_Part]] = defaultdict(list)
        self._bytes = 0
        self._cipher = AESGCM(AESGCM.generate_key(bit_length=256))
        self._paths: dict[int, Path] = {}

    def add(self, format: Format, key: str, file: int, place: int, record: Mapping[str, Any]) -> None:
        """Take one record. Raises ``BadRecord`` for what cannot be written as JSON."""
        text = dump(record)
        if len(key) > 1024:
            raise BadRecord("unrecognised_record", "the id that joins records is too long")
        bucket = int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest(), "little")
        self._held[bucket % self._buckets].append((format.name, key, file, place, text))
        self._bytes += len(text) + 200
        if self._bytes >= _HELD:
            self._spill()

    def _spill(self) -> None:
        for bucket, parts in sorted(self._held.items()):
            path = self._paths.setdefault(bucket, self._folder / f"joining-{bucket:05d}.bin")
            nonce = os.urandom(_NONCE)
            sealed = self._cipher.encrypt(nonce, zstandard.compress(orjson.dumps(parts), 1), None)
            with path.open("ab") as file:
                file.write(len(sealed).to_bytes(_LENGTH, "little") + nonce + sealed)
        self._held.clear()
        self._bytes = 0

    def _read(self, bucket: int) -> Iterator[_Part]:
        path = self._paths.get(bucket)
        if path is not None:
            with path.open("rb") as file:
                while head := file.read(_LENGTH):
                    nonce = file.read(_NONCE)
                    sealed = file.read(int.from_bytes(head, "little"))
                    yield from orjson.loads(zstandard.decompress(self._cipher.decrypt(nonce, sealed, None)))
            path.unlink()
        yield from self._held.pop(bucket, ())

    def exchanges(self) -> Iterator[Exchange]:
        """Every exchange, once all records are in."""
        for bucket in range(self._buckets):
            groups: dict[tuple[str, str], _Group] = {}
            for name, key, file, place, text in self._read(bucket):
                group = groups.setdefault((name, key), _Group())
                group.add(file, place, text, self._limit)
            for (name, _), group in sorted(groups.items(), key=lambda entry: entry[1].first):
                yield group.joined(self._formats[name])

    def close(self) -> None:
        """Remove what was written."""
        for path in self._paths.values():
            path.unlink(missing_ok=True)


class JoinsRecordsError(Exception):
    """A source wrote one exchange as several records, which may lie in any files: these are read in one process."""


class Apart:
    """In a joiner's place where only some of the files are there."""

    def add(self, format: Format, key: str, file: int, place: int, record: Mapping[str, Any]) -> None:
        """Raise ``JoinsRecordsError``: what else belongs to the exchange may be in another process's files."""
        raise JoinsRecordsError(format.name)

    def exchanges(self) -> Iterator[Exchange]:
        """None: nothing was taken."""
        return iter(())

    def close(self) -> None:
        """Nothing was written."""


class _Group:
    """The records of one key; of one that goes beyond all bounds only their number is kept."""

    def __init__(self) -> None:
        self.first = (1 << 62, 0)
        self._parts: list[tuple[int, int, str]] = []
        self._bytes = 0
        self._files: Counter[int] = Counter()
        self._large = False

    def add(self, file: int, place: int, text: str, limit: int) -> None:
        self.first = min(self.first, (file, place))
        self._files[file] += 1
        self._bytes += len(text)
        if self._bytes > limit or len(self._parts) >= _MOST_PARTS:
            self._large = True
            self._parts = []
        if not self._large:
            self._parts.append((file, place, text))

    def joined(self, format: Format) -> Exchange:
        file, place = self.first
        if self._large:
            merged = Counter(self._files)
            merged[file] -= 1
            return Exchange(format, file, place, BadRecord("too_large", "the records of one exchange together"),
                            0, merged)
        kept, duplicates = _distinct(sorted(self._parts))
        done = Exchange(format, file, place, {}, self._bytes, duplicates=duplicates)
        records = [jsontext.loads(text.encode()) for _, _, text in kept]
        refused: Mapping[int, BadRecord] = {}
        try:
            done.value, refused = cast(Joins, format).join(records)
        except BadRecord as bad:
            done.value = bad
        except Exception as error:  # as for parsing: whatever a format's reader does wrong is one bad record
            done.value = BadRecord("connector_failure", type(error).__name__)
        for number, (file, place, _) in enumerate(kept[1:], start=1):
            if number in refused:
                done.refused.append((file, place, refused[number]))
            else:
                done.merged[file] += 1
        return done


def _distinct(parts: list[tuple[int, int, str]]) -> tuple[list[tuple[int, int, str]], Counter[int]]:
    """The records without those that a second copy of a file repeats: as often as the file that has it most often."""
    times: dict[str, Counter[int]] = defaultdict(Counter)
    for file, _, text in parts:
        times[text][file] += 1
    left = {text: max(counts.values()) for text, counts in times.items()}
    kept: list[tuple[int, int, str]] = []
    duplicates: Counter[int] = Counter()
    for file, place, text in parts:
        if left[text]:
            left[text] -= 1
            kept.append((file, place, text))
        else:
            duplicates[file] += 1
    return kept, duplicates
