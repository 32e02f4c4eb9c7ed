"""Several processes at one case store or ledger, and processes that are killed: nothing that was done is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import findings_fixture as fixture
from cases_fixture import ANN, names, seen
from stillwatch.cases import desk
from stillwatch.cases.desk import open_store
from stillwatch.digests import canonical
from stillwatch.sealing import seal, verify
from stillwatch.sealing.keys import signing_key
from stillwatch.sealing.ledger import append, check_ledger

# Does one act after another, and says after each that it is done.
NOTES = """
import sys
from stillwatch.cases import desk
from stillwatch.cases.desk import Act, open_store
path, who, most = __import__("pathlib").Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = open_store(path, create=True)
print("ready", flush=True)
sys.stdin.readline()
for number in range(most):
    desk.note(store, "1", Act(who, f"note {number}"))
    print(number, flush=True)
"""
MAKES = """
import sys
from pathlib import Path
from stillwatch.cases.desk import open_store
print("ready", flush=True)
sys.stdin.readline()
open_store(Path(sys.argv[1]), create=True)
print("made")
"""
SEALS = """
import sys
from pathlib import Path
from stillwatch.sealing import seal, verify
from stillwatch.sealing.keys import signing_key
from stillwatch.sealing.ledger import append
folder, who, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
key = signing_key(folder / "key.signing")
print("ready", flush=True)
sys.stdin.readline()
for number in range(most):
    append(folder / "ledger.jsonl", f"{who}-{number}", key)
    print(number, flush=True)
"""


def start(script, *arguments):
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def race(processes, until=None):
    """Let all go at once; returns what each said that it had done."""
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(processes)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    if until is not None:
        until()
    return [process.communicate(timeout=120)[0].split() for process in processes]


def test_processes_at_once_lose_no_act(tmp_path):
    path = tmp_path / "cases.db"
    desk.open_case(open_store(path, create=True), seen(names(0, 5)), ANN)
    done = race([start(NOTES, path, who, 15) for who in ("Ann", "Bob", "Cid")])
    assert [len(said) for said in done] == [15] * 3
    entries = [entry for entry in desk.history(open_store(path, create=False)) if entry["act"] == "note"]
    for who in ("Ann", "Bob", "Cid"):
        assert [entry["why"] for entry in entries if entry["by"] == who] == [f"note {n}" for n in range(15)]


def test_processes_that_make_the_store_at_once_make_one(tmp_path):
    path = tmp_path / "cases.db"
    done = race([start(MAKES, path) for _ in range(3)])
    assert done == [["made"]] * 3
    assert desk.list_cases(open_store(path, create=False)) == []


def test_one_of_two_decisions_at_once_is_refused(tmp_path):
    path = tmp_path / "cases.db"
    desk.open_case(open_store(path, create=True), seen(names(0, 5)), ANN)
    decide = NOTES.replace('desk.note(store, "1", Act(who, f"note {number}"))',
                           '(desk.confirm if who == "Ann" else desk.dismiss)(store, "1", Act(who, "sure"))')
    processes = [start(decide, path, who, 1) for who in ("Ann", "Bob")]
    race(processes)
    assert sorted(process.returncode for process in processes) == [0, 1]
    acts = [entry["act"] for entry in desk.history(open_store(path, create=False))]
    assert acts in (["open", "confirm"], ["open", "dismiss"])


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_process_loses_no_act_that_it_had_done(tmp_path, seed):
    path = tmp_path / "cases.db"
    desk.open_case(open_store(path, create=True), seen(names(0, 5)), ANN)
    process = start(NOTES, path, "Ann", 10_000)
    delay = random.Random(seed).uniform(0.0, 0.6)

    def kill():
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)

    [said] = race([process], kill)
    whys = [entry["why"] for entry in desk.history(open_store(path, create=False)) if entry["act"] == "note"]
    assert whys == [f"note {number}" for number in range(len(whys))]
    # The last act may have been done without there being time to say so.
    assert len(said) <= len(whys) <= len(said) + 1


def test_processes_at_once_make_one_chain(tmp_path):
    done = race([start(SEALS, tmp_path, who, 25) for who in "AB"])
    assert [len(said) for said in done] == [25, 25]
    problems, _ = check_ledger(tmp_path / "ledger.jsonl", None)
    assert problems == []
    assert len((tmp_path / "ledger.jsonl").read_bytes().splitlines()) == 50
    assert (tmp_path / "key.signing").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_process_leaves_a_whole_chain(tmp_path, seed):
    process = start(SEALS, tmp_path, "A", 100_000)

    def kill():
        time.sleep(random.Random(seed).uniform(0.05, 0.4))
        os.kill(process.pid, signal.SIGKILL)

    [said] = race([process], kill)
    append(tmp_path / "ledger.jsonl", "after", signing_key(tmp_path / "key.signing"))
    problems, _ = check_ledger(tmp_path / "ledger.jsonl", None)
    assert problems == []
    assert len(said) <= len((tmp_path / "ledger.jsonl").read_bytes().splitlines()) - 1 <= len(said) + 1


SEALING = """
import sys
from pathlib import Path
from stillwatch.sealing import seal
home = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(100_000):
    print(seal(home / "findings", ledger=home / "ledger.jsonl", key=home / "key.signing").entry["n"], flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_sealing_that_is_killed_leaves_a_seal_that_holds(tmp_path, seed):
    fixture.typical(tmp_path / "findings")
    seal(tmp_path / "findings", ledger=tmp_path / "ledger.jsonl", key=tmp_path / "key.signing")
    process = start(SEALING, tmp_path)

    def kill():
        time.sleep(random.Random(seed).uniform(0.0, 0.3))
        os.kill(process.pid, signal.SIGKILL)

    [said] = race([process], kill)
    found = verify(tmp_path / "findings", ledger=tmp_path / "ledger.jsonl")
    assert found.problems == []
    sealed = json.loads((tmp_path / "findings" / "seal.json").read_bytes())["entry"]["n"]
    assert sealed >= max(map(int, said), default=1)


@pytest.mark.parametrize("keep", [1, 30, 200, -1])
def test_an_append_that_power_cut_off_is_set_aside_and_the_chain_goes_on(tmp_path, keep):
    path, key = tmp_path / "ledger.jsonl", signing_key(tmp_path / "key")
    entries = [append(path, f"m{number}", key).entry for number in range(3)]
    line = canonical(entries[2]) + b"\n"
    path.write_bytes(path.read_bytes()[:-len(line)] + line[:keep])
    told = append(path, "next", key)
    problems, found = check_ledger(path, told.entry)
    assert (problems, found) == ([], True)
    if keep == -1:  # only its end is missing: it is somebody's seal
        assert told.set_aside is None
        assert told.entry["n"] == 4
    else:
        assert told.set_aside.read_bytes() == line[:keep]
        assert told.entry["n"] == 3
