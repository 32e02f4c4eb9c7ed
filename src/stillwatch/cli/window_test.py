"""``stillwatch window-test``: are windows of requests unlike everybody else's?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from stillwatch.cli.shared import (
    FormatName,
    Inputs,
    JsonFlag,
    MappingFile,
    ProgressWatcher,
    Quietly,
    Seed,
    count_identity,
    deployment_key,
    guarded,
    say,
    show_parts,
)
from stillwatch.pipeline.window_test import WindowOptions, read_groups, run_window_test
from stillwatch.report.clean import cut
from stillwatch.settings import load_settings

__all__ = ["window_test"]

_ROWS = 20


@guarded
def window_test(
    inputs: Inputs,
    groups: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Linked accounts to pool: Parquet or"
                                                " CSV with group_id (or campaign_id) and account_id.")] = None,
    account: Annotated[list[str] | None, typer.Option(help="An account to pool with the others so named; may be"
                                                      " given again.")] = None,
    window: Annotated[int, typer.Option(min=10, help="Requests in a window.")] = 100,
    fpr: Annotated[float, typer.Option(help="False-positive rate that the threshold is calibrated to.")] = 0.01,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Parquet file for the table of windows.")] = None,
    format_name: FormatName = None,
    mapping: MappingFile = None,
    seed: Seed = None,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Test whether windows of requests come from the same distribution as everybody else's.

    Needs prompts, and no model to download. The threshold is calibrated on benign windows of these logs: of as many
    accounts as are pooled. Without groups every account is tested alone. Unlike the crowd is not guilty.

    Examples:

      stillwatch window-test logs/ --window 100 --fpr 0.01

      stillwatch window-test logs/ --groups findings/members.parquet --window 1500 --out windows.parquet

      stillwatch window-test logs/ --account acct_42 --account acct_77 --json | jq .unusual
    """
    pooled = read_groups(groups) if groups else {}
    if account:
        pooled["given"] = list(account)
    options = WindowOptions(window, fpr, pooled or None)
    with ProgressWatcher(quiet) as watcher:
        told = run_window_test(inputs, options, settings=load_settings(seed=seed), key=deployment_key(quiet or as_json),
                               out=out, format_name=format_name, mapping=mapping, watcher=watcher)
    if not quiet:
        say(count_identity(told["counts"]))
    if as_json:
        typer.echo(json.dumps(told, sort_keys=True))
        return
    show_parts(_told(told, window, fpr))


def _told(told: Mapping[str, Any], window: int, fpr: float) -> Iterator[Text]:
    yield Text(f"{len(told['unusual']):,} of {told['units_tested']:,} tested are unlike the rest"
               f" (false-positive rate {fpr:g})", style="bold")
    for row in sorted(told["windows"], key=lambda row: (row["p_value"], row["unit"], row["window"]))[:_ROWS]:
        mark = "unlike the rest" if row["unusual"] else "like the rest"
        yield Text(f"  {cut(row['unit'], 40)} window {row['window']}: {mark}, p = {row['p_value']:.3g}"
                   f" ({row['queries']:,} requests, {row['accounts']:,} accounts)")
    left = told["units"] - told["units_tested"]
    if left:
        yield Text(f"  {left:,} have fewer than {window:,} requests with text and were not tested")
    yield Text("Unlike the crowd is not guilty: people and applications differ too.")
