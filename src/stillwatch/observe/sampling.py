"""Sampling habits: the exact tuples of request parameters that an account keeps using (schema ``SAMPLING``).

A script carries its parameters through all the accounts that it is run with, whatever addresses, clients and
wordings these have. Popular defaults are popular; rarity sees to those.
"""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from stillwatch.engine import Engine, Relation
from stillwatch.observe.blocks import UNKNOWN_ACCOUNT
from stillwatch.schema import SAMPLING, conform, empty
from stillwatch.settings import DeploymentKey

__all__ = ["sampling"]

_PARAMETERS = ("temperature", "top_p", "n", "max_tokens", "logprobs", "reasoning_effort", "response_format", "stream",
               "tools")
_AT_LEAST = 3
"""Fewest exchanges that make a tuple a habit: twice may be a trial and its repeat."""
_SHARE = 0.1
"""Smallest share of an account's exchanges that makes a tuple a habit; so an account has at most ten."""
_LONGEST = 60


def sampling(engine: Engine, staged: Relation, key: DeploymentKey) -> pa.Table:
    """The habits of each account, of exchanges in ``staged`` (schema ``STAGED``).

    A tuple counts where it makes up ``_SHARE`` of the account's exchanges and at least ``_AT_LEAST`` of them. Empty
    where the logs hold no parameter at all. Work is one pass; what comes out of the engine is at most ten rows an
    account, whatever a client sends.
    """
    named = staged.filter(staged.account_id != UNKNOWN_ACCOUNT)
    tuples = named.group_by("account_id", *_PARAMETERS).agg(
        first_seen=named.ts.min(), last_seen=named.ts.max(), count=named.count())
    totals = named.group_by("account_id").agg(total=named.count())
    joined = tuples.inner_join(totals, "account_id")
    habitual = (joined["count"] >= _AT_LEAST) & (joined["count"] >= joined.total * _SHARE)
    rows = engine.arrow(joined.filter(habitual))
    if all(rows[name].null_count == rows.num_rows for name in _PARAMETERS):
        return empty(SAMPLING)
    values, labels = _described(rows, key)
    habits = rows.select(["account_id", "first_seen", "last_seen", "count"])
    habits = habits.append_column("habit", values).append_column("label", labels)
    # Tuples that read alike (-0.0 and 0.0, no tool and an empty list of them) are one habit.
    summed = habits.group_by(["account_id", "habit"], use_threads=False).aggregate(
        [("first_seen", "min"), ("last_seen", "max"), ("count", "sum"), ("label", "min")])
    names = [name.removesuffix("_min").removesuffix("_max").removesuffix("_sum") for name in summed.column_names]
    return conform(summed.rename_columns(names), SAMPLING)


def _described(rows: pa.Table, key: DeploymentKey) -> tuple[pa.Array, pa.Array]:
    """Digest and readable text of every row's tuple; each distinct tuple is written once."""
    known: dict[str, tuple[str, str]] = {}
    digests, labels = [], []
    for row in rows.select(list(_PARAMETERS)).to_pylist():
        tools = [tool for tool in row["tools"] or [] if tool is not None]
        parts = [(name, _written(row[name])) for name in _PARAMETERS if name != "tools" and row[name] is not None]
        # Lengths before what a client chose freely: no value can pass for two.
        written = ";".join(f"{name}={len(text)}:{text}" for name, text in parts)
        written += ";tools=" + ",".join(f"{len(tool)}:{tool}" for tool in tools)
        if written not in known:
            shown = [f"{name} {text[:_LONGEST]}" for name, text in parts]
            shown += [f"{len(tools):,} tools"] if tools else []
            known[written] = (key.digest("sampling", written), ", ".join(shown) or "no parameter sent")
        digest, label = known[written]
        digests.append(digest)
        labels.append(label)
    return pa.array(digests, pa.string()), pa.array(labels, pa.string())


def _written(value: Any) -> str:
    """A parameter as text, the same for the same number however it is stored."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "none"
        return f"{value + 0.0:.6g}"
    return str(value)
