"""Exchanges written as several records: whole wherever their parts stand, and every part accounted for."""

from __future__ import annotations

import json
import random

import pytest

from ingest_builders import KEY, TS, jsonl, run
from stillwatch.ingest import joining
from stillwatch.ingest.joining import Joiner
from stillwatch.ingest.model import BadRecord
from stillwatch.ingest.otel import OpenTelemetryFormat
from stillwatch.settings import Settings

FORMAT = OpenTelemetryFormat()


def span(number, **attributes):
    return {"traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": "chat m",
            "startTimeUnixNano": str((TS + number) * 10**9),
            "attributes": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **attributes}}


def event(number, name, **body):
    return {"traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "eventName": name,
            "timeUnixNano": str((TS + number) * 10**9), "body": body, "attributes": {"gen_ai.system": "openai"}}


def parts(number):
    return [span(number), event(number, "gen_ai.user.message", content=f"question {number}"),
            event(number, "gen_ai.choice", index=0, message={"content": f"answer {number}"})]


def test_parts_in_any_order_and_file_are_one_exchange(tmp_path):
    records = [part for number in range(50) for part in parts(number)]
    outcomes = []
    for seed in (1, 2):
        random.Random(seed).shuffle(records)
        folder = tmp_path / f"logs{seed}"
        folder.mkdir()
        for at in range(3):
            jsonl(folder / f"{at}.jsonl", *records[at::3])
        outcomes.append(run(folder, into=tmp_path / f"o{seed}"))
    for outcome in outcomes:
        assert outcome.counts.as_dict() == {"records_in": 150, "kept": 50, "quarantined": 0, "duplicates": 0,
                                            "merged": 100, "out_of_scope": 0}
        assert {(row["prompt"], row["response"]) for row in outcome.rows} == {
            (f"question {n}", f"answer {n}") for n in range(50)}
    columns = [{row["exchange_id"]: (row["content_digest"], row["prompt"]) for row in outcome.rows}
               for outcome in outcomes]
    assert columns[0].keys() == columns[1].keys()


def test_the_same_file_twice_is_all_duplicates(tmp_path):
    log = jsonl(tmp_path / "x.jsonl", *(part for number in range(20) for part in parts(number)))
    once, twice = run(log, into=tmp_path / "a"), run(log, log, into=tmp_path / "b")
    assert [row["exchange_id"] for row in twice.rows] == [row["exchange_id"] for row in once.rows]
    assert (twice.counts.kept, twice.counts.merged, twice.counts.duplicates) == (20, 40, 60)


def test_equal_parts_within_a_file_are_kept(tmp_path):
    """Somebody said the same twice: two messages, not a copy."""
    said = event(0, "gen_ai.user.message", content="again")
    outcome = run(jsonl(tmp_path / "x.jsonl", span(0), said, said), into=tmp_path / "o")
    assert (outcome.rows[0]["turn"], outcome.counts.merged, outcome.counts.duplicates) == (2, 2, 0)


def test_a_second_span_of_one_id_is_a_conflict(tmp_path):
    log = jsonl(tmp_path / "x.jsonl", span(0), span(1), {**span(0), "name": "another"})
    outcome = run(log, into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.reasons) == (2, ["id_conflict"])
    assert outcome.quarantine[0]["line"] == 3


@pytest.mark.parametrize("held", [1_000, 64 << 20])
def test_what_spills_comes_back_and_cannot_be_read_on_disk(tmp_path, monkeypatch, held):
    monkeypatch.setattr(joining, "_HELD", held)
    joiner = Joiner(tmp_path, Settings(), {"otel": FORMAT}, 0)
    for number in range(40):
        for at, part in enumerate(parts(number)):
            joiner.add(FORMAT, f"k{number}", 0, 3 * number + at + 1, part)
    written = list(tmp_path.glob("joining-*"))
    assert bool(written) == (held == 1_000)
    for path in written:
        assert b"question" not in path.read_bytes()
    found = list(joiner.exchanges())
    assert len(found) == 40
    assert sorted(exchange.place for exchange in found) == list(range(1, 121, 3))
    rows = [FORMAT.parse(exchange.value, KEY) for exchange in found]
    assert {row["prompt"] for row in rows} == {f"question {n}" for n in range(40)}
    assert not list(tmp_path.glob("joining-*"))


