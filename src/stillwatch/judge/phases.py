"""A campaign's life as phases: where its series change, and what to call what lies between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stillwatch.judge.changes import DAY, RISES_FROM, cut_mix, cut_volume, exposure, smooth_rise
from stillwatch.judge.history import HOUR_US, Floats, History, Population, hour_of
from stillwatch.judge.moves import Move
from stillwatch.judge.pools import Handover

__all__ = ["Phase", "phases_of"]

_FEWEST = 20
"""Tasks below which nothing is said of a campaign's life."""
_RISING = 0.8
_ENDED = 20.0
"""Tasks that are missing at the end, at the rate before, for a campaign to be over."""
_MOVED, _SOON = 0.2, 48.0
_BEYOND, _WEEK = 0.15, 168.0
"""A move is a pivot if a fifth or more moves within two days, or, within a week, so much more than of everybody else's
traffic: customers drift to a new model too, each in their own time."""
_NEAR = 24
_NEW = 48.0
_OWN_Z = 3.0


@dataclass(frozen=True)
class Phase:
    """One phase, µs since 1970. ``days`` are those of it that the logs cover, ``others`` everybody else's rate in it,
    exchanges a day."""

    phase: str
    started_us: int
    ended_us: int
    changed: tuple[str, ...]
    days: float
    others: float


@dataclass(frozen=True)
class _Cut:
    """A change at an hour of the series."""

    hour: float
    changed: frozenset[str]


