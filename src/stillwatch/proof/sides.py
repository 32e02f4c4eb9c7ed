"""What is written beside the exchanges: accounts, launches, and labels of groups and accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.proof.accounts import LANGUAGES
from stillwatch.proof.actors import Actor
from stillwatch.proof.actors.campaign import Campaign
from stillwatch.proof.draws import Ints, hexes, mix
from stillwatch.proof.render import label_name
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY, World
from stillwatch.schema import (
    ACCOUNTS,
    AGREEMENTS,
    LAUNCHES,
    TRUE_ACCOUNTS,
    TRUE_CAMPAIGNS,
    TRUE_MEMBERS,
    TRUE_PHASES,
    Table,
    conform,
)

__all__ = ["Tally", "write_accounts", "write_agreements", "write_groups", "write_launches"]

_OPTIONS: dict[str, Any] = {"compression": "zstd", "compression_level": 3, "version": "2.6", "data_page_version": "1.0"}
_TIME = pa.timestamp("us", tz="UTC")


@dataclass
class Tally:
    """What was written of one actor: its rows, and of those that its label is for, the accounts and the first."""

    actor: Actor[Any]
    seen: npt.NDArray[np.bool_]
    rows: int = 0
    labelled: int = 0
    started: int | None = None

    @classmethod
    def of(cls, actor: Actor[Any]) -> Tally:
        """Nothing yet."""
        return cls(actor, np.zeros(actor.count, dtype=bool))

    def add(self, rows: Rows) -> None:
        """Count rows that are written."""
        self.rows += len(rows)
        if self.actor.label is None or not len(rows):
            return
        own = self.actor.own(rows)
        ts = rows.ts[own]
        if len(ts):
            self.labelled += len(ts)
            self.seen[rows.account[own]] = True
            self.started = int(ts.min()) if self.started is None else min(self.started, int(ts.min()))


def _write(table: Table, path: Path, data: pa.Table) -> int:
    pq.write_table(conform(data, table).combine_chunks(), path, **_OPTIONS)
    return int(data.num_rows)


def write_accounts(world: World, actors: Sequence[Actor[Any]], folder: Path) -> int:
    """Write the accounts and what is true of them; returns how many there are."""
    data = pa.concat_tables([_accounts(world, actor) for actor in actors if actor.owned]).sort_by("account_id")
    _write(TRUE_ACCOUNTS, folder / "truth" / "accounts.parquet", data.select(TRUE_ACCOUNTS.names))
    gone = {*world.scenario.withhold, *TRUE_ACCOUNTS.names} - {"account_id"}
    data = data.drop_columns([name for name in data.column_names if name in gone])
    return _write(ACCOUNTS, folder / "accounts.parquet", data)


def write_groups(tallies: Sequence[Tally], folder: Path) -> int:
    """Write labelled groups and their members; returns how many groups there are.

    An account that made no exchange of the group's own is no member that anybody could find.
    """
    groups = [tally for tally in tallies if tally.started is not None]
    _write(TRUE_CAMPAIGNS, folder / "truth" / "campaigns.parquet", pa.table({
        "campaign": pa.array([label_name(tally.actor) for tally in groups], pa.string()),
        "label": pa.array([tally.actor.label for tally in groups], pa.string()),
        "actor": pa.array([tally.actor.name for tally in groups], pa.string()),
        "started_at": pa.array([tally.started for tally in groups], _TIME),
    }))
    members = [pa.table({"campaign": pa.array([label_name(tally.actor)] * int(tally.seen.sum()), pa.string()),
                         "account_id": tally.actor.accounts.ids.filter(pa.array(tally.seen))}) for tally in groups]
    empty = pa.table({"campaign": pa.array([], pa.string()), "account_id": pa.array([], pa.string())})
    _write(TRUE_MEMBERS, folder / "truth" / "members.parquet",
           pa.concat_tables([empty, *members]).sort_by([(name, "ascending") for name in empty.column_names]))
    _write_phases([tally.actor for tally in groups if isinstance(tally.actor, Campaign)], folder)
    return len(groups)


def _write_phases(campaigns: Sequence[Campaign], folder: Path) -> None:
    """Write when each campaign truly changed."""
    rows = [(label_name(campaign), phase, campaign.world.start + round(day * DAY), what)
            for campaign in campaigns for phase, day, what in campaign.timeline()]
    _write(TRUE_PHASES, folder / "truth" / "phases.parquet", pa.table({
        "campaign": pa.array([row[0] for row in rows], pa.string()),
        "phase": pa.array([row[1] for row in rows], pa.string()),
        "started_at": pa.array([row[2] for row in rows], _TIME),
        "changed": pa.array([row[3] for row in rows], pa.string()),
    }))


def write_launches(world: World, folder: Path) -> None:
    """Write when models were released."""
    models = [(model.name, int(at)) for model, at in
              zip(world.scenario.models, world.released, strict=True) if at > 0]
    _write(LAUNCHES, folder / "launches.parquet", pa.table({
        "model": pa.array([name for name, _ in models], pa.string()),
        "released_at": pa.array([at for _, at in models], _TIME),
    }))


def write_agreements(actors: Sequence[Actor[Any]], folder: Path) -> None:
    """Write what is on file: one row an organisation that may do what it does."""
    permitted = [(actor.accounts.organization[0], permit) for actor in actors
                 if (permit := actor.agreement()) is not None]
    _write(AGREEMENTS, folder / "agreements.parquet", pa.table({
        "organization": pa.array([organisation for organisation, _ in permitted], pa.string()),
        "permits": pa.array([permit for _, permit in permitted], pa.string()),
    }))


def _accounts(world: World, actor: Actor[Any]) -> pa.Table:
    accounts = actor.accounts

    def digest(values: Ints, prefix: str, purpose: str, digits: int) -> pa.Array:
        written = hexes(mix(world.key(purpose), values), prefix, digits)
        return pa.compute.if_else(pa.array(values >= 0), written, pa.scalar(None, pa.string()))

    signup = world.networks.text(np.maximum(accounts.signup_address, 0))
    known = pa.array(accounts.signup_address >= 0)
    return pa.table({
        "account_id": accounts.ids,
        "created_at": pa.array(accounts.created, _TIME),
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
        "vpn": pa.array(accounts.vpn),
    })
