"""Rhythm as a family of evidence: pairs with bits, and the groups that rhythm alone finds.

Two routes, because load balancers are of two kinds. What is dealt in bursts makes accounts *coincide*
(``synchrony``, ``coincide``); what is dealt in turn makes them *keep step* (``balance``). The larger group of a route
then shows what no pair could: an account that is active whenever the group is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from stillwatch.link.activity import Activity, Floats, Ints
from stillwatch.link.balance import balanced_pairs
from stillwatch.link.chances import adjusted, bits_of, fisher
from stillwatch.link.coincide import PER_ROW, coincident_pairs
from stillwatch.link.synchrony import Synchrony, prepare, width_p_values

__all__ = ["Proposal", "RhythmGroup", "balanced_groups", "propose"]

FALSE_DISCOVERY = 1e-3
"""Of proposed pairs, over all that could have been: a group is made of many pairs, so few may be wrong."""
MIN_MEMBERS = 5
PROFILE_WIDTH = 10
_PROFILE_LEVELS = (1, 2)
_PROFILE_NATS = 7.0
_ROUNDS = 2
_WIDEST = 0.25
"""A profile that covers more of the population's activity than that says nothing of an account."""


@dataclass(frozen=True)
class Proposal:
    """Pairs ``a < b`` (codes of the activity's accounts), sorted, that rhythm proposes.

    ``p`` is the smaller of the two routes' p-values, doubled; ``q`` the false discovery rate over all admissible
    pairs; ``bits`` the evidence, capped; ``coincide`` and ``balance`` the routes' own p-values (1 where not tested).
    ``width`` (minutes), ``left_out`` and ``screened`` say what the work was limited to (see ``Coincident``).
    """

    a: Ints
    b: Ints
    p: Floats
    q: Floats
    bits: Floats
    coincide: Floats
    balance: Floats
    width: int
    left_out: float
    screened: int


@dataclass(frozen=True)
class RhythmGroup:
    """Accounts that rhythm alone holds together: codes, each one's p-value for belonging, and the group's.

    A member's ``p`` is that of its best pair with another member, or of its activity against the group's profile;
    ``p_value`` is the Bonferroni-corrected p-value of the weakest pair without which the group would fall apart.
    """

    members: Ints
    p: Floats
    p_value: float
    route: str


def propose(activity: Activity, false_discovery: float = FALSE_DISCOVERY, per_row: int = PER_ROW,
            synchrony: Synchrony | None = None) -> Proposal:
    """Pairs of accounts that are run together, by rhythm alone.

    ``per_row`` bounds the work: co-occurrences counted a row of the activity (see ``coincide``).
    """
    together = coincident_pairs(synchrony or prepare(activity), per_row)
    step = balanced_pairs(activity)
    keys = [found.a * activity.size + found.b for found in (together, step)]
    key = np.unique(np.concatenate(keys))
    routes = np.ones((2, len(key)))
    for line, (found, its) in enumerate(zip((together.p, step.p), keys, strict=True)):
        routes[line, np.searchsorted(key, its)] = found
    p = np.minimum(2.0 * routes.min(axis=0), 1.0)
    q = adjusted(p, max(together.admissible, step.admissible))
    keep = q <= false_discovery
    size = max(1, activity.size)
    return Proposal(key[keep] // size, key[keep] % size, p[keep], q[keep], bits_of(p[keep]), routes[0, keep],
                    routes[1, keep], together.width, together.left_out, together.screened)


def balanced_groups(activity: Activity, proposal: Proposal | None = None,
                    min_members: int = MIN_MEMBERS) -> list[RhythmGroup]:
    """Groups that rhythm alone finds, largest first (then by members).

    Proposed pairs are pruned until everybody is held by two others (2-core: one chance pair never adds a member),
    connected,
    and joined by the accounts that are active whenever the group is.
    """
    proposal = proposal or propose(activity)
    grouped = []
    a, b, p = _core(proposal.a, proposal.b, proposal.p, activity.size)
    label = _components(a, b, activity.size)
    admissible = activity.size * (activity.size - 1) / 2
    for number in range(int(label.max(initial=-1)) + 1):
        members = np.flatnonzero(label == number)
        if len(members) >= min_members:
            inside = label[a] == number
            best = np.ones(activity.size)
            np.minimum.at(best, a[inside], p[inside])
            np.minimum.at(best, b[inside], p[inside])
            weakest = _weakest(a[inside], b[inside], p[inside], activity.size)
            coincides = np.isin(proposal.a, members) & np.isin(proposal.b, members)
            route = "coincide" if (proposal.coincide < proposal.balance)[coincides].mean() > 0.5 else "balance"
            grouped.append(RhythmGroup(members, best[members], min(1.0, weakest * admissible), route))
    for _ in range(_ROUNDS if grouped else 0):
        grouped = _joined(activity, grouped)
    return sorted(grouped, key=lambda group: (-len(group.members), tuple(group.members)))


