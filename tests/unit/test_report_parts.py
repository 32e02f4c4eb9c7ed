"""The report's small parts: cleaning, numbers, charts and the words of the conclusion."""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.report.charts import Bar, Day, activity, bars, waterfall
from stillwatch.report.clean import clean, cut
from stillwatch.report.graph_chart import Link, graph
from stillwatch.report.numbers import q, short, surely
from stillwatch.report.time_charts import Hour, Phase, Stay, hours, mix, stays

DAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(("given_text", "expected"), [
    ("plain", "plain"),
    ("Zürich 東京 ñ", "Zürich 東京 ñ"),
    ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
    ("\x9b2J", "\\x9b2J"),
    ("a\u202egnp.exe", "a\\u202egnp.exe"),
    ("pay\u200bment", "pay\\u200bment"),
    ("two\r\nlines\tand a tab", "two\\r\\nlines\\tand a tab"),
    ("\x07bell", "\\x07bell"),
    ("no\u00a0break", "no\\xa0break"),
    ("\ud800", "\\ud800"),
    ("\U000e0041", "\\U000e0041"),
    ("blank\u3164", "blank\\u3164"),
    ("e" + "\u0301" * 5, "e" + "\u0301" * 3 + "\\u0301\\u0301"),
])
def test_what_cannot_be_seen_is_shown_as_an_escape(given_text: str, expected: str) -> None:
    assert clean(given_text) == expected


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_clean_text_has_nothing_hidden_and_stays_clean(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in cleaned)
    cleaned.encode("utf-8")


@given(st.text(st.characters(exclude_categories=()), max_size=80), st.integers(4, 40))
def test_a_cut_text_keeps_its_ends_and_its_limit(text: str, limit: int) -> None:
    part = cut(text, limit)
    whole = clean(text)
    assert len(part) <= limit
    if part != whole:
        head, _, tail = part.partition("…")
        assert whole.startswith(head)
        assert whole.endswith(part[-1])
        assert head
        assert tail or "…" in head


def test_a_gigantic_string_is_cut_before_it_costs_anything() -> None:
    assert len(clean("\u202e" * 50_000_000)) < 500_000


def test_probabilities_never_round_to_certainty() -> None:
    assert surely(1.0) == "over 99.9%"
    assert surely(0.9996) == "over 99.9%"
    assert surely(0.0) == "under 0.1%"
    assert surely(0.973) == "97%"
    assert surely(0.9951) == "99.5%"
    assert surely(None) == surely(float("nan")) == "not computed"
    assert q(0.0) == "under 0.0001"
    assert q(0.0025) == "0.0025"


@pytest.mark.parametrize(("number", "text"), [
    (9_999, "9,999"), (12_345, "12.3k"), (999_999, "1.0M"), (151_000_000, "151M"), (3_400_000, "3.4M"), (None, "–")])
def test_short_numbers_fit_six_characters(number: int | None, text: str) -> None:
    assert short(number) == text
    assert len(short(number)) <= 6


def _svg(text: str) -> ET.Element:
    return ET.fromstring(text)


def test_a_bar_is_as_long_as_its_share_of_the_longest() -> None:
    chart = _svg(bars([Bar("a", 40, "40"), Bar("b", 10, "10"), Bar("c", -20, "-20")], ident="x", title="T", desc="D"))
    widths = [rect.get("width") for rect in chart.iter("rect") if "bar" in str(rect.get("class"))]
    assert widths == ["100.00%", "25.00%", "50.00%"]
    assert chart.findtext("title") == "T"
    assert chart.findtext("desc") == "D"
    assert chart.get("aria-labelledby") == "x-t x-d"


def test_hostile_labels_stay_text_in_a_chart() -> None:
    chart = _svg(bars([Bar('<script>"&\x1b', 1, "</svg>")], ident="x", title="<b>", desc="&"))
    assert [node.tag for node in chart.iter()] == ["svg", "title", "desc", "text", "text", "rect", "rect"]
    assert [node.text for node in chart.iter("text")] == ['<script>"&\\x1b', "</svg>"]


def test_values_that_are_no_numbers_draw_nothing() -> None:
    chart = _svg(bars([Bar("a", float("nan"), "?"), Bar("b", float("inf"), "?")], ident="x", title="T", desc="D"))
    assert {rect.get("width") for rect in chart.iter("rect")} == {"100%", "0.00%"}


def test_activity_states_peaks_and_days_in_words() -> None:
    days = [Day(DAY + timedelta(days=i), [1, 9, 0, 4][i], 100 + i) for i in (3, 0, 1)]
    chart = _svg(activity(days, ident="x", title="T", marker=DAY + timedelta(days=2), marker_label="seen"))
    desc = str(chart.findtext("desc"))
    assert "1 May 2026 to 4 May 2026" in desc
    assert "up to 9 a day (2 May 2026)" in desc
    assert "up to 103 a day" in desc
    ours = next(p for p in chart.iter("path") if p.get("class") == "bar series0")
    assert ours.get("d", "").count("M") == 3, "a day without exchanges has no bar"
    line = next(node for node in chart.iter("line") if node.get("class") == "mark")
    assert line.get("x1") == "50.00%"


def test_many_days_share_bars_and_lose_no_exchange() -> None:
    days = [Day(DAY + timedelta(days=i), 1, None) for i in range(1000)]
    text = activity(days, ident="x", title="T")
    assert "up to 9 per 9 days" in text
    assert text.count("M") <= 130
    assert "Everybody" not in text, "an unknown population is not drawn as none"