def phases_of(it: History, everybody: Population, moves: Sequence[Move], hands: Sequence[Handover]) -> list[Phase]:
    """The phases from the first exchange to the end of the logs; none where there is too little to tell."""
    if it.tasks.sum() < _FEWEST:
        return []
    first = int(it.first_us // HOUR_US) - everybody.start
    last = _end(it, everybody, first)
    time = exposure(it, everybody, first, last)
    counts = it.tasks[first:last]
    volume = [cut for cut in cut_volume(counts, time) if _own(it, everybody, first, cut, time)]
    volume = smooth_rise(volume, counts, time)
    pivots = _pivots(it, everybody, moves, hands)
    cuts = [_Cut(first + cut, frozenset({"volume"})) for cut in volume]
    cuts += [_Cut(first + cut, frozenset({"capability"})) for cut in cut_mix(it.by_capability[first:last])]
    # What a model or a pool that changes over does to the volume is part of that.
    cuts = [cut for cut in cuts if not any(a.hour - _NEAR < cut.hour < b.hour + _NEAR for a, b in pivots)]
    cuts += [side for pivot in pivots for side in pivot]
    cuts = _merged([cut for cut in cuts if first < cut.hour < last])
    bounds = [it.first_us / HOUR_US - everybody.start, *(cut.hour for cut in cuts), float(last)]
    changed = [frozenset[str](), *(cut.changed for cut in cuts)]
    rates = [_rate(counts, time, a - first, b - first) for a, b in itertools.pairwise(bounds)]
    inside = [any(a.hour <= (x + y) / 2.0 <= b.hour for a, b in pivots)
              for x, y in itertools.pairwise(bounds)]
    lengths = np.diff(bounds)
    names = _named(rates, lengths, inside, [bool(change & {"volume"}) for change in changed])
    found = _closed([Phase(name, hour_of(a, everybody.start), hour_of(b, everybody.start), tuple(sorted(change)), 0, 0)
                     for name, a, b, change in zip(names, bounds[:-1], bounds[1:], changed, strict=True)],
                    it, everybody, last)
    return [_beside(phase, it, everybody) for phase in found]


def _beside(phase: Phase, it: History, everybody: Population) -> Phase:
    """With how long the logs cover it and how much everybody else sent."""
    a, b = (us / HOUR_US - everybody.start for us in (phase.started_us, phase.ended_us))
    edges = np.clip(np.array([a, b]), 0.0, everybody.hours)
    # Hours that lie in it in part count in part.
    part = np.clip(np.minimum(np.arange(everybody.hours) + 1.0, edges[1]) - np.maximum(
        np.arange(everybody.hours), edges[0]), 0.0, 1.0)
    days = float((part * everybody.logged).sum()) / DAY
    others = float((part * (everybody.total - it.exchanges)).sum())
    return replace(phase, days=days, others=others / max(days, 1e-9))


def _closed(found: list[Phase], it: History, everybody: Population, last: int) -> list[Phase]:
    """With the time after the last exchange, if that is an end, and up to the end of the logs."""
    end = max(everybody.end_us, it.last_us)
    if last < everybody.hours:
        found[-1] = replace(found[-1], ended_us=it.last_us)
        return [*found, Phase("ended", it.last_us, end, ("volume",), 0, 0)]
    found[-1] = replace(found[-1], ended_us=end)
    return found


def _end(it: History, everybody: Population, first: int) -> int:
    """The hour up to which the campaign lives: its last exchange's, if so long a silence follows that many tasks are
    missing, or else the logs' end."""
    last = int(it.last_us // HOUR_US) + 1 - everybody.start
    silent = everybody.logged[last:].sum()
    # The rate of its last three days with traffic, so that a slow fading is not taken for an end.
    recent = it.tasks[max(first, last - 3 * DAY):last]
    if silent >= DAY and recent.mean() * silent >= _ENDED:
        return last
    return everybody.hours


def _own(it: History, everybody: Population, first: int, cut: int, time: Floats) -> bool:
    """Whether a change of volume is the campaign's own: everybody else's traffic did not change as much.

    The logarithms of both ratios, a week at most before and after in whole days, are compared in units of their
    standard error.
    """
    days = min(7, cut // DAY, (len(time) - cut) // DAY)
    if days < 1:
        return True
    at, span = first + cut, days * DAY
    logs: list[float] = []
    variance = 0.0
    for series in (it.tasks, everybody.total - it.exchanges):
        sides = []
        for part in (series[at - span:at], series[at:at + span]):
            daily = part.reshape(days, DAY).sum(axis=1)
            sides.append(np.log(daily.mean() + 0.5))
            # Days differ by more than Poisson: their own spread, or at least Poisson's.
            spread = max(float(daily.var(ddof=1)) if days > 1 else 0.0, float(daily.mean()), 0.25)
            variance += spread / days / (daily.mean() + 0.5) ** 2
        logs.append(float(sides[1] - sides[0]))
    return abs(logs[0] - logs[1]) >= _OWN_Z * np.sqrt(variance) or abs(logs[1]) < 0.5 * abs(logs[0])


def _pivots(it: History, everybody: Population, moves: Sequence[Move],
            hands: Sequence[Handover]) -> list[tuple[_Cut, _Cut]]:
    """From when to when traffic moved to another model or pool."""
    found = []
    for move in moves:
        if _is_pivot(move, everybody):
            at = move.launch.at_us / HOUR_US - everybody.start
            found.append((_Cut(at + move.wait, frozenset({"model"})), _Cut(at + move.hours, frozenset({"model"}))))
    for hand in hands:
        sides = (hand.stopped_us / HOUR_US - everybody.start, hand.started_us / HOUR_US - everybody.start)
        found.append((_Cut(sides[0], frozenset({"accounts"})), _Cut(max(sides[1], sides[0] + 1e-3),
                                                                   frozenset({"accounts"}))))
    return found


def _is_pivot(move: Move, everybody: Population) -> bool:
    others = float(move.population_after[everybody.models.index(move.launch.model)])
    return move.share >= _MOVED and (move.hours <= _SOON or (
        move.hours <= _WEEK and move.share >= others + _BEYOND))


def _merged(cuts: list[_Cut]) -> list[_Cut]:
    """In order of time; changes of different kinds within half a day are one, at the first of them."""
    merged: list[_Cut] = []
    for cut in sorted(cuts, key=lambda cut: (cut.hour, sorted(cut.changed))):
        near = merged and cut.hour - merged[-1].hour < DAY / 2 and not (
            merged[-1].changed & cut.changed or {"model", "accounts"} & (merged[-1].changed | cut.changed))
        if near:
            merged[-1] = _Cut(merged[-1].hour, merged[-1].changed | cut.changed)
        elif not merged or cut.hour > merged[-1].hour:
            merged.append(cut)
    return merged


def _rate(counts: Floats, time: Floats, start: float, end: float) -> float:
    """Tasks a day of exposure between two hours; whole hours, at least one."""
    a, b = int(np.floor(max(0.0, start))), max(int(np.ceil(end)), int(np.floor(max(0.0, start))) + 1)
    open_ = float(time[a:b].sum())
    return float(counts[a:b].sum()) / max(open_, 1e-9) * DAY if open_ > 0.01 else 0.0


def _named(rates: Sequence[float], lengths: Floats, pivot: Sequence[bool], volume: Sequence[bool]) -> list[str]:
    """What to call each segment, by its rate against the usual one: that at which the median task was done."""
    done = np.array(rates) * lengths
    order = np.argsort(rates, kind="stable")
    usual = rates[order[int(np.searchsorted(np.cumsum(done[order]), done.sum() / 2.0))]] or 1e-9
    share = np.array(rates) / usual
    names = ["pivot" if moves else "sustained" for moves in pivot]
    # Before it first runs at its usual rate it probes or rises, after it last did it winds down.
    running = np.flatnonzero(share >= _RISING)
    begin, end = int(running[0]), int(running[-1])
    for at in range(begin):
        if not pivot[at]:
            names[at] = "probing" if share[at] < RISES_FROM else "ramp_up"
    for at in range(end + 1, len(names)):
        if not pivot[at] and (volume[at] or names[at - 1] == "wind_down"):
            names[at] = "wind_down"
    for at in range(begin + 1, end):
        if not pivot[at] and share[at] < RISES_FROM:
            names[at] = "wind_down"
    last = len(names) - 1
    if last and volume[last] and share[last] > share[last - 1] and lengths[last] < _NEW and not pivot[last]:
        names[last] = "ramp_up"  # it may rise further: two days are not yet a level
    return names
