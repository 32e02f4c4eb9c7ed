"""``stillwatch classify``: what each exchange asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

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
)
from stillwatch.pipeline import ScanInputs
from stillwatch.pipeline import classify as run_classify
from stillwatch.settings import load_settings

__all__ = ["classify"]


@guarded
def classify(
    inputs: Inputs,
    out: Annotated[Path, typer.Option(dir_okay=False, help="New file, one row an exchange: .parquet, .csv or"
                                      " .jsonl.")],
    format_name: FormatName = None,
    mapping: MappingFile = None,
    engine: EngineName = None,
    spark_master: SparkMaster = None,
    seed: Seed = None,
    memory: Memory = None,
    threads: Threads = None,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Say what each exchange asks the model to show: its capability, its family of prompts, known benchmark items.

    Content alone: no account is needed, nobody is linked and nobody is accused. Without text the capability is judged
    by tools, turns and lengths, which is far less certain.

    Examples:

      stillwatch classify logs/ --out classified.parquet

      stillwatch classify 'logs/*.jsonl.gz' --out classified.csv --json | jq .capabilities
    """
    settings = load_settings(engine=engine, spark_master=spark_master, seed=seed, memory=memory, threads=threads)
    key = deployment_key(quiet or as_json)
    given = ScanInputs(inputs, format=format_name, mapping=mapping)
    with ProgressWatcher(quiet) as watcher:
        summary = run_classify(given, out, settings=settings, key=key, watcher=watcher)
    if not quiet:
        say(count_identity(summary["counts"]))
    if as_json:
        typer.echo(json.dumps(summary, sort_keys=True))
    elif not quiet:
        for name, count in sorted(summary["capabilities"].items(), key=lambda pair: (-pair[1], pair[0])):
            say(f"{count:>12,}  {name}")
        say(f"Classified: {out}")
