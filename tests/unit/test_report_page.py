"""The HTML page and the terminal's table, from findings folders as a scan writes them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import findings_fixture as fixture
from page_fixture import HOSTILE, Parsed, assert_in_its_place
from stillwatch.errors import InputError, StillwatchError, UsageError
from stillwatch.report import render_html, render_text
from stillwatch.report.clean import cut
from stillwatch.report.html import _environment


def page(folder: Path) -> Parsed:
    return Parsed(render_html(folder).read_text("utf-8"))


def terminal(folder: Path, width: int = 80, **options: Any) -> str:
    out = StringIO()
    console = Console(file=out, width=width, **options)
    for part in render_text(folder):
        console.print(part)
    return out.getvalue()


FOLDERS: list[Callable[[Path], Path]] = [fixture.typical, fixture.nameless, fixture.quiet]


@pytest.mark.parametrize("make", FOLDERS)
def test_the_page_is_well_formed_and_accessible(make: Callable[[Path], Path], tmp_path: Path) -> None:
    parsed = page(make(tmp_path))
    assert parsed.stack == []
    assert parsed.all("html") == [{"lang": "en"}]
    for landmark in ("header", "main", "footer", "nav", "h1"):
        assert len(parsed.all(landmark)) == 1
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels
    assert all(cell.get("scope") for cell in parsed.all("th"))
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    charts = [svg for svg in parsed.all("svg") if "aria-hidden" not in svg]
    for reference in [*(chart["aria-labelledby"] for chart in charts),
                      *(section["aria-labelledby"] for section in parsed.all("section"))]:
        assert set(reference.split()) <= set(ids)
    assert {a["href"].removeprefix("#") for a in parsed.all("a")} <= set(ids)
    if make is fixture.typical:
        # Four of the first page, four of each campaign, two of single accounts for the two open sections, reliability.
        assert len(charts) == 4 + 4 * 5 + 2 * 2 + 1


@pytest.mark.parametrize("make", FOLDERS)
def test_the_page_loads_and_runs_nothing(make: Callable[[Path], Path], tmp_path: Path) -> None:
    text = render_html(make(tmp_path)).read_text("utf-8")
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert not re.search(r"https?:|url\(|@import|<script|<link|<iframe|<img|javascript:", text)


def test_the_page_says_what_is_claimed_and_how_surely(tmp_path: Path) -> None:
    words = page(fixture.typical(tmp_path)).words
    for said in (
        "1 campaign detected", "420,102 exchanges of 3,120 accounts", "60 accounts in 1 group",
        "Run together? meets the limit (q at most 0.01) q = 0.005",
        "Harvesting training data? meets the limit (at least 90%) probability 97%",
        "Operated by whom? no claim not assessed nothing is claimed",
        "Conditional on scenarios of `simulate`", "Linked is not guilty", "Internal – contains account ids",
        "1 suspected but short of a detection", "2 with an innocent explanation", "Missing: ja4",
        "420,340 records in = 420,102 kept + 12 quarantined + 200 duplicates + 20 merged + 6 out of scope",
        "The figures add up.", "no q below 0.0025 can be shown", "4be1c07d", "3 accounts of this group may be victims",
        "reportable from 5 May 2026", "This is not a detection. Nobody in it is accused.", "not valid JSON or CSV",
    ):
        assert said in words


def test_the_first_page_keeps_observation_apart_from_inference(tmp_path: Path) -> None:
    row = fixture.campaign(strongest_family="content", stands_without=0.93)
    made = fixture.tables((row, 60), (fixture.campaign("c2", accounts=20), 20))
    parsed = page(fixture.write(tmp_path, made, fixture.summary()))
    words = parsed.words
    observed = words[words.index("Observed: counted in the logs"):words.index("Inferred: true if")]
    inferred = words[words.index("Inferred: true if"):words.index("How it is known")]
    known = words[words.index("How it is known"):words.index("What else it could be")]
    assert "60 accounts sent 38,520 exchanges from 28 April 2026 to 1 June 2026 (UTC)." in observed
    assert "a prompt template that no other account sends" in observed.casefold()
    assert "q = 0.005" not in observed
    assert "probability" not in observed
    for said in ("These accounts share more than chance explains: q = 0.005",
                 "training data are made from: probability 97%",
                 "as a trained model judged it: reasoning trace 61%", "Who is behind it: nothing is claimed."):
        assert said in inferred
    for said in ("Without its strongest family (content), 93% of the accounts are still found together.",
                 "comes from 400 decoy data sets", "no q below 0.0025 could be shown",
                 "conditional on scenarios of `simulate`"):
        assert said in known
    assert "1 further detection below" in words
    assert "3 of 60 accounts may be victims" in words
    names = [title for title in ("Exchanges over time", "What is asked for over time", "Evidence of linkage by family",
                                 "Every explanation and its probability") if title in words]
    assert len(names) == 4


def test_what_is_not_recorded_is_not_claimed_on_the_first_page(tmp_path: Path) -> None:
    row = fixture.campaign(strongest_family=None, stands_without=None, sessions=None, tasks=None, output_tokens=None,
                           capabilities=None, hypotheses=None, first_seen=None, evidence_against=None)
    made = fixture.tables((row, 3))
    for table in ("findings.evidence", "findings.activity", "findings.phases", "findings.edges"):
        made[table] = []
    words = page(fixture.write(tmp_path, made, fixture.summary(decoys={}))).words
    for said in ("It is not recorded whether it stands without its strongest family.",
                 "None is recorded in this folder.",
                 "Nothing that was measured speaks against harvesting. That is not the same"):
        assert said in words
    for never in ("The answers hold", "as a trained model judged it", "Evidence comes from", "None, ", "nan"):
        assert never not in words


def test_detections_come_first_and_the_innocent_are_folded(tmp_path: Path) -> None:
    parsed = page(fixture.typical(tmp_path))
    dossiers = [d for d in parsed.all("details") if "dossier" in d.get("class", "")]
    assert [d["id"] for d in dossiers] == ["detections-1", "suspected-1", "undetermined-1", "innocent-1", "innocent-2"]
    assert ["open" in d for d in dossiers] == [True, True, False, False, False]


def test_the_actor_is_a_claim_of_its_own(tmp_path: Path) -> None:
    row = fixture.campaign(actor="Example Actor A", actor_probability=0.62)
    words = page(fixture.write(tmp_path, fixture.tables((row, 8)), fixture.summary())).words
    assert "Operated by whom? a match, no proof probability 62% best match: Example Actor A" in words


def test_nothing_found_says_what_could_not_be_seen(tmp_path: Path) -> None:
    for words in (page(fixture.nameless(tmp_path)).words, " ".join(terminal(tmp_path).split())):
        assert "no campaign detected" in words.lower()
        assert "No record names an account, so nothing can be linked." in words
        assert "This is no proof that there is no campaign" in words


def test_too_few_decoys_are_confessed(tmp_path: Path) -> None:
    decoys = {"made": 20, "wanted": 400, "seconds": 3.0, "floor": 0.048, "second_set": False}
    folder = fixture.write(tmp_path, fixture.tables(), fixture.summary(decoys=decoys))
    assert "With 20 decoys q cannot go below 0.048, so no group could be a detection" in page(folder).words


def test_figures_that_do_not_add_up_raise_an_alarm(tmp_path: Path) -> None:
    counts = {**fixture.summary()["counts"], "kept": 420_101}
    folder = fixture.write(tmp_path, fixture.tables(), fixture.summary(counts=counts))
    assert "These figures do not add up" in page(folder).words
    assert "do not add up" in terminal(folder)


@pytest.mark.parametrize(("verdict", "probability", "q_value", "detected"), [
    ("distillation", 0.9, 0.01, True), ("distillation", 0.8999, 0.01, False), ("distillation", 0.9, 0.0101, False),
    ("distillation", 0.99, None, False), ("distillation", float("nan"), 0.001, False),
    ("distillation", 0.99, float("nan"), False), ("reseller", 0.99, 0.001, False)])
def test_a_detection_has_the_contracts_one_meaning(verdict: str, probability: float, q_value: float | None,
                                                   detected: bool, tmp_path: Path) -> None:
    row = fixture.campaign("c1", verdict, probability, q_value, 5)
    folder = fixture.write(tmp_path, fixture.tables((row, 5)), fixture.summary())
    assert ("1 campaign detected" in page(folder).words) is detected
    assert ("DETECTED" in terminal(folder).split("group", 1)[1]) is detected


def test_every_member_shows_what_speaks_against_and_whether_it_may_be_a_victim(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    parsed = page(folder)
    rows = [a["data-label"] for a in parsed.all("td") if a.get("data-label") in ("Speaks against", "May be a victim")]
    members = pq.read_table(folder / "members.parquet").to_pylist()
    inline = sum(member["account_id"] in parsed.words for member in members)
    assert rows == ["Speaks against", "May be a victim"] * inline
    detected = [m for m in members if m["campaign_id"] == "c4e1d0a92b7f"]
    assert all(m["account_id"] in parsed.words for m in detected)
    assert parsed.words.count("possibly: its key was used from two networks at once") >= 3


def test_the_strongest_of_each_kind_is_not_hidden_by_many_of_one(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    path = folder / "evidence.parquet"
    row = pq.read_table(path).to_pylist()[0]
    rows = [row | {"kind": kind, "value": f"v{number:03d}", "bits": 200.0 - number}
            for number, kind in enumerate(["template"] * 60 + ["payment"] * 5 + ["ip"])]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    text = render_html(folder).read_text("utf-8")
    shown = [number for number in range(66) if f"v{number:03d}" in text]
    assert shown == [*range(16), 60, 61, 62, 65]
    assert "46 more in evidence.parquet" in text


def since(folder: Path, *campaigns: dict[str, Any], **summary: Any) -> str:
    """The terminal's words for detections with these changes."""
    named = [fixture.campaign(f"c{number}", **changes) for number, changes in enumerate(campaigns)]
    made = fixture.tables(*((row, 20) for row in named))
    fixture.write(folder, made, fixture.summary(**summary))
    return " ".join(terminal(folder).split())


