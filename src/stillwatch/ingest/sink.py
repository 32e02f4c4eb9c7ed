"""Where records end up: batches are built, reduced and written; bad records go to quarantine."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import StillwatchError
from stillwatch.ingest.batches import UNKNOWN, Places, build
from stillwatch.ingest.model import ELSEWHERE, BadRecord, Row
from stillwatch.schema import EXCHANGES, INGESTED
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["Sink"]

_PART_ROWS = 1_000_000
_BATCH_BYTES = 64 << 20
_QUARANTINE = "quarantine.jsonl"
_COUNTERS = ("set_aside", "elsewhere", "kept", "quarantined")
Reduce = Callable[[pa.RecordBatch], pa.RecordBatch]


class Sink:
    """Collects records and writes them in parts; memory is bounded by rows and by bytes."""

    def __init__(self, folder: Path, settings: Settings, key: DeploymentKey, reduce: Reduce | None,
                 identity: Callable[[int], str]) -> None:
        self.parts: list[Path] = []
        self.joined_from: int | None = None
        self.present: set[str] = set()
        self.set_aside: Counter[str] = Counter()
        self.elsewhere: Counter[str] = Counter()
        self.unknown = 0
        self.kept: Counter[int] = Counter()
        self.quarantined: Counter[int] = Counter()
        self._folder = folder
        self._settings = settings
        self._key = key
        self._reduce = reduce
        self._identity = identity
        self._rows: list[Row] = []
        self._files: list[int] = []
        self._places: list[int] = []
        self._bytes = 0
        self._bad: list[tuple[int, int, BadRecord]] = []
        self._names: dict[int, str] = {}
        self._writer: pq.ParquetWriter | None = None
        self._part_rows = 0
        self._quarantine: IO[bytes] = (folder / _QUARANTINE).open("wb")

    def name(self, file: int, name: str) -> None:
        """Say what a file is called in the quarantine."""
        self._names[file] = name

    def add(self, file: int, place: int, row: Row, size: int) -> None:
        """Take one parsed record of about ``size`` bytes."""
        self.elsewhere.update(row.pop(ELSEWHERE, ()))
        self._rows.append(row)
        self._files.append(file)
        self._places.append(place)
        self._bytes += size
        if len(self._rows) >= self._settings.batch_rows or self._bytes >= _BATCH_BYTES:
            self.flush()

    def refuse(self, file: int, place: int, bad: BadRecord) -> None:
        """Quarantine one record."""
        self._bad.append((file, place, bad))
        self.quarantined[file] += 1
        if len(self._bad) >= self._settings.batch_rows:
            self.flush()

    def flush(self) -> None:
        """Write what has been collected."""
        if self._rows:
            rows = self._rows
            names = {name for row in rows for name in row} & set(EXCHANGES.names)
            columns = {name: [row.get(name) for row in rows] for name in sorted(names)}
            files, places = np.array(self._files, np.int32), np.array(self._places, np.int64)
            self._rows, self._files, self._places, self._bytes = [], [], [], 0
            self._write(columns, Places(files, places, self._identity))
        self._bad.sort(key=lambda entry: entry[:2])
        for file, place, bad in self._bad:
            self.note(file, place, bad)
        self._bad = []

    def add_columns(self, file: int, first: int, columns: dict[str, Any], count: int) -> None:
        """Take ``count`` records of one file, given as columns, from row ``first`` on."""
        self.flush()
        places = Places(np.full(count, file, np.int32), np.arange(first, first + count, dtype=np.int64),
                        self._identity)
        self._write(columns, places)
        self.flush()

    def note(self, file: int, place: int, bad: BadRecord) -> None:
        """Write one line of the quarantine, without counting it."""
        name = self._names[file].encode("utf-8", "replace").decode()
        line = {"file": name, "line": place, "reason": bad.reason, "detail": bad.detail}
        self._quarantine.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _write(self, columns: dict[str, Any], places: Places) -> None:
        try:
            built = build(columns, places, self._key)
        except StillwatchError:
            raise
        except Exception as error:  # whatever a record does to the builder, it must not take the others along
            self._halve(columns, places, error)
            return
        for index, bad in built.bad.items():
            self._bad.append((int(places.files[index]), int(places.rows[index]), bad))
            self.quarantined[int(places.files[index])] += 1
        self.set_aside.update(built.set_aside)
        batch = built.batch
        if not batch.num_rows:
            return
        for name in EXCHANGES.names:
            if name not in self.present and batch.column(name).null_count < batch.num_rows:
                self.present.add(name)
        self.unknown += pc.sum(pc.equal(batch.column("account_id"), UNKNOWN)).as_py()
        files, counts = np.unique(batch.column("source_file").to_numpy(), return_counts=True)
        self.kept.update(dict(zip(files.tolist(), counts.tolist(), strict=True)))
        self._store(batch)

    def _halve(self, columns: dict[str, Any], places: Places, error: Exception) -> None:
        """Build the halves of a batch that cannot be built, down to the record that is to blame."""
        count = len(places.rows)
        if count == 1:
            bad = BadRecord("connector_failure", type(error).__name__)
            self._bad.append((int(places.files[0]), int(places.rows[0]), bad))
            self.quarantined[int(places.files[0])] += 1
            return
        for half in (slice(0, count // 2), slice(count // 2, count)):
            self._write({name: values[half] for name, values in columns.items()},
                        Places(places.files[half], places.rows[half], places.identity))

    def _store(self, batch: pa.RecordBatch) -> None:
        reduced = batch if self._reduce is None else self._reduce(batch)
        missing = {"exchange_id", "source_file", "source_row", "id_digest", "content_digest"} - set(
            reduced.schema.names)
        if missing or reduced.num_rows != batch.num_rows:
            raise StillwatchError("a reduction must keep every row and the columns exchange_id, source_file,"
                                  " source_row, id_digest and content_digest", remedy="mend the reduction")
        if self._writer is None:
            path = self._folder / f"part-{len(self.parts):05d}.parquet"
            self.parts.append(path)
            self._writer = pq.ParquetWriter(path, reduced.schema, compression="zstd", compression_level=1)
            self._part_rows = 0
        self._writer.write_batch(reduced)
        self._part_rows += reduced.num_rows
        if self._part_rows >= _PART_ROWS:
            self._close_part()

    def _close_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def begin_joined(self) -> None:
        """From here on rows do not come in reading order; they go to parts of their own (``joined_from``)."""
        self.flush()
        self._close_part()
        self.joined_from = len(self.parts)

    def close(self, *, complete: bool = True) -> None:
        """Write the rest and close the files; an empty log still has one (empty) part."""
        if complete:
            self.flush()
            if not self.parts:
                empty = INGESTED.arrow.empty_table().to_batches(max_chunksize=1)
                self._store(empty[0] if empty else pa.RecordBatch.from_pylist([], schema=INGESTED.arrow))
        self._close_part()
        self._quarantine.flush()

    def told(self) -> dict[str, Any]:
        """What another sink needs to ``take_over`` all that this one wrote and counted, as JSON can say it."""
        return {"parts": [part.name for part in self.parts], "present": sorted(self.present), "unknown": self.unknown,
                **{name: list(getattr(self, name).items()) for name in _COUNTERS}}

    def take_over(self, told: Mapping[str, Any], folder: Path) -> None:
        """Add what another sink wrote into ``folder``; it is closed, and its records come after all so far."""
        for name in told["parts"]:
            part = self._folder / f"part-{len(self.parts):05d}.parquet"
            (folder / name).rename(part)
            self.parts.append(part)
        with (folder / _QUARANTINE).open("rb") as lines:
            shutil.copyfileobj(lines, self._quarantine)
        self.present |= set(told["present"])
        self.unknown += told["unknown"]
        for name in _COUNTERS:
            getattr(self, name).update(dict(told[name]))

    def close_quarantine(self) -> None:
        """No more lines."""
        self._quarantine.close()
