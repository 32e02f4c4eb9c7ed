"""From accounts known to be bad outward: who else is run together with them, how surely, and through what.

Rounds. Accounts that are taken in are added to the source that they were taken in by, and the next round judges the
rest against the larger source. A lead is never surer than the account that it was reached through, so that errors do
not grow outward unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from stillwatch.link.incidence import Incidence, Ints
from stillwatch.link.membership import belonging
from stillwatch.link.pairs import Floats
from stillwatch.link.settle import MIN_MEMBERS

__all__ = ["Expansion", "Lead", "Pool", "Rules", "most_shared", "outward", "tie", "ties"]

_FEWEST_SHARED, _MOST_SHARED = 20, 1000
_COMMON = 0.05
_MARGIN = 10.0
_BELOW = 20


@dataclass(frozen=True)
class Rules:
    """When to stop: below ``probability``; never through a value seen with more than ``shared`` accounts; after
    ``rounds`` rounds; at ``accounts`` leads."""

    probability: float
    shared: int
    rounds: int
    accounts: int


@dataclass(frozen=True)
class Pool:
    """A group that linking found: its members (codes) and how probably each belongs to it."""

    members: Ints
    probability: Floats


@dataclass(frozen=True)
class Lead:
    """One account (code) that was reached: in which round, how probably run together with the source, through which
    earlier account ``via`` and which values (codes, rarest first) that both were seen with.

    ``bits`` are its bits a family for belonging to the whole source; ``tie`` the bits of what it shares with ``via``;
    ``pool`` the place of the group through which it was reached, −1 where it was none.
    """

    account: int
    round: int
    probability: float
    via: int
    values: Ints
    bits: Floats
    tie: float
    pool: int = -1


@dataclass(frozen=True)
class Expansion:
    """Leads, surest first; the surest of those that stayed ``below`` the bar, and how many were reached in all;
    why it ``stopped``: ``nobody`` else is as probable, ``rounds`` or ``accounts``; and the seeds' ``sources``."""

    leads: tuple[Lead, ...]
    below: tuple[Lead, ...]
    reached: int
    rounds: int
    stopped: str
    sources: tuple[Ints, ...]


@dataclass
class _Source:
    """Accounts that are taken as one operation so far, and what everybody else's belonging to them is."""

    members: Ints
    probability: Floats = field(default_factory=lambda: np.zeros(0))
    bits: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    stale: bool = True


def most_shared(accounts: int) -> int:
    """The usual bound on a value to expand through: a twentieth of all accounts, between 20 and 1,000."""
    return int(min(_MOST_SHARED, max(_FEWEST_SHARED, _COMMON * accounts)))


def outward(incidence: Incidence, seeds: Ints, rules: Rules, pools: Sequence[Pool] = ()) -> Expansion:
    """Expand from ``seeds`` (codes of distinct accounts).

    Seeds that share enough to be more probably run together than not are one source; where that leaves several
    sources, all seeds together are tried as a source too, since many weak ties may say what no strong one does. An
    account's probability is its membership probability (``membership.belonging``) in the source that it fits best,
    times the probability of the account that it was reached through (1 for seeds). Only accounts that share a value
    of at most ``rules.shared`` accounts with a source are reached at all.

    ``pools`` are groups that linking found in the same sightings. A member of one is reached through it from any
    other: with the product of both memberships and of that other's probability. The larger of the two ways counts.
    The result does not depend on the order or names of accounts.
    """
    known = np.zeros(incidence.size)
    known[seeds] = 1.0
    first = _sources(incidence, seeds, rules.shared, pools)
    sources = [_Source(members) for members in first]
    if len(sources) > 1:
        sources = [source for source in sources if _promising(incidence, source.members, rules)]
        sources.append(_Source(np.sort(seeds)))
    through = {place: _Source(np.zeros(0, dtype=np.int64)) for place in range(len(pools))}
    leads: list[Lead] = []
    below: list[Lead] = []
    stopped, number, reached = "rounds", 0, np.zeros(incidence.size, dtype=bool)
    for number in range(1, rules.rounds + 1):
        asked = [*sources, *(source for source in through.values() if len(source.members))]
        best: dict[int, tuple[Lead, _Source]] = {}
        for lead, source in [*_in_pools(incidence, pools, through, known, number, reached),
                             *_round(incidence, asked, known, rules, number, reached)]:
            if lead.account not in best or lead.probability > best[lead.account][0].probability:
                best[lead.account] = (lead, source)
        found = sorted(best.values(), key=lambda pair: _rank(pair[0]))
        good = [pair for pair in found if pair[0].probability >= rules.probability]
        below = [lead for lead, _ in found[len(good):]][:_BELOW]
        room = rules.accounts - len(leads)
        for lead, source in good[:room]:
            known[lead.account] = lead.probability
            source.members, source.stale = np.union1d(source.members, [lead.account]), True
            leads.append(lead)
        if len(good) > room or not good:
            stopped = "accounts" if good else "nobody"
            break
    return Expansion(tuple(sorted(leads, key=_rank)), tuple(below), int(reached.sum()), number, stopped, tuple(first))


