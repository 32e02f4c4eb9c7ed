"""Bursts of sign-ups: times at which more accounts were opened than the same logs expect, and not by everybody.

A scan statistic (Kulldorff 1997, in time): windows of a few widths start at every sign-up. Expected is what the weeks
before and after say, whichever says more, spread over the hours of the week as sign-ups are. Two tests follow, neither
with a seed:

1. *More than usual.* Given the sign-ups in window and flank together, the number in the window is binomial with the
   window's share of the exposure (the exact conditional test of two Poisson rates, Przyborowski & Wilenski 1940), so
   that how little is known of a quiet month is part of the p-value. Counts are divided by the logs' own dispersion
   first: sign-ups come in clumps everywhere.
2. *Not everybody's.* On the day that everybody hears of a launch, whoever signs up looks as usual. A burst is kept only
   if some trait of its sign-ups (``TRAITS``) is commoner in it than in the year around it (hypergeometric). An operator
   whose sign-ups mimic the population's mix in every trait escapes this kind of evidence; that is the price.

Both p-values are multiplied by the number of tests made (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import betainc
from scipy.stats import hypergeom

__all__ = ["LEVEL", "MIX_LEVEL", "TRAITS", "WIDTHS_H", "Burst", "bursts"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WIDTHS_H = (1, 3, 6, 12, 24, 48, 96)
"""Widths of windows, in hours."""
LEVEL = 1e-3
"""Chance of any burst among accounts opened independently of each other."""
MIX_LEVEL = 1e-2
"""Chance that a rush of everybody's sign-ups passes for somebody's."""
TRAITS = ("email_domain", "email_pattern", "signup_prefix", "referral", "kind")
"""What is compared. Not the sign-up's user agent, whose versions change within a year for everybody."""

_HOUR = 3_600_000_000
_WEEK = 168 * _HOUR
_YEAR = 365 * 24 * _HOUR
_FLANK = 14 * 24 * _HOUR
_SHORTEST_FLANK = 2 * 24 * _HOUR
_FEWEST = 5
_PSEUDO = 5.0
"""Sign-ups an hour of the week that the profile's prior is worth."""


@dataclass(frozen=True)
class Burst:
    """Sign-ups ``first`` up to ``last`` (positions in order of time), µs since 1970 of both, and of how many expected.

    ``p_value`` is corrected for every window that was looked at.
    """

    first: int
    last: int
    start_us: int
    end_us: int
    expected: float
    p_value: float

    @property
    def count(self) -> int:
        """Sign-ups in it."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class _Windows:
    """Windows over sorted sign-ups: positions of the first and one past the last, evidence, and expectation."""

    first: Ints
    end: Ints
    surprise: Floats
    expected: Floats
    p_value: Floats


def bursts(created_us: Ints, traits: pa.Table) -> list[Burst]:
    """Bursts among sign-ups at ``created_us`` (µs since 1970, ascending), in order of time; they do not overlap.

    ``traits`` has a row a sign-up and text columns, those of ``TRAITS`` that are known.
    """
    count = len(created_us)
    if count < 2 * _FEWEST:
        return []
    windows = _scan(created_us, _cumulative(created_us))
    good = np.flatnonzero(windows.p_value <= LEVEL)
    # The most surprising first; of equals the earlier, then the narrower.
    order = good[np.lexsort((windows.end[good], windows.first[good], -windows.surprise[good]))]
    taken = np.zeros(count + 1, dtype=bool)
    codes = [_coded(traits[name]) for name in traits.column_names]
    found = []
    looked_at = 0
    for window in order.tolist():
        first, end = int(windows.first[window]), int(windows.end[window])
        if taken[first:end].any():
            continue
        # What everybody shares is looked at once, whole: its parts are no better evidence.
        taken[first:end] = True
        looked_at += 1
        if _unlike_others(created_us, codes, first, end) * looked_at > MIX_LEVEL:
            continue
        found.append(Burst(first, end - 1, int(created_us[first]), int(created_us[end - 1]),
                           float(windows.expected[window]), float(windows.p_value[window])))
    return sorted(found, key=lambda burst: burst.first)


def _scan(created: Ints, exposure: Floats) -> _Windows:
    """Every window with its p-value. ``exposure`` is what ``_cumulative`` returns."""
    count = len(created)
    dispersion = _dispersion(created)
    last_time = int(created[-1])
    parts = []
    for width in WIDTHS_H:
        span = width * _HOUR
        first = np.arange(count)
        end = np.searchsorted(created, created + span, side="left")
        # The sign-up that starts a window was not drawn: it is counted on neither side.
        more = (end - first - 1).astype(np.float64)
        inside = _between(exposure, created, created + span)
        before_at = np.maximum(created - _FLANK, created[0])
        before = (first - np.searchsorted(created, before_at, side="left")).astype(np.float64)
        after_at = np.minimum(created + span + _FLANK, last_time)
        after = (np.searchsorted(created, after_at, side="right") - end).astype(np.float64)
        p_value, expected = np.zeros(count), np.zeros(count)
        for flank, start, stop in ((before, before_at, created), (after, created + span, after_at)):
            known = stop - start >= _SHORTEST_FLANK
            outside = np.where(known, _between(exposure, start, np.maximum(start, stop)), 1.0)
            share = inside / (inside + outside)
            p = _binomial_tail(more / dispersion, (more + flank) / dispersion, share)
            p_value = np.maximum(p_value, np.where(known, p, 0.0))
            expected = np.maximum(expected, np.where(known, flank * inside / outside, 0.0))
        measurable = (created - before_at >= _SHORTEST_FLANK) | (after_at - created - span >= _SHORTEST_FLANK)
        # Of sign-ups at one instant the first alone starts a window: which account is which does not matter.
        starts = np.searchsorted(created, created, side="left") == first
        usable = measurable & starts & (end - first >= _FEWEST)
        p_value = np.where(usable, np.minimum(p_value * count * len(WIDTHS_H), 1.0), 1.0)
        floor = np.maximum(expected, 0.5)
        surprise = np.where(more > floor, more * np.log(np.maximum(more, 1.0) / floor) - (more - floor), 0.0)
        parts.append((first, end, surprise, expected, p_value))
    return _Windows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _binomial_tail(successes: Floats, trials: Floats, share: Floats) -> Floats:
    """P(X ≥ successes) for X binomial, by the incomplete beta function, which takes counts that are no integers."""
    return np.where(successes > 0, betainc(np.maximum(successes, 1e-9), trials - successes + 1.0, share), 1.0)


def _profile(created: Ints) -> Floats:
    """Share of each hour of the week, shrunk to hour of day × day of week; mean 1. Crowded hours count no more than
    hours usually do, so that a burst does not make itself expected."""
    slots, counts = np.unique(created // _HOUR, return_counts=True)
    capped = np.minimum(counts, max(1.0, float(np.quantile(counts, 0.95))))
    week = np.bincount(slots % 168, weights=capped, minlength=168).astype(np.float64)
    grid = week.reshape(7, 24)
    day, hour = grid.sum(axis=1) + _PSEUDO, grid.sum(axis=0) + _PSEUDO
    prior = np.outer(day / day.sum(), hour / hour.sum()).ravel()
    profile = (week + 168 * _PSEUDO * prior) / (week.sum() + 168 * _PSEUDO)
    scaled: Floats = profile * 168
    return scaled


def _cumulative(created: Ints) -> Floats:
    """The profile's integral over the first h hours of a week, h = 0 … 168; a whole week is 168."""
    return np.concatenate([[0.0], np.cumsum(_profile(created))])


