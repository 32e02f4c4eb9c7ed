"""Ingest as a user meets it: mixed folders, the same twice, killed in the middle."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingest_builders import CAPTURES, KEY, TS, jsonl, run
from stillwatch.engine import connect
from stillwatch.errors import StillwatchError, UsageError
from stillwatch.ingest import ingest
from stillwatch.ingest.examples import HTTP, LITELLM, NATIVE
from stillwatch.schema import INGESTED
from stillwatch.settings import Settings


@pytest.fixture
def mixed(tmp_path):
    """A folder with every format and container, good, bad, repeated and out of scope."""
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = b"\n".join(json.dumps(example.record).encode() for example in HTTP)
    (logs / "http.jsonl.gz").write_bytes(gzip.compress(lines + b"\nbroken"))
    (logs / "litellm.json").write_text(json.dumps([dict(example.record) for example in LITELLM]))
    jsonl(logs / "native.jsonl", *(example.record for example in NATIVE), {"ts": None}, NATIVE[0].record)
    (logs / "native.jsonl.zst").write_bytes(zstandard.compress(b'{"ts": 1767323045, "account_id": "z"}\n' * 3))
    (logs / "table.csv").write_text("ts,account_id,prompt\n1767323045,c,x\n1767323045,c,x\nnever,c,x\n")
    table = pa.table({"ts": [TS, None, TS], "exchange_id": ["p1", "p2", "ex-1"], "account_id": ["p", "p", "p"]})
    pq.write_table(table, logs / "table.parquet")
    (logs / "stray.bin").write_bytes(os.urandom(8) + bytes(100))
    return logs


def test_the_counts_of_a_mixed_folder(mixed, tmp_path):
    outcome = run(mixed, into=tmp_path / "o")
    counts = outcome.counts
    assert {report.path: report.format for report in outcome.result.files} == {
        "http.jsonl.gz": "http",
        "litellm.json": "litellm",
        "native.jsonl": "native",
        "native.jsonl.zst": "native",
        "stray.bin": None,
        "table.csv": "native",
        "table.parquet": "native",
    }
    # Of http seven records and a broken line, of litellm three, then 4, 3, 1 (the stray file), 3 and 3.
    assert counts.records_in == 8 + 3 + 4 + 3 + 1 + 3 + 3
    assert counts.out_of_scope == 2 + 1
    assert counts.duplicates == 1
    assert Counter(outcome.reasons) == {
        "unparsable": 1,
        "no_timestamp": 2,
        "unrecognised_file": 1,
        "bad_timestamp": 1,
        "id_conflict": 1,
    }
    assert outcome.rows[0].keys() == set(INGESTED.names)
    assert [(row["source_file"], row["source_row"]) for row in outcome.rows] == sorted(
        (row["source_file"], row["source_row"]) for row in outcome.rows
    )


def test_the_same_folder_twice_changes_nothing(mixed, tmp_path):
    once, twice = run(mixed, into=tmp_path / "a"), run(mixed, mixed, into=tmp_path / "b")
    assert twice.rows == once.rows
    assert twice.counts.records_in == 2 * once.counts.records_in
    # All that was kept comes again as a duplicate; so does the repeat; the conflict is one again.
    assert twice.counts.duplicates == once.counts.kept + 2 * once.counts.duplicates
    assert (twice.counts.quarantined, twice.counts.out_of_scope) == (
        2 * once.counts.quarantined,
        2 * once.counts.out_of_scope,
    )
    assert twice.result.unknown_accounts == once.result.unknown_accounts


@pytest.mark.parametrize("rows", [1, 2, 65_536])
def test_another_name_or_compression_is_the_same_file_and_an_equal_row_elsewhere_is_not(tmp_path, rows):
    row = {"ts": TS, "account_id": "a"}
    one = jsonl(tmp_path / "one.jsonl", row, row)
    (tmp_path / "same.gz").write_bytes(gzip.compress(one.read_bytes()))
    (tmp_path / "same.zst").write_bytes(zstandard.compress(one.read_bytes()))
    other = jsonl(tmp_path / "other.jsonl", row, row, row)
    packed = [tmp_path / "same.gz", tmp_path / "same.zst"]
    outcome = run(one, *packed, other, into=tmp_path / "o", settings=Settings(batch_rows=rows))
    assert (outcome.counts.kept, outcome.counts.duplicates) == (5, 4)


def test_reading_is_deterministic_across_processes(mixed, tmp_path):
    """Same bytes out, whatever Python's hash seed and the engine's threads."""
    digests = set()
    for seed, threads in (("1", 1), ("2", 3)):
        into = tmp_path / f"o{seed}"
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(mixed), str(into), str(threads)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        digests.add(
            tuple((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(into.iterdir()))
        )
    assert len(digests) == 1


PROGRAM = """
import sys
from pathlib import Path
from stillwatch.engine import connect
from stillwatch.ingest import ingest
from stillwatch.settings import DeploymentKey, Settings
slow = len(sys.argv) > 4
def tick(file, records):
    if slow:
        import time
        print(records, flush=True)
        time.sleep(float(sys.argv[4]))
with connect(threads=int(sys.argv[3])) as engine:
    ingest([sys.argv[1]], Path(sys.argv[2]), settings=Settings(batch_rows=500), key=DeploymentKey(b"k" * 32),
           engine=engine, tick=tick)
