"""``stillwatch scan``: the main job."""

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
    MappingFile,
    Memory,
    ProgressWatcher,
    Quietly,
    Seed,
    SparkMaster,
    Threads,
    count_identity,
    deployment_key,
    guarded,
    say,
    show_parts,
)
from stillwatch.pipeline import ScanInputs
from stillwatch.pipeline import scan as run_scan
from stillwatch.report import render_html, render_text
from stillwatch.settings import load_settings

__all__ = ["scan"]

LookSeconds = Annotated[float | None, typer.Option(help="Time budget for finding since when each detection could have"
                                                   " been reported; 0 for none.")]
Prior = Annotated[float | None, typer.Option(help="Prior probability that linked accounts are a distillation"
                                             " campaign.")]
FailOnFinding = Annotated[bool, typer.Option("--fail-on-finding", help="Exit 3 when a campaign is a detection.")]


@guarded
def scan(
    inputs: Inputs,
    accounts: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Accounts table: sign-up,"
                                                  " payment and identity traits.")] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Findings folder; an older one there is replaced"
                                      " whole.")] = Path("findings"),
    format_name: FormatName = None,
    mapping: MappingFile = None,
    launches: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="When models were"
                                                  " released.")] = None,
    agreements: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Who may harvest, by"
                                                    " agreement.")] = None,
    networks: Annotated[list[Path] | None, typer.Option(exists=True, dir_okay=False, help="Your own MMDB or prefix list"
                                                        " (VPN, Tor, hosting); repeatable; it wins over what is"
                                                        " shipped.")] = None,
    cases: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Case store: what a person dismissed"
                                               " there stays cleared unless there is new evidence.")] = None,
    engine: EngineName = None,
    spark_master: SparkMaster = None,
    seed: Seed = None,
    decoys: Annotated[int | None, typer.Option(help="Decoy data sets behind every q-value.")] = None,
    decoy_seconds: Annotated[float | None, typer.Option(help="Time budget for decoys.")] = None,
    look_seconds: LookSeconds = None,
    prior: Prior = None,
    memory: Memory = None,
    threads: Threads = None,
    keep_work: Annotated[bool, typer.Option("--keep-work", help="Keep what was finished on the way, encrypted, in"
                                            " OUT.work: a scan with one changed setting then redoes only what"
                                            " follows from it.")] = False,
    as_json: JsonFlag = False,
    fail_on_finding: FailOnFinding = False,
    quiet: Quietly = False,
) -> None:
    """Read logs, find campaigns, write a findings folder.

    A detection is a campaign with verdict `distillation`, q ≤ 0.01 and probability ≥ 0.9. Linked is not guilty:
    benign explanations are weighed for every group and reported beside it.

    Interrupted, killed or out of disk, the same call goes on after what was finished (kept in OUT.work meanwhile).

    Examples:

      stillwatch scan logs/ --accounts accounts.parquet --out findings

      stillwatch scan 'logs/2026-11-*.jsonl.zst' --json | jq .detections

      stillwatch scan gateway.csv --mapping columns.yaml

      stillwatch scan logs/ --accounts accounts.parquet --cases cases.db

      stillwatch scan /shared/logs --out /shared/findings --engine spark --spark-master spark://head:7077
    """
    settings = load_settings(engine=engine, spark_master=spark_master, seed=seed, decoys=decoys,
                             decoy_seconds=decoy_seconds, look_seconds=look_seconds, prior=prior, memory=memory,
                             threads=threads)
    key = deployment_key(quiet or as_json)
    given = ScanInputs(inputs, accounts, launches, agreements, networks or (), format_name, mapping, cases)
    with ProgressWatcher(quiet) as watcher:
        summary = run_scan(given, out, settings=settings, key=key, watcher=watcher, keep_work=keep_work)
        watcher.stage("writing the report")
        page = render_html(out)
    _show(out, page, summary, as_json, quiet)
    if fail_on_finding and summary["detections"]:
        raise typer.Exit(3)


def _show(out: Path, page: Path, summary: dict[str, Any], as_json: bool, quiet: bool) -> None:
    """Say what was read and what was found."""
    if not quiet:
        say(count_identity(summary["counts"]))
    if as_json:
        typer.echo(json.dumps(summary | {"findings": str(out), "report": str(page)}, sort_keys=True))
    else:
        show_parts(render_text(out))
        say(f"Findings: {out}")
