"""Outcomes of scans as the table and the summary that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from stillwatch.proof.power.crew import Task
from stillwatch.proof.power.grid import AXES, Plan, Point
from stillwatch.proof.power.statistics import CONFIDENCE, LEVEL, clopper_pearson, limit
from stillwatch.proof.power.trial import Outcome
from stillwatch.schema import POWER, conform

__all__ = ["axes", "table"]


@dataclass(frozen=True)
class _Row:
    axis: str
    value: float
    repeat: int
    point: Point
    outcome: Outcome
    newly: frozenset[str] | None


def _rows(plan: Plan, outcomes: Mapping[Task, Outcome]) -> list[_Row]:
    found = []
    for axis, values in plan.axes.items():
        for value in values:
            point = plan.point(axis, value)
            before = outcomes.get((replace(Point(0, 0), keep=point.keep, gap_days=point.gap_days), 0))
            for repeat in range(plan.repeats):
                outcome = outcomes.get((point, repeat))
                if outcome is not None:
                    newly = None if before is None else frozenset(outcome.accused) - frozenset(before.accused)
                    found.append(_Row(axis, value, repeat, point, outcome, newly))
    return found


def table(plan: Plan, outcomes: Mapping[Task, Outcome], notice: str) -> pa.Table:
    """The table `power.power`, with the notice among its metadata."""
    rows = []
    for row in _rows(plan, outcomes):
        point, it = row.point, row.outcome
        rows.append({
            "axis": row.axis, "value": row.value, "repeat": row.repeat,
            "accounts": point.accounts, "exchanges_per_account": point.exchanges,
            "evasion": [{"knob": name, "care": care} for name, care in point.evasion],
            "keep": point.keep, "gap_days": point.gap_days,
            "planted": it.planted, "seen": it.seen, "planted_exchanges": it.exchanges, "recovered": it.recovered,
            "recall": it.recovered / it.planted if it.planted else None,
            "detected": it.detected, "linked": it.linked, "verdict": it.verdict, "probability": it.probability,
            "q_value": it.q_value, "decoys": it.decoys, "newly_accused": None if row.newly is None else len(row.newly),
        })
    made = conform(pa.Table.from_pylist(rows, schema=POWER.arrow), POWER)
    return made.sort_by([(name, "ascending") for name in POWER.key]).replace_schema_metadata({"notice": notice})


def axes(plan: Plan, outcomes: Mapping[Task, Outcome]) -> list[dict[str, Any]]:
    """Every axis with its steps and its limit, in the plan's order; steps without an outcome are left out."""
    rows = _rows(plan, outcomes)
    told = []
    for name, values in plan.axes.items():
        axis = AXES[name]
        steps = [_step(value, mine) for value in values
                 if (mine := [row for row in rows if row.axis == name and row.value == value])]
        found = None
        if steps:
            found = limit([s["value"] for s in steps], [s["detected"] for s in steps], [s["repeats"] for s in steps],
                          easier=axis.easier, logarithmic=axis.logarithmic, seed=plan.seed)
        told.append({"axis": name, "meaning": axis.meaning, "easier": axis.easier, "logarithmic": axis.logarithmic,
                     "steps": steps, "limit": None if found is None else asdict(found) | {
                         "level": LEVEL, "confidence": CONFIDENCE}})
    return told


def _step(value: float, rows: Sequence[_Row]) -> dict[str, Any]:
    planted, recovered = (sum(getattr(row.outcome, name) for row in rows) for name in ("planted", "recovered"))
    detected = sum(row.outcome.detected for row in rows)
    recalls = [row.outcome.recovered / row.outcome.planted for row in rows if row.outcome.planted]
    newly = None if any(row.newly is None for row in rows) else set().union(*(row.newly or () for row in rows))
    return {
        "value": value,
        "repeats": len(rows),
        "detected": detected,
        "detected_interval": clopper_pearson(detected, len(rows)),
        "planted": planted,
        "recovered": recovered,
        "recall": recovered / planted if planted else None,
        "recall_interval": clopper_pearson(recovered, planted),
        "recall_over_repeats": clopper_pearson(sum(recalls), len(recalls)),
        "linked": sum(row.outcome.linked for row in rows),
        "verdicts": dict(sorted(Counter(row.outcome.verdict or "no group" for row in rows).items())),
        "newly_accused": None if newly is None else len(newly),
    }
