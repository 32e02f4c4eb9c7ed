"""Load balancing: accounts among which the n-th requests of all come before the (n + 1)-th of any.

A balancer that deals in turn, or to whoever has had least, keeps the counts of its accounts within one or two of
each other at every moment. Independent accounts' counts wander apart like random walks, though they share the same
hours, so the two-sample Kolmogorov–Smirnov distance of their times is not smaller than chance makes it. Its *lower*
tail is the test here (Hodges 1958): exact given the two volumes, whatever rhythm the two have in common, since
under the null every order of their requests is equally probable; where their rhythms differ the distance only grows.

Left out, because clocks explain their evenness: accounts whose requests keep to a few minutes of the hour or
times of the day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from stillwatch.link.activity import Activity, Floats, Ints
from stillwatch.link.chances import strip_probability

__all__ = ["Balanced", "balance_p_values", "balanced_pairs", "clockwork"]

MIN_EVENTS = 10
MAX_EVENTS = 2_000
NEIGHBOURS = 16
"""Pairs tested an account: those whose times lie closest."""
VOLUME = 0.25
"""A balancer's accounts differ in volume by less than this factor."""
QUANTILES = 12
CLOCK_SHARE = 0.6
CLOCK_PLACES = ((1, 60, 3), (10, 144, 6))
"""Clockwork: at least this share of active minutes in 3 of the 60 minutes of the hour, or 6 of the 144 tens of
minutes of
the day …"""
DAILY_HOURS, DAILY_EVENTS = 3, 1.5
"""… or in 3 hours of the day where there are so few events an active day: once a day at about the same time."""
_PROMISING = 1e-4


@dataclass(frozen=True)
class Balanced:
    """Tested pairs ``a < b``, their p-values, and the number of pairs among which they were sought."""

    a: Ints
    b: Ints
    p: Floats
    admissible: float


def balanced_pairs(activity: Activity) -> Balanced:
    """Find pairs that keep step: O(n log n) by nearest neighbours among accounts' times."""
    events = np.diff(activity.start)
    able = np.flatnonzero((events >= MIN_EVENTS) & (events <= MAX_EVENTS) & ~clockwork(activity))
    admissible = len(able) * (len(able) - 1) / 2
    if len(able) < 2:
        return Balanced(able[:0], able[:0], np.zeros(0), admissible)
    tree = KDTree(_profile(activity, able))
    _, near = tree.query(tree.data, k=min(NEIGHBOURS + 1, len(able)))
    one = np.repeat(able, near.shape[1])
    two = able[near.ravel()]
    a, b = np.minimum(one, two), np.maximum(one, two)
    pair = np.unique((a * activity.size + b)[a < b])
    a, b = pair // activity.size, pair % activity.size
    alike = np.abs(events[a] - events[b]) <= VOLUME * np.maximum(events[a], events[b])
    a, b = a[alike], b[alike]
    return Balanced(a, b, balance_p_values(activity, a, b, _PROMISING), admissible)


def balance_p_values(activity: Activity, a: Ints, b: Ints, promising: float = 1.0) -> Floats:
    """P-value of each pair's keeping step: that the distance of their times is by chance as small as it is.

    Active minutes are the events; where both are active in a minute, the order counts that speaks most against.
    P-values that are asymptotically far above ``promising`` come out as 1 instead of exactly.
    """
    m, n = np.diff(activity.start)[a], np.diff(activity.start)[b]
    distance = _distance(activity, a, b)
    scale = distance / np.sqrt(m * n * (m + n).astype(np.float64))
    # Kolmogorov's limit for small arguments.
    with np.errstate(divide="ignore", over="ignore"):
        rough = np.where(scale > 0, np.sqrt(2 * np.pi) / scale * np.exp(-np.pi**2 / (8 * scale**2)), 0.0)
    exact = np.flatnonzero((rough <= 10 * promising) | (promising >= 1.0))
    p = np.ones(len(a))
    p[exact] = np.maximum(strip_probability(m[exact], n[exact], distance[exact]), 1e-300)
    return p


def clockwork(activity: Activity) -> npt.NDArray[np.bool_]:
    """Which accounts keep to a few minutes of the hour or times of the day."""
    many = np.maximum(1, np.diff(activity.start))
    days = np.unique(activity.account * (activity.span // 1440) + activity.minute // 1440) // (activity.span // 1440)
    a_day = many / np.maximum(1, np.bincount(days, minlength=activity.size))
    regular = (a_day <= DAILY_EVENTS) & (_fullest(activity, 60, 24, DAILY_HOURS) >= CLOCK_SHARE * many)
    for width, places, number in CLOCK_PLACES:
        regular |= _fullest(activity, width, places, number) >= CLOCK_SHARE * many
    return regular


def _fullest(activity: Activity, width: int, places: int, number: int) -> Ints:
    """Each account's active minutes in its ``number`` fullest of ``places`` places of ``width`` minutes, in turn."""
    place = activity.minute // width % places
    table = np.bincount(activity.account * places + place, minlength=activity.size * places).reshape(-1, places)
    fullest: Ints = np.partition(table, places - number, axis=1)[:, -number:].sum(axis=1).astype(np.int64)
    return fullest


def _profile(activity: Activity, able: Ints) -> Floats:
    """Accounts × quantiles: when an account had sent each share of its requests, in the population's time.

    The population's clock runs as fast as everybody's requests come; distances are in standard deviations of chance.
    """
    total = np.bincount(activity.minute, minlength=activity.span)
    clock = np.cumsum(total) / max(1, total.sum())
    events = np.diff(activity.start)[able]
    share = (np.arange(QUANTILES) + 0.5) / QUANTILES
    at = activity.start[able][:, None] + np.floor(share * events[:, None]).astype(np.int64)
    times = clock[activity.minute[at]] * np.sqrt(events)[:, None]
    return np.column_stack([times, np.log(events) * np.sqrt(events) / 4])


def _distance(activity: Activity, a: Ints, b: Ints) -> Ints:
    """max |i n − j m| along the worst order of the two accounts' minutes (i of m, j of n)."""
    start = activity.start
    m, n = np.diff(start)[a], np.diff(start)[b]
    key = activity.account * activity.span + activity.minute
    out = np.zeros(len(a), dtype=np.int64)
    ends = np.cumsum(m)
    begin = 0
    while begin < len(a):
        already = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, already + 1_000_000, side="right")))
        pair = np.repeat(np.arange(begin, end), m[begin:end])
        i = np.arange(len(pair)) - np.repeat(ends[begin:end] - m[begin:end] - already, m[begin:end])
        wanted = b[pair] * activity.span + activity.minute[start[a[pair]] + i]
        before = np.searchsorted(key, wanted, side="left") - start[b[pair]]
        after = np.searchsorted(key, wanted, side="right") - start[b[pair]]
        ahead = np.abs((i + 1) * n[pair] - before * m[pair])
        behind = np.abs(i * n[pair] - after * m[pair])
        worst = np.maximum(np.maximum(ahead, behind), np.maximum(np.abs(i * n[pair] - before * m[pair]),
                                                                  np.abs((i + 1) * n[pair] - after * m[pair])))
        first = np.cumsum(m[begin:end]) - m[begin:end]
        out[begin:end] = np.maximum.reduceat(worst, first)
        begin = end
    return out