"""


def test_a_killed_run_leaves_nothing_behind_and_the_next_cleans_up(tmp_path):
    log = jsonl(tmp_path / "x.jsonl", *({"ts": TS, "n": n} for n in range(60_000)))
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(log), str(work / "o"), "1", "0.05"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    assert next(work.iterdir()).name.startswith(".o.")
    assert not (work / "o").exists()
    outcome = run(log, into=work / "o")
    assert outcome.counts.kept == 60_000
    assert [path.name for path in work.iterdir()] == ["o"]


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path):
    log = jsonl(tmp_path / "x.jsonl", *({"ts": TS, "n": n} for n in range(20_000)))
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(log), str(work / "o"), "1", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        drafts = [path for path in work.iterdir() if path.name.startswith(".o.")]
        run(log, into=work / "o")
        assert process.poll() is None
        assert drafts
        assert all(path.exists() for path in drafts)
        process.kill()


def test_an_error_leaves_nothing_behind(tmp_path):
    log = jsonl(tmp_path / "x.jsonl", {"ts": TS})

    def lose(batch):
        return batch.slice(0, 0)

    with pytest.raises(StillwatchError, match="must keep every row"):
        run(log, into=tmp_path / "w" / "o", reduce=lose)
    assert list((tmp_path / "w").iterdir()) == []
    run(log, into=tmp_path / "w" / "o")
    with pytest.raises(UsageError, match="exists already"):
        run(log, into=tmp_path / "w" / "o")


def test_a_reduction_sees_every_column_and_decides_what_is_written(tmp_path):
    seen = []

    def reduce(batch):
        seen.append(batch.schema)
        return batch.drop_columns(["prompt", "system_prompt", "response", "extra"])

    log = jsonl(tmp_path / "x.jsonl", {"ts": TS, "prompt": "secret text", "left": "over"})
    outcome = run(log, into=tmp_path / "o", reduce=reduce)
    assert seen[0] == INGESTED.arrow
    assert "prompt" not in outcome.rows[0]
    assert outcome.result.present == {"exchange_id", "ts", "account_id", "prompt", "extra"}
    for path in (tmp_path / "o").iterdir():
        assert b"secret text" not in path.read_bytes()


def test_progress_is_told(tmp_path):
    told = []
    log = jsonl(tmp_path / "x.jsonl", *({"ts": TS, "n": n} for n in range(5_000)))
    run(log, into=tmp_path / "o", tick=lambda file, records: told.append((file, records)))
    assert told == [("x.jsonl", 4096), ("x.jsonl", 5000)]


# The kernel's high-water mark of this process; resource.getrusage counts the parent's before the start.
PEAK = """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_memory_is_bounded_by_the_batch_not_by_the_file(tmp_path):
    """A hundred times the batch's bytes goes through; the peak stays below the file's size."""
    path = tmp_path / "x.jsonl.gz"
    text = "word " * 2_000
    with gzip.open(path, "wb", 1) as file:
        for n in range(60_000):
            file.write(b'{"ts": 1767323045, "n": %d, "prompt": "%s"}\n' % (n, text.encode()))
    program = PROGRAM.replace("batch_rows=500", "batch_rows=65536") + PEAK
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(tmp_path / "o"), "1"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout.split()[-1]) < 550
    assert sum(pq.read_metadata(part).num_rows for part in (tmp_path / "o").glob("part-*.parquet")) == 60_000


def test_all_captures_in_one_file_and_under_mapping_free_detection(tmp_path):
    """Concatenated gzip members of nine programs are one log."""
    joined = tmp_path / "all.log"
    joined.write_bytes(b"".join(path.read_bytes() for path in sorted(CAPTURES.glob("*.gz"))))
    outcome = run(joined, into=tmp_path / "o")
    assert (outcome.counts.kept, outcome.result.files[0].format) == (1406, "http")


def test_a_broken_plugin_does_not_break_the_others(tmp_path, monkeypatch):
    from importlib.metadata import EntryPoint

    from stillwatch.ingest import registry

    class Shouting:
        name = "shouting"
        looks_like = "TS in capitals"

        def recognises(self, record):
            return 99 if "TS" in record else 0

        def parse(self, record, key):
            if record.get("bang"):
                raise ZeroDivisionError
            return {"ts": record["TS"], "extra": {}}

        def examples(self):
            return ()

    module = type(sys)("plugin_made_up")
    module.Shouting = Shouting
    monkeypatch.setitem(sys.modules, "plugin_made_up", module)
    entries = [
        EntryPoint("a", "no_such_module:X", registry.GROUP),
        EntryPoint("b", "plugin_made_up:Shouting", registry.GROUP),
        EntryPoint("c", "json:loads", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    with pytest.warns(UserWarning, match="left out") as caught:
        outcome = run(jsonl(tmp_path / "x.jsonl", {"TS": TS}, {"TS": TS, "bang": 1}), into=tmp_path / "o")
    assert sum("left out" in str(warning.message) for warning in caught) == 2
    assert (outcome.counts.kept, outcome.quarantine[0]["reason"], outcome.quarantine[0]["detail"]) == (
        1,
        "connector_failure",
        "ZeroDivisionError",
    )


def test_no_content_in_the_quarantine(tmp_path):
    secret = "a prompt that must not be quoted"
    log = jsonl(
        tmp_path / "x.jsonl",
        {"ts": TS},
        {"ts": secret, "prompt": secret},
        {"ts": TS, "n": 2**70, "prompt": secret},
        f'{{"ts": "{secret}'.encode(),
    )
    outcome = run(log, into=tmp_path / "o")
    assert outcome.counts.quarantined == 3
    assert secret not in repr(outcome.quarantine)


def test_one_engine_many_runs_and_empty_input(tmp_path):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with connect(threads=1) as engine:
        for name in ("a", "b"):
            result = ingest([tmp_path / "empty.jsonl"], tmp_path / name, settings=Settings(), key=KEY, engine=engine)
            assert result.counts.records_in == 0
            assert pq.read_table(list(result.parts)).schema.names == list(INGESTED.names)
