"""``stillwatch power``: what would be found in these logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from stillwatch.cli.shared import (
    EngineName,
    FormatName,
    Inputs,
    JsonFlag,
    ProgressWatcher,
    Quietly,
    Seed,
    deployment_key,
    guarded,
    say,
    show_parts,
)
from stillwatch.pipeline import ScanInputs
from stillwatch.proof.power import Wanted
from stillwatch.proof.power import power as run_power
from stillwatch.report import render_power_page, render_power_text
from stillwatch.settings import load_settings

__all__ = ["power"]


Axes = Annotated[str | None, typer.Option(
    help="Axes to step, with commas: accounts, exchanges, sampling, gap, and the simulator's knobs address_sharing,"
    " payment_sharing, client_mimicry, wording, timing_jitter, dilution, exchanges_per_account. All by default.")]
Beside = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="As for scan.")]
Decoys = Annotated[int | None, typer.Option(
    help="Decoy data sets of each scan, as for scan: fewer are faster, and q-values larger.")]


@guarded
def power(
    inputs: Inputs,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the results, readable by you alone; what is"
                                      " there already is not done again.")],
    accounts: Beside = None,
    launches: Beside = None,
    agreements: Beside = None,
    format_name: FormatName = None,
    mapping: Beside = None,
    networks: Annotated[list[Path] | None, typer.Option(exists=True, dir_okay=False, help="As for scan;"
                                                        " repeatable.")] = None,
    axes: Axes = None,
    steps: Annotated[int | None, typer.Option(help="Steps of every axis, evenly between the same ends.")] = None,
    repeats: Annotated[int, typer.Option(help="Campaigns planted at each step, each drawn anew.")] = 3,
    quick: Annotated[bool, typer.Option("--quick", help="Accounts and exchanges alone, four steps, one repeat: wide"
                                        " intervals.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="Begin no scan after so many seconds; the same call"
                                                  " goes on later.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, max=256, help="Scans side by side; one a core by default."
                                                  " Results are the same.")] = None,
    engine: EngineName = None,
    seed: Seed = None,
    decoys: Decoys = None,
    prior: Annotated[float | None, typer.Option(help="Prior probability, as for scan.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory limit of each process's engine, such as 4GB.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of each process's engine.")] = None,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Find the detection limit of these logs: plant simulated campaigns in memory, scan, and see what is found.

    The logs are only read. A fixed grid is stepped, one axis at a time around one stated reference campaign; it says
    at which limit campaigns are found. Results are INTERNAL: they tell an adversary what is not found.

    Interrupted or killed, the same call goes on where it stopped.

    Examples:

      stillwatch power logs/ --accounts accounts.parquet --out power --quick

      stillwatch power logs/ --accounts accounts.parquet --out power --seconds 3600

      stillwatch power logs/ --out power --axes accounts,sampling --repeats 5
    """
    # Results do not depend on time: every scan makes all the decoys that decide it.
    settings = load_settings(engine=engine, seed=seed, decoys=decoys, prior=prior, memory=memory, threads=threads)
    key = deployment_key(quiet or as_json)
    given = ScanInputs(inputs, accounts, launches, agreements, networks or (), format_name, mapping)
    wanted = Wanted(tuple(filter(None, (name.strip() for name in (axes or "").split(",")))), steps, repeats, quick,
                    seconds, processes)
    try:
        with ProgressWatcher(quiet) as watcher:
            summary = run_power(given, out, wanted, settings=settings, key=key, watcher=watcher,
                                tell=(lambda _: None) if quiet else say)
    except KeyboardInterrupt:
        say(f"Interrupted: scans that were done are kept in {out}; the same call goes on.")
        raise typer.Exit(130) from None
    _show(out, summary, as_json, quiet)


def _show(out: Path, summary: dict[str, Any], as_json: bool, quiet: bool) -> None:
    """Make the page, and print what there is."""
    page = render_power_page(out)
    if as_json:
        typer.echo(json.dumps(summary | {"results": str(out), "page": str(page)}, sort_keys=True))
        return
    show_parts(render_power_text(out))
    if not quiet:
        say(f"Results (internal): {out}")
