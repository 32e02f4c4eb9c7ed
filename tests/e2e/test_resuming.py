"""A scan that was killed, interrupted or out of disk goes on, and finds what one that was not would have found."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from stillwatch.sealing.compare import compare_findings

pytestmark = pytest.mark.slow  # a scan or more each

STAGES = ("checking inputs", "reading logs", "comparing texts", "collecting sightings", "linking accounts",
          "attributing exchanges", "making decoys", "judging", "doubting", "looking back", "reading lives",
          "writing findings")
KEPT = ("reading logs", "comparing texts", "collecting sightings", "linking accounts", "making decoys", "doubting",
        "looking back")


@pytest.fixture(scope="module")
def traffic(stillwatch, tmp_path_factory):
    """Small traffic with a campaign that is detected, so that every stage has something to do."""
    folder = tmp_path_factory.mktemp("traffic")
    assert stillwatch("simulate", "demo", "--out", folder, "--scale", 0.15, "--seed", 4711).code == 0
    return folder


@pytest.fixture(scope="module")
def call(traffic):
    return ("scan", traffic / "exchanges", "--accounts", traffic / "accounts.parquet", "--decoys", 19)


@pytest.fixture(scope="module")
def whole(stillwatch, call, tmp_path_factory):
    """The findings of a scan that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole") / "findings"
    done = stillwatch(*call, "--out", out, "--json")
    assert done.code == 0, done.err
    assert done.json["detections"] == 1
    assert done.json["kept_from_before"] == []
    assert sorted(path.name for path in out.parent.iterdir()) == ["findings"]
    return out


def same(one, other):
    """Whether two folders hold the same findings, but for rounding in the last places."""
    names = [{path.name for path in folder.iterdir()} for folder in (one, other)]
    return names[0] == names[1] and all(table["same"] for table in compare_findings(one, other))


def tables(folder):
    """Every file of the findings, byte by byte."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def told(folder):
    """What the summary says but for times and memory, and what had been kept."""
    summary = json.loads((folder / "summary.json").read_text())
    for name in ("timings", "created_at", "peak_memory_bytes", "kept_from_before"):
        del summary[name]
    for name in ("decoys", "looks"):
        del summary[name]["seconds"]
    return summary


def rounded(value):
    """A summary with its fractions to nine places: sums of many depend on their order in the last ones."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 9) if isinstance(value, float) else value


