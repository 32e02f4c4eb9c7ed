"""How surprising a group's sharing is, each value counted once."""

from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom

from stillwatch.link.incidence import Incidence, Ints
from stillwatch.link.pairs import Floats

__all__ = ["shared_values", "strength"]


def shared_values(incidence: Incidence, members: Ints) -> tuple[Ints, Ints, Floats]:
    """Values that at least two members share: their codes, how many members, and surprise in bits.

    Surprise is −log2 of the chance that, of ``len(members)`` accounts drawn at random, at least as many carry
    the value (hypergeometric). In each family only the finest level at which a member agrees with another
    counts, so that an address is not counted again as its prefix and its network.
    """
    inside = np.zeros(incidence.size, dtype=bool)
    inside[members] = True
    use = inside[incidence.account]
    account, value = incidence.account[use], incidence.value[use]
    sharing = np.bincount(value, minlength=len(incidence.degree))
    shared = sharing[value] >= 2
    account, value = account[shared], value[shared]
    families = len(incidence.families)
    cell = account * families + incidence.family[value]
    finest = np.zeros(incidence.size * families, dtype=np.int64)
    np.maximum.at(finest, cell, incidence.level[value])
    value = value[incidence.level[value] == finest[cell]]
    codes, carriers = np.unique(value, return_counts=True)
    enough = carriers >= 2
    codes, carriers = codes[enough], carriers[enough].astype(np.int64)
    log_p = hypergeom.logsf(carriers - 1, incidence.size, incidence.degree[codes], len(members))
    bits: Floats = np.maximum(-log_p / np.log(2.0), 0.0)
    return codes, carriers, bits


def strength(incidence: Incidence, members: Ints) -> Floats:
    """Bits a family: the sum of the surprise of its values. A score, not a likelihood ratio."""
    codes, _, bits = shared_values(incidence, members)
    total = np.bincount(incidence.family[codes], weights=bits, minlength=len(incidence.families))
    return total.astype(np.float64)
