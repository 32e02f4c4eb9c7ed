"""The baselines that the scoreboard compares with do what their papers and packages say, on small known truths."""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from baselines import BASELINES, components, honeypot, mmd, shared, synchrotrap
from scipy.stats import binom
from sklearn.metrics.pairwise import rbf_kernel
from tune_baselines import TARGET, best, calibrated, development, score

from stillwatch.schema import ACCOUNTS, EXCHANGES, TRUE_CAMPAIGNS, TRUE_MEMBERS, conform

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = 3_600.0
ADDRESSES = {"level": "address", "signups": False, "most_accounts": 4, "least_members": 4}
SYNCHRONY = {"constraint": "address", "window_s": 3_600, "popular": 10, "similarity": 0.5, "least_matched": 3,
             "least_members": 3}
WINDOWS = {"window": 32, "dimensions": 32, "clean": False}


def traffic(folder, rows, accounts=(), guilty=()):
    """Write what `simulate` writes: ``rows`` of (account, seconds, address, prompt), in this order."""
    (folder / "exchanges").mkdir(parents=True)
    (folder / "truth").mkdir()
    table = pa.table({
        "exchange_id": pa.array([f"x{number}" for number in range(len(rows))], pa.string()),
        "ts": pa.array([START + timedelta(seconds=float(row[1])) for row in rows], pa.timestamp("us", tz="UTC")),
        "account_id": pa.array([row[0] for row in rows], pa.string()),
        "ip": pa.array([row[2] for row in rows], pa.string()),
        "prompt": pa.array([row[3] for row in rows], pa.string()),
    })
    pq.write_table(conform(table, EXCHANGES), folder / "exchanges" / "part-00000.parquet")
    if accounts:
        pq.write_table(conform(pa.table({"account_id": pa.array([name for name, _ in accounts], pa.string()),
                                         "signup_ip": pa.array([ip for _, ip in accounts], pa.string())}), ACCOUNTS),
                       folder / "accounts.parquet")
    pq.write_table(conform(pa.table({"campaign": ["heron", "class"], "label": ["distillation", "education"]}),
                           TRUE_CAMPAIGNS), folder / "truth" / "campaigns.parquet")
    members = [("heron", name) for name in guilty] or [("class", "nobody")]
    pq.write_table(conform(pa.table({"campaign": [c for c, _ in members], "account_id": [a for _, a in members]}),
                           TRUE_MEMBERS), folder / "truth" / "members.parquet")
    return folder


def rewritten(folder, rows, seed, rename=False):
    """The same rows in another order, with other account names that sort the other way round if wished."""
    order = np.random.default_rng(seed).permutation(len(rows))
    names = sorted({row[0] for row in rows if row[0] is not None})
    new = dict(zip(names, reversed([f"n{number:04}" for number in range(len(names))]), strict=True))
    back = {fresh: name for name, fresh in new.items()}
    mixed = [rows[at] for at in order]
    if rename:
        mixed = [(new.get(row[0]), *row[1:]) for row in mixed]
    return traffic(folder, mixed), (back if rename else {name: name for name in names})


def test_every_baseline_is_tuned_on_development_runs_alone_and_within_its_grid():
    tuned = json.loads(TARGET.read_text("utf-8"))
    assert tuned["development"] == development()
    assert list(tuned["baselines"]) == list(BASELINES)
    for name, baseline in BASELINES.items():
        parameters = tuned["baselines"][name]["parameters"]
        assert set(baseline.module.MEASURING) <= set(baseline.grid) <= set(parameters)
        assert all(parameters[key] in values for key, values in baseline.grid.items())
        assert ("thresholds" in parameters) == hasattr(baseline.module, "calibrate")


# Connected components.

