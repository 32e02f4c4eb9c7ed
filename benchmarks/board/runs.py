"""One run of the scoreboard: simulate, scan as a user does, score; and the baselines on the same files.

What a run found is kept in a file named by all that it depends on (scenario, seed, scale, the code), so that a stopped
scoreboard goes on where it was and a change of the code measures everything anew. The files are pickles: nothing but
this program should write to that folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
from baselines import BASELINES, Accusation

from stillwatch.engine import connect
from stillwatch.proof import simulate
from stillwatch.proof.evaluate import Evaluation, Findings, evaluate, read_truth, score
from stillwatch.schema import CAMPAIGNS

__all__ = ["Job", "Ours", "Theirs", "as_findings", "baselines_digest", "code_digest", "kept", "run", "tuned"]

BENCHMARKS = Path(__file__).parents[1]
TUNED = BENCHMARKS / "baselines" / "tuned.json"
_SCENARIOS = "data/scenarios"


@dataclass(frozen=True)
class Job:
    """One scenario at a scale, with a seed, and where what came of it is kept."""

    scenario: str
    seed: int
    scale: float
    cache: Path
    threads: int

    @property
    def name(self) -> str:
        """What the run is called where runs are pooled."""
        return f"{self.scenario} {self.seed}"

    def file(self, part: str) -> Path:
        """Where a part of the run is kept."""
        folder = resources.files("stillwatch") / _SCENARIOS
        depends = [self.scenario, self.seed, self.scale, folder.joinpath(f"{self.scenario}.yaml").read_text("utf-8"),
                   code_digest(), *([] if part == "ours" else [baselines_digest()])]
        digest = hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]
        return self.cache / f"{self.scenario}-{self.seed}-{part}-{digest}.pickle"


@dataclass(frozen=True)
class Ours:
    """What a scan found and cost; ``exchanges`` and ``accounts`` are the traffic's, memory is in bytes."""

    evaluation: Evaluation
    exchanges: int
    accounts: int
    seconds: float
    peak_memory: int


@dataclass(frozen=True)
class Theirs:
    """The baselines on the same traffic, each scored by the same rules, with the seconds that it took."""

    evaluations: Mapping[str, Evaluation]
    seconds: Mapping[str, float]


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode())
        whole.update(files[name])
    return whole.hexdigest()


def code_digest() -> str:
    """A digest of all code and data of the package, scenarios apart: each run has its own in its key."""
    root = Path(str(resources.files("stillwatch")))
    return _digest({str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
                    and path.suffix != ".pyc" and path.parent != root / _SCENARIOS})


def baselines_digest() -> str:
    """A digest of the baselines and of what they were tuned to."""
    return _digest({path.name: path.read_bytes() for path in (BENCHMARKS / "baselines").iterdir()
                    if path.suffix in (".py", ".json")})


def tuned() -> dict[str, Any]:
    """What the baselines were tuned to, and on what."""
    return dict(json.loads(TUNED.read_text("utf-8")))


def kept(job: Job, part: str) -> Any:
    """What is kept of a run, or None. A file that cannot be read counts as none."""
    try:
        return pickle.loads(job.file(part).read_bytes())
    except Exception:
        # What a torn or old pickle raises can be anything; it is made again.
        return None


def _keep(job: Job, part: str, value: object) -> None:
    job.cache.mkdir(parents=True, exist_ok=True)
    target = job.file(part)
    draft = target.with_suffix(f".{os.getpid()}.draft")
    draft.write_bytes(pickle.dumps(value))
    draft.replace(target)


