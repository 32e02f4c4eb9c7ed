"""Bursts of sign-ups on data whose truth is known: nothing, a launch that everybody shares, and an operator's batch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.observe.signups import LEVEL, TRAITS, bursts

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = 20_000 * DAY
# People sign up by day, and less at weekends; START is a Thursday, as the epoch was.
BY_HOUR = np.array([1, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 8, 9, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1], dtype=float)
BY_DAY = np.array([1, 1, 0.4, 0.4, 1, 1, 1])


def population(rng, days=120, a_day=8.0, launch=None):
    """Times of sign-ups, each independent; on day ``launch`` eight times as many."""
    rate = np.outer(np.resize(BY_DAY, days), BY_HOUR / BY_HOUR.mean()) * a_day / 24
    if launch is not None:
        rate[launch] *= 8
    counts = rng.poisson(rate).ravel()
    hours = np.repeat(np.arange(days * 24), counts)
    return START + ((hours + rng.random(len(hours))) * HOUR).astype(np.int64)


def mix(rng, count):
    """What everybody's sign-ups look like."""
    return {
        "email_domain": rng.choice(["mail.test", "post.test", "corp.test", "uni.test"], count, p=[0.5, 0.3, 0.1, 0.1]),
        "email_pattern": rng.choice(["aaa.aaaa", "aaaa99", "aaaaaa", "a.aaaa"], count),
        "signup_prefix": np.array([f"p{n}" for n in rng.integers(2_000, size=count)]),
        "referral": rng.choice(["none", "SPRING"], count, p=[0.9, 0.1]),
        "kind": rng.choice(["individual", "enterprise"], count, p=[0.8, 0.2]),
    }


def together(*parts):
    times = np.concatenate([time for time, _ in parts])
    order = np.argsort(times, kind="stable")
    columns = {name: pa.array(np.concatenate([traits[name] for _, traits in parts])[order]) for name in TRAITS}
    return times[order], pa.table(columns), order


def test_independent_sign_ups_hold_no_burst():
    """At most LEVEL of logs: none in 300, in logs that wax and wane by hour and by day of the week."""
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(300):
        times, traits, _ = together((times := population(rng, days=60, a_day=rng.choice([2.0, 8.0, 30.0])),
                                     mix(rng, len(times))))
        found += bool(bursts(times, traits))
    assert found <= 1 + 3 * 300 * LEVEL


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_launch_that_everybody_shares_is_no_burst(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    times = population(rng, launch=60)
    times, traits, _ = together((times, mix(rng, len(times))))
    assert bursts(times, traits) == []
    # It is a rush, and only that everybody is in it makes it none.
    monkeypatch.setattr("stillwatch.observe.signups._unlike_others", lambda *_: 0.0)
    assert [round(burst.start_us / DAY) for burst in bursts(times, traits)] == [20_060]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("launch", [None, 60])
def test_a_batch_is_found_and_holds_little_else(seed, launch):
    """60 accounts in 20 hours on a third of domains: found whole, with few of the day's others; a launch elsewhere
    changes nothing."""
    rng = np.random.default_rng(100 + seed)
    times = population(rng, launch=launch)
    own = START + 90 * DAY + 6 * HOUR + (rng.random(60) * 20 * HOUR).astype(np.int64)
    traits = mix(rng, 60) | {"email_domain": rng.choice(["quick.test", "mail.test"], 60)}
    times, table, order = together((times, mix(rng, len(times))), (own, traits))
    is_own = order >= len(times) - 60
    found = bursts(times, table)
    assert len(found) == 1
    inside = is_own[found[0].first:found[0].last + 1]
    assert inside.sum() >= 57
    assert inside.mean() >= 0.75
    assert found[0].p_value <= LEVEL
    assert found[0].expected < 20
    assert times[found[0].first] == found[0].start_us
    assert times[found[0].last] == found[0].end_us


def test_a_batch_that_mimics_everybody_escapes():
    """What the method cannot see, said by a test: the same batch with everybody's mix of traits."""
    rng = np.random.default_rng(7)
    times = population(rng)
    own = START + 90 * DAY + (rng.random(60) * 20 * HOUR).astype(np.int64)
    assert bursts(*together((times, mix(rng, len(times))), (own, mix(rng, 60)))[:2]) == []


@pytest.mark.parametrize("times", [
    np.zeros(0, np.int64), np.full(500, START), START + np.arange(9) * HOUR, START + np.arange(3000),
    np.concatenate([np.full(30, 946_684_800_000_000), np.full(30, 4_000_000_000_000_000)]),
])
def test_degenerate_times(times):
    rng = np.random.default_rng(0)
    assert bursts(times, together((times, mix(rng, len(times))))[1]) == []


def test_dates_without_times_are_no_bursts():
    """Logs that keep the date alone put every day's sign-ups at midnight."""
    rng = np.random.default_rng(3)
    times = np.sort(population(rng, a_day=20.0) // DAY * DAY)
    assert bursts(times, together((times, mix(rng, len(times))))[1]) == []
