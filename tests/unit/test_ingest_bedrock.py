"""AWS Bedrock's invocation logs: every body that they hold, and those that they keep elsewhere."""

from __future__ import annotations

import gzip
import json

import pytest

from ingest_builders import KEY, run
from stillwatch.ingest.bedrock import BedrockFormat
from stillwatch.ingest.examples_gateways import BEDROCK

FORMAT = BedrockFormat()
CALL = BEDROCK[0].record


def written(path, *records):
    path.write_bytes(gzip.compress(b"\n".join(json.dumps(record).encode() for record in records)))
    return path


def test_a_delivered_file_and_what_is_kept_elsewhere(tmp_path):
    log = written(tmp_path / "x.json.gz", *(example.record for example in BEDROCK))
    outcome = run(log, into=tmp_path / "o")
    assert outcome.result.files[0].format == "bedrock"
    assert (outcome.counts.kept, outcome.counts.quarantined) == (len(BEDROCK), 0)
    assert outcome.result.elsewhere == {"prompt": 2, "response": 1}
    row = next(row for row in outcome.rows if row["exchange_id"] == "req-6")
    assert row["prompt"] is None
    assert "req-6_input" in row["extra"]


def test_a_body_that_is_there_wins_over_its_path():
    record = json.loads(json.dumps(CALL))
    record["input"]["inputBodyS3Path"] = "s3://example-logs/x"
    row = FORMAT.parse(record, KEY)
    assert row["prompt"] == "What is this?"
    assert "kept elsewhere" not in row


def test_one_line_exports_are_the_same(tmp_path):
    as_text = {**CALL, "input": {**CALL["input"], "inputBodyJson": json.dumps(CALL["input"]["inputBodyJson"])}}
    for name, record in (("a", as_text), ("b", {"@timestamp": "2026-01-02 03:04:05", "@message": json.dumps(CALL)}),
                         ("c", {"events": 1, "message": json.dumps(CALL)})):
        row = run(written(tmp_path / name, record), into=tmp_path / f"o{name}").rows[0]
        for column, expected in BEDROCK[0].expected.items():
            assert row[column] == expected, (name, column)


@pytest.mark.parametrize("events", [
    [{"contentBlockDelta": {"delta": {"text": "one "}}}, {"contentBlockDelta": {"delta": {"text": "two"}}}],
    [{"outputText": "one "}, {"outputText": "two"}],
    [{"generation": "one "}, {"generation": "two"}],
    [{"event_type": "text-generation", "text": "one "}, {"event_type": "text-generation", "text": "two"}],
])
def test_streams_of_every_family_are_put_together(events):
    row = FORMAT.parse({**CALL, "output": {"outputBodyJson": events}}, KEY)
    assert row["response"] == "one two"


def test_an_address_in_a_sessions_name_is_digested(tmp_path):
    record = {**CALL, "identity": {"arn": "arn:aws:sts::1:assumed-role/example/jane.doe@example.com"},
              "requestMetadata": {"from": "192.0.2.8", "key": "sk-made-up-0123456789abcdef"}}
    outcome = run(written(tmp_path / "x.gz", record), into=tmp_path / "o")
    shown = repr(outcome.rows)
    for secret in ("jane.doe", "192.0.2.8", "sk-made-up"):
        assert secret not in shown
    assert outcome.rows[0]["api_key_id"].startswith("arn:aws:sts::1:assumed-role/example/email:")


@pytest.mark.parametrize("damage", [{"input": 7}, {"input": None, "output": [1]}, {"input": {"inputBodyJson": [1]}},
                                    {"operation": ["x"]}, {"identity": "x"}, {"modelId": {"a": 1}}])
def test_damage_costs_at_most_the_record(tmp_path, damage):
    outcome = run(written(tmp_path / "x.gz", {**CALL, **damage}, BEDROCK[1].record), into=tmp_path / "o")
    assert outcome.counts.records_in == 2
    assert "connector_failure" not in outcome.reasons
    assert "req-2" in {row["exchange_id"] for row in outcome.rows}


def test_objects_of_a_store_are_no_logs(tmp_path):
    """Bodies that were delivered beside the logs, in the same folder."""
    logs = tmp_path / "logs"
    (logs / "data").mkdir(parents=True)
    written(logs / "x.json.gz", CALL)
    written(logs / "data" / "req_input.json.gz", {"messages": [{"role": "user", "content": "x"}]})
    outcome = run(logs, into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.reasons) == (1, ["unrecognised_file"])
