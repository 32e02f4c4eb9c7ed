"""A scan: logs in, a findings folder out."""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.engine import Engine, Relation, connect, engine_versions
from stillwatch.folders import check_target, new_folder
from stillwatch.ingest import Ingested, ingest, read_accounts, read_agreements, read_launches
from stillwatch.judge import Explanations, judge, measure, q_values, shipped, strata
from stillwatch.judge import Knowledge as JudgeKnowledge
from stillwatch.link import Linked, link
from stillwatch.observe import (
    Networks,
    Observed,
    TextReducer,
    addresses,
    blocks,
    content,
    fixed_sightings,
    moving_sightings,
    profiles,
)
from stillwatch.pipeline.candidates import (
    AttributedWork,
    Candidates,
    attribute,
    candidates_of,
    findings_tables,
    score_decoys,
)
from stillwatch.pipeline.watch import Clock, Quiet, Watcher
from stillwatch.schema import EDGES, FAMILY_OF, GROUPS, SIGHTINGS, Table, conform
from stillwatch.settings import DeploymentKey, Settings

_FOUND = ["campaign_id", "verdict", "probability", "q_value", "accounts", "exchanges"]

__all__ = ["Reduced", "ScanInputs", "is_findings", "observe", "scan"]


@dataclass(frozen=True)
class ScanInputs:
    """What a scan reads: logs, and what is known beside them."""

    logs: Sequence[str]
    accounts: Path | None = None
    launches: Path | None = None
    agreements: Path | None = None
    networks: Sequence[Path] = ()
    format: str | None = None
    mapping: Path | None = None


@dataclass
class Reduced:
    """Everything that the statistics need, reduced from the exchanges; no raw text."""

    ingested: Ingested
    staged: Relation
    texts: Relation
    text_table: pa.Table
    accounts: pa.Table | None
    agreements: pa.Table | None
    known_addresses: pa.Table
    blocks: pa.Table
    content: pa.Table
    profiles: pa.Table
    sightings_fixed: pa.Table
    sightings: pa.Table
    missing: list[dict[str, str]] = field(default_factory=list)


def is_findings(folder: Path) -> bool:
    """Whether a folder holds findings, so that a new scan may take its place."""
    return (folder / "summary.json").is_file() and (folder / "campaigns.parquet").is_file()


