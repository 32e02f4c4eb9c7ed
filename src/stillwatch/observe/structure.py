"""What an exchange asks for, judged without its text: from the tools offered, the turn, pictures and the prompt's size.

Exchanges fall into cells, each the product of a few coarse values, and each cell has probabilities of the
capabilities. ``tools/train_structure.py`` makes them, and ``STRUCTURE_CARD.md`` beside them says from what and how
well they do: far less well than text. Used only where there is no text.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.errors import StillwatchError
from stillwatch.schema import CAPABILITY

__all__ = ["AXES", "cells", "structural"]

I64 = NDArray[np.int64]

# By the names of the tools offered; the first kind that one of them fits.
_KINDS = (
    r"(?i)bash|shell|terminal|execut|python|edit|patch|str_replace|(read|write)_file|run_tests",
    r"(?i)computer|click|screen|browser|mouse|keyboard|navigate",
    r"(?i)(^|_)sql|query_|dataframe",
)
_NOT_KNOWN, _NONE, _OTHER = 0, 1, 2
_LEAST, _MOST = 10, 24
"""Twice the binary logarithm of the fewest and of the most input tokens that are told apart."""

AXES: dict[str, int] = {"tools": _OTHER + 1 + len(_KINDS), "turn": 3, "pictures": 2, "size": _MOST - _LEAST + 2}
"""Axes of the cells with the number of their values; value 0 of ``turn`` and of ``size`` is «not known»."""


def cells(batch: pa.RecordBatch | pa.Table) -> I64:
    """The cell of each exchange; ``batch`` has the columns ``tools, turn, modalities, input_tokens`` of exchanges."""
    turn = pc.fill_null(batch.column("turn"), 0).to_numpy(zero_copy_only=False)
    tokens = pc.fill_null(batch.column("input_tokens"), 0).to_numpy(zero_copy_only=False).astype(np.float64)
    size = np.clip(np.round(2 * np.log2(np.maximum(tokens, 1))), _LEAST, _MOST).astype(np.int64) - _LEAST + 1
    axes = (_tool_kinds(_flat(batch.column("tools"))), np.clip(turn, 0, 2).astype(np.int64),
            _holds(_flat(batch.column("modalities")), "^image").astype(np.int64), np.where(tokens > 0, size, 0))
    cell = np.zeros(batch.num_rows, np.int64)
    for values, size_of in zip(axes, AXES.values(), strict=True):
        cell = cell * size_of + values
    return cell


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.cast(pa.list_(pa.string()))


def _holds(lists: pa.ListArray, pattern: str) -> NDArray[np.bool_]:
    """Whether each list holds a text with the pattern."""
    hit = pc.fill_null(pc.match_substring_regex(pc.list_flatten(lists), pattern), False)
    found = np.zeros(len(lists), np.bool_)
    found[pc.list_parent_indices(lists).filter(hit).to_numpy(zero_copy_only=False)] = True
    return found


def _tool_kinds(tools: pa.ListArray) -> I64:
    length = pc.list_value_length(tools)
    kind = np.where(pc.fill_null(length, 0).to_numpy(zero_copy_only=False) > 0, _OTHER, _NONE)
    kind[pc.is_null(tools).to_numpy(zero_copy_only=False)] = _NOT_KNOWN
    for number, pattern in reversed(list(enumerate(_KINDS))):
        kind[_holds(tools, pattern)] = _OTHER + 1 + number
    return kind.astype(np.int64)


@dataclass(frozen=True)
class _Best:
    """The likeliest capability of each cell and its probability."""

    capability: pa.Array
    probability: pa.Array


@functools.cache
def _stored() -> _Best:
    with files("stillwatch.data").joinpath("content", "structure.npz").open("rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        share = stored["share"].astype(np.float64) / 10_000
        names = stored["classes"].tolist()
        if tuple(names) != tuple(CAPABILITY) or len(share) != int(np.prod(list(AXES.values()))):
            raise StillwatchError("the structural model knows other classes or cells than the program",
                                  remedy="train it again with tools/train_structure.py")
        return _Best(pa.array([names[at] for at in share.argmax(axis=1)], pa.string()),
                     pa.array(share.max(axis=1), pa.float64()))


def structural(batch: pa.RecordBatch, asked: NDArray[np.bool_]) -> tuple[pa.Array, pa.Array]:
    """Capability and its probability of the exchanges that are ``asked`` for, null for the others."""
    best = _stored()
    where = pa.array(cells(batch), pa.int64(), mask=~asked)
    return best.capability.take(where), best.probability.take(where)
