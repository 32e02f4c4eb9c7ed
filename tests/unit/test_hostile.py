"""A thousand hostile strings in every field of findings, cases and labels: text on a page, in a terminal, in a cell."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import findings_fixture as fixture
from browser import Browser, open_browser, ran
from evaluate_oracle import world
from evaluate_oracle import write as write_world
from hostile import CANARY, CORPUS, FORMULAS, MARKUP, TERMINAL, UNSEEN, forbidden
from page_fixture import Parsed, assert_in_its_place
from stillwatch.cli import app
from stillwatch.pipeline.exporting import export, spreadsheet_cell
from stillwatch.report import clean, disclosure, render_html
from stillwatch.report.clean import cut
from stillwatch.report.expanded import lead_rows

_A_PAGE = 45
PAGES = [CORPUS[start:start + _A_PAGE] for start in range(0, len(CORPUS), _A_PAGE)]
QUICK = [pytest.param(number, marks=[pytest.mark.slow] if number % 6 else []) for number in range(len(PAGES))]
# Of what takes a command a string, only the page with most of what is meant for terminals.
ONE = [pytest.param(number, marks=[pytest.mark.slow] if number != 19 else []) for number in range(len(PAGES))]
TERMS = {level: disclosure(level, "joint defence", "2999-12-31") for level in ("partner", "public")}
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def test_the_strings_are_many_and_of_every_kind() -> None:
    assert len(set(CORPUS)) == len(CORPUS) >= 1000
    assert all(any(part in text for text in CORPUS) for part in ("<script", "onerror=", "\x1b]52", "\u202e", "=cmd|"))
    assert max(map(len, CORPUS)) >= 30_000
    assert min(map(len, (MARKUP, FORMULAS, TERMINAL, UNSEEN))) >= 50


@pytest.mark.parametrize("number", QUICK)
def test_on_a_page_they_are_text(number: int, tmp_path: Path) -> None:
    folder = fixture.hostile_each(tmp_path / "f", PAGES[number])
    for level in ("internal", "partner", "public"):
        made = render_html(folder, None, TERMS[level]) if level in TERMS else render_html(folder)
        text = made.read_text("utf-8")
        parsed = Parsed(text)
        assert_in_its_place(parsed)
        assert all(re.fullmatch(r"#[a-z0-9-]+", a["href"]) for a in parsed.all("a"))
        assert forbidden(text) == set()
        for payload in PAGES[number] if level == "internal" else ():
            # They are really there, as text, so the checks above have something to check.
            assert " ".join(cut(payload, 240).split()) in parsed.words
        if level != "internal":
            assert CANARY not in text


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.mark.parametrize("action", [text for text in MARKUP if text.startswith(("<script>", "<img", "<svg onload",
                                                                                "<iframe", "<style>", "<meta"))][:8])
def test_a_browser_that_runs_one_is_noticed(action: str, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(f"<title>x</title><p>{action}</p>")
    assert ran(browser, tmp_path / "bad.html")


@pytest.mark.parametrize("number", QUICK)
def test_a_browser_runs_none_of_them_with_or_without_the_pages_policy(number: int, browser: Browser,
                                                                      tmp_path: Path) -> None:
    folder = fixture.hostile_each(tmp_path / "f", PAGES[number])
    for page in (render_html(folder), render_html(folder, None, TERMS["partner"]),
                 render_html(folder, None, TERMS["public"])):
        assert ran(browser, page) == []
        bare = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page.read_text("utf-8"))
        (tmp_path / "bare.html").write_text(bare)
        assert ran(browser, tmp_path / "bare.html") == []


def said(*arguments: object, code: int = 0) -> str:
    """What a command prints, to either stream."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == code, (arguments[0], done.output[-2000:], done.exception)
    return done.output


