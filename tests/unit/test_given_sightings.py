"""Anybody's own sightings: every format alike, nothing lost in silence, nothing secret kept readable."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from stillwatch.errors import InputError, UsageError
from stillwatch.ingest.families import read_families
from stillwatch.ingest.sightings import read_sightings
from stillwatch.schema import FAMILY_OF, SIGHTINGS
from stillwatch.settings import DeploymentKey, load_settings

KEY = DeploymentKey(b"\1" * 32)
ROWS = [
    {"account_id": f"a{i}", "kind": kind, "value": f"{kind} {i % 3}", "first_seen": f"2026-03-0{1 + i % 9}T10:00:00Z",
     "last_seen": f"2026-03-1{i % 9}T10:00:00Z", "count": 1 + i % 4}
    for i in range(40) for kind in ("wallet", "ip", "note")
]


def read(*inputs, tmp, secret=frozenset({"ip"}), **settings):
    where = tmp / f"read-{len(list(tmp.iterdir()))}"
    found = read_sightings([str(i) for i in inputs], where, settings=load_settings(**settings), key=KEY, secret=secret)
    assert found.rows == found.kept + sum(found.set_aside.values()), "every row is accounted for"
    table = pa.concat_tables([pq.read_table(part) for part in found.parts])
    assert table.schema.equals(SIGHTINGS.arrow)
    return found, table.to_pylist()


def csv_of(rows, mark=","):
    names = list(rows[0])
    return "\n".join([mark.join(names), *(mark.join(str(row[n]) for n in names) for row in rows)]) + "\n"


def test_every_format_and_compression_says_the_same(tmp_path):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    whole = tmp_path / "in"
    whole.mkdir()
    made = {
        "a.jsonl": lines, "b.jsonl.gz": gzip.compress(lines), "c.jsonl.zst": zstandard.compress(lines),
        "d.csv": csv_of(ROWS).encode(), "e.tsv": csv_of(ROWS, "\t").encode(),
        "f.csv.gz": gzip.compress(csv_of(ROWS, ";").encode()),
        "g.json": json.dumps(ROWS).encode(), "h.csv": b"\xef\xbb\xbf" + csv_of(ROWS).replace("\n", "\r\n").encode(),
    }
    for name, content in made.items():
        (whole / name).write_bytes(content)
    pq.write_table(pa.Table.from_pylist(ROWS), whole / "i.parquet")
    told = {path.name: read(path, tmp=tmp_path)[1] for path in sorted(whole.iterdir())}
    assert all(rows == told["a.jsonl"] for rows in told.values())
    assert len(told["a.jsonl"]) == len(ROWS)
    first = told["a.jsonl"][0]
    assert (first["account_id"], first["value"], first["label"], first["count"]) == ("a0", "wallet 0", "wallet 0", 1)
    assert first["first_seen"].isoformat() == "2026-03-01T10:00:00+00:00"
    found, _ = read(whole, tmp=tmp_path)
    assert found.kept == len(ROWS) * len(told)
    globbed, _ = read(whole / "*.csv", tmp=tmp_path)
    assert globbed.kept == len(ROWS) * 2


def test_values_of_secret_kinds_are_digests_and_digests_stay(tmp_path):
    digest = KEY.digest("ip", "10.0.0.1")
    (tmp_path / "x.csv").write_text(f"account_id,kind,value\na,ip,10.0.0.1\nb,ip,{digest}\nc,wallet,10.0.0.1\n")
    _, rows = read(tmp_path / "x.csv", tmp=tmp_path)
    assert [row["value"] for row in rows] == [digest, digest, "10.0.0.1"]
    assert [row["label"] for row in rows] == [None, None, "10.0.0.1"]


def test_bad_rows_are_counted_by_reason_and_cost_nobody_else(tmp_path):
    good = json.dumps({"account_id": "a", "kind": "k", "value": "v"})
    bad = ['{"account_id": null, "kind": "k", "value": "v"}', '{"account_id": "unknown", "kind": "k", "value": "v"}',
           '{"account_id": "a", "kind": "", "value": "v"}', '{"account_id": "a", "kind": "k"}', '{"account_id": "a", ',
           '[1]', '{"account_id": "a", "kind": "k", "value": "v", "count": 0}',
           '{"account_id": "a", "kind": "k", "value": "v", "count": "many"}',
           json.dumps({"account_id": "a", "kind": "k", "value": "v" * 40_000}),
           '{"account_id": {"x": 1}, "kind": "k", "value": "v"}']
    (tmp_path / "x.jsonl").write_text("\n".join([good, *bad, good]) + "\n")
    found, rows = read(tmp_path / "x.jsonl", tmp=tmp_path)
    assert len(rows) == 2
    assert found.set_aside == {"no_account": 3, "no_kind": 1, "no_value": 1, "unparsable": 1, "not_an_object": 1,
                               "bad_count": 2, "too_long": 1}


def test_numbers_as_ids_and_values_are_their_digits(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"account_id": 7, "kind": "k", "value": 12}\n'
                                      '{"account_id": "7", "kind": "k", "value": "12"}\n')
    pq.write_table(pa.table({"account_id": [7.0, None], "kind": ["k", "k"], "value": pa.array([12, 13], pa.uint16())}),
                   tmp_path / "x.parquet")
    _, rows = read(tmp_path / "x.jsonl", tmp=tmp_path)
    found, more = read(tmp_path / "x.parquet", tmp=tmp_path)
    assert {(row["account_id"], row["value"]) for row in rows + more} == {("7", "12")}
    assert found.set_aside == {"no_account": 1}


def test_times_of_many_shapes_are_read_and_what_cannot_be_is_said(tmp_path):
    shapes = ["2026-03-01T00:00:00Z", "2026-03-01 00:00:00", "1772323200", "1772323200000", "2026-03-01T02:00:00+02:00"]
    rows = [f"a,k,v{i},{shape}," for i, shape in enumerate([*shapes, "soon"])]
    (tmp_path / "x.csv").write_text("account_id,kind,value,first_seen,last_seen\n" + "\n".join(rows) + "\n")
    found, told = read(tmp_path / "x.csv", tmp=tmp_path)
    assert {row["first_seen"].isoformat() for row in told[:5]} == {"2026-03-01T00:00:00+00:00"}
    assert told[5]["first_seen"] is None
    assert found.unread == {"times": 1}


def test_text_that_is_not_unicode_costs_its_row_alone(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"account_id,kind,value\na,k,caf\xe9\nb,k,ok\n")
    found, rows = read(tmp_path / "x.csv", tmp=tmp_path)
    assert [row["account_id"] for row in rows] == ["b"]
    assert sum(found.set_aside.values()) == 1


def test_lines_across_blocks_and_lines_without_end_are_whole_or_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("stillwatch.ingest.sightings._BLOCK", 2000)
    rows = [{"account_id": f"a{i}", "kind": "k", "value": f'"{i}"\nsecond, line'} for i in range(300)]
    quoted = "account_id,kind,value\n" + "".join(
        f'{row["account_id"]},k,"{row["value"].replace(chr(34), chr(34) * 2)}"\n' for row in rows)
    (tmp_path / "x.csv").write_text(quoted)
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, one = read(tmp_path / "x.csv", tmp=tmp_path)
    _, other = read(tmp_path / "x.jsonl", tmp=tmp_path)
    assert one == other
    assert len(one) == 300
    (tmp_path / "y.jsonl").write_text(json.dumps(rows[0]) + "\n" + "x" * 3_000_000 + "\n" + json.dumps(rows[1]) + "\n")
    found, told = read(tmp_path / "y.jsonl", tmp=tmp_path, max_record_bytes=10_000)
    assert len(told) == 2
    assert found.set_aside == {"too_large": 1}


def test_a_file_that_breaks_off_keeps_what_came_before(tmp_path):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS * 200).encode()
    packed = gzip.compress(lines)
    (tmp_path / "x.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    found, rows = read(tmp_path / "x.jsonl.gz", tmp=tmp_path)
    assert 0 < len(rows) < len(ROWS) * 200
    assert found.set_aside["unparsable"] >= 1


@pytest.mark.parametrize(("header", "hint"), [
    ("account,kind,value", "'account' for account_id"), ("account_id,type,value", "'type' for kind"),
    ("acount_id,kind,valeu", "'acount_id' for account_id"), ("a,b,c", "one row is one trait"),
])
def test_missing_columns_are_named_with_what_may_be_meant(tmp_path, header, hint):
    (tmp_path / "x.csv").write_text(f"{header}\n1,2,3\n")
    with pytest.raises(InputError) as raised:
        read(tmp_path / "x.csv", tmp=tmp_path)
    assert "has no column" in raised.value.message
    assert hint in raised.value.remedy


def test_inputs_without_anything_usable_are_errors(tmp_path):
    (tmp_path / "none.csv").write_text("account_id,kind,value\n,,\n")
    with pytest.raises(InputError, match="none of 1 rows can be used"):
        read(tmp_path / "none.csv", tmp=tmp_path)
    (tmp_path / "kinds.csv").write_text("account_id,kind,value\n" + "".join(f"a,k{i},v\n" for i in range(300)))
    with pytest.raises(InputError, match="more than 200 kinds"):
        read(tmp_path / "kinds.csv", tmp=tmp_path)
    pq.write_table(pa.table({"account_id": ["a"], "kind": ["k"], "value": [["v"]]}), tmp_path / "list.parquet")
    with pytest.raises(InputError, match="the column value holds list"):
        read(tmp_path / "list.parquet", tmp=tmp_path)
    with pytest.raises(UsageError, match="there is no file"):
        read(tmp_path / "gone.csv", tmp=tmp_path)


def test_families_are_added_to_and_may_replace_the_built_in_ones(tmp_path):
    file = tmp_path / "families.yaml"
    file.write_text("wallet: {family: payment, level: 2, secret: true}\nnote: contact\nip: {family: place}\n")
    families = read_families(file)
    assert families.of["wallet"] == ("payment", 2)
    assert families.of["note"] == ("contact", 1)
    assert families.of["ip"] == ("place", 1)
    assert families.of["asn"] == FAMILY_OF["asn"]
    assert {"wallet", "ip"} <= families.secret
    assert "note" not in families.secret
    file.write_text(json.dumps({"ip": {"family": "network", "level": 3, "secret": False}}))
    assert "ip" not in read_families(file).secret


@pytest.mark.parametrize(("text", "said"), [
    ("wallet: {famly: payment}", "did you mean family?"), ("wallet: {level: 0}", "coarsest"),
    ("wallet: {level: true}", "coarsest"), ("wallet: [1]", "one line a kind"), ("- a", "one line a kind"),
    ("{", "one line a kind"), ("wallet: {secret: perhaps}", "secret: true"), ("wallet: {family: 3}", "one line a kind"),
    ("1: {family: x}", "one line a kind"),
])
def test_what_is_wrong_with_families_is_said(tmp_path, text, said):
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(InputError) as raised:
        read_families(tmp_path / "f.yaml")
    assert said in raised.value.remedy