def _between(cumulative: Floats, start: Ints, stop: Ints) -> Floats:
    """Exposure from ``start`` to ``stop`` (µs), in hours of mean rate; at least a minute's."""
    return np.maximum(_exposure(cumulative, stop) - _exposure(cumulative, start), 1 / 60)


def _exposure(cumulative: Floats, at: Ints) -> Floats:
    weeks, rest = np.divmod(at, _WEEK)
    hours = rest / _HOUR
    total: Floats = weeks * cumulative[-1] + np.interp(hours, np.arange(169), cumulative)
    return total


def _dispersion(created: Ints) -> float:
    """How many times more days vary than independent sign-ups would, at least 1.

    Given the sum of two days, their squared difference over the sum has mean 1 for Poisson counts of one rate (von
    Neumann's successive differences, here a week apart, so that weekends are no clumps). Pairs of fewer than two say
    nothing; a pair counts at most 8, so that the days of a burst do not hide it.
    """
    days = created // (24 * _HOUR)
    counts = np.bincount(days - days[0]).astype(np.float64)
    both = counts[7:] + counts[:-7]
    telling = both >= 2
    if telling.sum() < 14:
        return 1.0
    spread = (counts[7:] - counts[:-7])[telling] ** 2 / both[telling]
    return max(1.0, float(np.minimum(spread, 8.0).mean()))


def _coded(column: pa.ChunkedArray) -> Ints:
    """Values as numbers; to have none is a value too: few accounts have a referral, a course has one each."""
    return np.asarray(pc.dictionary_encode(column, "encode").combine_chunks().indices).astype(np.int64)


def _unlike_others(created: Ints, codes: list[Ints], first: int, end: int) -> float:
    """P-value that no trait is commoner in a window than in the year before and after: hypergeometric, corrected for
    every value of every trait."""
    low = int(np.searchsorted(created, created[first] - _YEAR, side="left"))
    high = int(np.searchsorted(created, created[end - 1] + _YEAR, side="right"))
    tests = 0
    smallest = 1.0
    for code in codes:
        values, carriers = np.unique(code[first:end], return_counts=True)
        around = code[low:high]
        everywhere = np.bincount(np.searchsorted(values, around[np.isin(around, values)]), minlength=len(values))
        p = np.asarray(hypergeom.sf(carriers - 1, len(around), everywhere, end - first))
        tests += len(values)
        smallest = min(smallest, float(p.min()))
    return min(1.0, smallest * max(tests, 1))
