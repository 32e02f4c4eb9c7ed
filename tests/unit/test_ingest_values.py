"""Single values: every way in which sources write times, numbers, truth and text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from stillwatch.ingest.model import BadRecord
from stillwatch.ingest.values import Unfit, to_bool, to_float, to_int, to_list, to_micros, to_text

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = int(MOMENT.timestamp())
MICROS = SECONDS * 10**6


@pytest.mark.parametrize(
    "value",
    [
        SECONDS,
        float(SECONDS),
        str(SECONDS),
        SECONDS * 10**3,
        SECONDS * 10**6,
        SECONDS * 10**9,
        str(SECONDS * 10**9),
        "2026-01-02T03:04:05Z",
        "2026-01-02 03:04:05",
        "2026-01-02T03:04:05+00:00",
        "2026-01-02 04:04:05+01",
        "20260102T030405Z",
        "2026-01-02T03:04:05.000000000Z",
        "2026-01-02 03:04:05 UTC",
        " 2026-01-02T03:04:05 ",
        "Fri, 02 Jan 2026 03:04:05 GMT",
        "02/Jan/2026:03:04:05 +0000",
        "[02/Jan/2026:04:04:05 +0100]",
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.astimezone(timezone(timedelta(hours=9))),
        "2026-01-02T03:04:05,000Z",
    ],
)
def test_times_in_every_spelling(value):
    assert to_micros(value) == MICROS


def test_fractions_dates_and_leap_seconds():
    assert to_micros(SECONDS + 0.25) == MICROS + 250_000
    assert to_micros("2026-01-02T03:04:05.000007Z") == MICROS + 7
    assert to_micros(date(2026, 1, 2)) == to_micros("2026-01-02") == to_micros("2026-01-02T00:00:00Z")
    assert to_micros("2016-12-31T23:59:60Z") == to_micros("2017-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no_timestamp"),
        ("", "no_timestamp"),
        ("  ", "no_timestamp"),
        ("yesterday", "bad_timestamp"),
        (True, "bad_timestamp"),
        ({}, "bad_timestamp"),
        ([1], "bad_timestamp"),
        ("x" * 10_000, "bad_timestamp"),
        (0, "time_out_of_range"),
        (-SECONDS, "time_out_of_range"),
        ("1999-12-31T23:59:59Z", "time_out_of_range"),
        ("2100-01-02", "time_out_of_range"),
        ("9999-12-31T23:59:59Z", "time_out_of_range"),
        (10**30, "time_out_of_range"),
        ("0001-01-01T00:00:00+14:00", "time_out_of_range"),
        ("292277026596-12-04T15:30:07Z", "time_out_of_range"),
        (float("nan"), "number_out_of_range"),
        (float("inf"), "number_out_of_range"),
        ("2026-02-30", "bad_timestamp"),
    ],
)
def test_times_that_are_none(value, reason):
    with pytest.raises(BadRecord) as caught:
        to_micros(value)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        ("512", 512),
        ("-3", -3),
        (7.0, 7),
        ("7.0", 7),
        ("", None),
        (None, None),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_integers(value, expected):
    assert to_int(value) == expected


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, "9" * 30, "9" * 5000, 1e30, float("inf"), float("nan"), "NaN"]
)
def test_integers_that_no_column_holds(value):
    with pytest.raises(BadRecord, match="number_out_of_range"):
        to_int(value)


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        (to_int, "many"),
        (to_int, 1.5),
        (to_int, True),
        (to_int, []),
        (to_float, "hot"),
        (to_float, False),
        (to_bool, "perhaps"),
        (to_bool, 2),
        (to_bool, []),
        (to_text, {}),
        (to_text, True),
        (to_list, 5),
        (to_list, [None]),
        (to_list, [{}]),
        (to_list, "[1"),
    ],
)
def test_wrong_types_are_set_aside(convert, value):
    with pytest.raises(Unfit):
        convert(value)


def test_floats_truth_text_and_lists():
    assert to_float("0.5") == 0.5
    assert to_float(1) == 1.0
    assert to_float("1e-3") == 0.001
    with pytest.raises(BadRecord):
        to_float("1e999")
    assert [to_bool(value) for value in ("true", "F", 1, 0.0, "no", None, "")] == [
        True,
        False,
        True,
        False,
        False,
        None,
        None,
    ]
    assert [to_text(value) for value in (5, 5.0, 0.5, "x\x00", b"y")] == ["5", "5", "0.5", "x\x00", "y"]
    assert to_list('["a", "b"]') == to_list("a, b") == to_list(("a", "b")) == ["a", "b"]
    for text in ("\ud800", b"\xff"):
        with pytest.raises(BadRecord, match="not_unicode"):
            to_text(text)
