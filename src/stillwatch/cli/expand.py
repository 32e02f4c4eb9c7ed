"""``stillwatch expand``: from accounts known to be bad outward."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from stillwatch.cli.shared import JsonFlag, guarded, say, show_parts
from stillwatch.errors import InputError, UsageError
from stillwatch.pipeline.expanding import expand as run_expand
from stillwatch.pipeline.exporting import spreadsheet_cell
from stillwatch.pipeline.opened import open_findings
from stillwatch.report.clean import clean
from stillwatch.report.expanded import lead_rows, render_expansion

__all__ = ["expand"]

_LONGEST_FILE = 64 << 20


@guarded
def expand(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A folder that `scan` or `link` wrote.")],
    accounts: Annotated[list[str] | None, typer.Argument(metavar="ACCOUNT...", help="Accounts known to be"
                                                         " bad.")] = None,
    given: Annotated[Path | None, typer.Option("--from", exists=True, dir_okay=False, help="File with more of them, one"
                                               " id a line.")] = None,
    min_probability: Annotated[float, typer.Option(min=0.01, max=1.0, help="Stop below this probability of being run"
                                                   " together.")] = 0.5,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often to go on from what was found.")] = 5,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most leads.")] = 200,
    max_shared: Annotated[int | None, typer.Option(min=2, help="Never expand through a value seen with more accounts;"
                                                   " by default a twentieth of all, from 20 to 1,000.")] = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Also write all leads to this new .csv or .json"
                                             " file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Who else is run together with accounts known to be bad: ranked leads, their paths, and what speaks against.

    Leads are not culprits. The stop rules, and the one that ended the search, are printed.

    Examples:

      stillwatch expand findings acct_42 acct_77

      stillwatch expand findings --from banned.txt --min-probability 0.9 --out leads.csv

      stillwatch expand linked acct_42 --rounds 1 --json | jq '.leads[].account'
    """
    seeds = [*(accounts or []), *(_read(given) if given else [])]
    if not seeds:
        raise UsageError("no account is given", remedy="name accounts known to be bad, or a file of them with --from")
    if out is not None and (out.suffix not in (".csv", ".json") or out.exists()):
        raise UsageError(f"{out} exists already" if out.exists() else f"{out} is neither .csv nor .json",
                         remedy="name a new file that ends in .csv or .json")
    told = run_expand(open_findings(findings), seeds, probability=min_probability, rounds=rounds, limit=limit,
                      shared=max_shared)
    if out is not None:
        _write(told, out)
    if as_json:
        typer.echo(json.dumps(told, sort_keys=True, allow_nan=False))
        return
    show_parts(render_expansion(told))
    if out is not None:
        say(f"Leads: {out}")


def _read(path: Path) -> list[str]:
    if path.stat().st_size > _LONGEST_FILE:
        raise InputError(f"{path} is longer than 64 MiB", remedy="give one account id a line")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text", remedy="give one account id a line") from error
    return [line.strip() for line in text.split("\n") if line.strip()]


def _write(told: Mapping[str, Any], path: Path) -> None:
    """Write the leads whole or not at all."""
    if path.suffix == ".json":
        text = json.dumps(told, indent=1, sort_keys=True, allow_nan=False) + "\n"
    else:
        stream = io.StringIO()
        # Everything is quoted, so that a separator of another locale inside an id begins no cell.
        rows = lead_rows(told["leads"], lambda text: spreadsheet_cell(text, clean))
        csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
        text = stream.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.touch(mode=0o600)
        draft.write_text(text, "utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
