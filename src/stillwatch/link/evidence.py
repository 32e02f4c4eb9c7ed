"""Does an account carry what a group carries? Evidence an account and group, family by family.

Each account is judged against the rest of the group without itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stillwatch.link.cells import Cells
from stillwatch.link.incidence import Ints
from stillwatch.link.pairs import Floats

__all__ = ["SHARES", "Evidence", "evidence", "stock_of"]

SHARES = np.array([0.0, 0.05, 0.15, 0.35, 0.6, 0.85])
"""Levels of the comparison: the share of an account's values of a kind that may come from the group's stock."""

_PSEUDO = 3.0  # members' worth of shrinkage of a group's levels towards those of all groups
_ROUNDS = 6
_ENRICHED = 2.0


@dataclass(frozen=True)
class Evidence:
    """Bits a pair of account and group that share anything (pairs × families), sorted by group, then account."""

    account: Ints
    group: Ints
    bits: Floats

    @property
    def total(self) -> Floats:
        """Bits a pair, families added."""
        summed: Floats = self.bits.sum(axis=1)
        return summed


def stock_of(cells: Cells, member: sp.csr_array) -> Ints:
    """Which group each value testifies for (−1: none): a value counts once, for the group that it is most telling of.

    ``member`` is accounts × groups. Value v, carried by k members of g, speaks for g by k log2(ρ), ρ being its
    share among the values of the group's other members over its share among everybody else's; it must be
    carried by two members and be twice as frequent inside as outside. What an ordinary theme that some
    members also follow explains is thereby left to that theme.
    """
    inside = sp.csr_array(cells.carried.T @ member).tocoo()
    value, group, k = inside.row, inside.col, inside.data
    kind = cells.incidence.kind[value]
    mine = _per_kind(cells, member)[kind, group]
    outside = (cells.incidence.degree[value] - k + 1.0) / (cells.total[kind] - mine + cells.distinct[kind])
    ratio = (k - 1.0) / np.maximum(mine, 1.0) / outside
    telling = (k >= 2) & (ratio > _ENRICHED)
    value, group = value[telling], group[telling]
    speaks = k[telling] * np.log2(ratio[telling])
    owner = np.full(len(cells.incidence.degree), -1, dtype=np.int64)
    order = np.lexsort((group, -speaks, value))
    first = order[np.diff(value[order], prepend=-1) != 0]
    owner[value[first]] = group[first]
    return owner


def evidence(cells: Cells, member: sp.csr_array, stock: Ints, *, against_all: bool = False) -> Evidence:
    """Bits for every account that carries something of a group's stock.

    A kind is one comparison with ordered levels π (``SHARES``): of an account's n values of the kind, each came with
    probability π from the group's stock and with 1−π from everybody's, so that a level has likelihood ratio
    Π (1−π + π ρ_v), ρ_v the value's share among the other members over its share outside (0 for what is not
    stock). How often members show each level (the m-probabilities) is learnt a group by EM, shrunk to what all
    groups show; the account's own values never vouch for it. In a family the kind that says most counts, families
    add up; where an account has nothing of a family, nothing is said.

    With ``against_all`` ρ compares with everybody instead of with those outside: the baseline is then the same for
    every group, so that evidence of a part and of a whole can be compared.
    """
    groups, kinds = member.shape[1], cells.kinds
    at = stock[cells.value]
    use = at >= 0
    account, value, cell, group = cells.account[use], cells.value[use], cells.cell[use], at[use]
    kind = cells.kind[cell]
    inside = sp.csr_array(cells.carried.T @ member)
    mine = _per_kind(cells, member)
    own = _lookup(member, account, group)
    k = _lookup(inside, value, group)
    held = mine[kind, group]
    if against_all:
        outside = cells.incidence.degree[value] / (cells.total + cells.distinct)[kind]
    else:
        outside = np.maximum(cells.incidence.degree[value] - k - (1.0 - own), 0.0) + 1.0
        outside /= cells.total[kind] - held + cells.distinct[kind]
    ratio = (k - own) / np.maximum(held - own * cells.size[cell], 1.0) / outside
    keys, place = np.unique(cell * groups + group, return_inverse=True)
    cell, group = keys // groups, keys % groups
    loose = cells.size[cell] - np.bincount(place, minlength=len(keys))
    level = np.stack([np.bincount(place, weights=np.log(1 - share + share * ratio), minlength=len(keys))
                      + loose * np.log(1 - share) for share in SHARES], axis=1)
    account, kind = cells.owner[cell], cells.kind[cell]
    is_member = _lookup(member, account, group) > 0
    rates = _rates(level, is_member, group * kinds + kind, _members_with(cells, member))
    top = level.max(axis=1)
    bits = (np.log((np.exp(level - top[:, None]) * rates[group * kinds + kind]).sum(axis=1)) + top) / np.log(2)
    return _by_family(cells, account, group, kind, bits, rates[:, 0].reshape(groups, kinds))


def _rates(level: Floats, is_member: np.ndarray[tuple[int], np.dtype[np.bool_]], slot: Ints, members: Floats) -> Floats:
    """Share of members at each level, a group and kind (rows as ``slot``), by EM."""
    slots, kinds = members.size, members.shape[1]
    like = np.exp(level[is_member] - level[is_member].max(axis=1, keepdims=True))
    at = slot[is_member]
    silent = members.ravel() - np.bincount(at, minlength=slots)

    def learn(where: Ints, base: Floats, quiet: Floats, weight: float) -> Floats:
        rates = base
        for _ in range(_ROUNDS):
            post = like * rates[where]
            post /= post.sum(axis=1, keepdims=True)
            seen: Floats = np.stack([np.bincount(where, weights=column, minlength=len(base)).astype(np.float64)
                                     for column in post.T], axis=1)
            seen[:, 0] += quiet
            rates = (seen + weight * base) / (seen.sum(axis=1, keepdims=True) + weight)
        return rates

    even = np.full((kinds, len(SHARES)), 1.0 / len(SHARES))
    pooled = learn(at % kinds, even, silent.reshape(-1, kinds).sum(axis=0), 1.0)
    return learn(at, np.tile(pooled, (slots // kinds, 1)), silent, _PSEUDO)


def _by_family(cells: Cells, account: Ints, group: Ints, kind: Ints, bits: Floats, nothing: Floats) -> Evidence:
    """The kind that says most in each family, silence included: ``nothing`` is the rate of sharing nothing."""
    families = len(cells.incidence.families)
    pair_key = group * cells.accounts + account
    pairs, place = np.unique(pair_key, return_inverse=True)
    who, which = pairs % cells.accounts, pairs // cells.accounts
    best = np.full((len(pairs), families), -np.inf)
    np.maximum.at(best, (place, cells.family[kind]), bits)
    silent = np.log2(np.maximum(nothing, 1e-12))
    quiet = np.full((len(nothing), families), -np.inf)
    for one in range(cells.kinds):
        quiet[:, cells.family[one]] = np.maximum(quiet[:, cells.family[one]], silent[:, one])
    missing = np.where(cells.has_family[who], np.minimum(quiet[which], 0.0), 0.0)
    return Evidence(who, which, np.where(np.isneginf(best), missing, best))


def _per_kind(cells: Cells, member: sp.csr_array) -> Floats:
    """Coincidences of the groups' members, kinds × groups."""
    of_account = sp.csr_array((cells.size, (cells.kind, cells.owner)), shape=(cells.kinds, cells.accounts))
    held: Floats = (of_account @ member).toarray()
    return held


def _members_with(cells: Cells, member: sp.csr_array) -> Floats:
    """Members that have anything of a kind, groups × kinds."""
    has = sp.csr_array((np.ones(len(cells.owner)), (cells.kind, cells.owner)), shape=(cells.kinds, cells.accounts))
    counted: Floats = (has @ member).toarray().T
    return counted


def _lookup(matrix: sp.csr_array, row: Ints, column: Ints) -> Floats:
    """Entries of a sparse matrix at many places at once."""
    width = matrix.shape[1]
    held = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * width + matrix.indices
    order = np.argsort(held, kind="stable") if not matrix.has_sorted_indices else slice(None)
    held, data = held[order], matrix.data[order]
    if not len(held):
        return np.zeros(len(row))
    wanted = row * width + column
    at = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    found: Floats = np.where(held[at] == wanted, data[at], 0.0)
    return found
