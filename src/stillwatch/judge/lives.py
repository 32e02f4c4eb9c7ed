"""What became of each campaign over time: phases, moves to new models, pools that took over; as tables and in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from stillwatch.engine import Engine, Relation
from stillwatch.judge.history import HOUR_US, History, histories, population
from stillwatch.judge.moves import Launch, Move, launches_of, moves_of
from stillwatch.judge.phases import Phase, phases_of
from stillwatch.judge.pools import Handover, handovers, pool_of
from stillwatch.schema import MOVES, PHASES, POOLS, TIMESTAMP, Table, conform

__all__ = ["Follows", "Life", "Lives", "life_tables", "lives"]


@dataclass(frozen=True)
class Life:
    """A campaign's history, and what is read from it."""

    history: History
    phases: list[Phase]
    moves: list[Move]
    hands: list[Handover]


@dataclass(frozen=True)
class Lives:
    """The life of every campaign that has attributed exchanges; the launches looked at; the models' names, in the order
    of the moves' shares."""

    of: Mapping[str, Life]
    launches: list[Launch]
    models: tuple[str, ...]


@dataclass(frozen=True)
class Follows:
    """Another campaign whose stopping one followed, ``gap_hours`` later, and the false-discovery rate of that."""

    campaign: str
    gap_hours: float
    q: float


def lives(engine: Engine, own: Relation, staged: Relation, launches: pa.Table | None) -> Lives:
    """Read every campaign's life.

    ``own`` are attributed exchanges (see ``link.streams.attributed``), ``staged`` all exchanges; ``launches`` (schema
    ``LAUNCHES``) are inferred where they are not given.
    """
    everybody = population(engine, staged)
    if everybody is None:
        return Lives({}, [], ())
    known = launches_of(launches, engine, staged)
    found = {}
    for name, it in histories(engine, own, everybody).items():
        moves, hands = moves_of(it, everybody, known), handovers(it, everybody)
        found[name] = Life(it, phases_of(it, everybody, moves, hands), moves, hands)
    return Lives(found, known, everybody.models)


def life_tables(engine: Engine, own: Relation, told: Lives,
                follows: Mapping[str, Follows]) -> dict[str, tuple[Table, pa.Table]]:
    """The tables ``phases``, ``moves`` and ``pools`` by file name."""
    return {"phases": (PHASES, _made(PHASES, _phase_rows(engine, own, told))),
            "moves": (MOVES, _made(MOVES, _move_rows(told))),
            "pools": (POOLS, _made(POOLS, _pool_rows(told, follows)))}


def _made(table: Table, rows: Iterable[dict[str, Any]]) -> pa.Table:
    # Times are whole microseconds here; the declared type follows.
    shape = table.arrow
    for place, column in enumerate(table.columns):
        if column.type == TIMESTAMP:
            shape = shape.set(place, pa.field(column.name, pa.int64()))
    return conform(pa.Table.from_pylist(list(rows), schema=shape), table)


def _phase_rows(engine: Engine, own: Relation, told: Lives) -> Iterable[dict[str, Any]]:
    spans = [(name, number, phase.started_us, phase.ended_us + (number == len(life.phases)))
             for name, life in told.of.items() for number, phase in enumerate(life.phases, 1)]
    within = engine.table(pa.table({
        "span_of": pa.array([span[0] for span in spans], pa.string()),
        **{column: pa.array([span[place] for span in spans], pa.int64())
           for place, column in ((1, "number"), (2, "from_us"), (3, "to_us"))}}))
    rows = own.inner_join(within, [own.group_id == within.span_of, own.ts_us >= within.from_us,
                                   own.ts_us < within.to_us])
    sizes = {(row["group_id"], row["number"]): row for row in engine.arrow(rows.group_by("group_id", "number").agg(
        exchanges=rows.count(), accounts=rows.account_id.nunique())).to_pylist()}
    mix: dict[tuple[str, int], dict[str, int]] = {}
    known = rows.filter(rows.capability.notnull())
    for row in engine.arrow(known.group_by("group_id", "number", "capability").agg(count=known.count())).to_pylist():
        mix.setdefault((row["group_id"], row["number"]), {})[row["capability"]] = row["count"]
    for name, life in told.of.items():
        before: tuple[float, float] | None = None
        for number, phase in enumerate(life.phases, 1):
            size = sizes.get((name, number), {"exchanges": 0, "accounts": 0})
            # Of a phase that lies in a gap of the logs no rate is known.
            rate = size["exchanges"] / phase.days if phase.days > 0 else None
            yield {"campaign_id": name, "number": number, "phase": phase.phase, "started_at": phase.started_us,
                   "ended_at": phase.ended_us, "changed": list(phase.changed), "exchanges": size["exchanges"],
                   "accounts": size["accounts"], "rate": rate, "rate_before": before[0] if before else None,
                   "population_ratio": phase.others / before[1] if before and before[1] > 0 else None,
                   "capabilities": _shares(mix.get((name, number), {}))}
            before = (rate, phase.others) if rate is not None else None


def _shares(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    total = sum(counts.values())
    return [{"capability": what, "share": count / total}
            for what, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _move_rows(told: Lives) -> Iterable[dict[str, Any]]:
    for name, life in told.of.items():
        for move in life.moves:
            for place, model in enumerate(told.models):
                new = model == move.launch.model
                shares = [float(side[place]) for side in (move.before, move.after)]
                if model and (new or max(shares) > 0):
                    yield {"campaign_id": name, "launch": move.launch.model, "launched_at": move.launch.at_us,
                           "inferred": move.launch.inferred, "model": model, "share_before": shares[0],
                           "share_after": shares[1], "population_before": float(move.population_before[place]),
                           "population_after": float(move.population_after[place]),
                           "hours": move.hours if new else None}


def _pool_rows(told: Lives, follows: Mapping[str, Follows]) -> Iterable[dict[str, Any]]:
    for name, life in told.of.items():
        it = life.history
        pool = pool_of(it, life.hands)
        for number in range(len(life.hands) + 1):
            members = np.flatnonzero(pool == number)
            if not len(members):
                continue
            after = follows.get(name) if number == 0 else None
            hand = life.hands[number - 1] if number else None
            yield {"campaign_id": name, "pool": number + 1, "accounts": len(members),
                   "exchanges": int(it.sent[members].sum()), "started_at": int(it.first[members].min()),
                   "stopped_at": int(it.last[members].max()),
                   "took_over_from": name if hand else after.campaign if after else None,
                   "gap_hours": (hand.started_us - hand.stopped_us) / HOUR_US if hand
                   else after.gap_hours if after else None,
                   "p_value": min(1.0, hand.p_value) if hand else after.q if after else None}
