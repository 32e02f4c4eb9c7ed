"""How well campaigns are told apart: the adjusted Rand index, from counts.

Hubert & Arabie, Journal of Classification 2 (1985) 193–218, in the form of the four kinds of pairs (Steinley, 2004) as
scikit-learn's ``adjusted_rand_score`` computes it. Whole numbers of Python, since pairs of 10⁹ rows do not
fit 64 bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["adjusted_rand"]


def adjusted_rand(cells: Iterable[tuple[int, int, int]]) -> float | None:
    """The index of two partitions from their contingency table: (class of one, class of the other, rows).

    1 for the same partition, about 0 for unrelated ones, negative for worse than chance; null without rows. Cells may
    repeat. Where each side is one class the partitions are the same: 1.
    """
    table: Counter[tuple[int, int]] = Counter()
    one: Counter[int] = Counter()
    other: Counter[int] = Counter()
    for a, b, count in cells:
        rows = int(count)
        table[a, b] += rows
        one[a] += rows
        other[b] += rows
    rows = one.total()
    if not rows:
        return None
    # Ordered pairs of rows: together in both, in one alone, in the other alone, in neither.
    squares = sum(n * n for n in table.values())
    of_one, of_other = (sum(n * n for n in side.values()) for side in (one, other))
    both, only_one, only_other = squares - rows, of_one - squares, of_other - squares
    neither = rows * rows - squares - only_one - only_other
    if only_one == only_other == 0:
        return 1.0
    return 2 * (both * neither - only_one * only_other) / (
        (both + only_one) * (only_one + neither) + (both + only_other) * (only_other + neither))
