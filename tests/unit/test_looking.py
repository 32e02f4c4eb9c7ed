"""Looking back without a scan: the grid, who is whose early form, what looks cost, and which looks are taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases_fixture import campaign, names, tables
from stillwatch.judge import Judged
from stillwatch.pipeline import Clock, Quiet, looking
from stillwatch.pipeline.looking import First, Looks, early_form, look_back, midnights, paid, reported, told_looks
from stillwatch.schema import CAMPAIGNS, EVIDENCE, MEMBERS
from stillwatch.sealing.rerun import _settings
from stillwatch.settings import load_settings

DAY = 86_400_000_000
T0 = datetime(2026, 3, 2, tzinfo=UTC)
T0_US = int(T0.timestamp()) * 1_000_000


@given(st.integers(0, 2**45), st.integers(0, 40 * DAY), st.integers(0, 40 * DAY))
def test_a_longer_future_only_adds_midnights(first, length, more):
    grid = midnights(first, first + length)
    assert all(moment % DAY == 0 and first < moment < first + length for moment in grid)
    assert midnights(first, first + length + more)[:len(grid)] == grid
    assert len(grid) == max(0, -(-(first + length) // DAY) - first // DAY - 1), "none is left out"


def test_looking_again_and_again_spends_no_more_than_looking_once():
    # Σ α/(k(k + 1)) = α·(1 − 1/(n + 1)): a test at look k passes where paid(q, k) ≤ α, that is q ≤ α/(k(k + 1)).
    alpha = 0.01
    bars = [alpha / (k * (k + 1)) for k in range(1, 2001)]
    assert sum(bars) == pytest.approx(alpha * (1 - 1 / 2001))
    assert all(paid(bar, k) == pytest.approx(alpha) for k, bar in enumerate(bars, start=1))
    assert paid(0.002, 1) == pytest.approx(0.004)
    assert paid(0.002, 30) == 1.0


@pytest.mark.parametrize(("accused", "whole", "same"), [
    ("abc", "abcdefgh", True), ("abxy", "abcdefgh", False), ("abcxyz", "abcdefgh", True),
    ("abcwxyz", "abcdefgh", False), ("ab", "abcdefgh", False), ("", "abc", False), ("abcdefgh", "abcd", True)])
def test_an_early_form_is_three_accounts_of_the_campaign_and_mostly_it(accused, whole, same):
    assert early_form(set(accused), set(whole)) is same


def judged(*groups):
    """Campaigns of so many of the accounts each, detections unless what is given says otherwise."""
    made = tables(*((campaign(f"c{number}", people, **more), people) for number, (people, more) in enumerate(groups)))
    return Judged(made[CAMPAIGNS.name], made[MEMBERS.name], made[EVIDENCE.name], 0, 0)


class Watched:
    """Looks that are already known: what is asked, and what each says."""

    def __init__(self, monkeypatch, says, clock=None):
        self.asked = []

        def look(engine, reduced, at_us, campaigns, rules, late):
            self.asked.append(((at_us - T0_US) // DAY, sorted(campaigns)))
            if clock is not None:
                clock[0] += 10.0
            return {name: q for name, q in says.get((at_us - T0_US) // DAY, {}).items() if name in campaigns}

        monkeypatch.setattr(looking, "_look", look)
        if clock is not None:
            monkeypatch.setattr(looking, "time", SimpleNamespace(monotonic=lambda: clock[0]))


class Rows:
    """Exchanges of ten days, of which only the span is asked for."""

    ts_us = SimpleNamespace(min=lambda: None, max=lambda: None)

    def aggregate(self, **_):
        return None


ENGINE = SimpleNamespace(arrow=lambda _: pa.table({"first": [T0_US + 5], "last": [T0_US + 10 * DAY - 5]}))


def reduced(since):
    """Accounts with the day of their first exchange."""
    profiles = pa.table({"account_id": list(since), "first_seen": pa.array(
        [T0 + timedelta(days=day) for day in since.values()], pa.timestamp("us", "UTC"))})
    return SimpleNamespace(staged=Rows(), profiles=profiles)


def rules(seconds=600.0):
    return SimpleNamespace(settings=SimpleNamespace(look_seconds=seconds))


def test_the_first_look_that_reports_it_counts_though_later_ones_do_not(monkeypatch):
    watched = Watched(monkeypatch, {4: {"c0": 0.005}, 6: {"c0": 0.001, "c1": 0.004}})
    known = judged((names(0, 5), {}), (names(5, 10), {}))
    since = dict.fromkeys(names(0, 5), 1.5) | dict(zip(names(5, 10), (0.5, 2.5, 4.5, 4.6, 9.0), strict=True))
    looks = look_back(ENGINE, reduced(since), known, rules(), Clock(Quiet()))
    assert looks.first == {"c0": First(T0_US + 4 * DAY, 4, 0.005), "c1": First(T0_US + 6 * DAY, 6, 0.004)}
    # Nothing is looked at while fewer than three accounts have sent anything, or once it is known.
    assert watched.asked == [(2, ["c0"]), (3, ["c0"]), (4, ["c0"]), (5, ["c1"]), (6, ["c1"])]
    assert (looks.grid, looks.taken, looks.ended_us) == (9, 5, None)


def test_what_no_midnight_reports_is_reported_at_the_end_of_the_logs(monkeypatch):
    Watched(monkeypatch, {})
    known = judged((names(0, 5), {"q_value": 0.008}))
    looks = look_back(ENGINE, reduced(dict.fromkeys(names(0, 5), 0.1)), known, rules(), Clock(Quiet()))
    assert looks.first == {"c0": First(T0_US + 10 * DAY - 5, 10, 0.008)}
    (row,) = told_looks(known, looks).campaigns.to_pylist()
    assert row["detectable_at"] == T0 + timedelta(days=10, microseconds=-5)
    assert row["detectable_q"] == pytest.approx(0.008 * 10 * 11)


def test_when_time_runs_out_what_was_found_stays_and_the_rest_is_open(monkeypatch):
    Watched(monkeypatch, {2: {"c0": 0.005}, 8: {"c1": 0.004}}, clock := [0.0])
    known = judged((names(0, 5), {}), (names(5, 10), {}))
    looks = look_back(ENGINE, reduced(dict.fromkeys(names(0, 10), 0.1)), known, rules(45.0), Clock(Quiet()))
    assert set(looks.first) == {"c0"}
    assert looks.ended_us == T0_US + 6 * DAY
    assert clock == [50.0]
    one, other = told_looks(known, looks).campaigns.to_pylist()
    assert one["detectable_at"] == T0 + timedelta(days=2)
    assert not one["missing"]
    assert other["detectable_at"] is None
    assert other["missing"][-1] == (
        "detectable_at: time for looking back ran out; not before 2026-03-08 00:00 (look_seconds)")


def test_what_is_no_detection_is_not_looked_for(monkeypatch):
    watched = Watched(monkeypatch, {4: {"c0": 0.005}})
    known = judged((names(0, 5), {"probability": 0.5}))
    looks = look_back(ENGINE, reduced(dict.fromkeys(names(0, 5), 0.1)), known, rules(), Clock(Quiet()))
    assert not watched.asked
    assert looks == Looks()
    assert not reported(known)
    assert told_looks(known, looks).campaigns["detectable_at"].to_pylist() == [None]


def test_reported_are_the_likely_members_of_detections():
    known = judged((names(0, 5), {}), (names(5, 10), {"verdict": "education"}))
    assert {name: set(who) for name, (who, _) in reported(known).items()} == {"c0": set(names(0, 5))}


@pytest.mark.parametrize(("sealed", "ended", "expected"), [
    (300.0, None, 7 * 86_400.0), (300.0, "2026-03-08T00:00:00+00:00", 300.0), (0.0, None, 0.0)])
def test_a_rerun_has_time_for_what_was_finished_and_looks_for_nothing_that_was_not_asked_for(sealed, ended, expected):
    manifest = {"settings": load_settings(look_seconds=sealed).model_dump(mode="json"),
                "looks": {"ended": ended}, "decoys": {}}
    assert _settings(manifest).look_seconds == expected
