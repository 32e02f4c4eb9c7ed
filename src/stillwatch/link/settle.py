"""Proposals → groups: who else belongs, who does not, and which proposals are one group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

from stillwatch.link.cells import Cells
from stillwatch.link.evidence import Evidence, evidence, stock_of
from stillwatch.link.incidence import Ints
from stillwatch.link.pairs import Floats

__all__ = ["MIN_MEMBERS", "Group", "choose", "describe", "groups_of", "membership_matrix", "part_of",
           "settle"]

MIN_MEMBERS = 3
"""Fewest accounts of a group. Two accounts that share a card are a household more often than not, and an account
cannot be judged against a group of one other."""

_MARGIN = 3.0  # bits above the prior: eight to one
_TYPICAL = 0.2  # a member shows at least this share of what the median member shows
_ROUNDS = 8
_ALIKE = 0.7  # Jaccard index from which two groups are one
_RECURS = 0.5  # Jaccard index from which a group of one proposal is found again in another


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


def settle(cells: Cells, groups: Sequence[Ints], rounds: int = _ROUNDS) -> list[Ints]:
    """Let groups take in and let go of accounts, all at once, until little changes.

    An account belongs where its evidence exceeds the prior log2(accounts / members) by three bits; it may belong
    to several groups. A group that loses half of its members at once was no group: it is taken out before anybody
    else is judged, since what it claimed as its stock is free again.
    """
    losing = True
    for _ in range(rounds):
        groups = [group for group in groups if len(group) >= MIN_MEMBERS]
        if not groups:
            return []
        member = membership_matrix(cells, groups)
        stock, size = stock_of(cells, member), np.array([len(group) for group in groups])
        # Which groups are lost is their members' matter: while some are, looking at everybody else can wait.
        for members_only in (True, False) if losing else (False,):
            seen = evidence(cells, member, stock, members_only=members_only)
            inside = seen.total > np.log2(cells.accounts / size)[seen.group] + _MARGIN
            stay = np.bincount(seen.group[inside & seen.member], minlength=len(groups))
            losing = bool((stay * 2 < size).any())
            if losing:
                break
        if losing:
            groups = [group for group, kept in zip(groups, stay * 2 >= size, strict=True) if kept]
            continue
        new = _split(seen.account[inside], seen.group[inside], len(groups))
        moved = int(size.sum() + inside.sum() - 2 * stay.sum())
        groups = _distinct(new)
        if moved == 0:
            break
    return [group for group in groups if len(group) >= MIN_MEMBERS]


def _split(account: Ints, group: Ints, groups: int) -> list[Ints]:
    """Members a group; ``group`` is sorted, accounts are sorted within."""
    return np.split(account, np.searchsorted(group, np.arange(1, groups)))


def _distinct(groups: Sequence[Ints]) -> list[Ints]:
    """Leave out groups that a larger one repeats."""
    order = sorted(range(len(groups)), key=lambda place: (-len(groups[place]), groups[place].tolist()))
    ranked = [groups[place] for place in order if len(groups[place]) >= MIN_MEMBERS]
    keep = np.zeros(len(ranked), dtype=bool)
    for place, alike in enumerate(_alike(ranked, _ALIKE) if ranked else []):
        keep[place] = not keep[alike[alike < place]].any()
    return [group for group, is_kept in zip(ranked, keep, strict=True) if is_kept]


def _alike(groups: Sequence[Ints], least: float) -> list[Ints]:
    """For each group, the places of all groups whose Jaccard index with it is at least ``least``, itself included."""
    rows = np.concatenate(groups)
    columns = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    held = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(int(rows.max()) + 1, len(groups)))
    shared = sp.coo_array(held.T @ held)
    size = np.array([len(group) for group in groups], dtype=np.float64)
    a, b = shared.coords
    alike = shared.data / (size[a] + size[b] - shared.data) >= least
    a, b = a[alike].astype(np.int64), b[alike].astype(np.int64)
    order = np.lexsort((b, a))
    return np.split(b[order], np.searchsorted(a[order], np.arange(1, len(groups))))


def describe(cells: Cells, groups: Sequence[Ints], stability: Sequence[float] | None = None) -> list[Group]:
    """Groups with their members' evidence; members far less typical than the others are left out."""
    if not groups:
        return []
    member = membership_matrix(cells, groups)
    seen = evidence(cells, member, stock_of(cells, member))
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


def groups_of(cells: Cells, proposals: Iterable[Sequence[Ints]]) -> list[Group]:
    """Settle every list of proposals by itself, and choose among what came out; strongest first."""
    return choose(cells, (describe(cells, settle(cells, proposed)) for proposed in proposals))


