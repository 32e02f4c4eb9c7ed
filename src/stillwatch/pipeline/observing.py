"""Logs in, the reduced tables that the statistics need out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engine import Engine, Relation
from stillwatch.ingest import Ingested, ingest, read_accounts, read_agreements, read_launches
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
    sampling,
)
from stillwatch.pipeline.keeping_time import rhythm_sightings
from stillwatch.pipeline.watch import Clock, Quiet
from stillwatch.schema import TIMESTAMP
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["Logs", "Reduced", "ScanInputs", "as_of", "collect", "missing", "observe", "part_of",
           "read_beside", "read_logs"]


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
    cases: Path | None = None


@dataclass(frozen=True)
class Logs:
    """Logs as read: staged exchanges in Parquet parts, what is kept of their texts, and what is known beside them."""

    ingested: Ingested
    reducer: TextReducer
    accounts: pa.Table | None
    agreements: pa.Table | None
    launches: pa.Table | None = None


@dataclass
class Reduced:
    """Everything that the statistics need, reduced from the exchanges; no raw text.

    ``logs`` and ``networks`` are what it was reduced from and with.
    """

    logs: Logs
    networks: Networks
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
    launches: pa.Table | None = None


def read_logs(engine: Engine, inputs: ScanInputs, staged_at: Path, *, settings: Settings, key: DeploymentKey,
              clock: Clock) -> Logs:
    """Read the logs and the tables beside them; text is reduced as it is read."""
    beside = read_beside(inputs, key)
    reducer = TextReducer(key, seed=settings.seed)
    read = 0

    def tick(_: str, records: int) -> None:
        nonlocal read
        read += records
        clock.watcher.tick(read)

    with clock.stage("reading logs"):
        ingested = ingest(inputs.logs, staged_at, settings=settings, key=key, engine=engine, format=inputs.format,
                          mapping=inputs.mapping, reduce=reducer, tick=tick)
    return Logs(ingested, reducer, *beside)


def read_beside(inputs: ScanInputs, key: DeploymentKey) -> tuple[pa.Table | None, pa.Table | None, pa.Table | None]:
    """The tables of accounts, agreements and launches, as far as they are given."""
    return (read_accounts(inputs.accounts, key=key) if inputs.accounts else None,
            read_agreements(inputs.agreements, key=key) if inputs.agreements else None,
            read_launches(inputs.launches, key=key) if inputs.launches else None)


def observe(engine: Engine, inputs: ScanInputs, staged_at: Path, *, settings: Settings, key: DeploymentKey,
            clock: Clock | None = None) -> Reduced:
    """Read the logs and reduce them to the tables that the statistics need."""
    clock = clock or Clock(Quiet())
    networks = Networks.load(inputs.networks)
    logs = read_logs(engine, inputs, staged_at, settings=settings, key=key, clock=clock)
    with clock.stage("comparing texts"):
        text_table = logs.reducer.texts()
    with clock.stage("collecting sightings"):
        return collect(engine, logs, engine.parquet(logs.ingested.parts), text_table, networks, key)


def collect(engine: Engine, logs: Logs, staged: Relation, text_table: pa.Table, networks: Networks,
            key: DeploymentKey) -> Reduced:
    """Reduce staged exchanges (schema ``STAGED``) and their distinct texts (``TEXTS``) further.

    ``staged`` need not be the logs' own parts: what is asked is what a scan of these exchanges would see.
    """
    accounts = logs.accounts
    texts = engine.table(text_table)
    known = networks.describe(addresses(engine, staged, accounts))
    seen_at = blocks(engine, staged, known, key)
    sent = content(engine, staged, texts)
    fixed = pa.concat_tables([
        fixed_sightings(Observed(seen_at, sent, accounts, known, sampling(engine, staged, key)), key),
        rhythm_sightings(engine, staged, key)])
    moving = moving_sightings(seen_at, known)
    return Reduced(logs, networks, logs.ingested, staged, texts, text_table, accounts, logs.agreements, known, seen_at,
                   sent, profiles(engine, staged), fixed, pa.concat_tables([fixed, moving]),
                   missing(logs.ingested, accounts), logs.launches)


def as_of(engine: Engine, reduced: Reduced, until_us: int, key: DeploymentKey) -> Reduced:
    """What there would be to see had the logs ended at ``until_us`` (µs since 1970, that moment included).

    Nothing that came later is in it: neither exchanges nor the families that their texts make, nor accounts opened
    since. What else is known beside the logs does not say since when it is: it counts as known then.
    """
    accounts = reduced.accounts
    if accounts is not None:
        later = pc.greater(accounts["created_at"], pa.scalar(until_us, pa.int64()).cast(TIMESTAMP))
        accounts = accounts.filter(pc.invert(pc.fill_null(later, False)))
    return part_of(engine, reduced, reduced.staged.filter(reduced.staged.ts_us <= until_us), accounts, key)


def part_of(engine: Engine, reduced: Reduced, staged: Relation, accounts: pa.Table | None,
            key: DeploymentKey) -> Reduced:
    """What there would be to see had the logs held these of their exchanges alone, and these accounts been known."""
    worded = staged.filter(staged.text_digest.notnull())
    counted = engine.arrow(worded.group_by("text_digest").agg(exchanges=worded.count()))
    reducer = reduced.logs.reducer.restricted(dict(zip(counted["text_digest"].to_pylist(),
                                                       counted["exchanges"].to_pylist(), strict=True)))
    logs = replace(reduced.logs, reducer=reducer, accounts=accounts)
    return collect(engine, logs, staged, reducer.texts(patterns=False), reduced.networks, key)


def missing(ingested: Ingested, accounts: pa.Table | None) -> list[dict[str, str]]:
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
    for name, count in ingested.elsewhere.items():
        gone.append((f"{name} of {count:,} exchanges", "the logs say that it is kept elsewhere, such as in objects of a"
                     " store: these exchanges are read without it"))
    if accounts is None:
        gone.append(("accounts", "no accounts table: accounts cannot be linked by payment or identity, and"
                     " organisations, programmes and sign-up times are not known"))
    return [{"input": name, "effect": effect} for name, effect in gone]
