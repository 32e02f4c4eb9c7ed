"""Families of texts alike after masking: what recurs across distinct texts is template, the rest is slot.

A pipeline's prompt is a template and a slot that is often much longer, so that whole prompts of one
pipeline are hardly alike. What tells template from slot is where shingles occur: all shingles of a
template occur in the same texts, and in many; those of a slot occur in one. So shingles are grouped, not
texts: for each shingle in at least three distinct texts, the set of texts that hold it is sketched by
MinHash (Broder 1997), and shingles whose sets are nearly equal (estimated Jaccard at least 3/4) form one
*core*. A text belongs to the core that it holds at least half of. An ordinary turn of phrase makes no core:
its few shingles are too little to tell from chance (``needed``).

Nothing depends on the order of texts, nor on how they were batched.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stillwatch.observe.text_shingles import SHINGLE_WORDS, Shingles, Tokens, distinct, mix

__all__ = ["RECURS", "Cores", "find_cores", "needed", "sample", "short_hash"]

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

# A shingle recurs from three distinct texts on: a pair may be one person's second try.
RECURS = 3
# The most frequent four-word bundles of English occur some 100 times in a million words: 13 bits for four
# words; bundles, the phrases of ordinary speech, have three to six words (Biber et al. 1999, ch. 13).
_BITS_A_WORD = 3.0
_LONGEST_BUNDLE = 6
# A family that chance would make once in 2**10 data sets of this size is not believed.
_MARGIN_BITS = 10.0
_SKETCH, _BANDS = 16, 4
_AGREE = 12
# Shingles within so many words of either end are all kept, those between by an eighth of hash space.
_ENDS = 40
_MIDDLE = np.uint64(8)
_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)
_PART = 1 << 24


def needed(texts: NDArray[np.float64], tokens: int) -> NDArray[np.float64]:
    """Words that ``texts`` texts must share for neither speech nor chance to explain it.

    More than any ordinary phrase has; and more than chance gives: at T = ``tokens`` tokens in all, a phrase
    of L words of h bits each is expected mu = T 2**(-hL) times. That one of the T phrases there recurs in
    n - 1 other texts has probability below T (e mu / (n - 1))**(n - 1) (Chernoff's bound for Poisson
    tails); L is where that falls below 2**-10.
    """
    others = np.maximum(texts - 1, 1)
    places = np.log2(max(tokens, 2))
    bits = places + np.log2(np.e / others) + (places + _MARGIN_BITS) / others
    words: NDArray[np.float64] = np.maximum(np.ceil(bits / _BITS_A_WORD), _LONGEST_BUNDLE + 1)
    return words


def short_hash(hashes: U64, single: NDArray[np.bool_]) -> U64:
    """The 32 bits by which shingles are kept; the lowest says that one begins with a single character."""
    return (hashes >> _HIGH) & ~np.uint64(1) | single.astype(np.uint64)


def sample(tokens: Tokens, found: Shingles) -> tuple[U64, I64]:
    """The short hashes of the shingles of each text that are kept, distinct within a text, and their texts.

    All near the ends, where templates stand, and a sample by hash between, so that texts that share a
    shingle both keep it.
    """
    weight = np.concatenate(([0], np.cumsum(np.where(tokens.single, 1, 2))))
    into = weight[found.begin] - weight[tokens.first[found.text]]
    left = weight[tokens.first[found.text + 1]] - weight[found.end]
    keep = (into < 2 * _ENDS) | (left < 2 * _ENDS) | (found.hash % _MIDDLE == 0)
    short = short_hash(found.hash[keep], tokens.single[found.begin[keep]])
    keys = distinct((short << _HIGH) | found.text[keep].astype(np.uint64))
    return keys >> _HIGH, (keys & _LOW).astype(np.int64)


@dataclass(frozen=True)
class Cores:
    """What recurs: per text its core (-1: none); per core its name and the number of its texts.

    Per shingle that recurs, in ascending order, its short hash, its core and the number of its texts.
    """

    of_text: I64
    names: list[bytes]
    texts: NDArray[np.float64]
    shingle: U64
    core_of_shingle: I64
    texts_of_shingle: I64


def _starts(ordered: NDArray[Any]) -> I64:
    """Where each run of equal values begins."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])


