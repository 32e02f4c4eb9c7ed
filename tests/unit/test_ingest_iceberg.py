"""Iceberg tables as inputs, written by the package that reads their metadata: what is deleted is not read."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_builders import TS, jsonl, run
from stillwatch.errors import InputError, UsageError
from stillwatch.ingest.sources import find

pytest.importorskip("pyiceberg")
pytest.importorskip("sqlalchemy")

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.transforms import IdentityTransform

ROWS = pa.table({"ts": [TS + n for n in range(5)], "exchange_id": [f"e{n}" for n in range(5)],
                 "account_id": ["a", "c/d", "x y%", "a", None], "day": [date(2026, 1, 2)] * 5})


@pytest.fixture
def catalog(tmp_path):
    (tmp_path / "warehouse").mkdir()
    return SqlCatalog("test", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")


@pytest.fixture
def made(catalog, tmp_path):
    """A table partitioned by accounts, and its folder."""
    catalog.create_namespace("logs")
    table = catalog.create_table("logs.exchanges", ROWS.schema, location=f"file://{tmp_path}/table")
    with table.update_spec() as spec:
        spec.add_field("account_id", IdentityTransform(), "account_id")
    table.append(ROWS.slice(0, 2))
    table.append(ROWS.slice(2, 3))
    return table, tmp_path / "table"


def seen(outcome):
    return {row["exchange_id"]: (row["account_id"], json.loads(row["extra"] or "{}")) for row in outcome.rows}


def newest(folder):
    return sorted((folder / "metadata").glob("*.metadata.json"))[-1]


def changed(folder, change):
    """The newest metadata, changed."""
    path = newest(folder)
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_a_table_reads_as_its_rows_and_names_of_folders_say_nothing(made, tmp_path):
    """A null account lies in a folder called ``account_id=null``: that is not its name."""
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    found = seen(run(made[1], into=tmp_path / "o"))
    assert found == seen(run(tmp_path / "rows.parquet", into=tmp_path / "p"))
    assert found["e4"][0] == "unknown"


def test_only_the_current_snapshot_is_read(made, tmp_path):
    table, folder = made
    table.delete("exchange_id == 'e0'")
    table.overwrite(pa.table({name: ROWS[name].slice(1, 1) if name != "day" else pa.array([date(2026, 1, 3)])
                              for name in ROWS.column_names}), "exchange_id == 'e1'")
    found = seen(run(folder, into=tmp_path / "o"))
    assert found.keys() == {"e1", "e2", "e3", "e4"}
    assert found["e1"] == ("c/d", {"day": "2026-01-03"})


def test_a_table_that_was_moved_reads_the_same(made, tmp_path):
    before = seen(run(made[1], into=tmp_path / "o"))
    made[1].rename(tmp_path / "elsewhere")
    assert seen(run(tmp_path / "elsewhere", into=tmp_path / "p")) == before


def test_a_table_that_lay_in_a_store_is_looked_for_here_alone(made):
    """What the metadata call a bucket is the folder here; nothing is fetched."""
    _, folder = made
    before = find([folder])

    def moved(told):
        told["location"] = "s3://bucket/logs"
        for snapshot in told["snapshots"]:
            snapshot["manifest-list"] = "s3://bucket/logs/metadata/" + snapshot["manifest-list"].rpartition("/")[2]

    changed(folder, moved)
    assert find([folder]) == before
    changed(folder, lambda told: told.update(location="s3://bucket/elsewhere"))
    with pytest.raises(InputError, match="outside its folder"):
        find([folder])


def test_a_table_among_other_logs(made, tmp_path):
    (tmp_path / "all").mkdir()
    shutil.copytree(made[1], tmp_path / "all" / "table")
    jsonl(tmp_path / "all" / "other.jsonl", {"ts": TS, "exchange_id": "z"})
    assert seen(run(tmp_path / "all", into=tmp_path / "o")).keys() == {"z", "e0", "e1", "e2", "e3", "e4"}


def test_a_table_without_rows_has_no_files(catalog, tmp_path):
    catalog.create_namespace("logs")
    catalog.create_table("logs.none", ROWS.schema, location=f"file://{tmp_path}/none")
    assert find([tmp_path / "none"]) == []


@pytest.mark.parametrize("place", ["file://{0}/secret.parquet", "{0}/secret.parquet", "file://{0}/table/../secret.parquet",
                                   "s3://bucket/secret", "file://{0}/table/%2e%2e/secret.parquet"])
def test_metadata_that_name_other_places_are_refused(made, tmp_path, place):
    _, folder = made
    pq.write_table(pa.table({"ts": [TS]}), tmp_path / "secret.parquet")
    there = place.format(tmp_path)
    changed(folder, lambda told: told["snapshots"][-1].update({"manifest-list": there}))
    with pytest.raises(InputError) as failed:
        find([folder])
    assert "secret" not in str(failed.value)


def test_columns_that_were_renamed_or_dropped_are_refused_and_added_ones_read(made, tmp_path):
    table, folder = made
    from pyiceberg.types import StringType

    with table.update_schema() as update:
        update.add_column("model", StringType())
    assert seen(run(folder, into=tmp_path / "o")).keys() == {"e0", "e1", "e2", "e3", "e4"}
    shutil.copytree(folder, tmp_path / "renamed")
    with table.update_schema() as update:
        update.rename_column("model", "kind")
    with pytest.raises(InputError, match="renamed or dropped"):
        find([folder])
    with table.update_schema() as update:
        update.delete_column("day")
    with pytest.raises(InputError, match="renamed or dropped"):
        find([folder])


def test_deleted_rows_that_files_still_hold_are_refused(made, monkeypatch):
    from pyiceberg.manifest import DataFile, DataFileContent

    monkeypatch.setattr(DataFile, "content", property(lambda self: DataFileContent.POSITION_DELETES))
    with pytest.raises(InputError, match="deleted rows"):
        find([made[1]])


def test_files_that_are_not_parquet_are_refused(made, monkeypatch):
    from pyiceberg.manifest import DataFile, FileFormat

    monkeypatch.setattr(DataFile, "file_format", property(lambda self: FileFormat.ORC))
    with pytest.raises(InputError, match="not Parquet"):
        find([made[1]])


def test_two_newest_versions_are_refused(made):
    path = newest(made[1])
    shutil.copy(path, path.with_name(path.name[:6] + "0" * 8 + path.name[14:]))
    with pytest.raises(InputError, match="two metadata files"):
        find([made[1]])


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\x00", b"[]", b'{"format-version": 9}', b'{"format-version": 2}'])
def test_damaged_metadata_are_an_error_and_no_traceback(made, damage):
    newest(made[1]).write_bytes(damage)
    with pytest.raises(InputError, match="Iceberg table"):
        find([made[1]])


@pytest.mark.parametrize("damage", [b"", b"Obj\x01", b"no avro at all"])
def test_damaged_manifests_are_an_error_and_no_traceback(made, damage):
    for path in (made[1] / "metadata").glob("*.avro"):
        path.write_bytes(damage)
    with pytest.raises(InputError, match="Iceberg table"):
        find([made[1]])


def test_a_missing_file_is_an_error(made):
    next(made[1].rglob("*.parquet")).unlink()
    with pytest.raises(InputError, match="is not there"):
        find([made[1]])


def test_without_the_package_the_error_says_what_to_install(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiceberg.serializers", None)
    with pytest.raises(UsageError, match="not installed") as failed:
        find([made[1]])
    assert "stillwatch[iceberg]" in failed.value.remedy
