"""Kong's log entries: names of every version, entries of no model, and nothing in them that must not stay."""

from __future__ import annotations

import pytest

from ingest_builders import KEY, jsonl, run
from stillwatch.ingest import OUT_OF_SCOPE
from stillwatch.ingest.examples_gateways import KONG
from stillwatch.ingest.kong import KongFormat

FORMAT = KongFormat()
ENTRY = KONG[0].record
PLAIN = {name: value for name, value in ENTRY.items() if name != "ai"}


@pytest.mark.parametrize("plugin", ["proxy", "ai-proxy", "ai-proxy-advanced", "ai-request-transformer"])
@pytest.mark.parametrize("usage", [{"prompt_tokens": 5, "completion_tokens": 2},
                                   {"prompt_token": 5, "completion_token": 2},
                                   {"input_tokens": 5, "output_tokens": 2}])
def test_counts_by_every_name_of_plugin_and_field(plugin, usage):
    row = FORMAT.parse({**PLAIN, "ai": {plugin: {"usage": usage, "meta": {"request_model": "m"}}}}, KEY)
    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("m", 5, 2)


def test_the_proxys_figures_win_over_a_transformers():
    figures = {"meta": {"request_model": "helper"}, "usage": {"prompt_tokens": 1}}
    row = FORMAT.parse({**PLAIN, "ai": {"ai-request-transformer": figures, "proxy": {
        "meta": {"request_model": "m"}, "usage": {"prompt_tokens": 9}}}}, KEY)
    assert (row["model"], row["input_tokens"]) == ("m", 9)
    assert row["extra"]["ai"]["ai-request-transformer"] == figures


def test_a_mixed_log_is_kongs_and_other_calls_are_out_of_scope(tmp_path):
    lines = [{**PLAIN, "request": {"method": "GET", "uri": f"/shop/{n}", "headers": {}}} for n in range(80)]
    outcome = run(jsonl(tmp_path / "x.log", *lines, *(example.record for example in KONG)), into=tmp_path / "o")
    assert outcome.result.files[0].format == "kong"
    assert (outcome.counts.kept, outcome.counts.out_of_scope) == (2, 82)


def test_an_entry_without_the_block_is_read_as_http():
    call = {**PLAIN, "request": {**PLAIN["request"], "uri": "/v1/chat/completions", "url": None}}
    row = FORMAT.parse(call, KEY)
    assert (row["operation"], row["ip"], row["latency_ms"]) == ("chat", "203.0.113.9", 812)
    assert "198.51.100.4" not in repr(row)
    assert FORMAT.parse({**PLAIN, "request": {"method": "GET", "uri": "/chat"}}, KEY) is OUT_OF_SCOPE


@pytest.mark.parametrize(("consumer", "account"), [
    ({"id": "i", "username": "u", "custom_id": "c"}, "c"), ({"id": "i", "username": "u"}, "i"),
    ({"username": "u"}, "u"), ({}, None), ("x", None), (None, None)])
def test_the_account_is_the_consumer(consumer, account):
    assert FORMAT.parse({**ENTRY, "consumer": consumer}, KEY).get("account_id") == account


@pytest.mark.parametrize(("mode", "stream"), [("stream", True), ("oneshot", False), ("realtime", None), ([], None)])
def test_streams(mode, stream):
    row = FORMAT.parse({**PLAIN, "ai": {"proxy": {"meta": {"request_model": "m", "request_mode": mode}}}}, KEY)
    assert row.get("stream") == stream


def test_keys_addresses_and_what_the_sanitizer_took_out_do_not_survive(tmp_path):
    ai = {**ENTRY["ai"], "sanitizer": {"pii_identified": 2, "sanitized_items": [
        {"entity_type": "EMAIL", "original": "jane.doe@example.com", "sanitized": "[REDACTED]"},
        {"entity_type": "NUMBER", "original": "4711-0815", "sanitized": "[REDACTED]"}]}}
    request = {**ENTRY["request"], "url": "https://gateway.example/chat?api_key=made-up-secret-1",
               "querystring": {"api_key": "made-up-secret-1"},
               "headers": {"authorization": "Bearer sk-made-up-0123456789abcdef", "x-forwarded-for": "198.51.100.6"}}
    record = {**ENTRY, "ai": ai, "request": request, "authenticated_entity": None}
    outcome = run(jsonl(tmp_path / "x.log", record), into=tmp_path / "o")
    shown = repr(outcome.rows)
    for secret in ("sk-made-up", "made-up-secret", "198.51.100.4", "198.51.100.6", "jane.doe", "4711-0815"):
        assert secret not in shown
    assert outcome.rows[0]["api_key_id"].startswith("key:")


@pytest.mark.parametrize("damage", [
    {"ai": {"proxy": {"meta": 5, "usage": []}}}, {"ai": {"proxy": []}}, {"request": 7}, {"response": "x"},
    {"latencies": None}, {"started_at": "never"}, {"ai": {"payload": 5, "proxy": {"payload": [], "meta": {}}}},
    {"ai": {"sanitizer": {"sanitized_items": [5]}, "proxy": {"meta": {"request_model": ["m"]}}}}])
def test_damage_costs_at_most_the_record(tmp_path, damage):
    outcome = run(jsonl(tmp_path / "x.log", {**ENTRY, **damage}, KONG[1].record), into=tmp_path / "o", format="kong")
    assert outcome.counts.records_in == 2
    assert "connector_failure" not in outcome.reasons
    assert "kong-req-2" in {row["exchange_id"] for row in outcome.rows}
