"""Items of public benchmarks, recognised within prompts, also when lightly altered.

Shipped are hashes only: of each item up to twelve shingles of its masked text, chosen by hash among those that no
other item has. A prompt holds an item if it holds at least a third of them, and no fewer than three: of shingles of
four words a third outlives the change of every fifth word.
"""

from __future__ import annotations

import functools
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from stillwatch.observe.text_shingles import HashSet, Shingles

__all__ = ["KEPT", "LEAST", "SHARE", "benchmark_names", "find_items", "item_shingles"]

KEPT, LEAST, SHARE = 12, 3, 3

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


def item_shingles(found: Shingles) -> tuple[U64, I64]:
    """The shingles kept of each item and the item's number, ascending by hash; items with too few are out."""
    pairs = np.unique(np.stack([found.hash, found.text.astype(np.uint64)], axis=1), axis=0)
    _, where, count = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    own = pairs[where[count == 1]]
    order = np.lexsort((own[:, 0], own[:, 1]))
    shingle, item = own[order, 0], own[order, 1].astype(np.int64)
    rank = np.arange(len(item)) - np.searchsorted(item, item)
    enough = np.bincount(item, minlength=1)[item] >= LEAST if len(item) else rank > 0
    chosen = (rank < KEPT) & enough
    shingle, item = shingle[chosen], item[chosen]
    order = np.argsort(shingle)
    return shingle[order], item[order]


@functools.cache
def _stored() -> tuple[tuple[str, ...], HashSet, I64, NDArray[np.int16], I64]:
    """Names; per kept shingle its hash and item; per item its benchmark and the number of its shingles."""
    with files("stillwatch.data").joinpath("content", "benchmarks.npz").open("rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        item = stored["item"].astype(np.int64)
        return tuple(stored["names"].tolist()), HashSet(stored["shingle"]), item, stored["benchmark"], np.bincount(item)


def benchmark_names() -> tuple[str, ...]:
    """The benchmarks whose items are known, in the order of their numbers."""
    return _stored()[0]


def find_items(found: Shingles, texts: int) -> NDArray[np.int16]:
    """Per text the number of the benchmark of which it holds an item, or -1.

    Of several, the one with most of its shingles there, then the smallest number.
    """
    _, shingle, item, benchmark, size = _stored()
    hit, place = shingle.find(found.hash)
    # Each shingle counts once a text, however often it stands there.
    once = np.unique(found.text[hit] * len(item) + place)
    pair, count = np.unique(once // len(item) * len(size) + item[once % len(item)], return_counts=True)
    text, of = pair // len(size), pair % len(size)
    held = (count >= LEAST) & (SHARE * count >= size[of])
    text, of, count = text[held], of[held], count[held]
    order = np.lexsort((of, -count, text))
    result = np.full(texts, -1, np.int16)
    # The first of each text is written last.
    result[text[order][::-1]] = benchmark[of[order]][::-1]
    return result
