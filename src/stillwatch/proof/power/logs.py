"""The user's logs, read once, and what is left of them when only a part had been kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engine import connect_as
from stillwatch.observe import TextReducer
from stillwatch.pipeline import Clock, Logs, ScanInputs, read_logs
from stillwatch.proof.draws import Ints, Key, key_of, sub, uniforms
from stillwatch.proof.power.grid import Point
from stillwatch.proof.power.population import Population, population
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["Base", "Incomplete", "read_base", "with_accounts"]

_DAY_US = 86_400_000_000
_BATCH = 131_072


@dataclass(frozen=True)
class Incomplete:
    """Which exchanges logs with gaps would still hold: a share by keyed hash, less some days in the middle.

    What is kept at one share is kept at every larger one. The user's own exchanges and planted ones go alike.
    """

    key: Key
    keep: float
    gap: tuple[int, int]

    @classmethod
    def of(cls, point: Point, here: Population, key: Key) -> Incomplete:
        """What a point says is missing."""
        middle = (here.first_us + here.last_us) // 2
        half = point.gap_days * _DAY_US // 2
        return cls(key, point.keep, (middle - half, middle + half))

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.keep >= 1.0 and self.gap[0] == self.gap[1]

    def holds(self, id_digest: Ints, ts_us: Ints) -> npt.NDArray[np.bool_]:
        """Whether each exchange is still there."""
        kept: npt.NDArray[np.bool_] = (ts_us < self.gap[0]) | (ts_us >= self.gap[1])
        return kept if self.keep >= 1.0 else kept & (uniforms(self.key, id_digest) < self.keep)


@dataclass(frozen=True)
class Base:
    """What every planted scan starts from. It holds no raw text, and staged exchanges lie in Parquet ``parts``."""

    logs: Logs
    here: Population
    settings: Settings
    key: DeploymentKey
    networks: tuple[Path, ...]
    seed: int

    @property
    def draw(self) -> Key:
        """The key of what is drawn about the logs themselves."""
        return sub(key_of(self.seed, "power"), self.key.subkey("power").hex())

    def missing(self, point: Point) -> Incomplete:
        """What a point says is missing from the logs."""
        return Incomplete.of(point, self.here, sub(self.draw, "sampling"))

    def left(self, missing: Incomplete, folder: Path) -> tuple[Sequence[Path], TextReducer]:
        """Parts and texts of what is left of the logs; written to ``folder`` unless all of it is."""
        if missing.whole:
            return self.logs.ingested.parts, self.logs.reducer
        folder.mkdir()
        counts: Counter[int] = Counter()
        parts = []
        for number, part in enumerate(self.logs.ingested.parts):
            path = folder / f"part-{number:05d}.parquet"
            with pq.ParquetFile(part) as source, pq.ParquetWriter(path, source.schema_arrow, compression="zstd",
                                                                  compression_level=1) as writer:
                for batch in source.iter_batches(_BATCH):
                    held = missing.holds(batch.column("id_digest").to_numpy(), batch.column("ts_us").to_numpy())
                    rows = batch.filter(pa.array(held))
                    writer.write_batch(rows)
                    texts, times = np.unique(rows.column("text_digest").drop_null().to_numpy(), return_counts=True)
                    counts.update(dict(zip(texts.tolist(), times.tolist(), strict=True)))
            parts.append(path)
        return parts, self.logs.reducer.restricted(counts)


def read_base(inputs: ScanInputs, staged_at: Path, *, settings: Settings, key: DeploymentKey, seed: int,
              clock: Clock) -> Base:
    """Read the logs and see what they are like."""
    with connect_as(settings, scratch=staged_at.parent) as engine:
        logs = read_logs(engine, inputs, staged_at, settings=settings, key=key, clock=clock)
        with clock.stage("comparing texts"):
            texts = logs.reducer.texts(patterns=False)
        with clock.stage("looking at the logs"):
            draw = sub(key_of(seed, "power"), key.subkey("power").hex())
            here = population(engine, logs, engine.parquet(logs.ingested.parts), texts, sub(draw, "donors"))
    return Base(logs, here, _plain(settings), key, tuple(inputs.networks), seed)


def _plain(settings: Settings) -> Settings:
    """Settings that another process can be given: where they were read from does not matter any more."""
    return Settings.model_construct(**settings.model_dump())


def with_accounts(logs: Logs, accounts: pa.Table | None) -> Logs:
    """The logs with more rows in their accounts table."""
    if logs.accounts is None or accounts is None:
        return logs
    return replace(logs, accounts=pa.concat_tables([logs.accounts, accounts]))
