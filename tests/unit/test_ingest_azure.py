"""Azure API Management's two tables: joined wherever their rows stand, long messages whole again."""

from __future__ import annotations

import json
import random

import pytest

from ingest_builders import KEY, jsonl, run
from stillwatch.ingest.azure import AzureFormat
from stillwatch.ingest.examples_gateways import AZURE

FORMAT = AzureFormat()
LLM, GATEWAY = AZURE[0].record, AZURE[1].record
QUESTION = "why? " * 9_000
CHUNK = 32_768


def piece(call, number, **fields):
    return {"TimeGenerated": "2026-01-02T03:04:06Z", "CorrelationId": call, "Type": "ApiManagementGatewayLlmLog",
            "SequenceNumber": number, **fields}


def rows(call):
    """One call as both tables tell of it, the request's text cut into pieces of JSON text."""
    asked = json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{call} {QUESTION}"}])
    cut = [asked[at:at + CHUNK] for at in range(0, len(asked), CHUNK)]
    return [
        {**GATEWAY, "CorrelationId": call.upper()},
        piece(call, 0, DeploymentName="d-large", ModelName="m-1", PromptTokens=14, CompletionTokens=3, TotalTokens=17,
              IsStreamCompletion=True),
        *(piece(call, at, RequestMessages=text, PromptTokens=0) for at, text in enumerate(cut, start=1)),
        piece(call, len(cut) + 1, ResponseMessages=json.dumps([{"role": "assistant", "content": f"{call} because"}])),
    ]


def test_both_tables_in_separate_files_are_one_exchange_a_call(tmp_path):
    calls = [f"call-{n}" for n in range(20)]
    lines = [row for call in calls for row in rows(call)]
    shop = [{**GATEWAY, "CorrelationId": f"shop-{n}", "Url": "https://gateway.example/shop"} for n in range(7)]
    random.Random(3).shuffle(lines)
    logs = tmp_path / "logs"
    logs.mkdir()
    jsonl(logs / "llm.json", *(row for row in lines if row["Type"].endswith("LlmLog")))
    jsonl(logs / "gateway.json", *(row for row in lines if row["Type"].endswith("Logs")), *shop)
    outcome = run(logs, into=tmp_path / "o")
    assert {report.format for report in outcome.result.files} == {"azure"}
    assert (outcome.counts.kept, outcome.counts.out_of_scope, outcome.counts.merged) == (20, 7, len(lines) - 20)
    by_account = {row["exchange_id"].lower(): row for row in outcome.rows}
    assert by_account.keys() == set(calls)
    for call, row in by_account.items():
        assert (row["prompt"], row["response"]) == (f"{call} {QUESTION}", f"{call} because")
        assert (row["account_id"], row["ip"], row["model"], row["stream"]) == ("sub-1", "203.0.113.9", "d-large", True)
        assert (row["input_tokens"], row["output_tokens"], row["latency_ms"], row["turn"]) == (14, 3, 1250.0, 1)
        assert row["ts"].microsecond == 250_000  # the gateway's own time


@pytest.mark.parametrize("pieces", [
    [[{"role": "user", "content": "one "}], [{"role": "user", "content": "two"}]],
    ['[{"role": "user", "content": "one "}]', '[{"role": "user", "content": "two"}]'],
    ['[{"role": "user", "con', 'tent": "one two"}]'],
    [[{"role": "user", "content": "one two"}]],
])
def test_pieces_of_every_kind_are_one_message(pieces):
    records = [piece("c", 10 - at, RequestMessages=text) for at, text in enumerate(reversed(pieces))]
    row = FORMAT.parse(FORMAT.join(records)[0], KEY)
    assert (row["prompt"], row["turn"]) == ("one two", 1)


def test_a_conversation_over_the_edge_stays_in_turns():
    turns = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b "}],
             [{"role": "assistant", "content": "c"}, {"role": "user", "content": "d"}]]
    records = [piece("c", at, RequestMessages=items) for at, items in enumerate(turns, start=1)]
    row = FORMAT.parse(FORMAT.join(records)[0], KEY)
    assert (row["prompt"], row["turn"]) == ("d", 3)


def test_rows_that_contradict_are_refused_and_repeats_are_duplicates(tmp_path):
    first = rows("c1")
    other = {**first[0], "ApimSubscriptionId": "sub-2"}
    again = {**first[1], "PromptTokens": 99}
    log = jsonl(tmp_path / "x.json", *first, other, again)
    outcome = run(log, into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.reasons) == (1, ["id_conflict", "id_conflict"])
    assert [line["line"] for line in outcome.quarantine] == [len(first) + 1, len(first) + 2]
    assert (outcome.rows[0]["account_id"], outcome.rows[0]["input_tokens"]) == ("sub-1", 14)
    twice = run(log, log, into=tmp_path / "p")
    assert (twice.counts.kept, twice.counts.duplicates) == (1, len(first) + 2)


def test_as_a_store_holds_it_with_properties_as_text(tmp_path):
    record = {"time": "2026-01-02T03:04:05Z", "category": "GatewayLogs", "correlationId": "c",
              "callerIpAddress": "203.0.113.9", "durationMs": 7, "properties": json.dumps(
                  {"method": "POST", "url": "https://gateway.example/v1/chat/completions?subscription-key=made-up-1",
                   "apimSubscriptionId": "sub-9", "responseCode": 429, "apiId": "a", "requestBody": json.dumps(
                      {"model": "m", "temperature": 0.5, "messages": [{"role": "user", "content": "Q"}]})})}
    outcome = run(jsonl(tmp_path / "x.json", record), into=tmp_path / "o")
    row = outcome.rows[0]
    assert (row["account_id"], row["status"], row["latency_ms"], row["prompt"], row["temperature"]) == (
        "sub-9", 429, 7.0, "Q", 0.5)
    assert "made-up-1" not in repr(outcome.rows)
    assert row["api_key_id"].startswith("key:")


def test_keys_and_addresses_do_not_survive(tmp_path):
    headers = json.dumps({"Ocp-Apim-Subscription-Key": "made-up-secret-1", "X-Forwarded-For": "198.51.100.7"})
    record = {**GATEWAY, "RequestHeaders": headers, "BackendUrl": "https://198.51.100.8/x"}
    outcome = run(jsonl(tmp_path / "x.json", record), into=tmp_path / "o")
    for secret in ("made-up-secret-1", "198.51.100.7", "198.51.100.8"):
        assert secret not in repr(outcome.rows)


@pytest.mark.parametrize("damage", [{"SequenceNumber": "x"}, {"RequestMessages": [5, None]}, {"PromptTokens": []},
                                    {"RequestMessages": "[{"}, {"TimeGenerated": None}, {"properties": 5},
                                    {"ResponseMessages": {"content": {"a": 1}}}, {"CorrelationId": 5}])
def test_damage_costs_at_most_the_call(tmp_path, damage):
    outcome = run(jsonl(tmp_path / "x.json", {**LLM, **damage}, *rows("whole")), into=tmp_path / "o")
    assert "connector_failure" not in outcome.reasons
    assert "whole" in {row["exchange_id"].lower() for row in outcome.rows}
