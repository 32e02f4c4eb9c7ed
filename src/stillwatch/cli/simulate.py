"""``stillwatch simulate``: labelled traffic, to files only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import JsonFlag, ProgressWatcher, Quietly, guarded, say
from stillwatch.errors import UsageError
from stillwatch.proof import describe, scenarios
from stillwatch.proof import simulate as run_simulate

__all__ = ["simulate"]


@guarded
def simulate(
    scenario: Annotated[str | None, typer.Argument(metavar="SCENARIO", help="A shipped scenario's name, or a YAML"
                                                   " file.")] = None,
    out: Annotated[Path | None, typer.Option(file_okay=False, help="Folder to write.")] = None,
    scale: Annotated[float, typer.Option(min=0.0, help="Accounts and exchanges, times this.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    list_them: Annotated[bool, typer.Option("--list", help="List the shipped scenarios.")] = False,
    describe_it: Annotated[bool, typer.Option("--describe", help="Describe SCENARIO instead of writing it.")] = False,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Write labelled traffic: exchanges, accounts, launches and truth. It writes files and sends nothing.

    Examples:

      stillwatch simulate --list

      stillwatch simulate demo --out traffic --seed 7
    """
    if list_them:
        for name, line in scenarios().items():
            typer.echo(f"{name:24} {line}")
        return
    if scenario is None:
        raise UsageError("no scenario is named", remedy="see stillwatch simulate --list")
    if describe_it:
        typer.echo(describe(scenario))
        return
    if out is None:
        raise UsageError("no folder is named", remedy="give --out DIR")
    with ProgressWatcher(quiet) as watcher:
        watcher.stage(f"simulating {scenario}")
        summary = run_simulate(scenario, out, scale=scale, seed=seed, tick=lambda done, _: watcher.tick(done))
    if as_json:
        typer.echo(json.dumps(summary, sort_keys=True))
    elif not quiet:
        say(f"Wrote {summary['exchanges']:,} exchanges of {summary['accounts']:,} accounts to {out}")
