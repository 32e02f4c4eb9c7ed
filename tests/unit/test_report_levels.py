"""What each level of a dossier shows, and that nothing else of the findings is on the page."""

from __future__ import annotations

import html
import json
import re
import time
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import findings_fixture as fixture
from page_fixture import HOSTILE, Parsed, assert_in_its_place
from stillwatch.errors import InputError, StillwatchError, UsageError
from stillwatch.report import disclosure, load_signoffs, render_html
from stillwatch.report.screen import Screen, coarse, found_in
from stillwatch.schema import TABLES, Sensitivity

TODAY = date(2026, 6, 10)
SHARED = ("partner", "public")
EXPIRES = "2027-06-30"


def terms(level: str, **changes: Any) -> Any:
    given = {"purpose": "defence against one campaign", "expires": EXPIRES, "today": TODAY} | changes
    return disclosure(level, **given)


def rendered(folder: Path, level: str, **changes: Any) -> str:
    campaign = changes.pop("campaign", None)
    return render_html(folder, folder / f"{level}.html", terms(level, **changes), campaign).read_text("utf-8")


def words(text: str) -> str:
    return Parsed(text).words


def identifying(folder: Path) -> set[str]:
    """Every string of the folder's tables in a column that is not public, lists included, and places of its inputs."""
    found = {"logs/2026-04.jsonl.gz", "logs/2026-05.parquet", "9f31c2aa"}
    for table in TABLES:
        path = folder / f"{table.name.partition('.')[2]}.parquet"
        if path.is_file() and table.name.startswith("findings."):
            for row in pq.read_table(path).to_pylist():
                found |= {row[c.name] for c in table.columns if c.sensitivity is not Sensitivity.PUBLIC
                          and isinstance(row.get(c.name), str)}
    return found


@pytest.mark.parametrize("name", [":skull:", "[[x]]", "`id`", "(done)", "“so”"])
def test_a_sentence_that_is_a_name_in_punctuation_does_not_pass(name: str) -> None:
    screen = Screen([name])
    for sentence in (name, f"they share {name}.", f"they share {name}, and more"):
        assert not screen.passes(sentence)
    assert screen.passes("they share more")


@pytest.mark.parametrize("name", ["#main", "detections-1", "rowheader", "TLP:AMBER", "first-activity-t", "M0",
                                  "details::details-content", "default-src"])
@pytest.mark.parametrize("level", SHARED)
def test_nobody_keeps_a_page_from_being_written_by_what_they_call_themselves(level: str, name: str,
                                                                             tmp_path: Path) -> None:
    made = fixture.tables((fixture.campaign(accounts=5), 5))
    made["findings.members"][0]["account_id"] = name
    folder = fixture.write(tmp_path, made, fixture.summary())
    assert "1 campaign detected" in words(rendered(folder, level))


