"""``stillwatch evaluate``: findings against labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import (
    EngineName,
    JsonFlag,
    Memory,
    ProgressWatcher,
    Quietly,
    Threads,
    guarded,
    say,
    show_parts,
)
from stillwatch.proof.evaluate import evaluate as run_evaluate
from stillwatch.proof.evaluate import figures
from stillwatch.report.evaluation import render_evaluation
from stillwatch.report.evaluation_plots import check_plots, plot_evaluation
from stillwatch.settings import load_settings

__all__ = ["evaluate"]


@guarded
def evaluate(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A findings folder.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="A simulation's folder, its truth folder, or any with"
                                          " campaigns, members and exchanges as the contract's truth.")],
    accounts: Annotated[Path | None, typer.Option(dir_okay=False, help="Accounts table, instead of the one beside"
                                                  " TRUTH: who there is, of what kind and country.")] = None,
    logs: Annotated[Path | None, typer.Option(help="Parquet file or folder of exchanges, instead of the one beside"
                                              " TRUTH: what each account sent, and when.")] = None,
    plots: Annotated[Path | None, typer.Option(file_okay=False, help="Folder for pictures (needs stillwatch[plots]):"
                                               " reliability, recall, verdicts, share gone.")] = None,
    plot_format: Annotated[str, typer.Option(help="Format of the pictures: svg or png.")] = "svg",
    engine: EngineName = None,
    memory: Memory = None,
    threads: Threads = None,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Score findings against labels: what was found, what was missed, who was wronged.

    Every figure is defined in docs/reference/evaluate.md. What is not known (no population, no times) is said, never
    guessed.

    Examples:

      stillwatch evaluate findings traffic

      stillwatch evaluate findings labels --accounts accounts.parquet --logs exchanges/ --json | jq .accounts

      stillwatch evaluate findings traffic --plots pictures --plot-format png
    """
    if plots is not None:
        check_plots(plot_format)
    settings = load_settings(engine=engine, memory=memory, threads=threads)
    with ProgressWatcher(quiet) as watcher:
        told = figures(run_evaluate(findings, truth, accounts=accounts, logs=logs, engine=settings.engine,
                                    memory=settings.memory, threads=settings.threads, watcher=watcher))
        drawn = [] if plots is None else plot_evaluation(told, plots, plot_format)
    if as_json:
        typer.echo(json.dumps(told | {"plots": [str(path) for path in drawn]}, sort_keys=True, allow_nan=False))
        return
    show_parts(render_evaluation(told))
    for path in drawn:
        say(f"Plot: {path}")
