"""What the families share: turning columns of a reduced table into rows of sightings."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.settings import DeploymentKey

__all__ = ["at_sign_up", "digests", "read_off"]


def read_off(table: pa.Table, column: str, kind: str, labels: pa.Array | None = None) -> pa.Table:
    """One row an account and value of ``column``, with times and counts added up.

    ``labels`` says, row by row of ``table``, what a reader may see of the value.
    """
    rows = table.select(["account_id", "first_seen", "last_seen", "count"])
    rows = rows.append_column("value", table[column])
    if labels is not None:
        rows = rows.append_column("label", labels)
    rows = rows.filter(pc.is_valid(rows["value"]))
    summed = rows.group_by(["account_id", "value"], use_threads=False).aggregate(
        [("first_seen", "min"), ("last_seen", "max"), ("count", "sum")]
        + ([("label", "first")] if labels is not None else [])
    )
    summed = summed.rename_columns([name.removesuffix("_min").removesuffix("_max").removesuffix("_sum")
                                    .removesuffix("_first") for name in summed.column_names])
    return summed.append_column("kind", pa.repeat(pa.scalar(kind), summed.num_rows))


def digests(words: pa.Array | pa.ChunkedArray, kind: str, key: DeploymentKey) -> pa.Array:
    """Keyed digests of distinct ``words``, apart for every ``kind``; null where null."""
    return pa.array([None if word is None else key.digest(kind, word) for word in words.to_pylist()], pa.string())


def at_sign_up(accounts: pa.Table, values: pa.ChunkedArray | pa.Array, kind: str,
               key: DeploymentKey | None, *, show: bool = False) -> pa.Table:
    """One row an account that has a value, dated by its sign-up; digested under ``key`` if one is given."""
    distinct = values.dictionary_encode()
    if isinstance(distinct, pa.ChunkedArray):
        distinct = distinct.combine_chunks()
    words = distinct.dictionary
    if key is not None:
        words = digests(words, kind, key)
    table = pa.table({
        "account_id": accounts["account_id"],
        "kind": pa.repeat(pa.scalar(kind), accounts.num_rows),
        "value": words.take(distinct.indices),
        "first_seen": accounts["created_at"],
        "last_seen": accounts["created_at"],
        "count": pa.repeat(pa.scalar(1, pa.int64()), accounts.num_rows),
        "label": values if show else pa.nulls(accounts.num_rows, pa.string()),
    })
    return table.filter(pc.is_valid(table["value"]))
