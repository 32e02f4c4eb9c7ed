"""Any other log by a mapping of columns to paths."""

from __future__ import annotations

import json

import pytest

from ingest_builders import jsonl, run
from stillwatch.errors import InputError, UsageError

RECORD = {
    "when": "2026-01-02T03:04:05Z",
    "who": {"org.name": "acct-1"},
    "Request": {"Headers": {"User-Agent": "ua"}, "chain": "1.1.1.1, 8.8.8.8"},
    "body": {"messages": [{"content": "one"}, {"content": [{"type": "text", "text": "two"}]}], "left": 1},
    "also": "kept",
}
MAPPING = r"""
ts: when
account_id: who.org\.name
user_agent: request.headers.user-agent
ip: request.chain
prompt: body.messages[-1].content
model: [body.model, body.left]
"""


def test_columns_come_from_paths_and_the_rest_stays(tmp_path):
    (tmp_path / "map.yaml").write_text(MAPPING)
    log = jsonl(tmp_path / "x.jsonl", RECORD, {"when": None}, {"nothing": 1})
    outcome = run(log, into=tmp_path / "o", mapping=tmp_path / "map.yaml")
    row = outcome.rows[0]
    assert [row[name] for name in ("account_id", "user_agent", "ip", "prompt", "model")] == [
        "acct-1",
        "ua",
        "8.8.8.8",
        "two",
        "1",
    ]
    extra = json.loads(row["extra"])
    assert (extra["also"], "when" in extra, extra["body"]["messages"][0]) == ("kept", False, {"content": "one"})
    assert outcome.reasons == ["unrecognised_record", "unrecognised_record"]


def test_a_mapping_in_json_over_csv(tmp_path):
    (tmp_path / "map.json").write_text(json.dumps({"columns": {"ts": "time", "account_id": ["org", "user"]}}))
    (tmp_path / "x.csv").write_text("time,org,user,rest\n1767323045,,u,r\n")
    outcome = run(tmp_path / "x.csv", into=tmp_path / "o", mapping=tmp_path / "map.json")
    assert (outcome.rows[0]["account_id"], outcome.rows[0]["extra"]) == ("u", '{"org":null,"rest":"r"}')


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ts: a\nacount_id: b", "did you mean account_id"),
        ("account_id: b", "no ts"),
        ("- a", "names no columns"),
        ("ts: [", "neither YAML nor JSON"),
        ("ts: a..b", "cannot be read"),
        ("ts: a[b]", "cannot be read"),
        ("ts: 5", "gives no path"),
        ("ts: '[0].a'", "cannot be read"),
        ("", "names no columns"),
    ],
)
def test_what_is_wrong_with_a_mapping(tmp_path, text, word):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        run(jsonl(tmp_path / "x.jsonl", RECORD), into=tmp_path / "o", mapping=tmp_path / "map.yaml")
    assert word in str(caught.value)


def test_a_missing_mapping(tmp_path):
    with pytest.raises(UsageError):
        run(jsonl(tmp_path / "x.jsonl", RECORD), into=tmp_path / "o", mapping=tmp_path / "none.yaml")
