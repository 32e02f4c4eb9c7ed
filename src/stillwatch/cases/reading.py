"""What is in a case store: rulings for a scan, lists and histories for people."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stillwatch.cases import tables as t
from stillwatch.cases.rulings import Ruling, Rulings
from stillwatch.cases.store import Store, open_store
from stillwatch.cases.writing import commitment
from stillwatch.errors import UsageError

__all__ = ["cases_now", "find_case", "history", "list_cases", "read_rulings", "rulings_in", "show_case"]

_DECIDED = ("confirmed", "dismissed")


def read_rulings(path: Path) -> Rulings:
    """The decisions of a case store. Raises as ``open_store`` does."""
    with open_store(path, create=False).reading() as connection:
        return rulings_in(connection)


def rulings_in(connection: sa.Connection) -> Rulings:
    """The decisions, within a transaction; merged cases count as the one that they are part of."""
    rows = {row["case_id"]: row for row in connection.execute(sa.select(t.cases)).mappings()}
    roots = _roots(rows)
    last = _last_snapshots(connection)
    people = defaultdict(list)
    for row in connection.execute(sa.select(t.members, t.accounts.c.account_id).join(
            t.accounts, t.accounts.c.token == t.members.c.token)).mappings():
        people[row["case_id"]].append(row)
    found = []
    for case, row in sorted(rows.items()):
        if row["state"] == "merged" or last.get(case) is None:
            continue
        until = row["decided_snapshot"] if row["state"] in _DECIDED and row["decided_snapshot"] else last[case]
        snapshot = connection.execute(sa.select(t.snapshots).where(t.snapshots.c.snapshot_id == until)).mappings().one()
        evidence = connection.execute(sa.select(t.evidence).where(t.evidence.c.snapshot_id == until)).mappings()
        mine = people[case]
        found.append(Ruling(
            case_id=case, state=row["state"], root=roots[case], joined=_joined(case, rows),
            members=_accounts(p for p in mine if p["snapshot_id"] <= until), sides=_sides(case, rows, people),
            removed=frozenset(p["account_id"] for p in mine if p["role"] == "removed"),
            decided_on=(row["decided_at"] or "")[:10] or None, verdict=row["verdict"],
            probability=snapshot["probability"], least_bits=snapshot["least_bits"],
            key_fingerprint=snapshot["key_fingerprint"],
            evidence={(e["kind"], e["value"]): e["bits"] for e in evidence}))
    return Rulings(tuple(found))


def _roots(rows: Mapping[int, sa.RowMapping]) -> dict[int, int]:
    """For each case the lowest number among those that splitting and merging tie it to.

    A case that was split off must stay apart from what its parent became part of, so both kinds of tie count.
    """
    root = {case: case for case in rows}

    def of(case: int) -> int:
        while root[case] != case:
            case = root[case]
        return case

    for case, row in rows.items():
        for other in (row["parent"], row["merged_into"]):
            if other in root:
                one, two = sorted((of(case), of(other)))
                root[two] = one
    return {case: of(case) for case in rows}


def _joined(case: int, rows: Mapping[int, sa.RowMapping]) -> frozenset[int]:
    """The cases that are part of this one, by way of others or not."""
    found: set[int] = set()
    new = {case}
    while new:
        new = {number for number, row in rows.items() if row["merged_into"] in new} - found - {case}
        found |= new
    return frozenset(found)


def _accounts(people: Iterable[sa.RowMapping]) -> frozenset[str]:
    return frozenset(row["account_id"] for row in people if row["role"] == "member")


def _sides(case: int, rows: Mapping[int, sa.RowMapping],
           people: Mapping[int, Sequence[sa.RowMapping]]) -> tuple[frozenset[str], ...]:
    """Of a case that others were merged into: what each of them, and the case itself, brought along."""
    joined = _joined(case, rows)
    if not joined:
        return ()
    own = {one: _accounts(people[one]) for one in sorted({case, *joined})}
    brought = {one: frozenset().union(*(own[other] for other in joined if rows[other]["merged_into"] == one))
               for one in own}
    return tuple(accounts - brought[one] for one, accounts in own.items())


def _last_snapshots(connection: sa.Connection) -> dict[int, int]:
    own = t.snapshots.c
    counted = connection.execute(sa.select(own.case_id, sa.func.max(own.snapshot_id)).group_by(own.case_id))
    return {int(row[0]): int(row[1]) for row in counted}


def find_case(connection: sa.Connection, named: str) -> sa.RowMapping:
    """The case of a number, or of the campaign that it was last seen as; raises ``UsageError``."""
    # Digits beyond what SQLite counts with are no number of a case, but might be a campaign.
    if named.isdecimal() and len(named) < 16:
        rows = connection.execute(sa.select(t.cases).where(t.cases.c.case_id == int(named))).mappings().all()
        if rows:
            return rows[0]
    open_first = sa.case((t.cases.c.state == "merged", 1), else_=0)
    rows = connection.execute(sa.select(t.cases).where(t.cases.c.campaign_id == named).order_by(
        open_first, t.cases.c.case_id.desc())).mappings().all()
    if not rows:
        raise UsageError(f"there is no case {named[:80]!r}",
                         remedy="`stillwatch case list` shows what there is; `stillwatch case open FINDINGS CAMPAIGN`"
                         " opens one")
    return rows[0]


def cases_now(connection: sa.Connection) -> list[dict[str, Any]]:
    """Every case with its last snapshot and the number of its members."""
    size = sa.select(t.members.c.case_id, sa.func.count().label("members")).where(
        t.members.c.role == "member").group_by(t.members.c.case_id).subquery()
    last = sa.select(t.snapshots.c.case_id, sa.func.max(t.snapshots.c.snapshot_id).label("last")).group_by(
        t.snapshots.c.case_id).subquery()
    joined = t.cases.outerjoin(size, size.c.case_id == t.cases.c.case_id).join(
        last, last.c.case_id == t.cases.c.case_id).join(t.snapshots, t.snapshots.c.snapshot_id == last.c.last)
    chosen = sa.select(
        t.cases, sa.func.coalesce(size.c.members, 0).label("members"), t.snapshots.c.verdict.label("found_verdict"),
        t.snapshots.c.probability, t.snapshots.c.q_value, t.snapshots.c.taken_at, t.snapshots.c.evidence_digest,
    ).select_from(joined).order_by(t.cases.c.case_id)
    return [dict(row) for row in connection.execute(chosen).mappings()]


def list_cases(store: Store, state: str | None = None, *, sampled: bool = False) -> list[dict[str, Any]]:
    """Cases by number, of one state or those that chance chose where that is asked for."""
    with store.reading() as connection:
        return [row for row in cases_now(connection)
                if (state is None or row["state"] == state) and (row["sampled"] or not sampled)]


def show_case(store: Store, named: str) -> dict[str, Any]:
    """One case: where it stands, its members by account id (null for an erased one), its snapshots, what it joined."""
    with store.reading() as connection:
        case = find_case(connection, named)["case_id"]
        told = next(row for row in cases_now(connection) if row["case_id"] == case)
        people = connection.execute(sa.select(
            t.accounts.c.account_id, t.members.c.role, t.members.c.probability, t.members.c.exchanges,
            t.members.c.snapshot_id).select_from(t.members.outerjoin(
                t.accounts, t.accounts.c.token == t.members.c.token)).where(t.members.c.case_id == case)).mappings()
        told["accounts"] = sorted((dict(row) for row in people),
                                  key=lambda row: (row["role"], row["account_id"] is None, row["account_id"] or ""))
        told["joined"] = list(connection.execute(sa.select(t.cases.c.case_id).where(
            t.cases.c.merged_into == case).order_by(t.cases.c.case_id)).scalars())
        told["snapshots"] = [dict(row) for row in connection.execute(sa.select(t.snapshots).where(
            t.snapshots.c.case_id == case).order_by(t.snapshots.c.snapshot_id)).mappings()]
        evidence = connection.execute(sa.select(t.evidence.c.kind, t.evidence.c.accounts, t.evidence.c.bits).where(
            t.evidence.c.snapshot_id == told["snapshots"][-1]["snapshot_id"]).order_by(
                t.evidence.c.bits.desc(), t.evidence.c.kind, t.evidence.c.value)).mappings()
        told["evidence"] = [dict(row) for row in evidence]
    return told


def history(store: Store, named: str | None = None) -> list[dict[str, Any]]:
    """Every act in order, of one case or of all, with who, when and why.

    ``changed`` is set where the reason is not as it was written: an erasure took an account out of it.
    """
    with store.reading() as connection:
        chosen = sa.select(t.audit, t.texts.c.salt, t.texts.c.words).select_from(
            t.audit.outerjoin(t.texts, t.texts.c.text_id == t.audit.c.text_id)).order_by(t.audit.c.entry)
        if named is not None:
            chosen = chosen.where(t.audit.c.case_id == find_case(connection, named)["case_id"])
        rows = connection.execute(chosen).mappings().all()
        names = {row.token: row.account_id for row in connection.execute(sa.select(t.accounts))}
    return [_told(row, names) for row in rows]


def _told(row: sa.RowMapping, names: Mapping[str, str]) -> dict[str, Any]:
    told = {name: row[name] for name in ("entry", "case_id", "at", "by", "act")}
    told["why"] = row["words"]
    told["changed"] = row["text_digest"] is not None and (
        row["words"] is None or commitment(row["salt"], row["words"]) != row["text_digest"])
    for side in ("before", "after"):
        told[side] = _named(json.loads(row[side]) if row[side] else None, names)
    return told


def _named(data: Any, names: Mapping[str, str]) -> Any:
    """Tokens as accounts again, where they are still known."""
    if isinstance(data, dict):
        return {name: [names.get(token, "(erased)") for token in value] if name == "accounts" else value
                for name, value in data.items()}
    return data
