"""Rows of sightings as they come, turned into the declared table: text, times and counts; what is bad is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.errors import InputError
from stillwatch.ingest.batches import UNKNOWN
from stillwatch.ingest.model import BadRecord
from stillwatch.ingest.values import Unfit, to_int, to_micros, to_text
from stillwatch.schema import SIGHTINGS, TIMESTAMP
from stillwatch.settings import DeploymentKey

__all__ = ["MOST_KINDS", "Settler"]

MOST_KINDS = 200
"""More kinds than this are values in the wrong column."""

_LONGEST = {"account_id": 1024, "kind": 60, "value": 32_768}
_LABEL = 200
_DIGEST = "^[0-9a-f]{16,64}$"
_CACHE = 250_000
_MOST = 1 << 40  # sums of 8 million such counts still fit 64 bits


class Settler:
    """Settles tables one after another and counts what became of every row: ``rows`` = ``kept`` + ``set_aside``."""

    def __init__(self, key: DeploymentKey, secret: frozenset[str]) -> None:
        self._key, self._secret = key, secret
        self._digests: dict[str, dict[str, str]] = {}
        self.rows = self.kept = 0
        self.set_aside: Counter[str] = Counter()
        self.unread: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def bad(self, reason: str, count: int = 1) -> None:
        """Rows that never became part of a table."""
        if count:
            self.rows += count
            self.set_aside[reason] += count

    def table(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """A table of rows whose values may be anything."""
        columns: dict[str, pa.Array] = {}
        for name in ("account_id", "kind", "value", "label"):
            columns[name] = pa.array([_text(row.get(name)) for row in rows], pa.string())
        for name in ("first_seen", "last_seen"):
            columns[name] = pa.array([_micros(row.get(name), self.unread) for row in rows], TIMESTAMP)
        columns["count"] = pa.array([_whole(row.get("count")) for row in rows], pa.int64())
        return pa.table(columns)

    def settle(self, table: pa.Table) -> pa.Table:
        """The usable rows as schema ``SIGHTINGS``; an absent count is 1, a time that cannot be read is null."""
        self.rows += table.num_rows
        words = {name: self._words(table, name) for name in _LONGEST}
        count = self._counts(table)
        problems = (
            ("no_account", pc.or_(pc.is_null(words["account_id"]), pc.fill_null(pc.equal(words["account_id"], UNKNOWN),
                                                                                False))),
            ("no_kind", pc.is_null(words["kind"])),
            ("no_value", pc.is_null(words["value"])),
            ("too_long", _any(*(pc.fill_null(pc.greater(pc.binary_length(words[name]), most), False)
                                for name, most in _LONGEST.items()))),
            ("bad_count", pc.or_(pc.less(count, 1), pc.greater(count, _MOST))),
        )
        usable = pa.array([True] * table.num_rows) if table.num_rows else pa.array([], pa.bool_())
        for reason, here in problems:
            here = pc.and_(here, usable)
            number = pc.sum(here).as_py() or 0
            if number:
                self.set_aside[reason] += number
                usable = pc.and_(usable, pc.invert(here))
        first, last = self._times(table, "first_seen"), self._times(table, "last_seen")
        swapped = pc.fill_null(pc.greater(first, last), False)
        first, last = pc.if_else(swapped, last, first), pc.if_else(swapped, first, last)
        value, label = self._shown(words["kind"], words["value"], table, usable)
        kept = pa.table([words["account_id"], words["kind"], value, first, last, count, label],
                        schema=SIGHTINGS.arrow.remove_metadata()).filter(usable)
        self.kept += kept.num_rows
        self._count_kinds(kept["kind"])
        return kept

    def _count_kinds(self, kinds: pa.ChunkedArray) -> None:
        for entry in pc.value_counts(kinds):
            self.kinds[entry["values"].as_py()] += entry["counts"].as_py()
        if len(self.kinds) > MOST_KINDS:
            raise InputError(f"there are more than {MOST_KINDS} kinds of sightings",
                             remedy="check that `kind` names the sort of trait (such as wallet) and `value` the trait")

    def _words(self, table: pa.Table, name: str) -> pa.Array:
        """A column as text that is Unicode and not blank; null where it is neither."""
        if name not in table.column_names:
            return pa.nulls(table.num_rows, pa.string())
        column = table[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], pa.string())
        text = _as_text(column, name)
        try:
            text.validate(full=True)
        except pa.ArrowInvalid:
            raw = text.cast(pa.binary()).to_pylist()
            text = pa.array([_decoded(item) for item in raw], pa.string())
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(text)), 0)
        return pc.if_else(pc.fill_null(blank, False), pa.scalar(None, pa.string()), text)

    def _counts(self, table: pa.Table) -> pa.Array:
        """Counts; 1 where none is given, 0 where what is given is no whole number."""
        if "count" not in table.column_names:
            return pa.array([1] * table.num_rows, pa.int64())
        column = _flat(table["count"])
        if pa.types.is_integer(column.type) and column.type != pa.uint64():
            return pc.fill_null(column.cast(pa.int64()), 1)
        try:
            return pc.fill_null(column.cast(pa.int64()), 1)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return pc.fill_null(pa.array([_whole(item) for item in column.to_pylist()], pa.int64()), 1)

    def _times(self, table: pa.Table, name: str) -> pa.Array:
        if name not in table.column_names:
            return pa.nulls(table.num_rows, TIMESTAMP)
        column = _flat(table[name])
        if pa.types.is_null(column.type) or column.null_count == len(column):
            return pa.nulls(len(column), TIMESTAMP)
        if pa.types.is_timestamp(column.type):
            try:
                column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
                return column.cast(TIMESTAMP)
            except pa.ArrowInvalid:
                pass
        if pa.types.is_string(column.type):
            for shape in (TIMESTAMP, pa.timestamp("us")):
                try:
                    return column.cast(shape).cast(TIMESTAMP)
                except pa.ArrowInvalid:
                    continue
        distinct = column.dictionary_encode()
        read = pa.array([_micros(item, Counter()) for item in distinct.dictionary.to_pylist()], TIMESTAMP)
        made = read.take(distinct.indices)
        lost = made.null_count - column.null_count
        if lost:
            self.unread["times"] += lost
        return made

    def _shown(self, kind: pa.Array, value: pa.Array, table: pa.Table, usable: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Values as they are kept, and what a reader may see of them: all of what is not secret."""
        given = self._words(table, "label") if "label" in table.column_names else pa.nulls(len(kind), pa.string())
        label = pc.utf8_slice_codeunits(pc.coalesce(given, value), 0, _LABEL)
        here = [name for name in pc.unique(kind).to_pylist() if name in self._secret]
        for name in here:
            mine = pc.fill_null(pc.and_(pc.equal(kind, name), usable), False)
            encoded = pc.if_else(mine, value, None).dictionary_encode()
            digested = self._digested(name, encoded.dictionary)
            value = pc.if_else(mine, digested.take(encoded.indices), value)
            label = pc.if_else(mine, given, label)
        return value, label

    def _digested(self, kind: str, words: pa.Array) -> pa.Array:
        """Keyed digests of distinct values; what looks like a digest already stays, so that scans' sightings fit."""
        known = self._digests.setdefault(kind, {})
        if len(known) > _CACHE:
            known.clear()
        plain = words.filter(pc.invert(pc.match_substring_regex(words, _DIGEST))).to_pylist()
        fresh = [word for word in plain if word not in known]
        known.update(zip(fresh, self._key.digests(kind, fresh), strict=True))
        return pa.array([known.get(word, word) for word in words.to_pylist()], pa.string())


