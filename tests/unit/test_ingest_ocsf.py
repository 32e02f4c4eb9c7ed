"""OCSF API Activity: events as a security lake holds them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_builders import KEY, jsonl, run
from stillwatch.ingest import OUT_OF_SCOPE
from stillwatch.ingest.examples_gateways import OCSF
from stillwatch.ingest.ocsf import OcsfFormat

FORMAT = OcsfFormat()
EVENT = OCSF[0].record


def test_a_lake_of_many_classes(tmp_path):
    others = [{**EVENT, "class_uid": uid} for uid in (1001, 4001, 6001)]
    outcome = run(jsonl(tmp_path / "x.json", *others, EVENT), into=tmp_path / "o")
    assert outcome.result.files[0].format == "ocsf"
    assert (outcome.counts.kept, outcome.counts.out_of_scope) == (1, 3)


def test_parquet_with_structures_says_the_same(tmp_path):
    pq.write_table(pa.Table.from_pylist([dict(EVENT)]), tmp_path / "x.parquet")
    row = run(tmp_path / "x.parquet", into=tmp_path / "o").rows[0]
    for name, expected in OCSF[0].expected.items():
        assert row[name] == expected, name


@pytest.mark.parametrize(("user", "account", "end_user"), [
    ({"uid": "u", "account": {"uid": "a"}, "org": {"uid": "o"}}, "a", "u"),
    ({"uid": "u", "org": {"uid": "o"}}, "o", "u"),
    ({"uid": "u"}, "u", None), ({}, None, None)])
def test_the_paying_account(user, account, end_user):
    row = FORMAT.parse({**EVENT, "actor": {"user": user}}, KEY)
    assert (row["account_id"], row["end_user_id"]) == (account, end_user)


@pytest.mark.parametrize(("operation", "expected"), [
    ("CreateEmbedding", "embeddings"), ("Converse", "chat"), ("InvokeModel", "chat"),
    ("completions", "text_completion"),
    ("GenerateContent", "generate_content"), ("Other", None)])
def test_operations(operation, expected):
    assert FORMAT.parse({**EVENT, "http_request": {}, "api": {"operation": operation}}, KEY)["operation"] == expected


def test_the_record_itself_is_not_changed():
    before = repr(EVENT)
    FORMAT.parse(EVENT, KEY)
    assert repr(EVENT) == before


def test_keys_and_addresses_do_not_survive(tmp_path):
    record = {**EVENT, "actor": {"user": {"credential_uid": "AKIAEXAMPLEEXAMPLE12"}},
              "http_request": {"url": {"path": "/v1/chat/completions", "query_string": "key=made-up-secret-1",
                                       "url_string": "https://a.example/v1/chat/completions?key=made-up-secret-1"},
                               "http_headers": [{"name": "Authorization", "value": "Bearer made-up-secret-2"}],
                               "x_forwarded_for": ["198.51.100.9"]}}
    outcome = run(jsonl(tmp_path / "x.json", record), into=tmp_path / "o")
    for secret in ("AKIAEXAMPLE", "made-up-secret", "198.51.100."):
        assert secret not in repr(outcome.rows)
    assert outcome.rows[0]["api_key_id"].startswith("key:")


@pytest.mark.parametrize("damage", [{"actor": 5}, {"metadata": None}, {"time": "x", "start_time": None},
                                    {"message_context": []}, {"ai_model": "m"}, {"http_request": {"url": 5}},
                                    {"api": {"operation": {}}}, {"http_response": {"code": "ok"}},
                                    {"class_uid": [6003]}])
def test_damage_costs_at_most_the_record(tmp_path, damage):
    outcome = run(jsonl(tmp_path / "x.json", {**EVENT, **damage}, OCSF[1].record), into=tmp_path / "o")
    assert outcome.counts.records_in == 2
    assert "connector_failure" not in outcome.reasons
    assert "event-2" in {row["exchange_id"] for row in outcome.rows}


def test_other_classes_and_other_apis_are_out_of_scope():
    for example in OCSF[2:]:
        assert FORMAT.parse(example.record, KEY) is OUT_OF_SCOPE
