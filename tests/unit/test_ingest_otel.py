"""OpenTelemetry's GenAI logs: the collector's files, rows of every kind, names of every version."""

from __future__ import annotations

import gc
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_builders import KEY, TS, jsonl, run
from stillwatch.errors import InputError
from stillwatch.ingest import OUT_OF_SCOPE
from stillwatch.ingest.checks import parsed_of
from stillwatch.ingest.examples_otel import OTEL
from stillwatch.ingest.otel import OpenTelemetryFormat

FORMAT = OpenTelemetryFormat()
ROW = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "chat m", "startTimeUnixNano": str(TS * 10**9)}


def parse(**attributes):
    given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **attributes}
    return FORMAT.parse({**ROW, "attributes": given}, KEY)


def line(*spans):
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": list(spans)}]}]}


def otlp_span(number):
    return {"traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "startTimeUnixNano": str(TS * 10**9),
            "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": f"m{number}"}},
                           {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}]}


def test_every_span_of_a_collectors_file_is_a_record(tmp_path):
    lines = [line(*(otlp_span(4 * at + n) for n in range(4))) for at in range(25)]
    lines += [{"resourceMetrics": [{}]}, {"resourceSpans": []}]
    text = b"\n".join(json.dumps(value).encode() for value in lines)
    (tmp_path / "traces.json").write_bytes(gzip.compress(text))
    outcome = run(tmp_path / "traces.json", into=tmp_path / "o")
    assert outcome.result.files[0].format == "otel"
    assert (outcome.counts.records_in, outcome.counts.kept, outcome.counts.out_of_scope) == (102, 100, 2)
    assert len({row["source_row"] for row in outcome.rows}) == 100
    (tmp_path / "one.json").write_text(json.dumps(line(otlp_span(1), otlp_span(2)), indent=2))
    assert run(tmp_path / "one.json", into=tmp_path / "p").counts.kept == 2


def test_rows_of_tables_from_any_container(tmp_path):
    table, numbered = OTEL[4].record, OTEL[3].record
    pq.write_table(pa.Table.from_pylist([dict(table)]), tmp_path / "x.parquet")
    jsonl(tmp_path / "x.jsonl", table)
    rows = [run(tmp_path / name, into=tmp_path / f"o-{name}").rows[0] for name in ("x.parquet", "x.jsonl")]
    for name in ("exchange_id", "ts", "prompt", "response", "model", "channel", "latency_ms", "status"):
        assert rows[0][name] == rows[1][name]
    attributes = [(name, str(value)) for name, value in numbered["attributes"].items()]
    mapped = pa.table({"trace_id": ["ab" * 16], "span_id": ["cd" * 8], "start_time": [TS],
                       "attributes": pa.array([attributes], pa.map_(pa.string(), pa.string()))})
    pq.write_table(mapped, tmp_path / "map.parquet")
    row = run(tmp_path / "map.parquet", into=tmp_path / "m").rows[0]
    assert (row["prompt"], row["response"], row["input_tokens"]) == ("Hello", "Good day", 5)
    spread = {"trace_id": "ab" * 16, "span_id": "cd" * 8, "start_time": TS,
              **{f"attributes.{name}": value for name, value in numbered["attributes"].items()}}
    row = run(jsonl(tmp_path / "s.jsonl", spread), into=tmp_path / "s").rows[0]
    assert (row["prompt"], row["system_prompt"], row["stream"]) == ("Hello", "Be brief.", False)


MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "One"}, {"type": "text", "content": "Two"}]}]


@pytest.mark.parametrize("attributes", [
    {"gen_ai.input.messages": MESSAGES},
    {"gen_ai.input.messages": json.dumps(MESSAGES)},
    {"gen_ai.input.messages": json.dumps([{"role": "user", "content": "One\nTwo"}])},
    {"gen_ai.prompt": "One\nTwo"},
    {"gen_ai.prompt": json.dumps([{"role": "user", "content": "One\nTwo"}])},
    {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "One\nTwo"},
    {"gen_ai.prompt.0.role": "user",
     "gen_ai.prompt.0.content": json.dumps([{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}])},
])
def test_messages_of_every_form_are_the_same_prompt(attributes):
    row = parse(**attributes)
    assert (row["prompt"], row["turn"], row["modalities"]) == ("One\nTwo", 1, ["text"])
    assert not any("message" in name or "prompt" in name for name in row["extra"].get("attributes", {}))


@pytest.mark.parametrize("prompt", ['{"a": 1}', '["x", "y"]', "[not json", '[{"type": "t"}]', "{}"])
def test_a_prompt_that_is_json_itself_stays_text(prompt):
    assert parse(**{"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": prompt})["prompt"] == prompt