def test_since_when_it_was_reportable_is_said_with_the_share_sent_by_then(tmp_path: Path) -> None:
    # Before day 13: 1 + … + 7 a member, of 1 + … + 20 less the two quiet days' 15 and 16, and 15 days of 20 each.
    told = since(tmp_path, {})
    assert "By the same rules it was reportable from 5 May 2026, with 6% of its exchanges sent." in told
    at_end = fixture.START + timedelta(days=42, hours=23, minutes=59)
    told = since(tmp_path, {}, {"detectable_at": at_end})
    assert ("By the same rules 2 campaigns were reportable from 5 May 2026 at the earliest and 3 June 2026, 23:59 at"
            " the latest, with 53% of their exchanges sent in the median and over 99.9% at most.") in told


def test_where_it_was_not_looked_for_or_time_ran_out_that_is_said(tmp_path: Path) -> None:
    told = since(tmp_path, {"detectable_at": None}, looks={"ended": None})
    assert "Since when 1 detection could have been reported was not looked for." in told
    assert "By the same rules" not in told
    told = since(tmp_path, {}, {"detectable_at": None}, looks={"ended": "2026-05-20T00:00:00+00:00"})
    assert ("Time for finding since when 1 detection could have been reported ran out: not before 20 May 2026"
            " (--look-seconds).") in told
    assert "By the same rules it was reportable from 5 May 2026" in told


