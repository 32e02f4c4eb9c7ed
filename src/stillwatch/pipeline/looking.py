"""Since when could it have been reported? The scan's own rules, on what there was to see at the end of each day.

``detectable_at`` of a campaign is the first moment of a grid at which a scan of only the rows up to then reports it:
the midnights (UTC) after the first row, then the end of the logs. No moment of the grid depends on what comes after it,
and neither does what is reported there: thresholds, frequencies, families of texts, decoys and probabilities are made
anew. Moments are taken from the first one on, since being reported need not last. See
``docs/decisions/0013-detectable-at.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from stillwatch.engine import Engine, Relation
from stillwatch.judge import Judged
from stillwatch.link import MIN_MEMBERS
from stillwatch.pipeline.assess import Rules, candidates_in, likely_members, work_of
from stillwatch.pipeline.decoys import make_decoys
from stillwatch.pipeline.kept import Items
from stillwatch.pipeline.observing import Reduced, as_of
from stillwatch.pipeline.watch import Clock, Quiet
from stillwatch.schema import CAMPAIGNS, conform, is_detection
from stillwatch.schema.findings import ACCUSED_PROBABILITY

__all__ = ["First", "Looks", "early_form", "look_back", "midnights", "paid", "reported", "span_of", "told_looks"]

_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class First:
    """The look that first reported a campaign: its moment (µs), its number from 1, and its q-value."""

    at_us: int
    number: int
    q: float


@dataclass
class Looks:
    """The looks of a scan: how many moments its ``grid`` has, how many were ``taken`` (not ruled out beforehand), and
    which was the ``first`` to report each detection.

    ``ended_us`` is the moment before which everything was looked at where time ran out, else null.
    """

    grid: int = 0
    taken: int = 0
    first: dict[str, First] = field(default_factory=dict)
    ended_us: int | None = None
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """As the summary tells it."""
        return {"grid": self.grid, "taken": self.taken, "seconds": self.seconds,
                "ended": None if self.ended_us is None else moment(self.ended_us).isoformat()}


def moment(us: int) -> datetime:
    """Microseconds since 1970 as a time."""
    return _EPOCH + timedelta(microseconds=us)


def midnights(first_us: int, last_us: int) -> list[int]:
    """The midnights (UTC, µs) after the first row and before the last."""
    return list(range((first_us // _DAY_US + 1) * _DAY_US, last_us, _DAY_US))


def paid(q: float, number: int) -> float:
    """The q-value of look ``number`` (from 1), paid for having looked before: q·k(k + 1), at most 1.

    Who tests look k at α/(k(k + 1)) spends α over however many looks: 1/2 + 1/6 + 1/12 + … = 1.
    """
    return min(1.0, q * number * (number + 1))


def early_form(accounts: Collection[str], campaign: Collection[str]) -> bool:
    """Whether what a look accuses is a campaign of the whole scan: three of its accounts, and they are at least half.

    Three make a group; an early form is smaller than the campaign, so it is the early form that is mostly the other.
    """
    both = len(set(accounts) & set(campaign))
    return both >= MIN_MEMBERS and 2 * both >= len(set(accounts))


def reported(judged: Judged) -> dict[str, tuple[frozenset[str], float]]:
    """The detections: whom each accuses, and its q-value."""
    found = {row["campaign_id"]: row["q_value"]
             for row in judged.campaigns.select(["campaign_id", "verdict", "probability", "q_value"]).to_pylist()
             if is_detection(row["verdict"], row["probability"], row["q_value"])}
    accused: dict[str, set[str]] = {name: set() for name in found}
    for row in judged.members.select(["campaign_id", "account_id", "probability"]).to_pylist():
        if row["campaign_id"] in found and row["probability"] >= ACCUSED_PROBABILITY:
            accused[row["campaign_id"]].add(row["account_id"])
    return {name: (frozenset(accused[name]), q) for name, q in found.items()}


def look_back(engine: Engine, reduced: Reduced, judged: Judged, rules: Rules, clock: Clock,
              before: Items | None = None) -> Looks:
    """Find the first look at which each detection was reported.

    A moment is passed over only where nothing could be reported there: while fewer than three of a campaign's accounts
    have sent anything. After ``look_seconds`` no look is begun or finished, and what was not reported until then stays
    open. ``rules`` are those that ``judged`` was made by. Looks that are ``before`` are not taken again, and new ones
    are put there.
    """
    campaigns = reported(judged)
    if not campaigns or not rules.settings.look_seconds:
        return Looks()
    span = span_of(engine, reduced.staged)
    grid = midnights(span["first"], span["last"])
    looks, started = Looks(len(grid)), time.monotonic()

    def late() -> bool:
        return time.monotonic() - started > rules.settings.look_seconds

    since = {row["account_id"]: row["first_seen"]
             for row in reduced.profiles.select(["account_id", "first_seen"]).to_pylist()}
    known = {} if before is None else {number: found for number in range(1, len(grid) + 1)
                                       if (found := before.get(number)) is not None}
    if known:
        clock.kept("looking back", len(known))
    with clock.stage("looking back", len(grid)):
        for number, at_us in enumerate(grid, start=1):
            there = {account for account, first in since.items() if first <= moment(at_us)}
            # Campaigns that a look at this moment could report.
            could = {name: accused for name, (accused, _) in campaigns.items()
                     if name not in looks.first and len(accused & there) >= MIN_MEMBERS}
            if could:
                found = known.get(number)
                if found is None and not late():
                    found = _look(engine, reduced, at_us, could, rules, late)
                    if found is not None and before is not None:
                        before.put(number, found)
                if found is None:
                    looks.ended_us = at_us
                    break
                looks.taken += 1
                looks.first |= {name: First(at_us, number, q) for name, q in found.items()}
            if len(looks.first) == len(campaigns):
                break
            clock.watcher.tick(number)
    if looks.ended_us is None:
        looks.first |= {name: First(span["last"], len(grid) + 1, q) for name, (_, q) in campaigns.items()
                        if name not in looks.first}
    looks.seconds = round(time.monotonic() - started, 3)
    return looks


def span_of(engine: Engine, staged: Relation) -> dict[str, int]:
    """The ``first`` and ``last`` moment of the exchanges, µs since 1970."""
    span: dict[str, int] = engine.arrow(
        staged.aggregate(first=staged.ts_us.min(), last=staged.ts_us.max())).to_pylist()[0]
    return span


def _look(engine: Engine, reduced: Reduced, at_us: int, campaigns: Mapping[str, Collection[str]], rules: Rules,
          late: Callable[[], bool]) -> dict[str, float] | None:
    """Which of the ``campaigns`` (whom each accuses) a scan of the rows up to a moment reports, with the q-value.

    It stops as soon as it is certain that the answer is none of them; ``None`` where time runs out before the answer.
    """
    with engine.passing():
        then = as_of(engine, reduced, at_us, rules.key)
        linked, found = candidates_in(then, settings=rules.settings, key=rules.key, rulings=rules.rulings)
        groups = [set(candidate.accounts) for candidate in found.candidates]
        if not any(len(group & set(accused)) >= MIN_MEMBERS for group in groups for accused in campaigns.values()):
            return {}
        claims = work_of(engine, then, linked, found)
        # No decoy changes a verdict or a probability, and none lowers a q-value.
        best = _of(rules.judged(then, claims, [0.0] * len(claims.scores), 0.0), campaigns)
        hopeful = {group for groups in best.values() for group in groups}
        if not hopeful:
            return {}
        places = [place for place, group in enumerate(found.candidates) if group.group_id in hopeful]
        likely = likely_members(claims, rules.explanations, rules.settings.prior)
        decoys = make_decoys(then, claims.scores, claims.groups, likely, rules.settings, Clock(Quiet()),
                             lambda made: made.hopeless(claims.scores, places) or late())
        if decoys.hopeless(claims.scores, places):
            return {}
        if decoys.made < decoys.wanted and late():
            return None
        q, floor, _ = decoys.q_values(claims.scores)
        return {name: min(groups.values()) for name, groups in
                _of(rules.judged(then, claims, q, floor), campaigns).items() if groups}


def _of(judged: Judged, campaigns: Mapping[str, Collection[str]]) -> dict[str, dict[str, float]]:
    """For each campaign the detections that are early forms of it, with their q-values."""
    detections = reported(judged)
    return {name: {group: q for group, (accounts, q) in detections.items() if early_form(accounts, accused)}
            for name, accused in campaigns.items()}


def told_looks(judged: Judged, looks: Looks) -> Judged:
    """The campaigns with since when they were detectable; where that stayed open, they say so."""
    detections = reported(judged)
    rows: list[dict[str, Any]] = judged.campaigns.to_pylist()
    for row in rows:
        if row["campaign_id"] not in detections:
            continue
        first = looks.first.get(row["campaign_id"])
        if first is not None:
            row["detectable_at"], row["detectable_q"] = moment(first.at_us), paid(first.q, first.number)
        elif looks.ended_us is None:
            row["missing"] = [*(row["missing"] or []), "detectable_at: not asked for (look_seconds is 0)"]
        else:
            row["missing"] = [*(row["missing"] or []), "detectable_at: time for looking back ran out; not before"
                              f" {moment(looks.ended_us):%Y-%m-%d %H:%M} (look_seconds)"]
    return replace(judged, campaigns=conform(pa.Table.from_pylist(rows, schema=CAMPAIGNS.arrow), CAMPAIGNS))
