"""Settled groups of several proposals → the groups that are reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stillwatch.link.cells import Cells
from stillwatch.link.evidence import belongs, evidence, stock_of
from stillwatch.link.incidence import Ints
from stillwatch.link.operations import operations
from stillwatch.link.pairs import Floats
from stillwatch.link.settle import Group, alike, describe, membership_matrix, settle

__all__ = ["Settled", "choose", "settled_of"]

_RECURS = 0.5  # Jaccard index from which a group of one proposal is found again in another


@dataclass(frozen=True)
class Settled:
    """What a list of proposals came to: groups, and what else was found in those that were given up."""

    groups: Sequence[Group]
    cores: Sequence[Group]


def settled_of(cells: Cells, proposed: Sequence[Ints]) -> Settled:
    """Settle a list of proposals, then what stays of each of them that loses half of its members at once.

    A community may be a whole operation of which fewer than half show two things that others share: they are a group,
    and nobody proposed them alone.
    """
    cores: list[Ints] = []
    groups = describe(cells, settle(cells, proposed, cores=cores))
    return Settled(groups, describe(cells, settle(cells, cores)))


def choose(cells: Cells, settled: Iterable[Settled], seed: int) -> list[Group]:
    """Choose among lists of settled groups, take apart what is run apart, and settle that together; strongest first.

    Groups are taken from the densest evidence a member down; one of which more than half is taken already is left
    out: unions of what has nothing in common are less dense than their parts. Cores come last, and only where nobody
    else's members are: the core of a group that is there is dense, and no other group. In how many of the lists a group
    is found again is its stability (stability selection; Meinshausen & Bühlmann 2010). It is reported and
    decides nothing: a campaign may show at one resolution alone, and what chance makes is for decoys to say.
    """
    pool: list[tuple[bool, float, Ints, int]] = []
    lists = 0
    for lists, found in enumerate(settled, start=1):
        for late, groups in ((False, found.groups), (True, found.cores)):
            pool += [(late, -group.score / len(group.members), group.members, lists) for group in groups]
    if not pool:
        return []
    pool.sort(key=lambda entry: (*entry[:2], entry[2].tolist(), entry[3]))
    members = [entry[2] for entry in pool]
    taken = np.zeros(cells.accounts, dtype=bool)
    kept, stability = [], []
    for group, others in zip(members, alike(members, _RECURS), strict=True):
        times = len({pool[other][3] for other in others})
        if taken[group].mean() <= 0.5:
            kept.append(group)
            stability.append(times / lists)
            taken[group] = True
    final = settle(cells, *operations(cells, kept, seed))
    described = describe(cells, final, _inherit(final, kept, stability))
    return sorted(_more_than_a_value(cells, described), key=lambda group: (-group.score, group.members.tolist()))


def _more_than_a_value(cells: Cells, groups: Sequence[Group]) -> list[Group]:
    """Leave out groups that are no more than everybody who carries some value.

    Whoever uses one browser shares it with all of the group and with nobody outside it: against those outside, such a
    group always looks good. Against everybody, its value is as common as it is, and the group costs more to name than
    it tells. A campaign that is a third of the logs is common too; so a group may also show that it stands without the
    most common value of each kind.
    """
    if not groups:
        return []
    member = membership_matrix(cells, [group.members for group in groups])
    stock = stock_of(cells, member)
    choice = np.array([group.choice for group in groups])
    stands = _told(cells, member, stock, against_all=True) > choice
    if not stands.all():
        stands |= _told(cells, member, _without_commonest(cells, member, stock), against_all=False) > choice
    return [group for group, kept in zip(groups, stands, strict=True) if kept]


def _told(cells: Cells, member: sp.csr_array, stock: Ints, *, against_all: bool) -> Floats:
    """Bits that all members of each group show together."""
    seen = evidence(cells, member, stock, against_all=against_all, members_only=True)
    return np.asarray(np.bincount(seen.group[seen.member], weights=seen.total[seen.member], minlength=member.shape[1]),
                      dtype=np.float64)


def _without_commonest(cells: Cells, member: sp.csr_array, stock: Ints) -> Ints:
    """The stock without the value of each group and kind that most members carry; all of them where several do."""
    value = np.flatnonzero(stock >= 0)
    row, many = cells.rows_with(value)
    own = belongs(member, cells.account[row], np.repeat(stock[value], many))
    carriers = np.bincount(np.repeat(np.arange(len(value)), many)[own], minlength=len(value)).astype(np.float64)
    slot = stock[value] * cells.kinds + cells.incidence.kind[value]
    most = np.zeros(member.shape[1] * cells.kinds)
    np.maximum.at(most, slot, carriers)
    rest = stock.copy()
    rest[value[carriers == most[slot]]] = -1
    return rest


def _inherit(final: Sequence[Ints], kept: Sequence[Ints], stability: Sequence[float]) -> list[float]:
    """Each settled group has the stability of the group that it overlaps most."""
    return [max(zip((np.intersect1d(group, other, assume_unique=True).size for other in kept), stability,
                    strict=True), default=(0, 0.0))[1] for group in final]
