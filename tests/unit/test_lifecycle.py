"""Phases, moves and pools on series whose truth is known."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lifecycle import measured

from stillwatch.engine import connect
from stillwatch.judge import Follows, life_sentences, life_tables, lives
from stillwatch.judge.changes import cut_mix, cut_volume, dispersion
from stillwatch.judge.history import HOUR_US
from stillwatch.judge.moves import fit_move
from stillwatch.proof import simulate
from stillwatch.schema import LAUNCHES, conform

START = 490_000  # hours since 1970
DAY = 24


def traffic(rng, rate, *, accounts=12, model="old", capability="coding", group=None, names="a", lag=0):
    """Rows as numbers: ``rate`` holds expected exchanges an hour; times even within hours."""
    counts = rng.poisson(rate)
    hour = np.repeat(np.arange(len(counts)), counts)
    ts = ((START + hour + lag) * HOUR_US + rng.integers(0, HOUR_US, len(hour))).astype(np.int64)
    return pa.table({
        "ts_us": ts, "account_id": [f"{names}{n}" for n in rng.integers(0, accounts, len(ts))],
        "model": np.broadcast_to(np.array(model), len(ts)).tolist() if isinstance(model, str) else model(hour, rng),
        "capability": [capability] * len(ts) if isinstance(capability, str) else capability(hour, rng),
        "group_id": pa.array([group] * len(ts), pa.string()),
    })


def read(*tables, launches=None, shuffle=None):
    """The lives of the groups in these rows, with their tables, read from one engine."""
    rows = pa.concat_tables(tables)
    rows = rows.append_column("exchange_id", pa.array([f"x{n}" for n in range(rows.num_rows)]))
    rows = rows.append_column("conversation_id", pa.nulls(rows.num_rows, pa.string()))
    if shuffle is not None:
        rows = rows.take(pa.array(np.random.default_rng(shuffle).permutation(rows.num_rows)))
    with connect("duckdb", threads=1) as engine:
        staged = engine.table(rows)
        own = staged.filter(staged.group_id.notnull())
        told = lives(engine, own, staged, launches)
        made = {name: table.to_pylist() for name, (_, table) in life_tables(engine, own, told, {}).items()}
    return told, made


def crowd(rng, days, rate=60.0):
    """Everybody else: a daily rhythm, many accounts."""
    hours = np.arange(days * DAY)
    return traffic(rng, rate * (1.0 + 0.6 * np.sin(hours / 24 * 2 * np.pi)), accounts=300, names="p")


def names_of(made, group="g"):
    return [row["phase"] for row in made["phases"] if row["campaign_id"] == group]


def hours_of(told, group="g"):
    return [phase.started_us / HOUR_US - START for phase in told.of[group].phases]


# --- change points ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rate", [2.0, 10.0, 60.0])
def test_a_constant_rate_is_hardly_ever_cut(rate):
    rng = np.random.default_rng(11)
    cut = [bool(cut_volume(rng.poisson(rate, 30 * DAY).astype(float), np.ones(30 * DAY))) for _ in range(150)]
    assert np.mean(cut) <= 0.03


@pytest.mark.parametrize("seed", [11, 12])
def test_a_doubled_rate_is_found_within_a_day(seed):
    rng = np.random.default_rng(seed)
    near = []
    for _ in range(60):
        at = int(rng.integers(5 * DAY, 25 * DAY))
        rate = np.where(np.arange(30 * DAY) < at, 5.0, 10.0)
        cuts = cut_volume(rng.poisson(rate).astype(float), np.ones(len(rate)))
        near.append(len(cuts) == 1 and abs(cuts[0] - at) <= DAY)
    assert np.mean(near) >= 0.95


def test_time_that_the_logs_do_not_cover_is_no_change():
    rng = np.random.default_rng(3)
    time = np.ones(20 * DAY)
    time[8 * DAY:11 * DAY] = 0
    assert cut_volume(rng.poisson(12.0 * time).astype(float), time) == []


def test_counts_that_vary_more_than_poisson_are_not_cut_for_it():
    rng = np.random.default_rng(5)
    cut = 0
    for _ in range(60):
        daily = rng.gamma(10.0, 1 / 10.0, 40)  # days differ by a third
        cut += bool(cut_volume(rng.poisson(np.repeat(20.0 * daily, DAY)).astype(float), np.ones(40 * DAY)))
    assert cut <= 6
    daily = rng.gamma(10.0, 1 / 10.0, 4000)
    # Variance over mean of a day's count of mean 480 with that spread: 1 + 480 / 10.
    assert dispersion(rng.poisson(np.repeat(20.0 * daily, DAY)).astype(float), np.ones(4000 * DAY)) == pytest.approx(
        49.0, rel=0.15)


def test_a_mix_that_changes_is_cut_where_it_changes_and_nowhere_else():
    rng = np.random.default_rng(7)
    hours = np.arange(20 * DAY)
    share = np.where(hours < 12 * DAY, 0.2, 0.5)
    counts = np.column_stack([rng.poisson(8.0 * share), rng.poisson(8.0 * (1 - share))]).astype(float)
    cuts = cut_mix(counts)
    assert len(cuts) == 1
    assert abs(cuts[0] - 12 * DAY) <= DAY
    steady = [cut_mix(np.column_stack([rng.poisson(3.0, 480), rng.poisson(6.0, 480), rng.poisson(1.0, 480)])
                      .astype(float)) for _ in range(60)]
    assert sum(bool(cuts) for cuts in steady) <= 2


# --- phases ----------------------------------------------------------------------------------------------------------

def test_a_life_from_probing_to_the_end_is_told_in_order():
    rng = np.random.default_rng(11)
    rate = np.zeros(40 * DAY)
    rate[3 * DAY:7 * DAY], rate[7 * DAY:9 * DAY] = 1.0, 10.0
    rate[9 * DAY:25 * DAY], rate[25 * DAY:30 * DAY] = 25.0, 8.0
    told, made = read(crowd(rng, 40), traffic(rng, rate, group="g"))
    assert names_of(made) == ["probing", "ramp_up", "sustained", "wind_down", "ended"]
    assert hours_of(told) == pytest.approx([72, 168, 216, 600, 720], abs=24)
    rows = made["phases"]
    assert sum(row["exchanges"] for row in rows) == int(told.of["g"].history.exchanges.sum())
    assert rows[2]["rate"] == pytest.approx(600, rel=0.05)
    assert rows[3]["rate_before"] == rows[2]["rate"]
    assert rows[3]["population_ratio"] == pytest.approx(1.0, abs=0.1)
    assert rows[-1]["exchanges"] <= 1  # the last one closes the phase before
    assert all(a["ended_at"] == b["started_at"] for a, b in itertools.pairwise(rows))
    assert life_sentences("g", told, None)[0].startswith("It tried things out from ")


def test_a_rise_that_is_two_days_old_is_not_yet_a_level():
    rng = np.random.default_rng(2)
    rate = np.r_[np.full(10 * DAY, 6.0), np.full(36, 18.0)]
    _, made = read(traffic(rng, rate, group="g"), traffic(rng, np.full(len(rate), 60.0), accounts=300, names="p"))
    assert names_of(made)[-1] == "ramp_up"


def test_who_works_in_shifts_does_not_change_twice_a_day():
    rng = np.random.default_rng(4)
    hours = np.arange(28 * DAY)
    told, made = read(crowd(rng, 28), traffic(rng, np.where(hours % 24 < 9, 20.0, 0.0), group="g"))
    assert names_of(made) == ["sustained"]
    assert told.of["g"].phases[0].changed == ()


@pytest.mark.parametrize("days", [4, 5, 6, 7, 20])
def test_a_life_of_a_few_whole_days_is_read_like_any_other(days):
    rng = np.random.default_rng(days)
    told, made = read(crowd(rng, days), traffic(rng, np.full(days * DAY, 4.0), group="g"))
    assert told.of["g"].phases
    assert names_of(made) == ["sustained"]


def test_weekends_are_no_changes_where_they_come_every_week():
    rng = np.random.default_rng(6)
    hours = np.arange(35 * DAY)
    weekend = ((hours + START) // 24) % 7 >= 5
    _, made = read(crowd(rng, 35), traffic(rng, np.where(weekend, 3.0, 20.0), group="g"))
    assert names_of(made) == ["sustained"]


def test_what_changes_for_everybody_is_no_act_of_the_campaign():
    rng = np.random.default_rng(8)
    level = np.where(np.arange(24 * DAY) < 12 * DAY, 1.0, 2.0)
    alone, together = (read(traffic(rng, 80.0 * (level if both else np.ones(len(level))), accounts=300, names="p"),
                            traffic(rng, 12.0 * level, group="g"))[1] for both in (False, True))
    assert len(names_of(alone)) == 2
    assert names_of(together) == ["sustained"]


def test_a_gap_in_the_logs_ends_nobody():
    rng = np.random.default_rng(9)
    rate = np.full(20 * DAY, 12.0)
    rate[8 * DAY:11 * DAY] = 0
    quiet = np.where(rate > 0, 80.0, 0.0)
    _, made = read(traffic(rng, quiet, accounts=300, names="p"), traffic(rng, rate, group="g"))
    assert names_of(made) == ["sustained"]
    assert made["phases"][0]["rate"] == pytest.approx(288, rel=0.05)


def test_of_too_little_nothing_is_said():
    rng = np.random.default_rng(1)
    told, made = read(crowd(rng, 10), traffic(rng, np.full(10 * DAY, 0.05), group="g"))
    assert made["phases"] == []
    assert life_sentences("g", told, None) == []
    assert life_sentences("absent", told, None) == []


def test_neither_order_nor_names_matter():
    tables = [crowd(np.random.default_rng(1), 14), traffic(np.random.default_rng(2), np.r_[
        np.full(100, 3.0), np.full(200, 12.0)], group="g")]
    first = read(*tables)[1]
    renamed = [table.set_column(1, "account_id", pa.array([f"z{name[::-1]}" for name in
                                                           table["account_id"].to_pylist()])) for table in tables]
    assert read(*tables, shuffle=5)[1] == first
    assert read(*renamed, shuffle=6)[1] == first


# --- moves -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("share", "hours"), [(0.48, 22), (0.5, 24), (0.25, 60), (0.9, 4)])
def test_share_and_time_of_a_move_are_recovered(share, hours):
    rng = np.random.default_rng(11)
    shares, times = [], []
    for _ in range(30):
        time = np.arange(240) + 0.5
        asked = rng.poisson(30.0, 240).astype(float)
        moved = rng.binomial(asked.astype(int), share * np.minimum(time / hours, 1.0)).astype(float)
        got, wait, until = fit_move(moved, asked, 0, 0)
        shares.append(got)
        times.append(until)
        assert wait < until
    assert np.abs(np.array(shares) - share).max() <= 0.05
    assert np.median(times) == pytest.approx(hours, abs=max(1.5, 0.15 * hours))
    assert np.quantile(np.abs(np.array(times) - hours), 0.9) <= max(3.0, 0.35 * hours)


def test_who_waits_first_is_seen_to_wait():
    rng = np.random.default_rng(12)
    time = np.arange(240) + 0.5
    asked = np.full(240, 40.0)
    moved = rng.binomial(40, 0.6 * np.clip((time - 72) / 12, 0, 1)).astype(float)
    share, wait, until = fit_move(moved, asked, 0, 0)
    assert share == pytest.approx(0.6, abs=0.03)
    assert wait == pytest.approx(72, abs=12)
    assert until == pytest.approx(84, abs=12)
    assert fit_move(np.zeros(240), asked, 0, 0) == (0.0, 0.0, 0.0)


def moving(at, share, hours):
    """Models of exchanges: ``share`` moves evenly within ``hours`` after hour ``at``."""
    def models(hour, rng):
        moved = rng.random(len(hour)) < share * np.clip((hour + 0.5 - at) / hours, 0.0, 1.0)
        return np.where(moved, "new", np.where(rng.random(len(hour)) < 0.3, "other", "old")).tolist()
    return models


@pytest.mark.parametrize("given", [True, False])
def test_a_move_is_told_with_its_shares_and_time(given):
    rng = np.random.default_rng(11)
    at = 15 * DAY + 10
    people = traffic(rng, np.full(30 * DAY, 60.0), accounts=300, names="p", model=moving(at, 0.3, 96))
    told, made = read(people, traffic(rng, np.full(30 * DAY, 30.0), group="g", model=moving(at, 0.48, 22)),
                      launches=_launches(at) if given else None)
    rows = {row["model"]: row for row in made["moves"]}
    assert rows["new"]["inferred"] is not given
    assert rows["new"]["share_before"] == 0.0
    assert rows["new"]["share_after"] == pytest.approx(0.48, abs=0.03)
    assert rows["new"]["population_after"] == pytest.approx(0.3, abs=0.03)
    assert rows["new"]["hours"] == pytest.approx(22, abs=4)
    assert rows["other"]["share_before"] == pytest.approx(0.3, abs=0.03)
    assert rows["other"]["hours"] is None
    assert sum(row["share_after"] for row in rows.values()) == pytest.approx(1.0)
    assert names_of(made) == ["sustained", "pivot", "sustained"]
    assert hours_of(told)[1:] == pytest.approx([at, at + 22], abs=5)
    said = life_sentences("g", told, None)[1]
    assert "of its exchanges moved to new within 2" in said
    assert "of everybody else's" in said
    at_launch = read(people, traffic(rng, np.full(at + 6, 30.0), group="h", model=moving(at, 0.48, 22)))[1]
    assert at_launch["moves"] == [] or names_of(at_launch, "h")[-1] in ("pivot", "ended")


def _launches(at):
    when = datetime.fromtimestamp((START + at) * 3600, UTC)
    return conform(pa.table({"model": ["new", "never asked"], "released_at": pa.array(
        [when, when], pa.timestamp("us", "UTC"))}), LAUNCHES)


def test_a_drift_that_everybody_shares_is_no_pivot():
    rng = np.random.default_rng(13)
    at = 12 * DAY
    _, made = read(traffic(rng, np.full(24 * DAY, 60.0), accounts=300, names="p", model=moving(at, 0.4, 96)),
                   traffic(rng, np.full(24 * DAY, 20.0), group="g", model=moving(at, 0.4, 96)))
    assert names_of(made) == ["sustained"]
    assert next(row for row in made["moves"] if row["model"] == "new")["hours"] == pytest.approx(96, rel=0.25)


def test_only_what_many_accounts_take_up_at_once_is_a_launch():
    rng = np.random.default_rng(14)
    rows = traffic(rng, np.full(20 * DAY, 60.0), accounts=300, names="p", model=moving(9 * DAY + 5, 0.3, 24))
    rare = traffic(rng, np.full(20 * DAY, 0.5), accounts=3, names="few", model="private")
    # A model that few use each day, and ever more have used: nothing was launched on any one day.
    slow = traffic(rng, np.full(20 * DAY, 0.2), accounts=200, names="slow", model="niche")
    launches = read(rows, rare, slow)[0].launches
    assert [launch.model for launch in launches] == ["new"]
    assert launches[0].inferred
    assert launches[0].at_us / HOUR_US - START == pytest.approx(9 * DAY + 5, abs=24)


# --- pools -----------------------------------------------------------------------------------------------------------

def pool(rng, first, last, accounts, names):
    rate = np.zeros(30 * DAY)
    rate[first:last] = accounts * 0.4
    return traffic(rng, rate, accounts=accounts, names=names, group="g")


def test_a_pool_that_takes_over_is_seen():
    rng = np.random.default_rng(11)
    told, made = read(crowd(rng, 30), pool(rng, 24, 15 * DAY, 30, "one"), pool(rng, 15 * DAY + 6, 30 * DAY, 25, "two"))
    rows = made["pools"]
    assert [row["accounts"] for row in rows] == [30, 25]
    assert [row["took_over_from"] for row in rows] == [None, "g"]
    assert rows[1]["gap_hours"] == pytest.approx(6, abs=2)
    assert rows[1]["p_value"] < 1e-3
    assert names_of(made) == ["sustained", "pivot", "sustained"]
    assert hours_of(told)[1] == pytest.approx(15 * DAY, abs=3)
    assert "30 of its accounts stopped, and 25 others took over 6 hours later" in life_sentences("g", told, None)[1]


def test_accounts_that_come_and_go_are_no_pools():
    rng = np.random.default_rng(12)
    found = 0
    for seed in range(20):
        drawn = np.random.default_rng(seed)
        begin = np.sort(drawn.uniform(0, 25 * DAY, 60)).astype(int)
        parts = [pool(drawn, int(at), min(30 * DAY, int(at) + 5 * DAY), 1, f"n{number}-")
                 for number, at in enumerate(begin)]
        found += len(read(crowd(rng, 30, 5.0), *parts)[0].of["g"].hands)
    assert found == 0


def test_who_follows_another_campaign_says_so():
    rng = np.random.default_rng(15)
    told, _ = read(crowd(rng, 10), traffic(rng, np.full(10 * DAY, 5.0), group="g"))
    said = life_sentences("g", told, Follows("before", 5.0, 0.004))[-1]
    assert said == "It began 5 hours after campaign before stopped, which chance seldom arranges (q = 0.004)."


# --- against what a simulation says of itself ------------------------------------------------------------------------

PLANNED = """
name: planned
summary: a campaign that probes, moves, is banned, fails over and ends
start: 2026-03-02
days: 34
models:
- {name: one, weight: 3, reasoning: true}
- {name: two, weight: 2, released_on_day: 12.4}
actors:
- {actor: individuals, name: people, accounts: 120, exchanges: 9000}
- actor: campaign
  name: Grey Rook
  accounts: 60
  exchanges: 9000
  active: {first: 2, last: 29}
  capabilities: {reasoning_trace: 1}
  probing: {days: 3, exchanges: 60}
  move: {model: two, share: 0.6, hours: 12}
  models: {one: 1}
  phases: [{first: 24, volume: 0.5, capabilities: {coding: 1}}]
  bans: [18.3]
  failover_hours: 7
"""


def test_a_simulation_tells_its_phases_and_they_are_found(tmp_path):
    (tmp_path / "planned.yaml").write_text(PLANNED, "utf-8")
    simulate(str(tmp_path / "planned.yaml"), tmp_path / "out", seed=11, workers=0)
    truth = pq.read_table(tmp_path / "out" / "truth" / "phases.parquet").to_pylist()
    days = [(row["started_at"] - datetime(2026, 3, 2, tzinfo=UTC)).total_seconds() / 86_400 for row in truth]
    assert [row["phase"] for row in truth] == ["probing", "ramp_up", "sustained", "pivot", "sustained", "pivot",
                                               "sustained", "wind_down", "ended"]
    assert days == pytest.approx([2, 5, 7, 12.4, 12.9, 18.3, 18.3 + 7 / 24, 24, 29], abs=1e-4)
    assert [row["changed"] for row in truth] == [None, "volume", "volume", "model", "model", "accounts", "accounts",
                                                 "capability", "volume"]
    (row,) = measured(tmp_path / "out")
    assert row["all_found"], row
    assert row["extra"] == 0
    assert row["pools"] == 2
    assert row["moves"][0]["share"] == pytest.approx(0.6, abs=0.05)