def test_span_events_hold_content_too():
    old = {**ROW, "attributes": {"gen_ai.system": "openai"}, "events": [
        {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": '[{"role": "user", "content": "Q"}]'}},
        {"name": "gen_ai.content.completion",
         "attributes": {"gen_ai.completion": '[{"role": "assistant", "content": "A"}]'}}]}
    row = FORMAT.parse(old, KEY)
    assert (row["prompt"], row["response"], row["operation"]) == ("Q", "A", "chat")
    newer = {**ROW, "attributes": {"gen_ai.system": "openai"}, "events": [
        {"name": "gen_ai.user.message", "attributes": {"content": "Q", "role": "customer"}},
        {"name": "gen_ai.choice", "attributes": {"message": '{"content": "A"}', "index": 0}}]}
    row = FORMAT.parse(newer, KEY)
    assert (row["prompt"], row["response"]) == ("Q", "A")


@pytest.mark.parametrize(("provider", "channel"), [
    ("aws.bedrock", "bedrock"), ("azure.ai.openai", "azure"), ("az.ai.inference", "azure"),
    ("gcp.vertex_ai", "vertex"), ("openai", "openai"), ("made_up", "made_up")])
def test_providers_by_both_names(provider, channel):
    assert parse(**{"gen_ai.provider.name": provider})["channel"] == channel
    assert parse(**{"gen_ai.system": provider})["channel"] == channel


@pytest.mark.parametrize("name", ["invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "retrieval",
                                  "search_memory"])
def test_what_runs_no_model_itself_is_out_of_scope(name):
    assert parse(**{"gen_ai.operation.name": name}) is OUT_OF_SCOPE


def test_a_span_that_only_mentions_a_conversation_is_no_call():
    record = {**ROW, "attributes": {"gen_ai.conversation.id": "c"}}
    assert FORMAT.parse(record, KEY) is OUT_OF_SCOPE
    assert FORMAT.parse({**ROW, "attributes": {}}, KEY) is OUT_OF_SCOPE


def test_identity_comes_from_the_span_before_the_resource():
    record = {**ROW, "attributes": {"gen_ai.request.model": "m", "account.id": "inner"},
              "resource": {"attributes": {"account.id": "outer", "service.name": "s"}}}
    row = FORMAT.parse(record, KEY)
    assert row["account_id"] == "inner"
    assert row["extra"]["resource"] == {"account.id": "outer", "service.name": "s"}
    assert parse(**{"enduser.id": "e"})["end_user_id"] == "e"


def test_keys_and_addresses_do_not_survive(tmp_path):
    attributes = {"gen_ai.request.model": "m",
                  "http.request.header.authorization": ["Bearer sk-made-up-0123456789abcdef"],
                  "server.address": "198.51.100.77", "network.peer.address": "2001:db8::77", "note": "from 192.0.2.77",
                  "client.address": "203.0.113.9:4711"}
    outcome = run(jsonl(tmp_path / "x.jsonl", {**ROW, "attributes": attributes}), into=tmp_path / "o")
    shown = repr(outcome.rows)
    for secret in ("sk-made-up", "198.51.100.77", "2001:db8::77", "192.0.2.77"):
        assert secret not in shown
    assert outcome.rows[0]["ip"] == "203.0.113.9"
    assert outcome.rows[0]["account_id"].startswith("key:")


def test_an_event_alone_is_an_exchange_and_a_message_of_no_span_is_not(tmp_path):
    details = {"timeUnixNano": str(TS * 10**9), "eventName": "gen_ai.client.inference.operation.details",
               "attributes": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
                              "gen_ai.input.messages": MESSAGES}}
    message = {"timeUnixNano": str(TS * 10**9), "eventName": "gen_ai.user.message", "body": {"content": "lost"},
               "attributes": {"gen_ai.system": "openai"}}
    outcome = run(jsonl(tmp_path / "x.jsonl", details, message), into=tmp_path / "o")
    assert (outcome.rows[0]["prompt"], outcome.reasons) == ("One\nTwo", ["unrecognised_record"])


def test_a_resource_that_every_span_repeats_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("stillwatch.ingest.otlp._MOST_SHARED", 100_000)
    bomb = line(*({"traceId": f"{n + 1:032x}"} for n in range(500)))
    bomb["resourceSpans"][0]["resource"]["attributes"] = [{"key": "k", "value": {"stringValue": "x" * 1_000}}]
    outcome = run(jsonl(tmp_path / "x.jsonl", bomb, line(otlp_span(0))), into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.counts.quarantined) == (1, 500)
    assert set(outcome.reasons) == {"expands_too_far"}


def test_deep_and_odd_values_cost_their_record_only(tmp_path):
    deep = {"stringValue": "x"}
    for _ in range(300):
        deep = {"arrayValue": {"values": [deep]}}
    odd = {**otlp_span(1), "attributes": [{"key": "gen_ai.request.model", "value": deep}, 7, None, {"key": 5}]}
    outcome = run(jsonl(tmp_path / "x.jsonl", line(odd), line(otlp_span(0), 5, None)), into=tmp_path / "o")
    assert outcome.counts.records_in == 4
    assert "m0" in {row["model"] for row in outcome.rows}


@pytest.mark.parametrize("number", range(len(OTEL)))
def test_documented_records_are_recognised_in_a_file(tmp_path, number):
    outcome = run(jsonl(tmp_path / "x.jsonl", OTEL[number].record), into=tmp_path / "o")
    assert outcome.result.files[0].format == "otel"
    assert outcome.counts.quarantined == 0
    assert outcome.counts.kept == (0 if OTEL[number].expected == "out of scope" else 1)
    assert len(parsed_of(FORMAT, OTEL[number].record)) == 1


@pytest.mark.parametrize("before", [(700, 10, 10), (0, 10, 10), (500_000, 5, 5)])
def test_reading_leaves_pythons_collector_as_it_was(tmp_path, before, monkeypatch):
    """It is set to run less often meanwhile; where somebody turned it off, it stays off."""
    usual, seen = gc.get_threshold(), []
    monkeypatch.setattr(OpenTelemetryFormat, "unpack", lambda *_: seen.append(gc.get_threshold()[0]) or ())
    gc.set_threshold(*before)
    try:
        jsonl(tmp_path / "spans.jsonl", line(otlp_span(1)))
        run(tmp_path / "spans.jsonl", into=tmp_path / "a")
        assert gc.get_threshold() == before
        with pytest.raises(InputError):
            run(jsonl(tmp_path / "other.jsonl", {"x": 1}), into=tmp_path / "b")
        assert gc.get_threshold() == before
    finally:
        gc.set_threshold(*usual)
    assert set(seen) == {0 if before[0] == 0 else max(before[0], 100_000)}
