"""How `simulate` works inside: any number of processes, one result; errors and interrupts; no text, same numbers."""

from __future__ import annotations

import hashlib
import importlib
import ipaddress
import os
import shutil
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy.stats import ks_2samp, kstest

from stillwatch.cli import simulate as command
from stillwatch.errors import StillwatchError, UsageError
from stillwatch.proof import describe, list_scenarios, simulate
from stillwatch.proof.actors import ACTORS
from stillwatch.proof.crew import Crew, Task
from stillwatch.proof.draws import again, as_normal, as_uniform, hexes, mix
from stillwatch.proof.networks import networks
from stillwatch.proof.parts import CHUNK, file_rows
from stillwatch.proof.rows import Rows, merged
from stillwatch.proof.scenario import read

# The package has functions of these names, too.
RUN = importlib.import_module("stillwatch.proof.simulate")
LENGTHS = importlib.import_module("stillwatch.proof.lengths")

HEAD = """
name: engine
summary: some of everything
start: 2026-03-02
days: 5
{more}
models:
- {{name: one, reasoning: true}}
- {{name: two, released_on_day: 2.5}}
actors:
"""
TOLD = {
    "individuals": "",
    "campaign": "capabilities: {reasoning_trace: 2, agentic_tool_use: 1}, relayed: 0.3",
    "shared_application": "style: agent",
    "education": "",
    "benchmarking": "items: 40",
    "enterprise": "copies: 3",
    "reseller": "end_users: 40",
    "batch_processing": "",
    "shared_network": "network: vpn",
}


def scenario(folder: Path, more: str = "") -> Path:
    """A scenario with actors of many kinds, some in copies."""
    lines = [f"- {{actor: {kind}, name: The {kind}, accounts: 12, exchanges: 300{', ' if told else ''}{told}}}"
             for kind, told in TOLD.items()]
    path = folder / f"engine{len(more)}.yaml"
    path.write_text(HEAD.format(more=more) + "\n".join(lines) + "\n", "utf-8")
    return path


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few hundred rows, so that there is something to share out."""
    monkeypatch.setattr(RUN, "file_rows", lambda expected: 333)


# Processes.

@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("more", ["", "withhold: [prompt, system_prompt, ip]"])
def test_same_bytes_whatever_the_number_of_workers(tmp_path: Path, more: str) -> None:
    told = scenario(tmp_path, more)
    counts = [simulate(told, tmp_path / str(workers), seed=5, workers=workers) for workers in (0, 1, 2, 3)]
    assert counts[0]["exchanges"] > 3 * 333
    first = digests(tmp_path / "0")
    assert len([name for name in first if name.startswith("exchanges/")]) == -(-counts[0]["exchanges"] // 333)
    for workers in (1, 2, 3):
        assert counts[workers] == counts[0]
        assert digests(tmp_path / str(workers)) == first


@pytest.mark.usefixtures("small_files")
def test_cutting_into_files_changes_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = scenario(tmp_path)
    simulate(told, tmp_path / "cut", seed=2)
    monkeypatch.setattr(RUN, "file_rows", lambda expected: CHUNK)
    simulate(told, tmp_path / "whole", seed=2)
    assert len(list((tmp_path / "whole/exchanges").iterdir())) == 1
    for name in ("exchanges", "truth/exchanges.parquet"):
        assert pq.read_table(tmp_path / "cut" / name).equals(pq.read_table(tmp_path / "whole" / name))


@pytest.fixture
def crews(monkeypatch: pytest.MonkeyPatch) -> list[Crew]:
    """The crews that a run employs."""
    known: list[Crew] = []
    begin = Crew.begin

    def noted(self: Crew, task: Task) -> None:
        known.append(self)
        begin(self, task)

    monkeypatch.setattr(Crew, "begin", noted)
    return known


def kill_one(crews: list[Crew], out: Path) -> None:
    with suppress(ProcessLookupError):
        os.kill(crews[0]._workers[0].pid, signal.SIGKILL)


def interrupt(crews: list[Crew], out: Path) -> None:
    raise KeyboardInterrupt


def take_the_folder_away(crews: list[Crew], out: Path) -> None:
    for draft in out.parent.glob(f".{out.name}.*"):
        shutil.rmtree(draft / "exchanges", ignore_errors=True)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize(("happens", "error", "words"), [
    (kill_one, StillwatchError, "worker process ended by signal 9"),
    (interrupt, KeyboardInterrupt, None),
    (take_the_folder_away, StillwatchError, "No such file"),
])
def test_whatever_ends_a_run_leaves_nothing_behind(tmp_path: Path, crews: list[Crew], happens: Any,
                                                   error: type[BaseException], words: str | None) -> None:
    told = scenario(tmp_path)
    out = tmp_path / "out"
    with pytest.raises(error, match=words) as raised:
        simulate(told, out, seed=1, workers=2, tick=lambda done, total: happens(crews, out))
    assert not isinstance(raised.value, StillwatchError) or raised.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == [told.name]
    assert len(crews) == 1
    assert all(worker.poll() is not None for worker in crews[0]._workers)


def test_progress_counts_exchanges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUN, "file_rows", lambda expected: 500)
    seen: list[tuple[int, int]] = []
    counts = simulate(scenario(tmp_path), tmp_path / "out", tick=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (counts["exchanges"], counts["exchanges"])
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 3
    assert all(done <= total for done, total in seen)


@pytest.mark.parametrize("expected", [0, 50_000, 2_000_000, 30_000_000, 151_000_000])
def test_files_are_whole_row_groups_and_never_too_large(expected: int) -> None:
    rows = file_rows(expected)
    assert rows % CHUNK == 0
    assert CHUNK <= rows <= 1_048_576
    # Enough files to share out, as soon as there is work enough.
    assert expected < 16 * CHUNK or expected / rows >= 16


# Disk.

def test_what_does_not_fit_is_refused_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = scenario(tmp_path)
    whole = simulate(told, tmp_path / "out", seed=1, scale=10)
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*exchanges*") if path.is_file())
    size += sum(path.stat().st_size for path in (tmp_path / "out/exchanges").iterdir())
    shutil.rmtree(tmp_path / "out")

    def disk(free: float) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 0, int(free)))

    disk(0.8 * size)
    with pytest.raises(StillwatchError, match=r"about [\d,]+ exchanges take [\d.,]+ MB, and [\d.,]+ MB are free") as no:
        simulate(told, tmp_path / "out", seed=1, scale=10)
    assert "times as small" in no.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == [told.name]
    disk(1.6 * size)
    assert simulate(told, tmp_path / "out", seed=1, scale=10) == whole


# No text.

@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The same traffic with text and without, as frames with the labelled group of each row."""
    folder = tmp_path_factory.mktemp("mute")
    frames = []
    for more in ("", "withhold: [prompt, system_prompt]"):
        out = folder / f"out{len(more)}"
        with pytest.MonkeyPatch.context() as patch:
            # Most of what is drawn was not measured itself.
            patch.setattr(LENGTHS, "SAMPLE", 200)
            simulate(scenario(folder, more), out, seed=9, scale=4)
        truth = pq.read_table(out / "truth/exchanges.parquet").to_pandas().set_index("exchange_id")
        frame = pq.read_table(out / "exchanges").to_pandas().set_index("exchange_id")
        frames.append(frame.join(truth[["campaign", "capability"]]).fillna({"campaign": "unlabelled"}))
    return frames[0], frames[1]


