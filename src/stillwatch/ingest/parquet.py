"""Parquet files as batches of bounded size, whatever their row groups and dictionaries expand to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.ingest.model import BadRecord
from stillwatch.settings import Settings

__all__ = ["ParquetSource"]

_BATCH_BYTES = 64 << 20
_GUARD_FROM = 1 << 30
_ROW_COST = 64  # bytes that any row costs us, so that endless empty rows count as expansion
_DAMAGED = "the Parquet file is damaged or cut off"


class ParquetSource:
    """One Parquet file. Raises ``BadRecord`` (``unparsable``) where its footer cannot be read."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._settings = settings
        self._size = path.stat().st_size
        try:
            self.file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20,
                                       read_dictionary=_dictionaries(path))
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise BadRecord("unparsable", _DAMAGED) from error

    def batches(self, columns: list[str] | None = None
                ) -> Iterator[tuple[int, pa.RecordBatch, npt.NDArray[np.bool_]]]:
        """First row (from 1), batch of all or the named columns, and which of its rows are too large to keep (emptied
        in the batch).

        Raises ``BadRecord`` where the file is damaged or expands too far.
        """
        first, total = 1, 0
        try:
            for batch in self.file.iter_batches(batch_size=self._batch_rows(), columns=columns):
                most = _most_bytes(batch)
                if most <= min(_BATCH_BYTES, self._settings.max_record_bytes):
                    total += most
                    yield first, batch, np.zeros(batch.num_rows, np.bool_)
                    first += batch.num_rows
                    continue
                sizes = _row_sizes(batch)
                total += int(sizes.sum())
                if total > _GUARD_FROM and total > self._settings.max_expansion * self._size:
                    raise BadRecord("expands_too_far", "it expands further than settings.max_expansion allows")
                for start, count in _slices(sizes, self._settings.max_record_bytes):
                    large = sizes[start : start + count] > self._settings.max_record_bytes
                    yield first + start, batch.slice(start, count), large
                first += batch.num_rows
        except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
            raise BadRecord("unparsable", _DAMAGED) from error

    def sample(self, rows: int) -> pa.RecordBatch | None:
        """The first few rows that are not too large, for telling the format."""
        try:
            batch = next(self.file.iter_batches(batch_size=rows), None)
            if batch is None:
                return None
            sizes = _row_sizes(batch)
            fitting = np.flatnonzero((sizes <= self._settings.max_record_bytes) & (np.cumsum(sizes) <= _BATCH_BYTES))
            return batch.take(pa.array(fitting)) if len(fitting) else batch.slice(0, 0)
        except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
            raise BadRecord("unparsable", _DAMAGED) from error

    def _batch_rows(self) -> int:
        meta = self.file.metadata
        size = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
        each = max(size // max(meta.num_rows, 1), 1)
        return int(max(1, min(self._settings.batch_rows, _BATCH_BYTES // each)))

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _dictionaries(path: Path) -> list[str]:
    """Text columns to be read as dictionaries: those that are stored so, where a few bytes may stand for
    the same long text many times over."""
    names: set[str] = set()
    with pq.ParquetFile(path) as file:
        meta = file.metadata
        for group in range(meta.num_row_groups):
            for place in range(meta.num_columns):
                column = meta.row_group(group).column(place)
                if column.physical_type == "BYTE_ARRAY" and "." not in column.path_in_schema and any(
                        "DICTIONARY" in encoding for encoding in column.encodings):
                    names.add(column.path_in_schema)
    return sorted(names)


def _most_bytes(batch: pa.RecordBatch) -> int:
    """What the whole batch can come to at most, from its buffers: enough to know in the usual case."""
    most = batch.num_rows * _ROW_COST
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_bytes(column.type.value_type):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
            most += longest * batch.num_rows
        else:
            most += column.nbytes
    return int(most)


def _row_sizes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Bytes of each row once expanded: exact for top-level text, the column's average for the rest."""
    sizes = np.full(batch.num_rows, _ROW_COST, np.int64)
    for column in batch.columns:
        kind = column.type
        if pa.types.is_dictionary(kind) and _is_bytes(kind.value_type):
            lengths = pc.fill_null(pc.binary_length(column.dictionary), 0).to_numpy().astype(np.int64)
            places = pc.fill_null(column.indices, len(lengths)).to_numpy().astype(np.int64)
            sizes += np.append(lengths, 0)[places]
        elif _is_bytes(kind):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy().astype(np.int64)
        else:
            sizes += column.nbytes // max(len(column), 1)
    return sizes


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
                or pa.types.is_large_binary(kind))


def _slices(sizes: npt.NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Runs of rows of at most 64 MiB together; a row over the limit counts nothing, being left out."""
    ends = np.cumsum(np.where(sizes > limit, 0, sizes))
    start, done = 0, 0
    while start < len(sizes):
        end = max(int(np.searchsorted(ends, done + _BATCH_BYTES, side="right")), start + 1)
        yield start, end - start
        start, done = end, int(ends[end - 1])
