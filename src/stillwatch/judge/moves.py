"""Launches of models, and how each campaign's traffic moved to them.

**Launches** are given, or inferred: the first day on which a model carries traffic of many accounts that it did not
carry before.

**A move** is read off the campaign's exchanges after a launch: the share on the new model rises from nothing, from
``wait`` hours after the launch on, evenly until ``hours`` after it, and then stays at ``share``. Hours are binomial
draws with that share; wait and hours are sought on a grid and for each of them the likeliest share is found by
bisection, since the likelihood has one maximum in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stillwatch.engine import Engine, Relation
from stillwatch.judge.history import HOUR_US, Floats, History, Population, hour_of

__all__ = ["Launch", "Move", "fit_move", "infer_launches", "launches_of", "moves_of"]

WEEK = 168
_LONGEST = 336
"""Hours after a launch in which a move is looked for."""
_FEWEST = 30
"""Exchanges on each side of a launch, for shares to be told."""
_WAITING = 3.0
_MANY, _SHARE = 5, 0.01
"""Accounts, and share of the accounts that are active on the day, that are many."""
_DAY_US = 24 * HOUR_US


@dataclass(frozen=True)
class Launch:
    """When a model came out, µs since 1970."""

    model: str
    at_us: int
    inferred: bool


@dataclass(frozen=True)
class Move:
    """A campaign at a launch: shares by model (in the population's order of models), before and after; ``share`` of
    its exchanges moved within ``hours``, beginning ``wait`` hours after the launch."""

    launch: Launch
    before: Floats
    after: Floats
    population_before: Floats
    population_after: Floats
    share: float
    wait: float
    hours: float


def launches_of(given: pa.Table | None, engine: Engine, staged: Relation) -> list[Launch]:
    """The launches that were given (schema ``LAUNCHES``), in order of time, or else those inferred from the logs."""
    if given is None:
        return infer_launches(engine, staged)
    rows = given.select(["model", "released_at"]).to_pylist()
    found = {row["model"]: int(row["released_at"].timestamp() * 1e6) for row in sorted(
        rows, key=lambda row: row["released_at"], reverse=True)}
    return sorted((Launch(model, at, False) for model, at in found.items()), key=lambda it: (it.at_us, it.model))


def infer_launches(engine: Engine, staged: Relation) -> list[Launch]:
    """Models that many accounts used for the first time on one day, with the first exchange of that day.

    Many is five accounts and a hundredth of those active on the day, and more than twice as many as used the model on
    all days before together. What is there in the first three days of the logs may have been there before.
    """
    named = staged.filter(staged.model.notnull())
    named = named.mutate(day=named.ts_us // _DAY_US)
    first = named.group_by("model", "account_id").agg(day=named.day.min())
    new = engine.arrow(first.group_by("model", "day").agg(new=first.count())).to_pylist()
    used = engine.arrow(named.group_by("model", "day").agg(accounts=named.account_id.nunique(),
                                                           at=named.ts_us.min())).to_pylist()
    active = {row["day"]: row["accounts"] for row in engine.arrow(
        named.group_by("day").agg(accounts=named.account_id.nunique())).to_pylist()}
    fresh = {(row["model"], row["day"]): row["new"] for row in new}
    found: dict[str, Launch | None] = {}
    before: dict[str, int] = {}
    for row in sorted(used, key=lambda row: (row["day"], row["model"])):
        model, day = row["model"], row["day"]
        if model in found:
            continue
        if row["accounts"] >= max(_MANY, _SHARE * active[day]):
            known = 2 * before.get(model, 0) >= row["accounts"] or day < min(active) + 3
            found[model] = None if known else Launch(model, int(row["at"]), True)
        before[model] = before.get(model, 0) + fresh.get((model, day), 0)
    return sorted((it for it in found.values() if it is not None), key=lambda it: (it.at_us, it.model))


def moves_of(it: History, everybody: Population, launches: Sequence[Launch]) -> list[Move]:
    """The campaign at every launch at which it has exchanges enough before and after."""
    found = []
    ends = [*(launch.at_us for launch in launches[1:]), everybody.end_us][:len(launches)]
    for launch, end in zip(launches, ends, strict=True):
        if launch.model not in everybody.models:
            continue
        at = int(launch.at_us // HOUR_US) - everybody.start
        # The hour of the launch is neither before nor, unless it begins with it, after; where the next launch is near,
        # what follows is looked at all the same.
        last = min(everybody.hours, at + _LONGEST, max(int(end // HOUR_US) - everybody.start, at + 48))
        mine = it.by_model[max(0, at - WEEK):max(0, at)], it.by_model[max(0, at):max(0, last)]
        if min(mine[0].sum(), mine[1].sum()) < _FEWEST:
            continue
        new = everybody.models.index(launch.model)
        share, wait, hours = fit_move(mine[1][:, new], mine[1].sum(axis=1), hour_of(at, everybody.start), launch.at_us)
        settled = max(0, at) + min(int(np.ceil(hours)), max(0, last - at - 24))
        after = _shares(it.by_model[settled:last])
        rest = everybody.by_model - it.by_model
        others = after.copy()
        others[new] = 0.0
        after = others * (1.0 - share) / max(float(others.sum()), 1e-12)
        after[new] = share
        found.append(Move(launch, _shares(mine[0]), after, _shares(rest[max(0, at - WEEK):max(0, at)]),
                          _shares(rest[settled:last]), share, wait, hours))
    return found


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=0)
    result: Floats = total / max(1.0, float(total.sum()))
    return result


def fit_move(moved: Floats, asked: Floats, start_us: int, launch_us: int) -> tuple[float, float, float]:
    """Share that moved, hours of waiting, and hours until all of the share had moved.

    ``moved`` of ``asked`` exchanges went to the new model in each hour from ``start_us`` on.
    """
    # The middle of each hour, after the launch; a move counts from the launch, which may lie within the first.
    time = np.arange(len(asked)) + 0.5 + (start_us - launch_us) / HOUR_US
    known = (asked > 0) & (time > 0)
    time, moved, asked = time[known], moved[known], asked[known]
    if not moved.sum():
        return 0.0, 0.0, 0.0
    longest = float(time.max())
    # By the hour for two days, then in steps of a twelfth.
    ends = np.concatenate([np.arange(1.0, 49.0), 48.0 * (13.0 / 12.0) ** np.arange(1, 26)])
    waits = np.concatenate([np.arange(0.0, 24.0, 2.0), np.arange(24.0, 169.0, 12.0)])
    grid = np.array([(wait, end) for wait in waits for end in ends if wait < end <= max(longest, 1.0)])
    grown = np.clip((time - grid[:, :1]) / (grid[:, 1:] - grid[:, :1]), 1e-6, 1.0)
    low, high = np.zeros(len(grid)), np.ones(len(grid))
    for _ in range(30):
        share = (low + high) / 2.0
        at = share[:, None] * grown
        slope = ((moved - asked * at) * grown / np.maximum(at * (1.0 - at), 1e-9)).sum(axis=1)
        low, high = np.where(slope > 0, share, low), np.where(slope > 0, high, share)
    at = np.clip(share[:, None] * grown, 1e-9, 1.0 - 1e-9)
    likely = (moved * np.log(at) + (asked - moved) * np.log(1.0 - at)).sum(axis=1)
    # Moving at once is the simpler story: waiting must be likelier by more than a factor of e³.
    best = int((likely - _WAITING * (grid[:, 0] > 0)).argmax())
    return float(share[best]), float(grid[best, 0]), float(grid[best, 1])