def test_accounts_that_hand_addresses_on_are_one_component_and_an_office_is_none(tmp_path):
    ring = [(f"ring{n}", n, f"203.0.113.{n}", "a") for n in range(5)]
    ring += [(f"ring{(n + 1) % 5}", 100 + n, f"203.0.113.{n}", "a") for n in range(5)]
    office = [(f"office{n}", n, "198.51.100.7", "a") for n in range(9)]
    couple = [("one", 1, "2001:db8::1", "a"), ("two", 2, "2001:db8::1", "a")]
    nowhere = [("ring0", 5, None, "a"), ("lost", 5, None, "a"), (None, 5, "203.0.113.0", "a")]
    found = components.accuse(traffic(tmp_path / "t", ring + office + couple + nowhere), ADDRESSES)
    assert found.groups == (tuple(f"ring{n}" for n in range(5)),)
    assert found.accounts == found.groups[0]


def test_components_of_networks_and_of_addresses_at_sign_up(tmp_path):
    rows = [(f"v6-{n}", n, f"2001:db8:5::{n:x}", "a") for n in range(4)]
    rows += [(f"v4-{n}", n, f"192.0.2.{n}", "a") for n in range(4)]
    rows += [(f"apart{n}", n, f"10.{n}.0.1", "a") for n in range(4)] + [("apart0", 9, "not an address", "a")]
    folder = traffic(tmp_path / "t", rows, accounts=[(f"apart{n}", "192.0.2.200") for n in range(4)])
    assert components.accuse(folder, ADDRESSES).groups == ()
    networks = components.accuse(folder, ADDRESSES | {"level": "network"})
    assert [group[0] for group in networks.groups] == ["v4-0", "v6-0"]
    signups = components.accuse(folder, ADDRESSES | {"signups": True})
    assert signups.groups == (tuple(f"apart{n}" for n in range(4)),)


def test_nobody_is_accused_where_nobody_shares_or_the_logs_have_no_address(tmp_path):
    alone = [(f"a{n}", n, f"10.0.0.{n}", "a") for n in range(50)]
    for number, rows in enumerate([alone, [(a, t, None, p) for a, t, _, p in alone], []]):
        assert components.accuse(traffic(tmp_path / str(number), rows), ADDRESSES).accounts == ()


@pytest.mark.parametrize("seed", range(6))
def test_components_are_those_of_networkx(seed, tmp_path):
    draw = np.random.default_rng(seed)
    rows = [(f"a{draw.integers(60)}", n, f"10.0.0.{draw.integers(90)}", "a") for n in range(120)]
    holders = defaultdict(set)
    for account, _, ip, _ in rows:
        holders[ip].add(account)
    graph = nx.Graph([(account, (ip,)) for ip, who in holders.items() if len(who) <= 4 for account in who])
    wanted = [sorted(n for n in part if isinstance(n, str)) for part in nx.connected_components(graph)]
    wanted = sorted(tuple(part) for part in wanted if len(part) >= 4)
    assert list(components.accuse(traffic(tmp_path / "t", rows), ADDRESSES).groups) == wanted
    again, back = rewritten(tmp_path / "u", rows, seed, rename=True)
    assert {back[name] for name in components.accuse(again, ADDRESSES).accounts} == {n for p in wanted for n in p}


# SynchroTrap.

def synchronised(rows, window, popular):
    """Matched and united actions of every pair, by the definition: a window at a time, an object at a time."""
    holders, once = defaultdict(set), {}
    for account, seconds, ip, _ in rows:
        holders[ip].add(account)
        t = round((START.timestamp() + seconds) * 1e6)
        key = account, ip, t // (window * 1_000_000)
        once[key] = min(once.get(key, t), t)
    acts = defaultdict(list)
    for (account, ip, _), t in once.items():
        if len(holders[ip]) <= popular:
            acts[account].append((ip, t))
    pairs = {}
    for a, b in itertools.combinations(sorted(acts), 2):
        def met(one, other):
            return sum(any(ip == jp and abs(t - u) <= window * 1_000_000 for jp, u in acts[other])
                       for ip, t in acts[one])

        matched = min(met(a, b), met(b, a))
        if matched:
            pairs[a, b] = matched, len(acts[a]) + len(acts[b]) - matched
    return pairs


