"""``stillwatch report``: one page for people, at the level of those it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stillwatch.cli.shared import guarded, say
from stillwatch.report import disclosure, load_prices, load_signoffs, render_html

__all__ = ["report"]


@guarded
def report(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A findings folder.")],
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="The page; by default FINDINGS/report.html, or"
                                             " FINDINGS/report-LEVEL.html.")] = None,
    level: Annotated[str, typer.Option(help="Whom it is for: internal, partner or public. The page says what the level"
                                       " leaves out.")] = "internal",
    purpose: Annotated[str | None, typer.Option(help="What it is shared for; printed on the page. Required for partner"
                                                " and public.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Until when it may be kept; printed on the"
                                                " page. Required for partner and public.")] = None,
    tlp: Annotated[str | None, typer.Option(help="A stricter marking than the level's own: red, amber+strict, amber,"
                                            " green or clear.")] = None,
    sign_off: Annotated[Path | None, typer.Option(dir_okay=False, help="JSON list of records (campaign, actor, by, at,"
                                                  " reason): without one, no actor is named outside.")] = None,
    campaign: Annotated[str | None, typer.Option(help="This campaign alone, by its campaign or lineage id.")] = None,
    prices: Annotated[Path | None, typer.Option(dir_okay=False, help="YAML or CSV file with the prices of a million"
                                                " tokens by model: adds what each campaign's tokens come to.")] = None,
    cases: Annotated[Path | None, typer.Option(dir_okay=False, help="Case store: adds how probabilities fared among the"
                                               " cases that chance chose (internal level).")] = None,
) -> None:
    """Write one self-contained HTML page about a findings folder and print its path.

    Partner and public pages are made anew from what their level allows: no account ids, no samples, no values that
    accounts share, no names. Read such a page yourself before you pass it on.

    Examples:

      stillwatch report findings --out dossier.html

      stillwatch report findings --prices prices.yaml --cases cases.db

      stillwatch report findings --level partner --purpose "joint defence against this campaign" --expires 2027-06-30

      stillwatch report findings --level public --purpose "statement to the press" --expires 2027-06-30
    """
    signoffs = load_signoffs(sign_off) if sign_off is not None else ()
    terms = disclosure(level, purpose, expires, tlp, signoffs)
    page = render_html(findings, out, terms, campaign, prices=None if prices is None else load_prices(prices),
                       decided=None if cases is None else _decided(cases))
    if not terms.internal:
        say(f"Level {terms.level}, {terms.marking}, expires {terms.expires}: read it before you pass it on.")
    typer.echo(str(page))


def _decided(cases: Path) -> dict[str, Any]:
    # Here, since the store's libraries take a second to import, which no other page needs.
    from stillwatch.cases.desk import calibration, open_store

    return calibration(open_store(cases, create=False))
