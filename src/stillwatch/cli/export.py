"""``stillwatch export``: the tables of findings, for spreadsheets and other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import JsonFlag, guarded, say
from stillwatch.pipeline.exporting import export as run_export
from stillwatch.report import clean

__all__ = ["export"]


@guarded
def export(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A findings folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables, one file each; an earlier export is replaced.")],
    form: Annotated[str, typer.Option("--format", help="csv, parquet or json.")] = "csv",
    table: Annotated[list[str] | None, typer.Option(help="This table alone, such as members; repeat for more.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the tables of a findings folder as CSV, Parquet or JSON, with what their columns mean.

    In CSV a text that a spreadsheet would take for a formula has an apostrophe before it, and what cannot be seen is
    written out (\\\\x1b, \\\\u202e): take Parquet or JSON where texts must stay as they are. The tables name accounts;
    `stillwatch report --level` makes what may be shared.

    Examples:

      stillwatch export findings --out tables

      stillwatch export findings --out tables --format json --table campaigns --table members
    """
    rows = run_export(findings, out, form, inert=clean, only=table or ())
    if as_json:
        typer.echo(json.dumps({"out": str(out), "format": form, "rows": rows}, sort_keys=True))
        return
    say(f"{len(rows)} tables, {sum(rows.values()):,} rows. They name accounts: internal.")
    typer.echo(str(out))
