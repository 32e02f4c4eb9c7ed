"""Decoys: how many are enough, and that it does not matter who makes them."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.errors import StillwatchError
from stillwatch.pipeline import decoys as module
from stillwatch.pipeline.crew import Crew, Recipe
from stillwatch.pipeline.decoys import Decoys, enough_for, make_decoys
from stillwatch.pipeline.watch import Clock, Quiet
from stillwatch.schema import ADDRESSES, BLOCKS, SIGHTINGS
from stillwatch.settings import Settings


def recipe(accounts=90, seed=5):
    """Ninety accounts with prompts and tools; thirty of them share six rare prompts."""
    rng = np.random.default_rng(0)
    rows = [(f"a{account}", kind, f"{kind}{value}") for account in range(accounts)
            for kind, many in (("template", 8), ("user_agent", 2)) for value in rng.integers(0, 40, many)]
    rows += [(f"a{account}", "template", f"rare{value}") for account in range(30) for value in rng.integers(0, 6, 4)]
    # What accounts signed up with moves as one: decoys keep these groups, of other accounts.
    rows += [(f"a{account}", kind, f"{kind}{account // 6}") for account in range(30)
             for kind in ("payment", "device")]
    rows += [(f"a{account}", kind, f"own{kind}{account}") for account in range(30, accounts)
             for kind in ("payment", "device")]
    rows = sorted(set(rows))
    shape = SIGHTINGS.arrow
    columns = dict(zip(("account_id", "kind", "value"), zip(*rows, strict=True), strict=True))
    fixed = pa.table({field.name: pa.array(columns[field.name], field.type) if field.name in columns
                      else pa.array([1] * len(rows), field.type) if field.name == "count"
                      else pa.nulls(len(rows), field.type) for field in shape}, schema=shape)
    names = [f"a{account}" for account in range(accounts)]
    of_account = pa.table({"account_id": names, "stratum": ["all"] * accounts})
    return Recipe(BLOCKS.arrow.empty_table(), fixed, ADDRESSES.arrow.empty_table(), of_account,
                  frozenset(names[:30]), seed)


def test_decoys_are_the_same_whoever_makes_them():
    made_of = recipe()
    here = [made_of.make(number) for number in range(5)]
    assert any(scores for pair in here for scores in pair)
    assert here[0] != here[1]
    for size in (1, 2):
        with Crew(made_of, size) as crew:
            source = crew.run(1)
            assert [next(source) for _ in range(4)] == here[1:]
            assert crew.peak > 10_000_000 * size


def test_no_process_outlives_its_crew_however_it_ends():
    workers = []

    def interrupted():
        with Crew(recipe(), 2) as crew:
            next(crew.run(0))
            workers.extend(worker.pid for worker in crew._workers)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(workers) == 2
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_process_that_is_ended_is_told_of():
    with Crew(recipe(), 1) as crew:
        source = crew.run(0)
        next(source)
        crew._workers[0].send_signal(signal.SIGKILL)
        with pytest.raises(StillwatchError, match="ended by signal 9"):
            list(itertools.islice(source, 4))


def test_a_worker_whose_parent_is_gone_ends():
    script = ("import os\nfrom test_decoys import recipe\nfrom stillwatch.pipeline.crew import Crew\n"
              "crew = Crew(recipe(), 1).__enter__()\nprint(crew._workers[0].pid, flush=True)\nos._exit(1)\n")
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": path}, capture_output=True,
                          text=True, timeout=60)
    pid = int(done.stdout)
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the worker lingers")


def test_as_many_as_let_the_groups_together_show_a_small_q():
    assert [enough_for(groups, 100) for groups in (1, 5, 6, 10, 20, 25, 26, 500)] == [100, 99, 83, 49, 24, 19, 19, 19]
    assert [enough_for(1, 1000), enough_for(3, 0), enough_for(50, 7)] == [499, 0, 7]
    for groups in range(1, 60):
        made = enough_for(groups, 10_000)
        assert 1 / ((made + 1) * groups) <= 0.002 + 1e-12
        assert made == 19 or 1 / (made * groups) > 0.002


def run(monkeypatch, scores, decoy, enough=None, most=100, **settings):
    """Make decoys of which decoy b has the scores ``decoy(b)``."""
    monkeypatch.setattr(module, "strata", lambda *_: None)
    monkeypatch.setattr(module.Recipe, "make", lambda self, number: (list(decoy(number)),) * 2)
    reduced = SimpleNamespace(profiles=None, accounts=None, blocks=None, sightings_fixed=None, known_addresses=None)
    return make_decoys(reduced, scores, [["a"]], {"a"}, Settings(decoys=most, **settings), Clock(Quiet()), enough,
                       processes=1)


def test_no_detection_is_lost_by_making_fewer(monkeypatch):
    rng = np.random.default_rng(3)
    fewer = 0
    for _ in range(300):
        scores = np.sort(rng.exponential(10, rng.integers(1, 40)))[::-1].tolist()
        scale = rng.uniform(0.5, 12)
        drawn = [rng.exponential(scale, rng.integers(0, 4)).tolist() for _ in range(100)]
        made = run(monkeypatch, scores, lambda number, drawn=drawn: drawn[number])
        assert made.made == made.wanted
        fewer += made.made < 100
        q = made.q_values(scores)[0]
        whole = Decoys(100, {"all": drawn, "without_candidates": drawn}).q_values(scores)[0]
        assert all(a <= 0.01 for a, b in zip(q, whole, strict=True) if b <= 0.01)
    assert fewer > 50


def test_one_group_among_many_is_not_held_back_by_few_decoys(monkeypatch):
    scores = [50.0] + [5.0] * 24
    made = run(monkeypatch, scores, lambda number: [6.0])
    assert made.made == made.wanted == 100
    assert made.q_values(scores)[0][0] <= 0.01
    beaten = run(monkeypatch, scores, lambda number: [6.0, *([60.0] if number == 30 else [])])
    assert beaten.made == beaten.wanted == 31
    assert run(monkeypatch, [50.0] * 25, lambda number: [6.0]).made == 19


def test_time_and_the_callers_word_end_the_making(monkeypatch):
    slow = run(monkeypatch, [5.0], lambda number: time.sleep(0.02) or [], decoy_seconds=0.1)
    assert 1 <= slow.made < slow.wanted == 100
    assert run(monkeypatch, [5.0], lambda number: [], enough=lambda decoys: decoys.made >= 4).made == 4
    assert run(monkeypatch, [], lambda number: []).made == 0
    assert run(monkeypatch, [5.0], lambda number: [], most=0).made == 0
