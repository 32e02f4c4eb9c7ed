"""A look at some days of the simulation before it runs: how long texts are, and how much disk it will take."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from stillwatch.errors import StillwatchError
from stillwatch.proof.actors import Actor
from stillwatch.proof.lengths import Lengths
from stillwatch.proof.parts import TRUTH_OPTIONS, write_options
from stillwatch.proof.render import Renderer
from stillwatch.proof.rows import Rows, merged
from stillwatch.proof.scenario import Scenario
from stillwatch.proof.world import World

__all__ = ["Pilot", "check_space", "declared", "roomy"]

# Days that are looked at: until an actor has made so many exchanges, within these bounds.
_ENOUGH = 4_000
_DAYS = (5, 20)
# Of a day that has more, so many are kept.
_OF_A_DAY = 100_000
_RENDERED = 16_384
# No scenario writes this much for an exchange: where there is room for it, nothing needs to be measured.
_MOST_BYTES = 4_096
_MARGIN = 1.1


def declared(scenario: Scenario, seed: int, scale: float) -> int:
    """Exchanges that the scenario's actors say they make; what they relay or add as cover comes on top."""
    return round(sum(actor.exchanges * (scale if actor.copies is None else 1)
                     for actor in scenario.cast(seed, scale)))


class Pilot:
    """Some days of each actor, in numbers only, spread over the time that it is active."""

    def __init__(self, world: World, actors: Sequence[Actor[Any]]) -> None:
        self.world, self.actors = world, actors
        self.rows: list[Rows] = []
        self.by_actor: list[float] = []
        for actor in actors:
            days = np.arange(int(actor.first_day), int(np.ceil(actor.last_day)))
            count = int(np.clip(np.ceil(_ENOUGH * len(days) / max(actor.total, 1)), *_DAYS))
            count = min(count, len(days))
            looked_at = days[((np.arange(count) + 0.5) * len(days) / max(count, 1)).astype(np.int64)]
            kept, made = [], 0
            for day in looked_at:
                rows = actor.day(int(day))
                made += len(rows)
                some = world.rng(actor.name, "pilot", str(day)).random(len(rows)) * len(rows) < _OF_A_DAY
                kept.append(rows.take(some))
            self.rows.append(Rows.joined(kept))
            self.by_actor.append(made * len(days) / max(count, 1))
        self.expected = round(sum(self.by_actor))

    def lengths(self) -> Lengths:
        """Lengths of the texts."""
        return Lengths.measured(self.actors, self.rows)

    def bytes_per_exchange(self, folder: Path) -> float:
        """Bytes on disk of an exchange and of its label, by a sample that is written to ``folder`` and removed."""
        rng = self.world.rng("pilot", "sample")
        wanted = [share * _RENDERED / max(self.expected, 1) for share in self.by_actor]
        sample = merged([rows.take(rng.permutation(len(rows))[: int(np.ceil(count))])
                         for rows, count in zip(self.rows, wanted, strict=True)], self.world.key("pilot"))
        if len(sample) == 0:
            return 0.0
        renderer = Renderer(self.world, self.actors)
        path, size = folder / "pilot.parquet", 0
        for data, options in zip(renderer.exchanges(sample, 0), (write_options(renderer), TRUTH_OPTIONS), strict=True):
            with pq.ParquetWriter(path, data.schema, **options) as writer:
                writer.write_table(data)
            size += path.stat().st_size
            path.unlink()
        return size / len(sample)


def roomy(exchanges: int, free: int) -> bool:
    """Whether so many exchanges fit into so many bytes without doubt."""
    return exchanges * _MOST_BYTES < free


def check_space(pilot: Pilot, folder: Path) -> None:
    """Raise ``StillwatchError`` where the traffic will not fit on the disk that holds ``folder``."""
    free = shutil.disk_usage(folder).free
    if roomy(pilot.expected, free):
        return
    size = _MARGIN * pilot.expected * pilot.bytes_per_exchange(folder)
    if size > free:
        raise StillwatchError(
            f"about {pilot.expected:,} exchanges take {_written(size)}, and {_written(free)} are free",
            remedy=f"free space, name a folder on another disk, or give a --scale {size / free:.1f} times as small")


def _written(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
