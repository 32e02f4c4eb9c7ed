"""Where a campaign's series change: its volume, and what it asks for.

Counts in bins are Poisson up to a common overdispersion φ: a segment of counts n and exposures e costs
n̄ − n̄ ln(n̄ / ē), totals over the segment, divided by φ (the negative log-likelihood without what all segmentations
share); a mix costs −Σ n_c ln(n_c / n̄). The segmentation with the smallest cost plus a penalty a cut is found exactly,
by PELT (Killick, Fearnhead & Eckley 2012) in `ruptures` (Truong, Oudre & Vayatis 2020).

*Exposure* is time that the logs cover, times the campaign's own hours of the day and, where it keeps them, its
own days of the week: who works in shifts does not change twice a day. Cuts are first found between bins of
six hours (a day in long logs), and then moved to the hour with the highest likelihood.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from ruptures.base import BaseCost
from ruptures.detection.pelt import Pelt

from stillwatch.judge.history import History, Population

__all__ = ["cut_mix", "cut_volume", "dispersion", "exposure", "smooth_rise"]

Floats = npt.NDArray[np.float64]

DAY = 24
_BINS = 480
"""Bins at most: longer logs are looked at by the day."""
PENALTY = 2.0
"""Cost of a cut over ln(bins) · φ. A cut and a level are two parameters, for which BIC would say 1; counts are not
quite Poisson and many campaigns are looked at. On constant counts one series in several hundred is then cut."""
_FEW_DAYS = 2.0
"""Overdispersion that is assumed where too few days are seen to measure it."""
RISES_FROM = 0.2
"""A rate of less than this share of the level that follows is probing, not yet the rise."""
_LEAST = 0.15
"""Smallest change of a mix (total variation) and of a rate (share of the larger) that is worth a phase of its own."""


class _Volume(BaseCost):
    """Columns: exposure, counts."""

    model = "counts"
    min_size = 1

    def fit(self, signal: Floats) -> _Volume:
        """Keep cumulated sums."""
        self.signal = signal
        self._sums = np.vstack([np.zeros(signal.shape[1]), np.cumsum(signal, axis=0)])
        return self

    def error(self, start: int, end: int) -> float:
        """Cost of the bins from ``start`` up to ``end``."""
        time, count = self._sums[end] - self._sums[start]
        return float(count - count * np.log(count / max(time, 1e-9))) if count > 0 else 0.0


class _Mix(_Volume):
    """Columns: counts of each kind."""

    def error(self, start: int, end: int) -> float:
        """Cost of the bins from ``start`` up to ``end``."""
        count = self._sums[end] - self._sums[start]
        count = count[count > 0]
        return float(-(count * np.log(count / count.sum())).sum())


def exposure(it: History, everybody: Population, first: int, last: int) -> Floats:
    """Hours' worth of time of every hour from ``first`` up to ``last``: 0 in gaps of the logs, and else by the
    campaign's own hours of the day (mean 1) and, where that explains it better than changes do, days of the week."""
    logged = everybody.logged[first:last]
    counts = it.tasks[first:last]
    hour = (np.arange(first, last) + everybody.start) % DAY
    day = (np.arange(first, last) + everybody.start) // DAY
    weekday = day % 7
    day -= day[0]
    total: Floats = np.bincount(day, weights=counts).astype(np.float64)
    # Days that are seen in part would make their hours look busy.
    whole = (np.bincount(day, weights=logged) == DAY) & (total > 0)
    if whole.sum() < 4:
        return logged
    # Within each day, so that days of much and of little traffic say the same of the hours; by blocks of three hours
    # and a twentieth even, since few tasks say little of single hours.
    weight = np.where(whole, 1.0 / np.maximum(total, 1.0), 0.0)[day]
    share: Floats = np.bincount(hour // 3, weights=counts * weight, minlength=8).astype(np.float64)
    share = share / share.mean()
    plain: Floats = logged * np.maximum(0.95 * share + 0.05, 0.02)[hour // 3]
    factor = _weekdays(total, whole.astype(np.float64), weekday[np.searchsorted(day, np.arange(len(total)))])
    if factor is None:
        return plain
    by_week: Floats = plain * factor[weekday]
    spread = min(dispersion(counts, plain), dispersion(counts, by_week))
    # Six numbers more than without.
    return by_week if _score(counts, by_week, spread) + 6.0 * _penalty(len(counts)) * spread < _score(
        counts, plain, spread) else plain


def _score(counts: Floats, time: Floats, spread: float) -> float:
    """Cost of the best segmentation with its cuts, and of the exposure itself."""
    width, signal = _binned(np.column_stack([time, counts]))
    cuts = _segmented(_Volume(), signal, spread, width)
    cost = _Volume().fit(signal)
    known = time > 0
    return (sum(cost.error(a, b) for a, b in itertools.pairwise([0, *cuts, len(signal)]))
            - float((counts[known] * np.log(time[known])).sum()) + len(cuts) * _penalty(len(counts)) * spread)


def _weekdays(total: Floats, whole: Floats, weekday: npt.NDArray[np.int64]) -> Floats | None:
    """How busy each day of the week is (mean 1); ``None`` where it is seen too seldom.

    ``total`` are tasks by day, ``whole`` is 1 for days that are seen whole. Each whole day is compared with the week
    around it, so that changes of level do not matter.
    """
    if len(total) < 3 * 7:
        return None  # and fewer days than a week would be taken for the window, not for what it slides over
    week = np.ones(7)
    usual = np.convolve(total * whole, week, "same") / np.maximum(np.convolve(whole, week, "same"), 1.0)
    known = (whole > 0) & (usual > 0)
    if np.bincount(weekday[known], minlength=7).min() < 3:
        return None
    ratio = total / np.maximum(usual, 1e-9)
    factor = np.array([float(np.median(ratio[known & (weekday == day)])) for day in range(7)])
    result: Floats = np.maximum(factor / factor.mean(), 0.02)
    return result


def dispersion(counts: Floats, time: Floats) -> float:
    """Overdispersion φ ≥ 1 of counts a day, from ``counts`` and ``time`` by hour.

    Of two successive days (a − b)² / (a + b) is χ² with one degree of freedom, times φ, where the level does not
    change; the median over all pairs over the median of χ² is hardly touched by the few at which it does. Within a
    day counts may be far from Poisson (pauses, quotas): phases shorter than a day are not looked for.
    """
    whole = len(counts) // DAY
    days, open_ = (part[:whole * DAY].reshape(whole, DAY).sum(axis=1) for part in (counts, time))
    full = open_ >= 0.9 * DAY
    both = full[1:] & full[:-1] & (days[1:] + days[:-1] > 0)
    if both.sum() < 6:
        return _FEW_DAYS
    pair = (days[1:] - days[:-1])[both] ** 2 / (days[1:] + days[:-1])[both]
    return max(1.0, float(np.median(pair)) / 0.4549)


def cut_volume(counts: Floats, time: Floats) -> list[int]:
    """Hours at which the rate changes; ``counts`` and ``time`` (exposure) are by hour."""
    width, signal = _binned(np.column_stack([time, counts]))
    if len(signal) < 3 or counts.sum() < 20:
        return []
    cuts = _segmented(_Volume(), signal, dispersion(counts, time), width)
    hourly = _Volume().fit(np.column_stack([time, counts]))
    return _worth(_refined(hourly, [c * width for c in cuts], width, len(counts)), counts, time)


def smooth_rise(cuts: list[int], counts: Floats, time: Floats) -> list[int]:
    """The cuts, with the steps of a first rise replaced by its end where it is more like an even rise than like steps.

    The rate is taken to rise evenly up to the level that then lasts; where it begins and how long it takes are sought
    on a grid. Levels of steps are those that fit best, so steps have the advantage. A part before the rise with a rate
    of less than a fifth of what follows is left alone.
    """
    bounds = [0, *cuts, len(counts)]
    rate = [counts[a:b].sum() / max(float(time[a:b].sum()), 1e-9) for a, b in itertools.pairwise(bounds)]
    top = 0
    while top + 1 < len(rate) and rate[top + 1] > rate[top]:
        top += 1
    low = next((place for place in range(top + 1) if rate[place] >= RISES_FROM * rate[top]), top)
    if low >= top:
        return cuts
    begin, end = bounds[low], bounds[top + 1]
    steps = [cut - begin for cut in cuts[low:top]]
    over = _ramp_end(counts[begin:end], time[begin:end], steps)
    return cuts if over is None else [*cuts[:low], begin + over, *cuts[top:]]


def _ramp_end(counts: Floats, time: Floats, steps: list[int]) -> int | None:
    """The hour at which an even rise is over that is likelier than the steps; ``None`` where none is."""
    end = len(counts)
    cost = _Volume().fit(np.column_stack([time, counts]))
    best, at = -sum(cost.error(a, b) for a, b in itertools.pairwise([0, *steps, end])), None
    open_ = time > 0
    middle = np.arange(end) + 0.5
    for until in range(max(2, steps[-1] - 2 * DAY), min(end - DAY, steps[-1] + 3 * DAY)):
        for low in (0.0, 0.1, 0.2, 0.3, 0.5):
            shape = (low + (1.0 - low) * np.minimum(middle / until, 1.0))[open_]
            # The level that fits best has a closed form: all counts over all of the exposed shape.
            level = counts.sum() / max(float((time[open_] * shape).sum()), 1e-9)
            likely = float((counts[open_] * np.log(level * shape)).sum() - counts.sum())
            if likely > best + 1e-9:
                best, at = likely, until
    return at


def _worth(cuts: list[int], counts: Floats, time: Floats) -> list[int]:
    """Only cuts at which the rate changes enough to be told, the smallest left out first."""
    cuts = list(cuts)
    while cuts:
        bounds = [0, *cuts, len(counts)]
        rate = np.array([counts[a:b].sum() / max(float(time[a:b].sum()), 1e-9)
                         for a, b in itertools.pairwise(bounds)])
        change = np.abs(np.diff(rate)) / np.maximum(np.maximum(rate[1:], rate[:-1]), 1e-9)
        if change.min() >= _LEAST:
            return cuts
        cuts.pop(int(change.argmin()))
    return cuts


def cut_mix(counts: Floats) -> list[int]:
    """Hours at which the mix changes; ``counts`` are hours × kinds."""
    kinds = counts.sum(axis=0) > 0
    if kinds.sum() < 2 or counts.sum() < 40:
        return []
    counts = counts[:, kinds]
    width, signal = _binned(counts)
    # A cut of a mix of k kinds moves k − 1 shares.
    cuts = _segmented(_Mix(), signal, 1.0 + (counts.shape[1] - 2) / 4.0, width)
    cuts = _refined(_Mix().fit(counts), [c * width for c in cuts], width, len(counts))
    while cuts:
        bounds = [0, *cuts, len(counts)]
        mix = [counts[a:b].sum(axis=0) / max(1.0, counts[a:b].sum())
               for a, b in itertools.pairwise(bounds)]
        change = [float(np.abs(b - a).sum()) / 2.0 for a, b in itertools.pairwise(mix)]
        if min(change) >= _LEAST:
            return cuts
        cuts.pop(int(np.argmin(change)))
    return cuts


def _binned(signal: Floats) -> tuple[int, Floats]:
    """Width in hours, and sums over bins of it; what is left over at the end is with the last."""
    width = 6 if len(signal) <= 6 * _BINS else DAY
    whole = max(1, len(signal) // width)
    starts = np.arange(whole) * width
    return width, np.add.reduceat(signal, starts, axis=0)


def _segmented(cost: BaseCost, signal: Floats, spread: float, width: int) -> list[int]:
    """Bins at which segments of a day or more end."""
    if len(signal) * width < 2 * DAY:
        return []
    pelt = Pelt(custom_cost=cost, min_size=DAY // width, jump=1).fit(signal)
    found = pelt.predict(pen=_penalty(len(signal) * width) * spread)
    return [int(cut) for cut in found[:-1]]


def _penalty(hours: int) -> float:
    """Cost of a cut in a series of so many hours, before overdispersion."""
    return PENALTY * float(np.log(max(2.0, hours / (6 if hours <= 6 * _BINS else DAY))))


def _refined(cost: _Volume, cuts: list[int], width: int, end: int) -> list[int]:
    """Each cut at the hour, within a bin of where it was, that fits best between its neighbours."""
    cuts = list(cuts)
    for place, cut in enumerate(cuts):
        low = cuts[place - 1] if place else 0
        high = cuts[place + 1] if place + 1 < len(cuts) else end
        near = range(max(low + 1, cut - width), min(high - 1, cut + width) + 1)
        cuts[place] = min(near, key=lambda hour: (cost.error(low, hour) + cost.error(hour, high), hour),
                          default=cut)
    return cuts
