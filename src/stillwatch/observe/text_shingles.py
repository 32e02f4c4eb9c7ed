"""Tokens and shingles of texts, as 64-bit hashes, for whole batches at once.

A token is a word, or one character of a script that is written without spaces. A shingle is a run of
tokens of fixed weight: four words or eight such characters (a word of Chinese has about two). Hashes are
polynomial (Karp and Rabin 1987) over code points and then over tokens, so that every window of a batch
costs a few vector operations; they do not depend on process, platform or deployment.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHINGLE_WORDS", "HashSet", "Shingles", "Tokens", "distinct", "mix", "shingles", "tokenise"]

SHINGLE_WORDS = 4
_WORD, _CHARACTER = 1, 2
_WEIGHT = 2 * SHINGLE_WORDS
_LIMIT = 0x32000
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "YI")
_OPENING_MARK = 0x2039
_BASE = 0x9E3779B97F4A7C15 | 1
_BLOCK = 1 << 19
_STEM = 5

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Tokens:
    """Tokens of ``texts`` in order; all arrays are one element a token except ``first``.

    ``first`` has one element more than there are texts: text i owns tokens first[i] to first[i + 1].
    ``begin`` and ``end`` are character positions within the token's own text; ``stem`` is the hash of a word's
    first five characters, and ``opens`` says that a sentence, a line of a list or a field begins with the token.
    """

    hash: U64
    begin: I64
    end: I64
    single: NDArray[np.bool_]
    mark: NDArray[np.bool_]
    stem: U64
    opens: NDArray[np.bool_]
    first: I64


@dataclass(frozen=True)
class Shingles:
    """Shingles: their hash, their text, and the token each begins with and ends before."""

    hash: U64
    text: I64
    begin: I64
    end: I64


@functools.cache
def _classes() -> NDArray[np.uint8]:
    """Class of every code point: part of a word, a token of its own, or neither."""
    table = np.zeros(_LIMIT + 1, np.uint8)
    for code in range(_LIMIT):
        char = chr(code)
        category = unicodedata.category(char)
        if category[0] not in "LMN" and code != ord("_"):
            continue
        table[code] = _WORD
        if code >= 0xE00 and unicodedata.name(char, "").startswith(_UNSPACED):
            table[code] = _CHARACTER
    table[_LIMIT] = _CHARACTER
    return table


@functools.cache
def _opening() -> NDArray[np.bool_]:
    """Whether something begins after a code point, or after it and a space; line breaks are folded before."""
    table = np.zeros(_LIMIT + 1, np.bool_)
    table[[ord(char) for char in "\n.!?:;#*->]}|。！？：；、）"]] = True
    return table


@functools.cache
def _powers(inverse: bool) -> U64:
    base = pow(_BASE, -1, 1 << 64) if inverse else _BASE
    powers = np.full(2 * _BLOCK, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def distinct(values: U64) -> U64:
    """Distinct values, ascending; on many 64-bit numbers several times as fast as ``numpy.unique``."""
    ordered: U64 = np.sort(values)
    new = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    once: U64 = ordered[new]
    return once


class HashSet:
    """Hashes in ascending order, to be looked up by the million."""

    _BITS = np.uint64(20)

    def __init__(self, hashes: U64) -> None:
        self.hashes = hashes
        # Nearly every hash asked for is absent; a bit map settles that without a search.
        self._near = np.zeros(1 << int(self._BITS), np.bool_)
        self._near[hashes >> (np.uint64(64) - self._BITS)] = True

    def find(self, asked: U64) -> tuple[I64, I64]:
        """Which of ``asked`` are here, and where."""
        which = np.flatnonzero(self._near[asked >> (np.uint64(64) - self._BITS)])
        place = np.minimum(np.searchsorted(self.hashes, asked[which]), max(len(self.hashes) - 1, 0))
        here = self.hashes[place] == asked[which]
        return which[here], place[here]


def mix(values: U64) -> U64:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection that spreads every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _windows(values: U64, begin: I64, end: I64) -> U64:
    """Hashes of the windows begin[i] to end[i] of ``values``, the same wherever a window stands."""
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values * _powers(False)[: len(values)], out=sums[1:])
    return mix((sums[end] - sums[begin]) * _powers(True)[begin])


def _tokenise_block(texts: Sequence[str]) -> Tokens:
    lengths = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    joined = "\n".join(texts) + "\n"
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _classes()[np.minimum(codes, _LIMIT)]
    word = kinds == _WORD
    lone = kinds == _CHARACTER
    # An apostrophe within a word belongs to it.
    quote = np.flatnonzero((codes[1:-1] == 0x27) | (codes[1:-1] == 0x2019)) + 1
    word[quote[word[quote - 1] & word[quote + 1]]] = True
    before = np.concatenate(([False], word[:-1]))
    after = np.concatenate((word[1:], [False]))
    begin = np.flatnonzero(lone | (word & ~before))
    end = np.flatnonzero(lone | (word & ~after)) + 1
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    first = np.searchsorted(begin, offsets)
    shift = np.repeat(offsets[:-1], np.diff(first))
    hashes = _windows(codes.astype(np.uint64), begin, end)
    # The separator ends every text, so that position -1 of the first is one too.
    mark = codes[begin - 1] == _OPENING_MARK
    stems = _windows(codes.astype(np.uint64), begin, np.minimum(end, begin + _STEM))
    opens = _opening()[np.minimum(codes[begin - 1], _LIMIT)] | _opening()[np.minimum(codes[begin - 2], _LIMIT)]
    return Tokens(hashes, begin - shift, end - shift, lone[begin], mark, stems, opens, first)


def _blocks(texts: Sequence[str]) -> list[Sequence[str]]:
    blocks, start, size = [], 0, 0
    for at, text in enumerate(texts):
        if size and size + len(text) + 1 > _BLOCK:
            blocks.append(texts[start:at])
            start, size = at, 0
        size += len(text) + 1
    blocks.append(texts[start:])
    return blocks


def tokenise(texts: Sequence[str]) -> Tokens:
    """Tokens of texts of at most 2**19 characters each, without line breaks (as ``mask`` gives them)."""
    parts = [_tokenise_block(block) for block in _blocks(texts)] if texts else []
    if not parts:
        none = np.zeros(0, np.int64)
        flags = np.zeros(0, np.bool_)
        hashes = np.zeros(0, np.uint64)
        return Tokens(hashes, none, none, flags, flags, hashes, flags, np.zeros(1, np.int64))
    shifts = np.cumsum([0] + [len(part.hash) for part in parts])
    return Tokens(
        np.concatenate([part.hash for part in parts]),
        np.concatenate([part.begin for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate([part.single for part in parts]),
        np.concatenate([part.mark for part in parts]),
        np.concatenate([part.stem for part in parts]),
        np.concatenate([part.opens for part in parts]),
        np.concatenate([[0], *(part.first[1:] + shift for part, shift in zip(parts, shifts, strict=False))]),
    )


def shingles(tokens: Tokens) -> Shingles:
    """Every shingle of every text, in order; those that are mostly marks say nothing and are left out."""
    count = len(tokens.hash)
    weight = np.zeros(count + 1, np.int64)
    np.cumsum(np.where(tokens.single, 1, 2), out=weight[1:])
    begin = np.arange(count, dtype=np.int64)
    spaced = not tokens.single.any()
    end = begin + SHINGLE_WORDS if spaced else np.searchsorted(weight, weight[:-1] + _WEIGHT)
    text = np.repeat(np.arange(len(tokens.first) - 1), np.diff(tokens.first))
    inside = end <= tokens.first[1:][text]
    begin, end, text = begin[inside], end[inside], text[inside]
    marks = np.zeros(count + 1, np.int64)
    np.cumsum(tokens.mark, out=marks[1:])
    telling = 2 * (marks[end] - marks[begin]) < end - begin
    begin, end, text = begin[telling], end[telling], text[telling]
    hashes = np.zeros(len(begin), np.uint64)
    for step in range(int((end - begin).max(initial=0))):
        # Horner's rule over the tokens of each shingle; short windows need no prefix sums.
        within = begin + step < end
        nearer = np.minimum(begin + step, count - 1)
        hashes = np.where(within, hashes * np.uint64(_BASE) + tokens.hash[nearer], hashes)
    return Shingles(mix(hashes), text, begin, end)
