"""Accounts, launches and agreements: read from any container, wrong rows named."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_builders import KEY, jsonl
from stillwatch.errors import InputError, UsageError
from stillwatch.ingest import read_accounts, read_agreements, read_launches
from stillwatch.schema import ACCOUNTS, AGREEMENTS, LAUNCHES


def text(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_text(content)
    return path


def test_accounts_from_every_container(tmp_path):
    rows = [{"account_id": "a", "created_at": "2026-01-02T00:00:00Z", "kind": "startup", "verified": True}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    jsonl(tmp_path / "x.jsonl", *rows)
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"account_id,created_at,kind,verified\na,2026-01-02,Startup,t\n"))
    tables = [read_accounts(tmp_path / name, key=KEY) for name in ("x.parquet", "x.jsonl", "x.gz")]
    assert tables[0].schema == ACCOUNTS.arrow
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


def test_mail_and_telephone_never_stay_in_clear(tmp_path):
    path = text(tmp_path, "account_id,email,phone\na,Jane.Doe99@Example.COM,+49 30 123-456\nb,,0049 30 123456\n")
    first, second = read_accounts(path, key=KEY).to_pylist()
    assert (first["email_domain"], first["email_pattern"]) == ("example.com", "aaaa.aaa99")
    assert first["phone_hash"] == second["phone_hash"] == KEY.digest("phone", "4930123456")


def test_the_same_row_twice_is_one_and_another_is_an_error(tmp_path):
    assert read_accounts(text(tmp_path, "account_id,kind\na,research\na,research\n"), key=KEY).num_rows == 1
    with pytest.raises(InputError, match="row 3: account_id was given before, in row 2"):
        read_accounts(text(tmp_path, "account_id,kind\na,research\na,startup\n"), key=KEY)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("account_id,kind\n,research\n", "account_id is missing"),
        ("kind\nresearch\n", "account_id is missing"),
        ("account_id,kind\na,reserch\n", "did you mean research"),
        ("account_id,created_at\na,soon\n", "created_at"),
        ("account_id,verified\na,perhaps\n", "verified"),
        ("account_id,country\na,Germany\n", "alpha-2"),
        ("account_id,email\na,nobody\n", "is no e-mail"),
        ("account_id,kind\na\n", "1 fields for 2 columns"),
        ("account_id,phone\na,none\n", "no digits"),
    ],
)
def test_wrong_rows_are_named(tmp_path, content, word):
    with pytest.raises(InputError) as caught:
        read_accounts(text(tmp_path, content), key=KEY)
    assert word in str(caught.value)
    assert "row 2" in str(caught.value)
    assert "nobody" not in str(caught.value)


def test_other_columns_are_ignored_with_a_note(tmp_path):
    with pytest.warns(UserWarning, match="shoe_size"):
        read_accounts(text(tmp_path, "account_id,shoe_size\na,44\n"), key=KEY)


def test_launches_and_agreements(tmp_path):
    launches = read_launches(text(tmp_path, "model,released_at\nm,2026-01-02\n"), key=KEY)
    assert launches.schema == LAUNCHES.arrow
    path = text(tmp_path, 'organization,permits,valid_to\nExample,"evaluation,resale",9999-12-31\n')
    agreements = read_agreements(path, key=KEY)
    assert agreements.schema == AGREEMENTS.arrow
    assert agreements.column("permits").to_pylist() == ["evaluation", "resale"]
    assert agreements.column("valid_to").to_pylist() == [None, None]
    with pytest.raises(InputError, match="covers nobody"):
        read_agreements(text(tmp_path, "note,permits\nx,resale\n"), key=KEY)
    with pytest.raises(UsageError):
        read_launches(tmp_path / "none.csv")
