"""One value at a time: the types that sources write, turned into the types of the contract."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from stillwatch.ingest.model import BadRecord

__all__ = ["Unfit", "to_bool", "to_float", "to_int", "to_list", "to_micros", "to_text"]

_INT64 = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 2000-01-01 and 2100-01-01, both included.
FIRST_MICRO = 946_684_800_000_000
LAST_MICRO = 4_102_444_800_000_000

_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)\Z", re.IGNORECASE)
_LONGEST_NUMBER = 400
_APACHE = re.compile(r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9:]{8}) ([+-][0-9]{4})\Z")
_LEAP = re.compile(r"(?<=[0-9]:)60(?=[.,Z+\- ]|\Z)")
_ZONE_NAME = re.compile(r"\s*(UTC|GMT)\Z")
_FIVE_DIGIT_YEAR = re.compile(r"[+-]?[0-9]{5,}-[0-9]{2}-[0-9]{2}")

_TRUE = frozenset({"true", "t", "yes", "1"})
_FALSE = frozenset({"false", "f", "no", "0"})


class Unfit(ValueError):  # noqa: N818 - an outcome, not a failure
    """The value is not of the column's type; the record is kept and the value set aside."""


def _number(text: str) -> int | float:
    """A number from text. Raises ``Unfit`` for other text, ``BadRecord`` for what no column can hold."""
    text = text.strip()
    if _NOT_FINITE.match(text):
        raise BadRecord("number_out_of_range")
    if not _NUMBER.match(text):
        raise Unfit
    if len(text) > _LONGEST_NUMBER:
        raise BadRecord("number_out_of_range")
    return int(text) if _INTEGER.match(text) else float(text)


def _numeric(value: Any) -> int | float | Decimal | None:
    """The number that a value is or says; ``None`` for none. Raises as ``to_int`` does."""
    if isinstance(value, str):
        if not value.strip():
            return None
        value = _number(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Unfit
    return value


def to_int(value: Any) -> int | None:
    """A 64-bit integer. Raises ``BadRecord`` beyond 64 bits, ``Unfit`` for what is no whole number."""
    value = _numeric(value)
    if value is None:
        return None
    if not isinstance(value, int):
        if not math.isfinite(value):
            raise BadRecord("number_out_of_range")
        if value != int(value):
            raise Unfit
        value = int(value)
    if not -_INT64 <= value < _INT64:
        raise BadRecord("number_out_of_range")
    return int(value)


def to_float(value: Any) -> float | None:
    """A finite double. Raises ``BadRecord`` for NaN, infinity and overflow, ``Unfit`` for no number."""
    value = _numeric(value)
    if value is None:
        return None
    if isinstance(value, int) and not -_INT64 <= value < 2 * _INT64:
        raise BadRecord("number_out_of_range")
    number = float(value)
    if not math.isfinite(number):
        raise BadRecord("number_out_of_range")
    return number


def to_bool(value: Any) -> bool | None:
    """True or false, also as the usual words, or as 0 and 1. Raises ``Unfit``."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if not word:
            return None
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise Unfit


def to_text(value: Any) -> str | None:
    """Text; numbers become their digits (ids are often numbers). Raises ``Unfit`` and ``BadRecord``."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadRecord("not_unicode") from None
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BadRecord("not_unicode") from None
    if isinstance(value, bool):
        raise Unfit
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadRecord("number_out_of_range")
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, (int, Decimal)):
        try:
            return str(value)
        except ValueError:
            # Python refuses to print integers of many thousand digits.
            raise BadRecord("number_out_of_range") from None
    raise Unfit


def to_list(value: Any) -> list[str] | None:
    """A list of texts; a line, as CSV holds it, is taken apart: a JSON array, commas, or an array as PostgreSQL
    (``{a,b}``), DuckDB (``[a, b]``) and Python (``['a', 'b']``) print it."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        try:
            value = orjson.loads(text) if text[0] == "[" else None
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            value = None
        if value is None:
            if text[0] in "[{":
                if text[0] + text[-1] not in ("[]", "{}"):
                    raise Unfit
                text = text[1:-1]
            value = [part.strip().strip("'\"") for part in text.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        raise Unfit
    texts = [to_text(item) for item in value]
    if any(text is None for text in texts):
        raise Unfit
    return [text for text in texts if text is not None]


def to_micros(value: Any) -> int:
    """Microseconds since 1970 in UTC.

    Accepts ISO 8601 with or without a zone (UTC where there is none), RFC 2822 and Apache dates,
    ``datetime`` and ``date``, and epoch seconds, milli-, micro- or nanoseconds, told apart by magnitude.
    Raises ``BadRecord``.
    """
    if value is None:
        raise BadRecord("no_timestamp")
    if isinstance(value, bool):
        raise BadRecord("bad_timestamp")
    if isinstance(value, str):
        text = value.strip()
        if not text:
            raise BadRecord("no_timestamp")
        try:
            value = _number(text)
        except Unfit:
            value = _moment(text)
    if isinstance(value, (int, float, Decimal)):
        micros = _epoch_micros(value)
    elif isinstance(value, datetime):
        micros = _micros_of(value)
    elif isinstance(value, date):
        micros = _micros_of(datetime(value.year, value.month, value.day))
    else:
        raise BadRecord("bad_timestamp")
    if not FIRST_MICRO <= micros <= LAST_MICRO:
        raise BadRecord("time_out_of_range")
    return micros


def _epoch_micros(value: int | float | Decimal) -> int:
    """The four usual units do not overlap between 2000 and 2100, so the magnitude tells the unit."""
    if not isinstance(value, int) and not math.isfinite(value):
        raise BadRecord("number_out_of_range")
    size: Any = abs(value)
    if size < 10**11:
        return round(value * 10**6)
    if size < 10**14:
        return round(value * 10**3)
    if size < 10**17:
        return round(value)
    if size < 10**20:
        return int(value) // 10**3
    raise BadRecord("time_out_of_range")


def _micros_of(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except OverflowError:
        raise BadRecord("time_out_of_range") from None


def _moment(text: str) -> datetime:
    """A time from text. Raises ``BadRecord``."""
    if len(text) > 64:
        raise BadRecord("bad_timestamp")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    if _FIVE_DIGIT_YEAR.match(text):
        raise BadRecord("time_out_of_range")
    changed, leaps = _LEAP.subn("59", _ZONE_NAME.sub("+00:00", text), count=1)
    try:
        return datetime.fromisoformat(changed) + timedelta(seconds=leaps)
    except (ValueError, OverflowError):
        pass
    try:
        apache = _APACHE.match(text.strip("[]"))
        if apache:
            return datetime.strptime(text.strip("[]"), "%d/%b/%Y:%H:%M:%S %z")
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise BadRecord("bad_timestamp") from None