@pytest.mark.parametrize("number", ONE)
def test_in_a_terminal_they_can_be_seen_and_do_nothing(number: int, tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLWATCH_CASES_FILE", str(tmp_path / "cases.db"))
    payloads = PAGES[number]
    folder = fixture.hostile_each(tmp_path / "f", payloads)
    other = fixture.hostile_each(tmp_path / "g", payloads[::2], size=4)
    for output in (said("diff", folder, other), said("diff", folder, folder)):
        assert forbidden(output) == set()
    members = pq.read_table(folder / "members.parquet").to_pylist()
    for place, payload in enumerate(payloads):
        campaign = f"c{place:03d}{payload}"
        who = next(row["account_id"] for row in members if row["campaign_id"] == campaign)
        by = payload[:150].strip() or "Ann"
        # Two dashes before what may begin with one: that is how anybody has to call it.
        outputs = [said("explain", folder, "--", who), said("expand", folder, "--", who)]
        if payload.strip() and "\0" not in payload:
            outputs += [said("case", "open", folder, f"--by={by}", f"--reason={payload[:9000]}", "--", campaign),
                        said("case", "note", f"--by={by}", "--", str(place + 1), payload[:9000])]
        else:
            outputs += [said("case", "open", folder, "--by=Ann", "--reason=x", "--", campaign)]
        outputs.append(said("case", "show", str(place + 1)))
        assert [forbidden(output) for output in outputs] == [set()] * len(outputs), payload[:80]
    for output in (said("case", "list"), said("case", "history"), said("case", "calibration")):
        assert forbidden(output) == set()


@pytest.mark.parametrize("payload", ["[/]", "[b]x[/b]", ":skull:", "\\[x]"])
def test_in_a_terminal_markup_of_rich_is_text(payload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLWATCH_CASES_FILE", str(tmp_path / "cases.db"))
    folder = fixture.hostile_each(tmp_path / "f", [payload])
    other = fixture.hostile_each(tmp_path / "g", [payload], size=4)
    who = pq.read_table(folder / "members.parquet")["account_id"][0].as_py()
    for arguments in (("diff", folder, other), ("explain", folder, "--", who), ("expand", folder, "--", who),
                      ("case", "open", folder, f"--reason={payload}", "--", f"c000{payload}"), ("case", "show", "1"),
                      ("case", "list"), ("case", "history"), ("case", "calibration")):
        output = said(*arguments)
        # What an act says of itself is a number.
        assert payload in output or arguments[1] in ("open", "calibration"), arguments[:2]


@pytest.mark.parametrize("number", QUICK)
def test_in_an_evaluation_they_can_be_seen_and_do_nothing(number: int, tmp_path: Path) -> None:
    findings, truth = write_world(world(3), tmp_path)
    called: dict[str, str] = {}
    for path in (*findings.glob("*.parquet"), *(truth / "truth").glob("*.parquet")):
        data = pq.read_table(path)
        for place, name in enumerate(data.column_names):
            if name in ("campaign", "campaign_id"):
                for value in filter(None, data[name].to_pylist()):
                    called.setdefault(value, f"{value}{PAGES[number][len(called) % len(PAGES[number])]}")
                data = data.set_column(place, name, [[called.get(value) for value in data[name].to_pylist()]])
        pq.write_table(data, path)
    assert len(called) > 5
    assert forbidden(said("evaluate", findings, truth)) == set()


def is_formula(cell: str) -> bool:
    number = re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", cell)
    return not number and cell.lstrip().startswith(_FORMULA)


@pytest.mark.parametrize("number", QUICK)
def test_in_a_spreadsheet_they_are_text(number: int, tmp_path: Path) -> None:
    folder = fixture.hostile_each(tmp_path / "f", PAGES[number])
    export(folder, tmp_path / "out", "csv", inert=clean)
    for path in (tmp_path / "out").glob("*.csv"):
        raw = path.read_text("utf-8")
        assert forbidden(raw) == set()
        rows = list(csv.reader(raw.splitlines()))
        assert len({len(row) for row in rows}) == 1, "no text begins a cell or a row"
        assert [cell for row in rows for cell in row if is_formula(cell)] == []
        assert max((len(cell) for row in rows for cell in row), default=0) <= 32_767, "a cell's most"


@pytest.mark.parametrize("number", QUICK)
def test_leads_for_a_spreadsheet_are_text(number: int) -> None:
    leads = [{"account": payload, "probability": 0.9, "round": 1, "via": payload, "group": payload, "bits": 3.0,
              "families": [], "shared": [{"kind": payload, "value": payload, "label": payload, "accounts": 3}],
              "against": payload, "victim_note": payload, "verdicts": [{"verdict": payload}]}
             for payload in PAGES[number]]
    cells = [cell for row in lead_rows(leads, lambda text: spreadsheet_cell(text, clean)) for cell in row]
    assert [cell for cell in cells if is_formula(cell)] == []
    assert forbidden("".join(cells)) == set()
