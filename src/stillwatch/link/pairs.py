"""Which pairs of accounts share something rare, and what that is worth.

Work is bounded: pairs are made from the rarest values first until a budget is spent; a value too popular
for that makes no pairs, but still counts for the pairs that rarer values made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from stillwatch.link.incidence import Incidence, Ints

__all__ = ["Pairs", "choose_edges", "share_pairs"]

Floats = npt.NDArray[np.float64]

_FIRST_BIT = np.array([0, *(7 - int(byte).bit_length() + 1 for byte in range(1, 256))], dtype=np.int64)

_PAIRS_PER_SIGHTING = 10
_PAIRS_ANYWAY = 500_000
_PAIRS_AT_MOST = 2_000_000
"""Budget of pairs, per sighting: work stays O(sightings). Groups do not come from pairs: these are for the m- and
u-probabilities and to be shown as edges, for which the two million rarest will do."""
_BITS_AT_MOST = 1 << 28
"""Largest bit matrix, before packing, of accounts and popular values."""


@dataclass(frozen=True)
class Pairs:
    """Candidate pairs ``a < b`` (account codes, sorted) and how rare what they share is in each family.

    ``rarity`` is pairs × families: ``2 ** -rarity`` is a random account's chance of sharing with either of the two
    something of the family at least as rare as they do; NaN where they share nothing.
    ``present`` says where both were seen with something of the family: missing is not disagreement.
    ``largest`` is the degree of the most popular value that made pairs; ``capped`` lists the codes of
    those that made none.
    """

    a: Ints
    b: Ints
    rarity: Floats
    present: npt.NDArray[np.bool_]
    largest: int
    capped: Ints

    def __len__(self) -> int:
        return len(self.a)


def share_pairs(incidence: Incidence, budget: int | None = None) -> Pairs:
    """Make candidate pairs from shared values, rarest first, at most ``budget`` (default 10 a sighting,
    half a million where that is more, two million at most)."""
    if budget is None:
        budget = min(max(_PAIRS_PER_SIGHTING * len(incidence.account), _PAIRS_ANYWAY), _PAIRS_AT_MOST)
    largest = _largest_affordable(incidence.degree, budget)
    pairing = (incidence.degree >= 2) & (incidence.degree <= largest)
    worth = _rarity(incidence)
    a, b, family, rarity = _expand(incidence, pairing, worth)
    code = a * incidence.size + b
    codes, place = np.unique(code, return_inverse=True)
    best = np.full((len(codes), len(incidence.families)), -np.inf)
    np.maximum.at(best, (place, family), rarity)
    a, b = codes // max(1, incidence.size), codes % max(1, incidence.size)
    popular = incidence.degree > largest
    if popular.any() and len(codes):
        best = np.maximum(best, _popular(incidence, popular, worth, a, b))
    best[np.isneginf(best)] = np.nan
    has = incidence.has_family()
    return Pairs(a, b, best, has[a] & has[b], largest, np.flatnonzero(popular))


def _largest_affordable(degree: Ints, budget: int) -> int:
    """The largest degree up to which all values together make at most ``budget`` pairs."""
    sizes, values = np.unique(degree[degree >= 2], return_counts=True)
    spent = np.cumsum(values * (sizes * (sizes - 1) // 2))
    affordable = sizes[spent <= budget]
    return int(affordable[-1]) if len(affordable) else 1


def _rarity(incidence: Incidence) -> Floats:
    """Rarity of each coincidence: −log2 of the chance that a random account shares with this one, in the family
    of this value, something at least as rare.

    The chance is the sum of the shares of accounts that carry each such value of this account: who was seen with
    a thousand addresses shares a rare one with somebody by chance alone.
    """
    degrees, ranked = np.unique(incidence.degree, return_inverse=True)
    cell = incidence.account * len(incidence.families) + incidence.family[incidence.value]
    order = np.argsort(cell * len(degrees) + ranked[incidence.value], kind="stable")
    share = incidence.degree[incidence.value] / max(1, incidence.size)
    run = np.cumsum(share[order])
    cell = cell[order]
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    before = np.repeat(run[first] - share[order][first], np.diff(first, append=len(cell)))
    chance = np.empty_like(share)
    chance[order] = run - before
    # Equally rare values count all: ties take the largest sum, so that their order does not matter.
    step = np.flatnonzero(np.diff(cell, prepend=-1).astype(bool) | (np.diff(share[order], prepend=-1.0) != 0))
    if len(step):
        chance[order] = np.repeat(np.maximum.reduceat(chance[order], step), np.diff(step, append=len(cell)))
    return -np.log2(np.minimum(chance, 1.0))


def _expand(incidence: Incidence, pairing: npt.NDArray[np.bool_], worth: Floats) -> tuple[Ints, Ints, Ints, Floats]:
    """Every pair of accounts of every pairing value: ``a < b``, family and rarity."""
    use = np.flatnonzero(pairing[incidence.value])
    order = use[np.lexsort((incidence.account[use], incidence.value[use]))]
    account, value, rarity = incidence.account[order], incidence.value[order], worth[order]
    lefts, rights, families, rarities = [], [], [], []
    # One vectorised step a distinct degree, instead of one a value.
    degree = incidence.degree[value]
    for size in np.unique(degree):
        same = degree == size
        members, owner, rare = (column[same].reshape(-1, size) for column in (account, value, rarity))
        i, j = np.triu_indices(size, 1)
        lefts.append(members[:, i].ravel())
        rights.append(members[:, j].ravel())
        families.append(np.repeat(incidence.family[owner[:, 0]], len(i)))
        rarities.append(np.minimum(rare[:, i], rare[:, j]).ravel())
    if not lefts:
        none = np.zeros(0, dtype=np.int64)
        return none, none, none, np.zeros(0)
    return (np.concatenate(lefts), np.concatenate(rights), np.concatenate(families), np.concatenate(rarities))


def _popular(incidence: Incidence, popular: npt.NDArray[np.bool_], rarity: Floats, a: Ints, b: Ints) -> Floats:
    """For pairs already made: how rare the rarest popular value is that they share, a family."""
    if incidence.size * int(popular.sum()) > _BITS_AT_MOST:
        return _popular_among_many(incidence, popular, rarity, a, b)
    return _popular_by_bits(incidence, popular, rarity, a, b)


def _popular_among_many(incidence: Incidence, popular: npt.NDArray[np.bool_], rarity: Floats, a: Ints,
                        b: Ints) -> Floats:
    """The same as ``_popular_by_bits``, by merging the rows of a sparse matrix."""
    best = np.full((len(a), len(incidence.families)), -np.inf)
    use = popular[incidence.value]
    # A rarity of nothing is sharing all the same: rarities are raised by one, so that 0 is what is not shared.
    seen = sp.csr_array((rarity[use] + 1.0, (incidence.account[use], incidence.value[use])),
                        shape=(incidence.size, len(incidence.degree)))
    for start in range(0, len(a), 250_000):
        here = slice(start, start + 250_000)
        both = seen[a[here]].minimum(seen[b[here]]).tocoo()
        np.maximum.at(best, (start + both.row, incidence.family[both.col]), both.data - 1.0)
    return best


def _popular_by_bits(incidence: Incidence, popular: npt.NDArray[np.bool_], rarity: Floats, a: Ints, b: Ints) -> Floats:
    """For pairs already made: how rare the rarest popular value is that they share, a family.

    An account's rarities fall as values get more popular, so the rarest shared value is the least popular one:
    the first bit that two rows of a bit matrix, values from the least popular up, have in common.
    """
    best = np.full((len(a), len(incidence.families)), -np.inf)
    values = len(incidence.degree)
    keys = incidence.account * values + incidence.value  # ascending: coincidences are sorted that way
    for family in range(len(incidence.families)):
        codes = np.flatnonzero(popular & (incidence.family == family))
        codes = codes[np.argsort(incidence.degree[codes], kind="stable")]
        if not len(codes):
            continue
        column = np.full(values, -1, dtype=np.int64)
        column[codes] = np.arange(len(codes))
        use = column[incidence.value] >= 0
        carried = np.zeros((incidence.size, len(codes)), dtype=bool)
        carried[incidence.account[use], column[incidence.value[use]]] = True
        rows = np.packbits(carried, axis=1)
        step = max(1, 64 * 1024 * 1024 // rows.shape[1])
        for start in range(0, len(a), step):
            here = slice(start, start + step)
            both = rows[a[here]] & rows[b[here]]
            byte = np.argmax(both != 0, axis=1)
            found = both[np.arange(len(byte)), byte]
            place = np.flatnonzero(found)
            value = codes[byte[place] * 8 + _FIRST_BIT[found[place]]]
            worth = [rarity[np.searchsorted(keys, end[here][place] * values + value)] for end in (a, b)]
            best[start + place, family] = np.minimum(*worth)
    return best


def choose_edges(probability: Floats) -> Ints:
    """Indices of the pairs that are shown as edges: those more probably run together than not."""
    return np.flatnonzero(probability >= 0.5).astype(np.int64)