def _recurring(shingle: U64, text: I64) -> tuple[U64, I64]:
    """The occurrences of shingles that recur, ordered by shingle, then text; part by part of hash space."""
    parts = max(1, len(shingle) // _PART)
    kept = []
    for part in range(parts):
        chosen = slice(None) if parts == 1 else (shingle >> np.uint64(1)) % np.uint64(parts) == part
        keys = np.sort((shingle[chosen] << _HIGH) | text[chosen].astype(np.uint64))
        counts = np.diff(np.append(_starts(keys >> _HIGH), len(keys)))
        kept.append(keys[np.repeat(counts >= RECURS, counts)])
    keys = np.sort(np.concatenate(kept))
    return keys >> _HIGH, (keys & _LOW).astype(np.int64)


def _sketches(text: I64, start: I64, identity: U64, seed: int) -> NDArray[np.uint32]:
    """MinHash sketches, shape (shingles, 16), of the sets of texts that start at ``start``."""
    sketch = np.empty((len(start), _SKETCH), np.uint32)
    for column in range(_SKETCH):
        salt = mix(np.array([seed * _SKETCH + column + 1], np.uint64))
        hashed = (mix(identity ^ salt) >> _HIGH).astype(np.uint32)
        sketch[:, column] = np.minimum.reduceat(hashed[text], start)
    return sketch


def _group(shingle: U64, sketch: NDArray[np.uint32]) -> I64:
    """Component of each shingle: joined to the first of its band bucket where the sketches agree."""
    count = len(shingle)
    rows, columns = [], []
    rank = np.argsort(shingle)
    width = _SKETCH // _BANDS
    for band in range(_BANDS):
        bucket = np.zeros(count, np.uint64)
        for column in range(band * width, (band + 1) * width):
            bucket = mix(bucket * np.uint64(31) + sketch[:, column])
        order = np.lexsort((shingle, bucket))
        ordered = bucket[order]
        new = np.concatenate(([True], ordered[1:] != ordered[:-1]))
        leader = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
        agree = (sketch[order] == sketch[leader]).sum(axis=1) >= _AGREE
        rows.append(order[agree])
        columns.append(leader[agree])
    row, column_ = np.concatenate(rows), np.concatenate(columns)
    graph = coo_array((np.ones(len(row), np.int8), (row, column_)), shape=(count, count))
    label: I64 = connected_components(graph, directed=False)[1].astype(np.int64)
    # Numbered by their smallest shingle, whatever the library's own order.
    least = np.full(label.max(initial=-1) + 1, count, np.int64)
    position = np.empty(count, np.int64)
    position[rank] = np.arange(count)
    np.minimum.at(least, label, position)
    renumber = np.empty(len(least), np.int64)
    renumber[np.argsort(least)] = np.arange(len(least))
    return renumber[label]


def find_cores(shingle: U64, text: I64, identity: U64, tokens: int, *, seed: int = 0) -> Cores:
    """Find the cores of a set of distinct texts and the core that each text belongs to.

    ``shingle`` and ``text`` are the occurrences as ``sample`` gives them, ``text`` an index into
    ``identity``, which identifies texts by content; ``tokens`` counts the tokens of all texts. Of several
    cores that a text holds, it belongs to the one of greatest words x log2(texts), words counted up to a
    limit: a template in many texts outweighs a long item that recurs in a few, and a specific template
    outweighs common boilerplate.
    """
    of_text = np.full(len(identity), -1, np.int64)
    held, holder = _recurring(shingle, text)
    if not len(held):
        number = np.zeros(0, np.int64)
        return Cores(of_text, [], number.astype(np.float64), held, number, number)
    start = _starts(held)
    each_once = held[start]
    spread = np.diff(np.append(start, len(held)))
    core = _group(each_once, _sketches(holder, start, identity, seed))
    words = np.where(each_once & np.uint64(1), 0.5, 1.0)
    size = np.bincount(core, words)
    # A core is believed if its own words, with those that its first shingle spans, are enough.
    possible = size + SHINGLE_WORDS - 1 > _LONGEST_BUNDLE
    each, worth = np.repeat(core, spread), np.repeat(words, spread)
    chosen = possible[each]
    pairs, inverse = np.unique((each[chosen].astype(np.uint64) << _HIGH) | holder[chosen].astype(np.uint64),
                               return_inverse=True)
    pair_core, pair_text = (pairs >> _HIGH).astype(np.int64), (pairs & _LOW).astype(np.int64)
    holds = 2 * np.bincount(inverse, worth[chosen], len(pairs)) >= size[pair_core]
    pair_core, pair_text = pair_core[holds], pair_text[holds]
    texts = np.bincount(pair_core, minlength=len(size)).astype(np.float64)
    believed = (texts >= RECURS) & (size + SHINGLE_WORDS - 1 >= needed(np.maximum(texts, RECURS), tokens))
    # More words than twice what the smallest family needs make it no more certain.
    enough = 2 * needed(np.array([float(RECURS)]), tokens)[0]
    score = np.where(believed, np.minimum(size, enough) * np.log2(np.maximum(texts, 1)), 0.0)
    order = np.lexsort((pair_core, -score[pair_core], pair_text))
    order = order[believed[pair_core[order]]]
    pair_core, pair_text = pair_core[order], pair_text[order]
    lead = np.concatenate(([True], pair_text[1:] != pair_text[:-1])) if len(pair_text) else pair_text == 1
    of_text[pair_text[lead]] = pair_core[lead]
    return Cores(of_text, _names(each_once, core), texts, each_once, core, spread)


def _names(shingle: U64, core: I64) -> list[bytes]:
    """Content that names each core: its three smallest shingles, which few additions change."""
    order = np.lexsort((shingle, core))
    starts = np.searchsorted(core[order], np.arange(core.max(initial=-1) + 2))
    ordered = shingle[order]
    return [ordered[a : min(b, a + 3)].tobytes() for a, b in itertools.pairwise(starts.tolist())]
