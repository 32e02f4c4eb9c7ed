"""Tails, combination and false discovery: the arithmetic that tests of rhythm share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

__all__ = ["adjusted", "bits_of", "fisher", "poisson_binomial_tail", "strip_probability"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_BITS = 30.0
"""No pair's rhythm is worth more: beyond that, the model of chance is in doubt before chance is."""
_CELLS = 4_000_000


def poisson_binomial_tail(chance: Floats, pair: Ints, hits: Ints) -> Floats:
    """P(at least ``hits[i]`` of pair i's independent trials succeed).

    ``chance[t]`` is the success probability of trial ``t`` of pair ``pair[t]`` (sorted ascending). Exact, by
    dynamic programming with an absorbing state, so that small tails are sums of positive terms and keep
    their relative precision. Pairs of like length are done together.
    """
    trials = np.bincount(pair, minlength=len(hits))
    begin = np.cumsum(trials) - trials
    out = (hits <= 0).astype(np.float64)
    todo = np.flatnonzero((hits > 0) & (hits <= trials))
    todo = todo[np.lexsort((hits[todo], trials[todo]))]
    place = 0
    while place < len(todo):
        # Later pairs are at most a half longer than the first of their batch.
        limit = int(trials[todo[place]] * 1.5) + 4
        end = place + int(np.searchsorted(trials[todo[place:]], limit, side="right"))
        longest = int(trials[todo[end - 1]])
        end = min(end, place + max(1, _CELLS // (longest + 1)))
        these = todo[place:end]
        column = np.arange(int(trials[these].max()))
        at = np.minimum(begin[these][:, None] + column, max(0, len(chance) - 1))
        each = np.where(column < trials[these][:, None], chance[at], 0.0)
        out[these] = _absorbed(each, hits[these])
        place = end
    return out


def _absorbed(each: Floats, hits: Ints) -> Floats:
    """Rows × trials of success probabilities → the probability of at least ``hits`` successes, a row."""
    missing = np.zeros((int(hits.max()) + 2, len(hits)))
    missing[hits, np.arange(len(hits))] = 1.0
    for chance in each.T:
        kept = missing[1:-1] * (1.0 - chance) + missing[2:] * chance
        missing[0] += missing[1] * chance
        missing[1:-1] = kept
    result: Floats = np.minimum(missing[0], 1.0)
    return result


def strip_probability(m: Ints, n: Ints, d: Ints) -> Floats:
    """P(D ≤ d / (m n)) of the two-sample Kolmogorov–Smirnov statistic D = max |F_m − F_n|: its *lower* tail.

    The share of lattice paths from (0, 0) to (m, n) that never leave the strip |i n − j m| ≤ d (Hodges 1958),
    counted exactly as the chance that draws without replacement stay in it.
    """
    steps = m + n
    out = np.zeros(len(m))
    order = np.argsort(steps, kind="stable")
    for chunk in np.array_split(order, max(1, len(order) // 20_000)):
        if len(chunk):
            out[chunk] = _strip(m[chunk], n[chunk], d[chunk])
    return out


def _strip(m: Ints, n: Ints, d: Ints) -> Floats:
    total = m + n
    width = int((2 * d // total).max()) + 2
    offset = np.arange(width)[:, None]
    low = -(d // total)  # smallest i at step 0, below zero where the strip allows it
    state = (low + offset == 0).astype(np.float64)
    for step in range(int(total.max())):
        going = step < total
        i = low + offset
        up = np.clip((m - i) / np.maximum(1, total - step), 0.0, 1.0)
        nxt = -((d - (step + 1) * m) // total)
        # Shifted by one where the strip moved on by one.
        moved = nxt > low
        stay, rise = state * (1.0 - up), state * up
        risen = np.vstack([np.zeros((1, len(m))), rise[:-1]])
        back = np.vstack([stay[1:], np.zeros((1, len(m)))])
        fresh = np.where(moved, back + rise, stay + risen)
        j = nxt + offset
        inside = np.abs(j * total - (step + 1) * m) <= d
        state = np.where(going, np.where(inside & (j >= 0) & (j <= m), fresh, 0.0), state)
        low = np.where(going, nxt, low)
    result: Floats = state.sum(axis=0)
    return result


def fisher(p: Floats) -> Floats:
    """Fisher's combination of independent p-values (rows: tests; columns: cases)."""
    statistic = -2.0 * np.log(np.maximum(p, 1e-300)).sum(axis=0)
    result: Floats = chi2.sf(statistic, 2 * len(p))
    return result


def adjusted(p: Floats, of: float) -> Floats:
    """Benjamini–Hochberg q-values of the smallest p-values among ``of`` hypotheses (all others being 1)."""
    order = np.argsort(p, kind="stable")
    q = p[order] * of / np.arange(1, len(p) + 1)
    out = np.empty_like(p)
    out[order] = np.minimum(np.minimum.accumulate(q[::-1])[::-1], 1.0)
    return out


def bits_of(p: Floats, most: float = MAX_BITS) -> Floats:
    """The most that a p-value can say for "not by chance", in bits: −log2(−e p ln p), 0 from p = 1/e up, capped.

    Sellke, Bayarri & Berger (2001): no prior on the alternative gives a larger Bayes factor, so this is
    below −log2 p by log2(e ln 1/p).
    """
    small = np.clip(p, 1e-300, np.exp(-1.0))
    result: Floats = np.minimum(-np.log2(-np.e * small * np.log(small)), most)
    return result
