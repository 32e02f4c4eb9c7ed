"""Writes labelled traffic: the only thing that `simulate` ever does is to write files."""

from __future__ import annotations

import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.errors import StillwatchError, UsageError
from stillwatch.folders import new_folder
from stillwatch.proof.actors import Actor
from stillwatch.proof.cast import check_scale, is_mute, staged
from stillwatch.proof.crew import Crew, Task
from stillwatch.proof.draws import sub, uniforms
from stillwatch.proof.parts import TRUTH_OPTIONS, Part, file_rows, write_part
from stillwatch.proof.pilot import Pilot, check_space, declared, roomy
from stillwatch.proof.prompts import HALVES, mute_library
from stillwatch.proof.render import TRUTH_SCHEMA, Renderer
from stillwatch.proof.rows import Merged, Rows, merged
from stillwatch.proof.scenario import Scenario, load
from stillwatch.proof.sides import Tally, write_accounts, write_agreements, write_groups, write_launches
from stillwatch.proof.world import DAY, SECOND, World

__all__ = ["MARKER", "simulate"]

MARKER = "simulated.json"
# Fewer exchanges than this are written before other processes would have started.
_INLINE = 300_000

Tick = Callable[[int, int], None]


def simulate(scenario: str | Path | Scenario, out: Path, *, scale: float = 1.0, seed: int = 0,
             prompts: str | None = None, workers: int | None = None, tick: Tick | None = None) -> dict[str, Any]:
    """Write a scenario's traffic and its truth to the folder ``out``; returns counts.

    The same scenario, scale, seed and half give the same bytes, whatever the number of ``workers`` (0: none but this
    process; by default one for each core, and none for small scenarios). ``prompts`` (A or B) replaces the
    scenario's half of the prompts: the same traffic in words that nothing was developed on.
    ``tick(done, total)`` is called with exchanges as files are written; the total is an estimate to the end. The folder
    appears whole or not at all; one that holds anything but an earlier simulation is refused with ``UsageError``.
    Raises ``StillwatchError`` before it begins where the disk is too small for it.
    """
    check_scale(scale)
    if seed < 0:
        raise UsageError(f"seed {seed} is negative", remedy="give a seed of 0 or more")
    if workers is not None and not 0 <= workers <= 1_000:
        raise UsageError(f"{workers} workers are out of range", remedy="give 0 to 1000")
    told = scenario if isinstance(scenario, Scenario) else load(scenario)
    if prompts is not None:
        if prompts not in HALVES:
            raise UsageError(f"there is no half {prompts!r} of the prompts", remedy="use A or B")
        told = told.model_copy(update={"prompts": prompts})
    out = Path(out)
    try:
        with new_folder(out, _is_simulation, "simulation") as draft:
            return _Simulation(told, draft, scale, seed).run(workers, tick or (lambda done, total: None))
    except OSError as error:
        raise StillwatchError(f"writing {out} failed: {error.strerror or type(error).__name__}",
                              remedy="check free space and permissions; nothing was left behind") from error


def _is_simulation(folder: Path) -> bool:
    return (folder / MARKER).is_file()


class _Simulation:
    """One run: actors make a day's rows as numbers, which are merged by time and cut into files."""

    def __init__(self, scenario: Scenario, folder: Path, scale: float, seed: int) -> None:
        self.scenario, self.folder, self.scale, self.seed = scenario, folder, scale, seed
        self.expected = declared(scenario, seed, scale)

    def run(self, workers: int | None, tick: Tick) -> dict[str, Any]:
        """Write everything; returns counts."""
        if workers is None:
            workers = 0 if self.expected < _INLINE else os.cpu_count() or 1
        told, mute = (self.scenario, self.seed, self.scale), is_mute(self.scenario)
        with ExitStack() as stack:
            # Workers start while the world is made.
            crew = stack.enter_context(Crew(workers)) if workers else None
            world, actors = staged(*told)
            pilot = Pilot(world, actors) if mute or not self._small() else None
            lengths = pilot.lengths() if mute and pilot is not None else None
            if pilot is not None:
                check_space(pilot, self.folder)
                self.expected = pilot.expected
            if mute:
                world.prompts = mute_library(self.scenario.prompts)
            for name in ("exchanges", "truth"):
                (self.folder / name).mkdir()
            if crew is not None:
                crew.begin(Task(*told, lengths, self.folder / "exchanges"))
            write = crew.submit if crew is not None else _at_once(Renderer(world, actors, lengths),
                                                                  self.folder / "exchanges")
            files = stack.enter_context(_Files(self.folder, self.expected, write, workers + 1, tick))
            tallies = [Tally.of(actor) for actor in actors]
            for rows in _days(world, tallies):
                files.add(rows)
            files.finish()
        return self._beside(world, tallies, files)

    def _small(self) -> bool:
        """Whether there is nothing to try out first: it takes a moment, and there is room for it."""
        return self.expected < _INLINE and roomy(2 * self.expected, shutil.disk_usage(self.folder).free)

    def _beside(self, world: World, tallies: list[Tally], files: _Files) -> dict[str, Any]:
        """Write everything but exchanges and their labels; returns counts."""
        actors = [tally.actor for tally in tallies]
        counts = {
            "scenario": self.scenario.name, "seed": self.seed, "scale": self.scale, "prompts": self.scenario.prompts,
            "exchanges": files.count, "labelled_exchanges": sum(tally.labelled for tally in tallies),
            "accounts": write_accounts(world, actors, self.folder), "groups": write_groups(tallies, self.folder),
            "actors": {tally.actor.name: {"label": tally.actor.label, "accounts": tally.actor.count,
                                          "exchanges": tally.rows} for tally in tallies},
        }
        write_launches(world, self.folder)
        write_agreements(actors, self.folder)
        (self.folder / MARKER).write_text(json.dumps(counts, indent=1, sort_keys=True) + "\n", "utf-8")
        return counts