def _core(a: Ints, b: Ints, p: Floats, size: int) -> tuple[Ints, Ints, Floats]:
    """The 2-core: drop whoever has a single partner, until nobody has."""
    while len(a):
        degree = np.bincount(np.concatenate([a, b]), minlength=size)
        keep = (degree[a] >= 2) & (degree[b] >= 2)
        if keep.all():
            break
        a, b, p = a[keep], b[keep], p[keep]
    return a, b, p


def _components(a: Ints, b: Ints, size: int) -> Ints:
    """Connected components of two or more, numbered; −1 for everybody else."""
    graph = sp.coo_matrix((np.ones(len(a)), (a, b)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    many = np.bincount(label, minlength=1) > 1
    number = np.where(many, np.cumsum(many) - 1, -1)
    result: Ints = number[label].astype(np.int64)
    return result


def _weakest(a: Ints, b: Ints, p: Floats, size: int) -> float:
    """The largest p-value in the minimum spanning tree: the bottleneck that holds the component together."""
    # Ranks as weights: a sparse graph takes a weight of 0 for no edge.
    order = np.argsort(p, kind="stable")
    rank = np.empty(len(p))
    rank[order] = np.arange(1, len(p) + 1)
    tree = sp.csgraph.minimum_spanning_tree(sp.coo_matrix((rank, (a, b)), shape=(size, size)).tocsr())
    return float(p[order[int(tree.data.max()) - 1]])


def _joined(activity: Activity, groups: list[RhythmGroup]) -> list[RhythmGroup]:
    """Groups with the accounts that are active when the group is; an account goes to the group that it fits best."""
    profiles = [_profile(activity, group.members) for group in groups]
    shown = [number for number, profile in enumerate(profiles) if len(profile)]
    if not shown:
        return groups
    extended = _with_profiles(activity, [profiles[number] for number in shown])
    tables = prepare(extended)
    fit = np.ones((len(shown), activity.size))
    for line in range(len(shown)):
        everybody = np.arange(activity.size)
        levels = width_p_values(tables, np.full(activity.size, activity.size + line), everybody, None, _PROFILE_LEVELS)
        fit[line] = fisher(levels)
    taken = np.zeros(activity.size, dtype=bool)
    taken[np.concatenate([group.members for group in groups])] = True
    best = fit.argmin(axis=0)
    q = adjusted(np.where(taken, 1.0, fit.min(axis=0)), activity.size * len(shown))
    grown = list(groups)
    for line, number in enumerate(shown):
        fresh = np.flatnonzero((q <= FALSE_DISCOVERY) & ~taken & (best == line))
        members = np.concatenate([groups[number].members, fresh])
        order = np.argsort(members, kind="stable")
        p = np.concatenate([groups[number].p, fit[line, fresh]])
        grown[number] = replace(groups[number], members=members[order], p=p[order])
    return grown


def _profile(activity: Activity, members: Ints) -> Ints:
    """Cells in which more of the group are active than chance explains, even without any one of them."""
    many = activity.span // PROFILE_WIDTH
    cell = activity.minute // PROFILE_WIDTH
    inside = np.isin(activity.account, members)
    key = np.unique(activity.account[inside] * many + cell[inside])
    present = np.bincount(key % many, minlength=many).astype(np.float64) - 1.0
    total = np.bincount(cell, minlength=many) / max(1, len(cell))
    expected = np.maximum(len(key) * total, 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        nats = np.where(present > expected, present * np.log(present / expected) - present + expected, 0.0)
    chosen = np.flatnonzero((nats >= _PROFILE_NATS) & (present >= 2))
    none: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    return chosen.astype(np.int64) if total[chosen].sum() <= _WIDEST else none


def _with_profiles(activity: Activity, profiles: list[Ints]) -> Activity:
    """The activity with each profile as one more account, active in the first minute of each of its cells."""
    code = np.repeat(activity.size + np.arange(len(profiles)), [len(profile) for profile in profiles])
    minute = np.concatenate(profiles) * PROFILE_WIDTH
    size = activity.size + len(profiles)
    account = np.concatenate([activity.account, code])
    names = pa.concat_arrays([activity.accounts.cast(pa.string()), pa.array([""] * len(profiles), pa.string())])
    return Activity(names, account, np.concatenate([activity.minute, minute]),
                    np.concatenate([activity.count, np.ones(len(code), dtype=np.int64)]),
                    np.concatenate([activity.stratum, np.zeros(len(profiles), dtype=np.int64)]),
                    np.concatenate([activity.print, np.arange(len(profiles), dtype=np.uint64)]),
                    activity.span, np.searchsorted(account, np.arange(size + 1)).astype(np.int64))