def test_without_text_everything_but_tokens_stays(both: tuple[Any, Any]) -> None:
    text, mute = both
    assert mute.prompt.isna().all()
    assert mute.system_prompt.isna().all()
    same = [name for name in text.columns if name not in ("prompt", "system_prompt", "input_tokens", "cached_tokens")]
    for name in same:
        one, other = text[name], mute[name]
        assert ((one == other) | (one.isna() & other.isna())).all() if name not in ("tools", "modalities") else [
            None if value is None else list(value) for value in one] == [
            None if value is None else list(value) for value in other], name


def test_without_text_token_counts_are_distributed_as_with_it(both: tuple[Any, Any]) -> None:
    text, mute = both
    assert len(text.campaign.unique()) > len(TOLD)

    def apart(one: Any, other: Any) -> float:
        return float(ks_2samp(np.log(one), np.log(other), method="asymp").statistic)

    held = {name: rows.input_tokens for name, rows in text.groupby("campaign")}
    for group, rows in held.items():
        # About 1,200 rows each, some 300 of which were measured: chance alone makes up to 0.1.
        assert apart(rows, mute.input_tokens[mute.campaign == group]) < 0.12, group
    # The groups differ from each other, so that the agreement says something.
    assert max(apart(held["the-campaign"], rows) for rows in held.values()) > 0.4


def test_without_text_an_exercise_is_as_long_for_everybody(both: tuple[Any, Any]) -> None:
    """Items that several accounts send have one length each, as a provider without text could still see."""
    def distinct(frame: Any, group: str) -> int:
        return int(frame.input_tokens[(frame.campaign == group) & (frame.turn == 1)].nunique())

    text, mute = both
    assert distinct(mute, "the-benchmarking") <= 1.1 * distinct(text, "the-benchmarking")


def test_only_one_of_the_texts_withheld_leaves_the_other(tmp_path: Path) -> None:
    simulate(scenario(tmp_path), tmp_path / "whole", seed=9)
    simulate(scenario(tmp_path, "withhold: [prompt]"), tmp_path / "less", seed=9)
    whole, less = pq.read_table(tmp_path / "whole/exchanges"), pq.read_table(tmp_path / "less/exchanges")
    assert less["prompt"].null_count == less.num_rows
    assert less.drop_columns(["prompt"]).equals(whole.drop_columns(["prompt"]))


