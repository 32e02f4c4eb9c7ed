"""The scoreboard keeps what it has measured, goes on where it stopped, and says what the runs say."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pyarrow as pa
import pytest
import scoreboard
from baselines import BASELINES, Accusation
from board import runs
from board.page import page
from board.runs import Job, Ours, Theirs, as_findings

from stillwatch.engine import connect
from stillwatch.proof.evaluate import Truth, score

TUNED = {"made_by": "a command", "development": {"seeds": {"lookalikes": [100, 101]}, "prompts": "A"},
         "baselines": {name: {"parameters": {"level": 0.01, "thresholds": {"8": 1.0}}, "precision": 0.5, "recall": 0.25,
                              "f1": 1 / 3} for name in BASELINES}}


@pytest.fixture
def job(tmp_path):
    return Job("demo", 7, 1.0, tmp_path / "cache", 1)


def evaluation(name, accused, campaigns, benign=20, alike=()):
    """A run with ``campaigns`` of so many members each, of whom ``accused`` are found, and look-alikes."""
    groups = {f"c{n}": [f"c{n}-{k}" for k in range(size)] for n, size in enumerate(campaigns)}
    labels = dict.fromkeys(groups, "distillation") | {f"group{n}": label for n, label in enumerate(alike)}
    members = [(group, account) for group, several in groups.items() for account in several]
    members += [(f"group{n}", f"benign{n}") for n in range(len(alike))]
    everybody = [account for several in groups.values() for account in several] + [f"benign{n}" for n in range(benign)]
    truth = Truth(pa.table({"campaign": pa.array(list(labels), pa.string()),
                            "label": pa.array(list(labels.values()), pa.string())}),
                  pa.table({"campaign": pa.array([c for c, _ in members], pa.string()),
                            "account_id": pa.array([a for _, a in members], pa.string())}), None,
                  pa.table({"account_id": pa.array(everybody), "kind": pa.array(["startup"] * len(everybody))}))
    with connect("duckdb") as engine:
        return score(engine, as_findings(Accusation(tuple(sorted(accused)))), truth, name=name)


def run_of(name, accused, campaigns, **more):
    one = evaluation(name, accused, campaigns, **more)
    nobody = evaluation(name, [], campaigns, **more)
    theirs = dict.fromkeys(BASELINES, nobody) | {"components": one}
    return Ours(one, 1_000, 40, 2.0, 2**30), Theirs(theirs, dict.fromkeys(BASELINES, 0.5))


def cells(text, start):
    """The rows of all tables whose first cell starts so."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in rows if row[0].startswith(start)]


def test_an_accusation_is_scored_as_findings_are():
    with connect("duckdb") as engine:
        truth = Truth(pa.table({"campaign": ["x"], "label": ["distillation"]}),
                      pa.table({"campaign": ["x"] * 3, "account_id": ["a", "b", "c"]}), None,
                      pa.table({"account_id": ["a", "b", "c", "d", "e"]}))
        grouped = score(engine, as_findings(Accusation.of_groups([["d", "a"], ["b", "a"]])), truth)
        nobody = score(engine, as_findings(Accusation(())), truth)
    assert (grouped.accounts.tp, grouped.accounts.fp, grouped.accounts.fn) == (2, 1, 1)
    assert len(grouped.candidates) == 2
    assert (nobody.accounts.tp, nobody.accounts.fp, nobody.accounts.fn) == (0, 0, 3)


def test_the_page_says_what_the_runs_say():
    made = {
        "demo": [run_of("demo 1", ["c0-0", "c0-1", "c1-0", "benign1"], (4, 2), alike=("education",)),
                 run_of("demo 2", ["c0-0", "c0-1", "c0-2", "c0-3"], (4, 2), alike=("education",))],
        "benign": [run_of("benign 1", ["benign0"], (), alike=("reseller", "education")),
                   run_of("benign 2", [], (), alike=("reseller", "education"))],
    }
    scales, halves = {"demo": 1.0, "benign": 0.5}, {"demo": "B", "benign": "A"}
    text = page(made, command="make scoreboard", seeds=[1, 2], scales=scales, halves=halves, tuned=TUNED,
                version="1.2.3", digest="f" * 64)
    assert "    make scoreboard\n" in text
    assert "`demo` (scale 1, half B), `benign` (scale 0.5, half A); seeds 1, 2" in text
    assert "Half A is also in `benign`" in text
    found, *_ = cells(text, "demo")
    # Seven of eight accused are members, of twelve; the runs' own are 3/4 and 1, 3/6 and 4/6; the smallest 1/2 and 0/2.
    assert found[1:] == ["4", "0.875", "0.750", "0.583", "0.500", "3 of 4", "0.250", "0.000"]
    whole, *_ = cells(text, "**all**")
    assert whole[1:4] == ["4", "0.778", "0.000"]
    wronged = next(row for row in cells(text, "benign") if len(row) == 7 and " of " in row[1])
    assert wronged[1].startswith("1 of 40 (")
    # The one look-alike that a detection holds is not named right.
    assert wronged[2:] == ["1 of 1", "4", "1", "0", "1"]
    ours, = cells(text, "**Stillwatch**")
    theirs, = [row for row in cells(text, BASELINES["components"].title) if len(row) == 7]
    assert ours[1:6] == theirs[1:6]
    assert (ours[6], theirs[6]) == ("2.0", "0.5")
    silent, = [row for row in cells(text, BASELINES["mmd"].title) if len(row) == 7]
    assert silent[1:5] == ["–", "0.000", "0.000", "0.000"]
    beside = next(row for row in cells(text, "benign") if len(row) == 2 + len(BASELINES))
    assert beside[1:4] == ["1 accused", "1 accused", "0 accused"]
    assert "thresholds" not in text
    again = page(made, command="make scoreboard", seeds=[1, 2], scales=scales, halves=halves, tuned=TUNED,
                 version="1.2.3", digest="f" * 64)
    assert again == text


