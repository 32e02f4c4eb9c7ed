"""What every act on a case shares: who and why, tokens for accounts, the audit."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from stillwatch.cases import tables as t
from stillwatch.cases.seen import Seen
from stillwatch.errors import UsageError

__all__ = ["Act", "add_members", "add_snapshot", "commitment", "insert", "last_snapshot", "now", "record", "set_case",
           "tokens_of"]

_LONGEST_NAME = 200
_LONGEST_REASON = 10_000


@dataclass(frozen=True)
class Act:
    """Who does something, and why. Raises ``UsageError`` where either is not said or is far too long."""

    by: str
    reason: str

    def __post_init__(self) -> None:
        for name, flag, most in (("by", "--by NAME", _LONGEST_NAME), ("reason", "--reason TEXT", _LONGEST_REASON)):
            text = storable(getattr(self, name)).strip()
            if not text:
                raise UsageError(f"it is not said {'who decides' if name == 'by' else 'why'}", remedy=f"give {flag}")
            if len(text) > most:
                raise UsageError(f"{flag.split()[0]} is longer than {most:,} characters", remedy="say it shorter")
            object.__setattr__(self, name, text)


def storable(text: str) -> str:
    """Text that SQLite keeps as it is: without NUL and lone surrogates, which become visible escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def now() -> str:
    """The time, as the store writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def commitment(salt: str, words: str) -> str:
    """What the audit keeps of a text: nobody can guess the text from it once the salt is gone."""
    return hashlib.sha256(f"{salt}\n{words}".encode()).hexdigest()


def insert(connection: sa.Connection, table: sa.Table, **values: Any) -> int:
    """Add a row and return the number that it got."""
    made = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def record(connection: sa.Connection, act: Act, what: str, case: int | None, *,
           before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None) -> None:
    """Write an act to the audit; ``before`` and ``after`` name accounts by token, under ``accounts``."""
    salt = secrets.token_hex(16)
    text_id = insert(connection, t.texts, salt=salt, words=act.reason)
    sides = {name: None if side is None else json.dumps(side, sort_keys=True)
             for name, side in (("before", before), ("after", after))}
    connection.execute(sa.insert(t.audit).values(case_id=case, at=now(), by=act.by, act=what, text_id=text_id,
                                                 text_digest=commitment(salt, act.reason), **sides))


def tokens_of(connection: sa.Connection, accounts: Iterable[str], *, make: bool = True) -> dict[str, str]:
    """Tokens by account; with ``make`` an account that has none gets one, else it is left out."""
    known: dict[str, str] = {}
    wanted = sorted(set(accounts))
    for start in range(0, len(wanted), 500):
        some = wanted[start:start + 500]
        known |= {row.account_id: row.token for row in connection.execute(
            sa.select(t.accounts).where(t.accounts.c.account_id.in_(some)))}
    new = [{"token": secrets.token_hex(16), "account_id": account} for account in wanted
           if make and account not in known]
    if new:
        connection.execute(sa.insert(t.accounts), new)
    return known | {row["account_id"]: row["token"] for row in new}


def add_snapshot(connection: sa.Connection, case: int, seen: Seen) -> int:
    """Keep what the findings say of the case now."""
    row = seen.campaign
    snapshot = insert(
        connection, t.snapshots, case_id=case, taken_at=now(), campaign_id=row["campaign_id"],
        lineage_id=row["lineage_id"], evidence_digest=seen.digest, key_fingerprint=seen.key_fingerprint,
        version=seen.version, verdict=row["verdict"], probability=seen.probability, q_value=row["q_value"],
        accounts=len(seen.members), exchanges=row["exchanges"], least_bits=seen.least_bits)
    counts = {(str(e["kind"]), str(e["value"] or "")): e["accounts"] for e in seen.evidence}
    rows = [{"snapshot_id": snapshot, "kind": kind, "value": value, "accounts": counts[kind, value], "bits": bits}
            for (kind, value), bits in sorted(seen.bits.items())]
    if rows:
        connection.execute(sa.insert(t.evidence), rows)
    return snapshot


def add_members(connection: sa.Connection, case: int, snapshot: int, seen: Seen) -> list[str]:
    """Members of the findings that the case does not have yet; returns the tokens of those added."""
    tokens = tokens_of(connection, seen.accounts)
    here = set(connection.execute(sa.select(t.members.c.token).where(t.members.c.case_id == case)).scalars())
    rows = [{"case_id": case, "token": tokens[str(member["account_id"])], "role": "member", "snapshot_id": snapshot,
             "probability": member["probability"], "exchanges": member["exchanges"]} for member in seen.members]
    new = [row for row in rows if row["token"] not in here]
    if new:
        connection.execute(sa.insert(t.members), new)
    return sorted(row["token"] for row in new)


def last_snapshot(connection: sa.Connection, case: int) -> int:
    """The case's newest snapshot."""
    return int(connection.execute(sa.select(sa.func.max(t.snapshots.c.snapshot_id)).where(
        t.snapshots.c.case_id == case)).scalar_one())


def set_case(connection: sa.Connection, case: int, **values: Any) -> None:
    """Change a case's row."""
    connection.execute(sa.update(t.cases).where(t.cases.c.case_id == case).values(**values))