# Parts of the machinery, against other ways to the same.

def test_addresses_are_written_as_the_standard_library_writes_them() -> None:
    net = networks()
    count = 4_000
    prefix = (mix(np.uint64(1), np.arange(count)) % np.uint64(len(net.prefixes))).astype(np.int64)
    codes = net.hosts(prefix, mix(np.uint64(2), np.arange(count)))
    codes[::50] &= ~np.int64(0xFFFFFF)  # runs of zeros
    written = net.text(codes).to_pylist()
    for code, text in zip(codes.tolist(), written, strict=True):
        address = ipaddress.ip_address(text)
        assert str(address) == text
        assert address in net.prefixes[code >> 40]
    assert any("::" in text for text in written)
    # The same code is the same address, and hardly two are one.
    assert net.text(codes[::-1]).to_pylist() == written[::-1]
    assert len(set(written)) > 0.97 * len(set(codes.tolist()))


def test_hexes_are_the_values_in_hexadecimal() -> None:
    values = mix(np.uint64(3), np.arange(500))
    for digits in (4, 10, 12, 16):
        assert hexes(values, "x_", digits).to_pylist() == [f"x_{value:016x}"[:2] + f"{value:016x}"[16 - digits:]
                                                           for value in values.tolist()]
    assert len(hexes(values[:0], "x_")) == 0


def test_further_draws_are_uniform_normal_and_unrelated() -> None:
    bits = mix(np.uint64(3), np.arange(20_000))
    one, other = as_uniform(again(bits, "one")), as_uniform(again(bits, "other"))
    assert kstest(one, "uniform").pvalue > 1e-3
    assert kstest(as_normal(again(bits, "normal")), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert abs(np.corrcoef(as_uniform(bits), one)[0, 1]) < 0.03
    assert len(np.unique(again(bits, "one"))) == len(np.unique(bits))


@pytest.mark.parametrize("span", [0, 3, 1 << 40, 1 << 50])
def test_merging_is_by_time_then_by_chance(span: int) -> None:
    rng = np.random.default_rng(span)
    several = [Rows.make(rng.integers(0, span + 1, count), np.arange(count), np.arange(count), stream=number)
               for number, count in enumerate((300, 0, 200))]
    out = merged(several, np.uint64(8))
    ts = np.concatenate([rows.ts for rows in several])
    assert out.ts.tolist() == sorted(ts.tolist())
    order = np.lexsort((mix(np.uint64(8), np.arange(len(ts))), ts))
    assert out.account.tolist() == np.concatenate([rows.account for rows in several])[order].tolist()
    assert Counter(out.owner.tolist()) == {0: 300, 2: 200}
    assert (out.stream == out.owner).all()
    back = out.rows(np.flatnonzero(out.owner == 2))
    assert sorted(back.ts.tolist()) == sorted(several[2].ts.tolist())
    assert back.account.dtype == np.int64


def test_actors_answer_for_any_rows_at_any_time(tmp_path: Path) -> None:
    """Other processes render rows whose days they never made: what an actor says depends on the rows alone."""
    from stillwatch.proof.cast import staged
    from stillwatch.proof.scenario import load

    assert set(TOLD) <= set(ACTORS)
    told = load(scenario(tmp_path))
    _, made = staged(told, 4, 1.0)
    _, fresh = staged(told, 4, 1.0)
    for one, other in zip(made, fresh, strict=True):
        rows = Rows.joined([one.day(day) for day in range(5)])
        half = np.flatnonzero(np.arange(len(rows)) % 2)
        # In another order, and in part.
        for make in ("addresses", "models", "operations"):
            assert (getattr(one, make)(rows)[half] == getattr(other, make)(rows.take(half))).all(), (one.name, make)
        said, again_said = one.speech(rows), other.speech(rows.take(half))
        assert said.prompt.take(half).equals(again_said.prompt), one.name
        assert pc.fill_null(said.system.take(half), "").equals(pc.fill_null(again_said.system, "")), one.name
        assert (said.capability[half] == again_said.capability).all()


# The command's words.

def test_listing_and_describing_count_at_the_scale() -> None:
    listed = {line.split()[0]: line for line in list_scenarios(0.1).splitlines()}
    assert "5,500" in listed["demo"]
    told = describe("demo", 2.0)
    assert "110,000" in told
    assert "Quiet Heron" in told
    for bad in (0.0, -1.0, 1e9):
        with pytest.raises(UsageError, match="scale"):
            describe("demo", bad)
        with pytest.raises(UsageError, match="scale"):
            list_scenarios(bad)


def test_the_scenario_in_the_help_is_one() -> None:
    lines = (command.simulate.__doc__ or "").split("models and actors:")[1].splitlines()
    own = read("\n".join(line.removeprefix("      ") for line in lines if line.strip()), "help")
    assert own.name == "mine"
    assert {actor.actor for actor in own.actors} > {"campaign"}
