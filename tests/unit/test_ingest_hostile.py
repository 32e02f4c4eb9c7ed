"""Records that once took others with them, and values that once were read wrongly."""

import json

import pytest

from ingest_builders import run
from stillwatch.ingest.batches import build
from stillwatch.ingest.headers import client_address
from stillwatch.ingest.values import to_list


def test_a_lone_surrogate_beside_a_huge_integer_is_quarantined_alone(tmp_path):
    good = {"request_id": "r1", "startTime": 1772600767.25, "call_type": "completion", "api_key": "a", "model": "m"}
    bad = '{"request_id": "r2", "startTime": 1772600767.25, "call_type": "completion", "a": 1' + "0" * 400
    (tmp_path / "log.jsonl").write_text(json.dumps(good) + "\n" + bad + ', "b": "\\ud800"}\n')
    found = run(tmp_path / "log.jsonl", into=tmp_path / "out")
    assert (found.counts.kept, found.counts.quarantined) == (1, 1)
    assert found.quarantine[0]["line"] == 2


def test_a_record_that_the_builder_cannot_take_does_not_take_the_others_along(tmp_path, monkeypatch):
    (tmp_path / "log.jsonl").write_text("".join(
        json.dumps({"ts": 1772600767 + n, "prompt": "poison" if n == 5 else "fine"}) + "\n" for n in range(9)))

    def fragile(columns, places, key):
        if "poison" in columns["prompt"]:
            raise KeyError("poison")
        return build(columns, places, key)

    monkeypatch.setattr("stillwatch.ingest.sink.build", fragile)
    found = run(tmp_path / "log.jsonl", into=tmp_path / "out")
    assert (found.counts.kept, found.counts.quarantined) == (8, 1)
    line = found.quarantine[0]
    assert (line["line"], line["reason"], line["detail"]) == (6, "connector_failure", "KeyError")


@pytest.mark.parametrize(("headers", "address"), [
    ({"x-forwarded-for": "198.51.100.9, 10.0.0.1"}, "198.51.100.9"),
    ({"x-forwarded-for": "6.6.6.6, 203.0.113.7:5566, 192.168.0.3"}, "203.0.113.7"),
    ({"forwarded": 'for="[2001:db8::9]:4711";proto=https, for=10.1.1.1'}, "2001:db8::9"),
    ({"fly-client-ip": "198.51.100.3"}, "198.51.100.3"),
    ({"x-forwarded-for": "10.0.0.7"}, "10.0.0.7"),
])
def test_the_client_is_the_right_most_address_that_is_no_proxys(headers, address):
    assert client_address("10.0.0.2", headers) == (address if address != "10.0.0.7" else "10.0.0.2")
    assert client_address(None, headers) == address


@pytest.mark.parametrize("text", ["search,calc", '["search", "calc"]', "{search,calc}", "[search, calc]",
                                  "['search', 'calc']", '{"search",calc}'])
def test_lists_are_read_as_any_database_prints_them(text):
    assert to_list(text) == ["search", "calc"]


@pytest.mark.parametrize("path", ["/v1/threads/runs", "/v1/threads/thread_1/runs"])
def test_a_run_of_an_assistant_calls_a_model_and_listing_threads_does_not(tmp_path, path):
    body = {"assistant_id": "a", "model": "m"}
    call = {"ts": 1772600767, "method": "POST", "path": path, "headers": {}, "body": body}
    look = {"ts": 1772600768, "method": "GET", "path": "/v1/threads/thread_1", "headers": {}, "body": None}
    (tmp_path / "log.jsonl").write_text(json.dumps(call) + "\n" + json.dumps(look) + "\n")
    found = run(tmp_path / "log.jsonl", into=tmp_path / "out")
    assert (found.counts.kept, found.counts.out_of_scope) == (1, 1)


def test_a_payload_inside_what_a_callback_is_given_is_read_and_the_proxys_own_key_names_nobody(tmp_path):
    payload = {"id": "x1", "startTime": 1772600767.5, "call_type": "acompletion", "model": "m", "model_parameters": {},
               "hidden_params": {}, "metadata": {"user_api_key_hash": "litellm_proxy_master_key"},
               "messages": [{"role": "user", "content": "hi"}]}
    records = [{"standard_logging_object": payload}, {"kwargs": {"standard_logging_object": {**payload, "id": "x2"}}}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    found = run(tmp_path / "log.jsonl", into=tmp_path / "out")
    assert [row["exchange_id"] for row in found.rows] == ["x1", "x2"]
    assert {row["account_id"] for row in found.rows} == {"unknown"}
    assert {row["prompt"] for row in found.rows} == {"hi"}
