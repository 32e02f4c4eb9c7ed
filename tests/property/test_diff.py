"""What changed between two findings folders: every kind of change, whatever the order of rows and the names."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from cases_fixture import campaign, names, tables
from stillwatch.report.diff import CHANGES, compare
from stillwatch.report.diff_text import render_diff


def folder(path, groups, summary=None, backwards=False, **more):
    path.mkdir(parents=True, exist_ok=True)
    made = tables(*((campaign(ident, accounts, **more.get(ident, {})), accounts) for ident, accounts in groups.items()))
    for name, table in made.items():
        order = pa.array(range(table.num_rows - 1, -1, -1) if backwards else range(table.num_rows), pa.int64())
        pq.write_table(table.take(order), path / f"{name.partition('.')[2]}.parquet")
    (path / "summary.json").write_text(json.dumps(summary or {}))
    return path


def change(tmp_path, before, after, **more):
    return compare(folder(tmp_path / "before", before), folder(tmp_path / "after", after, **more))


@pytest.mark.parametrize(("before", "after", "expected"), [
    ({}, {"a": (0, 5)}, ["new"]),
    ({"a": (0, 5)}, {}, ["gone"]),
    ({"a": (0, 5)}, {"b": (0, 5)}, ["same"]),
    ({"a": (0, 10)}, {"b": (0, 15)}, ["grown"]),
    ({"a": (0, 10)}, {"b": (0, 6)}, ["shrunk"]),
    ({"a": (0, 10)}, {"b": (2, 12)}, ["changed"]),
    ({"a": (0, 10)}, {"b": (0, 6), "c": (6, 10)}, ["split"]),
    ({"a": (0, 6), "b": (6, 10)}, {"c": (0, 10)}, ["merged"]),
    ({"a": (0, 6), "b": (6, 10)}, {"c": (0, 7), "d": (7, 10), "e": (20, 25)}, ["new", "shrunk", "grown"]),
    ({"a": (0, 8), "b": (8, 12)}, {"c": (0, 10), "d": (4, 8)}, ["regrouped"]),
    # Groups that overlap in one folder are no change.
    ({"a": (0, 20), "b": (15, 20)}, {"a": (0, 20), "b": (15, 20)}, ["same", "same"]),
    # One stranger in common is no connection.
    ({"a": (0, 10)}, {"b": (9, 30)}, ["new", "gone"]),
])
def test_every_kind_of_change_is_called_by_its_name(tmp_path, before, after, expected):
    told = change(tmp_path, {name: names(*span) for name, span in before.items()},
                  {name: names(*span) for name, span in after.items()})
    assert sorted(one["change"] for one in told["changes"]) == sorted(expected)


def test_why_names_accounts_evidence_figures_and_what_the_scans_did_not_share(tmp_path):
    was = folder(tmp_path / "was", {"a": names(0, 10), "b": names(20, 25)},
                 {"version": "1", "settings": {"prior": 0.05}})
    path = folder(tmp_path / "now", {"c": names(2, 22)}, {"version": "2", "settings": {"prior": 0.1}},
                  c={"probability": 0.2, "verdict": "education"})
    shared = tables((campaign("c", names(2, 22)), names(2, 22)), evidence=(("payment", "p1", 5.0), ("ip", "a2", 12.0)))
    pq.write_table(shared["findings.evidence"], path / "evidence.parquet")
    told = compare(was, path)
    one = next(row for row in told["changes"] if row["after"] == ["c"])
    assert one["left"] == ["acct_000", "acct_001"]
    assert one["left_to"] == {"": 2}
    assert len(one["joined"]) == 12
    assert one["joined_from"] == {"": 10, "b": 2}
    assert one["evidence"] == [{"kind": "payment", "bits_before": 20.0, "bits_after": 5.0, "values_new": 0,
                                "values_gone": 0}]
    assert one["verdict_changed"]
    assert (one["detection_before"], one["detection"]) == (True, False)
    assert {"what": "settings: prior", "before": "0.05", "after": "0.1"} in told["differences"]
    assert {"what": "version", "before": "1", "after": "2"} in told["differences"]


groups = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from(names(0, 25)), min_size=1, max_size=20,
                                                             unique=True), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=groups, after=groups)
def test_every_campaign_is_in_one_change_whatever_the_order_of_rows(tmp_path_factory, before, after):
    home = tmp_path_factory.mktemp("diff")
    told = compare(folder(home / "one", before), folder(home / "two", after))
    for side, held in (("before", before), ("after", after)):
        assert sorted(name for change in told["changes"] for name in change[side]) == sorted(held)
    for row in told["changes"]:
        was, now = ({account for name in row[side] for account in held[name]}
                    for side, held in (("before", before), ("after", after)))
        assert (set(row["joined"]), set(row["left"])) == (now - was, was - now)
    again = compare(folder(home / "one", before, backwards=True), folder(home / "two", after, backwards=True))
    assert again == told
    assert {row["change"] for row in compare(home / "one", home / "one")["changes"]} <= {"same"}
    assert sum(told["counts"].values()) == len(told["changes"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=groups, after=groups)
def test_looking_backwards_turns_every_change_round(tmp_path_factory, before, after):
    home = tmp_path_factory.mktemp("diff")
    one, two = folder(home / "one", before), folder(home / "two", after)
    turned = {"new": "gone", "gone": "new", "grown": "shrunk", "shrunk": "grown", "split": "merged",
              "merged": "split"}
    forth = sorted((row["before"], row["after"], row["change"]) for row in compare(one, two)["changes"])
    back = sorted((row["after"], row["before"], turned.get(row["change"], row["change"]))
                  for row in compare(two, one)["changes"])
    assert forth == back


@pytest.mark.parametrize("payload", ["\x1b[31m\x1b]0;title\x07", "\u202eevil", "[bold red]x[/bold red]",
                                     "a" * 10_000_000, "=cmd|' /C calc'!A0", "\x9b2J\r\n"],
                         ids=["escape", "bidi", "markup", "long", "formula", "c1"])
def test_hostile_names_stay_text(tmp_path, payload, capsys):
    members = [f"{payload}{number}" for number in range(5)]
    told = change(tmp_path, {"a": names(0, 5)}, {f"c{payload}": members})
    console = Console(width=100, force_terminal=False)
    for part in render_diff(told):
        console.print(part)
    out = capsys.readouterr().out
    assert len(out) < 10_000
    assert not set(out) & set("\x1b\x07\x9b\r\u202e")
    assert CHANGES[0].upper() in out
