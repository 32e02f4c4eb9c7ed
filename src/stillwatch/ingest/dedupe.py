"""The same exchange twice: found by id over all parts, in bounded memory.

The first in reading order is kept. Another with the same content is a duplicate, one with other
content a conflict. Nothing but ids, digests and places is looked at, and only those of repeated ids are
pulled out of the engine, sorted and a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engine import Engine, Relation
from stillwatch.ingest.batches import UNKNOWN

__all__ = ["Dropped", "drop_repeats"]

# Files in the upper bits, lines in the lower: 2^40 lines a file, 2^23 files.
_FILE_STEP = 1 << 40
_PULL = 262_144


@dataclass(frozen=True)
class Dropped:
    """Repeats removed from one part: where they were, which were conflicts, which named no account."""

    files: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    conflicts: npt.NDArray[np.bool_]
    unknown: int


def drop_repeats(parts: Sequence[Path], engine: Engine, scratch: Path,
                 joined_from: int | None = None) -> Iterator[Dropped]:
    """Rewrite the parts that hold repeats without them; says what was dropped, part by part.

    Parts before ``joined_from`` (all, where it is not given) hold rows in reading order, the others in any.
    """
    if not parts:
        return
    drops = scratch / "repeats.parquet"
    repeats = _repeats(engine.parquet(parts))
    if repeats is None:
        return
    engine.write(repeats.order_by("place"), drops)
    queue = _Queue(drops)
    for number, part in enumerate(parts):
        within: _Queue | Path = queue if joined_from is None or number < joined_from else drops
        dropped = _rewrite(part, within)
        if dropped is not None:
            yield dropped
    queue.close()
    drops.unlink()


def _repeats(rows: Relation) -> Relation:
    """Place, and whether the content differs, of every exchange but the first of each id."""
    slim = rows.select("exchange_id", "id_digest", "content_digest",
                       place=rows.source_file.cast("int64") * _FILE_STEP + rows.source_row)
    # A digest is cheaper to group by than a text; that the ids are really equal is settled below.
    often = slim.group_by("id_digest").agg(times=slim.count())
    often = often.filter(often.times > 1).select("id_digest")
    slim = slim.semi_join(often, "id_digest")
    first = slim.group_by("exchange_id").agg(first_place=slim.place.min())
    kept = slim.join(first, [slim.exchange_id == first.exchange_id, slim.place == first.first_place])
    kept = kept.select(kept_id=kept.exchange_id, kept_place=kept.place, kept_content=kept.content_digest)
    others = slim.join(kept, slim.exchange_id == kept.kept_id)
    others = others.filter(others.place != others.kept_place)
    return others.select("place", conflict=others.content_digest != others.kept_content)


class _Queue:
    """The sorted places to drop, taken from the front."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        self._batches = self._file.iter_batches(batch_size=_PULL)
        self._places = np.empty(0, np.int64)
        self._conflicts = np.empty(0, np.bool_)

    def take(self, last: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """All places up to ``last``, with whether they are conflicts."""
        places, conflicts = [], []
        while True:
            if not len(self._places):
                batch = next(self._batches, None)
                if batch is None:
                    break
                self._places = batch.column("place").to_numpy()
                self._conflicts = batch.column("conflict").to_numpy(zero_copy_only=False)
                continue
            end = int(np.searchsorted(self._places, last, side="right"))
            places.append(self._places[:end])
            conflicts.append(self._conflicts[:end])
            self._places, self._conflicts = self._places[end:], self._conflicts[end:]
            if len(self._places):
                break
        if not places:
            return np.empty(0, np.int64), np.empty(0, np.bool_)
        return np.concatenate(places), np.concatenate(conflicts)

    def close(self) -> None:
        self._file.close()


def _places(batch: pa.RecordBatch | pa.Table) -> npt.NDArray[np.int64]:
    files = batch.column("source_file").to_numpy().astype(np.int64)
    places: npt.NDArray[np.int64] = files * _FILE_STEP + batch.column("source_row").to_numpy()
    return places


def _among(drops: Path, here: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The places to drop that are among those given, read through from the front: for parts in no order."""
    places, conflicts = [np.empty(0, np.int64)], [np.empty(0, np.bool_)]
    with pq.ParquetFile(drops) as file:
        for batch in file.iter_batches(batch_size=_PULL):
            found = batch.column("place").to_numpy()
            inside = np.isin(found, here)
            places.append(found[inside])
            conflicts.append(batch.column("conflict").to_numpy(zero_copy_only=False)[inside])
    return np.concatenate(places), np.concatenate(conflicts)


def _rewrite(part: Path, drops: _Queue | Path) -> Dropped | None:
    """Where a part holds rows in reading order the queue's front is its own, but for rows of parts in no order."""
    with pq.ParquetFile(part) as source:
        if not source.metadata.num_rows:
            return None
        here = _places(source.read(["source_file", "source_row"]))
        if isinstance(drops, Path):
            places, conflicts = _among(drops, here)
        else:
            places, conflicts = drops.take(int(here.max()))
            inside = np.isin(places, here)
            places, conflicts = places[inside], conflicts[inside]
        if not len(places):
            return None
        unknown = 0
        draft = part.with_suffix(".draft")
        with pq.ParquetWriter(draft, source.schema_arrow, compression="zstd", compression_level=1) as writer:
            for group in range(source.num_row_groups):
                table = source.read_row_group(group)
                gone = np.isin(_places(table), places, assume_unique=True)
                if "account_id" in table.column_names:
                    accounts = table.column("account_id").to_numpy()
                    unknown += int((accounts[gone] == UNKNOWN).sum())
                table = table.filter(pa.array(~gone))
                if table.num_rows:
                    writer.write_table(table)
    draft.replace(part)
    return Dropped(places // _FILE_STEP, places % _FILE_STEP, conflicts, unknown)
