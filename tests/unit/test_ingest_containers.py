"""Files of every container and compression, whole and broken: each record is read or accounted for."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingest_builders import TS, jsonl, run
from stillwatch.errors import InputError, UsageError
from stillwatch.settings import Settings

GOOD = b'{"ts": 1767323045, "account_id": "a"}'


def ids(outcome):
    return [row["exchange_id"] for row in outcome.rows]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "squeeze",
    [
        gzip.compress,
        zstandard.compress,
        lambda data: gzip.compress(data[:40]) + gzip.compress(data[40:]) + bytes(7),
        lambda data: zstandard.compress(data[:40]) + zstandard.compress(data[40:]),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\n\n  \n").rstrip(),
    ],
    ids=["gzip", "zstd", "two members", "two frames", "byte order mark", "CRLF", "blank lines"],
)
def test_json_lines_however_packed(tmp_path, squeeze):
    lines = [{"ts": TS + n, "account_id": "a", "n": n} for n in range(5)]
    plain = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    outcome = run(write(tmp_path, "any.name", squeeze(plain)), into=tmp_path / "o")
    assert [row["n"] for row in outcome.rows] == [0, 1, 2, 3, 4]
    assert outcome.counts.records_in == 5


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"ts": TS, "n": 1}, {"ts": TS, "n": 2}], indent=2),
        json.dumps([{"ts": TS, "n": 1}, {"ts": TS, "n": 2}]),
        '{"ts": 1767323045, "n": 1}{"ts": 1767323045, "n": 2}',
        json.dumps({"ts": TS, "n": 1}, indent=1) + "\n\n" + json.dumps({"ts": TS, "n": 2}, indent=1),
        '{"data": [{"ts": 1767323045, "n": 1}, {"ts": 1767323045, "n": 2}], "total": 2}',
        '[{"ts": 1767323045, "n": 1},\n{"ts": 1767323045, "n": 2}]',
        '[{"ts": 1767323045, "n": 1, "prompt": "}]{\\"\\\\"}, {"ts": 1767323045, "n": 2}]',
    ],
    ids=[
        "pretty array",
        "array in a line",
        "one after the other",
        "pretty objects",
        "page",
        "array of lines",
        "brackets in text",
    ],
)
def test_json_documents(tmp_path, text):
    outcome = run(write(tmp_path, "x.json", text.encode()), into=tmp_path / "o")
    assert [row["n"] for row in outcome.rows] == [1, 2]
    assert outcome.result.files[0].container == "json"


def test_a_broken_document_keeps_what_came_before(tmp_path):
    text = b'[{"ts": 1767323045}, 7, "x", {"ts": 1767323045}, {"ts": 17673'
    outcome = run(write(tmp_path, "x.json", text), into=tmp_path / "o")
    assert outcome.counts.kept == 2
    assert outcome.reasons == ["not_an_object", "not_an_object", "unparsable"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv(tmp_path, mark):
    rows = [
        ["ts", "account_id", "prompt", "tools", "stream", "team"],
        ["2026-01-02 03:04:05+00", "a", '"two\n\nlines, ""quoted"""', '"[""x"", ""y""]"', "t", "blue"],
        ["1767323045", "", "b", "", "", ""],
        ["1767323045", "short"],
    ]
    text = "\r\n".join(mark.join(row) for row in rows)
    outcome = run(write(tmp_path, "x.csv", text.encode()), into=tmp_path / "o")
    first, second = outcome.rows
    assert first["prompt"].replace("\r", "") == 'two\n\nlines, "quoted"'
    assert (first["tools"], first["stream"], first["extra"]) == (["x", "y"], True, '{"team":"blue"}')
    assert (second["account_id"], second["stream"]) == ("unknown", None)
    assert [(line["line"], line["reason"]) for line in outcome.quarantine] == [(6, "unparsable")]