def _rank(lead: Lead) -> tuple[float, float, int]:
    return -lead.probability, -float(lead.bits.sum()), lead.account


def _in_pools(incidence: Incidence, pools: Sequence[Pool], through: dict[int, _Source], known: Floats, number: int,
              reached: npt.NDArray[np.bool_]) -> Iterator[tuple[Lead, _Source]]:
    """Members of groups of which a member is known already."""
    for place, pool in enumerate(pools):
        inside = known[pool.members] > 0
        if not inside.any() or inside.all():
            continue
        source, here = through[place], pool.members[inside]
        if not len(source.members):
            source.members = np.sort(here)
        chance = known[here] * pool.probability[inside]
        bits = belonging(incidence, pool.members).bits
        others = pool.members[~inside]
        reached[others] = True
        probability = dict(zip(others.tolist(), pool.probability[~inside] * chance.max(), strict=True))
        paths = {account: (via, values, worth)
                 for account, via, values, worth in _paths(incidence, others, here, known, incidence.size)}
        nobody = (int(here[np.argmax(chance)]), np.zeros(0, dtype=np.int64), 0.0)
        for account, likely in probability.items():
            via, values, worth = paths.get(account, nobody)
            yield Lead(account, number, float(likely), via, values, bits[account], worth, place), source


def _round(incidence: Incidence, sources: list[_Source], known: Floats, rules: Rules, number: int,
           reached: npt.NDArray[np.bool_]) -> Iterator[tuple[Lead, _Source]]:
    """Every account that some source reaches and that may be a lead, with the source that it fits best."""
    best = np.zeros(incidence.size)
    fits = np.full(incidence.size, -1, dtype=np.int64)
    for place, source in enumerate(sources):
        if source.stale:
            seen = belonging(incidence, source.members)
            source.probability, source.bits = _expected(seen.probability, len(source.members)), seen.bits
            source.stale = False
        touched = _touched(incidence, source.members, rules.shared) & (known == 0)
        reached |= touched
        better = touched & (source.probability > best)
        best[better], fits[better] = source.probability[better], place
    for place, source in enumerate(sources):
        mine = np.flatnonzero(fits == place)
        # Those far below the bar are counted, and not looked at one by one.
        mine = mine[np.argsort(-best[mine], kind="stable")]
        mine = mine[: int((best[mine] >= rules.probability).sum()) + _BELOW]
        for account, via, values, bits in _paths(incidence, mine, source.members, known, rules.shared):
            yield Lead(account, number, float(best[account] * known[via]), via, values, source.bits[account],
                       bits), source


def _expected(probability: Floats, members: int) -> Floats:
    """Membership probabilities in a source, with prior odds of a group of the smallest size at least.

    ``belonging`` takes odds of members over everybody else. One known account is not a group of one: what it belongs
    to, if to anything, is a group.
    """
    factor = max(1.0, MIN_MEMBERS / max(1, members))
    raised: Floats = factor * probability / (1.0 + (factor - 1.0) * probability)
    return raised


def _touched(incidence: Incidence, members: Ints, shared: int) -> npt.NDArray[np.bool_]:
    """Accounts that share a value of at most ``shared`` accounts with one of the members."""
    inside = np.zeros(incidence.size, dtype=bool)
    inside[members] = True
    value = np.zeros(len(incidence.degree), dtype=bool)
    value[incidence.value[inside[incidence.account]]] = True
    value &= incidence.degree <= shared
    touched = np.zeros(incidence.size, dtype=bool)
    touched[incidence.account[value[incidence.value]]] = True
    touched[members] = False
    return touched


def ties(incidence: Incidence, left: Ints, right: Ints, shared: int) -> tuple[Ints, Ints, Floats]:
    """Pairs (places in ``left`` and ``right``) that share a value of at most ``shared`` accounts, and bits of what
    they share.

    In each family the best value counts: log2 of accounts over accounts that carry it, less log2 of how many values
    of the family the left account had a chance with, never below nothing.
    """
    families = len(incidence.families)
    rows = [_rows_of(incidence, side) for side in (left, right)]
    tries = np.zeros((len(left), families))
    np.add.at(tries, (rows[0][0], incidence.family[rows[0][1]]), 1.0)
    total = sp.csr_array((len(left), len(right)))
    for family in range(families):
        sides = []
        for (place, value), size in zip(rows, (len(left), len(right)), strict=True):
            here = (incidence.degree[value] <= shared) & (incidence.family[value] == family)
            sides.append((place[here], value[here], size))
        total = total + _best(sides, incidence, np.log2(np.maximum(tries[:, family], 1.0)))
    pairs = total.tocoo()
    return pairs.row.astype(np.int64), pairs.col.astype(np.int64), pairs.data


