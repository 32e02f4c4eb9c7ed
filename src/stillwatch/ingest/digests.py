"""64-bit keyed digests of columns and rows, as signed integers, the same on every engine.

Distinct texts are hashed once with keyed BLAKE2b; a row's digest mixes its columns' digests with
splitmix64's finaliser (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
Python's own ``hash`` is never used: it changes from run to run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.settings import DeploymentKey

__all__ = ["row_digests", "text_digests"]

_Words = npt.NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NULL = np.uint64(0x6A09E667F3BCC909)


def _mix(words: _Words) -> _Words:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: _Words = words ^ (words >> np.uint64(31))
    return mixed


def _hash_distinct(texts: pa.Array, secret: bytes) -> _Words:
    """Digest of every (non-null) text, read straight from Arrow's buffers."""
    texts = pa.concat_arrays([texts.cast(pa.large_string())])
    if len(texts) == 0:
        return np.empty(0, np.uint64)
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1].tolist()
    view = memoryview(data) if data is not None else memoryview(b"")
    start = hashlib.blake2b(digest_size=8, key=secret).copy
    digests = []
    first = ends[0]
    for last in ends[1:]:
        state = start()
        state.update(view[first:last])
        digests.append(state.digest())
        first = last
    return np.frombuffer(b"".join(digests), np.uint64)


def _texts(column: pa.Array, secret: bytes) -> _Words:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    distinct = _hash_distinct(encoded.dictionary, secret)
    places = encoded.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False).astype(np.int64)
    words: _Words = np.append(distinct, _NULL)[places]
    return words


def _numbers(column: pa.Array) -> _Words:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        # Adding zero makes −0.0 and 0.0 the same.
        words = (pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False) + 0.0).view(np.uint64)
    else:
        zero = False if pa.types.is_boolean(column.type) else 0
        words = pc.fill_null(column, zero).to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
    if column.null_count:
        return np.where(column.is_null().to_numpy(zero_copy_only=False), _NULL, words)
    return np.asarray(words)


def _lists(column: pa.Array, secret: bytes) -> _Words:
    """Of a list of texts: its items' digests, each mixed with its place, summed."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    items = _texts(column.flatten(), secret)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    places = np.arange(len(items), dtype=np.int64) - np.repeat(starts, lengths)
    mixed = _mix(items + _GOLDEN * (places.astype(np.uint64) + np.uint64(1)))
    totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    words: _Words = totals[ends] - totals[starts] + lengths.astype(np.uint64)
    if column.null_count:
        words = np.where(column.is_null().to_numpy(zero_copy_only=False), _NULL, words)
    return words


def text_digests(column: pa.Array, key: DeploymentKey, domain: str) -> pa.Array:
    """Signed 64-bit digest of each text of a column without nulls."""
    secret = key.subkey(domain)
    return pa.array(_hash_distinct(column, secret).view(np.int64))


def row_digests(columns: Sequence[pa.Array], names: Sequence[str], key: DeploymentKey) -> pa.Array:
    """Signed 64-bit digest of each row over the named columns (text, number, bool, time, list of text).

    A name salts its column, so that the same values in two columns do not cancel out; a column of nulls
    digests like a column that is not there, so adding an empty column to a log changes nothing.
    """
    rows = len(columns[0]) if columns else 0
    total = np.zeros(rows, np.uint64)
    for column, name in zip(columns, names, strict=True):
        if column.null_count == len(column):
            continue
        secret = key.subkey(f"content\x00{name}")
        salt = np.frombuffer(hashlib.blake2b(secret, digest_size=8).digest(), np.uint64)[0]
        if pa.types.is_list(column.type):
            words = _lists(column, secret)
        elif pa.types.is_string(column.type) or pa.types.is_dictionary(column.type):
            words = _texts(column, secret)
        else:
            words = _numbers(column)
        mixed = _mix(_mix(words ^ salt) + salt)
        if column.null_count:
            mixed = np.where(column.is_null().to_numpy(zero_copy_only=False), np.uint64(0), mixed)
        total += mixed
    return pa.array(_mix(total).view(np.int64))