def run(job: Job) -> str:
    """Make whatever is not kept yet; returns one line about it. Its traffic is removed when it is done."""
    start = time.monotonic()
    ours, theirs = kept(job, "ours"), kept(job, "theirs")
    if ours is None or theirs is None:
        with tempfile.TemporaryDirectory(prefix="stillwatch-scoreboard-") as temporary:
            traffic = Path(temporary) / "traffic"
            made = simulate(job.scenario, traffic, scale=job.scale, seed=job.seed, workers=0)
            if ours is None:
                ours = _scan(job, traffic, Path(temporary), made)
                _keep(job, "ours", ours)
            if theirs is None:
                theirs = _baselines(job, traffic)
                _keep(job, "theirs", theirs)
    counts = ours.evaluation.accounts
    return (f"{job.name}: {ours.exchanges:,} exchanges, {counts.tp} of {counts.tp + counts.fn} members accused,"
            f" {counts.fp} others, {time.monotonic() - start:.0f} s")


def _scan(job: Job, traffic: Path, temporary: Path, made: Mapping[str, Any]) -> Ours:
    key = temporary / "key"
    key.touch(0o600)
    key.write_text(f"{0:064d}\n", "ascii")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STILLWATCH_")}
    findings = temporary / "findings"
    command = [sys.executable, "-m", "stillwatch", "scan", traffic / "exchanges", "--accounts",
               traffic / "accounts.parquet", "--launches", traffic / "launches.parquet", "--out", findings, "--quiet",
               "--json", "--threads", str(job.threads), "--look-seconds", "0"]  # looking back changes no other figure
    if (agreements := traffic / "agreements.parquet").is_file():
        command += ["--agreements", agreements]
    start = time.monotonic()
    with (temporary / "said").open("w+b") as said:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=said, cwd=temporary,
                                   env=environment | {"STILLWATCH_KEY_FILE": str(key)})
        try:
            # Its own peak, not that of the largest child so far.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        if process.returncode:
            said.seek(0)
            words = said.read().decode("utf-8", "replace").strip().splitlines()
            raise RuntimeError(f"{job.name}: the scan failed with code {process.returncode}:"
                               f" {words[-1] if words else 'it said nothing'}")
    evaluation = evaluate(findings, traffic, name=job.name, threads=job.threads)
    return Ours(evaluation, made["exchanges"], made["accounts"], seconds, usage.ru_maxrss * 1024)


def _baselines(job: Job, traffic: Path) -> Theirs:
    known, truth = tuned()["baselines"], read_truth(traffic)
    measured: dict[str, tuple[Any, float]] = {}
    evaluations, seconds = {}, {}
    with connect("duckdb", threads=job.threads) as engine:
        for name, baseline in BASELINES.items():
            parameters = known[name]["parameters"]
            same = f"{baseline.module.__name__} {[parameters[key] for key in baseline.module.MEASURING]}"
            start = time.monotonic()
            if same not in measured:
                measured[same] = baseline.module.measure(traffic, parameters), time.monotonic() - start
            what, took = measured[same]
            start = time.monotonic()
            accusation = baseline.module.decide(what, parameters)
            seconds[name] = took + time.monotonic() - start
            evaluations[name] = score(engine, as_findings(accusation), truth, name=job.name)
    return Theirs(evaluations, seconds)


def as_findings(accusation: Accusation) -> Findings:
    """An accusation as a scan would have written it, so that the same code scores both."""
    groups = accusation.groups or ((accusation.accounts,) if accusation.accounts else ())
    names = [f"group {number}" for number in range(len(groups))]
    campaigns = pa.table({
        "campaign_id": pa.array(names, pa.string()),
        "verdict": pa.array(["distillation"] * len(names), pa.string()),
        "probability": pa.array([1.0] * len(names), pa.float64()),
        "q_value": pa.array([0.0] * len(names), pa.float64()),
        "detectable_at": pa.nulls(len(names), CAMPAIGNS.arrow.field("detectable_at").type),
    })
    members = [(name, account) for name, group in zip(names, groups, strict=True) for account in group]
    listed = pa.table({
        "campaign_id": pa.array([name for name, _ in members], pa.string()),
        "account_id": pa.array([account for _, account in members], pa.string()),
        "probability": pa.array([1.0] * len(members), pa.float64()),
    })
    return Findings(campaigns, listed, None)
