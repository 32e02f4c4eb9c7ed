"""How surely accounts belong to one small group that is given, such as accounts known to be bad.

Groups that linking finds settle on ``link.evidence``, which learns from many members how much they share; three
seeds teach nothing of the kind, so here the best value of a family counts, less what chances there were for one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.link.incidence import Incidence, Ints
from stillwatch.link.pairs import Floats

__all__ = ["Membership", "belonging"]


@dataclass(frozen=True)
class Membership:
    """For every account: bits a family for belonging (accounts × families) and the probability."""

    bits: Floats
    probability: Floats


def belonging(incidence: Incidence, members: Ints) -> Membership:
    """Naive Bayes over families: does the account carry what the group carries?

    A value v carried by k of the g others in the group and by a share f of all accounts outside it is worth
    log2(((k + f) / (g + 1)) / f'), f' smoothed by one account; in a family the best value counts, less log2
    of the number of values that the account had a chance with. Sharing nothing in a family that it was seen
    in is worth log2 of the share of members that share nothing over the share of outsiders that share
    nothing. The prior is g / number of accounts. An account never vouches for itself: counts leave it out.
    """
    size = incidence.size
    inside = np.zeros(size, dtype=bool)
    inside[members] = True
    mine = inside[incidence.account].astype(np.int64)
    in_group = np.bincount(incidence.value, weights=mine, minlength=len(incidence.degree))
    outside = max(1, size - len(members))
    common = (incidence.degree - in_group + 1.0) / (outside + 1.0)
    others = in_group[incidence.value] - mine
    rate = (others + common[incidence.value]) / (len(members) - mine + 1.0)
    worth = np.log2(rate / common[incidence.value])
    shared = others > 0
    families = len(incidence.families)
    cell = incidence.account * families + incidence.family[incidence.value]
    tries = np.bincount(cell, minlength=size * families)
    best = np.full(size * families, -np.inf)
    np.maximum.at(best, cell[shared], worth[shared])
    hit = (best > -np.inf).reshape(size, families)
    tried = (tries > 0).reshape(size, families)
    gain = np.maximum(best - np.log2(np.maximum(tries, 1)), 0.0).reshape(size, families)
    bits = np.where(hit, gain, np.where(tried, _miss(hit, tried, inside), 0.0))
    log_odds = np.log2(len(members) / outside) + bits.sum(axis=1)
    probability: Floats = 1.0 / (1.0 + np.exp2(-np.clip(log_odds, -1000, 1000)))
    return Membership(bits, probability)


def _miss(hit: npt.NDArray[np.bool_], tried: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]) -> Floats:
    """Bits a family for sharing nothing, smoothed by one account that does and one that does not."""

    def share(rows: npt.NDArray[np.bool_]) -> Floats:
        without = (tried[rows] & ~hit[rows]).sum(axis=0) + 1.0
        result: Floats = without / (tried[rows].sum(axis=0) + 2.0)
        return result

    return np.minimum(np.log2(share(inside) / share(~inside)), 0.0)
