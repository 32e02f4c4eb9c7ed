"""What became of each campaign: its phases, moves and pools, and which campaign took over from which."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from stillwatch.engine import Engine, Relation
from stillwatch.judge import Follows, Judged, Lives, life_sentences, life_tables, lives
from stillwatch.link.succession import successions
from stillwatch.pipeline.observing import Reduced
from stillwatch.schema import CAMPAIGNS, Table, conform

__all__ = ["Lifecycle", "lifecycle", "with_lives"]

_MINUTE_US = 60_000_000
_FEWEST = 4
"""Accounts of a group that stops or starts: of fewer the times say little."""


@dataclass(frozen=True)
class Lifecycle:
    """The lives of the campaigns, which of them follow which, and the tables that tell it."""

    told: Lives
    follows: dict[str, Follows]
    tables: dict[str, tuple[Table, pa.Table]]

    @property
    def launches(self) -> list[dict[str, Any]]:
        """The launches that were looked at, for the summary."""
        return [{"model": launch.model, "at": launch.at_us, "inferred": launch.inferred}
                for launch in self.told.launches]


def lifecycle(engine: Engine, reduced: Reduced, own: Relation) -> Lifecycle:
    """Read the campaigns' lives off their attributed exchanges ``own`` (see ``link.streams.attributed``)."""
    told = lives(engine, own, reduced.staged, reduced.launches)
    follows = _follows(told, reduced.profiles)
    return Lifecycle(told, follows, life_tables(engine, own, told, follows))


def _follows(told: Lives, profiles: pa.Table) -> dict[str, Follows]:
    """For each campaign the one whose stopping it most surely followed.

    A member counts once a campaign, with its attributed exchanges alone; all others are the population, with all that
    they sent.
    """
    names = [name for name, life in sorted(told.of.items()) if len(life.history.accounts) >= _FEWEST]
    if len(names) < 2:
        return {}
    members = {account for life in told.of.values() for account in life.history.accounts}
    rest = [row for row in profiles.select(["account_id", "first_seen", "last_seen"]).to_pylist()
            if row["account_id"] not in members and row["first_seen"] is not None]
    sides = [[int(row[side].timestamp() * 1e6) for row in rest] for side in ("first_seen", "last_seen")]
    first = np.concatenate([np.array(sides[0], dtype=np.int64), *(told.of[name].history.first for name in names)])
    last = np.concatenate([np.array(sides[1], dtype=np.int64), *(told.of[name].history.last for name in names)])
    sizes = np.cumsum([len(rest), *(len(told.of[name].history.accounts) for name in names)])
    groups = [np.arange(a, b, dtype=np.int64) for a, b in itertools.pairwise(sizes.tolist())]
    horizon = (int(first.min()) // _MINUTE_US, int(last.max()) // _MINUTE_US)
    found: dict[str, Follows] = {}
    for one in successions(groups, first // _MINUTE_US, last // _MINUTE_US, horizon):
        # The surest come first.
        found.setdefault(names[one.after], Follows(names[one.before], one.gap / 60.0, one.q))
    return found


def with_lives(judged: Judged, cycle: Lifecycle) -> Judged:
    """The judged campaigns with their phase at the end of the logs, and their history in words."""
    names = judged.campaigns["campaign_id"].to_pylist()
    at_end = [life.phases[-1].phase if (life := cycle.told.of.get(name)) and life.phases else None for name in names]
    said = [life_sentences(name, cycle.told, cycle.follows.get(name)) for name in names]
    campaigns = judged.campaigns
    columns = {"phase": pa.array(at_end, pa.string()), "history": pa.array(said, pa.list_(pa.string()))}
    for column, values in columns.items():
        campaigns = campaigns.set_column(campaigns.column_names.index(column), column, values)
    return replace(judged, campaigns=conform(campaigns, CAMPAIGNS))
