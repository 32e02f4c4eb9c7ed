"""What changed between two findings folders, in a terminal: a table, and the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from stillwatch.report.clean import clean, cut
from stillwatch.report.numbers import plural, q, surely
from stillwatch.schema import KIND_WORDS

__all__ = ["render_diff"]

_ROWS = 30
_REASONS = 12
_NAMED = 5
_ACCOUNT = 30
_KINDS = 3
_LONG = 90

Row = Mapping[str, Any]


def render_diff(told: Row) -> list[RenderableType]:
    """The count of each kind of change first, then a table, then why."""
    counts = [f"{number:,} {kind}" for kind, number in told["counts"].items() if number]
    parts: list[RenderableType] = [
        Text((", ".join(counts) or "no campaign in either").upper(), style="bold"),
        Text(f"Before: {_side(told['before'])}"), Text(f"After:  {_side(told['after'])}")]
    changes = [change for change in told["changes"] if change["change"] != "same"]
    if changes:
        parts += [Text(""), _table(changes[:_ROWS])]
        if len(changes) > _ROWS:
            parts.append(Text(f"and {len(changes) - _ROWS:,} more: --json lists all"))
        parts.append(Text("Why", style="bold"))
        for change in changes[:_REASONS]:
            parts += [Text(f"{_names(change)}", style="bold"), *(Text(f"  {line}") for line in _why(change))]
        if len(changes) > _REASONS:
            parts.append(Text(f"and {len(changes) - _REASONS:,} more: --json gives every reason"))
    if told["differences"]:
        parts.append(Text("The scans themselves differ in", style="bold"))
        parts += [Text(f"- {cut(row['what'], _LONG)}: {_value(row['before'])} → {_value(row['after'])}")
                  for row in told["differences"]]
    else:
        parts.append(Text("Both scans had the same program, settings and inputs."))
    return parts


def _value(value: object) -> str:
    return "nothing" if value is None else cut(value, _LONG)


def _side(side: Row) -> str:
    span = f", {clean(side['first'])[:10]} to {clean(side['last'])[:10]}" if side["first"] and side["last"] else ""
    return (f"{cut(side['folder'], _LONG)}: {side['campaigns']:,} groups, {side['detections']:,} detected,"
            f" {side['accused']:,} accounts accused{span}")


def _names(change: Row) -> str:
    before, after = (" + ".join(cut(name, 14) for name in change[side][:_NAMED]) + (" + …" if len(change[side]) > _NAMED
                     else "") for side in ("before", "after"))
    kind = change["change"]
    return f"{kind}: {before or after}" if not (before and after) or before == after else f"{kind}: {before} → {after}"


def _table(changes: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading, right in (("change", False), ("group", False), ("accounts", True), ("+", True), ("−", True),
                           ("verdict", False), ("harvest", True)):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for change in changes:
        was, now = (max(change[side], key=lambda row: (row["detected"], row["probability"]), default=None)
                    for side in ("was", "is"))
        sizes = [f"{change[side]:,}" if change[names] else None
                 for side, names in (("accounts_before", "before"), ("accounts_after", "after"))]
        last = now or was or {"probability": 0.0}
        table.add_row(
            change["change"], cut((change["after"] or change["before"])[0], 14), _arrow(*sizes),
            f"{len(change['joined']):,}", f"{len(change['left']):,}", _arrow(_standing(was), _standing(now)),
            _short(last["probability"]), style="bold red" if change["detection"] else "")
    return table


def _standing(row: Row | None) -> str | None:
    """As in the table of a scan: detections are told from what is only suspected."""
    if row is None:
        return None
    if row["detected"]:
        return "DETECTED"
    if row["decision"] == "cleared":
        return "cleared"
    return "suspected" if row["verdict"] == "distillation" else clean(row["verdict"]).replace("_", " ")


def _short(probability: float) -> str:
    return surely(probability).replace("over ", ">").replace("under ", "<")


def _arrow(one: str | None, other: str | None) -> str:
    if one is None or other is None or one == other:
        return other or one or ""
    return f"{one} → {other}"


def _why(change: Row) -> list[str]:
    said = []
    for accounts, places, verb, elsewhere in (("joined", "joined_from", "joined", "before"),
                                              ("left", "left_to", "left", "after")):
        if change[accounts]:
            said.append(f"{plural(len(change[accounts]), 'account')} {verb} ({_some(change[accounts])});"
                        f" {elsewhere}: {_places(change[places])}")
    for row in change["evidence"][:_KINDS]:
        kind = KIND_WORDS.get(row["kind"], row["kind"])
        values = f"; {row['values_new']:,} values new, {row['values_gone']:,} gone"
        said.append(f"{cut(kind, 40)}: {row['bits_before']:.1f} → {row['bits_after']:.1f} bits{values}")
    if len(change["was"]) == len(change["is"]) == 1:
        was, now = change["was"][0], change["is"][0]
        said += [f"{name}: {one} → {other}" for name, one, other in (
            ("verdict", was["verdict"], now["verdict"]),
            ("probability", _short(was["probability"]), _short(now["probability"])),
            ("q", q(was["q_value"]), q(now["q_value"])), ("exchanges", was["exchanges"], now["exchanges"]),
            ("a person's decision", was["decision"], now["decision"])) if one != other]
    return [clean(line) for line in said] or ["the same accounts, linked by the same evidence"]


def _some(accounts: Sequence[str]) -> str:
    named = ", ".join(cut(account, _ACCOUNT) for account in accounts[:_NAMED])
    return f"{named} and {len(accounts) - _NAMED:,} more" if len(accounts) > _NAMED else named


def _places(places: Mapping[str, int]) -> str:
    ranked = sorted(places.items(), key=lambda item: (-item[1], item[0]))
    said = [f"{number:,} in {cut(name, 16) if name else 'no group'}" for name, number in ranked[:_KINDS]]
    return ", ".join(said) + (" …" if len(ranked) > _KINDS else "")
