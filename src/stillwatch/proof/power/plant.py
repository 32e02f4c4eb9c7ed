"""A simulated campaign made to fit into the user's logs: their span, models, clients, columns and sign-up values.

Where a campaign would have what everybody has, it gets what everybody here has: a client library or a mail domain that
exists nowhere else in these logs would give it away, and recovery would be flattered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.proof.accounts import DOMAINS
from stillwatch.proof.draws import Ints, Key, choose, key_of, mix, sub, uniforms
from stillwatch.proof.power.grid import Point
from stillwatch.proof.power.population import Population
from stillwatch.proof.scenario import Scenario
from stillwatch.proof.simulate import simulate
from stillwatch.schema import ACCOUNTS, EXCHANGES, conform
from stillwatch.settings import DeploymentKey

__all__ = ["Planted", "ordinary_talk", "plant", "seed_of"]

_DAY_US = 86_400_000_000
_LONGEST = 1000
_TEXT = ("system_prompt", "prompt", "response")
_CLIENT = ("user_agent", "sdk", "ja4")
# As in the shipped demo: thirty exits for eighty-four accounts.
_EXITS_PER_ACCOUNT = 0.36
# What people give the same, each in their own way; disposable mail domains are the operator's and stay.
_ORDINARY = {"email_domain": frozenset(DOMAINS), "email_pattern": None, "referral": None}


@dataclass(frozen=True)
class Planted:
    """A campaign before it is planted: ``exchanges`` (schema ``EXCHANGES``), whether each is of its own work,
    its rows of the accounts table (schema ``ACCOUNTS``; none where the user gave none), and its members."""

    exchanges: pa.Table
    own: npt.NDArray[np.bool_]
    accounts: pa.Table | None
    members: frozenset[str]


def seed_of(seed: int, point: Point, repeat: int) -> int:
    """A seed of its own for every point and repeat."""
    told = json.dumps([seed, asdict(point) | {"keep": 1.0, "gap_days": 0}, repeat], sort_keys=True)
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:4], "big") >> 1


def plant(point: Point, repeat: int, here: Population, scratch: Path, *, seed: int, key: DeploymentKey) -> Planted:
    """Simulate the campaign of a point and fit it to the logs. Files go to ``scratch``, an existing folder.

    The campaign is the same whatever part of the logs is missing: what is missing is taken away afterwards.
    """
    own_seed = seed_of(seed, point, repeat)
    scenario = _scenario(point, here)
    simulate(scenario, scratch / "campaign", seed=own_seed, workers=0)
    folder = scratch / "campaign"
    exchanges = pq.read_table(folder / "exchanges", schema=EXCHANGES.arrow)
    own = pc.is_in(exchanges["exchange_id"], value_set=pq.read_table(
        folder / "truth" / "exchanges.parquet", columns=["exchange_id"])["exchange_id"])
    at = pc.cast(exchanges["ts"], pa.int64())
    within = pc.and_(pc.greater_equal(at, here.first_us), pc.less_equal(at, here.last_us))
    exchanges, own = exchanges.filter(within), own.filter(within)
    accounts = pq.read_table(folder / "accounts.parquet", schema=ACCOUNTS.arrow)
    draw = key_of(own_seed, "fit")
    simulated = sorted(accounts["account_id"].to_pylist())
    names = dict(zip(simulated, _new_names(len(simulated), here, own_seed, key), strict=True))
    number = pc.index_in(exchanges["account_id"], value_set=pa.array(simulated)).to_numpy().astype(np.int64)
    exchanges = _fitted(exchanges, number, here, draw)
    renamed = pa.array([names[name] for name in simulated], pa.string())
    exchanges = _replaced(exchanges, "account_id", renamed.take(pa.array(number)))
    members = frozenset(exchanges["account_id"].filter(own).to_pylist())
    table = None
    if here.listed is not None:
        table = _fitted_accounts(accounts.sort_by("account_id"), here, draw)
        table = _replaced(table, "account_id", renamed.filter(_chosen(draw, "listed", len(simulated), here.listed)))
    return Planted(conform(exchanges, EXCHANGES), own.to_numpy(), table, members)


def _scenario(point: Point, here: Population) -> Scenario:
    first = max(here.first_us // _DAY_US, here.last_us // _DAY_US - _LONGEST + 1)
    campaign = {
        "actor": "campaign", "name": "Planted", "accounts": point.accounts,
        "exchanges": point.accounts * point.exchanges,
        "capabilities": {"reasoning_trace": 5, "reward_grading": 2, "agentic_tool_use": 2},
        "proxies": {"kind": "hosting", "exits": max(2, round(_EXITS_PER_ACCOUNT * point.accounts)), "prefixes": 5,
                    "own": 0.25},
        "app_share": sum(weight for name, weight in here.channels if name == "app")
        / max(1.0, sum(weight for _, weight in here.channels)),
        "evasion": dict(point.evasion),
    }
    # Names come from strangers and may be anything: numbers stand for them until the rows are there.
    models = [{"name": f"model-{number}", "weight": weight, "reasoning": name in here.reasoning}
              for number, (name, weight) in enumerate(here.models)]
    return Scenario.model_validate({
        "name": "planted", "summary": "one campaign", "start": datetime.fromtimestamp(first * 86_400, UTC).date(),
        "days": int(here.last_us // _DAY_US - first + 1), "prompts": "B", "models": models or [{"name": "model-0"}],
        "actors": [campaign]})


def _new_names(count: int, here: Population, own_seed: int, key: DeploymentKey) -> list[str]:
    """Names that no account of the logs or of the accounts table has."""
    names: list[str] = []
    number = 0
    while len(names) < count:
        name = key.digest("planted account", f"{own_seed}:{number}")
        number += 1
        if name not in here.accounts:
            names.append(name)
    return names


def _replaced(table: pa.Table, column: str, values: Any) -> pa.Table:
    field = table.schema.field(column)
    return table.set_column(table.schema.get_field_index(column), field, values.cast(field.type))


def _without(table: pa.Table, column: str, gone: Any) -> pa.Table:
    """The table with nulls in ``column`` where ``gone``."""
    kind = table.schema.field(column).type
    return _replaced(table, column, pc.if_else(pa.array(gone), pa.scalar(None, kind), table[column]))


def _chosen(key: Key, purpose: str, count: int, share: float) -> pa.Array:
    return pa.array(uniforms(sub(key, purpose), np.arange(count)) < share) if count else pa.array([], pa.bool_())


def _fitted(exchanges: pa.Table, account: Ints, here: Population, key: Key) -> pa.Table:
    """Names of models, channels, regions and clients of these logs; nulls where the logs have none."""
    places = pc.index_in(exchanges["model"], value_set=pa.array([f"model-{n}" for n in range(len(here.models))]))
    names = pa.array([name for name, _ in here.models], pa.string())
    exchanges = _replaced(exchanges, "model", names.take(places.combine_chunks()))
    for column, known in (("channel", here.channels), ("region", here.regions)):
        # Which way the application's accounts come is the simulator's to say.
        others = [(name, weight) for name, weight in known if name != "app"] or list(known)
        if others:
            drawn = choose([weight for _, weight in others], sub(key, column), account)
            values = pa.array([name for name, _ in others], pa.string()).take(pa.array(drawn))
            through = pc.fill_null(pc.equal(exchanges[column], "app"), False)
            exchanges = _replaced(exchanges, column, pc.if_else(through, exchanges[column], values))
    exchanges = _clients(exchanges, here, key)
    for column in EXCHANGES.names:
        if column not in here.present and column not in ("exchange_id", "ts", "account_id"):
            exchanges = _replaced(exchanges, column, pa.nulls(exchanges.num_rows, exchanges.schema.field(column).type))
    for column, share in here.kept.items():
        if share < 1.0:
            gone = uniforms(sub(key, f"not kept {column}"), account) >= share
            for name in _TEXT if column == "text_digest" else (column,):
                exchanges = _without(exchanges, name, gone)
    return exchanges


def _clients(exchanges: pa.Table, here: Population, key: Key) -> pa.Table:
    """For each client set-up of the campaign one of these logs, each as likely as accounts have it."""
    ours = pa.table({name: exchanges[name] for name in _CLIENT}).group_by(list(_CLIENT), use_threads=False).aggregate(
        [])
    ours = ours.sort_by([(name, "ascending") for name in _CLIENT])
    if not here.clients.num_rows or not ours.num_rows:
        return exchanges
    order = _drawn(here.clients["accounts"].to_numpy().astype(np.float64), ours.num_rows, sub(key, "clients"))
    theirs = here.clients.select(list(_CLIENT)).take(pa.array(order))
    code = {tuple(row.values()): number for number, row in enumerate(ours.to_pylist())}
    rows = np.array([code[tuple(row.values())] for row in exchanges.select(list(_CLIENT)).to_pylist()], dtype=np.int64)
    for name in _CLIENT:
        exchanges = _replaced(exchanges, name, theirs[name].take(pa.array(rows)))
    return exchanges


def _drawn(weights: npt.NDArray[np.float64], count: int, key: Key) -> Ints:
    """``count`` of the weighted things without repetition, over again where there are not so many.

    By exponential keys (Efraimidis & Spirakis 2006).
    """
    order = np.argsort(-np.log(uniforms(key, np.arange(len(weights)))) / weights, kind="stable")
    return np.resize(order, count).astype(np.int64)


def _fitted_accounts(accounts: pa.Table, here: Population, key: Key) -> pa.Table:
    """Rows as the user's table would have them: their share, their values, their gaps."""
    for column, ordinary in _ORDINARY.items():
        known = here.traits.get(column, ())
        values = accounts[column].to_pylist()
        distinct = sorted({v for v in values if v is not None and (ordinary is None or v in ordinary)})
        new: Sequence[str | None] = [None] * len(distinct)
        if known:
            order = _drawn(np.array([weight for _, weight in known]), len(distinct), sub(key, column))
            new = [known[at][0] for at in order]
        to = dict(zip(distinct, new, strict=True))
        accounts = _replaced(accounts, column, pa.array([to.get(v, v) for v in values], pa.string()))
    for column in ACCOUNTS.names:
        filled = 1.0 - accounts[column].null_count / max(1, accounts.num_rows)
        if column != "account_id" and here.filled[column] < filled:
            gone = uniforms(sub(key, f"gap in {column}"), np.arange(accounts.num_rows)) >= here.filled[column] / filled
            accounts = _without(accounts, column, gone)
    return accounts.filter(_chosen(key, "listed", accounts.num_rows, here.listed or 0.0))


def ordinary_talk(rows: pa.Table, donors: pa.Table, key: Key) -> pa.Table:
    """Staged exchanges with what ordinary exchanges of these logs hold, their senders and times left as they are.

    Each is like a donor's: its text has the same place among the texts, but its digest is its own, for nobody sends
    what somebody else wrote once.
    """
    kept = {"exchange_id", "ts", "ts_us", "account_id", "api_key_id", "end_user_id", "channel", "region", "ip",
            "user_agent", "sdk", "ja4", "conversation_id", "source_file", "source_row", "id_digest", "content_digest"}
    number = rows["id_digest"].to_numpy()
    chosen = pa.array((mix(sub(key, "donor"), number) % np.uint64(max(1, donors.num_rows))).astype(np.int64))
    given = donors.take(chosen)
    for column in rows.column_names:
        if column not in kept:
            rows = _replaced(rows, column, given[column])
    own = pa.array(mix(sub(key, "own text"), number).view(np.int64))
    return _replaced(rows, "prompt_digest", pc.if_else(pc.is_valid(rows["prompt_digest"]), own,
                                                       pa.scalar(None, pa.int64())))
