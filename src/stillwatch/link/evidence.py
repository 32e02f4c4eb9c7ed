"""Does an account carry what a group carries? Evidence an account and group, family by family.

Each account is judged against the rest of the group without itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from stillwatch.link.cells import Cells
from stillwatch.link.incidence import Ints, compact
from stillwatch.link.pairs import Floats

__all__ = ["SHARES", "Evidence", "belongs", "evidence", "stock_of"]

Flags = npt.NDArray[np.bool_]

SHARES = np.array([0.0, 0.05, 0.15, 0.35, 0.6, 0.85])
"""Levels of the comparison: the share of an account's values of a kind that may come from the group's stock."""

_PSEUDO = 3.0  # members' worth of shrinkage of a group's levels towards those of all groups
_ROUNDS = 6
_ENRICHED = 2.0


@dataclass(frozen=True)
class Evidence:
    """Bits a pair of account and group that share anything (pairs × families), sorted by group, then account;
    ``member`` says whether the account is in the group."""

    account: Ints
    group: Ints
    bits: Floats
    member: Flags

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
    groups = member.shape[1]
    account, group = _members(member)
    mine = cells.per_kind(account, group, groups)[0]
    row, many = cells.rows_of(account)
    key = cells.value[row] * groups + np.repeat(group, many)
    key.sort()
    first = np.flatnonzero(np.diff(key, prepend=-1))
    k = np.diff(first, append=len(key)).astype(np.float64)
    shared = k >= 2
    value, group = np.divmod(key[first[shared]], groups)
    k = k[shared]
    kind = cells.incidence.kind[value]
    mine = mine[kind, group]
    outside = (cells.incidence.degree[value] - k + 1.0) / (cells.total[kind] - mine + cells.distinct[kind])
    ratio = (k - 1.0) / np.maximum(mine, 1.0) / outside
    telling = ratio > _ENRICHED
    value, group = value[telling], group[telling]
    speaks = k[telling] * np.log2(ratio[telling])
    owner = np.full(len(cells.incidence.degree), -1, dtype=np.int64)
    first = np.flatnonzero(np.diff(value, prepend=-1))
    if len(first):
        most = np.repeat(np.maximum.reduceat(speaks, first), np.diff(first, append=len(value)))
        best = np.flatnonzero(speaks == most)[::-1]  # of equals the first comes last, and stays
        owner[value[best]] = group[best]
    return owner


def evidence(cells: Cells, member: sp.csr_array, stock: Ints, *, against_all: bool = False,
             members_only: bool = False, least: float = -np.inf) -> Evidence:
    """Bits for every account that carries something of a group's stock.

    A kind is one comparison with ordered levels π (``SHARES``): of an account's n values of the kind, each came with
    probability π from the group's stock and with 1−π from everybody's, so that a level has likelihood ratio
    Π (1−π + π ρ_v), ρ_v the value's share among the other members over its share outside (0 for what is not
    stock). How often members show each level (the m-probabilities) is learnt a group by EM, shrunk to what all
    groups show; the account's own values never vouch for it. In a family the kind that says most counts, families
    add up; where an account has nothing of a family, nothing is said.

    With ``against_all`` ρ compares with everybody instead of with those outside: the baseline is then the same for
    every group, so that evidence of a part and of a whole can be compared. With ``members_only`` nobody else is
    looked at; the members' evidence is the same. Nor need those be that surely show at most ``least`` bits: some of
    them are left out, no member and nobody who shows more.
    """
    groups, kinds = member.shape[1], cells.kinds
    members = _members(member)
    held, having = cells.per_kind(*members, groups)
    if members_only:
        row = _own_rows(cells, members, stock)
        told, value = compact(cells.value[row], len(stock))
        own = np.ones(len(row), dtype=bool)
    else:
        told = np.flatnonzero(stock >= 0)
        row, many = cells.rows_with(told)
        value = np.repeat(np.arange(len(told)), many)
        own = belongs(member, cells.account[row], stock[told][value])
    worth = _Worth(cells, held, told, stock[told], np.bincount(value[own], minlength=len(told)), against_all)
    if not members_only:
        near = np.flatnonzero(own | _may_exceed(least, cells.account[row], worth.most()[value], own))
        near = near[np.argsort(row[near])]
        row, value, own = row[near], value[near], own[near]
    cell = cells.cell[row]
    keys, place = compact(cell * groups + stock[told][value], len(cells.owner) * groups)
    level = worth.levels(value, cells.size[cell], own, place, len(keys))
    cell, group = np.divmod(keys, groups)
    loose = cells.size[cell] - np.bincount(place, minlength=len(keys))
    for at, share in enumerate(SHARES):
        level[at] += loose * np.log(1 - share)
    account, kind = cells.owner[cell], cells.kind[cell]
    slot = group * kinds + kind
    inside = slice(None) if members_only else belongs(member, account, group)
    top = level.max(axis=0)
    level -= top
    like = np.exp(level, out=level)
    rates = _rates(like[:, inside], slot[inside], having.T)
    bits = (np.log(_mixed(like, rates, slot)) + top) / np.log(2)
    return _by_family(cells, member, account, group, kind, bits, rates[0].reshape(groups, kinds))


def _members(member: sp.csr_array) -> tuple[Ints, Ints]:
    """Who is in which group, sorted by account."""
    times = np.diff(member.indptr)
    some = np.flatnonzero(times)
    return np.repeat(some, times[some]), member.indices.astype(np.int64)


def _own_rows(cells: Cells, members: tuple[Ints, Ints], stock: Ints) -> Ints:
    """Places of the coincidences of members with what is in their group's stock, ascending."""
    row, many = cells.rows_of(members[0])
    own: Ints = row[stock[cells.value[row]] == np.repeat(members[1], many)]
    own.sort()
    return own


