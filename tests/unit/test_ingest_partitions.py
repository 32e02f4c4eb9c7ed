"""Folders partitioned as hive does it: what their names say is a field of every record in them."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from ingest_builders import TS, jsonl, run
from stillwatch.ingest.examples_otel import OTEL


@pytest.fixture
def table():
    return pa.table({"ts": [TS + n for n in range(6)], "exchange_id": [f"e{n}" for n in range(6)],
                     "account_id": ["a", "a", "b", "b", "c/d", None], "day": ["1", "2"] * 3})


def by_id(outcome):
    return {row["exchange_id"]: (row["account_id"], json.loads(row["extra"] or "{}")) for row in outcome.rows}


def test_what_another_program_partitions_comes_back_whole(tmp_path, table):
    """Written by Arrow's own writer, read by ours: the same as the table in one file."""
    scheme = ds.partitioning(pa.schema([("account_id", pa.string()), ("day", pa.string())]), flavor="hive")
    ds.write_dataset(table, tmp_path / "logs", format="parquet", partitioning=scheme)
    assert list((tmp_path / "logs").glob("account_id=__HIVE_DEFAULT_PARTITION__/*"))
    pq.write_table(table, tmp_path / "whole.parquet")
    parts, whole = run(tmp_path / "logs", into=tmp_path / "o"), run(tmp_path / "whole.parquet", into=tmp_path / "p")
    assert by_id(parts) == by_id(whole)
    assert {row["exchange_id"]: row["content_digest"] for row in parts.rows} == {
        row["exchange_id"]: row["content_digest"] for row in whole.rows}


def test_json_lines_and_a_folder_that_is_given_from_within(tmp_path):
    folder = tmp_path / "logs" / "account_id=a%2Fb" / "hour=05"
    folder.mkdir(parents=True)
    jsonl(folder / "x.jsonl", {"ts": TS}, {"ts": TS, "account_id": "own"}, {"ts": TS, "account_id": None})
    for given in (tmp_path / "logs", tmp_path / "logs" / "account_id=a%2Fb", folder, folder / "x.jsonl",
                  str(tmp_path / "logs" / "*" / "*" / "x.jsonl")):
        outcome = run(given, into=tmp_path / f"o{len(str(given))}")
        assert [row["account_id"] for row in outcome.rows] == ["a/b", "own", "a/b"]
        assert {row["extra"] for row in outcome.rows} == {'{"hour":"05"}'}


def test_a_column_that_is_there_wins_row_by_row(tmp_path):
    folder = tmp_path / "logs" / "account_id=outer"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"ts": [TS, TS], "account_id": ["own", None]}), folder / "x.parquet")
    assert [row["account_id"] for row in run(tmp_path / "logs", into=tmp_path / "o").rows] == ["own", "outer"]


def test_every_format_gets_them(tmp_path):
    folder = tmp_path / "logs" / "stage=prod"
    folder.mkdir(parents=True)
    jsonl(folder / "x.jsonl", *(example.record for example in OTEL))
    outcome = run(tmp_path / "logs", into=tmp_path / "o")
    assert outcome.counts.kept
    assert all('"prod"' in row["extra"] for row in outcome.rows)


@pytest.mark.parametrize("name", ["=x", "a=", "1=2", "a b=c", "x" * 150 + "=1"])
def test_other_names_are_names_only(tmp_path, name):
    folder = tmp_path / "logs" / name
    folder.mkdir(parents=True)
    jsonl(folder / "x.jsonl", {"ts": TS})
    assert run(tmp_path / "logs", into=tmp_path / "o").rows[0]["extra"] is None


def test_a_value_that_no_column_takes_is_set_aside_or_refused_like_any_other(tmp_path):
    for name in ("max_tokens=many", "ts=never"):
        (tmp_path / "logs" / name).mkdir(parents=True)
    jsonl(tmp_path / "logs" / "max_tokens=many" / "x.jsonl", {"ts": TS})
    jsonl(tmp_path / "logs" / "ts=never" / "x.jsonl", {"account_id": "a", "model": "m", "prompt": "p"})
    outcome = run(tmp_path / "logs", into=tmp_path / "o")
    assert (outcome.result.set_aside, outcome.reasons) == ({"max_tokens": 1}, ["bad_timestamp"])


def test_keys_in_names_of_folders_do_not_survive(tmp_path):
    folder = tmp_path / "logs" / "api_key=sk-made-up-0123456789abcdef"
    folder.mkdir(parents=True)
    jsonl(folder / "x.jsonl", {"ts": TS})
    assert "sk-made-up" not in repr([row["extra"] for row in run(tmp_path / "logs", into=tmp_path / "o").rows])
