"""A small run of the same scenario before the real one: what texts' lengths are, and how much disk it will take."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from stillwatch.errors import StillwatchError
from stillwatch.proof.cast import staged
from stillwatch.proof.lengths import Lengths
from stillwatch.proof.parts import TRUTH_OPTIONS, write_options
from stillwatch.proof.render import Renderer
from stillwatch.proof.rows import Rows, merged
from stillwatch.proof.scenario import Scenario

__all__ = ["Pilot", "check_space", "declared", "roomy"]

_EXCHANGES = 60_000
_RENDERED = 16_384
# No scenario writes this much for an exchange: where there is room for it, nothing needs to be measured.
_MOST_BYTES = 4_096
_MARGIN = 1.1


def declared(scenario: Scenario, seed: int, scale: float) -> int:
    """Exchanges that the scenario's actors say they make; what they relay or add as cover comes on top."""
    return round(sum(actor.exchanges * (scale if actor.copies is None else 1)
                     for actor in scenario.cast(seed, scale)))


class Pilot:
    """The scenario at a scale at which it has some ten thousand exchanges, in numbers only."""

    def __init__(self, scenario: Scenario, seed: int, scale: float) -> None:
        small = min(scale, scale * _EXCHANGES / declared(scenario, seed, scale))
        self.world, self.actors = staged(scenario, seed, small)
        self.rows = [Rows.joined([actor.day(day) for day in range(self.world.days)]) for actor in self.actors]
        self.expected = round(sum(map(len, self.rows)) * declared(scenario, seed, scale)
                              / declared(scenario, seed, small))

    def lengths(self) -> Lengths:
        """Lengths of the texts."""
        return Lengths.measured(self.actors, self.rows)

    def bytes_per_exchange(self, folder: Path) -> float:
        """Bytes on disk of an exchange and of its label, by a sample that is written to ``folder`` and removed."""
        rng = self.world.rng("pilot", "sample")
        share = min(1.0, _RENDERED / max(1, sum(map(len, self.rows))))
        sample = merged([rows.take(rng.random(len(rows)) < share) for rows in self.rows], self.world.key("pilot"))
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
