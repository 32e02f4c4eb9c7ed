"""One pool that stops and another that starts: failover, and accounts that change models together.

**Successions.** For an ordered pair of groups (one that stops, one that starts) the statistic is the time from the
stop to
the start. Under the null the second group's start is one of the population's own starts, so the p-value is the share
of the population's starts that fall into as short a time after the stop, and likewise for the first group's stop
among the population's stops before the start; the larger of the two counts. Days on which many begin (launches,
terms, promotions) therefore prove nothing. Where it is known what accounts did, the second group's
likeness to the first is ranked among all accounts of no group. Time and likeness are independent under the null and
combined by Fisher's method; false discovery is controlled over all groups that stopped × all that started.

**Joint moves.** For accounts that change to a model: given the population's adoption, an account's time of first use is
a draw from it, uniform after the probability integral transform; members that move within the same hours have
gaps that are too small. The scan statistic over the window is bounded by a binomial tail and Bonferroni.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.stats import binom

from stillwatch.link.activity import Floats, Ints
from stillwatch.link.chances import adjusted, bits_of, fisher

__all__ = ["Succession", "joint_move_p_value", "successions"]

MAX_GAP = 2 * 1440
"""Minutes from a stop to a start that can be a failover."""
LEADING = 0.1
"""A group starts when so great a share of its accounts has started, and stops when all but so many have."""


@dataclass(frozen=True)
class Succession:
    """Group ``before`` stopped and ``after`` started ``gap`` minutes later: ``p``, ``q``, ``bits``."""

    before: int
    after: int
    gap: int
    p: float
    q: float
    bits: float


def successions(groups: list[Ints], starts: Ints, stops: Ints, horizon: tuple[int, int],
                features: sp.csr_matrix | None = None, false_discovery: float = 0.05) -> list[Succession]:
    """Pairs of groups of which one takes over from the other.

    ``groups`` are arrays of account codes; ``starts`` and ``stops`` are each account's first and last activity,
    minutes;
    ``horizon`` is the first and last minute of the logs: what stops within ``MAX_GAP`` of the end has not been seen to
    stop, and what starts within it of the beginning has not been seen to start. ``features`` (accounts × anything,
    counts) says what accounts did, for instance how often each template was sent.
    """
    inside = np.zeros(len(starts), dtype=bool)
    for group in groups:
        inside[group] = True
    # The population's own: accounts of no group, whose starts and stops were seen.
    born = np.sort(starts[~inside & (starts > horizon[0] + MAX_GAP)])
    died = np.sort(stops[~inside & (stops < horizon[1] - MAX_GAP)])
    begin = np.array([np.quantile(starts[group], LEADING) for group in groups], dtype=np.int64)
    end = np.array([np.quantile(stops[group], 1.0 - LEADING) for group in groups], dtype=np.int64)
    stopped, started = end < horizon[1] - MAX_GAP, begin > horizon[0] + MAX_GAP
    gap = begin[None, :] - end[:, None]
    before, after = np.nonzero((gap >= 0) & (gap <= MAX_GAP) & stopped[:, None] & started[None, :])
    if not len(before):
        return []
    times = end[before], begin[after]
    p: Floats = np.stack([_share_within(born, *times), _share_within(died, *times)]).max(axis=0)
    if features is not None:
        p = fisher(np.stack([p, _alike(groups, features, np.flatnonzero(~inside), before, after)]))
    q = adjusted(p, max(len(before), int(stopped.sum() * started.sum() - (stopped & started).sum())))
    bits = bits_of(p)
    return [Succession(int(before[i]), int(after[i]), int(begin[after[i]] - end[before[i]]), float(p[i]), float(q[i]),
                       float(bits[i])) for i in np.lexsort((after, before, p)) if q[i] <= false_discovery]


def _share_within(times: Ints, low: Ints, high: Ints) -> Floats:
    """Share of the (sorted) times that lie in [low, high], counting one more than there are: never 0."""
    inside = np.searchsorted(times, high, side="right") - np.searchsorted(times, low, side="left")
    result: Floats = ((inside + 1.0) / (len(times) + 1.0)).astype(np.float64)
    return result


def _alike(groups: list[Ints], features: sp.csr_matrix, outside: Ints, before: Ints, after: Ints) -> Floats:
    """P-value of the second group's likeness to the first: the median member's rank among accounts of no group.

    Likeness is the cosine of an account's features with the first group's total. Members are not independent of
    each other, so they count once.
    """
    rows = sp.csr_matrix(features, dtype=np.float64)
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows = sp.diags(1.0 / np.maximum(length, 1e-12)) @ rows
    p = np.ones(len(before))
    for first in np.unique(before):
        profile = np.asarray(features[groups[first]].sum(axis=0), dtype=np.float64).ravel()
        likeness = rows @ profile
        reference = np.sort(likeness[outside])
        for i in np.flatnonzero(before == first):
            # The lower median of an even number: the less alike.
            member = np.sort(likeness[groups[after[i]]])[(len(groups[after[i]]) - 1) // 2]
            p[i] = (len(reference) - np.searchsorted(reference, member - 1e-12) + 1.0) / (len(reference) + 1.0)
    return p


def joint_move_p_value(moves: Ints, population: Ints, window: int) -> float:
    """P-value of so many of a group's moves to a model lying within ``window`` minutes of each other.

    ``moves`` are the times of the members' first use of the model, ``population`` those of all other accounts that
    took it up. For windows that begin at each member's move: P(as many of the other members in it) is binomial with the
    population's share of adoption in that window; the smallest is corrected for the number of windows.
    """
    if len(moves) < 2 or not len(population):
        return 1.0
    moves, adopted = np.sort(moves), np.sort(population)
    share = _share_within(adopted, moves, moves + window)
    count = np.searchsorted(moves, moves + window, side="right") - np.arange(len(moves)) - 1
    tail = np.asarray(binom.sf(count - 1, len(moves) - 1, np.minimum(share, 1.0)))
    return float(min(1.0, tail.min() * len(moves)))
