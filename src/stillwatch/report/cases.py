"""Cases in a terminal. Whatever people or logs wrote is made harmless; nothing is cut without being counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from stillwatch.report.clean import clean, cut
from stillwatch.report.numbers import surely as surely_said
from stillwatch.report.reliability import calibration_words
from stillwatch.schema import CASE_ACT, CASE_STATE, KIND_WORDS

__all__ = ["render_calibration", "render_case", "render_cases", "render_history"]

_ACCOUNTS = 30
_EVIDENCE = 12
_NAME = 40
_WORDS = 400
_MOVES = ("state", "role")
_UNSAID = ("snapshot", "evidence", "decided_by")
_CALLED = {"from": "from case", "into": "into case", "verdict": "as"}

Row = Mapping[str, Any]


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table


def surely(probability: float) -> str:
    """As short as a table's column."""
    return surely_said(probability).replace("over ", ">").replace("under ", "<")


def _day(when: object) -> str:
    return clean(when or "")[:10]


def render_cases(rows: Sequence[Row]) -> list[RenderableType]:
    """Cases as one table, in the order of their numbers."""
    if not rows:
        return [Text("No case.")]
    table = _table("case", "state", "accounts", "harvest", "q", "campaign", "opened", "",
                   right=("case", "accounts", "harvest", "q"))
    for row in rows:
        q = "" if row["q_value"] is None else f"{row['q_value']:.2g}"
        table.add_row(str(row["case_id"]), clean(row["state"]), f"{row['members']:,}", surely(row["probability"]), q,
                      cut(row["campaign_id"], 16), _day(row["opened_at"]), "drawn" if row["sampled"] else "")
    return [table, Text("A decision is a person's. `drawn`: chance chose it for review, whatever its score.")]


def render_case(told: Row) -> list[RenderableType]:
    """One case: where it stands, who is in it, what links them, what was decided."""
    state = str(told["state"])
    stands = f"Part of case {told['merged_into']} now" if told["merged_into"] else CASE_STATE.terms.get(state, state)
    parts: list[RenderableType] = [
        Text(f"Case {told['case_id']}: {state}", style="bold"),
        Text(f"{stands[:1].upper()}{stands[1:]}."),
        Text(f"Campaign {cut(told['campaign_id'], _NAME)}; found as {clean(told['found_verdict'])}, probability of"
             f" harvesting {surely(told['probability'])}, on {_day(told['taken_at'])}."),
    ]
    if told["decided_at"]:
        found = f", as {clean(told['verdict'])}" if told["verdict"] else ""
        parts.append(Text(f"Decided on {_day(told['decided_at'])} by {cut(told['decided_by'], _NAME)}{found}."))
    if told["parent"]:
        parts.append(Text(f"Split from case {told['parent']}."))
    if told["joined"]:
        parts.append(Text(f"Joined to it: case {', '.join(map(str, told['joined']))}. Accounts and evidence are of all,"
                          " campaign and probability of this one."))
    accounts = told["accounts"]
    table = _table("account", "in the case", "probability", "exchanges", right=("probability", "exchanges"))
    for row in accounts[:_ACCOUNTS]:
        name = "(erased)" if row["account_id"] is None else cut(row["account_id"], _NAME)
        table.add_row(name, clean(row["role"]), surely(row["probability"] or 0.0), f"{row['exchanges'] or 0:,}")
    parts += [Text(""), table]
    if len(accounts) > _ACCOUNTS:
        parts.append(Text(f"and {len(accounts) - _ACCOUNTS:,} more accounts: --json lists all"))
    evidence = told["evidence"]
    for row in evidence[:_EVIDENCE]:
        kind = KIND_WORDS.get(row["kind"], row["kind"])
        parts.append(Text(f"- {row['accounts'] or 0:,} share one {cut(kind, _NAME)} ({row['bits']:.1f} bits)"))
    if len(evidence) > _EVIDENCE:
        parts.append(Text(f"and {len(evidence) - _EVIDENCE:,} more shared values"))
    return parts


def render_history(rows: Sequence[Row]) -> list[RenderableType]:
    """Every act: when, who, what and why; oldest first."""
    if not rows:
        return [Text("Nothing was done yet.")]
    parts: list[RenderableType] = []
    for row in rows:
        case = "" if row["case_id"] is None else f" case {row['case_id']}:"
        what = CASE_ACT.terms.get(row["act"], row["act"])
        parts.append(Text(f"{clean(row['at'])[:19]}Z{case} {clean(what)} – {cut(row['by'], _NAME)}", style="bold"))
        if row["why"] is not None:
            parts.append(Text(f"  {cut(row['why'], _WORDS)}"))
        if row["changed"]:
            parts.append(Text("  (an erased account was taken out of these words)"))
        parts += [Text(f"  {line}") for line in _changes(row)]
    return parts


def render_calibration(told: Row) -> list[RenderableType]:
    """Whether probabilities mean what people decided, of cases that chance chose."""
    parts: list[RenderableType] = [Text(line) for line in calibration_words(told)]
    if told["bins"]:
        table = _table("probability", "cases", "mean", "confirmed", "95% interval",
                       right=("cases", "mean", "confirmed", "95% interval"))
        for one in told["bins"]:
            low, high = one["share_interval"]
            table.add_row(f"{one['from']:.0%}–{one['to']:.0%}", f"{one['cases']:,}", surely(one["mean_probability"]),
                          f"{one['share']:.0%}", f"{low:.0%}–{high:.0%}")
        parts.insert(1, table)
    return parts


def _changes(row: Row) -> list[str]:
    """What an act changed, without listing accounts one by one; digests and numbers of snapshots are for programs."""
    before, after = ({name: value for name, value in (row[side] or {}).items() if value is not None}
                     for side in ("before", "after"))
    said = [f"{cut(before[name], _NAME)} → {cut(after[name], _NAME)}" for name in _MOVES
            if name in before and name in after]
    for name, value in (*sorted(before.items()), *sorted(after.items())):
        if name == "accounts":
            more = " more" if row["act"] == "see" else ""
            said.append(f"{len(value):,}{more} account{'' if len(value) == 1 else 's'}")
        elif isinstance(value, list):
            said += [cut(item, _WORDS) for item in value]
        elif name == "decided_at":
            said.append(f"decided on {_day(value)} by {cut(before.get('decided_by', ''), _NAME)}")
        elif name not in (*_MOVES, *_UNSAID):
            said.append(f"{_CALLED.get(name) or cut(name, _NAME)} {cut(value, _NAME)}")
    return ["; ".join(said)] if said else []
