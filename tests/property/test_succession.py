"""Failover and joint moves: uniform where nothing follows anything, found where it was planted."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import binom

from stillwatch.link.succession import joint_move_p_value, successions

DAY = 1440
DAYS = 60


def world(rng, accounts=3_000, groups=12, size=20):
    """Accounts that come and go at random (many at once on day 30), and groups that start and stop together at
    random."""
    starts = rng.integers(0, DAYS * DAY, accounts + groups * size)
    starts[: accounts // 4] = 30 * DAY + rng.integers(0, DAY, accounts // 4)
    stops = np.minimum(starts + rng.exponential(15 * DAY, len(starts)).astype(int), DAYS * DAY)
    kinds = sp.csr_matrix(rng.poisson(rng.gamma(0.2, 4.0, (len(starts), 30))))
    members = [accounts + np.arange(group * size, (group + 1) * size) for group in range(groups)]
    for group in members:
        begin, end = np.sort(rng.choice(starts[:accounts], 2, replace=False))
        starts[group] = begin + rng.integers(0, 240, size)
        stops[group] = np.maximum(end + rng.integers(0, 240, size), starts[group])
    return members, starts, stops, kinds


def follow(members, starts, stops, kinds, rng):
    """Group 1 takes over from group 0 half a day later, with the same work."""
    starts[members[0]], stops[members[0]] = 5 * DAY, 20 * DAY + rng.integers(0, 60, len(members[0]))
    starts[members[1]], stops[members[1]] = 20 * DAY + 720 + rng.integers(0, 240, len(members[1])), 50 * DAY
    work = rng.gamma(0.2, 4.0, 30)
    rows = kinds.tolil()
    for account in np.concatenate(members[:2]):
        rows[account] = rng.poisson(work)
    return rows.tocsr()


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_pool_that_takes_over_is_found(seed):
    rng = np.random.default_rng(seed)
    members, starts, stops, kinds = world(rng)
    kinds = follow(members, starts, stops, kinds, rng)
    found = successions(members, starts, stops, (0, DAYS * DAY), kinds)
    assert (0, 1) in {(each.before, each.after) for each in found}
    best = next(each for each in found if (each.before, each.after) == (0, 1))
    assert 0 < best.gap < DAY
    assert best.bits > 5


@pytest.mark.parametrize("features", [True, False])
def test_chance_successions_have_uniform_p_values(features):
    """All pairs that follow each other in 60 worlds without any failover: small p-values no more often than they
    say."""
    p, admissible = [], 0
    for seed in range(60):
        members, starts, stops, kinds = world(np.random.default_rng([20, seed]))
        found = successions(members, starts, stops, (0, DAYS * DAY), kinds if features else None, 2.0)
        p += [each.p for each in found]
        admissible += len(members) * (len(members) - 1)
    for level in (0.05, 0.01, 0.001):
        assert binom.sf((np.array(p) <= level).sum() - 1, admissible, level) > 1e-3
    assert len(p) > 50


def test_a_day_on_which_everybody_starts_proves_nothing():
    rng = np.random.default_rng(14)
    members, starts, stops, _ = world(rng)
    stops[members[0]], starts[members[0]] = 30 * DAY, 5 * DAY
    starts[members[1]], stops[members[1]] = 30 * DAY + 900, 50 * DAY
    found = successions(members[:2], starts, stops, (0, DAYS * DAY), None, 2.0)
    assert [each.bits for each in found if (each.before, each.after) == (0, 1)] == [pytest.approx(0.0, abs=1.0)]


def test_what_the_logs_do_not_show_is_no_stop():
    starts, stops = np.array([0] * 5 + [2 * DAY] * 5), np.array([DAY] * 5 + [10 * DAY] * 5)
    assert successions([np.arange(5), np.arange(5, 10)], starts, stops, (0, 2 * DAY)) == []
    assert successions([], starts, stops, (0, 2 * DAY)) == []


def test_joint_moves():
    rng = np.random.default_rng(15)
    adoption = np.concatenate([rng.integers(0, 2 * DAY, 3_000), rng.integers(0, 28 * DAY, 3_000)])
    p = np.array([joint_move_p_value(rng.choice(adoption, 12), adoption, 360) for _ in range(2_000)])
    for level in (0.05, 0.01):
        assert binom.sf((p <= level).sum() - 1, len(p), level) > 1e-3
    assert joint_move_p_value(20 * DAY + rng.integers(0, 300, 12), adoption, 360) < 1e-9
    assert joint_move_p_value(np.array([5]), adoption, 360) == 1.0