@pytest.mark.parametrize("level", SHARED)
def test_no_id_label_value_or_sample_is_on_a_shared_page(level: str, tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    page = html.unescape(rendered(folder, level))
    names = identifying(folder)
    assert len(names) > 250
    assert {"org-c4e1-00000", "c4e1d0a92b7f", "ExampleAgent/7.1 (build 99)", "hmac:77aa01", "tpl-9c31"} <= names
    # "64500" is a number like any other on the page; the rest must be nowhere, be it inside another word.
    assert [name for name in sorted(names - {"64500"}) if name in page] == []
    assert not re.search(r"[\w.+-]+@[\w-]+\.\w|\d+\.\d+\.\d+\.\d+", page)


def test_the_internal_page_holds_what_the_others_withhold(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    page = html.unescape(rendered(folder, "internal"))
    for shown in ("org-c4e1-00000", "c4e1d0a92b7f", "hmac:77aa01", "tpl-9c31", "logs/2026-05.parquet"):
        assert shown in page


CANARY = "canary-7q Canary@canary.example 203.0.113.77 Canary Corp /home/canary 2001:db8:1:2:3:4:5:6"


@pytest.mark.parametrize("level", SHARED)
@pytest.mark.parametrize("payload", [CANARY, "canary", "Canary Corp signed an agreement."])
def test_a_string_of_every_field_is_nowhere_on_a_shared_page(level: str, payload: str, tmp_path: Path) -> None:
    folder = fixture.hostile(tmp_path, payload)
    assert "canary" in rendered(folder, "internal").casefold(), "the payload is really in the findings"
    page = rendered(folder, level).casefold()
    assert "1 campaign detected" in page
    for part in ("canary", "203.0.113.77", "2001:db8"):
        assert part not in page


@pytest.mark.parametrize("level", SHARED)
@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_strings_execute_nothing_at_any_level(level: str, payload: str, tmp_path: Path) -> None:
    text = rendered(fixture.hostile(tmp_path, payload), level, purpose=f"to see {payload[:200]}")
    parsed = Parsed(text)
    assert_in_its_place(parsed)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", text)


@pytest.mark.parametrize(("level", "said"), [
    ("internal", ("Internal – contains account ids · TLP:AMBER+STRICT", "Nothing but what this page has no room for")),
    ("partner", ("For a partner – accounts under pseudonyms · TLP:AMBER", "Account ids, and every name or digest",
                 "account 0001", "campaign 1", "1 suspected but not detected, 1 undetermined, 2 explained innocently",
                 "Purpose: defence against one campaign. Expires 30 June 2027.", "60 accounts",
                 "Each work item went to exactly one account.", "60 members share one user agent.")),
    ("public", ("Public – no accounts · TLP:CLEAR", "Accounts one by one", "Expires 30 June 2027",
                "420,000 exchanges of 3,100 accounts", "39,000 exchanges")),
])
def test_each_level_says_for_whom_it_is_and_what_it_leaves_out(level: str, said: tuple[str, ...],
                                                               tmp_path: Path) -> None:
    shown = words(rendered(fixture.typical(tmp_path), level))
    for text in said:
        assert text in shown


def test_the_public_page_lists_no_account_and_no_single_trait(tmp_path: Path) -> None:
    parsed = Parsed(rendered(fixture.typical(tmp_path), "public"))
    assert "account 0001" not in parsed.words
    assert {a["data-label"] for a in parsed.all("td") if "data-label" in a} & {
        "Speaks against", "May be a victim", "Why", "Value"} == set()
    assert "38,520" not in parsed.words, "figures are rounded"


@pytest.mark.parametrize("level", SHARED)
def test_customers_of_whom_nothing_is_claimed_are_only_counted(level: str, tmp_path: Path) -> None:
    parsed = Parsed(rendered(fixture.typical(tmp_path), level))
    dossiers = [d["id"] for d in parsed.all("details") if "dossier" in d.get("class", "")]
    assert dossiers == ["detections-1"]
    assert "140 accounts" not in parsed.words


@pytest.mark.parametrize("level", SHARED)
def test_pseudonyms_do_not_depend_on_what_accounts_are_called(level: str, tmp_path: Path) -> None:
    first = rendered(fixture.typical(tmp_path / "a"), level)
    folder = fixture.typical(tmp_path / "b")
    for name in ("members", "edges", "sightings", "groups"):
        path = folder / f"{name}.parquet"
        table = pq.read_table(path)
        for column in ("account_id", "account_a", "account_b"):
            if column in table.column_names:
                # Backwards, so that their alphabetical order is turned round as well.
                turned = [f"x{10**6 - int(value[-5:])}{value[:8]}" for value in table[column].to_pylist()]
                table = table.set_column(table.column_names.index(column), table.schema.field(column),
                                         pa.array(turned, pa.string()))
        pq.write_table(table, path)
    assert rendered(folder, level) == first


def signed(tmp_path: Path, **changes: Any) -> Path:
    record = {"campaign": "c4e1d0a92b7f", "actor": "Grey Rook", "by": "a.person", "at": "2026-06-08T09:00:00+00:00",
              "reason": "matched by two teams"} | changes
    path = tmp_path / "signed.json"
    path.write_text(json.dumps([record]))
    return path


@pytest.mark.parametrize("level", SHARED)
def test_no_actor_is_named_without_a_recorded_sign_off(level: str, tmp_path: Path) -> None:
    row = fixture.campaign(actor="Grey Rook", actor_probability=0.62, history=["It followed Grey Rook."],
                           explanation="Grey Rook runs 8 accounts.")
    folder = fixture.write(tmp_path / "f", fixture.tables((row, 8)), fixture.summary())
    page = rendered(folder, level)
    assert "Grey Rook" not in page
    assert "its name withheld" in page
    for wrong in ({"campaign": "another"}, {"actor": "Grey"}):
        assert "Grey Rook" not in rendered(folder, level, signoffs=load_signoffs(signed(tmp_path, **wrong)))
    named = words(rendered(folder, level, signoffs=load_signoffs(signed(tmp_path))))
    assert "a match, no proof probability 62% best match: Grey Rook" in named
    assert "Signed off for naming on 8 June 2026 (record " in named
    assert "a.person" not in named


@pytest.mark.parametrize("changes", [{"at": "2026-06-08"}, {"at": "soon"}, {"by": " "}, {"actor": 3}])
def test_a_sign_off_that_says_too_little_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="record 1"):
        load_signoffs(signed(tmp_path, **changes))
    with pytest.raises(UsageError, match="no file of sign-offs"):
        load_signoffs(tmp_path / "nowhere.json")
    (tmp_path / "list.json").write_text('{"actor": "x"}')
    with pytest.raises(InputError, match="no list"):
        load_signoffs(tmp_path / "list.json")


@pytest.mark.parametrize(("changes", "message"), [
    ({"purpose": None}, "needs a purpose"), ({"purpose": "  "}, "needs a purpose"),
    ({"expires": None}, "needs an expiry"), ({"expires": "next year"}, "not a date"),
    ({"expires": "2026-06-10"}, "not in the future"), ({"tlp": "clear"}, "laxer"), ({"tlp": "pink"}, "no marking")])
def test_what_is_shared_has_a_purpose_a_marking_and_an_expiry(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        terms("partner", **changes)
    assert raised.value.remedy


def test_a_stricter_marking_and_an_internal_page_without_terms_are_allowed() -> None:
    assert terms("public", tlp="TLP:RED").marking == "TLP:RED"
    assert disclosure("internal").purpose is None
    with pytest.raises(UsageError, match="no level"):
        disclosure("secret")


def test_a_purpose_that_names_an_account_is_refused_and_nothing_written(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    for purpose in ("about org-c4e1-00003", "ask me@work.example"):
        with pytest.raises(UsageError, match="the purpose names"):
            rendered(folder, "partner", purpose=purpose)
    assert not (folder / "partner.html").exists()


def test_a_page_that_would_hold_an_id_all_the_same_is_not_written(tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fixture.typical(tmp_path)
    monkeypatch.setattr(Screen, "passes", lambda self, text: True)
    members = pq.read_table(folder / "members.parquet")
    told = pa.array(["as org-c4e1-00003 does"] * members.num_rows, pa.string())
    pq.write_table(members.set_column(members.column_names.index("against"), "against", told),
                   folder / "members.parquet")
    with pytest.raises(StillwatchError, match="was not written: it would hold 1 of the names"):
        rendered(folder, "partner")
    assert not (folder / "partner.html").exists()


def test_one_campaign_alone(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path)
    text = words(rendered(folder, "internal", campaign="c90b11fe0033"))
    assert "c90b11fe0033" in text
    assert "c4e1d0a92b7f" not in text
    with pytest.raises(UsageError, match="no campaign nothing"):
        rendered(folder, "internal", campaign="nothing")


@pytest.mark.parametrize(("text", "passes"), [
    ("requests that offer tools: 16% (usual for harvesting 17%, for a reseller 4%)", True),
    ("It rose from 2026-03-07 00:44 UTC, ran steadily from 2026-03-09 05:00 UTC.", True),
    ("8 of its 9 exchanges are not the group's", True),
    ("an agreement with Example Works covers it", False),
    ("moved to atlas-5-large within 3 days", False),
    ("share one address (203.0.113.9)", False),
    ("seen at mail.example", False),
    ("one rare-name here", False),
    ("it ran 1234567 times", False),
])
def test_the_screen_lets_plain_sentences_pass_alone(text: str, passes: bool) -> None:
    assert Screen(["rare-name"]).passes(text) is passes


def test_numbers_are_rounded_to_digits() -> None:
    assert [coarse(n, 2) for n in (None, 0, 7, 99, 101, 8_329, 38_520)] == [None, 0, 7, 99, 100, 8_300, 39_000]
    assert coarse(8_329, None) == 8_329


def test_the_last_look_finds_ids_addresses_and_mail() -> None:
    page = "<td>acct_12</td> (org-9-x), me@mail.example 10.0.0.7 2026 v1.5.6"
    assert found_in(page, {"acct_12", "org-9-x", "2026", "absent-1"}) == [
        "acct_12", "org-9-x", "me@mail.example", "10.0.0.7"]


def test_a_campaign_of_24000_accounts_is_disclosed_in_time_and_stays_small(tmp_path: Path) -> None:
    folder = fixture.large(tmp_path)
    for level in SHARED:
        started = time.perf_counter()
        page = rendered(folder, level)
        assert time.perf_counter() - started < 30
        assert len(page.encode()) < 8_000_000
        assert "24,000 accounts" in words(page)
        assert "org-c4e1" not in page
