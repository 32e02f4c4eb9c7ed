"""Candidate pairs from shared cells of time: work bounded by the number of exchanges.

All co-occurrences of a width are counted by a sparse product, a few accounts at a time; the width is the widest whose
number of co-occurrences the budget allows, and if even minutes are too crowded, the most crowded are left out. What
was left out is reported. Counting proposes; ``synchrony`` tests what was proposed, and false discovery is
controlled over all pairs that could have been.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stillwatch.link.activity import Cells, Floats, Ints, cells
from stillwatch.link.synchrony import WIDTHS, Synchrony, pair_p_values, width_p_values

__all__ = ["Coincident", "coincident_pairs"]

SCREEN_WIDTHS = (10, 5, 2, 1)
PER_ROW = 1_200
ANYWAY = 200_000_000
"""Budget of co-occurrences: so many a presence of an account in a minute, or that many where it is more."""
MIN_ACTIVE = 4
"""Accounts active in fewer minutes cannot share enough of them to stand out among all pairs."""
MAX_TESTED = 150_000
_FEWEST = 3
_NATS = 13.0
"""What is less unusual than a tail of e^−13 cannot stand out among all pairs."""
_LEVEL = 2
_PROMISING = 1e-3
_BLOCK = 512


@dataclass(frozen=True)
class Coincident:
    """Tested pairs ``a < b`` and their (conservative) p-values, and what the work was limited to.

    ``width`` is the cell's in minutes; ``left_out`` the share of presences in cells too crowded to count;
    ``screened`` the number of pairs that looked unusual, of which ``len(a)`` at most were tested; ``admissible``
    the number
    of pairs among which they were sought.
    """

    a: Ints
    b: Ints
    p: Floats
    width: int
    left_out: float
    screened: int
    admissible: float


def coincident_pairs(synchrony: Synchrony, per_row: int = PER_ROW) -> Coincident:
    """Find pairs of accounts that share far more cells of time than chance, and test them."""
    activity = synchrony.activity
    active = np.flatnonzero(np.diff(activity.start) >= MIN_ACTIVE)
    table, kept = _affordable(synchrony, active, per_row)
    a, b, unlikely = _screen(table, kept, active, synchrony)
    screened = len(a)
    best = np.sort(np.lexsort((b, a, -unlikely))[:MAX_TESTED])
    a, b = a[best], b[best]
    p = np.ones(len(a))
    promising = np.flatnonzero(width_p_values(synchrony, a, b, None, (_LEVEL,))[0] < _PROMISING)
    p[promising] = pair_p_values(synchrony, a[promising], b[promising], None)
    left_out = 1.0 - float(kept[table.cell].mean()) if len(table.cell) else 0.0
    return Coincident(a, b, p, table.width, left_out, screened, len(active) * (len(active) - 1) / 2)


def _affordable(synchrony: Synchrony, active: Ints, per_row: int) -> tuple[Cells, Ints]:
    """Presences at the widest width that the budget allows, and which cells are counted (1 or 0)."""
    budget = max(ANYWAY, per_row * len(synchrony.activity.minute))
    for width in SCREEN_WIDTHS:
        table = cells(synchrony.activity, width)
        crowd = np.bincount(table.cell[np.isin(table.account, active)], minlength=table.many)
        cost = crowd.astype(np.float64) ** 2
        if cost.sum() <= budget:
            break
    order = np.argsort(crowd, kind="stable")
    kept = np.zeros(table.many, dtype=np.int64)
    kept[order[np.cumsum(cost[order]) <= budget]] = 1
    return table, kept


def _chances(table: Cells, kept: Ints, crowd: Floats, synchrony: Synchrony) -> tuple[Ints, Floats]:
    """Each account's kind of habit, and the chance that single presences of two kinds fall into the same cell.

    A kind's presences are spread like everybody's, tilted by its habits of the day, the two hours and the ten minutes.
    """
    kind = np.zeros(synchrony.activity.size, dtype=np.int64)
    spread = (crowd * kept)[None, :]
    for level, (width, places) in list(zip(synchrony.levels, WIDTHS, strict=True))[: _LEVEL + 1]:
        place = np.arange(table.many) * table.width // width % places
        tilt = level.habits.kinds / level.counted
        spread = (spread[:, None, :] * tilt[None, :, place]).reshape(-1, table.many)
        kind = kind * len(tilt) + level.habits.score.argmax(axis=1)
    spread /= np.maximum(spread.sum(axis=1, keepdims=True), 1e-300)
    return kind, spread @ spread.T


def _screen(table: Cells, kept: Ints, active: Ints, synchrony: Synchrony) -> tuple[Ints, Ints, Floats]:
    """Pairs that share unusually many cells, and how unusual: the Chernoff exponent of a Poisson tail, in nats."""
    number = np.full(synchrony.activity.size, -1, dtype=np.int64)
    number[active] = np.arange(len(active))
    use = (kept[table.cell] > 0) & (number[table.account] >= 0)
    row, cell = number[table.account[use]], table.cell[use]
    shape = (len(active), table.many)
    presence = sp.csr_matrix((np.ones(len(row), dtype=np.int32), (row, cell)), shape=shape)
    often = np.bincount(row, minlength=len(active)).astype(np.float64)
    crowd = np.bincount(cell, minlength=table.many).astype(np.float64)
    kind, chance = _chances(table, kept, crowd, synchrony)
    kind = kind[active]
    found_a, found_b, found = [], [], []
    for begin in range(0, len(active), _BLOCK):
        # Only pairs a < b: the accounts before this block have been counted with it already.
        shared = sp.coo_matrix(presence[begin : begin + _BLOCK] @ presence[begin:].T)
        many = shared.data >= _FEWEST
        left, right, count = shared.row[many], shared.col[many], shared.data[many].astype(np.float64)
        expected = often[begin + left] * often[begin + right] * chance[kind[begin + left], kind[begin + right]]
        nats = np.where(count > expected, count * np.log(count / expected) - count + expected, 0.0)
        good = (left < right) & (nats >= _NATS)
        found_a.append(active[begin + left[good]])
        found_b.append(active[begin + right[good]])
        found.append(nats[good])
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return none, none, np.zeros(0)
    return np.concatenate(found_a), np.concatenate(found_b), np.concatenate(found)
