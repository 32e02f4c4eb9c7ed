"""``stillwatch power``: planted scans against real scans, and runs that are killed, go on and end alike."""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import InputError
from stillwatch.pipeline import Clock, Quiet, ScanInputs, scan
from stillwatch.proof import simulate
from stillwatch.proof.power import Wanted, power, run
from stillwatch.proof.power.grid import Point
from stillwatch.proof.power.logs import read_base
from stillwatch.proof.power.plant import plant
from stillwatch.proof.power.trial import scanned, trial
from stillwatch.schema import POWER, conform
from stillwatch.settings import DeploymentKey, load_settings

KEY = DeploymentKey(bytes(32))
PLAIN = """
name: plain
summary: unrelated people
start: 2026-03-02
days: 9
models:
- {name: birch-1, weight: 2, reasoning: true}
- {name: birch-mini}
actors:
- {actor: individuals, name: villagers, accounts: 300, exchanges: 3000}
"""
# So that a small campaign, which takes little time, is a detection.
LENIENT = {"prior": 0.5}
SMALL = Wanted(axes=("exchanges", "sampling"), steps=2, repeats=1, reference=Point(8, 10), processes=1)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    (folder / "plain.yaml").write_text(PLAIN)
    simulate(folder / "plain.yaml", folder / "logs", seed=11)
    return folder / "logs"


def given(logs):
    return ScanInputs([str(logs / "exchanges")], accounts=logs / "accounts.parquet")


@pytest.fixture(scope="module")
def base(logs, tmp_path_factory):
    settings = load_settings(decoys=99, **LENIENT)
    return read_base(given(logs), tmp_path_factory.mktemp("base") / "staged", settings=settings, key=KEY, seed=0,
                     clock=Clock(Quiet()))


def state(folder):
    return {path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(folder.rglob("*")) if path.is_file()}


def results(folder):
    return {name: (folder / name).read_bytes() for name in ("power.parquet", "summary.json")}


def without_talk(planted):
    """The campaign's own work alone: what it relays becomes other people's texts, which no file holds."""
    return dataclasses.replace(planted, exchanges=planted.exchanges.filter(pa.array(planted.own)),
                               own=planted.own[planted.own])


@pytest.mark.slow
@pytest.mark.parametrize("missing", [{}, {"keep": 0.6}, {"gap_days": 3}], ids=["whole", "sampled", "gap"])
def test_a_planted_scan_is_a_scan_of_logs_that_hold_the_campaign(base, logs, missing, tmp_path):
    point = Point(16, 30, **missing)
    planted = without_talk(plant(point, 0, base.here, tmp_path, seed=0, key=KEY))
    found = scanned(base, base.missing(point), planted, tmp_path)

    # The same in files: what is missing is left out, the campaign stands beside the user's own.
    held = base.missing(point)
    staged = pa.concat_tables([pq.read_table(part) for part in base.logs.ingested.parts])
    there = held.holds(staged["id_digest"].to_numpy(), staged["ts_us"].to_numpy())
    left = staged["exchange_id"].filter(pa.array(there))
    seen = pq.read_table(tmp_path / "staged.parquet")["exchange_id"]
    (tmp_path / "files").mkdir()
    for name, rows, kept in (("own", pq.read_table(logs / "exchanges"), left), ("campaign", planted.exchanges, seen)):
        pq.write_table(rows.filter(pc.is_in(rows["exchange_id"], value_set=kept.combine_chunks())),
                       tmp_path / "files" / f"{name}.parquet")
    accounts = pa.concat_tables([pq.read_table(logs / "accounts.parquet", schema=planted.accounts.schema),
                                 planted.accounts])
    pq.write_table(accounts, tmp_path / "accounts.parquet")
    summary = scan(ScanInputs([str(tmp_path / "files")], accounts=tmp_path / "accounts.parquet"),
                   tmp_path / "findings", settings=base.settings, key=KEY)
    members = pq.read_table(tmp_path / "findings" / "members.parquet").to_pylist()
    detections = {row["campaign_id"] for row in summary["found"] if row["verdict"] == "distillation"
                  and row["q_value"] <= 0.01 and row["probability"] >= 0.9}
    accused = {row["account_id"] for row in members if row["campaign_id"] in detections and row["probability"] >= 0.5}
    assert found.detected
    assert found.recovered == len(accused & planted.members) >= 12
    assert len(found.accused) == len(accused - planted.members)
    mine = next(row for row in summary["found"] if row["campaign_id"] in detections)
    assert (found.verdict, found.probability, found.q_value) == (mine["verdict"], mine["probability"], mine["q_value"])