def scan(inputs: ScanInputs, out: Path, *, settings: Settings, key: DeploymentKey,
         watcher: Watcher | None = None) -> dict[str, Any]:
    """Read logs, find campaigns, write a findings folder; returns its summary.

    The folder appears whole or not at all. Raises ``StillwatchError`` for calls and inputs that cannot be
    used; bad records are quarantined instead.
    """
    check_target(out, is_findings, "findings folder")
    clock = Clock(watcher or Quiet())
    explanations = shipped()
    with (
        new_folder(out, is_findings, "findings folder") as draft,
        _scratch(draft) as work,
        connect(settings.engine, threads=settings.threads, memory=settings.memory, scratch=work) as engine,
    ):
        reduced = observe(engine, inputs, work / "staged", settings=settings, key=key, clock=clock)
        with clock.stage("linking accounts"):
            linked = link(reduced.sightings, FAMILY_OF, seed=settings.seed)
            found = candidates_of(linked, reduced.sightings, key)
            work_of = attribute(engine, reduced.staged, reduced.texts, reduced.content, found.members)
            measured = measure(engine, work_of.exchanges, found.members, reduced.accounts, reduced.blocks)
        decoys = _decoys(reduced, linked, found, settings, clock)
        with clock.stage("judging"):
            summary = _conclude(engine, draft, reduced, linked, found, work_of, measured, decoys, explanations,
                                settings, key)
        shutil.copyfile(reduced.ingested.quarantine, draft / "quarantine.jsonl")
        summary |= _about(inputs, reduced, settings, key)
        summary["timings"] = clock.seconds
        (draft / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", "utf-8")
    return summary


@contextmanager
def _scratch(draft: Path) -> Iterator[Path]:
    """A folder for what must not outlive the run, inside the draft so that it goes wherever the draft goes."""
    folder = Path(tempfile.mkdtemp(prefix=".work-", dir=draft))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def observe(engine: Engine, inputs: ScanInputs, staged_at: Path, *, settings: Settings, key: DeploymentKey,
            clock: Clock | None = None) -> Reduced:
    """Read the logs and reduce them to the tables that the statistics need."""
    clock = clock or Clock(Quiet())
    accounts = read_accounts(inputs.accounts, key=key) if inputs.accounts else None
    agreements = read_agreements(inputs.agreements, key=key) if inputs.agreements else None
    if inputs.launches:
        read_launches(inputs.launches, key=key)
    networks = Networks.load(inputs.networks)
    reducer = TextReducer(key, seed=settings.seed)
    read = 0

    def tick(_: str, records: int) -> None:
        nonlocal read
        read += records
        clock.watcher.tick(read)

    with clock.stage("reading logs"):
        ingested = ingest(inputs.logs, staged_at, settings=settings, key=key, engine=engine, format=inputs.format,
                          mapping=inputs.mapping, reduce=reducer, tick=tick)
    with clock.stage("comparing texts"):
        text_table = reducer.texts()
    with clock.stage("collecting sightings"):
        staged = engine.parquet(ingested.parts)
        texts = engine.table(text_table)
        known = networks.describe(addresses(engine, staged, accounts))
        seen_at = blocks(engine, staged, known, key)
        sent = content(engine, staged, texts)
        fixed = fixed_sightings(Observed(seen_at, sent, accounts, known), key)
        moving = moving_sightings(seen_at, known)
        return Reduced(ingested, staged, texts, text_table, accounts, agreements, known, seen_at, sent,
                       profiles(engine, staged), fixed, pa.concat_tables([fixed, moving]),
                       _missing(ingested, accounts))


def _missing(ingested: Ingested, accounts: pa.Table | None) -> list[dict[str, str]]:
    """Inputs that are not there, and what that means; nothing is guessed in their place."""
    here = ingested.present
    gone = []
    if ingested.counts.kept and ingested.unknown_accounts == ingested.counts.kept:
        gone.append(("account_id", "no record names an account, so nothing can be linked and nobody can be accused"))
    elif ingested.unknown_accounts:
        gone.append(("account_id", f"{ingested.unknown_accounts:,} exchanges name no account: counted, never linked"))
    if "ip" not in here:
        gone.append(("ip", "no client addresses: accounts cannot be linked by network"))
    if not here & {"user_agent", "sdk", "ja4"}:
        gone.append(("user_agent, sdk, ja4", "no client fingerprints: accounts cannot be linked by client"))
    if "prompt" not in here:
        gone.append(("prompt", "no text: accounts cannot be linked by content, and what they ask for is not known"))
    if accounts is None:
        gone.append(("accounts", "no accounts table: accounts cannot be linked by payment or identity, and"
                     " organisations, programmes and sign-up times are not known"))
    return [{"input": name, "effect": effect} for name, effect in gone]


def _decoys(reduced: Reduced, linked: Linked, found: Candidates, settings: Settings, clock: Clock) -> dict[str, Any]:
    """Scores of decoy groups: a set made from all accounts, and one without the candidates' own rows."""
    sets: dict[str, list[list[float]]] = {"all": [], "without_candidates": []}
    started = time.monotonic()
    if not found.candidates:
        return {"sets": sets, "made": 0, "wanted": settings.decoys, "seconds": 0.0}
    with clock.stage("making decoys", settings.decoys * 2):
        inside = set(found.members["account_id"].to_pylist())
        of_account = strata(reduced.profiles, reduced.accounts, inside)
        done = 0
        for number in range(settings.decoys):
            if time.monotonic() - started > settings.decoy_seconds:
                break
            for name, left_out in (("all", set()), ("without_candidates", inside)):
                sets[name].append(score_decoys(reduced.blocks, reduced.sightings_fixed, reduced.known_addresses,
                                               of_account, linked, left_out, settings.seed + 1 + number))
                done += 1
                clock.watcher.tick(done)
    return {"sets": sets, "made": len(sets["all"]), "wanted": settings.decoys,
            "seconds": round(time.monotonic() - started, 3)}


def _conclude(engine: Engine, draft: Path, reduced: Reduced, linked: Linked, found: Candidates,
              work_of: AttributedWork, measured: dict[str, Any], decoys: dict[str, Any], explanations: Explanations,
              settings: Settings, key: DeploymentKey) -> dict[str, Any]:
    """Judge, write every table, and say in numbers what came out."""
    scores = [candidate.score for candidate in found.candidates]
    per_set = {name: q_values(scores, made) for name, made in decoys["sets"].items()}
    q = [max(values) for values in zip(*(q for q, _ in per_set.values()), strict=True)]
    floor = max(floor for _, floor in per_set.values())
    knowledge = JudgeKnowledge(reduced.accounts, reduced.agreements, reduced.profiles, work_of.by_account,
                               [f"{gone['input']}: {gone['effect']}" for gone in reduced.missing])
    judged = judge(found.candidates, measured, q, floor, explanations, settings.prior, knowledge)
    tables = findings_tables(engine, work_of, reduced.staged, reduced.text_table, judged)
    tables |= {"sightings": (SIGHTINGS, reduced.sightings), "edges": (EDGES, linked.edge_table()),
               "groups": (GROUPS, linked.group_table(key))}
    for name, (table, data) in tables.items():
        _write(data, table, draft / f"{name}.parquet")
    return {
        "campaigns": judged.campaigns.num_rows,
        "found": judged.campaigns.select(_FOUND).to_pylist(),
        "detections": judged.detections,
        "accused": judged.accused,
        "accounts": reduced.profiles.num_rows,
        "decoys": {name: decoys[name] for name in ("made", "wanted", "seconds")}
        | {"floor": floor, "q": {name: [float(v) for v in values] for name, (values, _) in per_set.items()}}
        if found.candidates else {},
        "caps": _caps(linked),
        "conditional_on": explanations.made_from,
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


def _peak_memory() -> int:
    """Most memory that this process has held at once, resident, in bytes; getrusage(2) counts KiB, on macOS bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _about(inputs: ScanInputs, reduced: Reduced, settings: Settings, key: DeploymentKey) -> dict[str, Any]:
    """Where the findings come from: inputs, counts, settings, versions."""
    ingested = reduced.ingested
    span = reduced.profiles
    times = [t for t in (*span["first_seen"].to_pylist(), *span["last_seen"].to_pylist()) if t is not None]
    return {
        "version": __version__,
        "command": "scan",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": settings.seed,
        "engine": settings.engine,
        "versions": engine_versions() | {"pyarrow": pa.__version__},
        "key_fingerprint": key.fingerprint,
        "settings": settings.model_dump(mode="json"),
        "inputs": [{"path": f.path, "format": f.format, "container": f.container, "compression": f.compression,
                    "digest": f.digest, **f.counts.as_dict()} for f in ingested.files],
        "counts": ingested.counts.as_dict(),
        "peak_memory_bytes": _peak_memory(),
        "exchanges_without_account": ingested.unknown_accounts,
        "set_aside": ingested.set_aside,
        "span": {"first": min(times).isoformat(), "last": max(times).isoformat()} if times else None,
        "missing": reduced.missing,
        "notes": [
            "detectable_at and phase are not computed by this version: their columns are null.",
            "Probabilities are conditional on simulated alternatives.",
            *(["The launches given were checked, and are not used by this version."] if inputs.launches else []),
        ],
    }
