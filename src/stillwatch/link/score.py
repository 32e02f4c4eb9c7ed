"""How surprising a group's sharing is, each value counted once."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from stillwatch.link.incidence import Incidence, Ints
from stillwatch.link.pairs import Floats

__all__ = ["shared_values", "surprise"]


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
    bits = surprise(carriers, incidence.size, incidence.degree[codes], len(members))
    return codes, carriers, bits


def surprise(carriers: Ints, accounts: int, degree: Ints, members: int) -> Floats:
    """−log2 P(X ≥ carriers), X hypergeometric: ``members`` drawn of ``accounts``, ``degree`` of which carry a value.

    Each distinct pair of arguments is computed once; the tail is summed upwards from its first term, whose
    neighbours have ratio (d−x)(g−x) / ((x+1)(N−d−g+x+1)). (scipy's ``logsf`` loops in Python over the elements.)
    """
    pairs, place = np.unique(np.stack([carriers, degree]), axis=1, return_inverse=True)
    x, d = pairs.astype(np.float64)
    n, g = float(accounts), float(members)

    def choose(a: Floats | float, b: Floats | float) -> Floats:
        return np.asarray(gammaln(a + 1.0) - gammaln(b + 1.0) - gammaln(a - b + 1.0), dtype=np.float64)

    first = choose(d, x) + choose(n - d, g - x) - choose(n, g)
    term, total = np.ones_like(x), np.ones_like(x)
    # Far below the mean the sum may overflow: the surprise is then 0, as it should be.
    with np.errstate(over="ignore", invalid="ignore"):
        while True:
            term = term * (d - x) * (g - x) / ((x + 1.0) * (n - d - g + x + 1.0))
            total += term
            x = x + 1.0
            if not (term > 1e-16 * total).any():
                break
    bits: Floats = np.maximum(-(first + np.log(total)) / np.log(2.0), 0.0)
    return bits[place.ravel()]