def test_spilling_changes_nothing(tmp_path, monkeypatch):
    log = jsonl(tmp_path / "x.jsonl", *(part for number in range(60) for part in parts(number)))
    whole = run(log, into=tmp_path / "a")
    monkeypatch.setattr(joining, "_HELD", 2_000)
    monkeypatch.setattr(joining, "_LEAST_BUCKETS", 3)
    spilt = run(log, into=tmp_path / "b")
    assert sorted(whole.rows, key=repr) == sorted(spilt.rows, key=repr)
    assert {path.name for path in (tmp_path / "b").iterdir()} == {path.name for path in (tmp_path / "a").iterdir()}


def test_parts_without_end_are_one_bad_record(tmp_path, monkeypatch):
    monkeypatch.setattr(joining, "_MOST_PARTS", 50)
    flood = [event(0, "gen_ai.user.message", content=f"{n}") for n in range(200)]
    outcome = run(jsonl(tmp_path / "x.jsonl", *flood, *parts(1)), into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.counts.quarantined, outcome.counts.merged) == (1, 1, 199 + 2)
    assert outcome.reasons == ["too_large"]
    large = {"content": "x" * 700_000}
    log = jsonl(tmp_path / "y.jsonl", span(0), event(0, "gen_ai.user.message", **large),
                event(0, "gen_ai.choice", message=large), *parts(1))
    outcome = run(log, into=tmp_path / "p", settings=Settings(max_record_bytes=1_000_000))
    assert (outcome.counts.kept, outcome.reasons, outcome.counts.merged) == (1, ["too_large"], 2 + 2)


def test_a_reader_that_fails_on_a_group_costs_that_group(tmp_path, monkeypatch):
    def fragile(self, records):
        if len(records) == 3:
            raise ZeroDivisionError
        return records[0], {}

    monkeypatch.setattr(OpenTelemetryFormat, "join", fragile)
    outcome = run(jsonl(tmp_path / "x.jsonl", *parts(0), span(1)), into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.counts.merged) == (1, 2)
    assert [(line["reason"], line["detail"]) for line in outcome.quarantine] == [
        ("connector_failure", "ZeroDivisionError")]


def test_joined_rows_meet_others_of_the_same_id(tmp_path):
    """A native table that holds an exchange already, read before and after the log that is joined."""
    log = jsonl(tmp_path / "x.jsonl", *(part for number in range(5) for part in parts(number)))
    name = f"{3:032x}-{3:016x}"
    known = {"ts": TS, "exchange_id": name, "account_id": "a"}
    table = jsonl(tmp_path / "t.jsonl", known, {"ts": TS, "account_id": "b"})
    before = run(table, log, into=tmp_path / "before")
    after = run(log, table, into=tmp_path / "after")
    for outcome, place in ((before, ("x.jsonl", 7)), (after, ("t.jsonl", 1))):
        assert (outcome.counts.kept, outcome.reasons) == (6, ["id_conflict"])
        assert (outcome.quarantine[0]["file"], outcome.quarantine[0]["line"]) == place
    assert next(row for row in before.rows if row["exchange_id"] == name)["account_id"] == "a"
    assert next(row for row in after.rows if row["exchange_id"] == name)["prompt"] == "question 2"


def test_records_that_cannot_be_written_down_are_refused(tmp_path):
    joiner = Joiner(tmp_path, Settings(), {"otel": FORMAT}, 0)
    with pytest.raises(BadRecord, match="not_unicode"):
        joiner.add(FORMAT, "k", 0, 1, {"a": "\ud800"})
    with pytest.raises(BadRecord, match="unrecognised_record"):
        joiner.add(FORMAT, "k" * 2000, 0, 1, {"a": 1})
    joiner.add(FORMAT, "k", 0, 1, {"a": 2**70, "b": json.loads("1e300")})
    assert next(joiner.exchanges()).place == 1
