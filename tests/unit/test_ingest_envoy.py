"""Envoy AI gateway's access logs, with the fields that operators choose."""

from __future__ import annotations

import pytest

from ingest_builders import KEY, jsonl, run
from stillwatch.ingest import OUT_OF_SCOPE
from stillwatch.ingest.envoy import EnvoyFormat
from stillwatch.ingest.examples_gateways import ENVOY

FORMAT = EnvoyFormat()
ENTRY = ENVOY[0].record


def test_a_gateways_log_is_envoys_and_not_a_span(tmp_path):
    lines = [{**ENTRY, "x-request-id": f"r{n}"} for n in range(70)]
    outcome = run(jsonl(tmp_path / "x.log", *lines, ENVOY[3].record), into=tmp_path / "o")
    assert outcome.result.files[0].format == "envoy"
    assert (outcome.counts.kept, outcome.counts.out_of_scope) == (70, 1)


def test_the_plain_access_log_without_the_gateways_fields(tmp_path):
    plain = {name: value for name, value in ENTRY.items() if not name.startswith("gen_ai")}
    health = {**plain, "method": "GET", "x-envoy-origin-path": "/healthz"}
    outcome = run(jsonl(tmp_path / "x.log", plain, health), into=tmp_path / "o")
    assert (outcome.result.files[0].format, outcome.counts.kept, outcome.counts.out_of_scope) == ("envoy", 1, 1)


def test_a_dash_is_nothing():
    row = FORMAT.parse({**ENTRY, "user-agent": "-", "gen_ai.usage.input_tokens": "-", "x-request-id": "-"}, KEY)
    assert (row["user_agent"], row["input_tokens"], row["exchange_id"]) == (None, None, None)
    gone = {"gen_ai.request.model": "-", "gen_ai.response.model": "-", "gen_ai.usage.input_tokens": "-",
            "gen_ai.usage.output_tokens": "-", "x-envoy-origin-path": "-"}
    assert FORMAT.parse({**ENTRY, **gone}, KEY) is OUT_OF_SCOPE


def test_metadata_by_its_own_keys():
    plain = {name: value for name, value in ENTRY.items() if not name.startswith("gen_ai")}
    row = FORMAT.parse({**plain, "llm_input_token": "12", "llm_output_token": 3, "llm_cached_input_token": 2,
                        "llm_reasoning_token": 1}, KEY)
    assert [row[name] for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")] == [
        "12", 3, 2, 1]


@pytest.mark.parametrize(("downstream", "forwarded", "address"), [
    ("203.0.113.9:1", "198.51.100.1", "203.0.113.9"), ("10.0.0.3:1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
    ("[2001:db8::5]:443", "-", "2001:db8::5"), ("127.0.0.1:64484", "192.168.1.38", "127.0.0.1"), (None, None, None)])
def test_the_clients_address(downstream, forwarded, address):
    row = FORMAT.parse({**ENTRY, "downstream_remote_address": downstream, "x-forwarded-for": forwarded}, KEY)
    assert row["ip"] == address


def test_keys_and_addresses_do_not_survive(tmp_path):
    record = {**ENTRY, "authorization": "Bearer sk-made-up-0123456789abcdef",
              "x-envoy-origin-path": "/v1/chat/completions?key=made-up-secret-1"}
    outcome = run(jsonl(tmp_path / "x.log", record), into=tmp_path / "o")
    shown = repr(outcome.rows)
    for secret in ("sk-made-up", "made-up-secret", "198.51.100.", "192.0.2.1"):
        assert secret not in shown
    assert outcome.rows[0]["account_id"].startswith("key:")


@pytest.mark.parametrize("damage", [{"start_time": None}, {"start_time": [1]}, {"duration": "long"},
                                    {"response_code": {"a": 1}}, {"method": 5}, {"gen_ai.request.model": ["m"]},
                                    {"x-envoy-origin-path": 7}, {"gen_ai": {"request": {"model": {"deep": [1]}}}}])
def test_damage_costs_at_most_the_record(tmp_path, damage):
    outcome = run(jsonl(tmp_path / "x.log", {**ENTRY, **damage}, ENVOY[1].record), into=tmp_path / "o")
    assert outcome.counts.records_in == 2
    assert "connector_failure" not in outcome.reasons
    assert "envoy-req-2" in {row["exchange_id"] for row in outcome.rows}
