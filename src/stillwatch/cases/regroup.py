"""Acts that change who is in a case, and the erasure of an account from the whole store."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from stillwatch.cases import tables as t
from stillwatch.cases.acts import undecided
from stillwatch.cases.reading import find_case
from stillwatch.cases.store import Store
from stillwatch.cases.writing import Act, insert, last_snapshot, now, record, set_case, tokens_of
from stillwatch.errors import UsageError

__all__ = ["erase", "merge", "remove_account", "restore_account", "split"]

ERASED = "[erased account]"


def _held(connection: sa.Connection, case: int, accounts: Sequence[str], role: str) -> list[str]:
    """Tokens of accounts that have a role in the case; raises ``UsageError`` that names one that has not."""
    tokens = tokens_of(connection, accounts, make=False)
    here = set(connection.execute(sa.select(t.members.c.token).where(
        t.members.c.case_id == case, t.members.c.role == role)).scalars())
    for account in accounts:
        if tokens.get(account) not in here:
            raise UsageError(f"{account[:80]!r} is {'no member of' if role == 'member' else 'not removed from'} case"
                             f" {case}", remedy=f"`stillwatch case show {case}` lists its accounts")
    return sorted({tokens[account] for account in accounts})


def _copy_snapshot(connection: sa.Connection, source: int, case: int) -> int:
    """What was known of one case as what is known of another."""
    row = dict(connection.execute(sa.select(t.snapshots).where(t.snapshots.c.snapshot_id == source)).mappings().one())
    del row["snapshot_id"]
    return insert(connection, t.snapshots, **(row | {"case_id": case, "taken_at": now()}))


def _add_evidence(connection: sa.Connection, target: int, sources: Sequence[int]) -> None:
    """Evidence of several snapshots together, each value once and as strong as it ever was."""
    chosen = sa.select(sa.literal(target), t.evidence.c.kind, t.evidence.c.value, sa.func.max(t.evidence.c.accounts),
                       sa.func.max(t.evidence.c.bits)).where(t.evidence.c.snapshot_id.in_(sources)).group_by(
                           t.evidence.c.kind, t.evidence.c.value)
    connection.execute(sa.insert(t.evidence).from_select(["snapshot_id", "kind", "value", "accounts", "bits"], chosen))


def split(store: Store, named: str, accounts: Sequence[str], act: Act) -> int:
    """Take accounts out of a case into an open one of their own, which knows the same evidence; returns its number."""
    if not accounts:
        raise UsageError("no account is given", remedy="name the accounts to take out")
    with store.writing() as connection:
        row = undecided(connection, named)
        case: int = row["case_id"]
        tokens = _held(connection, case, accounts, "member")
        left = connection.execute(sa.select(sa.func.count()).where(
            t.members.c.case_id == case, t.members.c.role == "member")).scalar_one() - len(tokens)
        if not left:
            raise UsageError(f"nobody would be left in case {case}", remedy="name fewer accounts")
        child = insert(connection, t.cases, campaign_id=row["campaign_id"], state="open", parent=case,
                       sampled=row["sampled"], opened_at=now())
        source = last_snapshot(connection, case)
        snapshot = _copy_snapshot(connection, source, child)
        _add_evidence(connection, snapshot, [source])
        connection.execute(sa.update(t.members).where(
            t.members.c.case_id == case, t.members.c.token.in_(tokens)).values(case_id=child, snapshot_id=snapshot))
        record(connection, act, "split", case, after={"into": child, "accounts": tokens})
        record(connection, act, "open", child, after={"state": "open", "from": case, "accounts": tokens})
        return child


def merge(store: Store, named: str, others: Sequence[str], act: Act) -> int:
    """Join other undecided cases to one; returns it."""
    with store.writing() as connection:
        case: int = undecided(connection, named)["case_id"]
        joined = sorted({int(undecided(connection, other)["case_id"]) for other in others} - {case})
        if not joined:
            raise UsageError("no other case is given", remedy="name the cases to join to the first")
        sources = [last_snapshot(connection, one) for one in (case, *joined)]
        snapshot = _copy_snapshot(connection, sources[0], case)
        _add_evidence(connection, snapshot, sources)
        least = sa.select(sa.func.max(t.snapshots.c.least_bits)).where(t.snapshots.c.snapshot_id.in_(sources))
        connection.execute(sa.update(t.snapshots).where(t.snapshots.c.snapshot_id == snapshot).values(
            least_bits=least.scalar_subquery()))
        for other in joined:
            _join(connection, case, other, snapshot, act)
        return case


def _join(connection: sa.Connection, case: int, other: int, snapshot: int, act: Act) -> None:
    here = sa.select(t.members.c.token).where(t.members.c.case_id == case).scalar_subquery()
    theirs = connection.execute(sa.select(t.members).where(
        t.members.c.case_id == other, t.members.c.token.not_in(here))).mappings().all()
    if theirs:
        connection.execute(sa.insert(t.members), [dict(row) | {"case_id": case, "snapshot_id": snapshot}
                                                  for row in theirs])
    before = connection.execute(sa.select(t.cases.c.state).where(t.cases.c.case_id == other)).scalar_one()
    set_case(connection, other, state="merged", merged_into=case)
    tokens = sorted(row["token"] for row in theirs)
    record(connection, act, "merge", case, after={"from": other, "accounts": tokens})
    record(connection, act, "merge", other, before={"state": before}, after={"state": "merged", "into": case})


def remove_account(store: Store, named: str, accounts: Sequence[str], act: Act) -> int:
    """Take accounts out of a case, decided or not: scans then leave them out of the group; returns the case."""
    return _change_role(store, named, accounts, act, ("member", "removed"), "remove_account")


def restore_account(store: Store, named: str, accounts: Sequence[str], act: Act) -> int:
    """Undo ``remove_account``; returns the case."""
    return _change_role(store, named, accounts, act, ("removed", "member"), "restore_account")


def _change_role(store: Store, named: str, accounts: Sequence[str], act: Act, roles: tuple[str, str],
                 what: str) -> int:
    with store.writing() as connection:
        row = find_case(connection, named)
        case: int = (undecided(connection, named) if row["state"] == "merged" else row)["case_id"]
        tokens = _held(connection, case, accounts, roles[0])
        connection.execute(sa.update(t.members).where(
            t.members.c.case_id == case, t.members.c.token.in_(tokens)).values(role=roles[1]))
        record(connection, act, what, case, before={"role": roles[0], "accounts": tokens}, after={"role": roles[1]})
        return case


def erase(store: Store, account: str, act: Act) -> dict[str, Any]:
    """Erase an account from the store: the only row that names it, and its id wherever people wrote it.

    What was decided stays; the token that stands there now stands for nobody that could be told. Returns how many
    texts were changed and whether the write-ahead log could be emptied at once. Raises ``UsageError`` where the store
    does not know the account.
    """
    with store.writing() as connection:
        tokens = tokens_of(connection, [account], make=False)
        # As a word of its own: an id that is one letter must not take that letter out of every reason.
        named = re.compile(rf"(?<!\w){re.escape(account)}(?!\w)")
        changed = 0
        for row in connection.execute(sa.select(t.texts)).mappings().all():
            words, times = named.subn(ERASED, row["words"])
            if times:
                changed += 1
                # A new salt: whoever guesses the old text could otherwise still prove it against the audit.
                connection.execute(sa.update(t.texts).where(t.texts.c.text_id == row["text_id"]).values(
                    words=words, salt=secrets.token_hex(16)))
        if not tokens and not changed:
            raise UsageError(f"the case store does not know {account[:80]!r}", remedy="check the id; case and blanks"
                             " count")
        connection.execute(sa.delete(t.accounts).where(t.accounts.c.account_id == account))
        record(connection, Act(act.by, named.sub(ERASED, act.reason)), "erase", None,
               after={"texts_changed": changed, "accounts": list(tokens.values())})
    return {"texts_changed": changed, "complete": store.forget()}
