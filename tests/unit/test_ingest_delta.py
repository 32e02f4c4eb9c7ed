"""Delta tables as inputs, written by the package that reads their log: what is deleted is not read."""

from __future__ import annotations

import json
import sys
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_builders import TS, jsonl, run
from stillwatch.errors import InputError, UsageError

deltalake = pytest.importorskip("deltalake")
ROWS = pa.table({"ts": [TS + n for n in range(5)], "exchange_id": [f"e{n}" for n in range(5)],
                 "account_id": ["a", "c/d", "x y%", "a", None], "day": [date(2026, 1, 2)] * 5})


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "table"
    deltalake.write_deltalake(str(folder), ROWS, partition_by=["account_id", "day"])
    return folder


def seen(outcome):
    return {row["exchange_id"]: (row["account_id"], json.loads(row["extra"] or "{}")) for row in outcome.rows}


def commit(table, version):
    return table / "_delta_log" / f"{version:020d}.json"


def test_a_table_reads_as_its_rows(table, tmp_path):
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    assert seen(run(table, into=tmp_path / "o")) == seen(run(tmp_path / "rows.parquet", into=tmp_path / "p"))


def test_deleted_and_rewritten_rows_are_not_read(table, tmp_path):
    deltalake.DeltaTable(str(table)).delete("exchange_id = 'e0'")
    deltalake.DeltaTable(str(table)).update({"day": "'2026-01-03'"}, predicate="exchange_id = 'e1'")
    deltalake.DeltaTable(str(table)).optimize.compact()
    found = seen(run(table, into=tmp_path / "o"))
    assert found.keys() == {"e1", "e2", "e3", "e4"}
    assert found["e1"] == ("c/d", {"day": "2026-01-03"})


def test_a_table_among_other_logs(table, tmp_path):
    jsonl(tmp_path / "other.jsonl", {"ts": TS, "exchange_id": "z"})
    outcome = run(tmp_path, into=tmp_path / "o")
    assert seen(outcome).keys() == {"z", "e0", "e1", "e2", "e3", "e4"}


def test_what_the_log_says_outside_the_table_is_not_read(table, tmp_path):
    pq.write_table(pa.table({"ts": [TS]}), tmp_path / "secret.parquet")
    lines = [json.loads(line) for line in commit(table, 0).read_text().splitlines()]
    add = next(line["add"] for line in lines if "add" in line)
    for place in ("../secret.parquet", str(tmp_path / "secret.parquet"), "..%2Fsecret.parquet"):
        commit(table, 1).write_text(json.dumps({"add": {**add, "path": place}}) + "\n")
        with pytest.raises(InputError):
            run(table, into=tmp_path / "o")


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\x00", b'{"add": 1}\n', b'{"add": {"path": 5}}\n'])
def test_a_damaged_log_is_an_error_and_no_traceback(table, tmp_path, damage):
    commit(table, 0).write_bytes(damage)
    with pytest.raises(InputError, match="Delta table"):
        run(table, into=tmp_path / "o")


def test_a_missing_file_is_an_error(table, tmp_path):
    next(table.rglob("*.parquet")).unlink()
    with pytest.raises(InputError, match="is not there"):
        run(table, into=tmp_path / "o")


def test_deletion_vectors_and_other_names_are_refused(tmp_path):
    plain, mapped = tmp_path / "vectors", tmp_path / "mapped"
    for folder in (plain, mapped):
        deltalake.write_deltalake(str(folder), ROWS, configuration={"delta.enableDeletionVectors": "true"})
    assert len(run(plain, into=tmp_path / "o").rows) == 5
    lines = [json.loads(line) for line in commit(plain, 0).read_text().splitlines()]
    for line in lines:
        if "add" in line:
            line["add"]["deletionVector"] = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^",
                                             "offset": 1, "sizeInBytes": 36, "cardinality": 1}
    commit(plain, 0).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="Delta table"):
        run(plain, into=tmp_path / "p")
    lines = [json.loads(line) for line in commit(mapped, 0).read_text().splitlines()]
    for line in lines:
        if "metaData" in line:
            line["metaData"]["configuration"]["delta.columnMapping.mode"] = "name"
    commit(mapped, 0).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="Delta table"):
        run(mapped, into=tmp_path / "q")


def test_without_the_package_the_remedy_is_said(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(UsageError) as caught:
        run(table, into=tmp_path / "o")
    assert "stillwatch[delta]" in str(caught.value)
