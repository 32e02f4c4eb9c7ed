"""Numbers and times as words, alike on the page and in the terminal."""

from __future__ import annotations

import datetime as calendar
from datetime import UTC, datetime
from math import isfinite

__all__ = ["count", "date", "day", "plural", "q", "short", "span", "surely", "time"]

# Written out because a month's name must not depend on the machine's language.
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")
_NONE = "not known"
_NARROW = 10_000


def count(number: float | None) -> str:
    """A whole number with its thousands apart."""
    return _NONE if number is None or not isfinite(number) else f"{number:,.0f}"


def plural(number: int | None, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 account``, ``2 accounts``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def short(number: float | None) -> str:
    """A number in at most six characters: ``9,999``, ``12.3k``, ``151M``."""
    if number is None or not isfinite(number):
        return "–"
    if abs(number) < _NARROW:
        return f"{number:,.0f}"
    # 0.9995: what would be rounded to 1000 of a unit is 1.0 of the next.
    size, unit = next(((number / s, u) for s, u in ((1e12, "T"), (1e9, "G"), (1e6, "M"))
                       if abs(number) >= 0.9995 * s), (number / 1e3, "k"))
    return f"{size:.1f}{unit}" if abs(size) < 99.95 else f"{size:.0f}{unit}"


def surely(probability: float | None) -> str:
    """A probability in per cent, never rounded up to certainty nor down to impossibility."""
    if probability is None or not isfinite(probability):
        return "not computed"
    if probability > 0.999:
        return "over 99.9%"
    if probability < 0.001:
        return "under 0.1%"
    digits = 1 if probability > 0.99 or probability < 0.01 else 0
    return f"{probability * 100:.{digits}f}%"


def q(value: float | None) -> str:
    """A q-value with two significant digits, never below what it is."""
    if value is None or not isfinite(value):
        return "not computed"
    return "under 0.0001" if value < 0.0001 else f"{value:.2g}"


def date(when: datetime | None) -> str:
    """A UTC date: ``5 May 2026``."""
    if when is None:
        return _NONE
    utc = when.astimezone(UTC)
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc.year}"


def day(when: calendar.date | None) -> str:
    """A calendar day, which has no zone: ``5 May 2026``."""
    return _NONE if when is None else f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def time(when: datetime | None) -> str:
    """A UTC time to the minute: ``5 May 2026, 14:07 UTC``."""
    return _NONE if when is None else f"{date(when)}, {when.astimezone(UTC):%H:%M} UTC"


def span(first: datetime | None, last: datetime | None) -> str:
    """A period in UTC dates."""
    if first is None or last is None:
        return f"at {_NONE} times" if first is None and last is None else date(first or last)
    start, end = date(first), date(last)
    return f"on {start}" if start == end else f"{start} to {end}"
