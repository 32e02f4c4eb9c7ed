"""Who is linked to accounts known to be bad, in a terminal: leads, each with its path and what speaks against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from stillwatch.report.clean import clean, cut
from stillwatch.report.link_words import ACCOUNT, families_words, heading, inside, lines, trait
from stillwatch.report.numbers import count, plural, surely
from stillwatch.report.words import name

__all__ = ["LEADS", "lead_rows", "render_expansion"]

LEADS = ("Leads, not culprits: each appears to be run together with the accounts given. A class, a household or one"
         " company is run together too, and an account may be a victim. Look at each before anything is done.")
_ROWS = 20
_TRAITS = 3
_NAMED = 5
_SHORT_NOTES = {"no sign that somebody": "no sign of it in what was measured", "not assessed: linkage": "not assessed"
                " by linkage alone", "not assessed: no campaign": "not assessed: in no judged campaign"}


def render_expansion(told: Mapping[str, Any], shown: int = _ROWS) -> list[RenderableType]:
    """What ``stillwatch expand`` prints for people, from what it prints for programs."""
    leads, seeds = told["leads"], told["seeds"]
    head = f"{plural(len(leads), 'lead')} from {plural(len(seeds), 'account')}"
    parts: list[RenderableType] = [Text(head.upper(), style="bold"), *lines(LEADS, *_about(told))]
    parts += [heading("Stop rules"), *(inside(text) for text in _rules(told))]
    if leads:
        parts.append(heading("Leads, surest first"))
        for place, lead in enumerate(leads[:shown], start=1):
            parts += _lead(place, lead)
        if len(leads) > shown:
            parts += lines(f"and {plural(len(leads) - shown, 'more lead')}: --out FILE or --json lists all")
    if told["below"]:
        parts.append(heading(f"Reached, and below the bar ({count(told['below_in_all'])} in all)"))
        parts += [inside(f"{cut(lead['account'], ACCOUNT)}: {surely(lead['probability'])}, {_path(lead)}")
                  for lead in told["below"]]
    return parts


def _about(told: Mapping[str, Any]) -> list[str]:
    said = []
    if len(told["sources"]) > 1:
        said.append(f"The accounts given fall into {len(told['sources'])} parts that share nothing strong; each was"
                    " followed by itself, and all together.")
    unknown = told["unknown_seeds"]
    if unknown:
        names = [_unknown(row) for row in unknown[:_NAMED]]
        rest = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
        said.append(f"Not known here, left out: {', '.join(names)}{rest}.")
    return said


def _unknown(row: Mapping[str, Any]) -> str:
    close = f" (did you mean {cut(row['close'][0], ACCOUNT)}?)" if row["close"] else ""
    return f"{cut(row['account'], ACCOUNT)}{close}"


def _rules(told: Mapping[str, Any]) -> list[str]:
    rules, stopped = told["rules"], told["stopped"]
    why = {
        "nobody": f"Stopped after {plural(told['rounds'], 'round')}: nobody else is as probable.",
        "rounds": f"STOPPED AT {plural(rules['rounds'], 'round').upper()}: there may be more; raise --rounds.",
        "accounts": f"STOPPED AT {plural(rules['accounts'], 'lead').upper()}: there are more; raise --limit.",
    }[stopped]
    popular = told["popular_values"]
    return [
        f"Nobody below a probability of {surely(rules['probability'])} (--min-probability).",
        f"Never through a value seen with more than {plural(rules['shared'], 'account')}"
        f" ({plural(popular, 'value')} of the accounts given passed over); groups that linking found are followed"
        " whole.",
        f"At most {plural(rules['rounds'], 'round')} (--rounds) and {plural(rules['accounts'], 'lead')} (--limit).",
        "A lead is never surer than the account it was reached through.",
        why,
    ]


def _path(lead: Mapping[str, Any]) -> str:
    origin = "given" if lead["via_round"] == 0 else f"lead of round {lead['via_round']}"
    group = f", in one group ({cut(lead['group'], ACCOUNT)})" if lead["group"] else ""
    return f"through {cut(lead['via'], ACCOUNT)} ({origin}{group})"


def _lead(place: int, lead: Mapping[str, Any]) -> list[RenderableType]:
    head = Text(f"{place:>3}. ", style="bold")
    head.append(f"{clean(cut(lead['account'], ACCOUNT))}  {surely(lead['probability'])}", style="bold")
    verdicts = ", ".join("DETECTED" if row["detection"] else f"judged {name(row['verdict'])}"
                         for row in lead["verdicts"])
    if verdicts:
        head.append(f"  [{clean(verdicts)}]")
    traits = [f"{trait(value)} ({plural(value['accounts'], 'account')})" for value in lead["shared"][:_TRAITS]]
    left = lead["shared_in_all"] - len(traits)
    what = "; ".join(traits) or "no value of their own: the group alone"
    return [
        head,
        inside(f"{_path(lead)}: {what}{f'; and {left:,} more' if left > 0 and traits else ''}", 5),
        inside(f"belongs by (bits): {families_words(lead['families'])}", 5),
        inside(f"against: {lead['against']}. Victim? {_note(lead['victim_note'])}", 5),
    ]


def _note(note: str) -> str:
    return next((short for start, short in _SHORT_NOTES.items() if note.startswith(start)), note)


COLUMNS = ("account", "probability", "round", "via", "group", "bits", "families", "shared", "against", "victim_note",
           "verdicts")


def lead_rows(leads: Sequence[Mapping[str, Any]], cell: Callable[[str], str]) -> list[list[str]]:
    """The leads as rows of a table for spreadsheets, a header first.

    ``cell`` makes a text one that no spreadsheet takes for a formula: ids come from strangers.
    """
    rows = [list(COLUMNS)]
    for lead in leads:
        cells = dict(lead) | {
            "probability": f"{lead['probability']:.6f}", "bits": f"{lead['bits']:.2f}",
            "families": families_words(lead["families"]),
            "shared": "; ".join(f"{trait(value)} ({value['accounts']} accounts)" for value in lead["shared"]),
            "verdicts": ", ".join(row["verdict"] for row in lead["verdicts"]),
        }
        rows.append(["" if cells[column] is None else cell(str(cells[column])) for column in COLUMNS])
    return rows