def test_what_is_kept_depends_on_everything_that_it_is_of(job, monkeypatch):
    names = {job.file("ours"), job.file("theirs"), replace(job, seed=8).file("ours"),
             replace(job, scale=0.5).file("ours"), replace(job, scenario="hydra").file("ours")}
    assert len(names) == 5
    assert replace(job, threads=2).file("ours") == job.file("ours")
    before = job.file("ours"), job.file("theirs")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "baselines_digest", lambda: "other")
        assert (job.file("ours"), job.file("theirs") == before[1]) == (before[0], False)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "code_digest", lambda: "other")
        assert job.file("ours") != before[0]
        assert job.file("theirs") != before[1]


def test_torn_files_count_as_none(job):
    assert runs.kept(job, "ours") is None
    job.cache.mkdir()
    for torn in (b"", b"not a pickle", pickle.dumps([1, 2])[:-3]):
        job.file("ours").write_bytes(torn)
        assert runs.kept(job, "ours") is None


def test_a_run_makes_only_what_is_not_kept(job, monkeypatch):
    ours, theirs = run_of("demo 7", ["c0-0"], (4,))
    made = []
    monkeypatch.setattr(runs, "simulate", lambda scenario, folder, **said: made.append((scenario, said)) or {})
    monkeypatch.setattr(runs, "_scan", lambda *_: made.append("scan") or ours)
    monkeypatch.setattr(runs, "_baselines", lambda *_: pytest.fail("interrupted"))
    with pytest.raises(pytest.fail.Exception):
        runs.run(job)
    assert made == [("demo", {"scale": 1.0, "seed": 7, "workers": 0}), "scan"]
    monkeypatch.setattr(runs, "_baselines", lambda *_: made.append("baselines") or theirs)
    assert runs.run(job).startswith("demo 7: 1,000 exchanges, 1 of 4 members accused, 0 others")
    assert made[2:] == [("demo", {"scale": 1.0, "seed": 7, "workers": 0}), "baselines"]
    runs.run(job)
    assert len(made) == 4
    assert runs.kept(job, "ours") == ours
    assert runs.kept(job, "theirs") == theirs


@pytest.mark.parametrize(("given", "said"), [
    (["--scenarios", "nowhere"], "there is no scenario nowhere"),
    (["--scenarios", "lookalikes", "--seeds", "5", "100"], "is what everything was tuned on"),
    (["--seeds", "-1"], "seeds are 0 or more"),
    (["--scale", "0"], "--scale is above 0"),
    (["--jobs", "0"], "--jobs is at least 1"),
])
def test_calls_that_cannot_be_answered_are_refused(given, said, capsys):
    with pytest.raises(SystemExit):
        scoreboard.arguments(given)
    assert said in capsys.readouterr().err


def test_by_default_every_shipped_scenario_but_development_is_reported_on_seeds_of_its_own():
    wanted = scoreboard.arguments([])
    development = runs.tuned()["development"]
    assert wanted.whole
    assert set(wanted.scenarios) == set(scoreboard.scenarios()) - set(development["seeds"])
    assert not any(set(wanted.seeds) & {*used, *range(300)} for used in development["seeds"].values())
    assert not scoreboard.arguments(["--scale", "0.5"]).whole


def test_a_failed_run_is_said_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scoreboard, "measure", lambda jobs, at_once: [f"{jobs[0].name}: the scan failed"])
    target = tmp_path / "page.md"
    assert scoreboard.main(["--scenarios", "demo", "--out", str(target), "--cache", str(tmp_path)]) == 1
    assert not target.exists()
    assert f"demo {scoreboard.SEEDS[0]}: the scan failed" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_scoreboard_from_end_to_end_and_again_from_what_is_kept(tmp_path, monkeypatch, capsys):
    if not runs.TUNED.exists():
        pytest.fail("python benchmarks/tune_baselines.py makes baselines/tuned.json")
    # The package may not be installed where tests run; its own test is beside the baselines.
    monkeypatch.setattr(runs, "BASELINES", {name: b for name, b in BASELINES.items() if "honeypot" not in name})
    job = Job("demo", 11, 0.15, tmp_path / "cache", 1)
    assert runs.run(job).startswith("demo 11: ")
    ours = runs.kept(job, "ours")
    assert ours.exchanges > 5_000
    assert ours.peak_memory > 50 * 2**20
    assert ours.evaluation.accounts.tp + ours.evaluation.accounts.fn > 5
    assert ours.evaluation.population.benign.of > 20
    theirs = runs.kept(job, "theirs")
    assert {e.accounts.tp + e.accounts.fn for e in theirs.evaluations.values()} == {
        ours.evaluation.accounts.tp + ours.evaluation.accounts.fn}
    assert json.dumps(sorted(theirs.seconds)) == json.dumps(sorted(runs.BASELINES))
    assert list(tmp_path.glob("cache/*.draft")) == []
