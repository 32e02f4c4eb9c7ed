"""What was decided of the cases that chance chose, out of the store."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from stillwatch.cases import tables as t
from stillwatch.cases.calibrating import Drawn, reliability
from stillwatch.cases.store import Store

__all__ = ["calibration", "drawn_cases"]

_TAKEN_IN = ("open", "see", "reopen")
_OUTCOME = {"confirmed": True, "dismissed": False}


def drawn_cases(connection: sa.Connection) -> list[Drawn]:
    """Every case that was drawn, once a draw, with the probability on the day of the draw and what is decided now.

    A case that was merged counts with the decision of the one that it is part of.
    """
    cases = {row["case_id"]: row for row in connection.execute(sa.select(t.cases)).mappings()}
    probability = {row.snapshot_id: row.probability for row in connection.execute(
        sa.select(t.snapshots.c.snapshot_id, t.snapshots.c.probability))}
    looked: dict[int, int] = {}
    found = []
    entries = sa.select(t.audit.c.case_id, t.audit.c.act, t.audit.c.after).where(
        t.audit.c.act.in_((*_TAKEN_IN, "sample"))).order_by(t.audit.c.entry)
    for case, what, after in connection.execute(entries):
        told = json.loads(after or "{}")
        if what == "sample":
            state = cases[_whole(case, cases)]["state"]
            # An audit sample looks at the findings first, so there is an entry with the snapshot before this one.
            found.append(Drawn(case, probability[looked[case]], told["among"] / told["size"], _OUTCOME.get(state)))
        elif "snapshot" in told:
            looked[case] = told["snapshot"]
    return found


def _whole(case: int, cases: dict[int, sa.RowMapping]) -> int:
    """The case that this one is part of now."""
    while cases[case]["state"] == "merged" and cases[case]["merged_into"] is not None:
        case = cases[case]["merged_into"]
    return case


def calibration(store: Store) -> dict[str, Any]:
    """``reliability`` of the audit sample, and beside it how many cases that nobody drew are decided.

    Of those no rate is made: a score, a suspicion or a complaint chose them.
    """
    with store.reading() as connection:
        drawn = drawn_cases(connection)
        sampled = {one.case_id for one in drawn}
        others = [row.state for row in connection.execute(sa.select(t.cases.c.case_id, t.cases.c.state))
                  if row.case_id not in sampled]
    return reliability(drawn) | {"chosen": {state: others.count(state) for state in _OUTCOME}}
