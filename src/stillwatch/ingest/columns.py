"""Parsed values, column by column, into Arrow columns of the contract's types.

The usual case is one Arrow conversion a column; only a column that holds something unusual is gone
through value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.ingest.model import BadRecord
from stillwatch.ingest.values import (
    FIRST_MICRO,
    LAST_MICRO,
    Unfit,
    to_bool,
    to_float,
    to_int,
    to_list,
    to_micros,
    to_text,
)
from stillwatch.schema import EXCHANGES, TIMESTAMP, Column, Sensitivity

__all__ = ["Problems", "column_array"]

_LIST = pa.list_(pa.string())


@dataclass
class Problems:
    """What is wrong with the rows of a batch."""

    bad: dict[int, BadRecord] = field(default_factory=dict)
    aside: dict[int, dict[str, Any]] = field(default_factory=dict)

    def refuse(self, row: int, bad: BadRecord) -> None:
        """Note that a row cannot be kept; the first reason found stays."""
        self.bad.setdefault(row, bad)

    def set_aside(self, row: int, column: str, value: Any) -> None:
        """Note that a value does not fit its column."""
        self.aside.setdefault(row, {})[column] = value


_CONVERT: dict[pa.DataType, Callable[[Any], Any]] = {
    pa.string(): to_text,
    pa.int64(): to_int,
    pa.float64(): to_float,
    pa.bool_(): to_bool,
    _LIST: to_list,
    TIMESTAMP: to_micros,
}


def column_array(name: str, values: Sequence[Any] | pa.Array, problems: Problems) -> pa.Array:
    """The values as an array of the column's declared type; what does not fit becomes null and is noted."""
    column = EXCHANGES.by_name[name]
    array = _quick(column, values)
    if array is None:
        plain = _plain(values) if isinstance(values, pa.Array) else values
        array = _slow(column, plain, problems)
    if pa.types.is_string(column.type) and column.sensitivity is not Sensitivity.CONTENT:
        # An empty id, model or address is none.
        empty = pc.equal(array, "")
        if pc.any(empty).as_py():
            array = pc.if_else(pc.fill_null(empty, False), pa.scalar(None, pa.string()), array)
    return array


def _quick(column: Column, values: Sequence[Any] | pa.Array) -> pa.Array | None:
    """The whole column at once, or ``None`` where anything in it needs a look."""
    try:
        if isinstance(values, pa.Array):
            return _cast(values, column.type)
        if column.type == TIMESTAMP:
            return None
        inferred = pa.array(values)
        kind = inferred.type
        if pa.types.is_null(kind):
            return pa.nulls(len(values), column.type)
        if column.type == pa.float64() and kind in (pa.float64(), pa.int64()):
            return _finite(inferred.cast(pa.float64()))
        if column.type == _LIST and kind == pa.list_(pa.null()):
            return inferred.cast(_LIST)
        if kind != column.type or not _whole(inferred):
            return None
        return inferred
    except (pa.ArrowException, UnicodeError, OverflowError, ValueError, TypeError):
        return None


def _whole(array: pa.Array) -> bool:
    """Whether a list column holds no null items."""
    return not pa.types.is_list(array.type) or array.flatten().null_count == 0


def _finite(array: pa.Array) -> pa.Array | None:
    return array if pc.all(pc.is_finite(array), min_count=0).as_py() is not False else None


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """An Arrow column cast without loss; ``None`` where that is not plainly possible."""
    source = array.type
    if pa.types.is_null(source):
        return None if kind == TIMESTAMP else pa.nulls(len(array), kind)
    if pa.types.is_dictionary(source):
        array = array.dictionary_decode()
        source = array.type
    if kind == TIMESTAMP:
        return _cast_times(array) if pa.types.is_timestamp(source) or pa.types.is_date(source) else None
    if kind == pa.string():
        if not (pa.types.is_string(source) or pa.types.is_large_string(source) or pa.types.is_string_view(source)
                or pa.types.is_integer(source)):
            return None
        cast = array.cast(kind)
        cast.validate(full=True)
        return cast
    if kind == pa.int64():
        return array.cast(kind) if pa.types.is_integer(source) else None
    if kind == pa.float64():
        usual = pa.types.is_floating(source) or pa.types.is_integer(source)
        return _finite(array.cast(kind)) if usual else None
    if kind == pa.bool_():
        return array if pa.types.is_boolean(source) else None
    if (pa.types.is_list(source) or pa.types.is_large_list(source)) and (
            pa.types.is_string(source.value_type) or pa.types.is_large_string(source.value_type)
            or pa.types.is_null(source.value_type)):
        cast = array.cast(kind)
        cast.validate(full=True)
        return cast if _whole(cast) else None
    return None


def _cast_times(array: pa.Array) -> pa.Array | None:
    if array.null_count:
        return None
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s"))
    times = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False).cast(TIMESTAMP)
    micros = times.cast(pa.int64())
    inside = pc.and_(pc.greater_equal(micros, FIRST_MICRO), pc.less_equal(micros, LAST_MICRO))
    # Nanoseconds and microseconds cannot overflow here; seconds and milliseconds far away would wrap round.
    if array.type.unit in ("s", "ms"):
        scale = 10**6 if array.type.unit == "s" else 10**3
        back = pc.equal(pc.divide(micros, scale), array.cast(pa.int64()))
        inside = pc.and_(inside, back)
    return times if pc.all(inside, min_count=0).as_py() is not False else None


def _plain(array: pa.Array) -> list[Any]:
    """Python values of an Arrow array, one at a time where some of them cannot be had."""
    if pa.types.is_timestamp(array.type):
        # Beyond the years that Python's datetime knows, or in nanoseconds: as numbers.
        scale = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1}[array.type.unit]
        divide = 1000 if array.type.unit == "ns" else 1
        return [None if v is None else _Micros(v * scale // divide) for v in array.cast(pa.int64()).to_pylist()]
    try:
        return list(array.to_pylist())
    except (ValueError, OverflowError, UnicodeError, pa.ArrowException):
        return [_one(scalar) for scalar in array]


class _Micros(int):
    """Microseconds since 1970: not to be guessed at by magnitude."""


class _Unreadable:
    """A value that Arrow cannot hand to Python."""


def _one(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, UnicodeError, pa.ArrowException):
        return _Unreadable()


def _slow(column: Column, values: Sequence[Any], problems: Problems) -> pa.Array:
    convert = _CONVERT[column.type]
    done: list[Any] = [None] * len(values)
    for row, value in enumerate(values):
        if value is None and not column.required:
            continue
        try:
            if isinstance(value, _Micros):
                done[row] = _within(value) if column.type == TIMESTAMP else int(value)
            elif isinstance(value, _Unreadable):
                raise BadRecord("not_unicode", column.name)
            else:
                done[row] = convert(value)
        except Unfit:
            problems.set_aside(row, column.name, value)
        except BadRecord as bad:
            problems.refuse(row, BadRecord(bad.reason, bad.detail or column.name))
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            problems.set_aside(row, column.name, value)
    if column.type == TIMESTAMP:
        filled = np.array([0 if value is None else value for value in done], np.int64)
        return pa.array(filled).cast(TIMESTAMP)
    return pa.array(done, column.type)


def _within(micros: int) -> int:
    if not FIRST_MICRO <= micros <= LAST_MICRO:
        raise BadRecord("time_out_of_range")
    return int(micros)
