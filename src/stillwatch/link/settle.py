"""Groups of edges → groups of accounts: who else belongs, who does not, and which two groups are one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from stillwatch.link.incidence import Incidence, Ints
from stillwatch.link.membership import Membership, belonging
from stillwatch.link.pairs import Floats
from stillwatch.link.score import strength

__all__ = ["MIN_MEMBERS", "Group", "absorb", "settle", "without_repeats"]

MIN_MEMBERS = 3
"""Fewest accounts of a group. Two accounts that share a card are a household more often than not, and an account
cannot be judged against a group of one other."""

_ROUNDS = 50
_TRIALS = 10


@dataclass(frozen=True, eq=False)
class Group:
    """Accounts (codes) that belong together, how surely, and how surprising what they share is.

    ``members`` are the accounts at least as probably in as not; ``probability`` is theirs, ``bits`` theirs a
    family (members × families); ``strength`` is the surprise of what they share in bits a family, and ``choice``
    the bits that it takes to name them among all accounts, log2 of the number of groups of that size.
    """

    members: Ints
    probability: Floats
    bits: Floats
    strength: Floats
    choice: float

    @property
    def score(self) -> float:
        """Surprise over all families, less what choosing these accounts out of all would give by itself."""
        return float(self.strength.sum()) - self.choice


def settle(incidence: Incidence, members: Ints) -> Group | None:
    """Let the group take in and let go of accounts until its members are those more probably in than not.

    Pairs too weak to be edges still show against the whole group. Of a group whose members share no more than
    some group of that size would by chance (score ≤ 0), nothing is left.
    """
    seen = belonging(incidence, members)
    for _ in range(_ROUNDS):
        chosen = np.flatnonzero(seen.probability >= 0.5)
        if len(chosen) < MIN_MEMBERS:
            return None
        same = np.array_equal(chosen, members)
        members = chosen
        if same:
            break
        seen = belonging(incidence, members)
    group = _group(incidence, members, seen)
    return group if group.score > 0 else None


def absorb(incidence: Incidence, groups: list[Group]) -> list[Group]:
    """Let stronger groups take in weaker ones whole.

    Accounts that share a card among themselves and everything else with a larger group fail one by one, since
    their card is none of the larger group's; together they bring it along. Two groups are one where their
    union scores more than both apart, as in minimum description length: it is cheaper to name, and what they
    share across outweighs that what each shares within is less surprising in a larger group. At most
    ``_TRIALS`` of the most promising unions are tried a group.
    """
    left = list(groups)
    kept = []
    while left:
        strong = left.pop(0)
        while True:
            union = next(_unions(incidence, strong, left), None)
            if union is None:
                break
            strong, weak = union
            left.remove(weak)
        kept.append(strong)
    return kept


def _unions(incidence: Incidence, strong: Group, others: list[Group]) -> Iterator[tuple[Group, Group]]:
    """Unions that hold of ``strong`` with another group, and that group; most promising first."""
    if not others:
        return
    gain = np.maximum(belonging(incidence, strong.members).bits, 0.0).sum(axis=1)
    promise = np.array([gain[group.members].mean() for group in others])
    for place in np.argsort(-promise, kind="stable")[:_TRIALS]:
        if promise[place] <= 0:
            return
        weak = others[place]
        together = settle(incidence, np.union1d(strong.members, weak.members))
        if together is not None and together.score > strong.score + weak.score:
            yield together, weak


def _group(incidence: Incidence, members: Ints, seen: Membership) -> Group:
    choice = _choice(incidence.size, len(members))
    return Group(members, seen.probability[members], seen.bits[members], strength(incidence, members), choice)


def _choice(accounts: int, members: int) -> float:
    """log2 of the number of ways to choose the members, by the log-gamma function."""
    ways = gammaln(accounts + 1) - gammaln(members + 1) - gammaln(accounts - members + 1)
    return float(ways / np.log(2.0))


def without_repeats(groups: list[Group], accounts: int) -> list[Group]:
    """Strongest first, leaving out a group most of whose members are in a stronger one already.

    An account may be in two groups; two descriptions of the same group are one.
    """
    taken = np.zeros(accounts, dtype=bool)
    kept = []
    for group in sorted(groups, key=lambda group: (-group.score, group.members.tolist())):
        if 2 * taken[group.members].sum() > len(group.members):
            continue
        taken[group.members] = True
        kept.append(group)
    return kept
