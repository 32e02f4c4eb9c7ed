"""How surely accounts belong to one group that is given, such as accounts known to be bad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stillwatch.link.cells import cells_of
from stillwatch.link.evidence import evidence
from stillwatch.link.incidence import Incidence, Ints
from stillwatch.link.pairs import Floats
from stillwatch.link.settle import membership_matrix

__all__ = ["Membership", "belonging"]


@dataclass(frozen=True)
class Membership:
    """For every account: bits a family for belonging (accounts × families) and the probability."""

    bits: Floats
    probability: Floats


def belonging(incidence: Incidence, members: Ints) -> Membership:
    """Evidence that each account carries what ``members`` carry (see ``link.evidence``), members leaving
    themselves out. Every value that any member carries is the group's stock here; the prior is the group's share
    of all accounts."""
    cells = cells_of(incidence)
    stock = np.full(len(incidence.degree), -1, dtype=np.int64)
    inside = np.zeros(incidence.size, dtype=bool)
    inside[members] = True
    stock[cells.value[inside[cells.account]]] = 0
    seen = evidence(cells, membership_matrix(cells, [members]), stock)
    bits = np.zeros((incidence.size, len(incidence.families)))
    bits[seen.account] = seen.bits
    shares = np.zeros(incidence.size, dtype=bool)
    shares[seen.account] = True
    odds = bits.sum(axis=1) - np.log2(max(1, incidence.size - len(members)) / max(1, len(members)))
    # Who shares nothing at all is not judged by what it lacks: it stays at no evidence, below the prior.
    probability = np.where(shares, 1.0 / (1.0 + np.exp2(-np.clip(odds, -1000, 1000))), 0.0)
    return Membership(bits, probability)
