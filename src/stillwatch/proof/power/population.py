"""What the user's own traffic is like, as far as a planted campaign has to fit into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engine import Engine, Relation
from stillwatch.errors import InputError
from stillwatch.observe.blocks import UNKNOWN_ACCOUNT
from stillwatch.pipeline import Logs
from stillwatch.proof.draws import Key, mix
from stillwatch.schema import ACCOUNTS

__all__ = ["OFTEN_KEPT", "Population", "population"]

OFTEN_KEPT = ("ip", "user_agent", "ja4", "text_digest")
"""Columns that every real request has: where an account's is null, it was not written down."""
_MODELS = 20
_DONORS = 20_000
_CLIENT = ("user_agent", "sdk", "ja4")


@dataclass(frozen=True)
class Population:
    """Facts about the logs; none of them says who anybody is.

    ``models``, ``channels`` and ``regions`` are names with weights, ``reasoning`` the models that report reasoning
    tokens; ``kept`` the share of accounts a column is ever there for; ``clients`` distinct ``_CLIENT`` with the number
    of accounts; ``donors`` staged exchanges of one-off texts, which stand for ordinary talk; ``traits`` the accounts
    table's values with weights a column, ``filled`` its share of non-null values a column, and ``listed`` the share
    of the logs' accounts that it lists (null where there is no table).
    """

    first_us: int
    last_us: int
    models: tuple[tuple[str, float], ...]
    reasoning: frozenset[str]
    channels: tuple[tuple[str, float], ...]
    regions: tuple[tuple[str, float], ...]
    present: frozenset[str]
    kept: Mapping[str, float]
    clients: pa.Table
    donors: pa.Table
    accounts: frozenset[str]
    exchanges: int
    listed: float | None
    filled: Mapping[str, float]
    traits: Mapping[str, tuple[tuple[str, float], ...]]

    @property
    def days(self) -> float:
        """Length of the logs."""
        return (self.last_us - self.first_us) / 86_400_000_000


def population(engine: Engine, logs: Logs, staged: Relation, text_table: pa.Table, key: Key) -> Population:
    """Read the facts off staged exchanges; ``key`` decides which donors are kept, should there be many.

    Raises ``InputError`` for logs in which nothing could be planted: without a record that names an account.
    """
    named = staged.filter(staged.account_id != UNKNOWN_ACCOUNT)
    span = engine.arrow(named.agg(first=named.ts_us.min(), last=named.ts_us.max(), count=named.count())).to_pylist()[0]
    if not span["count"]:
        raise InputError("no exchange of these logs names an account, so no account could ever be found",
                         remedy="give logs with account ids or credentials; see stillwatch scan on these logs")
    asked = staged.filter(staged.model.notnull())
    models = engine.arrow(asked.group_by("model").agg(count=asked.count(), reasons=asked.reasoning_tokens.max()))
    ranked = sorted(models.to_pylist(), key=lambda row: (-row["count"], row["model"]))[:_MODELS]
    kept = engine.arrow(named.group_by("account_id").agg(
        **{name: named[name].notnull().cast("int64").max() for name in OFTEN_KEPT}))
    clients = engine.arrow(named.group_by(*_CLIENT).agg(accounts=named.account_id.nunique()))
    clients = clients.sort_by([("accounts", "descending"), *((name, "ascending") for name in _CLIENT)])
    ids = frozenset(kept["account_id"].to_pylist())
    accounts = logs.accounts
    return Population(
        first_us=span["first"], last_us=span["last"],
        models=tuple((row["model"], float(row["count"])) for row in ranked),
        reasoning=frozenset(row["model"] for row in ranked if row["reasons"]),
        channels=_weighted(engine, staged, "channel"), regions=_weighted(engine, staged, "region"),
        present=logs.ingested.present,
        kept={name: float(pc.mean(kept[name]).as_py()) for name in OFTEN_KEPT},
        clients=clients, donors=_donors(engine, staged, text_table, key),
        accounts=ids if accounts is None else ids | frozenset(accounts["account_id"].to_pylist()),
        exchanges=logs.ingested.counts.kept,
        listed=None if accounts is None else len(ids & set(accounts["account_id"].to_pylist())) / len(ids),
        filled={} if accounts is None else {
            name: 1.0 - accounts[name].null_count / max(1, accounts.num_rows) for name in ACCOUNTS.names},
        traits={} if accounts is None else {name: _values(accounts[name])
                                            for name in ("email_domain", "email_pattern", "referral")},
    )


def _weighted(engine: Engine, staged: Relation, column: str) -> tuple[tuple[str, float], ...]:
    known = staged.filter(staged[column].notnull())
    counted = engine.arrow(known.group_by(column).agg(count=known.count()))
    return tuple(sorted((str(row[column]), float(row["count"])) for row in counted.to_pylist()))


def _values(column: pa.ChunkedArray) -> tuple[tuple[str, float], ...]:
    return tuple(sorted((str(row["values"]), float(row["counts"]))
                        for row in pc.value_counts(column.drop_null()).to_pylist()))


def _donors(engine: Engine, staged: Relation, text_table: pa.Table, key: Key) -> pa.Table:
    """Exchanges whose text belongs to no family, by keyed hash; where all texts do, or there are none, any."""
    rows = staged
    alone = text_table.filter(pc.and_(pc.is_null(text_table["template_id"]), pc.is_null(text_table["system_id"])))
    if alone.num_rows:
        rows = staged.semi_join(engine.table(alone.select(["text_digest"])), "text_digest")
    found = engine.arrow(rows.select("id_digest", "source_file", "source_row"))
    rank = mix(key, found["id_digest"].to_numpy())
    order = np.lexsort((found["source_row"].to_numpy(), found["source_file"].to_numpy(), rank))[:_DONORS]
    chosen = engine.table(found.take(pa.array(order)).select(["source_file", "source_row"]))
    donors = engine.arrow(staged.semi_join(chosen, ["source_file", "source_row"]))
    rank = mix(key, donors["id_digest"].to_numpy())
    return donors.take(pa.array(np.lexsort((donors["source_row"].to_numpy(), donors["source_file"].to_numpy(), rank))))
