"""What is counted over exchanges, by the engine: tables of tens of millions of rows, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engine import Engine, Relation, engine_errors
from stillwatch.errors import InputError
from stillwatch.proof.evaluate.intervals import Rate
from stillwatch.proof.evaluate.model import Gone
from stillwatch.proof.evaluate.reading import Rows
from stillwatch.schema import TIMESTAMP

__all__ = ["UNKNOWN", "Contingency", "columns_of", "contingency", "gone", "timed", "volumes"]

Ints = npt.NDArray[np.int64]
# The contract's name for exchanges of no account: kept and counted, never an account.
UNKNOWN = "unknown"
_MOMENT = "timestamp('UTC', 6)"


@dataclass(frozen=True)
class Contingency:
    """Exchanges by labelled group and candidate: ``n[i]`` rows of group ``group[i]`` that candidate
    ``candidate[i]`` holds; −1 is none."""

    group: Ints
    candidate: Ints
    n: Ints


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn an engine's complaint about a file into ours; its own text may quote values."""
    try:
        yield
    except engine_errors() as error:
        raise InputError(f"{what} cannot be read: {type(error).__name__}",
                         remedy="check that columns are of the kinds that docs/reference/tables.md gives, that files of"
                         " one folder have the same columns, and that memory (--memory) and disk suffice") from error


def columns_of(rows: Rows) -> set[str]:
    """Names of the columns that all files, or the table, have."""
    if isinstance(rows, pa.Table):
        return set(rows.column_names)
    return set.intersection(*(set(pq.read_schema(path).names) for path in rows))


def _relation(engine: Engine, rows: Rows, names: Sequence[str]) -> Relation:
    found = engine.table(rows.select(list(names))) if isinstance(rows, pa.Table) else engine.parquet(rows)
    return found.select(**{name: found[name].cast(_MOMENT if name == "ts" else "string") for name in names})


def _coded(engine: Engine, rows: Rows, column: str, names: Sequence[str], what: str) -> Relation:
    """``exchange_id`` (each once) and ``code``, the place of its campaign among ``names``; checked."""
    with _reading(what):
        found = _relation(engine, rows, ["exchange_id", column])
        places = engine.table(pa.table({"name": pa.array(names, pa.string()),
                                        "place": pa.array(range(len(names)), pa.int64())}))
        coded = found.left_join(places, found[column] == places.name).select("exchange_id", "place")
        once = engine.keep(coded.group_by("exchange_id").agg(
            code=coded.place.min(), last=coded.place.max(), strange=coded.place.isnull().cast("int64").max()))
        bad = engine.arrow(once.agg(nameless=once.exchange_id.isnull().cast("int64").sum(),
                                    strange=once.strange.sum(),
                                    torn=(once.code != once.last).cast("int64").sum())).to_pylist()[0]
    if bad["nameless"]:
        raise InputError(f"{what}: rows without an exchange_id", remedy="every row must name its exchange")
    if bad["strange"]:
        raise InputError(f"{what} names {bad['strange']:,} exchanges of campaigns that are not in the table of"
                         " campaigns beside it", remedy="keep tables of one run together")
    if bad["torn"]:
        raise InputError(f"{what}: {bad['torn']:,} exchanges are in two campaigns", remedy="one exchange is in at most"
                         " one campaign: correct the file")
    return once.select("exchange_id", "code")


def contingency(engine: Engine, truth: Rows, groups: Sequence[str], attributed: Rows,
                candidates: Sequence[str]) -> Contingency:
    """Cross-tabulate true against attributed exchanges.

    Raises ``InputError`` where an exchange has no id, is in two campaigns, or in one that is not listed.
    """
    true = _coded(engine, truth, "campaign", groups, "exchanges.parquet of the truth")
    said = _coded(engine, attributed, "campaign_id", candidates, "exchanges.parquet of the findings")
    with _reading("the exchanges"):
        both = true.select("exchange_id", group=true.code).outer_join(
            said.select("exchange_id", candidate=said.code), "exchange_id")
        counted = engine.arrow(both.group_by("group", "candidate").agg(n=both.count()))
    group, candidate, n = (np.asarray(counted[name].fill_null(-1).to_numpy(), dtype=np.int64)
                           for name in ("group", "candidate", "n"))
    return Contingency(group, candidate, n)


def volumes(engine: Engine, logs: Rows) -> pa.Table:
    """``account_id, exchanges``: rows a named account of the logs."""
    with _reading("the logs"):
        rows = _relation(engine, logs, ["account_id"])
        named = rows.filter(rows.account_id.notnull() & (rows.account_id != UNKNOWN))
        return engine.arrow(named.group_by("account_id").agg(exchanges=named.count()))


def timed(truth: Rows, logs: Rows | None) -> bool:
    """Whether the times and accounts of the true exchanges can be known: from the truth itself, or from the logs."""
    return {"ts", "account_id"} <= columns_of(truth) or (
        logs is not None and {"exchange_id", "ts", "account_id"} <= columns_of(logs))


def gone(engine: Engine, truth: Rows, logs: Rows | None, when: Mapping[str, datetime]) -> dict[str, Gone]:
    """What of each campaign was over at a time: its exchanges, its accounts (by their first exchange of the
    campaign's own), and its days from first to last exchange. An exchange at that very time is over.

    ``when`` has the time for each campaign that is asked for. Exchanges whose time is not known are left out; a
    campaign of which no time is known is not in the result. Needs ``timed``.
    """
    names = list(when)
    with _reading("the exchanges' times"):
        limits = engine.table(pa.table({
            "name": pa.array(names, pa.string()), "place": pa.array(range(len(names)), pa.int64()),
            "until": pa.array([when[name] for name in names], TIMESTAMP)}))
        rows = _times(engine, truth, logs, limits)
        one = rows.group_by("place", "account_id").agg(
            first=rows.ts.min(), last=rows.ts.max(), until=rows.until.min(), n=rows.count(),
            over=(rows.ts <= rows.until).cast("int64").sum())
        begun = (one["first"] <= one.until) & one.account_id.notnull()
        counted = engine.arrow(one.group_by("place").agg(
            first=one["first"].min(), last=one["last"].max(), n=one.n.sum(), over=one.over.sum(),
            accounts=one.account_id.count(), begun=begun.cast("int64").sum()))
    found = {}
    for row in counted.to_pylist():
        name = names[row["place"]]
        span, elapsed = ((end - row["first"]).total_seconds() for end in (row["last"], when[name]))
        found[name] = Gone(when[name], Rate(int(row["over"]), int(row["n"])),
                           Rate(int(row["begun"]), int(row["accounts"])), elapsed, span)
    return found


def _times(engine: Engine, truth: Rows, logs: Rows | None, limits: Relation) -> Relation:
    """``place, until, account_id, ts`` of each exchange of the campaigns in ``limits``, each once."""
    own = {"ts", "account_id"} <= columns_of(truth)
    rows = _relation(engine, truth, ["exchange_id", "campaign", *(("ts", "account_id") if own else ())])
    ours = rows.inner_join(limits, rows.campaign == limits.name)
    if not own and logs is not None:
        seen = _relation(engine, logs, ["exchange_id", "ts", "account_id"])
        ours = ours.select("exchange_id", "place", "until").inner_join(seen, "exchange_id")
    once = ours.group_by("exchange_id").agg(place=ours.place.min(), until=ours.until.min(), ts=ours.ts.min(),
                                            account_id=ours.account_id.nullif(UNKNOWN).min())
    return once.filter(once.ts.notnull())