@pytest.mark.parametrize("seed", range(6))
def test_similarities_are_those_of_brute_force(seed, tmp_path):
    draw = np.random.default_rng(seed)
    rows = [(f"a{draw.integers(14)}", float(draw.integers(40_000)) / 2, f"10.0.0.{draw.integers(9) ** 2 // 9}", "a")
            for _ in range(150)]
    wanted = synchronised(rows, 900, 11)
    got = synchrotrap.measure(traffic(tmp_path / "t", rows), SYNCHRONY | {"window_s": 900, "popular": 11})
    assert {(got.names[a], got.names[b]): (int(m), int(u)) for a, b, m, u in
            zip(got.left, got.right, got.matched, got.union, strict=True)} == wanted
    assert len(wanted) > 10
    rule = SYNCHRONY | {"window_s": 900, "popular": 11, "similarity": 0.1, "least_matched": 2, "least_members": 2}
    graph = nx.Graph([pair for pair, (m, u) in wanted.items() if m >= 2 and m >= 0.1 * u])
    groups = sorted(tuple(sorted(part)) for part in nx.connected_components(graph))
    assert list(synchrotrap.decide(got, rule).groups) == groups
    again, back = rewritten(tmp_path / "u", rows, seed, rename=True)
    assert {back[name] for name in synchrotrap.accuse(again, rule).accounts} == {n for g in groups for n in g}


def test_accounts_that_act_together_are_found_and_those_that_follow_each_other_are_not(tmp_path):
    together = [(f"bot{n}", day * 24 * HOUR + 300 * n, f"10.0.0.{day}", "a") for n in range(4) for day in range(6)]
    # The same addresses, hours apart; and together once only.
    apart = [(f"late{n}", day * 24 * HOUR + (3 + 3 * n) * HOUR, f"10.0.0.{day}", "a") for n in range(4)
             for day in range(6)]
    once = [(f"once{n}", 60.0 * n, "10.0.1.0", "a") for n in range(4)]
    folder = traffic(tmp_path / "t", together + apart + once)
    assert synchrotrap.accuse(folder, SYNCHRONY).groups == (tuple(f"bot{n}" for n in range(4)),)
    silent = traffic(tmp_path / "u", apart + once)
    assert synchrotrap.accuse(silent, SYNCHRONY).accounts == ()
    assert synchrotrap.accuse(traffic(tmp_path / "v", []), SYNCHRONY).accounts == ()


def test_what_is_asked_for_is_an_object_too_with_its_numbers_folded(tmp_path):
    rows = [(f"bot{n}", day * 24 * HOUR + n, None, f"Grade  answer {n * 7} of the rubric below with care: {day}{n}")
            for n in range(4) for day in range(4)]
    rows += [(f"man{n}", day * 24 * HOUR + n, None, f"{'abcd'[n]} question of mine {n}") for n in range(4)
             for day in range(4)]
    folder = traffic(tmp_path / "t", rows)
    assert synchrotrap.accuse(folder, SYNCHRONY).accounts == ()
    for constraint in ("opening", "both"):
        found = synchrotrap.accuse(folder, SYNCHRONY | {"constraint": constraint})
        assert found.groups == (tuple(f"bot{n}" for n in range(4)),)


def test_an_object_of_everybody_makes_no_pairs(tmp_path):
    rows = [(f"a{n:03}", hour * HOUR, "10.0.0.1", "a") for n in range(300) for hour in range(5)]
    rows += [(f"a{n:03}", hour * HOUR, f"10.0.1.{n // 5}", "a") for n in range(300) for hour in range(5)]
    measured = synchrotrap.measure(traffic(tmp_path / "t", rows), SYNCHRONY)
    assert len(measured.left) == 60 * 10
    assert set(measured.matched.tolist()) == {5}
    assert set(measured.union.tolist()) == {5}


# The MMD window test.

