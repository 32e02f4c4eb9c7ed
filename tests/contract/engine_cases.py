"""Every question that is asked of an engine between logs and findings, by name, as the scan asks it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from engine_world import KEY, START_US, World, described

from stillwatch.ingest.dedupe import drop_repeats
from stillwatch.judge import Surroundings, life_tables, lives, measure
from stillwatch.judge.history import histories, population
from stillwatch.judge.moves import infer_launches
from stillwatch.link.streams import attributed
from stillwatch.observe import addresses, blocks, content, profiles, rhythm, sampling
from stillwatch.pipeline import candidates, classifying, folds, linkage, looking, observing
from stillwatch.pipeline.keeping_time import rhythm_sightings

_DAYS = 12


def _own(engine, world):
    return attributed(engine, engine.parquet(world.parts), engine.table(world.texts), world.members, world.streams)


def _ordinary(engine, world):
    """Exchanges of a fortnight: a history hour by hour over a century is no use to anybody."""
    rows = engine.parquet(world.parts)
    return rows.filter((rows.ts_us >= START_US) & (rows.ts_us < START_US + _DAYS * 86_400_000_000))


def _dedupe(engine, world):
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(shutil.copy(part, folder)) for part in world.repeated]
        dropped = [{"files": one.files.tolist(), "rows": one.rows.tolist(), "conflicts": one.conflicts.tolist(),
                    "unknown": one.unknown} for one in drop_repeats(parts, engine, Path(folder))]
        left = pa.concat_tables(pq.read_table(part) for part in parts)
    assert dropped
    assert left.num_rows == 3000
    return {"dropped": dropped, "left": left}


def _measure(engine, world):
    staged = engine.parquet(world.parts)
    own = engine.keep(_own(engine, world))
    seen = blocks(engine, staged, described(addresses(engine, staged, world.accounts)), KEY)
    found = measure(engine, own, world.members, Surroundings(staged, profiles(engine, staged), seen, world.accounts),
                    {"0a": {}, "0b": {}})
    return {name: asdict(it) for name, it in found.items()}


def _attribute(engine, world):
    staged = engine.parquet(world.parts)
    work = candidates.attribute(engine, staged, engine.table(world.texts), world.content, world.members,
                                profiles(engine, staged))
    judged = SimpleNamespace(campaigns=pa.table({"campaign_id": ["0a", "0b"]}), members=pa.table({}),
                             evidence=pa.table({name: pa.array([], pa.string()) for name in
                                                ("campaign_id", "bits", "kind", "value")}))
    tables = candidates.findings_tables(engine, work, _ordinary(engine, world), world.texts, judged)
    return {"by_account": sorted(work.by_account.items()),
            **{name: tables[name][1] for name in ("exchanges", "activity", "hours", "samples")}}


def _history(engine, world):
    staged = _ordinary(engine, world)
    own = attributed(engine, staged, engine.table(world.texts), world.members, world.streams)
    everybody = population(engine, staged)
    return {"everybody": asdict(everybody), "of": {name: asdict(it) for name, it in
                                                   histories(engine, own, everybody).items()}}


def _lives(engine, world):
    staged = _ordinary(engine, world)
    own = attributed(engine, staged, engine.table(world.texts), world.members, world.streams)
    told = lives(engine, own, staged, None)
    return {name: table for name, (_, table) in life_tables(engine, own, told, {}).items()}


def _reduced(engine, world):
    """All that a scan reduces logs to, of all of them, of their past and of one half; and what is linked anew by it."""
    ingested = SimpleNamespace(counts=SimpleNamespace(kept=1), unknown_accounts=0, present=frozenset(), elsewhere={})
    reducer = SimpleNamespace(texts=lambda **_: world.texts)
    reducer.restricted = lambda counts: SimpleNamespace(counts=counts, texts=reducer.texts)
    logs = observing.Logs(ingested, reducer, world.accounts, None)
    staged = _ordinary(engine, world)
    networks = SimpleNamespace(describe=described)
    whole = observing.collect(engine, logs, staged, world.texts, networks, KEY)
    past = observing.as_of(engine, whole, START_US + 5 * 86_400_000_000, KEY)
    half = folds._half(engine, whole, 1, SimpleNamespace(key=KEY))
    names = ("blocks", "content", "profiles", "sightings", "known_addresses")
    found = {f"{when} {name}": getattr(it, name) for when, it in (("all", whole), ("past", past), ("half", half))
             for name in names}
    return found | {"past texts": past.logs.reducer.counts, "half texts": half.logs.reducer.counts}


def _span(engine, world):
    rows = engine.parquet(world.parts)
    return looking.span_of(engine, rows)


def _linkage(engine, world):
    rows = pq.read_table(world.parts[0], columns=["account_id", "user_agent", "ts"])
    made = pa.table({"account_id": rows["account_id"], "kind": pa.array(["user_agent"] * rows.num_rows),
                     "value": rows["user_agent"].fill_null("none"), "first_seen": rows["ts"], "last_seen": rows["ts"],
                     "count": pa.array(np.arange(rows.num_rows)), "label": rows["user_agent"]})
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "given.parquet", Path(folder) / "sightings.parquet"
        pq.write_table(made, given)
        linkage._write_sightings(engine, SimpleNamespace(parts=[given]), out)
        written = pq.read_table(out)
        keys = [written[name].to_pylist() for name in ("account_id", "kind", "value")]
        assert list(zip(*keys, strict=True)) == sorted(zip(*keys, strict=True), key=lambda row: [
            word.encode() for word in row])
        return written


CASES: dict[str, Callable[[Any, World], Any]] = {
    "addresses": lambda engine, world: addresses(engine, engine.parquet(world.parts), world.accounts),
    "blocks": lambda engine, world: blocks(engine, engine.parquet(world.parts), described(
        addresses(engine, engine.parquet(world.parts), None)), KEY),
    "content": lambda engine, world: content(engine, engine.parquet(world.parts), engine.table(world.texts)),
    "profiles": lambda engine, world: profiles(engine, engine.parquet(world.parts)),
    "sampling": lambda engine, world: sampling(engine, engine.parquet(world.parts), KEY),
    "rhythm": lambda engine, world: rhythm(engine, engine.parquet(world.parts)),
    "rhythm_sightings": lambda engine, world: rhythm_sightings(engine, engine.parquet(world.parts), KEY),
    "dedupe": _dedupe,
    "attributed": lambda engine, world: engine.arrow(_own(engine, world)),
    "measure": _measure,
    "attribute": _attribute,
    "history": _history,
    "launches": lambda engine, world: infer_launches(engine, engine.parquet(world.parts)),
    "lives": _lives,
    "reduced": _reduced,
    "classify": lambda engine, world: classifying._rows(engine, engine.parquet(world.parts),
                                                        engine.table(world.texts)),
    "span": _span,
    "linkage": _linkage,
}