def test_a_chart_does_not_depend_on_the_order_of_its_days() -> None:
    days = [Day(DAY + timedelta(days=i), i % 5, i) for i in range(300)]
    assert activity(days, ident="x", title="T") == activity(days[::-1], ident="x", title="T")
    assert activity([], ident="x", title="T") == ""


def _percent(node: ET.Element, name: str) -> float:
    return float(str(node.get(name)).rstrip("%"))


def test_each_step_of_a_waterfall_begins_where_the_one_before_ended() -> None:
    chart = _svg(waterfall([Bar("a", 60, "60"), Bar("b", 30, "30"), Bar("c", 10, "10"), Bar("d", float("nan"), "?")],
                           Bar("all", 100, "100"), ident="x", title="T", desc="D"))
    steps = [(_percent(r, "x"), _percent(r, "width")) for r in chart.iter("rect") if r.get("class") != "track"]
    assert steps == [(0, 60), (60, 30), (90, 10), (100, 0), (0, 100)]
    assert waterfall([], Bar("all", 0, "0"), ident="x", title="T", desc="D") == ""


def test_a_mix_is_as_high_as_its_share_and_as_wide_as_its_phase() -> None:
    phases = [Phase(DAY, DAY + timedelta(days=1), {"coding": 0.25, "other": 0.75}),
              Phase(DAY + timedelta(days=1), DAY + timedelta(days=4), {"other": 1.0})]
    chart = _svg(mix(phases, ident="x", title="T"))
    assert [p.get("d") for p in chart.iter("path")] == ["M0.0 100V25.0H250.0V100ZM250.0 100V0.0H1000.0V100Z",
                                                        "M0.0 100V75.0H250.0V100Z"]
    assert "other: 75%, then over 99.9%; coding: 25%, then none" in str(chart.findtext("desc"))
    assert mix([], ident="x", title="T") == mix([Phase(DAY, DAY, {"a": 1.0})], ident="x", title="T") == ""


def test_a_stay_is_drawn_from_its_first_to_its_last() -> None:
    given = [Stay(DAY + timedelta(days=5), DAY + timedelta(days=10)), Stay(DAY, DAY + timedelta(days=10))]
    chart = _svg(stays(given, ident="x", title="T", of=1_200))
    assert [(_percent(r, "x"), _percent(r, "width")) for r in chart.iter("rect")] == [(0, 99.4), (49.7, 49.7)]
    assert "2 of 1,200 accounts" in str(chart.findtext("desc"))
    assert "1 of them began within the first tenth" in str(chart.findtext("desc"))
    assert stays([], ident="x", title="T", of=0) == ""


def test_a_graph_draws_each_link_once_between_its_accounts() -> None:
    links = [Link(0, 1, 9.0), Link(1, 0, 9.0), Link(1, 2, 4.0), Link(3, 3, 8.0)]
    text = graph(5, links, ident="x", title="T", of=84)
    chart = _svg(text)
    dots = [(c.get("cx"), c.get("cy")) for c in chart.iter("circle")]
    assert len(dots) == len(set(dots)) == 5
    lines = "".join(str(p.get("d")) for p in chart.iter("path"))
    assert lines.count("M") == 2
    for one, other in ((0, 1), (1, 2)):
        assert f"M{' '.join(map(str, dots[one]))}L{' '.join(map(str, dots[other]))}" in lines
    assert "5 of 84 accounts and 2 links between them, of 4.0 to 9.0 bits. 3 of the accounts" in text
    assert graph(5, links, ident="x", title="T", of=84) == text
    assert graph(5, [], ident="x", title="T", of=84) == ""


def test_a_graph_puts_what_is_linked_together() -> None:
    two = [Link(a + base, b + base, 5.0) for base in (0, 8) for a in range(8) for b in range(a)]
    dots = [(float(str(c.get("cx"))), float(str(c.get("cy")))) for c in
            _svg(graph(16, two, ident="x", title="T", of=16)).iter("circle")]
    def apart(one: int, other: int) -> float:
        return ((dots[one][0] - dots[other][0]) ** 2 + (dots[one][1] - dots[other][1]) ** 2) ** 0.5
    inside = [apart(a + base, b + base) for base in (0, 8) for a in range(8) for b in range(a)]
    across = [apart(a, b + 8) for a in range(8) for b in range(8)]
    assert max(inside) < min(across)


def test_hours_are_cells_of_their_account_and_lose_no_exchange() -> None:
    given = [Hour("b", DAY, 9), Hour("a", DAY + timedelta(hours=2), 3), Hour("b", DAY + timedelta(hours=3), 5),
             Hour("c", DAY, 0)]
    chart = _svg(hours(given, ident="x", title="T", of=84))
    # Rows in the order in which accounts began: b, then a.
    assert {str(p.get("class"))[-6:]: p.get("d") for p in chart.iter("path")} == {
        "shade1": "M2 1h1v.8h-1z", "shade2": "M3 0h1v.8h-1z", "shade3": "M0 0h1v.8h-1z"}
    assert "2 of 84 accounts" in str(chart.findtext("desc"))
    assert "up to 9 exchanges an hour each; active in 38% of the cells" in str(chart.findtext("desc"))
    assert hours([Hour("c", DAY, 0)], ident="x", title="T", of=1) == ""
    many = hours([Hour("a", DAY + timedelta(hours=h), 1) for h in range(1_000)], ident="x", title="T", of=1)
    assert "up to 5 exchanges in 5 hours each; active in 100% of the cells" in many
    assert many.count("M") <= 240
