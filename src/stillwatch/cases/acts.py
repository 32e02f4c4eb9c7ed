"""What people do with cases. Each act is one transaction, and one entry of the audit with who, when and why.

No act acts on an account: nothing here blocks, throttles or reports anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stillwatch.cases import tables as t
from stillwatch.cases.reading import find_case, rulings_in
from stillwatch.cases.renewed import new_evidence
from stillwatch.cases.rulings import SAME, Ruling
from stillwatch.cases.seen import Seen
from stillwatch.cases.store import Store
from stillwatch.cases.writing import (
    Act,
    add_members,
    add_snapshot,
    insert,
    last_snapshot,
    now,
    record,
    set_case,
)
from stillwatch.errors import UsageError

__all__ = ["Opened", "appeal", "confirm", "dismiss", "note", "open_case", "open_cases", "take_in", "undecided"]

_UNDECIDED = ("open", "appealed")


@dataclass(frozen=True)
class Opened:
    """What opening came to: ``outcome`` is ``open``, ``see`` or ``reopen``, with the ``news`` that reopened it."""

    case_id: int
    outcome: str
    news: tuple[str, ...] = ()


def open_case(store: Store, seen: Seen, act: Act) -> Opened:
    """Open a case from a campaign; one that is a known case seen again is added to that case.

    A dismissed case stays dismissed unless there is new evidence; then it is open again, and the audit names it.
    """
    return open_cases(store, [seen], act)[0]


def open_cases(store: Store, seen: Sequence[Seen], act: Act) -> list[Opened]:
    """``open_case`` for several campaigns, all or none."""
    with store.writing() as connection:
        return [take_in(connection, one, act) for one in seen]


def take_in(connection: sa.Connection, seen: Seen, act: Act, *, sampled: dict[str, Any] | None = None) -> Opened:
    """``open_case`` within a transaction; ``sampled`` says by which draw chance chose the campaign."""
    if not seen.members:
        raise UsageError("the campaign has no member, so there is nothing to decide",
                         remedy="choose a campaign with accounts")
    rulings = rulings_in(connection)
    group = seen.accounts
    # A dismissed case is met as a scan meets it, however much the group has grown: its dismissal has to be dealt with.
    ours = [ruling for ruling in rulings.of(group)
            if ruling.state == "dismissed" or ruling.likeness(group) >= SAME]
    if not ours:
        opened = _open(connection, seen, act)
    else:
        news = () if ours[0].state != "dismissed" else tuple(new_evidence(
            seen.campaign, seen.members, seen.evidence, ours[0], rulings.known(ours[0]), seen.key_fingerprint))
        opened = _see_again(connection, ours[0], seen, act, news)
    if sampled is not None:
        set_case(connection, opened.case_id, sampled=True)
        record(connection, act, "sample", opened.case_id, after=sampled)
    return opened


def _open(connection: sa.Connection, seen: Seen, act: Act) -> Opened:
    case = insert(connection, t.cases, campaign_id=seen.campaign["campaign_id"], state="open", sampled=False,
                  opened_at=now())
    snapshot = add_snapshot(connection, case, seen)
    tokens = add_members(connection, case, snapshot, seen)
    record(connection, act, "open", case, after={"state": "open", "snapshot": snapshot, "evidence": seen.digest,
                                                 "accounts": tokens})
    return Opened(case, "open")


def _see_again(connection: sa.Connection, ruling: Ruling, seen: Seen, act: Act, news: tuple[str, ...]) -> Opened:
    case = ruling.case_id
    snapshot = add_snapshot(connection, case, seen)
    tokens = add_members(connection, case, snapshot, seen)
    set_case(connection, case, campaign_id=seen.campaign["campaign_id"])
    what = "reopen" if news else "see"
    after: dict[str, Any] = {"snapshot": snapshot, "evidence": seen.digest, "accounts": tokens}
    if news:
        _undo_decision(connection, case, "open")
        after |= {"state": "open", "new_evidence": list(news)}
    record(connection, act, what, case, before={"state": ruling.state}, after=after)
    return Opened(case, what, news)


def _undo_decision(connection: sa.Connection, case: int, state: str) -> None:
    set_case(connection, case, state=state, verdict=None, decided_at=None, decided_by=None, decided_snapshot=None)


def undecided(connection: sa.Connection, named: str) -> sa.RowMapping:
    """The case, if it may be decided or changed now; raises ``UsageError`` that says what has to come first."""
    row = find_case(connection, named)
    if row["state"] == "merged":
        raise UsageError(f"case {row['case_id']} is part of case {row['merged_into']} now",
                         remedy=f"name case {row['merged_into']}")
    if row["state"] not in _UNDECIDED:
        raise UsageError(f"case {row['case_id']} is {row['state']} already",
                         remedy=f"contest the decision first: `stillwatch case appeal {row['case_id']} --reason TEXT`")
    return row


def confirm(store: Store, named: str, act: Act) -> int:
    """Decide that the claim is right; returns the case.

    After an appeal somebody else has to decide: nobody judges the objection to their own judgement.
    """
    with store.writing() as connection:
        row = undecided(connection, named)
        if row["state"] == "appealed" and _confirmed_by(connection, row["case_id"]) == act.by.casefold():
            raise UsageError(f"case {row['case_id']} was confirmed by the same person, and that is appealed",
                             remedy="let somebody else decide; dismissing is open to everybody")
        _decide(connection, row, act, "confirmed", None)
        return int(row["case_id"])


def dismiss(store: Store, named: str, act: Act, verdict: str | None = None) -> int:
    """Decide that the claim is wrong, and, where that is known, what the group is instead; returns the case."""
    if verdict == "distillation":
        raise UsageError("a dismissed case cannot be found to be distillation", remedy="confirm it instead")
    with store.writing() as connection:
        row = undecided(connection, named)
        _decide(connection, row, act, "dismissed", verdict)
        return int(row["case_id"])


def _confirmed_by(connection: sa.Connection, case: int) -> str | None:
    """Who confirmed the case last, in one spelling."""
    by = connection.execute(sa.select(t.audit.c.by).where(t.audit.c.case_id == case, t.audit.c.act == "confirm")
                            .order_by(t.audit.c.entry.desc()).limit(1)).scalar()
    return None if by is None else str(by).casefold()


def _decide(connection: sa.Connection, row: sa.RowMapping, act: Act, state: str, verdict: str | None) -> None:
    case, snapshot = row["case_id"], last_snapshot(connection, row["case_id"])
    set_case(connection, case, state=state, verdict=verdict, decided_at=now(), decided_by=act.by,
             decided_snapshot=snapshot)
    record(connection, act, "confirm" if state == "confirmed" else "dismiss", case, before={"state": row["state"]},
           after={"state": state, "verdict": verdict, "snapshot": snapshot})


def note(store: Store, named: str, act: Act) -> int:
    """Write something down; returns the case."""
    with store.writing() as connection:
        case: int = find_case(connection, named)["case_id"]
        record(connection, act, "note", case)
        return case


def appeal(store: Store, named: str, act: Act, evidence: str | None = None) -> int:
    """Contest a decision: it is no longer in force, and somebody has to decide again; returns the case.

    Whoever was cleared stays cleared unless there is new evidence, so contesting a dismissal takes ``evidence``, which
    says what is new.
    """
    with store.writing() as connection:
        row = find_case(connection, named)
        if row["state"] not in ("confirmed", "dismissed"):
            raise UsageError(f"case {row['case_id']} is {row['state']}: there is no decision to contest",
                             remedy="confirm or dismiss it, or write a note")
        if row["state"] == "dismissed" and not (evidence or "").strip():
            raise UsageError(f"case {row['case_id']} was dismissed, which stands unless there is new evidence",
                             remedy="name it with --new-evidence TEXT")
        case = row["case_id"]
        _undo_decision(connection, case, "appealed")
        if evidence:
            act = Act(act.by, f"{act.reason}\nNew evidence: {evidence}")
        record(connection, act, "appeal", case,
               before={name: row[name] for name in ("state", "verdict", "decided_at", "decided_by")},
               after={"state": "appealed"})
        return int(case)
