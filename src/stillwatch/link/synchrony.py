"""Whether two accounts are active together more often than accounts with their habits would be by chance.

Time is nested: minutes in tens of minutes, those in two hours, those in days, those in weeks. At each width
the question is asked *given* the next coarser one: in the blocks in which both were active at all, in how many do they
share a cell? So what makes people alike at a coarser width (time zones, office hours, holidays, sign-up weeks, a
launch) is conditioned on and proves nothing, and the widths are independent of each other under the null.
This is SynchroTrap's question (Cao et al., CCS 2014) with the null of the jitter method (Amarasingham et al.,
J. Neurophysiol. 2012).

**Null.** Given one account's cells and the number of cells that the other has in the block, the other's cells are
any of
the block's, as those of an inhomogeneous Poisson process would be, with weights that are the product of (1) how
many *other* accounts of its
stratum were in the cell at that very time, so that what everybody does proves nothing, and (2) its own habit,
learnt from its *other* blocks (``habits``). The number of
shared blocks is then Poisson-binomial. Accounts burstier than that share fewer blocks: conservative. Regular
ones (jobs on the hour) share what their habit and the number of their cells make them share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.link.activity import Activity, Cells, Floats, Ints, cells, mix
from stillwatch.link.chances import fisher, poisson_binomial_tail
from stillwatch.link.habits import Habits, learn_habits

__all__ = ["WIDTHS", "Synchrony", "pair_p_values", "prepare"]

WIDTHS = ((1440, 7), (120, 12), (10, 12), (1, 10))
"""(width of a cell in minutes, cells a block): a day in a week, two hours in a day, ten minutes in two hours, a
minute in ten."""

COUNTED = 24
"""At most so many active minutes in one cell count for a habit: one long session is none."""
BURSTY = 2.0
"""Requests came in bursts where they are so many times more than their cells need."""
_ROWS = 40_000
# Rows at a time: their tables stay in a processor's cache.


@dataclass(frozen=True)
class _Level:
    """One width: the table of (account, block) rows, and who is where in a block.

    ``spread[row, place]`` is the number of active minutes (255 for more); ``habits`` where
    accounts usually are; ``present[account, place]`` its active minutes there (at most ``COUNTED`` a block);
    ``usual[stratum, place]`` the stratum's share of presences.
    """

    blocks: Cells
    places: int
    spread: npt.NDArray[np.uint8]
    habits: Habits
    present: npt.NDArray[np.int32]
    usual: Floats
    counted: Floats
    smooth: Floats
    population: Floats
    start: Ints


@dataclass(frozen=True)
class Synchrony:
    """What the tests of pairs look things up in; made once by ``prepare``."""

    activity: Activity
    levels: tuple[_Level, ...]


def prepare(activity: Activity) -> Synchrony:
    """Tables for the tests of pairs: O(rows) time and memory."""
    return Synchrony(activity, tuple(_level(activity, width, places) for width, places in WIDTHS))


def pair_p_values(synchrony: Synchrony, a: Ints, b: Ints, seed: int | None = 0) -> Floats:
    """P-value of each pair's synchrony: over all widths, by Fisher's combination.

    With a ``seed`` they are randomised and so uniform on independent accounts; randomness is a function of the seed and
    of the two accounts' activity alone. Without (``None``) they are the plain, conservative ones.
    """
    return fisher(width_p_values(synchrony, a, b, seed))


def width_p_values(synchrony: Synchrony, a: Ints, b: Ints, seed: int | None = 0,
                   widths: Sequence[int] = range(len(WIDTHS))) -> Floats:
    """The same for each width apart: widths × pairs, ``widths`` by their place in ``WIDTHS``."""
    out = np.empty((len(widths), len(a)))
    for line, number in enumerate(widths):
        level = synchrony.levels[number]
        pair, chance, hit = _trials(synchrony.activity, level, a, b)
        hits = np.bincount(pair, weights=hit, minlength=len(a)).astype(np.int64)
        tail = poisson_binomial_tail(chance, pair, hits)
        if seed is not None:
            beyond = poisson_binomial_tail(chance, pair, hits + 1)
            tail = beyond + _uniform(synchrony.activity, a, b, seed, number) * (tail - beyond)
        out[line] = tail
    return np.clip(out, 1e-300, 1.0)


def _level(activity: Activity, width: int, places: int) -> _Level:
    fine, blocks = cells(activity, width), cells(activity, width * places)
    row, _ = blocks.find(fine.account, fine.cell // places)
    place = fine.cell % places
    spread = np.zeros((len(blocks.key), places), dtype=np.uint8)
    spread[row, place] = np.minimum(fine.minutes, 255).astype(np.uint8)
    present = np.bincount(fine.account * places + place, np.minimum(fine.minutes, COUNTED), activity.size * places)
    present = present.reshape(-1, places)
    usual = fine.population.reshape(len(fine.population), -1, places).sum(axis=1) + 1.0
    usual /= usual.sum(axis=1, keepdims=True)
    counted = present.sum(axis=0) + 1.0
    start = np.searchsorted(blocks.account, np.arange(activity.size + 1)).astype(np.int64)
    return _Level(blocks, places, spread, learn_habits(present.astype(np.float64)), present.astype(np.int32), usual,
                  counted / counted.sum(), _smooth(fine.population, usual), fine.population, start)


def _smooth(population: Floats, usual: Floats) -> Floats:
    """Precision of the Dirichlet–multinomial of a block's cells around the usual, a stratum, by moments.

    Where blocks differ from the usual by chance alone it is large, and a block's few presences do not pass for its
    shape.
    """
    counts = population.reshape(len(usual), -1, usual.shape[1])
    total = counts.sum(axis=2, keepdims=True)
    expected = total * usual[:, None, :]
    binomial = expected * (1.0 - usual[:, None, :])
    excess = ((counts - expected) ** 2 - binomial).sum(axis=(1, 2))
    most = (binomial * np.maximum(total - 1.0, 0.0)).sum(axis=(1, 2))
    result: Floats = np.clip(most / np.maximum(excess, 1e-9) - 1.0, 1.0, 1e6)
    return result


def _trials(activity: Activity, level: _Level, a: Ints, b: Ints) -> tuple[Ints, Floats, npt.NDArray[np.bool_]]:
    """Blocks in which both were active: number of the pair, chance that they share a cell, and whether they do.

    Of two accounts the one with fewer blocks (then by digest) is held fixed, so that (a, b) and (b, a) agree.
    """
    many = np.diff(level.start)
    turn = (many[a] > many[b]) | ((many[a] == many[b]) & (activity.print[a] > activity.print[b]))
    a, b = np.where(turn, b, a), np.where(turn, a, b)
    length = many[a]
    ends = np.cumsum(length)
    parts = []
    begin = 0
    while begin < len(a):
        already = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, already + _ROWS, side="right")))
        pair = np.repeat(np.arange(begin, end), length[begin:end])
        mine = np.arange(len(pair)) - np.repeat(ends[begin:end] - length[begin:end] - already, length[begin:end])
        mine = mine + level.start[a[pair]]
        theirs, both = level.blocks.find(b[pair], level.blocks.cell[mine])
        pair, mine, theirs = pair[both], mine[both], theirs[both]
        parts.append((pair, *_chance(activity, level, a[pair], b[pair], mine, theirs)))
        begin = end
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=bool)
    pairs, chances, hits = zip(*parts, strict=True)
    return np.concatenate(pairs), np.concatenate(chances), np.concatenate(hits)


def _chance(activity: Activity, level: _Level, a: Ints, b: Ints, mine: Ints,
            theirs: Ints) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """For rows of two accounts in one block: the chance that they share a cell, and whether they do."""
    mines, yours = level.spread[mine].astype(np.int32), level.spread[theirs].astype(np.int32)
    here = mines > 0
    stratum = activity.stratum[b]
    usual = level.usual[stratum]
    cell = level.blocks.cell[mine][:, None] * level.places + np.arange(level.places)
    cell = np.minimum(cell, level.population.shape[1] - 1)
    # Neither of the two speaks for what others do.
    others = level.population[stratum[:, None], cell] - yours - mines * (activity.stratum[a] == stratum)[:, None]
    counted = np.minimum(yours, COUNTED).astype(np.float64)
    share = level.habits.elsewhere(b, counted, level.present[b].astype(np.float64))
    weight = (others + level.smooth[stratum][:, None] * usual) * share / level.counted
    weight /= weight.sum(axis=1, keepdims=True)
    taken = (yours > 0).sum(axis=1)
    chance = (weight * here).sum(axis=1)
    several = np.flatnonzero(taken > 1)
    weight, taken = weight[several], taken[several]
    odds = np.expm1(_rate(weight, taken, level.blocks.events[theirs[several]])[:, None] * weight)
    outside = np.where(here[several], 0.0, odds)
    chance[several] = 1.0 - _ways(outside, taken) / _ways(odds, taken)
    shared: npt.NDArray[np.bool_] = np.asarray((here & (yours > 0)).any(axis=1))
    return np.clip(chance, 0.0, 1.0), shared


def _rate(weight: Floats, taken: Ints, events: Ints) -> Floats:
    """Requests a block that occupy as many cells as were taken: the number itself, unless it came in bursts.

    What as many cells need on average solves Σ (1 − exp(−rate · weight)) = taken; Newton's steps rise to it from below.
    """
    wanted = np.minimum(taken, weight.shape[1] - 0.5)
    rate = wanted.astype(np.float64)
    for _ in range(4):
        empty = np.exp(-rate[:, None] * weight)
        rate += (wanted - (1.0 - empty).sum(axis=1)) / np.maximum((weight * empty).sum(axis=1), 1e-9)
        rate = np.clip(rate, wanted, 40.0 * weight.shape[1])
    result: Floats = np.where(events <= BURSTY * rate, np.minimum(events, 40.0 * weight.shape[1]), rate)
    return result


def _ways(odds: Floats, taken: Ints) -> Floats:
    """Elementary symmetric polynomial of degree ``taken[i]`` of row i's odds.

    Its ratio for two sets of cells is the chance that, of independent cells with these odds of which ``taken`` are
    occupied, all lie in the smaller set (conditional Bernoulli distribution; Chen & Liu, Statistica Sinica 1997).
    """
    highest = int(taken.max(initial=0))
    total = np.zeros((highest + 1, len(odds)))
    total[0] = 1.0
    for each in np.ascontiguousarray(odds.T):
        total[1:] += each * total[:-1]
    result: Floats = total[taken, np.arange(len(odds))]
    return result


def _uniform(activity: Activity, a: Ints, b: Ints, seed: int, number: int) -> Floats:
    """A number in (0, 1) for each pair, the same for (a, b) and (b, a)."""
    word = activity.print[a] + activity.print[b] + mix(np.array([seed * 64 + number], dtype=np.uint64))
    result: Floats = ((mix(word) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return result