def _any(*masks: pa.Array) -> pa.Array:
    joined = masks[0]
    for mask in masks[1:]:
        joined = pc.or_(joined, mask)
    return joined


def _flat(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _as_text(column: pa.Array, name: str) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_floating(kind):
        # Ids that went through a data frame with gaps come back as 123.0.
        whole = pc.equal(column, pc.round(column))
        digits = pc.if_else(whole, column, None).cast(pa.int64(), safe=False).cast(pa.string())
        return pc.if_else(pc.fill_null(whole, False), digits, column.cast(pa.string()))
    if pa.types.is_nested(kind):
        raise InputError(f"the column {name} holds {kind}", remedy="give one text (or number) a row")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        column = column.cast(pa.large_binary())
        return pa.array([_decoded(item) for item in column.to_pylist()], pa.string())
    return column.cast(pa.string(), safe=False) if kind != pa.string() else column


def _decoded(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None


def _text(value: Any) -> str | None:
    try:
        return to_text(value)
    except (BadRecord, Unfit):
        return None


def _whole(value: Any) -> int | None:
    """A count; null where none is given, 0 where it is none."""
    if value is None or value == "":
        return None
    try:
        number = to_int(value)
    except (BadRecord, Unfit):
        return 0
    return number if number is not None else None


def _micros(value: Any, unread: Counter[str]) -> int | None:
    if value is None or value == "":
        return None
    try:
        return to_micros(value)
    except BadRecord:
        unread["times"] += 1
        return None
