"""What the baselines share: how they are asked, what they answer, and groups from edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Accusation", "Parameters", "culprits", "groups_of", "query", "read", "table"]

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Accusation:
    """Whom a baseline accuses; a baseline that judges each account alone has no groups. Both are sorted."""

    accounts: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of_groups(cls, groups: Sequence[Sequence[str]]) -> Accusation:
        """Everybody in any of the groups."""
        ordered = tuple(sorted(tuple(sorted(group)) for group in groups))
        return cls(tuple(sorted({account for group in ordered for account in group})), ordered)


def read(traffic: Path) -> str:
    """The exchanges of a simulated folder, as a table expression of DuckDB."""
    return table(Path(traffic) / "exchanges" / "*.parquet")


def table(path: Path) -> str:
    """A Parquet file, or a pattern of some, as a table expression of DuckDB."""
    quoted = str(path).replace("'", "''")
    return f"read_parquet('{quoted}')"


def query(sql: str, **given: pa.Table) -> pa.Table:
    """Run a query in an engine of its own: one thread, so that an order by is the only order there is."""
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.execute("set enable_progress_bar = false")
        for name, rows in given.items():
            engine.register(name, rows)
        return engine.sql(sql).to_arrow_table()


def culprits(traffic: Path) -> set[str]:
    """Accounts of the campaigns, by the labels: for tuning, scoring and whatever says that it uses them."""
    truth = Path(traffic) / "truth"
    found = query(f"""select distinct account_id from {table(truth / 'members.parquet')}
                      join {table(truth / 'campaigns.parquet')} using (campaign) where label = 'distillation'""")
    return set(found["account_id"].to_pylist())


def groups_of(names: Sequence[str], left: npt.NDArray[Any], right: npt.NDArray[Any], at_least: int) -> list[list[str]]:
    """Connected components of at least so many accounts.

    ``left`` and ``right`` are ends of edges: positions in ``names``, and from ``len(names)`` on positions of things
    that only connect (addresses) and count towards no size.
    """
    if len(left) == 0 or len(names) == 0:
        return []
    nodes = int(max(len(names) - 1, left.max(), right.max())) + 1
    _, label = connected_components(coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes)),
                                    directed=False)
    own = label[:len(names)]
    sizes = np.bincount(own)
    found: dict[int, list[str]] = {}
    for position in np.flatnonzero(sizes[own] >= max(at_least, 2)):
        found.setdefault(int(own[position]), []).append(names[position])
    return list(found.values())