def killed(environment, call, out, stage, delay=0.0, sign=signal.SIGKILL):
    """A scan that gets a signal so many seconds after it said that a stage begins; what it said until then."""
    process = subprocess.Popen([sys.executable, "-m", "stillwatch", *map(str, call), "--out", str(out)],
                               stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    said = []
    for line in process.stderr:
        said.append(line.strip())
        if line.startswith(f"{stage} …"):
            time.sleep(delay)
            os.killpg(process.pid, sign)
            break
    said += [line.strip() for line in process.stderr]
    process.wait()
    assert process.returncode == (-sign if sign == signal.SIGKILL else 130), said
    return said


def test_killed_in_every_stage_one_after_another_it_goes_on_and_finds_the_same(environment, stillwatch, call, whole,
                                                                               tmp_path):
    out = tmp_path / "findings"
    shutil.copytree(whole, out)
    before = (out / "summary.json").read_bytes()
    for number, stage in enumerate(STAGES):
        said = killed(environment, call, out, stage, delay=0.05)
        finished = [name for name in KEPT if name in STAGES[: max(0, number - 1)]]
        for name in finished:
            assert any(line.startswith(f"{name}: ") and line.endswith("kept from before …") for line in said), said
        assert not {f"{name} …" for name in finished} & set(said) - {"making decoys …", "looking back …"}
        assert (out / "summary.json").read_bytes() == before
    assert (tmp_path / "findings.work").stat().st_mode & 0o077 == 0
    done = stillwatch(*call, "--out", out, "--json")
    assert done.code == 0, done.err
    assert done.json["kept_from_before"] == list(KEPT)
    assert same(out, whole)
    assert rounded(told(out)) == rounded(told(whole))
    assert [path.name for path in tmp_path.iterdir()] == ["findings"], "nothing is left beside the findings"


@pytest.mark.parametrize("stage", STAGES)
def test_killed_once_in_a_stage_it_finds_the_same(environment, stillwatch, call, whole, tmp_path, stage):
    out = tmp_path / "findings"
    killed(environment, call, out, stage, delay=0.4 if stage in ("reading logs", "making decoys") else 0.1)
    assert not out.exists()
    assert stillwatch(*call, "--out", out).code == 0
    assert same(out, whole)
    assert rounded(told(out)) == rounded(told(whole))


def test_decoys_made_before_an_interruption_are_not_made_again(environment, stillwatch, call, whole, tmp_path):
    out = tmp_path / "findings"
    said = killed(environment, call, out, "judging", sign=signal.SIGINT)
    assert any("nothing was written" in line for line in said)
    assert any("the same command goes on from there" in line for line in said)
    kept = sorted((tmp_path / "findings.work").glob("making-decoys.*"))
    assert len(kept) == 19
    for path in kept[7:]:
        path.unlink()
    kept[5].write_bytes(kept[5].read_bytes()[:-1])
    done = stillwatch(*call, "--out", out)
    assert "making decoys: 5 kept from before …" in done.err.splitlines()
    assert same(out, whole)


def test_nothing_that_is_kept_can_be_read_without_the_key(environment, call, traffic, tmp_path):
    killed(environment, call, tmp_path / "findings", "comparing texts", sign=signal.SIGINT)
    rows = pq.read_table(next((traffic / "exchanges").iterdir()), columns=["ip", "account_id", "prompt"]).to_pylist()
    files = [path.read_bytes() for path in (tmp_path / "findings.work").iterdir()]
    assert len(files) > 4
    assert list(tmp_path.iterdir()) == [tmp_path / "findings.work"], "what is not encrypted goes"
    said = {part for row in rows for part in (row["ip"], row["account_id"], (row["prompt"] or "")[:30])
            if part and len(part) > 6}
    assert len(said) > 100
    assert not [part for part in said for content in files if part.encode() in content]


def test_a_changed_setting_redoes_only_what_follows_from_it(stillwatch, call, traffic, whole, tmp_path):
    def scanned(*arguments):
        done = stillwatch(*call, "--out", tmp_path / "findings", "--keep-work", *arguments)
        assert done.code == 0, done.err
        lines = done.err.splitlines()
        return {name for name in KEPT if any(line.startswith(f"{name}: ") for line in lines)}

    assert scanned() == set()
    read = {"reading logs", "comparing texts"}
    assert scanned("--look-seconds", 200, "--threads", 1, "--memory", "1GB") == set(KEPT)
    assert same(tmp_path / "findings", whole)
    assert scanned("--prior", 0.04) == set(KEPT) - {"doubting", "looking back"}
    accounts = pq.read_table(traffic / "accounts.parquet").slice(1)
    pq.write_table(accounts, tmp_path / "accounts.parquet")
    assert scanned("--accounts", tmp_path / "accounts.parquet") == read
    assert scanned("--seed", 1, "--accounts", tmp_path / "accounts.parquet") == set()


def test_a_log_that_grew_meanwhile_is_read_again(environment, stillwatch, traffic, tmp_path):
    (tmp_path / "logs").mkdir()
    table = pq.read_table(next((traffic / "exchanges").iterdir()))
    pq.write_table(table.slice(0, 500), tmp_path / "logs" / "a.parquet")
    killed(environment, ("scan", tmp_path / "logs"), tmp_path / "findings", "linking accounts")
    pq.write_table(table.slice(0, 600), tmp_path / "logs" / "a.parquet")
    done = stillwatch("scan", tmp_path / "logs", "--out", tmp_path / "findings", "--json")
    assert done.json["counts"]["kept"] == 600
    assert done.json["kept_from_before"] == []


def limited(size):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("size", [20_000, 300_000])
def test_out_of_disk_it_says_so_keeps_the_old_findings_and_goes_on_later(environment, stillwatch, call, whole, tmp_path,
                                                                         size):
    out = tmp_path / "findings"
    shutil.copytree(whole, out)
    before = tables(out)
    # No file may grow beyond this: for whoever writes it is as if the disk were full.
    done = subprocess.run([sys.executable, "-m", "stillwatch", *map(str, call), "--out", str(out)], env=environment,
                          capture_output=True, text=True, check=False, preexec_fn=limited(size))
    assert done.returncode == 1
    assert "Error: File too large" in done.stderr
    assert "make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert "fault of Stillwatch" not in done.stderr
    assert tables(out) == before
    again = stillwatch(*call, "--out", out)
    assert again.code == 0
    assert same(out, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["findings"]


def test_where_there_is_only_room_for_the_findings_it_goes_on_without_keeping(environment, call, whole, tmp_path):
    """What is kept of the texts is the largest file by far: here there is room for all but that."""
    out = tmp_path / "findings"
    done = subprocess.run([sys.executable, "-m", "stillwatch", *map(str, call), "--out", str(out)], env=environment,
                          capture_output=True, text=True, check=False, preexec_fn=limited(900_000))
    assert done.returncode == 0, done.stderr
    assert "no room to keep what is finished: going on without …" in done.stderr.splitlines()
    assert same(out, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["findings"]


@pytest.mark.parametrize("folder", [False, True])
def test_a_truncated_parquet_file_is_told_and_the_old_findings_stay(stillwatch, traffic, whole, tmp_path, folder):
    out = tmp_path / "findings"
    shutil.copytree(whole, out)
    source = next((traffic / "exchanges").iterdir()).read_bytes()
    (tmp_path / "logs").mkdir()
    logs = tmp_path / "logs" / "cut.parquet"
    logs.write_bytes(source[: len(source) // 2])
    done = stillwatch("scan", logs.parent if folder else logs, "--out", out)
    assert done.code == 1
    assert "the Parquet file is damaged or cut off" in done.err
    assert "cut.parquet" in done.err
    assert tables(out) == tables(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["findings", "logs"]


def damaged(traffic, logs, group):
    """A Parquet file of four row groups, one of which was written over; its end is whole, so that it opens."""
    table = pq.read_table(next((traffic / "exchanges").iterdir())).slice(0, 4000)
    pq.write_table(table, logs, row_group_size=1000)
    content = bytearray(logs.read_bytes())
    column = pq.read_metadata(logs).row_group(group).column(0)
    middle = max(column.file_offset or 0, column.dictionary_page_offset or 0, column.data_page_offset)
    content[middle : middle + 400] = bytes(400)
    logs.write_bytes(content)
    return logs


def test_a_parquet_file_damaged_in_its_middle_says_how_much_was_read(stillwatch, traffic, tmp_path):
    """What can be read is read; what cannot is in the quarantine, the summary, and what the scan could not see."""
    logs = damaged(traffic, tmp_path / "logs.parquet", 2)
    done = stillwatch("scan", logs, "--out", tmp_path / "findings", "--json", STILLWATCH_BATCH_ROWS="500")
    assert done.code == 0, done.err
    counts = done.json["counts"]
    assert counts["quarantined"] == 1
    assert 1000 <= counts["kept"] < 4000
    broken = f"the Parquet file is damaged or cut off: {4000 - counts['kept']:,} of its 4,000 rows were not read"
    (line,) = (tmp_path / "findings" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["detail"] == broken
    assert [read["broken"] for read in done.json["inputs"]] == [broken]
    report = (tmp_path / "findings" / "report.html").read_text("utf-8")
    assert "1 input file is damaged or cut off" in " ".join(report.split())


def test_a_parquet_file_of_which_nothing_can_be_read_leaves_the_old_findings(stillwatch, traffic, whole, tmp_path):
    out = tmp_path / "findings"
    shutil.copytree(whole, out)
    done = stillwatch("scan", damaged(traffic, tmp_path / "logs.parquet", 0), "--out", out)
    assert done.code == 1
    assert "logs.parquet cannot be read: the Parquet file is damaged or cut off" in done.err
    assert tables(out) == tables(whole)


@pytest.mark.parametrize("settings", [("--memory", "500MB"), ("--threads", 1), ("--threads", 2, "--memory", "200MB")])
def test_memory_and_threads_change_nothing(stillwatch, call, whole, tmp_path, settings):
    out = tmp_path / "findings"
    done = stillwatch(*call, "--out", out, *settings, STILLWATCH_BATCH_ROWS="1000")
    assert done.code == 0, done.err
    one, other = told(out), told(whole)
    for summary in (one, other):
        del summary["settings"]
    assert rounded(one) == rounded(other)
    assert same(out, whole)