def discrepancy(x, y, sigma):
    kernels = [[rbf_kernel(a, b, gamma=1 / (2 * (scale * sigma) ** 2)) for scale in (0.5, 1, 2, 4)]
               for a, b in ((x, x), (y, y), (x, y))]
    xx, yy, xy = (np.mean(several, axis=0) for several in kernels)
    return (xx[~np.eye(len(x), dtype=bool)].mean() + yy[~np.eye(len(y), dtype=bool)].mean() - 2 * xy.mean())


@pytest.mark.parametrize("seed", range(4))
def test_discrepancy_is_the_unbiased_one_and_zero_on_average_under_the_null(seed):
    draw = np.random.default_rng(seed)
    x, y = draw.normal(size=(12, 5)), draw.normal(0.3, 1, size=(30, 5))
    distances = np.sqrt(((y[:, None] - y[None]) ** 2).sum(-1))[np.triu_indices(30, 1)]
    assert mmd.bandwidth(y) == pytest.approx(np.median(distances))
    assert mmd.mmd2(x, y, 2.0) == pytest.approx(discrepancy(x, y, 2.0), abs=1e-9)
    null = [mmd.mmd2(draw.normal(size=(8, 5)), draw.normal(size=(20, 5)), 2.0) for _ in range(300)]
    assert abs(np.mean(null)) < 4 * np.std(null) / np.sqrt(300)
    assert mmd.mmd2(draw.normal(3, 1, size=(8, 5)), y, 2.0) > max(null)
    assert mmd.bandwidth(np.ones((4, 3))) == 1.0


def test_windows_cover_every_prompt_once():
    for count, window in itertools.product((1, 7, 31, 32, 33, 63, 64, 200), (8, 32)):
        bounds = list(mmd.windows_of(count, window))
        assert [a for a, _ in bounds[1:]] == [b for _, b in bounds[:-1]]
        assert (bounds[0][0], bounds[-1][1]) == (0, count)
        assert all(window <= b - a < 2 * window for a, b in bounds) or (len(bounds) == 1 and count < window)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_calibrated_thresholds_hold_their_level_on_windows_of_the_same_distribution(level):
    draw = np.random.default_rng(7)
    reference = draw.normal(size=(200, 4))
    sigma = mmd.bandwidth(reference)

    def scored(accounts):
        prompts = draw.integers(8, 40, accounts)
        score = [max(mmd.mmd2(draw.normal(size=(b - a, 4)), reference, sigma, 0.0) for a, b in mmd.windows_of(n, 16))
                 for n in prompts]
        return prompts, np.array(score)

    thresholds = mmd.calibrate([scored(500), scored(500)], level)
    prompts, scores = scored(1_500)
    new = mmd.Windows([f"a{n}" for n in range(1_500)], prompts, scores)
    wrong = len(mmd.decide(new, {"thresholds": thresholds}).accounts)
    # The threshold itself is an estimate: a thousand accounts in three bins.
    low, high = binom.interval(0.9999, 1_500, level)
    assert low - 1_500 * level * 0.5 <= wrong <= high + 1_500 * level * 0.5
    shifted = mmd.Windows(["far"], np.array([20]), np.array([mmd.mmd2(draw.normal(3, 1, (20, 4)), reference, sigma,
                                                                      0.0)]))
    assert mmd.decide(shifted, {"thresholds": thresholds}).accounts == ("far",)


def test_too_few_benign_accounts_calibrate_nothing_and_small_bins_borrow_from_below():
    few = (np.full(20, 16), np.arange(20.0))
    assert mmd.calibrate([few], 0.01) == {}
    assert mmd.calibrate([], 0.01) == {}
    many = (np.concatenate([np.full(99, 16), np.full(3, 40)]), np.arange(102.0))
    # With 99 accounts the highest score is the threshold; the three of the bin above are judged with them, by the
    # second highest of 102; above that there is nobody, and the same 102 answer for it.
    assert mmd.calibrate([many], 0.01) == dict.fromkeys(["32", "64", "128", "256"], 101.0) | {"16": 98.0}


