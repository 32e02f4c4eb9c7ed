"""Writes labelled traffic: the only thing that `simulate` ever does is to write files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.errors import StillwatchError, UsageError
from stillwatch.folders import new_folder
from stillwatch.proof.accounts import LANGUAGES
from stillwatch.proof.actors import ACTORS, Actor
from stillwatch.proof.draws import Ints, hexes, mix, sub, uniforms
from stillwatch.proof.prompts import HALVES
from stillwatch.proof.render import exchanges
from stillwatch.proof.rows import Rows
from stillwatch.proof.scenario import Scenario, load, shipped
from stillwatch.proof.world import SECOND, World
from stillwatch.schema import (
    ACCOUNTS,
    AGREEMENTS,
    EXCHANGES,
    LAUNCHES,
    TRUE_ACCOUNTS,
    TRUE_CAMPAIGNS,
    TRUE_EXCHANGES,
    TRUE_MEMBERS,
    Table,
    conform,
)

__all__ = ["MARKER", "describe", "scenarios", "simulate"]

MARKER = "simulated.json"
_CHUNK = 65_536
_FILE_ROWS = 1_048_576
_WRITE: dict[str, Any] = {"compression": "zstd", "compression_level": 3, "version": "2.6",
                          "data_page_version": "1.0", "store_schema": True}

Tick = Callable[[int, int], None]


def scenarios() -> dict[str, str]:
    """The shipped scenarios: name and one line about each."""
    return {name: load(name).summary for name in shipped()}


def describe(name: str | Path) -> str:
    """What a scenario holds, in plain text."""
    scenario = load(name)
    lines = [f"{scenario.name}: {scenario.summary}", "", scenario.description.strip(), "",
             f"{scenario.days} days from {scenario.start}, models {', '.join(m.name for m in scenario.models)},"
             f" prompts of half {scenario.prompts}", ""]
    for actor in scenario.actors:
        kind = ACTORS[actor.actor]
        label = kind.label or "no label"
        lines.append(f"  {actor.name}: {actor.actor} ({label}), {actor.accounts:,} accounts,"
                     f" {actor.exchanges:,} exchanges: {kind.summary}")
    return "\n".join(lines)


def simulate(scenario: str | Path, out: Path, *, scale: float = 1.0, seed: int = 0,
             prompts: str | None = None, tick: Tick | None = None) -> dict[str, Any]:
    """Write a scenario's traffic and its truth to the folder ``out``; returns counts.

    The same scenario, scale, seed and half give the same bytes. ``prompts`` (A or B) replaces the
    scenario's half of the prompts: the same traffic in words that nothing was developed on.
    ``tick(done, total)`` is called as days pass. The folder appears whole or not at all; one that holds
    anything but an earlier simulation is refused with ``UsageError``.
    """
    if not 0 < scale <= 1_000:
        raise UsageError(f"a scale of {scale:g} is out of range", remedy="give a scale above 0, up to 1000")
    if seed < 0:
        raise UsageError(f"seed {seed} is negative", remedy="give a seed of 0 or more")
    told = load(scenario)
    if prompts is not None:
        if prompts not in HALVES:
            raise UsageError(f"there is no half {prompts!r} of the prompts", remedy="use A or B")
        told = told.model_copy(update={"prompts": prompts})
    out = Path(out)
    try:
        with new_folder(out, _is_simulation, "simulation") as draft:
            return _Simulation(told, draft, scale, seed).run(tick)
    except OSError as error:
        raise StillwatchError(f"writing {out} failed: {error.strerror or type(error).__name__}",
                              remedy="check free space and permissions; nothing was left behind") from error


def _is_simulation(folder: Path) -> bool:
    return (folder / MARKER).is_file()


class _Parts:
    """A folder of Parquet files of bounded size, written in order."""

    def __init__(self, folder: Path, table: Table) -> None:
        folder.mkdir()
        self._folder, self._table = folder, table
        self._writer: pq.ParquetWriter | None = None
        self._rows = self.count = self._files = 0

    def write(self, data: pa.Table) -> None:
        if self._writer is None or self._rows >= _FILE_ROWS:
            self.close()
            path = self._folder / f"part-{self._files:05d}.parquet"
            self._writer = pq.ParquetWriter(path, self._table.arrow, **_WRITE)
            self._files, self._rows = self._files + 1, 0
        self._writer.write_table(data, row_group_size=_CHUNK)
        self._rows += data.num_rows
        self.count += data.num_rows

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _Simulation:
    """One run: actors make a day's rows as numbers; rows are merged by time and written with their text."""

    def __init__(self, scenario: Scenario, folder: Path, scale: float, seed: int) -> None:
        self.world = World(scenario, seed, scale)
        self.folder = folder
        self.actors: list[Actor[Any]] = []
        first = 0
        for told in scenario.cast(seed, scale):
            actor = ACTORS[told.actor](self.world, told, first)
            first += actor.owned
            self.actors.append(actor)
        self.pending = [Rows.none() for _ in self.actors]
        self.ready: list[list[Rows]] = [[] for _ in self.actors]
        self.written = 0
        self.started = np.full(len(self.actors), -1, dtype=np.int64)
        self.seen = [np.zeros(actor.count, dtype=bool) for actor in self.actors]
        self.by_actor = np.zeros(len(self.actors), dtype=np.int64)

    def run(self, tick: Tick | None) -> dict[str, Any]:
        """Write everything; returns counts."""
        world = self.world
        (self.folder / "truth").mkdir()
        self.out = _Parts(self.folder / "exchanges", EXCHANGES)
        self.truth = pq.ParquetWriter(self.folder / "truth" / "exchanges.parquet", TRUE_EXCHANGES.arrow, **_WRITE)
        self.labelled = 0
        for day in range(world.days):
            self._day(day)
            if tick is not None:
                tick(day + 1, world.days)
        self.out.close()
        self.truth.close()
        counts = {
            "scenario": world.scenario.name, "seed": world.seed, "scale": world.scale,
            "prompts": world.scenario.prompts,
            "exchanges": self.out.count, "labelled_exchanges": self.labelled,
            "accounts": self._write_accounts(), "groups": self._write_groups(),
            "actors": {actor.name: {"label": actor.label, "accounts": actor.count, "exchanges": int(rows)}
                       for actor, rows in zip(self.actors, self.by_actor, strict=True)},
        }
        self._write(LAUNCHES, self.folder / "launches.parquet", self._launches())
        self._write(AGREEMENTS, self.folder / "agreements.parquet", self._agreements())
        (self.folder / MARKER).write_text(json.dumps(counts, indent=1, sort_keys=True) + "\n", "utf-8")
        return counts

    def _day(self, day: int) -> None:
        """Make a day's rows, hold back what ends later, write the rest in order of time."""
        end = min(self.world.start + (day + 1) * 86_400 * SECOND, self.world.end)
        last = day == self.world.days - 1
        for number, actor in enumerate(self.actors):
            rows = Rows.joined([self.pending[number], self._retried(actor, actor.day(day))])
            due = rows.ts < end
            self.ready[number].append(rows.take(due))
            # What would come after the last day is past the end of the logs.
            self.pending[number] = Rows.none() if last else rows.take(~due)
        # Small days are written together: text is made by column, and a column should be long.
        if last or sum(len(rows) for several in self.ready for rows in several) >= _CHUNK:
            self._flush(day)

    def _flush(self, day: int) -> None:
        ready = [Rows.joined(several) for several in self.ready]
        self.ready = [[] for _ in self.actors]
        owner = np.repeat(np.arange(len(ready)), [len(rows) for rows in ready])
        local = np.concatenate([np.arange(len(rows)) for rows in ready])
        ts = np.concatenate([rows.ts for rows in ready])
        # Rows of one microsecond stand in random order, not in the order of actors.
        tie = mix(self.world.key("ties", str(day)), np.arange(len(ts)))
        order = np.lexsort((tie, ts))
        for start in range(0, len(order), _CHUNK):
            chunk = order[start:start + _CHUNK]
            self._chunk(ready, owner[chunk], local[chunk])

    def _retried(self, actor: Actor[Any], rows: Rows) -> Rows:
        """Some requests are sent again a moment later, by whoever sends them."""
        again = uniforms(sub(actor.key, "retry"), rows.conv, rows.turn, rows.ts) < self.world.scenario.retries
        repeated = rows.take(again)
        wait = 0.5 + 20.0 * uniforms(sub(actor.key, "wait"), repeated.conv, repeated.turn) ** 2
        repeated.ts = repeated.ts + (wait * SECOND).astype(np.int64)
        return Rows.joined([rows, repeated])

    def _chunk(self, ready: list[Rows], owner: Ints, local: Ints) -> None:
        tables, places, labelled = [], [], []
        numbers = self.written + np.arange(len(owner))
        for number, actor in enumerate(self.actors):
            at = np.flatnonzero(owner == number)
            if len(at) == 0:
                continue
            rows = ready[number].take(local[at])
            table, capability = exchanges(self.world, actor, rows, numbers[at])
            tables.append(table)
            places.append(at)
            self.by_actor[number] += len(at)
            if actor.label is not None:
                own = actor.own(rows)
                self.seen[number][rows.account[own]] = True
                known = table.select(["exchange_id", "ts", "account_id"]).filter(pa.array(own))
                labelled.append((at[own], known, _label_name(actor), capability[own]))
                if self.started[number] < 0 and own.any():
                    self.started[number] = int(rows.ts[own].min())
        order = np.empty(len(owner), dtype=np.int64)
        order[np.concatenate(places)] = np.arange(len(owner))
        self.out.write(pa.concat_tables(tables).take(pa.array(order)).combine_chunks())
        self.written += len(owner)
        self._label(labelled)

    def _label(self, labelled: list[tuple[Ints, pa.Table, str, npt.NDArray[Any]]]) -> None:
        if not labelled:
            return
        place = np.concatenate([at for at, _, _, _ in labelled])
        table = pa.concat_tables([
            known.append_column("campaign", pa.array([name] * len(at), pa.string()))
            .append_column("capability", pa.array(said, pa.string())) for at, known, name, said in labelled])
        table = conform(table.take(pa.array(np.argsort(place, kind="stable"))), TRUE_EXCHANGES)
        self.truth.write_table(table.combine_chunks(), row_group_size=_CHUNK)
        self.labelled += table.num_rows

    def _write(self, table: Table, path: Path, data: pa.Table) -> int:
        pq.write_table(conform(data, table).combine_chunks(), path, **_WRITE)
        return int(data.num_rows)

    def _write_accounts(self) -> int:
        data = pa.concat_tables([_account_table(self.world, actor) for actor in self.actors
                                 if actor.owned]).sort_by("account_id")
        self._write(TRUE_ACCOUNTS, self.folder / "truth" / "accounts.parquet", data.select(TRUE_ACCOUNTS.names))
        withheld = {*self.world.scenario.withhold, *TRUE_ACCOUNTS.names} - {"account_id"}
        data = data.drop_columns([name for name in data.column_names if name in withheld])
        return self._write(ACCOUNTS, self.folder / "accounts.parquet", data)

    def _write_groups(self) -> int:
        groups = [(actor, int(start), seen) for actor, start, seen in
                  zip(self.actors, self.started, self.seen, strict=True) if actor.label is not None and start >= 0]
        self._write(TRUE_CAMPAIGNS, self.folder / "truth" / "campaigns.parquet", pa.table({
            "campaign": pa.array([_label_name(actor) for actor, _, _ in groups], pa.string()),
            "label": pa.array([actor.label for actor, _, _ in groups], pa.string()),
            "actor": pa.array([actor.name for actor, _, _ in groups], pa.string()),
            "started_at": pa.array([start for _, start, _ in groups], pa.timestamp("us", tz="UTC")),
        }))
        # An account that made no exchange of the group's own is no member that anybody could find.
        members = [pa.table({"campaign": pa.array([_label_name(actor)] * int(seen.sum()), pa.string()),
                             "account_id": actor.accounts.ids.filter(pa.array(seen))}) for actor, _, seen in groups]
        empty = pa.table({"campaign": pa.array([], pa.string()), "account_id": pa.array([], pa.string())})
        self._write(TRUE_MEMBERS, self.folder / "truth" / "members.parquet",
                    pa.concat_tables([empty, *members]).sort_by([(name, "ascending") for name in empty.column_names]))
        return len(groups)

    def _agreements(self) -> pa.Table:
        """What is on file: one row an organisation that may do what it does."""
        permitted = [(actor.accounts.organization[0], permit) for actor in self.actors
                     if (permit := actor.agreement()) is not None]
        return conform(pa.table({
            "organization": pa.array([organisation for organisation, _ in permitted], pa.string()),
            "permits": pa.array([permit for _, permit in permitted], pa.string()),
        }), AGREEMENTS)

    def _launches(self) -> pa.Table:
        models = [(model.name, int(at)) for model, at in
                  zip(self.world.scenario.models, self.world.released, strict=True) if at > 0]
        return pa.table({
            "model": pa.array([name for name, _ in models], pa.string()),
            "released_at": pa.array([at for _, at in models], pa.timestamp("us", tz="UTC")),
        })


