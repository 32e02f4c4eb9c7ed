"""Synchrony, balance and groups on activity whose truth is known. Seeds here were not used to develop anything."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom, kstest

import rhythm_traffic as traffic
from stillwatch.engine import connect
from stillwatch.link.activity import MOST_WEEKS, activity_of
from stillwatch.link.balance import balance_p_values, clockwork
from stillwatch.link.chances import adjusted, bits_of, poisson_binomial_tail, strip_probability
from stillwatch.link.ensembles import balanced_groups, propose
from stillwatch.link.synchrony import pair_p_values, prepare, width_p_values
from stillwatch.observe.rhythm import rhythm


def alike(seed, mean, zones=(0,), accounts=4_000, days=28, least=3):
    """Independent Poisson accounts that share a weekly rate, or one of several: (activity, zone of each account)."""
    rng = np.random.default_rng(seed)
    number = np.maximum(traffic.volumes(rng, accounts, mean, 1.0), least)
    zone = rng.integers(len(zones), size=accounts)
    account = np.repeat(np.arange(accounts), number)
    minute = np.empty(len(account))
    for place, shift in enumerate(zones):
        its = zone[account] == place
        minute[its] = traffic.arrivals(rng, int(its.sum()), days, traffic.hours(shift, 0.4, 0.1))
    activity = activity_of(traffic.table(account, minute))
    return activity, zone[[int(name[1:]) for name in activity.accounts.to_pylist()]]


def some_pairs(seed, size, many=2_000, same=None):
    rng = np.random.default_rng([seed, 5])
    a, b = rng.integers(size, size=(2, 40_000))
    keep = (a != b) if same is None else (a != b) & (same[a] == same[b])
    return a[keep][:many], b[keep][:many]


@pytest.mark.parametrize("seed", [31, 32, 33])
@pytest.mark.parametrize("mean", [60, 8])
def test_p_values_are_uniform_on_independent_accounts(seed, mean):
    activity, _ = alike(seed, mean)
    a, b = some_pairs(seed, activity.size)
    tables = prepare(activity)
    p = pair_p_values(tables, a, b, seed)
    assert kstest(p, "uniform").pvalue > 0.01
    widths = width_p_values(tables, a, b, seed)
    for width in widths:
        assert binom.sf((width <= 0.01).sum() - 1, len(width), 0.01) > 1e-3
    assert np.allclose(p, pair_p_values(tables, b, a, seed))
    # The plain ones never say more than the randomised ones.
    assert (pair_p_values(tables, a, b, None) >= p - 1e-12).all()


@pytest.mark.parametrize("seed", [34, 35])
def test_two_accounts_of_one_time_zone_are_not_surprising(seed):
    activity, zone = alike(seed, 60, zones=(0, 6, 9, 17))
    tables = prepare(activity)
    any_two = pair_p_values(tables, *some_pairs(seed, activity.size), seed)
    assert kstest(any_two, "uniform", alternative="greater").pvalue > 0.01
    a, b = some_pairs(seed, activity.size, many=5_000, same=zone)
    p = pair_p_values(tables, a, b, seed)
    # Its distribution function is never far above the diagonal, and its tail not at all.
    assert kstest(p, "uniform", alternative="greater").statistic < 0.05
    assert binom.sf((p <= 0.001).sum() - 1, len(p), 0.001) > 1e-3


def test_bursty_and_clockwork_accounts_are_not_surprising():
    """Sessions, jobs on the hour and a launch, in time zones: tails may be lighter than uniform, never heavier."""
    rng = np.random.default_rng(36)
    account, minute = traffic.ordinary(rng, 3_000, 28, crons=0.3)
    activity = activity_of(traffic.table(account, minute))
    a, b = some_pairs(36, activity.size, many=20_000)
    p = pair_p_values(prepare(activity), a, b, None)
    for level in (0.05, 0.01, 0.001):
        assert binom.sf((p <= level).sum() - 1, len(p), level) > 1e-3
    assert p.min() > 0.001 / len(p)


def test_keeping_step_is_not_claimed_of_independent_accounts():
    activity, _ = alike(37, 60, least=20)
    a, b = some_pairs(37, activity.size, many=1_000)
    p = balance_p_values(activity, a, b)
    for level in (0.2, 0.05, 0.01):
        assert binom.sf((p <= level).sum() - 1, len(p), level) > 1e-3
    # Exchangeable and discrete: no more conservative than ties make it.
    assert (p <= 0.2).mean() > 0.08


def test_jobs_on_the_clock_do_not_keep_step():
    days = np.arange(60)
    daily = [np.column_stack([np.full(60, code), days * 1440 + 60 * (code % 24) + 7]) for code in range(40)]
    rng = np.random.default_rng(38)
    account, minute = traffic.ordinary(rng, 400, 56, crons=0.0, first=40)
    rows = np.concatenate([*daily, np.column_stack([account, minute])])
    activity = activity_of(traffic.table(rows[:, 0], rows[:, 1]))
    regular = {int(activity.accounts[int(code)].as_py()[1:]) for code in np.flatnonzero(clockwork(activity))}
    assert set(range(40)) <= regular
    assert not balanced_groups(activity)


@pytest.mark.parametrize("seed", range(3))
def test_tails_against_enumeration(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 9, size=40)
    pair = np.repeat(np.arange(40), lengths)
    chance = rng.random(len(pair))
    hits = rng.integers(0, 10, size=40)
    found = poisson_binomial_tail(chance, pair, hits)
    for number in range(40):
        each = chance[pair == number]
        total = sum(np.prod(np.where(outcome, each, 1 - each)) for outcome in
                    itertools.product([True, False], repeat=len(each)) if sum(outcome) >= hits[number])
        assert found[number] == pytest.approx(total, abs=1e-12)


def test_a_tiny_tail_keeps_its_precision():
    found = poisson_binomial_tail(np.full(60, 0.05), np.zeros(60, dtype=np.int64), np.array([50]))
    assert found[0] == pytest.approx(binom.sf(49, 60, 0.05), rel=1e-9)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 4), (5, 5), (4, 6)])
def test_strips_against_enumeration(m, n):
    distances = []
    for chosen in itertools.combinations(range(m + n), m):
        i = np.cumsum(np.isin(np.arange(m + n), chosen))
        distances.append(np.abs(i * n - (np.arange(1, m + n + 1) - i) * m).max())
    for d in np.unique(distances):
        assert strip_probability(*(np.array([value]) for value in (m, n, d)))[0] == pytest.approx(
            np.mean(np.array(distances) <= d))


def test_bits_and_false_discovery():
    p = np.array([1.0, 0.5, np.exp(-1), 1e-3, 1e-12, 0.0])
    bits = bits_of(p)
    assert bits[:3] == pytest.approx([0, 0, 0], abs=1e-9)
    assert bits[3] == pytest.approx(-np.log2(-np.e * 1e-3 * np.log(1e-3)))
    assert (np.diff(bits) >= -1e-9).all()
    assert bits[-1] == 30.0
    assert adjusted(np.array([0.001, 0.04, 0.03]), 100) == pytest.approx([0.1, 1.0, 1.0])


POOLS = ["round_robin", "bursts", "bursts_in_turn", "least_loaded_office"]


@pytest.mark.parametrize("balancer", POOLS)
def test_a_pool_behind_a_load_balancer_is_found(balancer):
    rows, truth = traffic.planted(41, balancer, accounts=1_500, pool=60, each=60, days=14)
    activity = activity_of(rows)
    names = np.array(activity.accounts.to_pylist())
    found = [name for group in balanced_groups(activity) for name in names[group.members]]
    assert len(truth & set(found)) >= 0.5 * len(truth)
    assert len(truth & set(found)) >= 0.9 * len(found)


def test_names_and_row_order_change_nothing():
    rows, _ = traffic.planted(42, "bursts_in_turn", accounts=1_500, pool=60, each=60, days=14)
    rng = np.random.default_rng(42)
    names = np.unique(rows["account_id"].to_pylist())
    other = dict(zip(names, rng.permutation([f"z{number:05d}" for number in range(len(names))]), strict=True))
    renamed = rows.set_column(0, "account_id", pa.array([other[name] for name in rows["account_id"].to_pylist()]))
    renamed = renamed.take(pa.array(rng.permutation(len(renamed))))

    def said(table, name):
        activity = activity_of(table)
        proposal = propose(activity)
        called = [name(text) for text in activity.accounts.to_pylist()]
        # Accounts whose activity is the same to the minute stand for each other: pairs are compared by what they say.
        pairs = [tuple(each) for each in np.column_stack([proposal.a, proposal.b, proposal.p, proposal.bits])]
        groups = balanced_groups(activity, proposal)
        return pairs, {frozenset(called[code] for code in group.members) for group in groups}

    pairs, groups = said(rows, other.get)
    assert groups
    assert (pairs, groups) == said(renamed, str)


def test_work_is_bounded_and_says_so(monkeypatch):
    monkeypatch.setattr("stillwatch.link.coincide.ANYWAY", 0)
    rows, _ = traffic.planted(43, "bursts", accounts=300, pool=20, each=30, days=7)
    activity = activity_of(rows)
    wide, narrow = propose(activity), propose(activity, per_row=1)
    assert wide.left_out == 0.0
    assert narrow.width == 1
    assert narrow.left_out > 0.0
    assert narrow.screened <= wide.screened


@pytest.mark.parametrize("rows", [[], [("a", 0)], [("a", 0), ("b", 0)], [("a", 10**9), ("b", -(10**9))]])
def test_next_to_nothing_is_no_rhythm(rows):
    names, minutes = zip(*rows, strict=True) if rows else ((), ())
    table = pa.table({"account_id": pa.array(names, pa.string()), "region": pa.nulls(len(rows), pa.string()),
                      "minute": pa.array(minutes, pa.int64()), "count": pa.array([1] * len(rows), pa.int64())})
    activity = activity_of(table)
    assert activity.size == len(rows)
    assert len(propose(activity).a) == 0
    assert balanced_groups(activity) == []


def test_wrong_clocks_do_not_cost_memory():
    weeks = np.arange(1_000) * 10_080
    table = traffic.table(np.zeros(1_000), weeks)
    assert activity_of(table).span == MOST_WEEKS * 10_080


def test_the_table_counts_minutes_of_known_accounts():
    with connect() as engine:
        staged = engine.table(pa.table({
            "account_id": ["a", "a", "a", "unknown", "b"], "region": ["r", "r", None, "r", "s"],
            "ts_us": pa.array([0, 59_999_999, 30_000_000, 0, 60_000_000], pa.int64())}))
        found = rhythm(engine, staged).to_pylist()
    assert sorted(found, key=str) == sorted([
        {"account_id": "a", "region": "r", "minute": 0, "count": 2},
        {"account_id": "a", "region": None, "minute": 0, "count": 1},
        {"account_id": "b", "region": "s", "minute": 1, "count": 1}], key=str)


@pytest.mark.slow
@pytest.mark.parametrize(("balancer", "days"), [("bursts", 28), ("least_loaded_office", 14)])
def test_two_hundred_among_twenty_thousand(balancer, days):
    """The toy-proof of rhythm as the only family, at full size."""
    rows, truth = traffic.planted(44, balancer, days=days)
    activity = activity_of(rows)
    names = np.array(activity.accounts.to_pylist())
    found = [name for group in balanced_groups(activity) for name in names[group.members]]
    assert len(truth & set(found)) >= 0.5 * len(truth)
    assert len(truth & set(found)) >= 0.9 * len(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 220))
def test_no_groups_among_independent_accounts(seed):
    rng = np.random.default_rng([seed, 1])
    account, minute = traffic.ordinary(rng, 1_500, (7, 14, 28)[seed % 3], crons=0.05 if seed % 2 else 0.2)
    assert balanced_groups(activity_of(traffic.table(account, minute))) == []