def prose(draw, count):
    words = [f"{a}{b}" for a in ("lo", "mi", "ta", "re", "su", "ka", "ne") for b in ("ran", "del", "vis", "tor", "mek")]
    return [" ".join(draw.choice(words, 9)) for _ in range(count)]


def test_accounts_with_a_template_are_found_among_talkers_and_nobody_among_talkers_alone(tmp_path):
    draw = np.random.default_rng(3)
    talk = [(f"man{n:03}", HOUR * k + n, None, text) for n in range(120) for k, text in enumerate(prose(draw, 20))]
    bots = [(f"bot{n}", HOUR * k + n, None, f"Grade the answer by this rubric and explain: item {n * 31 + k}")
            for n in range(4) for k in range(20)]
    short = [(f"few{n}", float(n), None, "Grade the answer by this rubric and explain") for n in range(4)]
    guilty = {f"bot{n}" for n in range(4)}
    folder = traffic(tmp_path / "t", talk + bots + short, guilty=sorted(guilty))
    for clean in (False, True):
        measuring = WINDOWS | {"clean": clean}
        measured = mmd.measure(folder, measuring)
        parameters = calibrated(mmd, measuring | {"level": 0.01}, [measured], [guilty])
        assert set(mmd.accuse(folder, parameters).accounts) == guilty
        alone = traffic(tmp_path / f"alone{clean}", talk)
        assert len(mmd.accuse(alone, parameters).accounts) <= binom.ppf(0.9999, 120, 0.01)
    other, back = rewritten(tmp_path / "other", talk + bots + short, 6, rename=True)
    one, two = mmd.measure(folder, WINDOWS), mmd.measure(other, WINDOWS)
    renamed = dict(zip([back[name] for name in two.names], two.score, strict=True))
    assert [renamed[name] for name in one.names] == pytest.approx(one.score.tolist(), abs=1e-4)


def test_logs_without_prompts_accuse_nobody(tmp_path):
    folder = traffic(tmp_path / "t", [("a", float(n), None, None) for n in range(40)])
    assert mmd.accuse(folder, WINDOWS | {"thresholds": {"32": -1.0}}).accounts == ()


# honeypotllm.

@pytest.fixture
def stand_in(monkeypatch):
    """A package of the same face that keeps what it was asked, and scores the seconds since the request before."""
    asked = []

    class Scorer:
        def __init__(self, config):
            self.before, self.asked = None, []
            asked.append(self.asked)

        def score_request(self, key, *, prompt, input_tokens):
            now = scoring.time.time()
            gap = 1e9 if self.before is None else now - self.before
            self.before = now
            self.asked.append((prompt, input_tokens))
            return SimpleNamespace(score_after=0.9 if gap < 1 else 0.1)

    package, scoring = ModuleType("honeypotllm"), ModuleType("honeypotllm.scoring")
    scoring.time = real = SimpleNamespace(time=lambda: pytest.fail("the machine's clock was asked"))
    package.__version__, package.scoring = honeypot.VERSION, scoring
    package.SuspicionScorer, package.ScoringConfig = Scorer, SimpleNamespace
    monkeypatch.setitem(sys.modules, "honeypotllm", package)
    monkeypatch.setitem(sys.modules, "honeypotllm.scoring", scoring)
    yield asked
    assert scoring.time is real, "the package has its clock back"


