"""What linking found, in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from stillwatch.report.clean import clean, cut
from stillwatch.report.link_words import heading, inside, lines
from stillwatch.report.numbers import count, plural, surely

__all__ = ["remarks_on_sightings", "render_linkage"]

_ROWS = 20
_FAMILIES = 3
_NAMED = 8
_REASONS = {
    "no_account": "without an account", "no_kind": "without a kind", "no_value": "without a value",
    "too_long": "with an id, kind or value that is too long",
    "bad_count": "with a count that is no whole number of 1 or more",
    "too_large": "longer than the longest record that is read", "unparsable": "that cannot be parsed",
    "not_an_object": "that are no JSON object", "not_unicode": "with text that is not Unicode",
    "too_deep": "nested beyond what the parser reads", "expands_too_far": "in a file that expands beyond reason",
}


def render_linkage(summary: Mapping[str, Any]) -> list[RenderableType]:
    """What ``stillwatch link`` prints for people, from the summary that it prints for programs."""
    groups, accounts = summary["groups"], summary["accounts"]
    head = f"{plural(groups, 'group')} of accounts that appear to be run together" if groups else "No group found"
    parts: list[RenderableType] = [Text(head.upper(), style="bold")]
    parts += lines(f"{plural(summary['sightings'], 'sighting')} of {plural(accounts, 'account')};"
                   f" {count(summary['grouped_accounts'])} of them in groups, {plural(summary['edges'], 'link')}"
                   " between two accounts.")
    if groups:
        parts += [Text(""), _table(summary["found"])]
        left = groups - _ROWS
        if left > 0:
            parts += lines(f"and {plural(left, 'more group')} in groups.parquet")
        parts += lines("Linked is not guilty: a household, a class or one company is run together too, and an account"
                       " may be a victim. Bits are a score for surprise, not a likelihood ratio.")
    else:
        parts += lines("This is no proof that no accounts are run together: see what was learnt of each family.")
    parts += [heading("What each family is worth"), _learnt(summary["learnt"])]
    if summary["caps"]:
        parts += [heading("Too popular to make links by themselves")]
        parts += [inside(f"{plural(cap['value_count'], 'value')} of {cut(cap['kind'], 40)}: {cap['note']}")
                  for cap in summary["caps"]]
    return parts


def _table(found: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("group", no_wrap=True)
    table.add_column("accounts", justify="right", no_wrap=True)
    table.add_column("membership", no_wrap=True)
    table.add_column("strongest families (bits)")
    for row in list(found)[:_ROWS]:
        families = ", ".join(f"{cut(f['family'], 24)} {f['bits']:,.0f}" for f in row["families"][:_FAMILIES])
        low, high = (_short(row["probability"][end]) for end in ("lowest", "highest"))
        cells = (row["group_id"], count(row["accounts"]), low if low == high else f"{low}–{high}", families or "–")
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table


def _short(probability: float) -> str:
    return surely(probability).replace("over ", ">").replace("under ", "<")


def _learnt(learnt: Mapping[str, Any]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("family")
    table.add_column("agree if run together", justify="right")
    table.add_column("agree by chance", justify="right")
    for family in sorted(learnt["m"]):
        table.add_row(*(Text(clean(cell)) for cell in (
            cut(family, 40), _short(learnt["m"][family]), _short(learnt["u"][family]))))
    return table


def remarks_on_sightings(summary: Mapping[str, Any]) -> list[str]:
    """What the user should know of the input: rows set aside, kinds that nobody declared, values that stay readable."""
    counts, said = summary["counts"], []
    aside = counts["set_aside"]
    parts = [f"{number:,} {_REASONS.get(reason, reason.replace('_', ' '))}" for reason, number in aside.items()]
    said.append(f"rows in = kept + set aside: {counts['rows_in']:,} = {counts['kept']:,} + {sum(aside.values()):,}"
                + (f" ({'; '.join(parts)})" if parts else ""))
    times = counts["left_empty"].get("times")
    if times:
        said.append(f"{plural(times, 'time')} could not be read and count as not given")
    own = {kind: row for kind, row in summary["families"].items() if row["source"] == "its own"}
    if own:
        names = [_named(kind, row) for kind, row in own.items()]
        rest = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        said.append(f"not declared, so a family of {'its' if len(own) == 1 else 'their'} own:"
                    f" {', '.join(names[:_NAMED])}{rest}. If some describe the same thing, say so with --families")
    readable = [kind for kind, row in own.items() if not row["digested"]]
    if readable:
        said.append("values of undeclared kinds are kept as they are; `secret: true` in --families keeps digests"
                    " instead")
    return said


def _named(kind: str, row: Mapping[str, Any]) -> str:
    near = row["did_you_mean"]
    return cut(kind, 40) + (f" (did you mean {cut(near, 40)}?)" if near else "")
