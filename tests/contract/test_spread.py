"""Logs read in shares, each in a process of an engine's, leave what one process makes of all of them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.text_batches import problem

from stillwatch.engine import Engine, connect
from stillwatch.errors import InputError, StillwatchError, UsageError
from stillwatch.ingest import ingest
from stillwatch.ingest.examples_gateways import AZURE
from stillwatch.ingest.spread import Share, Told, shares
from stillwatch.observe import TextReducer
from stillwatch.settings import DeploymentKey, Settings

KEY = DeploymentKey(bytes(range(32)))
SETTINGS = Settings()


class Apart(Engine):
    """DuckDB with processes of its own, as far as ingest can tell: every task begins from what was sent to it."""

    spreads, parallel = True, 2
    tasks = 0

    def __init__(self, inner: Engine) -> None:
        self.__dict__.update(inner.__dict__)

    def spread(self, task, count):
        sent = pickle.dumps(task)
        self.tasks += count
        # The second is done twice and the last first, as where a machine was lost or slow.
        answers = {number: pickle.loads(sent)(number) for number in [*reversed(range(count)), min(1, count - 1)]}
        return [answers[number] for number in range(count)]


@pytest.fixture(params=["here", pytest.param("spark", marks=pytest.mark.spark)])
def apart(request):
    if request.param == "spark":
        yield request.getfixturevalue("spark")
        return
    with Apart(connect("duckdb", threads=1)) as engine:
        yield engine


@pytest.fixture(autouse=True)
def small_shares(monkeypatch):
    monkeypatch.setattr("stillwatch.ingest.spread._LEAST", 1)


def record(number, **columns):
    return {"exchange_id": f"x-{number}", "ts": 1_772_000_000 + number, "account_id": f"account-{number % 7}",
            "ip": "192.0.2.1", "prompt": problem(number % 11), "system_prompt": problem(100 + number % 3),
            **columns}


@pytest.fixture
def logs(tmp_path):
    """Parquet, JSON and CSV, in folders that say a field; bad records, repeats, a conflict and a file of no format."""
    folder = tmp_path / "logs"
    first, second = folder / "region=eu" / "day=1", folder / "region=eu" / "day=2"
    first.mkdir(parents=True)
    second.mkdir()
    rows = [record(number) for number in range(60)]
    pq.write_table(pa.Table.from_pylist(rows), first / "a.parquet", row_group_size=20)
    # Words in other letters are the same family; which one is shown first is the order's to say.
    again = [record(number, prompt=problem(number % 11).upper()) for number in range(60, 90)]
    pq.write_table(pa.Table.from_pylist([*again, record(4, model="other")]), second / "b.parquet")
    pq.write_table(pa.Table.from_pylist([rows[3]]), first / "again.parquet")
    lines = [orjson.dumps(record(number)) for number in range(90, 120)] + [b"{", b'{"prompt": "no time"}']
    (second / "c.jsonl").write_bytes(b"\n".join(lines))
    (second / "d.csv").write_text("ts,account_id,prompt\n2026-03-01T00:00:00Z,,hello\n2026-03-01T00:00:01Z,z,\n")
    (second / "e.bin").write_bytes(b"\x00\x01 nothing that anybody knows")
    return folder


def run(folder, engine, inputs, **more):
    reducer = TextReducer(KEY, seed=3)
    done = ingest(inputs, folder, settings=SETTINGS, key=KEY, engine=engine, reduce=reducer, **more)
    rows = pa.concat_tables(pq.read_table(part) for part in done.parts)
    return replace(done, parts=(), quarantine=None), rows, done.quarantine.read_bytes(), reducer


def test_what_shares_leave_is_what_one_process_leaves(tmp_path, logs, apart):
    with connect("duckdb", threads=1) as engine:
        done, rows, quarantine, reducer = run(tmp_path / "here", engine, [logs])
    ticks = []
    done_apart, rows_apart, quarantine_apart, reducer_apart = run(
        tmp_path / "apart", apart, [logs], tick=lambda name, records: ticks.append((name, records)))
    assert done.counts.duplicates == 1
    assert done.counts.quarantined == 4
    assert done_apart == done
    assert rows_apart.equals(rows)
    assert quarantine_apart == quarantine
    assert reducer_apart.texts().equals(reducer.texts())
    assert list(reducer_apart._prompts.index) == list(reducer._prompts.index)
    assert [name for name, _ in ticks] == [file.path for file in done.files]
    assert sorted(path.suffix for path in (tmp_path / "apart").iterdir()) == [".jsonl"] + [".parquet"] * len(
        list((tmp_path / "apart").glob("*.parquet")))


def test_what_is_known_goes_on_growing_after_it_was_taken_over(tmp_path):
    from tests.unit.text_batches import batch

    whole, parts = TextReducer(KEY), [TextReducer(KEY) for _ in range(3)]
    given = [batch([(None, problem(at)), ("You help.", problem(at + 1)), (None, None)]) for at in (0, 1, 5)]
    for reducer, one in zip(parts, given, strict=True):
        whole(one)
        reducer(one)
    joined = parts[0].fresh()
    for number, reducer in enumerate(parts):
        reducer.save(tmp_path / str(number))
        joined.take_over(tmp_path / str(number))
    assert joined.texts().equals(whole.texts())
    more = batch([(None, problem(1)), ("You help.", problem(77))])
    assert joined(more).equals(whole(more))
    assert joined.texts().equals(whole.texts())
    empty = TextReducer(KEY)
    empty.save(tmp_path / "empty")
    joined.take_over(tmp_path / "empty")
    assert joined.texts().equals(whole.texts())


def test_a_named_file_of_no_format_is_the_same_error(tmp_path, logs, apart):
    strange = logs / "region=eu" / "day=2" / "e.bin"
    said = []
    with connect("duckdb", threads=1) as engine:
        for at, where in (("here", engine), ("apart", apart)):
            with pytest.raises(InputError) as caught:
                run(tmp_path / at, where, [strange, logs])
            said.append(str(caught.value))
    assert said[0] == said[1]
    assert not (tmp_path / "apart").exists()


def test_a_folder_of_nothing_known_is_the_same_error(tmp_path, apart):
    folder = tmp_path / "strange"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.bin").write_bytes(b"\x00\x01 nothing that anybody knows")
    said = []
    with connect("duckdb", threads=1) as engine:
        for at, where in (("here", engine), ("apart", apart)):
            with pytest.raises(StillwatchError) as caught:
                run(tmp_path / at, where, [folder])
            said.append(str(caught.value))
    assert said[0] == said[1]


def test_exchanges_in_several_records_are_read_in_one_process(tmp_path):
    folder = tmp_path / "azure"
    folder.mkdir()
    records = [example.record for example in AZURE]
    for number in range(2):
        (folder / f"{number}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, records[number::2])))
    with connect("duckdb", threads=1) as engine:
        done, rows, *_ = run(tmp_path / "here", engine, [folder])
    with Apart(connect("duckdb", threads=1)) as engine:
        done_apart, rows_apart, *_ = run(tmp_path / "apart", engine, [folder])
        assert engine.tasks == 2
    assert done_apart == done
    assert rows_apart.equals(rows)
    assert not list((tmp_path / "apart").glob("share-*"))


def test_where_the_shared_folder_is_not_there_the_error_says_so(tmp_path):
    told = Told(**orjson.loads(Share(tmp_path / "gone", [range(1)], lambda *_: Told(), None)(0)))
    with pytest.raises(UsageError, match="is not there") as caught:
        told.raised()
    assert "same path" in caught.value.remedy


def test_a_folder_of_nothing_is_read_as_nothing(tmp_path, apart):
    (tmp_path / "empty").mkdir()
    done, rows, quarantine, _ = run(tmp_path / "apart", apart, [tmp_path / "empty"])
    assert (done.counts.records_in, rows.num_rows, quarantine) == (0, 0, b"")


def test_relative_paths_are_those_of_the_caller(tmp_path, logs, apart, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done, *_ = run(tmp_path / "apart", apart, ["logs/region=eu/day=1"])
    assert done.counts.kept == 60
    assert [file.path for file in done.files] == ["a.parquet", "again.parquet"]


def test_shares_are_runs_of_files_in_their_order(tmp_path):
    from stillwatch.ingest.sources import find

    for number, size in enumerate((5, 1, 1, 1, 50, 2)):
        (tmp_path / f"{number}.jsonl").write_bytes(b"x" * size)
    files = find([tmp_path])
    assert shares(files, 1) == [range(5), range(5, 6)]
    assert shares(files, 4) == [range(1), range(1, 4), range(4, 5), range(5, 6)]
    assert [number for run in shares(files, 100) for number in run] == list(range(6))
    assert shares(files[:1], 1) == [range(1)]