def test_requests_are_fed_in_order_on_the_clock_of_the_logs(stand_in, tmp_path):
    rows = [("slow", 10.0 * n, None, f"s{n}") for n in range(5)] + [("fast", 0.5 * n, None, f"f{n}") for n in range(4)]
    rows += [("mixed", t, None, f"m{t}") for t in (0.0, 0.5, 9.0, 30.0)] + [(None, 1.0, None, "nobody")]
    folder, _ = rewritten(tmp_path / "t", rows, 1)
    scores = honeypot.measure(folder, {})
    assert scores.names == ["fast", "mixed", "slow"]
    assert [[prompt for prompt, _ in account] for account in stand_in] == [
        ["f0", "f1", "f2", "f3"], ["m0.0", "m0.5", "m9.0", "m30.0"], ["s0", "s1", "s2", "s3", "s4"]]
    assert scores.highest.tolist() == [0.9, 0.9, 0.1]
    assert scores.mean.tolist() == pytest.approx([0.7, 0.3, 0.1])
    assert scores.last.tolist() == [0.9, 0.1, 0.1]
    assert honeypot.decide(scores, honeypot.DEFAULTS).accounts == ("fast", "mixed")
    assert honeypot.decide(scores, {"statistic": "mean", "threshold": 0.5}).accounts == ("fast",)
    assert honeypot.accuse(traffic(tmp_path / "none", []), honeypot.DEFAULTS).accounts == ()


def test_another_release_or_none_is_said_with_what_to_do(stand_in, monkeypatch, tmp_path):
    folder = traffic(tmp_path / "t", [("a", 0.0, None, "x")])
    monkeypatch.setattr(sys.modules["honeypotllm"], "__version__", "0.2.0")
    with pytest.raises(SystemExit, match=r"0\.2\.0 is installed.*pip install"):
        honeypot.accuse(folder, honeypot.DEFAULTS)
    monkeypatch.setitem(sys.modules, "honeypotllm", None)
    with pytest.raises(SystemExit, match="pip install --group scoreboard"):
        honeypot.accuse(folder, honeypot.DEFAULTS)


@pytest.mark.skipif(importlib.util.find_spec("honeypotllm") is None, reason="needs the dependency group scoreboard")
def test_the_real_package_flags_a_fixed_template_and_no_talker(tmp_path):
    draw = np.random.default_rng(4)
    rows = [("app", 20.0 * n, None, f"Answer from these passages only, cite them, and say so if unsure: {n}")
            for n in range(12)]
    rows += [("man", 600.0 * n, None, text) for n, text in enumerate(prose(draw, 12))]
    folder = traffic(tmp_path / "t", rows)
    scores = honeypot.measure(folder, {})
    assert scores.highest[1] == 0.0
    assert honeypot.decide(scores, honeypot.DEFAULTS).accounts == ("app",)
    # Day-long pauses let the score decay: the clock is that of the logs.
    slow = traffic(tmp_path / "u", [(a, t * 4_320, ip, p) for a, t, ip, p in rows])
    assert honeypot.measure(slow, {}).highest[0] < 0.75


# Tuning.

def test_scores_are_pooled_over_runs():
    assert score([{"a", "b"}, set()], [{"a"}, {"c"}]) == (0.5, 0.5, 0.5)
    assert score([set()], [{"a"}]) == (0.0, 0.0, 0.0)
    assert score([set()], [set()]) == (0.0, 0.0, 0.0)


def test_the_best_combination_of_the_grid_is_kept(tmp_path):
    ring = [(f"ring{n}", n, f"203.0.113.{n // 2}", "a") for n in range(8)]
    ring += [(f"ring{n + 1}", n, f"203.0.113.{100 + n}", "a") for n in range(1, 7)]
    ring += [(f"ring{n}", n, f"203.0.113.{100 + n}", "a") for n in range(1, 7)]
    pair = [("one", 1, "10.0.0.1", "a"), ("two", 2, "10.0.0.1", "a")]
    guilty = {f"ring{n}" for n in range(8)}
    folder = traffic(tmp_path / "t", ring + pair, guilty=sorted(guilty))
    assert shared.culprits(folder) == guilty
    baseline = BASELINES["components"]
    measuring = {"level": "address", "signups": False}
    found = best(baseline, [(measuring, [components.measure(folder, measuring)])], [guilty])
    assert (found["precision"], found["recall"], found["f1"]) == (1.0, 1.0, 1.0)
    assert found["parameters"]["least_members"] == 3
    assert set(components.accuse(folder, found["parameters"]).accounts) == guilty