def _label_name(actor: Actor[Any]) -> str:
    return actor.name.lower().replace(" ", "-")


def _account_table(world: World, actor: Actor[Any]) -> pa.Table:
    accounts = actor.accounts

    def digest(values: Ints, prefix: str, purpose: str, digits: int) -> pa.Array:
        written = hexes(mix(world.key(purpose), values), prefix, digits)
        return pa.compute.if_else(pa.array(values >= 0), written, pa.scalar(None, pa.string()))

    signup = world.networks.text(np.maximum(accounts.signup_address, 0))
    known = pa.array(accounts.signup_address >= 0)
    return pa.table({
        "account_id": accounts.ids,
        "created_at": pa.array(accounts.created, pa.timestamp("us", tz="UTC")),
        "kind": pa.array(accounts.kind, pa.string()),
        "country": pa.array(accounts.country, pa.string()),
        "email_domain": pa.array(accounts.domain, pa.string()),
        "email_pattern": pa.array(accounts.pattern, pa.string()),
        "payment_fingerprint": digest(accounts.payment, "card_", "payments", 16),
        "billing_country": pa.array(accounts.country, pa.string(), mask=accounts.payment < 0),
        "phone_hash": digest(accounts.phone, "", "phones", 16),
        "device_id": digest(accounts.device, "dev_", "devices", 12),
        "signup_ip": pa.compute.if_else(known, signup, pa.scalar(None, pa.string())),
        "signup_user_agent": pa.compute.if_else(known, world.clients.agents.take(pa.array(accounts.signup_client)),
                                                pa.scalar(None, pa.string())),
        "referral": pa.array(accounts.referral, pa.string()),
        "organization": pa.array(accounts.organization, pa.string()),
        "verified": pa.array(accounts.verified),
        "language": pa.array(np.array(LANGUAGES, dtype=object)[accounts.language], pa.string()),
        "vpn": pa.array(getattr(accounts, "vpn", np.zeros(len(accounts), dtype=bool))),
    })