def _best(sides: list[tuple[Ints, Ints, int]], incidence: Incidence, penalty: Floats) -> sp.csr_array:
    """Of one family: bits of the rarest value that each pair shares, less the left account's penalty."""
    (left, left_value, rows), (right, right_value, columns) = sides
    result, values = sp.csr_array((rows, columns)), len(incidence.degree)
    both = np.intersect1d(left_value, right_value)
    if not len(both):
        return result
    degree = incidence.degree[both]
    for size in np.unique(degree):  # rarest first: what is set already stays
        some = both[degree == size]
        a, b = np.isin(left_value, some), np.isin(right_value, some)
        meet = sp.csr_array((np.ones(int(a.sum())), (left[a], left_value[a])), shape=(rows, values)) @ sp.csr_array(
            (np.ones(int(b.sum())), (right[b], right_value[b])), shape=(columns, values)).T
        pairs = meet.tocoo()
        worth = np.maximum(np.log2(incidence.size / size) - penalty[pairs.row], 0.0)
        # Of two degrees the rarer is worth more, and the penalty is the same: the larger is the first.
        result = result.maximum(sp.csr_array((worth, (pairs.row, pairs.col)), shape=(rows, columns)))
    return result


def tie(incidence: Incidence, one: int, other: int) -> Ints:
    """Values (codes) that two accounts share, rarest first; of values equally rare the finest level first."""
    mine, theirs = (incidence.value[incidence.account == account] for account in (one, other))
    both = np.intersect1d(mine, theirs)
    return both[np.lexsort((both, -incidence.level[both], incidence.degree[both]))]


def _rows_of(incidence: Incidence, accounts: Ints) -> tuple[Ints, Ints]:
    """Places in ``accounts`` and values of every coincidence of theirs."""
    place = np.full(incidence.size, -1, dtype=np.int64)
    place[accounts] = np.arange(len(accounts))
    found = place[incidence.account]
    return found[found >= 0], incidence.value[found >= 0]


def _paths(incidence: Incidence, accounts: Ints, members: Ints, known: Floats,
           shared: int) -> Iterator[tuple[int, int, Ints, float]]:
    """Each account with the member that it is reached through, the values shared with that member, and their bits.

    Of several members it is the one for which being run together by what the two share, and the member's own
    probability, are together most probable.
    """
    if not len(accounts):
        return
    left, right, bits = ties(incidence, accounts, members, shared)
    odds = bits - np.log2(max(2, incidence.size))
    score = np.log2(known[members[right]]) - np.logaddexp2(0.0, -odds)
    order = np.lexsort((members[right], -score, left))
    left, right, bits = left[order], right[order], bits[order]
    for start in np.flatnonzero(np.diff(left, prepend=-1)):
        account, via = int(accounts[left[start]]), int(members[right[start]])
        both = tie(incidence, account, via)
        yield account, via, both, float(bits[start])


def _sources(incidence: Incidence, seeds: Ints, shared: int, pools: Sequence[Pool]) -> list[Ints]:
    """Seeds in parts within which ties are strong: of one group, or sharing at least log2 of the number of accounts,
    even odds for a pair of which each account has one partner."""
    left, right, bits = ties(incidence, seeds, seeds, shared)
    strong = (bits >= np.log2(max(2, incidence.size))) & (left != right)
    together = [np.flatnonzero(np.isin(seeds, pool.members)) for pool in pools]
    left = np.concatenate([left[strong], *(np.repeat(some[:1], len(some)) for some in together)])
    right = np.concatenate([right[strong], *together])
    graph = sp.csr_matrix((np.ones(len(left)), (left, right)), shape=(len(seeds),) * 2)
    _, label = connected_components(graph, directed=False)
    parts = [np.sort(seeds[label == part]) for part in range(label.max(initial=-1) + 1)]
    return sorted(parts, key=lambda part: (-len(part), part.tolist()))


def _promising(incidence: Incidence, members: Ints, rules: Rules) -> bool:
    """Whether a lone seed may have a lead of its own: some tie of it is within reach of even odds.

    Saves looking at everybody once a seed that shares nothing rare with anybody.
    """
    if len(members) > 1:
        return True
    near = np.flatnonzero(_touched(incidence, members, rules.shared))
    _, _, bits = ties(incidence, members, near, rules.shared)
    return bool(len(bits) and bits.max() >= np.log2(max(2, incidence.size)) - _MARGIN)
