"""Proposals → groups: who else belongs, and who does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.special import gammaln

from stillwatch.link.cells import Cells
from stillwatch.link.evidence import Evidence, evidence, stock_of
from stillwatch.link.incidence import Ints
from stillwatch.link.pairs import Floats

__all__ = ["MIN_MEMBERS", "Group", "alike", "describe", "membership_matrix", "part_of", "settle"]

MIN_MEMBERS = 3
"""Fewest accounts of a group. Two accounts that share a card are a household more often than not, and an account
cannot be judged against a group of one other."""

_MARGIN = 3.0  # bits above the prior: eight to one
_TYPICAL = 0.2  # a member shows at least this share of what the median member shows
_ROUNDS = 8
_ALIKE = 0.7  # Jaccard index from which two groups are one


@dataclass(frozen=True, eq=False)
class Group:
    """Accounts (codes) that belong together, how surely, and what ties them.

    ``members`` are sorted; ``probability`` is theirs, ``bits`` theirs a family (members × families); ``strength`` adds
    them up a family; ``choice`` is the bits that it takes to name the members among all accounts, log2 of the
    number of groups of that size; ``stability`` is the share of the proposals in which the group was found.
    """

    members: Ints
    probability: Floats
    bits: Floats
    strength: Floats
    choice: float
    stability: float = 1.0

    @property
    def score(self) -> float:
        """Evidence of all members, less what choosing these accounts out of all would give by itself."""
        return float(self.strength.sum()) - self.choice


def part_of(group: Group, places: Ints, accounts: int) -> Group | None:
    """The group of only the members at ``places``, with the evidence that they showed in the whole.

    ``accounts`` is how many there are in all. ``None`` where the part is too small to be judged or no longer shows
    more than choosing it would by itself.
    """
    if len(places) < MIN_MEMBERS:
        return None
    bits = group.bits[places]
    part = Group(group.members[places], group.probability[places], bits, bits.sum(axis=0),
                 float(choice(accounts, len(places))), group.stability)
    return part if part.score > 0 else None


def choice(accounts: int, members: Ints | int) -> Floats:
    """log2 of the number of ways to choose the members, by the log-gamma function."""
    members = np.asarray(members, dtype=np.float64)
    ways: Floats = (gammaln(accounts + 1) - gammaln(members + 1) - gammaln(accounts - members + 1)) / np.log(2.0)
    return ways


def membership_matrix(cells: Cells, groups: Sequence[Ints]) -> sp.csr_array:
    """Accounts × groups, 1 for members."""
    rows = np.concatenate(groups) if groups else np.zeros(0, dtype=np.int64)
    columns = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    matrix = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(cells.accounts, len(groups)))
    matrix.sort_indices()
    return matrix


def settle(cells: Cells, groups: Sequence[Ints], rivals: Sequence[int] | None = None, *,
           cores: list[Ints] | None = None) -> list[Ints]:
    """Let groups take in and let go of accounts, all at once, until little changes.

    An account belongs where its evidence exceeds the prior log2(accounts / members) by three bits; it may belong
    to several groups. A group that loses half of its members at once was no group: it is taken out before anybody
    else is judged, since what it claimed as its stock is free again.

    ``rivals`` gives each group a number; of groups with the same number an account belongs to the one that explains it
    best. Without it every group is for itself. To ``cores`` is added what would have stayed of each group that was
    taken out.
    """
    losing = True
    rival = np.arange(len(groups)) if rivals is None else np.asarray(rivals, dtype=np.int64)
    for _ in range(_ROUNDS):
        groups, rival = _kept(groups, rival, [len(group) >= MIN_MEMBERS for group in groups])
        if not groups:
            return []
        member = membership_matrix(cells, groups)
        stock, size = stock_of(cells, member), np.array([len(group) for group in groups])
        bound = np.log2(cells.accounts / size) + _MARGIN
        # Which groups are lost is their members' matter: while some are, looking at everybody else can wait. And who
        # surely shows less than every bound belongs nowhere, and is nobody's rival.
        for members_only in (True, False) if losing else (False,):
            seen = evidence(cells, member, stock, members_only=members_only, least=float(bound.min()))
            inside = seen.total > bound[seen.group]
            if rivals is not None:
                inside &= _best(seen, rival)
            stay = np.bincount(seen.group[inside & seen.member], minlength=len(groups))
            losing = bool((stay * 2 < size).any())
            if losing:
                break
        if losing:
            if cores is not None:
                left = _split(seen.account[inside & seen.member], seen.group[inside & seen.member], len(groups))
                cores += [core for core, few in zip(left, stay * 2 < size, strict=True) if few]
            groups, rival = _kept(groups, rival, (stay * 2 >= size).tolist())
            continue
        new = _split(seen.account[inside], seen.group[inside], len(groups))
        moved = int(size.sum() + inside.sum() - 2 * stay.sum())
        groups, rival = _distinct(new, rival)
        if moved == 0:
            break
    return [group for group in groups if len(group) >= MIN_MEMBERS]


def _kept(groups: Sequence[Ints], rival: Ints, keep: Sequence[bool]) -> tuple[list[Ints], Ints]:
    """The groups to keep, and their numbers."""
    return [group for group, kept in zip(groups, keep, strict=True) if kept], rival[np.array(keep, dtype=bool)]


def _best(seen: Evidence, rival: Ints) -> npt.NDArray[np.bool_]:
    """Which pairs are an account's best among groups with the same number; of equals the first."""
    number = rival[seen.group]
    order = np.lexsort((seen.group, -seen.total, number, seen.account))
    same = (np.diff(seen.account[order], prepend=-1) == 0) & (np.diff(number[order], prepend=-1) == 0)
    best = np.zeros(len(order), dtype=bool)
    best[order[~same]] = True
    return best