@pytest.mark.parametrize("missing", ["summary.json", "members.parquet", "evidence.parquet", "activity.parquet",
                                     "samples.parquet", "quarantine.jsonl"])
def test_a_folder_that_lacks_a_file_still_gives_a_report_that_says_so(missing: str, tmp_path: Path) -> None:
    (fixture.typical(tmp_path) / missing).unlink()
    assert f"This folder lacks {missing}" in page(tmp_path).words
    assert missing in terminal(tmp_path)


@pytest.mark.parametrize("summary", [{}, [], {"counts": [], "inputs": {}, "decoys": 3, "span": {"first": "soon"}},
                                     {"counts": {"kept": "many", "records_in": 1e400}, "missing": [None, "x", {}]}])
def test_a_strange_summary_breaks_nothing(summary: Any, tmp_path: Path) -> None:
    fixture.typical(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert "Not every figure is recorded" in page(tmp_path).words
    assert "not known records in" in terminal(tmp_path)


def test_what_is_no_findings_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no findings folder"):
        render_html(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no findings"):
        render_text(tmp_path)
    fixture.quiet(tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        render_html(tmp_path, tmp_path / "nowhere" / "report.html")
    for name, content in (("members.parquet", b"PAR1 not"), ("summary.json", b"{")):
        fixture.quiet(tmp_path)
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StillwatchError) as raised:
            render_html(tmp_path)
        assert raised.value.remedy


def test_the_same_folder_gives_the_same_page(tmp_path: Path) -> None:
    first = render_html(fixture.typical(tmp_path)).read_bytes()
    for table in ("members", "evidence", "activity", "campaigns", "samples"):
        path = tmp_path / f"{table}.parquet"
        data = pq.read_table(path)
        pq.write_table(data.take(list(range(data.num_rows))[::-1]), path)
    assert render_html(tmp_path, tmp_path / "again.html").read_bytes() == first
    assert not list(tmp_path.glob(".*")), "no half-written file is left"


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_strings_stay_text_on_the_page(payload: str, tmp_path: Path) -> None:
    made = render_html(fixture.hostile(tmp_path, payload))
    text = made.read_text("utf-8")
    parsed = Parsed(text)
    assert_in_its_place(parsed)
    assert all(re.fullmatch(r"#[a-z0-9-]+", a["href"]) for a in parsed.all("a"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", text)
    assert made.stat().st_size < 1_000_000
    # The payload is really there, as text, so the checks above have something to check.
    assert " ".join(cut(payload, 200).split()) in parsed.words


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_strings_stay_text_in_the_terminal(payload: str, tmp_path: Path) -> None:
    folder = fixture.hostile(tmp_path, payload)
    plain = terminal(folder)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", plain)
    coloured = terminal(folder, force_terminal=True, color_system="truecolor")
    # What is left after our own colours holds no escape at all.
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert "\x1b]" not in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain, "colour carries no meaning of its own"
    if "[bold red]" in payload:
        assert "[bold red]markup[/]" in " ".join(plain.split())


def test_the_terminal_fits_80_columns_and_concludes_at_once(tmp_path: Path) -> None:
    lines = terminal(fixture.typical(tmp_path)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "1 CAMPAIGN DETECTED"
    assert lines.index("") <= 8
    row = next(line for line in lines if "c4e1d0a92b7f" in line)
    assert row.split() == ["c4e1d0a92b7f", "DETECTED", "60", "38.5k", "97%", "0.005", "2026-04-28"]
    assert "…" not in "".join(lines)


def test_the_terminal_says_where_the_report_is(tmp_path: Path) -> None:
    assert "stillwatch report" in terminal(fixture.typical(tmp_path))
    made = render_html(tmp_path)
    assert str(made) in terminal(tmp_path, width=400)


def test_a_campaign_of_24000_accounts_stays_a_small_page(tmp_path: Path) -> None:
    folder = fixture.large(tmp_path)
    started = time.perf_counter()
    made = render_html(folder)
    assert time.perf_counter() - started < 20
    assert made.stat().st_size < 8_000_000
    words = Parsed(made.read_text("utf-8")).words
    assert "23,800 further members in members.parquet" in words
    assert "1,200 accounts of this group may be victims" in words
    assert "look here before acting (the first 50 of 1200)" in words


def test_a_thousand_candidates_stay_a_small_page(tmp_path: Path) -> None:
    rows = [(fixture.campaign(f"c{i:05d}", probability=0.95 if i < 300 else 0.5, accounts=30), 30) for i in range(900)]
    made = render_html(fixture.write(tmp_path, fixture.tables(*rows), fixture.summary()))
    assert made.stat().st_size < 8_000_000
    words = Parsed(made.read_text("utf-8")).words
    assert "300 campaigns detected" in words
    assert "200 further groups of this kind in campaigns.parquet" in words
    assert "560 further groups of this kind in campaigns.parquet" in words


def test_colours_have_enough_contrast() -> None:
    import stillwatch.report as room

    css = (Path(str(room.__file__)).parent / "templates" / "style.css").read_text()
    modes = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(modes) == 3
    for mode in modes[:2]:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", mode))
        for ink in ("ink", "quiet", "accent", "alarm"):
            for ground in ("page", "panel"):
                assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for mark in ("ours", "others"):
            assert _contrast(colours[mark], colours["page"]) >= 3


def _contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours after WCAG 2.2."""
    def luminance(colour: str) -> float:
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_template_cannot_forget_to_clean_or_escape() -> None:
    assert _environment().from_string("{{ x }}").render(x="\x1b<b>\u202e") == "\\x1b&lt;b&gt;\\u202e"


def test_an_id_that_is_console_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    folder = fixture.write(tmp_path, fixture.tables((fixture.campaign("[red]x[/]"), 3)), fixture.summary())
    assert "[red]x[/]" in terminal(folder)


def test_it_says_what_to_do_now_and_what_a_block_would_also_stop(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    words = page(folder).words
    steps = words[words.index("What to do now"):words.index("What was observed")]
    assert "these logs end on 4 June 2026" in steps
    assert "stillwatch case open FINDINGS" in steps
    assert "Stillwatch blocks nothing, and this page authorises no block" in steps
    (row,) = [row for row in pq.read_table(folder / "campaigns.parquet").to_pylist()
              if f"open FINDINGS {row['campaign_id']}" in steps]
    accused = [member for member in pq.read_table(folder / "members.parquet").to_pylist()
               if member["campaign_id"] == row["campaign_id"] and member["probability"] >= 0.5]
    beside = sum(member["exchanges_total"] - member["exchanges"] for member in accused)
    assert beside > 0
    assert f"Blocking all {len(accused)} would also stop {beside:,} exchanges" in steps


@pytest.mark.parametrize(("made", "days"), [("2026-06-06T03:12:44+00:00", None), ("2026-09-06T03:12:44+00:00", 93)])
def test_old_logs_are_called_old(made: str, days: int | None, tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    (folder / "summary.json").write_text(json.dumps({**summary, "created_at": made}), "utf-8")
    words = page(folder).words
    assert ("before this scan: what it found may be over" in words) is (days is not None)
    assert days is None or f"The logs end {days} days before this scan" in words


def test_it_says_what_no_log_says_and_whether_permission_was_looked_at(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    asked = "no agreements were given (--agreements)"
    assert "what became of the answers: no log says" in page(folder).words
    assert asked in page(folder).words
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    beside = [{"path": "agreements.parquet", "role": "agreements", "digest": "0"}]
    (folder / "summary.json").write_text(json.dumps({**summary, "beside": beside}), "utf-8")
    assert asked not in page(folder).words
    assert "what became of the answers: no log says" in page(folder).words