@pytest.mark.slow
def test_what_accounts_are_called_and_who_is_planted_changes_nothing(base, tmp_path):
    planted = plant(Point(12, 30), 0, base.here, tmp_path, seed=0, key=KEY)
    names = {name: f"{'!z'[number % 2]}{number}" for number, name in enumerate(sorted(planted.members))}

    def renamed(table):
        called = pa.array([names.get(name, name) for name in table["account_id"].to_pylist()], pa.string())
        return table.set_column(table.column_names.index("account_id"), table.schema.field("account_id"), called)

    other = dataclasses.replace(planted, exchanges=renamed(planted.exchanges), accounts=renamed(planted.accounts),
                                members=frozenset(names.values()))
    nobody = dataclasses.replace(planted, members=frozenset())
    found = []
    for number, it in enumerate((planted, other, nobody)):
        (tmp_path / str(number)).mkdir()
        found.append(scanned(base, base.missing(Point(12, 30)), it, tmp_path / str(number)))
    assert found[0] == found[1]
    assert found[0].linked >= 8
    # To the scan it is all one whom we know to be planted: the same accounts are accused.
    assert found[0].recovered + len(found[0].accused) == len(found[2].accused)


def test_a_campaign_too_small_is_not_found_and_makes_no_decoys(base, tmp_path):
    found = trial(base, Point(5, 2), 0, tmp_path)
    assert not found.detected
    assert found.recovered == found.decoys == 0
    assert found.q_value is None
    assert not list(tmp_path.iterdir())


def test_logs_are_only_read_and_a_finished_run_is_not_made_again(logs, tmp_path, monkeypatch):
    before = state(logs)
    settings = load_settings(decoys=3)
    told = []
    summary = power(given(logs), tmp_path / "out", SMALL, settings=settings, key=KEY, tell=told.append)
    assert state(logs) == before
    assert summary["complete"]
    assert summary["scans"] == {"planned": 6, "done": 6}
    assert "INTERNAL" in told[0]
    assert "6 scans: 4 with a campaign planted (4 settings × 1 repeats) and 2 without" in told[1]
    assert "at least 25 groups" in told[1], "three decoys cannot make a q-value of 0.01 of one group"
    assert any("left" in line for line in told)
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".work")]
    rows = pq.read_table(tmp_path / "out" / "power.parquet")
    assert conform(rows, POWER).num_rows == 4
    first = results(tmp_path / "out")
    monkeypatch.setattr(run, "read_base", None)
    assert power(given(logs), tmp_path / "out", SMALL, settings=settings, key=KEY) == summary
    assert results(tmp_path / "out") == first


def test_a_budget_stops_between_scans_and_the_same_call_goes_on(logs, tmp_path):
    settings = load_settings(decoys=3)
    part = power(given(logs), tmp_path / "a", dataclasses.replace(SMALL, seconds=0.0), settings=settings, key=KEY)
    assert not part["complete"]
    assert part["scans"]["done"] == 0
    rest = power(given(logs), tmp_path / "a", SMALL, settings=settings, key=KEY)
    assert rest["complete"]
    # Another seed is other work.
    other = power(given(logs), tmp_path / "a", dataclasses.replace(SMALL, seconds=0.0),
                  settings=load_settings(decoys=3, seed=1), key=KEY)
    assert other["scans"]["done"] == 0


PROGRAM = """
import sys
from pathlib import Path
from stillwatch.pipeline import ScanInputs
from stillwatch.proof.power import Wanted, power
from stillwatch.proof.power.grid import Point
from stillwatch.settings import DeploymentKey, load_settings

if __name__ == "__main__":
    logs, out, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    wanted = Wanted(axes=("exchanges", "sampling"), steps=2, repeats=1, reference=Point(8, 10),
                    processes=processes)
    power(ScanInputs([str(logs / "exchanges")], accounts=logs / "accounts.parquet"), out, wanted,
          settings=load_settings(decoys=3), key=DeploymentKey(bytes(32)))
"""