def _days(world: World, tallies: list[Tally]) -> Iterator[Merged]:
    """The rows of one day after the other, each in order of time; what ends later is held back until then."""
    pending = [Rows.none() for _ in tallies]
    for day in range(world.days):
        end = min(world.start + (day + 1) * DAY, world.end)
        today = []
        for number, tally in enumerate(tallies):
            rows = Rows.joined([pending[number], _retried(world, tally.actor, tally.actor.day(day))])
            due = rows.ts < end
            # What would come after the last day is past the end of the logs.
            pending[number] = rows.take(~due)
            today.append(rows.take(due))
            tally.add(today[-1])
        yield merged(today, world.key("ties", str(day)))


def _retried(world: World, actor: Actor[Any], rows: Rows) -> Rows:
    """Some requests are sent again a moment later, by whoever sends them."""
    again = uniforms(sub(actor.key, "retry"), rows.conv, rows.turn, rows.ts) < world.scenario.retries
    repeated = rows.take(again)
    wait = 0.5 + 20.0 * uniforms(sub(actor.key, "wait"), repeated.conv, repeated.turn) ** 2
    repeated.ts = repeated.ts + (wait * SECOND).astype(np.int64)
    return Rows.joined([rows, repeated])


def _at_once(renderer: Renderer, folder: Path) -> Callable[[Part], Future[pa.Table]]:
    """Writes files in this process."""

    def write(part: Part) -> Future[pa.Table]:
        done: Future[pa.Table] = Future()
        done.set_result(write_part(renderer, folder, part))
        return done

    return write


class _Files:
    """Cuts rows into files of one size, has them written, and writes their labels in order."""

    def __init__(self, folder: Path, expected: int, write: Callable[[Part], Future[pa.Table]], ahead: int,
                 tick: Tick) -> None:
        self.count = 0
        self._expected, self._size = expected, file_rows(expected)
        self._write, self._ahead, self._tick = write, ahead, tick
        self._held: list[Merged] = []
        self._number = self._first = self._done = 0
        self._waiting: deque[tuple[int, Future[pa.Table]]] = deque()
        self._truth = pq.ParquetWriter(folder / "truth" / "exchanges.parquet", TRUTH_SCHEMA, **TRUTH_OPTIONS)

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        self._truth.close()

    def add(self, rows: Merged) -> None:
        """Take further rows, later than all before."""
        start = 0
        while start < len(rows):
            stop = min(len(rows), start + self._first + self._size - self.count)
            self._held.append(rows.part(start, stop))
            self.count += stop - start
            start = stop
            if self.count - self._first == self._size:
                self._cut()

    def finish(self) -> None:
        """Write what is left, and wait for everything."""
        if self._held or not self._number:
            self._cut()
        while self._waiting:
            self._finish_one()
        self._tick(self.count, self.count)

    def _cut(self) -> None:
        part = Part(self._number, self._first, Merged.joined(self._held))
        self._held, self._first, self._number = [], self.count, self._number + 1
        self._waiting.append((len(part.rows), self._write(part)))
        # Few files wait in memory: where writing is slower than making rows, making rows waits.
        while self._waiting and (len(self._waiting) > self._ahead or self._waiting[0][1].done()):
            self._finish_one()

    def _finish_one(self) -> None:
        rows, future = self._waiting.popleft()
        labels = future.result()
        if labels.num_rows:
            self._truth.write_table(labels)
        self._done += rows
        self._tick(self._done, max(self._expected, self._done))
