"""The reliability charts of the report: the shipped figures are the scoreboard's, and one's own stay inside."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import findings_fixture as fixture
from page_fixture import Parsed
from stillwatch.report import disclosure, render_html
from stillwatch.report.reliability import chart

ROOT = Path(__file__).parents[2]
DECIDED: dict[str, Any] = {
    "drawn": 12, "decided": 10, "confirmed": 4, "enough": 200, "chosen": {"confirmed": 5, "dismissed": 1},
    "odds_factor": 0.62, "odds_factor_interval": [0.2, 1.9],
    "bins": [{"from": 0.0, "to": 0.2, "cases": 6, "confirmed": 1, "mean_probability": 0.04, "share": 0.125,
              "share_interval": [0.004, 0.64]},
             {"from": 0.8, "to": 1.0, "cases": 4, "confirmed": 3, "mean_probability": 0.97, "share": 0.75,
              "share_interval": [0.19, 0.99]}]}


def test_the_shipped_figures_are_those_of_the_scoreboard() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from reliability import read
    finally:
        sys.path.pop(0)
    shipped = json.loads((resources.files("stillwatch.data") / "reliability.json").read_text("utf-8"))
    assert shipped == read((ROOT / "docs" / "scoreboard.md").read_text("utf-8")), "run: python tools/reliability.py"
    assert sum(one["candidates"] for one in shipped["bins"]) == shipped["candidates"]
    hits = sum(round(one["share"] * one["candidates"]) for one in shipped["bins"])
    assert hits == shipped["positives"]


def test_a_bin_stands_where_its_figures_say() -> None:
    svg = str(chart([(one, one["cases"]) for one in DECIDED["bins"]], ident="x", title="T", what="were confirmed"))
    zero, one = (float(re.search(r'class="ideal" x1="0" x2="100%" y1="([\d.]+)" y2="([\d.]+)"', svg)[part])
                 for part in (1, 2))
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle class="dot" cx="([\d.]+)%" cy="([\d.]+)"', svg)]
    assert [x for x, _ in dots] == [4.0, 97.0]
    assert [(zero - y) / (zero - one) for _, y in dots] == pytest.approx([0.125, 0.75], abs=1e-3)
    reaches = [(float(a), float(b)) for a, b in re.findall(r'class="reach"[^>]*y1="([\d.]+)" y2="([\d.]+)"', svg)]
    assert [(zero - low) / (zero - one) for low, _ in reaches] == pytest.approx([0.004, 0.19], abs=1e-3)
    assert "said 97%, came true 75% of 4" in unescape(svg)
    assert chart([], ident="x", title="T", what="") == ""


def test_ones_own_record_is_on_the_internal_page_alone(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    words = Parsed(render_html(folder, decided=DECIDED).read_text("utf-8")).words
    for said in ("Do probabilities mean what they say?", "Chance drew 12 cases; 10 are decided, 4 of them confirmed",
                 "6 further cases were decided", "2 drawn cases are not decided", "multiplied by 0.62 (0.2–1.9",
                 "0%–64%", "On simulated traffic"):
        assert said in words
    assert "own cases" not in Parsed(render_html(folder).read_text("utf-8")).words
    for level in ("partner", "public"):
        page = render_html(folder, None, disclosure(level, "defence", "2999-12-31"), decided=DECIDED)
        words = Parsed(page.read_text("utf-8")).words
        assert "On simulated traffic" in words
        assert "Chance drew" not in words
        assert "own record of what was decided" in words, "that it is left out is said"
