"""When accounts were active, as integers: the one input of the rhythm family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Activity", "Cells", "activity_of", "cells"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WEEK = 7 * 24 * 60
"""Minutes a week."""
_THURSDAY = 3 * 24 * 60
# 1970-01-01 was a Thursday: with three days added, weeks begin on Mondays.

MOST_WEEKS = 260
"""Five years: the fullest weeks of longer logs are looked at."""
ENOUGH_ACCOUNTS = 500
"""A region has a rhythm of its own where at least so many accounts are mostly there; the others share one."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Activity:
    """Who was active in which minute.

    ``accounts`` names the accounts in structural order (by their activity; by name only where that is the
    same), so that nothing depends on names. Rows are sorted by account and minute, one row each:
    account ``account[i]`` sent ``count[i]`` requests in ``minute[i]``, counted from the Monday 00:00 UTC
    before the first row; weeks in which nobody was active are left out of the count. ``stratum[a]`` numbers account
    ``a``'s region; ``print[a]`` is a digest of its activity.
    ``span`` is the number of minutes, in whole weeks; ``start[a]`` is its first row (accounts + 1 entries).
    """

    accounts: pa.Array
    account: Ints
    minute: Ints
    count: Ints
    stratum: Ints
    print: npt.NDArray[np.uint64]
    span: int
    start: Ints

    @property
    def size(self) -> int:
        """Number of accounts."""
        return len(self.accounts)


@dataclass(frozen=True)
class Cells:
    """Presence in cells of ``width`` minutes: ``key = account * many + cell``, sorted, once each.

    ``events`` counts requests, ``minutes`` active minutes; ``population[s, c]`` is the number of active minutes of
    stratum ``s``'s accounts in cell ``c`` (minutes, so that one account's burst does not pass for a crowd).
    """

    width: int
    many: int
    key: Ints
    account: Ints
    cell: Ints
    events: Ints
    minutes: Ints
    population: Floats

    def find(self, account: Ints, cell: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Row of each (account, cell), and whether there is one."""
        wanted = account * self.many + cell
        row = np.minimum(np.searchsorted(self.key, wanted), max(0, len(self.key) - 1))
        return row, (self.key[row] == wanted) if len(self.key) else np.zeros(len(wanted), dtype=bool)


def activity_of(rhythm: pa.Table) -> Activity:
    """Encode a rhythm table (schema ``RHYTHM``); repeated rows add up, their order does not matter."""
    names = pc.unique(rhythm["account_id"])
    names = names.take(pc.sort_indices(names))
    account = pc.index_in(rhythm["account_id"], value_set=names).to_numpy().astype(np.int64)
    minute = rhythm["minute"].to_numpy().astype(np.int64) + _THURSDAY
    count = rhythm["count"].to_numpy().astype(np.int64)
    regions = pc.unique(rhythm["region"]).drop_null()
    regions = regions.take(pc.sort_indices(regions))
    region = pc.index_in(rhythm["region"], value_set=regions).fill_null(-1).to_numpy().astype(np.int64)
    stratum = _strata(account, region, count, len(names), len(regions))
    week, kept = _weeks(minute)
    account, minute, count = account[kept], (minute % WEEK + week * WEEK)[kept], count[kept]
    span = max(1, int(week.max(initial=-1)) + 1) * WEEK
    key, row = np.unique(account * span + minute, return_inverse=True)
    total = np.bincount(row, weights=count, minlength=len(key)).astype(np.int64)
    account, minute = key // span, key % span
    prints = _prints(account, minute, total, len(names))
    order = np.argsort(prints, kind="stable")
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    account = rank[account]
    placed = np.lexsort((minute, account))
    account = account[placed]
    return Activity(names.take(pa.array(order)), account, minute[placed], total[placed], stratum[order],
                    prints[order], span, np.searchsorted(account, np.arange(len(names) + 1)).astype(np.int64))


def cells(activity: Activity, width: int) -> Cells:
    """Presence in cells of ``width`` minutes."""
    many = -(-activity.span // width)
    cell = activity.minute // width
    key = activity.account * many + cell
    first = np.flatnonzero(np.diff(key, prepend=-1))
    events = np.add.reduceat(activity.count, first) if len(first) else np.zeros(0, dtype=np.int64)
    minutes = np.diff(first, append=len(key))
    strata = int(activity.stratum.max(initial=0)) + 1
    population = np.bincount(activity.stratum[activity.account] * many + cell, minlength=strata * many)
    return Cells(width, many, key[first], activity.account[first], cell[first], events, minutes,
                 population.reshape(strata, many).astype(np.float64))


def _weeks(minute: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Each row's week, numbered over the weeks that anybody was active in (−1: not kept), and which rows are kept.

    Only the ``MOST_WEEKS`` fullest are kept, later ones first among equals: a wrong clock must not cost memory.
    """
    weeks, place, rows = np.unique(minute // WEEK, return_inverse=True, return_counts=True)
    keep = np.zeros(len(weeks), dtype=bool)
    keep[np.lexsort((-weeks, -rows))[:MOST_WEEKS]] = True
    number = np.where(keep, np.cumsum(keep) - 1, -1)
    return number[place].astype(np.int64), keep[place]


def _strata(account: Ints, region: Ints, count: Ints, accounts: int, regions: int) -> Ints:
    """Each account's stratum: the region that it is mostly in, where that has enough accounts; else 0."""
    if not regions:
        return np.zeros(accounts, dtype=np.int64)
    known = region >= 0
    pair, row = np.unique(account[known] * regions + region[known], return_inverse=True)
    total = np.bincount(row, weights=count[known], minlength=len(pair))
    most = np.full(accounts, -1, dtype=np.int64)
    # Last wins: by total, ties by the region's place in the alphabet.
    order = np.lexsort((-(pair % regions), total))
    most[pair[order] // regions] = pair[order] % regions
    many = np.bincount(most[most >= 0], minlength=regions)
    number = np.zeros(regions + 1, dtype=np.int64)
    number[:regions][many >= ENOUGH_ACCOUNTS] = 1 + np.arange(int((many >= ENOUGH_ACCOUNTS).sum()))
    return number[most]


def _prints(account: Ints, minute: Ints, count: Ints, accounts: int) -> npt.NDArray[np.uint64]:
    """A digest of each account's activity: a sum of mixed rows, in any order."""
    word = mix(mix(minute.astype(np.uint64) + _GOLDEN) + count.astype(np.uint64))
    total = np.zeros(accounts, dtype=np.uint64)
    np.add.at(total, account, word)
    return mix(total)


def mix(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014), vectorised."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