def _split(account: Ints, group: Ints, groups: int) -> list[Ints]:
    """Members a group; ``group`` is sorted, accounts are sorted within."""
    return np.split(account, np.searchsorted(group, np.arange(1, groups)))


def _distinct(groups: Sequence[Ints], rival: Ints) -> tuple[list[Ints], Ints]:
    """Leave out groups that a larger one repeats."""
    order = sorted((place for place in range(len(groups)) if len(groups[place]) >= MIN_MEMBERS),
                   key=lambda place: (-len(groups[place]), groups[place].tolist()))
    ranked = [groups[place] for place in order]
    keep = np.zeros(len(ranked), dtype=bool)
    for place, others in enumerate(alike(ranked, _ALIKE) if ranked else []):
        keep[place] = not keep[others[others < place]].any()
    return _kept(ranked, rival[np.array(order, dtype=np.int64)], keep.tolist())


def alike(groups: Sequence[Ints], least: float) -> list[Ints]:
    """For each group, the places of all groups whose Jaccard index with it is at least ``least``, itself included."""
    rows = np.concatenate(groups)
    columns = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    held = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(int(rows.max()) + 1, len(groups)))
    shared = sp.coo_array(held.T @ held)
    size = np.array([len(group) for group in groups], dtype=np.float64)
    a, b = shared.coords
    near = shared.data / (size[a] + size[b] - shared.data) >= least
    a, b = a[near].astype(np.int64), b[near].astype(np.int64)
    order = np.lexsort((b, a))
    return np.split(b[order], np.searchsorted(a[order], np.arange(1, len(groups))))


def describe(cells: Cells, groups: Sequence[Ints], stability: Sequence[float] | None = None) -> list[Group]:
    """Groups with their members' evidence; members far less typical than the others are left out."""
    if not groups:
        return []
    member = membership_matrix(cells, groups)
    seen = evidence(cells, member, stock_of(cells, member), members_only=True)
    edges = np.searchsorted(seen.group, np.arange(len(groups) + 1))
    found = [_one(cells, seen, slice(edges[place], edges[place + 1]), 1.0 if stability is None else stability[place])
             for place in range(len(groups))]
    return [group for group in found if group is not None and group.score > 0]


def _one(cells: Cells, seen: Evidence, here: slice, stability: float) -> Group | None:
    known = seen.member[here]
    account, bits = seen.account[here][known], seen.bits[here][known]
    total = bits.sum(axis=1)
    if len(total):
        typical = total >= _TYPICAL * np.median(total)
        account, bits, total = account[typical], bits[typical], total[typical]
    if len(account) < MIN_MEMBERS:
        return None
    odds = total - np.log2(cells.accounts / len(account))
    probability = 1.0 / (1.0 + np.exp2(-np.clip(odds, -1000, 1000)))
    return Group(account, probability, bits, bits.sum(axis=0), float(choice(cells.accounts, len(account))), stability)
