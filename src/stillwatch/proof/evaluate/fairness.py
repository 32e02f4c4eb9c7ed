"""Benign accounts of the population by what is known of them, and which of them were accused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.proof.evaluate.exchanges import UNKNOWN
from stillwatch.proof.evaluate.intervals import Rate, rate_ratio
from stillwatch.proof.evaluate.linkage import Accounts, Bools
from stillwatch.proof.evaluate.model import Population

__all__ = ["LIMIT", "OTHERS", "compare", "population"]

# method.md, "Fair to whom": a ratio above this whose interval excludes 1 fails.
LIMIT = 1.25
_QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")
_NO_TRAFFIC = "no traffic"
# Of an attribute with more values than this the rarest are one group: a column of free text must not fill the report.
_MOST = 1_000
OTHERS = "(other values)"


def population(accounts: Accounts, known: pa.Table | None, sent: pa.Table | None, positive: Bools,
               accused: Bools) -> Population | None:
    """Everybody, benign or not: accounts of the accounts table, of the logs, of the truth, and the accused.

    ``known`` is ``Truth.accounts``, ``sent`` has ``account_id, exchanges`` from the logs. Null where neither is there.
    """
    if known is None and sent is None:
        return None
    everybody = positive | accused
    for table in (known, sent):
        if table is not None:
            everybody |= accounts.mask(table["account_id"])
    # Exchanges of no account are no account's, unless somebody says that one is called so.
    place = pc.index(accounts.ids, UNKNOWN).as_py()
    if place >= 0 and not (positive | accused)[place]:
        everybody[place] = False
    benign = everybody & ~positive
    wronged = benign & accused
    groups: dict[str, dict[str | None, Rate]] = {}
    for name in ("kind", "language", "country", "vpn"):
        if known is not None and name in known.column_names:
            groups[name] = _by(_spread(accounts, known, name), benign, wronged)
    active: Rate | None = None
    edges: tuple[float, ...] = ()
    if sent is not None:
        volume = np.zeros(len(accounts), dtype=np.int64)
        volume[accounts.places(sent["account_id"])] = sent["exchanges"].to_numpy()
        active = Rate(int((wronged & (volume > 0)).sum()), int((benign & (volume > 0)).sum()))
        groups["size"], edges = _by_size(volume, benign, wronged)
    return Population(int(everybody.sum()), Rate(int(wronged.sum()), int(benign.sum())), active, groups, edges)


def _spread(accounts: Accounts, known: pa.Table, name: str) -> pa.Array:
    """A column of the accounts table for every account, null where it is not known."""
    places = pc.index_in(accounts.ids, value_set=known["account_id"].combine_chunks())
    return known[name].combine_chunks().take(places)


def _by(values: pa.Array, benign: Bools, wronged: Bools) -> dict[str | None, Rate]:
    chosen = pa.table({"value": values, "hit": pa.array(wronged.astype(np.int64))}).filter(pa.array(benign))
    counted = chosen.group_by("value", use_threads=False).aggregate([("hit", "sum"), ("hit", "count")])
    rows = {row["value"]: Rate(row["hit_sum"], row["hit_count"]) for row in counted.to_pylist()}
    by_size = sorted(rows, key=lambda value: (value is not None, -rows[value].of, value or ""))
    for value in by_size[_MOST:]:
        rows[OTHERS] = rows.get(OTHERS, Rate(0, 0)) + rows.pop(value)
    return dict(sorted(rows.items(), key=lambda item: (item[0] is None, item[0] or "")))


def _by_size(volume: npt.NDArray[np.int64], benign: Bools,
             wronged: Bools) -> tuple[dict[str | None, Rate], tuple[float, ...]]:
    """Quarters by exchanges in the logs, cut at the quartiles of benign accounts that sent any."""
    active = benign & (volume > 0)
    made: dict[str | None, Rate] = {}
    edges: tuple[float, ...] = ()
    if active.any():
        edges = tuple(float(edge) for edge in np.quantile(volume[active], [0.25, 0.5, 0.75]))
        # An account at an edge belongs below it.
        quarter = np.searchsorted(np.array(edges), volume, side="left")
        for number, name in enumerate(_QUARTERS):
            inside = active & (quarter == number)
            made[name] = Rate(int((wronged & inside).sum()), int(inside.sum()))
    silent = benign & (volume == 0)
    if silent.any():
        made[_NO_TRAFFIC] = Rate(int((wronged & silent).sum()), int(silent.sum()))
    return made, edges


def compare(groups: Mapping[str | None, Rate]) -> list[dict[str, Any]]:
    """Each group's rate against that of all others of which the attribute is known, and what follows.

    ``fails``: the ratio is over 1.25 and its interval lies above 1. ``holds``: the interval lies at or below 1.25.
    ``cannot tell``: neither; there are too few accounts, or too few accused, to exclude a ratio over 1.25.
    """
    whole = sum((rate for value, rate in groups.items() if value is not None), Rate(0, 0))
    made = []
    for value, rate in groups.items():
        told = {"value": value, "accounts": rate.of, "accused": rate.hits, **rate.figures("rate")}
        if value is None:
            made.append(told | {"ratio": None, "ratio_infinite": False, "ratio_interval": None, "result": "not known"})
            continue
        ratio = rate_ratio(rate, Rate(whole.hits - rate.hits, whole.of - rate.of))
        if ratio is None:
            told |= {"ratio": None, "ratio_infinite": False, "ratio_interval": None, "result": "cannot tell"}
        elif ratio.value > LIMIT and ratio.low > 1.0:
            told |= ratio.figures() | {"result": "fails"}
        else:
            told |= ratio.figures() | {"result": "holds" if ratio.high <= LIMIT else "cannot tell"}
        made.append(told)
    return made