def test_parquet_is_read_by_columns_and_by_rows_alike(tmp_path):
    table = pa.table(
        {
            "ts": pa.array([TS * 10**9] * 4, pa.timestamp("ns")),
            "account_id": pa.array([1, 2, 3, None], pa.int32()),
            "temperature": pa.array(["0.5", "hot", "1", "nan"]),
            "model": pa.array(["m"] * 4).dictionary_encode(),
            "tools": pa.array([["a"], [], None, ["b", "c"]]),
            "odd": pa.array([b"\xff", None, None, None]),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    outcome = run(tmp_path / "x.parquet", into=tmp_path / "o")
    assert [row["account_id"] for row in outcome.rows] == ["1", "2", "3"]
    assert [row["temperature"] for row in outcome.rows] == [0.5, None, 1.0]
    assert [row["tools"] for row in outcome.rows] == [["a"], [], None]
    assert outcome.result.set_aside == {"temperature": 1}
    assert json.loads(outcome.rows[1]["extra"]) == {"temperature": "hot"}
    assert outcome.quarantine == [
        {"file": "x.parquet", "line": 4, "reason": "number_out_of_range", "detail": "temperature"}
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"5",
        b'"x"',
        b'{"ts": NaN}',
        b'{"ts": 1767323045, "n": 1e30}',
        b'{"ts": 1767323045, "n": 1e999}',
        b'{"ts": 1767323045, "prompt": "\xff"}',
        b'{"ts": 1767323045, "prompt": "\\ud800"}',
        b'{"ts": ""}',
        b"{}",
        b'{"ts": 1767323045, "a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"\x00\x01\x02",
        b'{"ts": 1767323045}\x00',
        b'{"ts": 1767323045, "temperature": Infinity}',
        b'{"ts": "1999-01-01"}',
        b'{"ts": 1767323045, "n": 99999999999999999999}',
    ],
)
def test_one_bad_line_costs_that_line_only(tmp_path, line):
    outcome = run(jsonl(tmp_path / "x.jsonl", GOOD, line, GOOD), into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.counts.quarantined) == (2, 1)
    assert outcome.quarantine[0]["line"] == 2


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv"])
def test_a_record_over_the_limit(tmp_path, name):
    big = b"x" * 3_000_000
    content = {
        "x.jsonl": GOOD + b'\n{"ts": 1767323045, "prompt": "' + big + b'"}\n' + GOOD,
        "x.json": b"[" + GOOD + b', {"ts": 1767323045, "prompt": "' + big + b'"}, ' + GOOD + b"]",
        "x.csv": b'ts,prompt\n1767323045,a\n1767323045,"' + big + b'"\n1767323045,b\n',
    }[name]
    outcome = run(write(tmp_path, name, content), into=tmp_path / "o", settings=Settings(max_record_bytes=1_000_000))
    assert (outcome.counts.kept, outcome.reasons) == (2, ["too_large"])


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_last_line_over_the_limit(tmp_path, end):
    content = GOOD + b'\n{"ts": 1767323045, "prompt": "' + b"x" * 3_000_000 + b'"}' + end
    outcome = run(write(tmp_path, "x", content), into=tmp_path / "o", settings=Settings(max_record_bytes=1_000_000))
    assert (outcome.counts.kept, outcome.reasons) == (1, ["too_large"])


@pytest.mark.parametrize("squeeze", [gzip.compress, zstandard.compress])
def test_a_compressed_file_that_breaks_off(tmp_path, squeeze):
    lines = b"".join(b'{"ts": 17673%05d, "account_id": "%x"}\n' % (n, n * 7919) for n in range(30_000))
    whole = squeeze(lines)
    outcome = run(write(tmp_path, "x.gz", whole[: len(whole) * 2 // 3]), into=tmp_path / "o")
    assert outcome.counts.kept > 5_000
    assert outcome.reasons == ["unparsable"]
    assert "breaks off" in outcome.quarantine[0]["detail"]


def test_a_bomb_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("stillwatch.ingest.opening._GUARD_FROM", 1 << 24)
    bomb = write(tmp_path, "x.zst", zstandard.compress(GOOD + b"\n" + b" " * (1 << 27)))
    outcome = run(bomb, into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.reasons) == (1, ["expands_too_far"])


def test_a_dictionary_in_parquet_cannot_blow_up(tmp_path):
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), pa.array(["z" * 1_000_000]))
    pq.write_table(pa.table({"ts": [TS] * 3000, "prompt": text}), tmp_path / "x.parquet", store_schema=False)
    outcome = run(tmp_path / "x.parquet", into=tmp_path / "o")
    assert outcome.reasons == ["expands_too_far"]


def test_a_folder_with_everything_in_it(tmp_path):
    logs = tmp_path / "logs"
    (logs / "sub").mkdir(parents=True)
    (logs / "_delta_log").mkdir()
    jsonl(logs / "sub" / "a.jsonl", GOOD)
    write(logs, "_SUCCESS", b"")
    write(logs, ".hidden.jsonl", GOOD)
    write(logs / "_delta_log", "0.json", b'{"add": 1}')
    write(logs, "notes.txt", b"hello\nthere\n")
    write(logs, "utf16.csv", "ts,account_id\n1,2\n".encode("utf-16"))
    write(logs, "z.parquet", b"PAR1 cut off")
    write(logs, "y.zip", b"PK\x03\x04....")
    write(logs, "empty.jsonl", b"")
    outcome = run(logs, into=tmp_path / "o")
    assert [report.path for report in outcome.result.files] == [
        "empty.jsonl",
        "notes.txt",
        "sub/a.jsonl",
        "utf16.csv",
        "y.zip",
        "z.parquet",
    ]
    assert {line["file"]: (line["line"], line["reason"]) for line in outcome.quarantine} == {
        "notes.txt": (0, "unrecognised_file"),
        "utf16.csv": (0, "unrecognised_file"),
        "y.zip": (0, "unrecognised_file"),
        "z.parquet": (0, "unparsable"),
    }
    assert outcome.counts.kept == 1


def test_errors_say_what_was_tried_and_what_to_do(tmp_path):
    odd = jsonl(tmp_path / "x.jsonl", {"foo": 1, "bar baz": 2})
    with pytest.raises(InputError) as caught:
        run(odd, into=tmp_path / "o")
    for word in ("native", "http", "litellm", "foo", "--mapping", "--format", "x.jsonl"):
        assert word in str(caught.value)
    assert "bar baz" not in str(caught.value)
    for missing in (tmp_path / "none", str(tmp_path / "*.nothing")):
        with pytest.raises(UsageError):
            run(missing, into=tmp_path / "o")
    with pytest.raises(UsageError, match="no format is called"):
        run(odd, into=tmp_path / "o", format="csv")
    empty = tmp_path / "junk"
    empty.mkdir()
    write(empty, "a.txt", b"nothing to see")
    with pytest.raises(InputError):
        run(empty, into=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_globs_and_repeated_names(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        jsonl(tmp_path / name / "a.jsonl", {"ts": TS, "account_id": name})
    outcome = run(str(tmp_path / "*" / "a.jsonl"), into=tmp_path / "o")
    assert [row["account_id"] for row in outcome.rows] == ["one", "two"]
    outcome = run(tmp_path / "one", tmp_path / "two", into=tmp_path / "p")
    assert len({report.path for report in outcome.result.files}) == 2


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    import os

    logs = tmp_path / "logs"
    logs.mkdir()
    os.mkfifo(logs / "pipe")
    jsonl(logs / "a.jsonl", GOOD)
    outcome = run(logs, into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.reasons) == (1, ["unrecognised_file"])
    with pytest.raises(UsageError):
        run(logs / "pipe", into=tmp_path / "p")
