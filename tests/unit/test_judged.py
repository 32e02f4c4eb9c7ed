"""What judging says of single accounts, and features that a few accounts or a few days must not decide."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.engine import connect_as
from stillwatch.judge import Candidate, SharedValue, judge, shipped
from stillwatch.judge.measure import Measured, Surroundings, measure
from stillwatch.judge.verdict import Knowledge
from stillwatch.report.checked import checked, figures, wronged
from stillwatch.schema import ACCOUNTS, BLOCKS, PROFILES
from stillwatch.settings import load_settings

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def candidate(name, accounts):
    shared = (SharedValue("template", "content", "x", None, len(accounts), len(accounts), 20.0),)
    return Candidate(name, tuple(accounts), np.ones(len(accounts)), ("content",), np.full((len(accounts), 1), 9.0),
                     {"content": 9.0}, 9.0, shared)


def judged(own, totals, *, created=START - 200 * DAY, begins=START, started=START + 10 * DAY, q=0.001, features=None):
    """Groups by name from ``own`` (group, account → exchanges); a quiet account of nobody's is there from the start."""
    totals = {"quiet": 5, **totals}
    first = {account: begins if account == "quiet" else started for account in totals}
    profiles = pa.Table.from_pylist([
        {"account_id": account, "exchanges": count, "first_seen": first[account], "last_seen": started + 5 * DAY}
        for account, count in totals.items()], schema=PROFILES.arrow)
    accounts = pa.Table.from_pylist([{"account_id": account, "created_at": created} for account in totals],
                                    schema=ACCOUNTS.arrow)
    groups = sorted({group for group, _ in own})
    candidates = [candidate(group, sorted(account for g, account in own if g == group)) for group in groups]
    measured = {group: Measured(group, exchanges=sum(n for (g, _), n in own.items() if g == group), first_seen=started,
                                last_seen=started + 5 * DAY, features=dict(features or {})) for group in groups}
    known = Knowledge(accounts, None, profiles, {key: (count, started, started) for key, count in own.items()}, [])
    return judge(candidates, measured, [q] * len(groups), 0.001, shipped(), 0.05, known)


def members(said):
    return {(row["campaign_id"], row["account_id"]): row for row in said.members.to_pylist()}


def test_what_another_linked_group_has_is_not_an_accounts_own():
    """80 of 125 for one group and 16 for another: 29 are its own, in both groups' rows."""
    told = members(judged({("one", "a"): 80, ("one", "b"): 50, ("two", "a"): 16, ("two", "c"): 40},
                          {"a": 125, "b": 50, "c": 100}))
    for group in ("one", "two"):
        row = told[group, "a"]
        assert "takes part in 1 other linked group as well" in row["against"]
        assert row["victim"].startswith("it was opened long before")
    assert "45 of its 125 exchanges are not the group's" in told["one", "a"]["against"]
    assert told["one", "b"]["victim"] is None
    assert told["two", "c"]["victim"].startswith("most of its traffic is its own")
    assert "other linked group" not in told["one", "b"]["against"]


@pytest.mark.parametrize(("started", "sign"), [(START + 10 * DAY, True), (START + 0.5 * DAY, False)])
def test_age_is_no_sign_where_the_work_is_as_old_as_the_logs(started, sign):
    told = members(judged({("one", "a"): 80, ("one", "b"): 50}, {"a": 125, "b": 50}, started=started))
    assert (told["one", "a"]["victim"] is not None) is sign


@pytest.mark.parametrize(("q", "says"), [(0.001, "share more than chance explains"),
                                         (0.2, "share what chance may explain")])
def test_that_somebody_runs_them_is_said_of_detections_alone(q, says):
    (row,) = judged({("one", "a"): 3, ("one", "b"): 3}, {"a": 3, "b": 3}, q=q,
                    features={"harvest": 0.05}).campaigns.to_pylist()
    assert row["explanation"].startswith(f"2 accounts {says}: 2 linked accounts share one")
    assert "run together" not in row["explanation"]


def own(rows):
    """Attributed exchanges of one group: (account, time)."""
    words = ("group_id", "account_id", "end_user_id", "conversation_id", "prompt_digest", "template_id", "system_id",
             "capability", "model")
    numbers = ("ts_us", "input_tokens", "output_tokens", "reasoning_tokens", "turn")
    schema = pa.schema([*((name, pa.string()) for name in words), *((name, pa.int64()) for name in numbers),
                        ("ts", pa.timestamp("us", "UTC")), ("has_text", pa.bool_()), ("harvest", pa.float64()),
                        ("tools", pa.list_(pa.string()))])
    return pa.Table.from_pylist([{"group_id": "g", "account_id": account, "ts": at,
                                  "ts_us": int(at.timestamp() * 1e6)} for account, at in rows], schema=schema)


def features(rows, accounts=None):
    settings = load_settings()
    with connect_as(settings) as engine:
        staged = engine.table(own(rows))
        names = sorted({account for account, _ in rows})
        around = Surroundings(staged, PROFILES.arrow.empty_table(), BLOCKS.arrow.empty_table(), accounts)
        found = measure(engine, staged, pa.table({"group_id": ["g"] * len(names), "account_id": names}), around, {})
        return found["g"].features


@pytest.mark.parametrize(("days", "expected"), [(range(28), 1.0), (range(3), 1.0), ([0, 6], None), ([0], "absent")])
def test_days_of_the_week_are_those_that_there_were(days, expected):
    seen = features([("a", START + day * DAY) for day in days])
    if expected == "absent":
        assert "every_day" not in seen
    elif expected is None:  # two of seven
        assert seen["every_day"] == pytest.approx(np.log(2) / np.log(7))
    else:
        assert seen["every_day"] == pytest.approx(expected)


@pytest.mark.parametrize(("verified", "expected"), [(0, 0.0), (2, 0.0), (5, 0.0), (8, 0.6), (10, 1.0)])
def test_a_few_verified_members_say_nothing_and_most_clear(verified, expected):
    names = [f"a{n}" for n in range(10)]
    accounts = pa.Table.from_pylist([{"account_id": name, "kind": "research", "verified": place < verified,
                                      "created_at": START} for place, name in enumerate(names)],
                                    schema=ACCOUNTS.arrow)
    assert features([(name, START) for name in names], accounts)["programme"] == pytest.approx(expected)


def test_what_probabilities_were_checked_on_is_quoted_as_it_was_measured():
    for one in figures()["bins"]:
        said = checked(one["from"] + 0.01)
        assert f"of {one['candidates']:,} groups" in said
        assert f"{round(one['share'] * one['candidates']):,} were campaigns" in said
    empty = {place / 10 for place in range(10)} - {one["from"] for one in figures()["bins"]}
    assert all(checked(low + 0.01) == "" for low in empty)
    assert checked(1.0) == checked(0.95) != ""
    assert f"{figures()['wronged']:,} of {figures()['innocent']:,} innocent accounts" in wronged()