def waited(condition, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's account of processes")
def test_killed_at_any_time_the_same_call_ends_as_if_it_had_not_been(logs, tmp_path, environment):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def started(out, processes):
        return subprocess.Popen([sys.executable, str(program), str(logs), str(out), str(processes)],
                                env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)})

    out = tmp_path / "killed"
    with started(out, 2) as process:
        assert waited(lambda: len(list((out / "points").glob("[0-9a-f]*.json"))) >= 1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    assert len(children) >= 2
    assert waited(lambda: not any(alive(pid) for pid in children), 30), "nobody is left working for a dead parent"
    assert not (out / "summary.json").exists()
    made = {path.name: path.stat().st_mtime_ns for path in (out / "points").iterdir()}
    with started(out, 2) as process:
        assert process.wait(timeout=300) == 0
    assert all((out / "points" / name).stat().st_mtime_ns == at for name, at in made.items() if name[0] != ".")
    with started(tmp_path / "whole", 1) as process:
        assert process.wait(timeout=300) == 0
    assert results(out) == results(tmp_path / "whole")
    assert {path.name for path in (out / "points").iterdir()} == {
        path.name for path in (tmp_path / "whole" / "points").iterdir()}


@pytest.mark.slow
def test_from_the_command_line_a_careless_campaign_is_found_unless_the_prior_forbids_it(stillwatch, tmp_path):
    logs = tmp_path / "logs"
    more = PLAIN.replace("accounts: 300, exchanges: 3000", "accounts: 800, exchanges: 6000")
    (tmp_path / "many.yaml").write_text(more)
    simulate(tmp_path / "many.yaml", logs, seed=12)
    before = state(logs)
    call = ["power", logs / "exchanges", "--accounts", logs / "accounts.parquet", "--axes", "sampling,gap",
            "--steps", 2, "--repeats", 1, "--decoys", 99]
    likely, hardly = [tmp_path / "p", "--prior", 0.05], [tmp_path / "q", "--prior", 1e-6]
    done = stillwatch(*call, "--out", *likely, "--json")
    assert done.code == 0, done.err
    assert state(logs) == before
    assert "INTERNAL" in done.err
    sampling, gap = done.json["axes"]
    assert [step["value"] for step in sampling["steps"]] == [1, 0.1]
    assert [step["value"] for step in gap["steps"]] == [0, 7]
    for whole in (sampling["steps"][0], gap["steps"][0]):
        assert whole["detected"] == 1
        assert whole["recall"] > 0.8
        assert whole["newly_accused"] == 0
    assert done.json["accused_without_plant"] == 0
    never = stillwatch(*call, "--out", *hardly, "--json")
    assert never.code == 0, never.err
    for axis in never.json["axes"]:
        assert not axis["limit"]["reached"]
        assert [step["detected"] + step["recovered"] for step in axis["steps"]] == [0, 0]
        assert axis["steps"][0]["linked"] > 40, "they are linked all the same"
    again = stillwatch(*call, "--out", *likely)
    assert again.code == 0, again.err
    assert again.out.startswith("INTERNAL: NOT FOR SHARING")
    assert "95% interval" in again.out
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o700
    for name in ("power.html", "power.svg", "summary.json", "INTERNAL.txt"):
        assert "INTERNAL: not for sharing" in (tmp_path / "p" / name).read_text("utf-8"), name
    assert b"INTERNAL" in pq.read_schema(tmp_path / "p" / "power.parquet").metadata[b"notice"]
    own = set(pq.read_table(logs / "accounts.parquet")["account_id"].to_pylist())
    told = "".join(path.read_text("utf-8") for path in (tmp_path / "p").rglob("*") if path.suffix in (".json", ".html"))
    assert not [account for account in own if account in told]


def test_calls_that_cannot_work_say_so(stillwatch, logs, tmp_path):
    wrong = stillwatch("power", logs / "exchanges", "--out", tmp_path / "p", "--axes", "acounts")
    assert wrong.code == 2
    assert "did you mean accounts" in wrong.err
    assert not (tmp_path / "p").exists()
    (tmp_path / "nameless.jsonl").write_text(json.dumps({"ts": "2026-03-02T10:00:00Z", "prompt": "hello"}) + "\n")
    with pytest.raises(InputError, match="names an account"):
        power(ScanInputs([str(tmp_path / "nameless.jsonl")]), tmp_path / "q", SMALL, settings=load_settings(), key=KEY)


def test_logs_that_change_meanwhile_are_refused(logs, tmp_path, monkeypatch):
    log = tmp_path / "grows.jsonl"
    log.write_text(json.dumps({"ts": "2026-03-02T10:00:00Z", "account_id": "a", "prompt": "hello"}) + "\n")
    real = run.read_base

    def grown(*args, **kwargs):
        made = real(*args, **kwargs)
        with log.open("a") as more:
            more.write("\n")
        return made

    monkeypatch.setattr(run, "read_base", grown)
    with pytest.raises(InputError, match="changed"):
        power(ScanInputs([str(log)]), tmp_path / "q", SMALL, settings=load_settings(), key=KEY)
