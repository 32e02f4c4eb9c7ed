"""How sure recovery is: exact intervals, and the detection limit with an interval of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

__all__ = ["CONFIDENCE", "LEVEL", "Limit", "clopper_pearson", "limit", "monotone"]

LEVEL = 0.8
"""Share of campaigns detected at which an axis has its limit."""
CONFIDENCE = 0.95
_DRAWS = 4_000

Floats = npt.NDArray[np.float64]


def clopper_pearson(successes: float, trials: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact interval of a share (Clopper & Pearson 1934); (0, 1) without trials.

    ``successes`` may be a fraction. With repeats as trials and the recall of each as its successes the interval is
    conservative: a mean of numbers between 0 and 1 varies at most as much as a mean of zeros and ones.
    """
    if trials <= 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if successes <= 0 else float(beta.ppf(tail, successes, trials - successes + 1.0))
    high = 1.0 if successes >= trials else float(beta.ppf(1.0 - tail, successes + 1.0, trials - successes))
    return low, high


def monotone(rates: Floats, weights: Floats) -> Floats:
    """Least-squares fit that never falls along the last axis; ``rates`` (…, m), ``weights`` (m,) above 0.

    By the max–min formula of isotonic regression (Robertson, Wright & Dykstra 1988, 1.4): the fit at i is the
    largest over a ≤ i of the smallest over b ≥ i of the weighted mean of a … b. For the few steps of an axis and
    many draws at once.
    """
    size = rates.shape[-1]
    total = np.concatenate([[0.0], np.cumsum(weights)])
    summed = np.concatenate([np.zeros((*rates.shape[:-1], 1)), np.cumsum(rates * weights, axis=-1)], axis=-1)
    fit = np.empty_like(rates)
    for i in range(size):
        best = np.full(rates.shape[:-1], -np.inf)
        for a in range(i + 1):
            means = [(summed[..., b + 1] - summed[..., a]) / (total[b + 1] - total[a]) for b in range(i, size)]
            best = np.maximum(best, np.min(means, axis=0))
        fit[..., i] = best
    return fit


@dataclass(frozen=True)
class Limit:
    """The detection limit of an axis.

    ``value`` is where detection passes ``LEVEL``: null where it is not reached, and where even the hardest step
    passes (then the limit lies beyond it: ``passed`` is true). ``hard`` and ``easy`` bound it, from the harder and
    the easier side; null where the bound lies beyond the grid on that side. ``falls`` is the largest drop of the
    share detected from a step to an easier one: where it is large, harder is not harder here, and the fit misleads.
    """

    value: float | None
    hard: float | None
    easy: float | None
    reached: bool
    passed: bool
    falls: float


def limit(values: Sequence[float], detected: Sequence[int], repeats: Sequence[int], *, easier: int,
          logarithmic: bool, seed: int = 0, level: float = LEVEL, confidence: float = CONFIDENCE) -> Limit:
    """Where the share of planted campaigns that are detected passes ``level``.

    The share is fitted against the steps by isotonic regression: it only says that harder is never easier. The
    limit is where the fit passes the level, between two steps by a straight line (in the logarithm of the value
    where the axis is ``logarithmic``). The interval is a bootstrap over repeats: 4,000 times, each step's share is
    drawn anew by the Bayesian bootstrap (Rubin 1981) of its repeats and of half a success and half a failure, which
    is a draw from Beta(k + ½, n − k + ½); without the halves three successes in three repeats would look certain.
    Each draw is fitted in the same way and gives the two steps between which it passes; between steps nothing was
    looked at, so the interval runs from the low quantile of the harder ones to the high quantile of the easier ones.
    """
    order = np.argsort(np.asarray(values, dtype=np.float64) * easier, kind="stable")
    x = np.asarray(values, dtype=np.float64)[order]
    n = np.asarray(repeats, dtype=np.float64)[order]
    k = np.asarray(detected, dtype=np.float64)[order]
    if not len(x) or (n <= 0).any():
        raise ValueError("every step needs at least one repeat")
    fit = monotone(k / n, n)
    rng = np.random.default_rng(seed)
    draws = monotone(rng.beta(k + 0.5, n - k + 0.5, size=(_DRAWS, len(x))), n)
    # Number of the first step that passes; as many as there are steps where none does.
    first = np.where(draws[:, -1] >= level, np.argmax(draws >= level, axis=1), len(x))
    tail = (1.0 - confidence) / 2.0
    hard = int(np.quantile(first, tail, method="lower")) - 1
    easy = int(np.quantile(first, 1.0 - tail, method="higher"))
    passes = np.flatnonzero(fit >= level)
    reached = len(passes) > 0
    return Limit(
        value=_crossing(x, fit, int(passes[0]), level, logarithmic) if reached and passes[0] > 0 else None,
        hard=float(x[hard]) if hard >= 0 else None,
        easy=float(x[easy]) if easy < len(x) else None,
        reached=reached,
        passed=reached and int(passes[0]) == 0,
        falls=float(np.max(np.maximum.accumulate(k / n) - k / n)),
    )


def _crossing(x: Floats, fit: Floats, at: int, level: float, logarithmic: bool) -> float:
    """Where the line between step ``at`` - 1 and step ``at`` passes the level."""
    part = (level - fit[at - 1]) / (fit[at] - fit[at - 1])
    ends = np.log(x[at - 1 : at + 1]) if logarithmic else x[at - 1 : at + 1]
    found = ends[0] + part * (ends[1] - ends[0])
    return float(np.exp(found)) if logarithmic else float(found)
