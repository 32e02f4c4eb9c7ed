"""LiteLLM's two shapes, in every container in which they are exported."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_builders import KEY, jsonl, run
from stillwatch.ingest import OUT_OF_SCOPE
from stillwatch.ingest.examples import LITELLM
from stillwatch.ingest.litellm import LiteLLMFormat

PAYLOAD, SPEND = (example.record for example in LITELLM[:2])
FORMAT = LiteLLMFormat()


def parse(base, **more):
    return FORMAT.parse({**base, **more}, KEY)


def test_a_table_export_reads_alike_from_csv_parquet_and_json(tmp_path):
    with (tmp_path / "x.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, SPEND)
        writer.writeheader()
        writer.writerow(SPEND)
    pq.write_table(pa.Table.from_pylist([dict(SPEND)]), tmp_path / "x.parquet")
    jsonl(tmp_path / "x.jsonl", SPEND)
    (tmp_path / "x.json").write_text(json.dumps([SPEND], indent=2))
    rows = []
    for name in ("x.csv", "x.parquet", "x.jsonl", "x.json"):
        outcome = run(tmp_path / name, into=tmp_path / f"out-{name}")
        assert outcome.result.files[0].format == "litellm"
        rows.append({key: value for key, value in outcome.rows[0].items() if not key.startswith("source")})
    assert all(row == rows[0] for row in rows)
    assert run(*(tmp_path / name for name in ("x.csv", "x.jsonl")), into=tmp_path / "o").counts.duplicates == 1


@pytest.mark.parametrize("record", [PAYLOAD, SPEND])
def test_every_field_ends_in_a_column_or_in_extra(tmp_path, record):
    """Field by field: whatever text stands in a field is found again, unless a column's rule changes it."""
    changed = {"api_key", "messages", "response", "startTime", "endTime", "stream", "status", "call_type"}
    for name, value in record.items():
        if name in changed or not isinstance(value, (str, type(None))) or str(value).startswith(("{", "[", "2026")):
            continue
        if name in ("user_agent", "prompt_tokens", "completion_tokens", "request_duration_ms"):
            continue
        outcome = run(jsonl(tmp_path / "x.jsonl", {**record, name: "planted-value"}), into=tmp_path / name)
        assert "planted-value" in repr(outcome.rows), name


def test_the_paying_account():
    meta = {**PAYLOAD["metadata"]}
    names = ("user_api_key_org_id", "user_api_key_team_id", "user_api_key_user_id")
    for name, expected in zip(names, ("org-1", "team-1", "user-1"), strict=True):
        assert parse(PAYLOAD, metadata=meta)["account_id"] == expected
        meta[name] = None
    assert parse(PAYLOAD, metadata=meta)["account_id"] is None
    assert parse(SPEND, team_id=None)["account_id"] is None
    assert parse(SPEND, organization_id="o")["extra"]["team_id"] == "team-2"


def test_a_key_without_owner_stands_in_for_the_account(tmp_path):
    outcome = run(
        jsonl(tmp_path / "x.jsonl", {**SPEND, "team_id": ""}, {**SPEND, "team_id": "", "request_id": "other"}),
        into=tmp_path / "o",
    )
    assert len({row["account_id"] for row in outcome.rows}) == 1
    assert outcome.rows[0]["account_id"].startswith("key:")
    assert outcome.rows[0]["api_key_id"] == SPEND["api_key"]


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        ("acompletion", "chat"),
        ("completion", "chat"),
        ("aresponses", "chat"),
        ("atext_completion", "text_completion"),
        ("aembedding", "embeddings"),
        ("anthropic_messages", "chat"),
        ("agenerate_content_stream", "generate_content"),
        ("acreate_batch", "batch"),
        ("arerank", "rerank"),
        ("pass_through_endpoint", "chat"),
        ("", "chat"),
        ("brand_new_call", "brand_new_call"),
    ],
)
def test_call_types(call, operation):
    assert parse(PAYLOAD, call_type=call)["operation"] == operation


@pytest.mark.parametrize(
    "call",
    [
        "afile_list",
        "acreate_file",
        "aretrieve_batch",
        "aget_responses",
        "vector_store_search",
        "alist_input_items",
        "call_mcp_tool",
        "acancel_fine_tuning_job",
        "get_assistants",
    ],
)
def test_calls_to_no_model(call):
    assert parse(PAYLOAD, call_type=call) is OUT_OF_SCOPE


def test_redacted_text_is_no_text():
    row = parse(
        PAYLOAD,
        messages=[{"role": "user", "content": "redacted-by-litellm"}],
        response={"choices": [{"message": {"content": "redacted-by-litellm"}}]},
    )
    assert (row["prompt"], row.get("response")) == (None, None)
    row = parse(PAYLOAD, messages="redacted-by-litellm", response="redacted-by-litellm")
    assert (row.get("prompt"), row.get("response"), row.get("turn")) == (None, None, None)
    row = parse(SPEND, messages={}, response={}, proxy_server_request="{}")
    assert (row.get("prompt"), row.get("response")) == (None, None)


def test_status_and_user_agent():
    assert parse(PAYLOAD)["status"] == 200
    failed = {"status": "failure", "error_information": {"error_code": "500", "error_class": "X"}}
    assert parse(PAYLOAD, **failed)["status"] == "500"
    row = parse(PAYLOAD, status="failure", error_information={"error_code": ""})
    assert (row.get("status"), row["extra"]["status"]) == (None, "failure")
    assert parse(SPEND)["user_agent"] == "curl/8.5"
    assert parse(PAYLOAD, requester_ip_address="1.1.1.1, 8.8.8.8, 10.0.0.1")["ip"] == "8.8.8.8"


def test_mail_addresses_do_not_survive(tmp_path):
    meta = {**PAYLOAD["metadata"], "user_api_key_user_email": "jane.doe@example.com"}
    outcome = run(jsonl(tmp_path / "x.jsonl", {**PAYLOAD, "metadata": meta}), into=tmp_path / "o")
    assert "jane.doe" not in repr(outcome.rows)
