"""Kill −9 at any moment of a case or seal command, and of a scan: what was done is there, nothing is half there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import findings_fixture as fixture
import killing
from stillwatch.cases import desk
from stillwatch.cases.desk import Act, open_store, see
from stillwatch.report.load import load
from stillwatch.sealing import seal, verify
from stillwatch.sealing.ledger import check_ledger

KILLING = Path(killing.__file__)
BY = ("--by", "Ann", "--reason", "looked at it")
_TIMES = frozenset({"at", "taken_at", "opened_at", "decided_at"})
COMMANDS = {
    "open": ("open", "{home}/findings", "c90b", "c5d2", *BY),
    "open again": ("open", "{home}/findings", "c4e1", *BY),
    "confirm": ("confirm", "1", *BY),
    "confirm what is new": ("confirm", "c90b11fe0033", "--findings", "{home}/findings", *BY),
    "dismiss": ("dismiss", "1", "--as", "education", *BY),
    "split": ("split", "1", "org-c4e1-00001", "org-c4e1-00002", "org-c4e1-00003", *BY),
    "merge": ("merge", "1", "2", *BY),
    "remove-account": ("remove-account", "1", "org-c4e1-00004", *BY),
    "note": ("note", "1", "a note", "--by", "Ann"),
    "appeal": ("appeal", "3", "--by", "Owner", "--reason", "no", "--new-evidence", "a letter"),
    "audit-sample": ("audit-sample", "{home}/findings", "--size", "3", "--seed", "2", *BY),
    "erase": ("erase", "org-c4e1-00005", *BY),
}


def killed(home, work, command, trials, seed=0):
    """The outcome of so many runs, the first of them not killed."""
    work.mkdir()
    order = json.dumps({"home": str(home), "work": str(work), "command": command, "trials": trials, "seed": seed})
    done = subprocess.run([sys.executable, str(KILLING)], input=order, capture_output=True, text=True, timeout=900,
                          check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["runs"][0]["code"] == 0, command
    return told


def timeless(data):
    """Without the times and random marks, which no two runs share."""
    if isinstance(data, dict):
        return {name: timeless(value) for name, value in data.items() if name not in _TIMES}
    if isinstance(data, list):
        return sorted((timeless(item) for item in data), key=json.dumps) if all(
            isinstance(item, str) for item in data) else [timeless(item) for item in data]
    return data


def logical(folder):
    """Everything that the store says, and that its file is whole."""
    path = Path(folder) / "cases.db"
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    store = open_store(path, create=False)
    cases = desk.list_cases(store)
    rulings = sorted(repr((r.case_id, r.state, r.root, sorted(r.members), sorted(r.removed), sorted(r.evidence)))
                     for r in desk.read_rulings(path).all)
    return timeless({"cases": cases, "history": desk.history(store), "rulings": rulings,
                     "each": [desk.show_case(store, str(row["case_id"])) for row in cases]})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A store with an open case, another, and a dismissed one; findings with more."""
    folder = tmp_path_factory.mktemp("killed") / "home"
    findings = fixture.typical(folder / "findings")
    loaded = load(findings)
    store = open_store(folder / "cases.db", create=True)
    act = Act("Ann", "first look")
    for number, ident in enumerate(("c4e1", "ce0f", "c117"), 1):
        case = desk.open_case(store, see(loaded.tables, "k", "1", ident), act).case_id
        assert case == number
    desk.dismiss(store, "3", act, "education")
    with sqlite3.connect(folder / "cases.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_killed_act_is_done_or_not_done_and_can_be_repeated(name, home, tmp_path):
    command = ["case", *COMMANDS[name]]
    told = killed(home, tmp_path / "runs", command, 16, seed=len(name))
    before, after = logical(home), logical(told["runs"][0]["folder"])
    assert before != after
    assert told["steps"] > 300
    for one in told["runs"]:
        now = logical(one["folder"])
        if name == "confirm what is new" and now not in (before, after):
            # Two acts, of which the first, whole, is in the history.
            assert now["history"][:-1] == before["history"]
            assert (now["history"][-1]["act"], now["cases"][-1]["state"]) == ("open", "open")
            continue
        assert now in (before, after), one
        if one["code"] == 0:
            assert now == after, "what was said to be done is there"
        if now == before:
            again = killing.run(Path(one["folder"]), command)
            assert again == 0
            assert logical(one["folder"]) == after
    assert any(one["code"] is None for one in told["runs"])


@pytest.mark.slow
def test_a_store_whose_making_was_killed_can_be_made(home, tmp_path):
    empty = tmp_path / "home"
    shutil.copytree(home / "findings", empty / "findings")
    command = ["case", "open", "{home}/findings", "c4e1", *BY]
    told = killed(empty, tmp_path / "runs", command, 16)
    after = logical(told["runs"][0]["folder"])
    for one in told["runs"][1:]:
        folder = Path(one["folder"])
        if one["code"] is None:
            assert killing.run(folder, command) == 0
        entries = [entry["act"] for entry in desk.history(open_store(folder / "cases.db", create=False))]
        assert entries in (["open"], ["open", "see"]), "done before it was killed, and then once more"
        assert entries != ["open"] or logical(folder) == after


@pytest.mark.slow
@pytest.mark.parametrize("sealed_before", [False, True])
def test_a_killed_seal_leaves_a_chain_and_a_seal_that_hold(sealed_before, tmp_path):
    home = tmp_path / "home"
    fixture.typical(home / "findings")
    if sealed_before:
        seal(home / "findings", ledger=home / "ledger.jsonl", key=home / "key.signing")
    told = killed(home, tmp_path / "runs", ["seal", "{home}/findings"], 24, seed=int(sealed_before))
    for one in told["runs"]:
        folder = Path(one["folder"])
        findings, ledger = folder / "findings", folder / "ledger.jsonl"
        if one["code"] == 0 or sealed_before:
            assert verify(findings, ledger=ledger).problems == []
        entries = len(ledger.read_bytes().splitlines()) if ledger.exists() else 0
        assert entries <= 2
        if one["code"] == 0:
            assert json.loads((findings / "seal.json").read_bytes())["entry"]["n"] == 1 + sealed_before
        assert killing.run(folder, ["seal", "{home}/findings"]) == 0
        assert check_ledger(ledger, None)[0] == []
        found = verify(findings, ledger=ledger)
        assert found.problems == []
        assert (folder / "key.signing").stat().st_mode & 0o077 == 0
    assert any(one["code"] is None for one in told["runs"])


def logs(path, exchanges):
    """A few accounts on a few days: enough for every stage."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({
        "ts": (start + timedelta(minutes=7 * n)).isoformat(), "account_id": f"acct_{n % 12}", "model": "m",
        "ip": f"198.51.100.{n % 3}", "user_agent": "x", "prompt": f"Solve task {n}, step by step.",
        "input_tokens": 20, "output_tokens": 200}) + "\n" for n in range(exchanges)))
    return path


@pytest.mark.slow
def test_a_killed_scan_leaves_the_last_good_findings(tmp_path):
    environment = {**os.environ, "STILLWATCH_KEY_FILE": str(tmp_path / "key")}
    out = tmp_path / "findings"

    def scan(source, until=None):
        process = subprocess.Popen(
            [sys.executable, "-m", "stillwatch", "scan", str(source), "--out", str(out), "--decoys", "5"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)
        for line in process.stderr:
            if until is not None and line.startswith(until):
                os.kill(process.pid, signal.SIGKILL)
        return process.wait()

    assert scan(logs(tmp_path / "one.jsonl", 300)) == 0
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    other = logs(tmp_path / "two.jsonl", 600)
    for stage in ("reading logs", "collecting sightings", "linking accounts", "judging", "writing findings"):
        assert scan(other, until=stage) == -signal.SIGKILL, stage
        assert {path.name: path.read_bytes() for path in out.iterdir()} == kept, stage
    assert scan(other) == 0
    assert json.loads((out / "summary.json").read_text())["counts"]["kept"] == 600
    left = [path.name for path in tmp_path.iterdir()]
    assert sorted(left) == ["findings", "key", "one.jsonl", "two.jsonl"], "drafts of the dead are gone"
