"""Linkage alone: anybody's sightings in, edges and groups out."""

from __future__ import annotations

import difflib
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.engine import Engine, connect_as, engine_versions
from stillwatch.folders import check_target, new_folder
from stillwatch.ingest.families import Families, read_families
from stillwatch.ingest.sightings import GivenSightings, read_sightings
from stillwatch.link import Linked, link, shared_values
from stillwatch.pipeline.watch import Clock, Quiet, Watcher
from stillwatch.schema import EDGES, FAMILY_OF, GROUPS, SIGHTINGS, conform
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["is_linkage", "link_sightings"]

_WHAT = "linkage folder"


def is_linkage(folder: Path) -> bool:
    """Whether a folder holds what linking wrote, and no findings of a scan, so that it may be replaced."""
    needed = ("summary.json", "groups.parquet", "edges.parquet", "sightings.parquet")
    return all((folder / name).is_file() for name in needed) and not (folder / "campaigns.parquet").exists()


def link_sightings(inputs: Sequence[str | Path], out: Path, *, settings: Settings, key: DeploymentKey,
                   families: Path | None = None, watcher: Watcher | None = None) -> dict[str, Any]:
    """Read sightings, link accounts, write ``edges``, ``groups``, ``sightings`` and ``summary.json``; returns the
    summary.

    The folder appears whole or not at all. Raises ``StillwatchError`` for calls and inputs that cannot be used.
    """
    check_target(out, is_linkage, _WHAT)
    declared = read_families(families)
    clock = Clock(watcher or Quiet())
    with new_folder(out, is_linkage, _WHAT) as draft:
        with clock.stage("reading sightings"):
            given = read_sightings(inputs, draft / "read", settings=settings, key=key, secret=declared.secret,
                                   tick=clock.watcher.tick)
        kept = draft / "sightings.parquet"
        with clock.stage("adding up repeats"), connect_as(settings, scratch=draft) as engine:
            _write_sightings(engine, given, kept)
        shutil.rmtree(draft / "read")
        with clock.stage("linking accounts"):
            # Nobody but link holds the table, so that it can be let go before groups are found.
            linked = link(_read(kept), declared.of, seed=settings.seed)
        groups = linked.group_table(key)
        for name, table, data in (("edges", EDGES, linked.edge_table()), ("groups", GROUPS, groups)):
            pq.write_table(conform(data, table), draft / f"{name}.parquet", compression="zstd")
        summary = _about(given, declared, settings, key) | _outcome(linked, groups, pq.read_metadata(kept).num_rows)
        summary["timings"] = clock.seconds
        (draft / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", "utf-8")
    return summary


def _write_sightings(engine: Engine, given: GivenSightings, path: Path) -> None:
    """One row an account, kind and value, ordered by them: what is written does not depend on how rows came."""
    rows = engine.parquet(given.parts)
    summed = rows.group_by("account_id", "kind", "value").agg(
        first_seen=rows.first_seen.min(), last_seen=rows.last_seen.max(), count=rows["count"].sum(),
        label=rows.label.min())
    draft = path.with_name("summed.parquet")
    engine.write(summed.order_by("account_id", "kind", "value"), draft)
    # The engine's sums are of its own type: what is kept is as declared.
    with pq.ParquetFile(draft) as source, pq.ParquetWriter(path, SIGHTINGS.arrow, compression="zstd") as writer:
        for batch in source.iter_batches():
            writer.write_batch(batch.cast(SIGHTINGS.arrow))
    draft.unlink()


def _read(path: Path) -> pa.Table:
    """What linking looks at. Rows are sorted by account and kind: of these, each name is read once a row group."""
    # What writing left in Arrow's hands would stay beside it.
    pa.default_memory_pool().release_unused()
    return pq.read_table(path, columns=["account_id", "kind", "value", "count"], read_dictionary=["account_id", "kind"])


def _about(given: GivenSightings, declared: Families, settings: Settings, key: DeploymentKey) -> dict[str, Any]:
    """Where the result comes from: inputs, counts, families, settings, versions."""
    return {
        "version": __version__,
        "command": "link",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": settings.seed,
        "engine": settings.engine,
        "versions": engine_versions(settings.engine) | {"pyarrow": pa.__version__},
        "key_fingerprint": key.fingerprint,
        "settings": settings.model_dump(mode="json"),
        "inputs": given.files,
        "counts": {"rows_in": given.rows, "kept": given.kept, "set_aside": dict(sorted(given.set_aside.items())),
                   "left_empty": dict(sorted(given.unread.items()))},
        "families": _families(given.kinds, declared),
        "missing": [],
        "notes": ["This is linkage alone: it says which accounts appear to be run together, not what they do, and not"
                  " whether any of them is a victim."],
    }


def _families(kinds: Mapping[str, int], declared: Families) -> dict[str, dict[str, Any]]:
    """Family and level of every kind that was seen, and where that comes from."""
    told = {}
    for kind in sorted(kinds):
        family, level = declared.of.get(kind, (kind, 1))
        source = "declared" if kind in declared.declared else "built in" if kind in FAMILY_OF else "its own"
        near = difflib.get_close_matches(kind.lower(), sorted(declared.of), n=1, cutoff=0.75)
        told[kind] = {"family": family, "level": level, "rows": kinds[kind], "source": source,
                      "digested": kind in declared.secret,
                      "did_you_mean": near[0] if near and source == "its own" else None}
    return told


def _outcome(linked: Linked, groups: pa.Table, sightings: int) -> dict[str, Any]:
    """What came out, in numbers; the groups largest first."""
    model = linked.model
    return {
        "accounts": linked.incidence.size,
        "sightings": sightings,
        "groups": len(linked.groups),
        "grouped_accounts": len(set(groups["account_id"].to_pylist())),
        "edges": len(linked.edges),
        "found": _found(linked, groups),
        "caps": _caps(linked),
        "learnt": {"m": dict(zip(model.families, map(float, model.m), strict=True)),
                   "u": dict(zip(model.families, map(float, model.u), strict=True)), "prior": float(model.prior),
                   "candidate_pairs": len(linked.pairs)},
    }


def _found(linked: Linked, groups: pa.Table) -> list[dict[str, Any]]:
    """Size, range of probability and strongest families of each group."""
    of_members: dict[frozenset[str], str] = {}
    members: dict[str, list[str]] = {}
    for row in groups.to_pylist():
        members.setdefault(row["group_id"], []).append(row["account_id"])
    for name, accounts in members.items():
        of_members[frozenset(accounts)] = name
    incidence = linked.incidence
    found = []
    for group in linked.groups:
        names = incidence.accounts.take(pa.array(group.members)).to_pylist()
        codes, _, bits = shared_values(incidence, group.members)
        strength = np.bincount(incidence.family[codes], weights=bits, minlength=len(incidence.families))
        order = np.argsort(-strength, kind="stable")
        found.append({
            "group_id": of_members[frozenset(names)],
            "accounts": len(names),
            "probability": {"lowest": float(group.probability.min()), "highest": float(group.probability.max())},
            "families": [{"family": incidence.families[f], "bits": float(strength[f])} for f in order
                         if strength[f] > 0],
        })
    return sorted(found, key=lambda row: (-row["accounts"], row["group_id"]))


def _caps(linked: Linked) -> list[dict[str, Any]]:
    """What was capped: values too popular to make pairs of."""
    capped: dict[str, int] = {}
    for value in linked.pairs.capped:
        kind = linked.incidence.kinds[linked.incidence.kind[value]]
        capped[kind] = capped.get(kind, 0) + 1
    return [{"kind": kind, "value_count": count,
             "note": f"seen with more than {linked.pairs.largest:,} accounts: makes no pairs of its own"}
            for kind, count in sorted(capped.items())]
