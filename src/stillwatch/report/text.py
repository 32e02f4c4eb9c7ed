"""The findings in a terminal: the conclusion first, in 80 columns, without colour carrying any meaning."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stillwatch.report.clean import clean, cut
from stillwatch.report.load import Campaign, Findings, load
from stillwatch.report.numbers import q, short, surely
from stillwatch.report.words import Claim, conclude, conditional_on, identity, standing

__all__ = ["render_text"]

_ROWS = 12
_UNSEEN = 8


def render_text(findings: Path, report: Path | None = None) -> list[RenderableType]:
    """The findings folder as rich renderables, to be printed in turn, that fit 80 columns.

    ``report`` is where the HTML page is; without it, ``report.html`` in the folder is named if it is
    there. Raises as ``stillwatch.report.load.load`` does.
    """
    found = load(findings)
    conclusion = conclude(found)
    parts: list[RenderableType] = [
        Text(clean(conclusion.headline).upper(), style="bold red" if found.detections else "bold"),
        *_lines(conclusion.scanned, *conclusion.sentences),
    ]
    if found.campaigns:
        parts += [Text(""), *(_claim(claim) for claim in conclusion.claims), _table(found)]
        parts += _lines(*([conclusion.reportable] if conclusion.reportable else []))
        parts += _lines("Linked is not guilty: accounts may be victims. Probabilities are conditional on"
                        f" {cut(conditional_on(found), 120)}.")
    parts.append(Text(""))
    parts += _missing(conclusion.unseen)
    sums = identity(found)
    parts += _lines(f"{sums.sentence}.")
    if sums.holds is False:
        parts.append(Text("WARNING: these figures do not add up; do not rely on these findings.", style="bold red"))
    parts += _where(findings, report)
    return parts


def _lines(*texts: str) -> list[RenderableType]:
    # Text, never markup: a square bracket in an account's name must not become a style.
    return [Text(clean(text)) for text in texts]


def _claim(claim: Claim) -> Text:
    line = Text(f"{claim.question:<27}", style="bold")
    line.append(cut(claim.strength if claim.answer.startswith(("what", "about")) else
                    f"{claim.answer} ({claim.strength})", 120), style="not bold")
    return line


def _table(findings: Findings) -> RenderableType:
    # What has a name comes before groups of ordinary customers, of which there are many in any logs.
    ordered = sorted(findings.campaigns, key=lambda c: (not c.detected, c.row["verdict"] == "undetermined"))
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, header_style="bold")
    table.add_column("group", no_wrap=True, max_width=14)
    table.add_column("verdict", no_wrap=True)
    for heading in ("accounts", "exchanges", "harvest", "q"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("since", no_wrap=True)
    for campaign in ordered[:_ROWS]:
        table.add_row(*_row(campaign), style="bold red" if campaign.detected else "")
    left = len(ordered) - _ROWS
    return Group(table, Text(f"and {left:,} more in campaigns.parquet")) if left > 0 else table


def _row(campaign: Campaign) -> Iterable[Text]:
    row = campaign.row
    since = row["first_seen"]
    cells = (cut(campaign.ident, 14), standing(campaign), short(row["accounts"]), short(row["exchanges"]),
             surely(row["probability"]).replace("over ", ">").replace("under ", "<"),
             q(row["q_value"]).replace("under ", "<").replace("not computed", "–"),
             f"{since:%Y-%m-%d}" if since else "–")
    return (Text(clean(cell)) for cell in cells)


def _missing(unseen: tuple[str, ...]) -> list[RenderableType]:
    if not unseen:
        return []
    shown = [Text(f"- {cut(text, 240)}") for text in unseen[:_UNSEEN]]
    if len(unseen) > _UNSEEN:
        shown.append(Text(f"- and {len(unseen) - _UNSEEN:,} more in the report"))
    return [Text("What this scan could not see:", style="bold"), *shown]


def _where(findings: Path, report: Path | None) -> list[RenderableType]:
    page = report if report is not None else findings / "report.html"
    known = report is not None or page.is_file()
    text = Text("Report: ", style="bold", no_wrap=False, overflow="fold")
    text.append(clean(str(page)) if known else f"none yet; make it with: stillwatch report {clean(str(findings))}",
                style="not bold")
    return [text]
