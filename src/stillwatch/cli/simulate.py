"""``stillwatch simulate``: labelled traffic, to files only."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import JsonFlag, ProgressWatcher, Quietly, guarded, say
from stillwatch.errors import UsageError
from stillwatch.proof import describe, list_scenarios
from stillwatch.proof import simulate as run_simulate
from stillwatch.report.clean import clean

__all__ = ["simulate"]


@guarded
def simulate(
    scenario: Annotated[str | None, typer.Argument(metavar="SCENARIO", help="A shipped scenario's name, or a YAML"
                                                   " file of your own.")] = None,
    out: Annotated[Path | None, typer.Option(file_okay=False, help="Folder to write; an earlier simulation there is"
                                             " replaced whole.")] = None,
    scale: Annotated[float, typer.Option(min=0.0, help="Accounts and exchanges, times this.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    prompts: Annotated[str | None, typer.Option(metavar="A|B", help="Half of the shipped prompts to speak in, instead"
                                                " of the scenario's.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that write, by default one a core; 0 for none"
                                                " but this one. The bytes are the same.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the shipped scenarios, with their exchanges at"
                                            " --scale.")] = False,
    describe_it: Annotated[bool, typer.Option("--describe", help="Say what SCENARIO holds at --scale instead of"
                                              " writing it.")] = False,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Write labelled traffic: exchanges, accounts, launches, agreements and truth. It writes files and sends nothing.

    Nothing is written unless it fits on the disk, and nothing is left behind when it is interrupted.

    Examples:

      stillwatch simulate --list

      stillwatch simulate demo --out traffic --seed 7

      stillwatch simulate reported --scale 0.1 --describe

      stillwatch simulate my_scenario.yaml --out traffic --scale 2 --workers 4

    A scenario of your own is a YAML file with name, summary, start, days, models and actors:

      name: mine

      summary: a campaign among ordinary customers

      start: 2026-03-02

      days: 14

      models: [{name: atlas-4-large, reasoning: true}]

      casts: {town: 0.5}

      actors:

      - {actor: campaign, name: Grey Rook, accounts: 40, exchanges: 4000, capabilities: {reasoning_trace: 1}}
    """
    if list_them:
        typer.echo(list_scenarios(scale, seed))
        return
    if scenario is None:
        raise UsageError("no scenario is named", remedy="see stillwatch simulate --list")
    if describe_it:
        # A scenario file may be anybody's.
        typer.echo("\n".join(map(clean, describe(scenario, scale, seed).split("\n"))))
        return
    if out is None:
        raise UsageError("no folder is named", remedy="give --out DIR")
    start = time.monotonic()
    with ProgressWatcher(quiet) as watcher:
        watcher.stage(f"simulating {scenario}", unit="exchanges")
        summary = run_simulate(scenario, out, scale=scale, seed=seed, prompts=prompts, workers=workers,
                               tick=watcher.tick)
    if as_json:
        typer.echo(json.dumps(summary, sort_keys=True))
    elif not quiet:
        seconds = max(time.monotonic() - start, 0.01)
        say(f"Wrote {summary['exchanges']:,} exchanges of {summary['accounts']:,} accounts to {out} in {seconds:,.1f} s"
            f" ({summary['exchanges'] / seconds:,.0f} a second)")
