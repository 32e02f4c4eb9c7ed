"""A scan: logs in, a findings folder out."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.digests import code_digest, file_digest
from stillwatch.engine import Engine, connect_as, engine_versions
from stillwatch.folders import check_target, new_folder
from stillwatch.judge import Candidate, Judged, shipped
from stillwatch.link import Linked
from stillwatch.pipeline.assess import Claims, Rules, likely_members
from stillwatch.pipeline.candidates import findings_tables
from stillwatch.pipeline.crew import peak_memory
from stillwatch.pipeline.decided import rulings_of, told_decisions
from stillwatch.pipeline.decoys import Decoys
from stillwatch.pipeline.folds import told_folds
from stillwatch.pipeline.kept import Kept
from stillwatch.pipeline.lifecycle import Lifecycle, lifecycle, with_lives
from stillwatch.pipeline.looking import told_looks
from stillwatch.pipeline.observing import Reduced, ScanInputs
from stillwatch.pipeline.stages import Stages
from stillwatch.pipeline.standing import told_standing
from stillwatch.pipeline.watch import Clock, Quiet, Watcher
from stillwatch.schema import EDGES, GROUPS, SIGHTINGS, Table, conform
from stillwatch.settings import DeploymentKey, Settings

_FOUND = ["campaign_id", "verdict", "probability", "q_value", "accounts", "exchanges", "phase", "history",
          "detectable_at"]

__all__ = ["is_findings", "scan"]


def is_findings(folder: Path) -> bool:
    """Whether a folder holds findings, so that a new scan may take its place."""
    return (folder / "summary.json").is_file() and (folder / "campaigns.parquet").is_file()


def scan(inputs: ScanInputs, out: Path, *, settings: Settings, key: DeploymentKey,
         watcher: Watcher | None = None, keep_work: bool = False) -> dict[str, Any]:
    """Read logs, find campaigns, write a findings folder; returns its summary.

    The folder appears whole or not at all. What a scan that did not end had finished is in ``out`` + ``.work``, and the
    same call goes on from there; with ``keep_work`` it stays after the end too, so that a call with one changed setting
    redoes only what follows from it. Raises ``StillwatchError`` for calls and inputs that cannot be
    used; bad records are quarantined instead.
    """
    check_target(out, is_findings, "findings folder")
    beside = _beside(inputs)
    clock = Clock(watcher or Quiet())
    rules = Rules(settings, key, shipped(), rulings_of(inputs.cases))
    # What is staged by another engine may lie elsewhere.
    keeping = (Kept.open(out, key, keep=keep_work, watcher=watcher) if settings.engine == "duckdb"
               else nullcontext(Kept(None, key)))
    with (
        keeping as kept,
        new_folder(out, is_findings, "findings folder") as draft,
        _scratch(draft) as work,
        connect_as(settings, scratch=work) as engine,
    ):
        stages = Stages(inputs, rules, clock, kept)
        reduced = stages.observe(engine, work / "staged")
        claims = stages.claims(engine, reduced)
        decoys = stages.decoys(reduced, claims, likely_members(claims, rules.explanations, settings.prior))
        with clock.stage("judging"):
            q, floor, per_set = decoys.q_values(claims.scores)
            judged = rules.judged(reduced, claims, q, floor)
        stands, halves = stages.doubts(engine, reduced, _harvesting(claims, judged))
        judged = told_folds(told_standing(judged, stands), halves)
        looks = stages.looks(engine, reduced, judged)
        judged = told_looks(judged, looks)
        with clock.stage("reading lives"):
            cycle = lifecycle(engine, reduced, claims.work.exchanges)
            judged = with_lives(judged, cycle)
        with clock.stage("writing findings"):
            _write_tables(engine, draft, reduced, claims, judged, cycle, key)
            summary = _outcome(reduced, claims, decoys, judged)
            if claims.found.candidates:
                summary["decoys"] |= {"floor": floor, "q": per_set}
            summary["launches"] = cycle.launches
            summary |= {"conditional_on": rules.explanations.made_from, "looks": looks.as_dict()}
        shutil.copyfile(reduced.ingested.quarantine, draft / "quarantine.jsonl")
        summary |= _about(inputs, reduced, settings, key)
        summary |= {"beside": beside, "decisions": told_decisions(rules.rulings, judged, key)}
        summary |= {"timings": clock.seconds, "kept_from_before": clock.resumed}
        # An upper bound where processes made decoys: each may have held its most at another time.
        summary["peak_memory_bytes"] = peak_memory() + decoys.peak_memory
        (draft / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", "utf-8")
    return summary


def _harvesting(claims: Claims, judged: Judged) -> list[Candidate]:
    """The candidates that harvesting explains best."""
    names = set(judged.campaigns.filter(pc.equal(judged.campaigns["verdict"], "distillation"))
                ["campaign_id"].to_pylist())
    return [candidate for candidate in claims.found.candidates if candidate.group_id in names]


@contextmanager
def _scratch(draft: Path) -> Iterator[Path]:
    """A folder for what must not outlive the run, inside the draft so that it goes wherever the draft goes."""
    folder = Path(tempfile.mkdtemp(prefix=".work-", dir=draft))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_tables(engine: Engine, draft: Path, reduced: Reduced, claims: Claims, judged: Judged,
                  cycle: Lifecycle, key: DeploymentKey) -> None:
    """Write every table of the findings."""
    tables = findings_tables(engine, claims.work, reduced.staged, reduced.text_table, judged)
    tables |= cycle.tables | {"sightings": (SIGHTINGS, reduced.sightings), "edges": (EDGES, claims.linked.edge_table()),
               "groups": (GROUPS, claims.linked.group_table(key))}
    for name, (table, data) in tables.items():
        _write(data, table, draft / f"{name}.parquet")


def _outcome(reduced: Reduced, claims: Claims, decoys: Decoys, judged: Judged) -> dict[str, Any]:
    """What came out, in numbers."""
    linked = claims.linked
    return {
        "campaigns": judged.campaigns.num_rows,
        "found": [{name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
                  for row in judged.campaigns.select(_FOUND).to_pylist()],
        "detections": judged.detections,
        "accused": judged.accused,
        "accounts": reduced.profiles.num_rows,
        "decoys": {"made": decoys.made, "wanted": decoys.wanted, "seconds": decoys.seconds}
        if claims.found.candidates else {},
        "caps": _caps(linked),
        "links": {"m": dict(zip(linked.model.families, map(float, linked.model.m), strict=True)),
                  "prior": linked.model.prior, "candidate_pairs": len(linked.pairs), "edges": len(linked.edges)},
    }


def _write(data: pa.Table, table: Table, path: Path) -> None:
    """Write a table as declared, rows in the order of its key."""
    data = conform(data, table)
    if table.key:
        data = data.sort_by([(name, "ascending") for name in table.key])
    pq.write_table(data, path, compression="zstd")


def _caps(linked: Linked) -> list[dict[str, Any]]:
    """What was capped: values too popular to make pairs of."""
    capped: dict[str, int] = {}
    for value in linked.pairs.capped:
        kind = linked.incidence.kinds[linked.incidence.kind[value]]
        capped[kind] = capped.get(kind, 0) + 1
    return [{"kind": kind, "value_count": count,
             "note": f"seen with more than {linked.pairs.largest:,} accounts: makes no pairs of its own"}
            for kind, count in sorted(capped.items())]


def _beside(inputs: ScanInputs) -> list[dict[str, str]]:
    """The files that were given beside the logs, by role, as they were before they were read."""
    given = [("accounts", inputs.accounts), ("launches", inputs.launches), ("agreements", inputs.agreements),
             ("mapping", inputs.mapping), *(("networks", path) for path in inputs.networks)]
    return [{"role": role, "path": path.name, "digest": file_digest(path)} for role, path in given
            if path is not None and path.is_file()]


def _about(inputs: ScanInputs, reduced: Reduced, settings: Settings, key: DeploymentKey) -> dict[str, Any]:
    """Where the findings come from: inputs, counts, settings, versions."""
    ingested = reduced.ingested
    span = reduced.profiles
    times = [t for t in (*span["first_seen"].to_pylist(), *span["last_seen"].to_pylist()) if t is not None]
    return {
        "version": __version__,
        "code": code_digest(),
        "command": "scan",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": settings.seed,
        "engine": settings.engine,
        "versions": engine_versions(settings.engine) | {"pyarrow": pa.__version__},
        "key_fingerprint": key.fingerprint,
        "format": inputs.format,
        "settings": settings.model_dump(mode="json"),
        "inputs": [{"path": f.path, "format": f.format, "container": f.container, "compression": f.compression,
                    "digest": f.digest, **f.counts.as_dict(), **({"broken": f.broken} if f.broken else {})}
                   for f in ingested.files],
        "counts": ingested.counts.as_dict(),
        "exchanges_without_account": ingested.unknown_accounts,
        "set_aside": ingested.set_aside,
        "text_elsewhere": ingested.elsewhere,
        "span": {"first": min(times).isoformat(), "last": max(times).isoformat()} if times else None,
        "missing": reduced.missing,
        "notes": ["Probabilities are conditional on simulated alternatives."],
    }
