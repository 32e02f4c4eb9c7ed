"""Injection and recovery: the statistics against known truth, the grid, and what a plant is made of."""

import dataclasses
import json
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
from scipy.optimize import isotonic_regression
from text_batches import batch, problem

from stillwatch.errors import UsageError
from stillwatch.observe import TextReducer
from stillwatch.pipeline import Decoys
from stillwatch.proof.power.grid import AXES, REFERENCE, Plan, Point, plan
from stillwatch.proof.power.logs import Incomplete
from stillwatch.proof.power.plant import _drawn, _new_names, plant, seed_of
from stillwatch.proof.power.population import Population
from stillwatch.proof.power.results import axes, table
from stillwatch.proof.power.statistics import LEVEL, clopper_pearson, limit, monotone
from stillwatch.proof.power.store import Store, claim
from stillwatch.proof.power.trial import Outcome
from stillwatch.report.power_chart import chart
from stillwatch.report.power_words import limit_words
from stillwatch.schema import EXCHANGES, POWER, STAGED, conform
from stillwatch.settings import DeploymentKey

KEY = DeploymentKey(bytes(32))
GRID = np.array([5, 10, 20, 40, 80, 160], dtype=float)


# Statistics.

def test_intervals_of_whole_counts_are_scipys():
    for trials in (1, 2, 7, 60):
        for successes in {0, 1, trials // 2, trials}:
            exact = scipy.stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
            assert clopper_pearson(successes, trials) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    low, high = clopper_pearson(1.5, 3)
    assert clopper_pearson(1, 3)[0] < low < clopper_pearson(2, 3)[0]
    assert clopper_pearson(1, 3)[1] < high < clopper_pearson(2, 3)[1]


@pytest.mark.parametrize("spread", [0.3, 2.0, 20.0])
@pytest.mark.parametrize("mean", [0.2, 0.8, 0.97])
def test_the_interval_over_repeats_covers_the_mean_recall_however_repeats_vary(mean, spread):
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(400):
        recalls = rng.beta(mean * spread, (1 - mean) * spread, 3)
        low, high = clopper_pearson(float(recalls.sum()), 3)
        hits += low <= mean <= high
    assert hits / 400 >= 0.95


def test_the_monotone_fit_is_scipys():
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = int(rng.integers(1, 9))
        rates, weights = np.round(rng.random(size), 1), rng.integers(1, 6, size).astype(float)
        assert np.allclose(monotone(rates, weights), isotonic_regression(rates, weights=weights).x)
    many = rng.random((20, 5))
    each = np.stack([isotonic_regression(row, weights=np.arange(1, 6)).x for row in many])
    assert np.allclose(monotone(many, np.arange(1, 6, dtype=float)), each)


def curve(x, at, slope):
    """Detection probability that passes 80 % at ``at``."""
    return 1 / (1 + np.exp(-(np.log(LEVEL / (1 - LEVEL)) + slope * (x - at))))


@pytest.mark.parametrize("repeats", [1, 3, 10])
@pytest.mark.parametrize("slope", [2.0, 12.0])
def test_the_limits_interval_covers_a_known_limit(repeats, slope):
    rng = np.random.default_rng(repeats)
    hits, runs, off = 0, 200, []
    for run in range(runs):
        true = np.exp(rng.uniform(np.log(6), np.log(150)))
        detected = rng.binomial(repeats, curve(np.log(GRID), np.log(true), slope))
        found = limit(GRID, detected, [repeats] * 6, easier=1, logarithmic=True, seed=run)
        hits += (found.hard or 0.0) <= true <= (found.easy or np.inf)
        if found.value is not None:
            off.append(np.log2(found.value / true))
    assert hits / runs >= 0.95
    assert abs(np.median(off)) < 0.6, "the estimate is right to well within a step"


def test_the_limits_interval_covers_a_known_limit_of_a_knob():
    rng = np.random.default_rng(5)
    steps, hits = np.linspace(0, 1, 5), 0
    for run in range(200):
        true = rng.uniform(0.05, 0.95)
        detected = rng.binomial(3, curve(-steps, -true, 8.0))
        found = limit(steps, detected, [3] * 5, easier=-1, logarithmic=False, seed=run)
        hits += (found.easy if found.easy is not None else -np.inf) <= true <= (
            found.hard if found.hard is not None else np.inf)
    assert hits / 200 >= 0.95


def test_more_repeats_narrow_the_interval():
    def width(repeats):
        detected = (np.array([0, 0, 0.1, 0.9, 1, 1]) * repeats).astype(int)
        found = limit(GRID, detected, [repeats] * 6, easier=1, logarithmic=True)
        return np.log2((found.easy or 1e6) / (found.hard or 1e-6))

    assert width(200) == 1.0
    assert width(200) < width(10) < width(1)


def test_a_limit_lies_between_the_steps_where_detection_passes():
    found = limit([5, 10, 20, 40], [0, 0, 30, 30], [30] * 4, easier=1, logarithmic=True)
    assert found.value == pytest.approx(10 * 2 ** LEVEL)
    assert (found.hard, found.easy, found.reached, found.passed) == (10, 20, True, False)
    mirrored = limit([0, 0.5, 1], [30, 30, 0], [30] * 3, easier=-1, logarithmic=False)
    assert mirrored.value == pytest.approx(0.6)
    assert (mirrored.hard, mirrored.easy) == (1.0, 0.5)


def test_not_reached_and_beyond_the_grid_are_answers():
    never = limit([5, 10], [0, 0], [30, 30], easier=1, logarithmic=True)
    assert (never.value, never.hard, never.easy, never.reached) == (None, 10.0, None, False)
    always = limit([5, 10], [30, 30], [30, 30], easier=1, logarithmic=True)
    assert (always.value, always.hard, always.easy, always.passed) == (None, None, 5.0, True)
    unsure = limit([5, 10], [3, 3], [3, 3], easier=1, logarithmic=True)
    assert unsure.passed
    assert unsure.easy is None, "three of three do not prove four fifths"
    assert always.falls == 0.0
    odd = limit([5, 10, 20], [1, 9, 3], [10] * 3, easier=1, logarithmic=True)
    assert odd.falls == pytest.approx(0.6)
    with pytest.raises(ValueError, match="at least one repeat"):
        limit([5, 10], [0, 0], [1, 0], easier=1, logarithmic=True)


# The grid.

def test_the_whole_plan_steps_one_axis_at_a_time_around_the_reference():
    whole = plan(None, None, 3, 0)
    assert set(whole.axes) == set(AXES)
    for axis, values in whole.axes.items():
        for value in values:
            changed = [f.name for f in dataclasses.fields(Point)
                       if getattr(whole.point(axis, value), f.name) != getattr(REFERENCE, f.name)]
            assert len(changed) <= 1
    assert whole.points.count(REFERENCE) == 1
    # Five other counts of accounts, six of exchanges, four of each knob, two samples, two gaps.
    assert len(whole.points) == 1 + 5 + 6 + 7 * 4 + 2 + 2
    assert len(whole.baselines) == 1 + 2 + 2
    assert len(whole.tasks) == len(set(whole.tasks)) == 3 * len(whole.points) + len(whole.baselines)


def test_steps_repeats_and_axes_are_checked():
    assert plan(["accounts"], 2, 1, 0).axes == {"accounts": (5.0, 160.0)}
    assert plan(["wording"], 3, 1, 0).axes == {"wording": (0.0, 0.5, 1.0)}
    assert set(plan(None, None, 3, 0, quick=True).axes) == {"accounts", "exchanges"}
    assert plan(["gap"], None, 1, 0, days=4.0).axes == {"gap": (0, 2)}
    with pytest.raises(UsageError) as caught:
        plan(["acounts"], None, 1, 0)
    assert "accounts" in caught.value.remedy
    for wrong in ({"steps": 1, "repeats": 1}, {"steps": None, "repeats": 0}):
        with pytest.raises(UsageError):
            plan(None, wrong["steps"], wrong["repeats"], 0)


def test_every_point_and_repeat_has_a_seed_of_its_own_that_gaps_leave_alone():
    seeds = {seed_of(0, point, repeat) for point in plan(None, None, 1, 0).points
             if point.keep == 1 and not point.gap_days for repeat in range(3)}
    assert len(seeds) == 3 * (1 + 5 + 6 + 28)
    assert seed_of(0, REFERENCE, 1) == seed_of(0, dataclasses.replace(REFERENCE, keep=0.1, gap_days=7), 1)


# Incomplete logs.

def test_samples_are_nested_and_gaps_are_whole_days_in_the_middle():
    rng = np.random.default_rng(1)
    ids, times = rng.integers(-2**63, 2**63 - 1, 20_000), rng.integers(0, 10 * 86_400_000_000, 20_000)

    def held(keep, gap=(0, 0)):
        return Incomplete(np.uint64(9), keep, gap).holds(ids, times)

    assert held(1.0).all()
    assert held(0.5).mean() == pytest.approx(0.5, abs=0.02)
    assert not (held(0.1) & ~held(0.5)).any()
    gap = (4 * 86_400_000_000, 6 * 86_400_000_000)
    assert (held(1.0, gap) == ((times < gap[0]) | (times >= gap[1]))).all()
    assert (held(0.5, gap) == (held(0.5) & held(1.0, gap))).all()


# Texts.

ROWS = ([("You are a careful mathematician." if n % 2 else None,
          f"Solve step by step and show all your reasoning before the answer, please: {problem(n)}") for n in range(40)]
        + [(None, problem(100 + n, 1)) for n in range(10)] + [(None, "hello")] * 3)


def reduced(rows, reducer=None):
    reducer = reducer or TextReducer(KEY)
    return reducer, pa.Table.from_batches([reducer(batch(rows))], schema=STAGED.arrow)


def test_a_copied_reducer_takes_more_texts_and_leaves_the_first_alone():
    first, _ = reduced(ROWS[:30])
    before = first.texts()
    second = first.copy()
    reduced(ROWS[30:], second)
    assert second.texts() == reduced(ROWS)[0].texts()
    assert first.texts() == before


def test_a_restricted_reducer_is_one_that_saw_no_more():
    whole, staged = reduced(ROWS)
    left = [row for number, row in enumerate(ROWS) if number % 3]
    kept = staged["text_digest"].filter(pa.array([bool(number % 3) for number in range(len(ROWS))]))
    counts = {row["values"]: row["counts"] for row in kept.value_counts().to_pylist()}
    restricted = whole.restricted(counts)
    assert restricted.texts() == reduced(left)[0].texts()
    more = restricted.copy()
    reduced(ROWS, more)
    assert more.texts() == reduced(ROWS, reduced(left)[0])[0].texts()


def test_without_patterns_everything_else_is_the_same():
    reducer, _ = reduced(ROWS)
    short = reducer.texts(patterns=False)
    assert short["pattern"].null_count == short.num_rows
    assert short.drop_columns(["pattern"]) == reducer.texts().drop_columns(["pattern"])


# Plants.

KEPT = {"ip": 1.0, "user_agent": 1.0, "ja4": 1.0, "text_digest": 1.0}
CLIENTS = {("curl/8", "t1"), ("python", "t2")}


def here(**changed):
    """Logs of ten days with models, clients and sign-up values of their own."""
    start = 1_772_409_600_000_000
    columns = ["created_at", "kind", "country", "email_domain", "email_pattern", "payment_fingerprint", "verified",
               "billing_country", "device_id", "signup_ip", "signup_user_agent", "organization", "referral"]
    return dataclasses.replace(Population(
        first_us=start + 3_600_000_000, last_us=start + 10 * 86_400_000_000,
        models=(("ours/large:1", 3.0), ("m" * 90, 1.0)), reasoning=frozenset({"ours/large:1"}),
        channels=(("proxy", 1.0),), regions=(("mars", 1.0),),
        present=frozenset(EXCHANGES.names) - {"response", "sdk"}, kept=KEPT,
        clients=pa.table({"user_agent": ["curl/8", "python"], "sdk": pa.nulls(2, pa.string()), "ja4": ["t1", "t2"],
                          "accounts": [40, 5]}),
        donors=pa.table({}), accounts=frozenset({"alice", "bob"}), exchanges=100, listed=1.0,
        filled=dict.fromkeys(columns, 1.0) | {"phone_hash": 0.0},
        traits={"email_domain": (("here.test", 9.0),), "email_pattern": (("aaa", 1.0), ("bbb", 1.0)), "referral": ()}),
        **changed)


def test_a_plant_looks_like_these_logs(tmp_path):
    planted = plant(Point(12, 20), 0, here(), tmp_path, seed=3, key=KEY)
    rows = planted.exchanges
    assert set(rows["model"].to_pylist()) == {"ours/large:1", "m" * 90}
    assert set(rows["channel"].to_pylist()) == {"proxy"}
    assert set(rows["region"].to_pylist()) == {"mars"}
    assert set(zip(rows["user_agent"].to_pylist(), rows["ja4"].to_pylist(), strict=True)) <= CLIENTS
    assert rows["response"].null_count == rows["sdk"].null_count == rows.num_rows, "columns that the logs lack"
    times = rows["ts"].cast(pa.int64()).to_numpy()
    assert here().first_us <= times.min() <= times.max() <= here().last_us
    assert planted.members <= set(rows["account_id"].to_pylist())
    assert 10 <= len(planted.members) <= 12
    assert 0.6 <= planted.own.sum() / (12 * 20) <= 1.4
    assert not planted.own.all(), "relayed customers are not the campaign's own"
    accounts = planted.accounts
    assert set(accounts["account_id"].to_pylist()) >= planted.members
    assert accounts["phone_hash"].null_count == accounts.num_rows
    assert accounts["referral"].null_count == accounts.num_rows
    domains = {domain for domain in accounts["email_domain"].to_pylist()
               if not domain.startswith(("drop", "mailtmp", "once"))}
    assert domains == {"here.test"}, "but for disposable ones, which are the operator's"
    assert set(accounts["email_pattern"].to_pylist()) == {"aaa", "bbb"}


def test_a_plant_is_the_same_again_and_another_in_the_next_repeat(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    one = plant(Point(6, 8), 0, here(), tmp_path / "a", seed=3, key=KEY)
    again = plant(dataclasses.replace(Point(6, 8), keep=0.5), 0, here(), tmp_path / "b", seed=3, key=KEY)
    other = plant(Point(6, 8), 1, here(), tmp_path / "c", seed=3, key=KEY)
    assert one.exchanges == again.exchanges
    assert one.members == again.members
    assert not one.members & other.members


def test_without_an_accounts_table_nothing_is_signed_up_and_what_is_not_kept_is_not_planted(tmp_path):
    poor = here(listed=None, kept=KEPT | {"ip": 0.0, "ja4": 0.5, "text_digest": 0.0})
    planted = plant(Point(8, 10), 0, poor, tmp_path, seed=3, key=KEY)
    assert planted.accounts is None
    rows = planted.exchanges
    assert rows["ip"].null_count == rows["prompt"].null_count == rows["system_prompt"].null_count == rows.num_rows
    assert 0 < rows["ja4"].null_count < rows.num_rows
    for account in planted.members:
        mine = rows.filter(pa.compute.equal(rows["account_id"], account))["ja4"]
        assert mine.null_count in (0, len(mine)), "an account's source writes a column down or does not"


def test_planted_names_never_meet_the_users_own():
    free = _new_names(4, here(), 1, KEY)
    taken = dataclasses.replace(here(), accounts=frozenset(free[:3]))
    assert not set(_new_names(4, taken, 1, KEY)) & set(free[:3])
    assert len(set(_new_names(200, here(), 1, KEY))) == 200


def test_things_are_drawn_as_often_as_they_are_common():
    first = [int(_drawn(np.array([3.0, 1.0]), 1, np.uint64(n))[0]) for n in range(2000)]
    assert np.mean(first) == pytest.approx(0.25, abs=0.04)
    assert sorted(_drawn(np.ones(3), 3, np.uint64(1)).tolist()) == [0, 1, 2]
    assert len(_drawn(np.ones(2), 5, np.uint64(1))) == 5


# How many decoys decide.

def test_a_bound_on_q_never_exceeds_what_all_decoys_say():
    rng = np.random.default_rng(2)
    for _ in range(100):
        scores = rng.integers(0, 30, int(rng.integers(1, 6))).astype(float).tolist()
        sets = {name: [rng.integers(0, 40, int(rng.integers(0, 3))).astype(float).tolist() for _ in range(9)]
                for name in ("all", "without_detections")}
        final = Decoys(9, sets).q_values(scores)[0]
        for made in range(10):
            bound = Decoys(9, {name: held[:made] for name, held in sets.items()}).at_least(scores)
            assert (np.array(bound) <= np.array(final) + 1e-12).all()
        assert bound == final


# Results and the folder.

def outcomes(decided, **changed):
    base = {"planted": 10, "seen": 10, "exchanges": 100, "linked": 10, "verdict": "distillation"}
    return {(point, repeat): Outcome() if not point.accounts else Outcome(
        **base | {"recovered": 9, "detected": True, "accused": ("x",)} if point.accounts > 20 else base, **changed)
        for point, repeat in decided.tasks}


def test_the_table_and_the_summary_say_what_was_found():
    decided = Plan({"accounts": (5, 20, 80), "wording": (0.0, 1.0)}, 2, 0)
    made = outcomes(decided)
    rows = table(decided, made, "secret").to_pylist()
    assert conform(table(decided, made, "secret"), POWER).num_rows == len(rows) == 10
    assert table(decided, made, "secret").schema.metadata[b"notice"] == b"secret"
    assert [row["recall"] for row in rows] == [0, 0, 0, 0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert [row["newly_accused"] for row in rows if row["axis"] == "accounts"] == [0, 0, 0, 0, 1, 1]
    accounts, wording = axes(decided, made)
    assert [step["detected"] for step in accounts["steps"]] == [0, 0, 2]
    assert accounts["steps"][2]["recall_interval"] == pytest.approx(clopper_pearson(18, 20))
    assert accounts["steps"][2]["recall_over_repeats"] == pytest.approx(clopper_pearson(1.8, 2))
    assert 20 < accounts["limit"]["value"] < 80
    assert wording["limit"]["passed"]
    known = {task: outcome for task, outcome in made.items() if task[0].accounts}
    assert {row["newly_accused"] for row in table(decided, known, "").to_pylist()} == {None}
    assert axes(decided, {})[0]["steps"] == []


def test_limits_in_words_name_the_limit_and_no_best_care():
    decided = Plan({"accounts": (5, 20, 80), "wording": (0.0, 1.0), "gap": (0, 2)}, 2, 0)
    told = axes(decided, outcomes(decided))
    said = [limit_words(axis) for axis in told]
    assert said[0].startswith("80% of planted campaigns are detected from about")
    assert "accounts (95% interval: from" in said[0]
    assert said[1].startswith("Beyond the grid: even at 1 on its scale of 0 to 1")
    nothing = axes(decided, {task: Outcome(planted=3) for task in decided.tasks})
    assert limit_words(nothing[2]).startswith("Not reached: even at 0 days missing")
    told[0]["limit"]["falls"] = 0.6
    assert "60% fewer are detected" in limit_words(told[0])
    assert limit_words(axes(decided, {})[0]) == "No step of this axis has been scanned yet."
    drawn = chart(told, "INTERNAL <b>")
    assert len(ET.fromstring(drawn).findall(".//{http://www.w3.org/2000/svg}g")) == 3
    assert "INTERNAL &lt;b&gt;" in drawn
    assert drawn == chart(json.loads(json.dumps(told)), "INTERNAL <b>")


def test_the_folder_keeps_outcomes_by_all_they_came_from_and_is_its_owners_alone(tmp_path):
    point = Point(5, 6, (("wording", 0.5),))
    kept = Outcome(planted=3, accused=("a", "b"), q_value=0.02)
    with Store.open(tmp_path / "out", {"logs": "x"}) as store:
        assert store.get(point, 0) is None
        store.put(point, 0, kept)
        assert store.get(point, 0) == kept
        assert store.get(point, 1) is None
        with pytest.raises(UsageError, match="another run"), Store.open(tmp_path / "out", {"logs": "x"}):
            pass
        (store.folder / ".work-left").mkdir()
        path = next(store.points.iterdir())
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    with Store.open(tmp_path / "out", {"logs": "y"}) as store:
        assert store.get(point, 0) is None
        assert not (store.folder / ".work-left").exists()
    path.write_text("{")
    with Store.open(tmp_path / "out", {"logs": "x"}) as store:
        assert store.get(point, 0) is None


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="not made by"):
        claim(tmp_path / "mine")
    with pytest.raises(UsageError, match="is a file"):
        claim(tmp_path / "mine" / "thesis.txt")
