"""Tables of findings for spreadsheets and programs, and a campaign as a picture."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import findings_fixture as fixture
from page_fixture import HOSTILE
from stillwatch.errors import InputError, UsageError
from stillwatch.pipeline.exporting import EXPORT_FORMATS, export, spreadsheet_cell
from stillwatch.report import clean
from stillwatch.report.findings_plot import plot_campaign
from stillwatch.schema import MEMBERS


def exported(folder: Path, form: str, **options: Any) -> Path:
    export(folder, folder.parent / f"out-{form}", form, inert=clean, **options)
    return folder.parent / f"out-{form}"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_format_holds_every_row_and_column(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path / "f")
    want = pq.read_table(folder / "members.parquet")
    rows = export(folder, tmp_path / "counted", "csv", inert=clean)
    assert rows["members"] == want.num_rows == 252
    assert rows["quarantine"] == 12
    assert set(rows) == {"campaigns", "members", "exchanges", "evidence", "activity", "hours", "usage", "samples",
                         "phases", "quarantine", "sightings", "edges", "groups"}
    assert pq.read_table(exported(folder, "parquet") / "members.parquet").equals(want)
    told = json.loads((exported(folder, "json") / "members.json").read_text())
    assert [{**row, "first_seen": datetime.fromisoformat(row["first_seen"]),
             "last_seen": datetime.fromisoformat(row["last_seen"])} for row in told] == want.to_pylist()
    cells = read_csv(exported(folder, "csv") / "members.csv")
    assert list(cells[0]) == list(MEMBERS.names)
    assert [float(row["probability"]) for row in cells] == want["probability"].to_pylist()
    assert [row["victim"] or None for row in cells] == want["victim"].to_pylist()
    assert cells[0]["first_seen"] == "2026-04-28T00:00:00.000000+00:00"
    hypotheses = json.loads(read_csv(exported(folder, "csv") / "campaigns.csv")[0]["hypotheses"])
    assert hypotheses == pq.read_table(folder / "campaigns.parquet")["hypotheses"][0].as_py()


def test_what_each_column_means_lies_beside_the_tables(tmp_path: Path) -> None:
    columns = read_csv(exported(fixture.typical(tmp_path / "f"), "csv", only=["members"]) / "columns.csv")
    assert [row["column"] for row in columns] == list(MEMBERS.names)
    assert {row["table"] for row in columns} == {"members"}
    assert columns[1]["meaning"] == "member"
    assert columns[1]["sensitivity"] == "pseudonymous"
    files = sorted(path.name for path in (tmp_path / "out-csv").iterdir())
    assert files == ["columns.csv", "export.json", "members.csv"]


@pytest.mark.parametrize("form", EXPORT_FORMATS)
def test_the_same_findings_give_the_same_bytes(form: str, tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path / "f")
    first = {path.name: path.read_bytes() for path in exported(folder, form).iterdir()}
    again = {path.name: path.read_bytes() for path in exported(folder, form).iterdir()}
    assert first == again
    assert len(first) == 15


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", "＝1",
            "=HYPERLINK(1)|cmd' /C calc'!A0", '=cmd|"/C calc"!A0', "-2+3+cmd|' /C calc'!A0"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_is_a_formula_gets_an_apostrophe(text: str) -> None:
    assert spreadsheet_cell(text, clean).startswith("'")


@pytest.mark.parametrize("text", ["plain", "a=b", "1-2", "x@y", "", "'already", "\\t"])
def test_a_text_that_is_none_stays_as_it_is(text: str) -> None:
    assert spreadsheet_cell(text, clean) == text


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_no_cell_is_a_formula_or_hides_anything(text: str) -> None:
    cell = spreadsheet_cell(text, clean)
    assert cell.lstrip()[:1] not in tuple("=+-@＝＋－＠")
    assert all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in cell)


@pytest.mark.parametrize("payload", [*HOSTILE, *FORMULAS])
def test_hostile_strings_stay_text_in_every_export(payload: str, tmp_path: Path) -> None:
    folder = fixture.hostile(tmp_path / "f", payload)
    out = exported(folder, "csv")
    for path in out.glob("*.csv"):
        raw = path.read_text("utf-8")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", raw)
        for row in read_csv(path):
            for name, cell in row.items():
                number = re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", cell)
                assert number or cell.lstrip()[:1] not in tuple("=+-@＝＋－＠"), name
    # Every line of a file is a row: no text breaks one.
    members = out / "members.csv"
    assert len(members.read_text("utf-8").splitlines()) == 1 + 42
    raw = (exported(folder, "json") / "evidence.json").read_bytes()
    assert raw.isascii()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
    assert json.loads(raw)[0]["why"] == pq.read_table(folder / "evidence.parquet")["why"][0].as_py()


def test_a_bad_line_of_the_quarantine_is_named_and_stops_nothing(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path / "f")
    with (folder / "quarantine.jsonl").open("a") as file:
        file.write('{"file": 3}\n[1]\nnot json\n{"file": "\\ud800", "line": 1, "reason": "x"}\n')
    rows = json.loads((exported(folder, "json", only=["quarantine"]) / "quarantine.json").read_text())
    assert [(row["file"], row["line"], row["reason"]) for row in rows[12:]] == [
        ("quarantine.jsonl", number, "unparsable") for number in (13, 14, 15, 16)]


def test_numbers_that_are_none_are_null_in_json(tmp_path: Path) -> None:
    row = fixture.campaign(linkage_bits=float("inf"), q_floor=float("nan"))
    folder = fixture.write(tmp_path / "f", fixture.tables((row, 2)), fixture.summary())
    told = json.loads((exported(folder, "json") / "campaigns.json").read_text())
    assert (told[0]["linkage_bits"], told[0]["q_floor"]) == (None, None)


def test_an_export_overwrites_nothing_but_an_export(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path / "f")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    for out, form, only, message in ((tmp_path / "mine", "csv", (), "is no export of findings"),
                                     (tmp_path / "o", "xlsx", (), "cannot be written as"),
                                     (tmp_path / "o", "csv", ("nothing",), "has no table"),
                                     (folder, "csv", (), "is no export of findings")):
        with pytest.raises(UsageError, match=message) as raised:
            export(folder, out, form, inert=clean, only=only)
        assert raised.value.remedy
    with pytest.raises(UsageError, match="no findings folder"):
        export(tmp_path / "nowhere", tmp_path / "o", "csv", inert=clean)
    with pytest.raises(InputError, match="holds no findings"):
        export(tmp_path / "mine", tmp_path / "o", "csv", inert=clean)
    (folder / "members.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(InputError, match="cannot be read"):
        export(folder, tmp_path / "o", "csv", inert=clean)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("form", ["svg", "png"])
def test_a_picture_is_the_same_every_time(form: str, tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path / "f")
    first = plot_campaign(folder, tmp_path / f"a.{form}").read_bytes()
    assert plot_campaign(folder, tmp_path / f"b.{form}").read_bytes() == first
    assert len(first) > 5_000


def texts(path: Path) -> str:
    return " ".join("".join(node.itertext()) for node in ET.parse(path).iter("{http://www.w3.org/2000/svg}text"))


def test_a_picture_shows_the_detection_and_no_account(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path / "f")
    said = texts(plot_campaign(folder, tmp_path / "a.svg"))
    for text in ("c4e1d0a92b7f: DETECTED, 60 accounts, 38,520 exchanges; run together q = 0.005, harvesting 97%",
                 "Exchanges a day (UTC)", "content", "payment", "reasoning trace", "shared application"):
        assert text in said
    assert "org-" not in said
    assert "c1177f02ab9d: education" in texts(plot_campaign(folder, tmp_path / "b.svg", "c1177f02ab9d"))


def test_a_picture_says_what_is_not_recorded(tmp_path: Path) -> None:
    made = fixture.tables((fixture.campaign(hypotheses=None), 3))
    for table in ("findings.evidence", "findings.activity", "findings.phases"):
        made[table] = []
    folder = fixture.write(tmp_path / "f", made, fixture.summary())
    assert texts(plot_campaign(folder, tmp_path / "a.svg")).count("not recorded in these findings") == 4


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_strings_stay_text_in_a_picture(payload: str, tmp_path: Path) -> None:
    path = plot_campaign(fixture.hostile(tmp_path / "f", payload), tmp_path / "a.svg")
    tags = {node.tag.rpartition("}")[2] for node in ET.parse(path).iter()}
    assert tags.isdisjoint({"script", "image", "a", "foreignObject", "iframe"})
    assert "onload" not in {name for node in ET.parse(path).iter() for name in node.attrib}


def test_a_picture_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path / "f")
    with pytest.raises(UsageError, match=r"cannot be made as \.jpg"):
        plot_campaign(folder, tmp_path / "a.jpg")
    with pytest.raises(UsageError, match="no campaign none"):
        plot_campaign(folder, tmp_path / "a.svg", "none")
    with pytest.raises(UsageError, match="no campaign in"):
        plot_campaign(fixture.quiet(tmp_path / "q"), tmp_path / "a.svg")
