"""``detectable_at``: what came later is as if it had never been, and what was reportable then is reported then."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from looking_traffic import DAY, KEY, at, given, rows, settings, until, write
from stillwatch.engine import connect
from stillwatch.pipeline import Clock, Quiet, ScanInputs, observe, scan
from stillwatch.pipeline.looking import early_form, midnights
from stillwatch.pipeline.observing import as_of
from stillwatch.schema import is_detection

MOMENTS = 20


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return write(tmp_path_factory.mktemp("small"), seed=23)


@pytest.fixture(scope="module")
def whole(logs, tmp_path_factory):
    """The one detection of the scan of everything: its row and whom it accuses."""
    out = tmp_path_factory.mktemp("whole") / "findings"
    scan(ScanInputs([str(logs / "exchanges")], accounts=logs / "accounts.parquet"), out, settings=settings(), key=KEY)
    (found,) = detections(out)
    return found


def detections(findings):
    """Rows of the detections with whom each accuses."""
    members = pq.read_table(findings / "members.parquet").to_pylist()
    return [(row, {m["account_id"] for m in members
                   if m["campaign_id"] == row["campaign_id"] and m["probability"] >= 0.5})
            for row in pq.read_table(findings / "campaigns.parquet").to_pylist()
            if is_detection(row["verdict"], row["probability"], row["q_value"])]


def span(exchanges):
    return [int(pc.cast(edge, pa.int64()).as_py()) for edge in pc.min_max(exchanges["ts"]).values()]


def in_order(table):
    """A table's rows in order, without the patterns that only readers need; engines add means up in any order."""
    return sorted(repr({name: round(value, 9) if isinstance(value, float) else value for name, value in row.items()
                        if name != "pattern"}) for row in table.to_pylist())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 6])
def test_as_of_a_moment_is_what_reading_only_the_rows_up_to_then_gives(logs, tmp_path, seed):
    exchanges, accounts = rows(logs)
    first, last = span(exchanges)
    rng = np.random.default_rng(seed)
    moments = [*rng.integers(first, last, MOMENTS // 2 - 1).tolist(), int(rng.choice(midnights(first, last)))]
    with connect() as engine:
        everything = observe(engine, ScanInputs([str(logs / "exchanges")], accounts=logs / "accounts.parquet"),
                             tmp_path / "all", settings=settings(), key=KEY)
        for number, moment in enumerate(moments):
            part = given(tmp_path / str(number), until(exchanges, "ts", moment), until(accounts, "created_at", moment))
            alone = observe(engine, part, tmp_path / f"staged-{number}", settings=settings(), key=KEY)
            then = as_of(engine, everything, moment, KEY)
            for name in ("text_table", "accounts", "known_addresses", "blocks", "content", "profiles", "sightings"):
                assert in_order(getattr(then, name)) == in_order(getattr(alone, name)), (seed, at(moment), name)


@pytest.mark.slow
def test_deleting_what_came_later_leaves_it_reported_exactly_from_then_on(logs, whole, tmp_path):
    """Midnights are exact. A scan that ends between two of them takes its last look there, and may report it then."""
    exchanges, accounts = rows(logs)
    first, last = span(exchanges)
    grid = midnights(first, last)
    row, accused = whole
    assert at(grid[0]) < row["detectable_at"] < at(grid[-1]), "there is something on both sides to look at"
    between = np.random.default_rng(7).integers(first + DAY // 2, last, MOMENTS - len(grid)).tolist()
    reported_at = {}
    for number, moment in enumerate([*grid, *between]):
        kept = until(exchanges, "ts", moment)
        out = tmp_path / f"findings-{number}"
        scan(given(tmp_path / str(number), kept, until(accounts, "created_at", moment)), out, settings=settings(),
             key=KEY)
        found = [(one, who) for one, who in detections(out) if early_form(who, accused)]
        reported_at[moment] = bool(found)
        if at(moment) >= row["detectable_at"]:
            assert found, at(moment)
            assert min(one["detectable_at"] for one, _ in found) == (
                row["detectable_at"] if at(span(kept)[1]) > row["detectable_at"] else at(span(kept)[1])), at(moment)
        elif moment in grid:
            assert not found, at(moment)
        else:
            assert all(one["detectable_at"] == at(span(kept)[1]) for one, _ in found), at(moment)
    assert [moment for moment in grid if reported_at[moment]] == [m for m in grid if at(m) >= row["detectable_at"]]


@pytest.mark.slow
def test_another_future_leaves_the_moment_as_it_was(logs, whole, tmp_path):
    """After a day since it was reportable, three in five of everybody's exchanges are gone, and accounts are new."""
    exchanges, accounts = rows(logs)
    row, accused = whole
    turn = int((row["detectable_at"].timestamp() + 86_400) * 1_000_000)
    later = pc.greater(pc.cast(exchanges["ts"], pa.int64()), turn).to_numpy()
    lost = later & (np.random.default_rng(11).random(len(later)) < 0.6)
    assert 0.1 < lost.mean() < 0.6
    newcomers = accounts.slice(0, 5)
    newcomers = newcomers.set_column(newcomers.schema.get_field_index("account_id"), "account_id",
                                     pa.array([f"new-{i}" for i in range(5)]))
    created = accounts.schema.field("created_at")
    newcomers = newcomers.set_column(newcomers.schema.get_field_index("created_at"), created,
                                     pa.array([at(turn + 1)] * 5, created.type)).cast(accounts.schema)
    out = tmp_path / "findings"
    scan(given(tmp_path / "other", exchanges.filter(pa.array(~lost)), pa.concat_tables([accounts, newcomers])), out,
         settings=settings(), key=KEY)
    found = [one for one, who in detections(out) if early_form(who, accused)]
    assert [(one["detectable_at"], one["detectable_q"]) for one in found] == [
        (row["detectable_at"], row["detectable_q"])]


def test_without_time_the_column_is_null_and_the_findings_say_why(logs, tmp_path):
    inputs = ScanInputs([str(logs / "exchanges")], accounts=logs / "accounts.parquet")
    said = {}
    for seconds in (0.0, 1e-6):
        out = tmp_path / str(seconds)
        summary = scan(inputs, out, settings=settings(look_seconds=seconds), key=KEY)
        ((row, _),) = detections(out)
        assert row["detectable_at"] is None
        assert row["detectable_q"] is None
        (said[seconds],) = [why for why in row["missing"] if why.startswith("detectable_at")]
        assert (summary["looks"]["ended"] is None) == (seconds == 0)
        assert summary["looks"]["taken"] == 0
    assert "not asked for" in said[0.0]
    assert "ran out; not before 2026-03-0" in said[1e-6]


def test_looking_back_leaves_nothing_in_the_engine(logs, tmp_path):
    with connect() as engine:
        everything = observe(engine, ScanInputs([str(logs / "exchanges")]), tmp_path / "staged", settings=settings(),
                             key=KEY, clock=Clock(Quiet()))
        before = set(engine._backend.list_tables())
        with engine.passing():
            inside = engine.table(as_of(engine, everything, span(rows(logs)[0])[1], KEY).blocks)
            assert engine.arrow(inside).num_rows
            assert set(engine._backend.list_tables()) > before
        assert set(engine._backend.list_tables()) == before
        assert engine.arrow(everything.texts).num_rows, "what was there before still is"