def choose(cells: Cells, settled: Iterable[Sequence[Group]]) -> list[Group]:
    """Choose among lists of settled groups, and settle that together; strongest first.

    Groups are taken from the densest evidence a member down; one of which more than half is taken already is left
    out: unions of what has nothing in common are less dense than their parts. In how many of the lists a group
    is found again is its stability (stability selection; Meinshausen & Bühlmann 2010). It is reported and
    decides nothing: a campaign may show at one resolution alone, and what chance makes is for decoys to say.
    """
    pool: list[tuple[float, int, Ints]] = []
    lists = 0
    for lists, groups in enumerate(settled, start=1):
        pool += [(group.score / len(group.members), lists, group.members) for group in groups]
    if not pool:
        return []
    pool.sort(key=lambda entry: (-entry[0], entry[2].tolist(), entry[1]))
    members = [entry[2] for entry in pool]
    taken = np.zeros(cells.accounts, dtype=bool)
    kept, stability = [], []
    for group, alike in zip(members, _alike(members, _RECURS), strict=True):
        times = len({pool[other][1] for other in alike})
        if taken[group].mean() <= 0.5:
            kept.append(group)
            stability.append(times / lists)
            taken[group] = True
    final = settle(cells, _apart(cells, kept, members))
    described = describe(cells, final, _inherit(final, kept, stability))
    return sorted(_more_than_a_value(cells, described), key=lambda group: (-group.score, group.members.tolist()))


def _more_than_a_value(cells: Cells, groups: Sequence[Group]) -> list[Group]:
    """Leave out groups that are no more than everybody who carries some value.

    Whoever uses one browser shares it with all of the group and with nobody outside it: against those outside, such a
    group always looks good. Against everybody, its value is as common as it is, and the group costs more to name than
    it tells.
    """
    if not groups:
        return []
    member = membership_matrix(cells, [group.members for group in groups])
    seen = evidence(cells, member, stock_of(cells, member), against_all=True, members_only=True)
    told = np.bincount(seen.group[seen.member], weights=seen.total[seen.member], minlength=len(groups))
    return [group for group, bits in zip(groups, told, strict=True) if bits > group.choice]


def _apart(cells: Cells, kept: Sequence[Ints], parts: Sequence[Ints]) -> list[Ints]:
    """Take parts out of a group that the rest of it does not explain, and let them be groups.

    ``parts`` are all settled proposals. A part stays where its median member shows, against the rest of the group
    and compared with everybody, evidence at least as strong as the prior is against it.
    """
    found = []
    ranked = sorted({part.tobytes(): part for part in parts}.values(), key=lambda part: (-len(part), part.tolist()))
    # A part or its rest that is too small now only gets smaller as other parts are taken out.
    common = (membership_matrix(cells, kept).T @ membership_matrix(cells, ranked)).toarray()
    size = np.array([len(part) for part in ranked])
    for whole, shared in zip(kept, common, strict=True):
        enough = (shared >= 0.8 * size) & (shared >= MIN_MEMBERS) & (len(whole) - shared >= MIN_MEMBERS)
        for part in (ranked[place] for place in np.flatnonzero(enough)):
            inside = np.intersect1d(part, whole, assume_unique=True)
            rest = np.setdiff1d(whole, part, assume_unique=True)
            if len(inside) < 0.8 * len(part) or len(inside) < MIN_MEMBERS or len(rest) < MIN_MEMBERS:
                continue
            if _median_given(cells, inside, rest) < np.log2(cells.accounts / len(rest)):
                found.append(inside)
                whole = rest
        found.append(whole)
    return found


def _median_given(cells: Cells, part: Ints, rest: Ints) -> float:
    """Bits of the median account of ``part`` for belonging to ``rest``, a value's frequency taken over everybody."""
    here = cells.of(np.union1d(part, rest))
    stock = np.full(len(cells.incidence.degree), -1, dtype=np.int64)
    stock[here.value] = 0
    seen = evidence(here, membership_matrix(cells, [rest]), stock, against_all=True)
    total = np.full(cells.accounts, -np.inf)
    total[seen.account] = seen.total
    return float(np.median(total[part]))


def _inherit(final: Sequence[Ints], kept: Sequence[Ints], stability: Sequence[float]) -> list[float]:
    """Each settled group has the stability of the group that it overlaps most."""
    return [max(zip((np.intersect1d(group, other, assume_unique=True).size for other in kept), stability,
                    strict=True), default=(0, 0.0))[1] for group in final]