def _may_exceed(least: float, account: Ints, most: Floats, own: Flags) -> Flags:
    """Which coincidences are of accounts that may show more than ``least`` bits for a group that they are not in.

    ``most`` is what each says at most. Evidence is a sum over families, negative parts included, of means of sums
    over values: never more than the sum over all of an account's values.
    """
    if np.isneginf(least):
        return ~own
    total = np.bincount(account, weights=np.where(own, 0.0, most))
    # What rounding may do to sums of logarithms is far below a thousandth of a bit.
    return total[account] > least - 1e-3


class _Worth:
    """Likelihood ratios of the values of groups' stocks, for members and for others."""

    def __init__(self, cells: Cells, held: Floats, told: Ints, group: Ints, carriers: Ints, against_all: bool) -> None:
        """``told`` lists values, ``group`` whose stock each is in, ``carriers`` how many of its members carry it;
        ``held`` is kinds × groups."""
        kind, degree = cells.incidence.kind[told], cells.incidence.degree[told]
        self._k, self._held = carriers.astype(np.float64), held[kind, group]
        if against_all:
            self._outside = self._inside = degree / (cells.total + cells.distinct)[kind]
        else:
            others = cells.total[kind] - self._held + cells.distinct[kind]
            # An account that is not a member counts for neither side.
            self._outside = (np.maximum(degree - self._k - 1.0, 0.0) + 1.0) / others
            self._inside = (np.maximum(degree - self._k, 0.0) + 1.0) / others
        # For accounts outside a value is worth the same, whoever carries it: one logarithm a value.
        self._plain = self._k / np.maximum(self._held, 1.0) / self._outside

    def most(self) -> Floats:
        """What each value says at most for an account outside, at any level, in bits."""
        most: Floats = np.log2(np.maximum(1 - SHARES[-1] + SHARES[-1] * self._plain, 1.0))
        return most

    def levels(self, value: Ints, size: Floats, own: Flags, place: Ints, places: int) -> Floats:
        """Σ log(1 − π + π ρ) over the coincidences of each place (levels π × places).

        ``value`` are places in the list of values.
        """
        level = np.zeros((len(SHARES), places))
        mine = np.flatnonzero(own)
        held = self._held[value[mine]] - size[mine]
        ratio = (self._k[value[mine]] - 1.0) / np.maximum(held, 1.0) / self._inside[value[mine]]
        for at, share in enumerate(SHARES):
            if share:  # log 1 is nothing
                each = np.log(1 - share + share * self._plain)[value]
                each[mine] = np.log(1 - share + share * ratio)
                level[at] = np.bincount(place, weights=each, minlength=places)
        return level


def _rates(like: Floats, slot: Ints, having: Floats) -> Floats:
    """Share of members at each level (levels × slots, a slot a group and kind), by EM.

    ``like`` is levels × members' cells, ``slot`` theirs; ``having`` (groups × kinds) counts the members that have
    anything of a kind.
    """
    slots, kinds = having.size, having.shape[1]
    silent = having.ravel() - np.bincount(slot, minlength=slots)

    def learn(where: Ints, base: Floats, quiet: Floats, weight: float) -> Floats:
        rates = base
        for _ in range(_ROUNDS):
            mixed = _mixed(like, rates, where)
            # (bincount of nothing is of integers)
            seen = rates * np.array([np.bincount(where, weights=row / mixed, minlength=base.shape[1])
                                     for row in like], np.float64)
            seen[0] += quiet
            rates = (seen + weight * base) / (seen.sum(axis=0) + weight)
        return rates

    even = np.full((len(SHARES), kinds), 1.0 / len(SHARES))
    pooled = learn(slot % kinds, even, silent.reshape(-1, kinds).sum(axis=0), 1.0)
    return learn(slot, np.tile(pooled, (1, slots // kinds)), silent, _PSEUDO)


def _mixed(like: Floats, rates: Floats, slot: Ints) -> Floats:
    """Likelihood of each cell, its levels weighed by the rates of its slot."""
    mixed: Floats = np.zeros(like.shape[1])
    for row, rate in zip(like, rates, strict=True):
        mixed += row * rate[slot]
    return mixed


def _by_family(cells: Cells, member: sp.csr_array, account: Ints, group: Ints, kind: Ints, bits: Floats,
               nothing: Floats) -> Evidence:
    """The kind that says most in each family, silence included: ``nothing`` is the rate of sharing nothing."""
    families = len(cells.incidence.families)
    pair_key = group * cells.accounts + account
    pairs, place = compact(pair_key, nothing.shape[0] * cells.accounts)
    who, which = pairs % cells.accounts, pairs // cells.accounts
    best = np.full((len(pairs), families), -np.inf)
    np.maximum.at(best, (place, cells.family[kind]), bits)
    silent = np.log2(np.maximum(nothing, 1e-12))
    quiet = np.full((len(nothing), families), -np.inf)
    for one in range(cells.kinds):
        quiet[:, cells.family[one]] = np.maximum(quiet[:, cells.family[one]], silent[:, one])
    missing = np.where(cells.has_family[who], np.minimum(quiet[which], 0.0), 0.0)
    return Evidence(who, which, np.where(np.isneginf(best), missing, best), belongs(member, who, which))


def belongs(member: sp.csr_array, account: Ints, group: Ints) -> Flags:
    """Whether each account is a member of the group beside it."""
    start, times = member.indptr, np.diff(member.indptr)
    found = np.zeros(len(account), dtype=bool)
    rows: Ints = np.flatnonzero(times[account] > 0)
    turn = 0
    while len(rows):  # as often as the account in most groups is in groups
        found[rows] |= member.indices[start[account[rows]] + turn] == group[rows]
        turn += 1
        rows = rows[times[account[rows]] > turn]
    return found
