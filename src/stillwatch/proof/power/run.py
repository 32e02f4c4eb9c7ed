"""The whole of `power`: decide what to scan, scan what is not scanned yet, write down what would be found."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.errors import InputError
from stillwatch.pipeline import Clock, Quiet, ScanInputs, Watcher
from stillwatch.proof.power.crew import Crew, Task
from stillwatch.proof.power.grid import REFERENCE, Plan, Point, plan
from stillwatch.proof.power.logs import Base, read_base
from stillwatch.proof.power.results import axes, table
from stillwatch.proof.power.store import NOTICE, Store, sources_of, stats_of
from stillwatch.proof.power.trial import Outcome
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["Wanted", "power"]

_EVERY = 30.0
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What a call asks for; see ``grid.plan``. ``seconds`` bounds the time in which scans are begun."""

    axes: tuple[str, ...] = ()
    steps: int | None = None
    repeats: int = 3
    quick: bool = False
    seconds: float | None = None
    processes: int | None = None
    reference: Point = REFERENCE

    def plan(self, seed: int, days: float | None) -> Plan:
        """The plan, for logs of so many days where that is known."""
        return plan(self.axes or None, self.steps, self.repeats, seed, quick=self.quick, days=days,
                    reference=self.reference)


def power(inputs: ScanInputs, out: Path, wanted: Wanted, *, settings: Settings, key: DeploymentKey,
          watcher: Watcher | None = None, tell: Tell | None = None) -> dict[str, Any]:
    """Plant campaigns in the logs in memory, scan, and say at which limit they are found; returns the summary.

    The folder ``out`` holds every outcome as soon as it is there: what was done is not done again, and a run that
    was interrupted ends as one that was not. Logs are only read. ``tell`` is given what a person should know
    meanwhile. Raises ``StillwatchError`` for calls and inputs that cannot be used.
    """
    watcher, tell = watcher or Quiet(), tell or (lambda _: None)
    started = time.monotonic()
    first = wanted.plan(settings.seed, None)  # a wrong call fails before anything is read
    processes = wanted.processes or min(len(os.sched_getaffinity(0)), 8)
    seen_as = stats_of(inputs)
    source = sources_of(inputs, settings, key, settings.seed)
    with Store.open(out, source) as store, ExitStack() as stack:
        base: Base | None = None
        facts = store.facts()

        def read() -> Base:
            work = stack.enter_context(store.scratch())
            each = settings.threads or max(1, (os.cpu_count() or 1) // processes)
            made = read_base(inputs, work / "staged", settings=settings.model_copy(update={"threads": each}), key=key,
                             seed=settings.seed, clock=Clock(watcher))
            if stats_of(inputs) != seen_as:
                raise InputError("the logs changed while they were read", remedy="give logs that are no longer written")
            return made

        if facts is None:
            tell(f"{NOTICE}. Up to {len(first.tasks):,} scans of these logs; how long they take is said after the"
                 " first.")
            base = read()
            facts = _facts(base)
            store.put_facts(facts)
        decided = wanted.plan(settings.seed, facts["days"])
        outcomes = {task: held for task in decided.tasks if (held := store.get(*task)) is not None}
        left = [task for task in decided.tasks if task not in outcomes]
        tell(_beforehand(decided, len(outcomes), settings))
        if left:
            base = base or read()
            work = stack.enter_context(store.scratch())
            until = None if wanted.seconds is None else started + wanted.seconds
            _scan(base, work, left, store, outcomes, min(processes, len(left)), until, watcher, tell)
        return _write(store, decided, outcomes, facts, source, settings)


def _beforehand(decided: Plan, done: int, settings: Settings) -> str:
    planted, without = len(decided.points) * decided.repeats, len(decided.baselines)
    said = (f"{len(decided.tasks):,} scans: {planted:,} with a campaign planted ({len(decided.points):,} settings ×"
            f" {decided.repeats} repeats) and {without:,} without; {done:,} of them are done already. Each makes up to"
            f" {settings.decoys:,} decoys, as a scan does: most of its time. --decoys makes fewer.")
    if settings.decoys < 99:
        said += (f" With {settings.decoys:,} decoys a q-value of 0.01 needs at least"
                 f" {-(-100 // (settings.decoys + 1)):,} groups in one scan: fewer campaigns are detected than could"
                 " be.")
    return said


def _scan(base: Base, work: Path, left: list[Task], store: Store, outcomes: dict[Task, Outcome], processes: int,
          until: float | None, watcher: Watcher, tell: Tell) -> None:
    """Make the scans that are left, keeping each outcome as soon as it is there."""
    watcher.stage("planted scans", len(left))
    spent, said, slow = 0.0, 0.0, False
    with Crew(base, work, processes) as crew:
        for done, (task, outcome, seconds) in enumerate(crew.run(left, until), start=1):
            store.put(*task, outcome)
            outcomes[task] = outcome
            spent += seconds
            watcher.tick(done)
            now = time.monotonic()
            if task[0].accounts and (said == 0.0 or now - said >= _EVERY) and done < len(left):
                tell(f"{done:,} of {len(left):,} scans done, {spent / done:.1f} s each:"
                     f" about {_duration(spent / done * (len(left) - done) / processes)} left.")
                said = now
            if outcome.decoys and seconds > base.settings.decoy_seconds and not slow:
                slow = True
                tell(f"A scan stops making decoys after {base.settings.decoy_seconds:g} s; here all are made, however"
                     " long it takes. Scan with --decoy-seconds raised, or fewer campaigns will be found than said"
                     " here.")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _facts(base: Base) -> dict[str, Any]:
    """What the summary says of the logs."""
    here = base.here
    return {"days": here.days, "exchanges": here.exchanges, "accounts": len(here.accounts),
            "accounts_table": here.listed is not None, "columns": sorted(here.present)}


def _write(store: Store, decided: Plan, outcomes: Mapping[Task, Outcome], facts: Mapping[str, Any],
           source: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Write the table and the summary; nothing in them says when or how fast they were made."""
    made = {task: outcomes[task] for task in decided.tasks if task in outcomes}
    baseline = made.get((Point(0, 0), 0))
    summary = {
        "notice": NOTICE,
        "version": __version__,
        "command": "power",
        "complete": len(made) == len(decided.tasks),
        "scans": {"planned": len(decided.tasks), "done": len(made)},
        "reference": asdict(decided.reference) | {"evasion": dict(decided.reference.evasion)},
        "repeats": decided.repeats,
        "seed": decided.seed,
        "largest_plant": max(point.accounts for point in decided.points),
        "logs": dict(facts),
        "accused_without_plant": None if baseline is None else len(baseline.accused),
        "axes": axes(decided, made),
        "settings": source["settings"],
        "versions": source["versions"],
        "inputs": source["logs"],
        "conditional_on": "simulated campaigns: what is not simulated is not measured",
    }
    held = io.BytesIO()
    pq.write_table(table(decided, made, NOTICE), held, compression="zstd")
    store.write(store.folder / "power.parquet", held.getvalue())
    summary = json.loads(json.dumps(summary))
    store.write(store.folder / "summary.json", json.dumps(summary, indent=1, sort_keys=True).encode() + b"\n")
    return dict(summary)
