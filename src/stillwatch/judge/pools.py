"""Pools of accounts inside a campaign: one set stops, another takes over.

At a handover at least half of the accounts that are in use stop within two days, and at least half of those in use
after it begin within two days: far more than the campaign's own turnover explains. Under the null that stops and
starts come at the campaign's own steady pace, the number in so short a time is binomial; the larger of the two
p-values, times the number of places looked at, is reported, and must be at most 0.001.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from stillwatch.judge.history import HOUR_US, History, Population

__all__ = ["Handover", "handovers", "pool_of"]

Ints = npt.NDArray[np.int64]

_WINDOW_US = 48 * HOUR_US
_FEWEST = 4
_P = 0.001


@dataclass(frozen=True)
class Handover:
    """One pool's last exchange and the next one's first, µs since 1970; accounts that stopped, began, and went on."""

    stopped_us: int
    started_us: int
    stopped: int
    started: int
    crossed: int
    p_value: float


def handovers(it: History, everybody: Population) -> list[Handover]:
    """The handovers inside a campaign, in order of time."""
    if len(it.accounts) < 2 * _FEWEST:
        return []
    span = (max(it.first_us, everybody.start * HOUR_US), max(it.last_us, it.first_us + 1))
    # Stops near the end have not been seen to be stops, and starts at the beginning are nobody's successor.
    places = np.unique(it.last[(it.last < span[1] - _WINDOW_US) & (it.last > span[0] + _WINDOW_US // 2)])
    found = [hand for at in places if (hand := _at(it, int(at), span, len(places))) is not None]
    kept: list[Handover] = []
    for hand in sorted(found, key=lambda h: (h.crossed - h.stopped - h.started, h.stopped_us)):
        if all(abs(hand.stopped_us - other.stopped_us) >= _WINDOW_US for other in kept):
            kept.append(hand)
    return sorted(kept, key=lambda h: h.stopped_us)


def _at(it: History, at: int, span: tuple[int, int], places: int) -> Handover | None:
    """A handover just after one account's last exchange, if it is one."""
    # A few of either set may be seen on the other side: what counts is how many stop before and begin after.
    stop = (it.last <= at) & (it.last > at - _WINDOW_US)
    start = (it.first > at) & (it.first <= at + _WINDOW_US)
    crossed = int(((it.first <= at) & (it.last > at)).sum())
    stopped, started = int(stop.sum()), int(start.sum())
    if min(stopped, started) < max(_FEWEST, crossed):
        return None
    length = span[1] - span[0]
    ending, beginning = int((it.last < span[1] - _WINDOW_US).sum()), int((it.first > span[0] + _WINDOW_US).sum())
    share = min(1.0, _WINDOW_US / max(length - _WINDOW_US, 1))
    p = max(float(binom.sf(stopped - 1, max(stopped, ending), share)),
            float(binom.sf(started - 1, max(started, beginning), share))) * places
    if p > _P:
        return None
    return Handover(int(it.last[stop].max()), int(it.first[start].min()), stopped, started, crossed, p)


def pool_of(it: History, hands: list[Handover]) -> Ints:
    """The pool of every account, from 0: the one in use at the middle of its activity."""
    middle = (it.first + it.last) // 2
    return np.searchsorted([hand.stopped_us for hand in hands], middle, side="left").astype(np.int64)
