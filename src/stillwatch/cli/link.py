"""``stillwatch link``: linkage alone, on anybody's traits."""

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
    Seed,
    SparkMaster,
    Threads,
    deployment_key,
    guarded,
    say,
    show_parts,
)
from stillwatch.pipeline.linkage import link_sightings
from stillwatch.report.linkage import remarks_on_sightings, render_linkage
from stillwatch.settings import load_settings

__all__ = ["link"]


@guarded
def link(
    sightings: Annotated[list[str], typer.Argument(metavar="SIGHTINGS", help="Files, folders or globs: Parquet, CSV or"
                                                   " JSONL (plain, .gz, .zst) with account_id, kind, value, and"
                                                   " optionally first_seen, last_seen, count.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for edges, groups, sightings and summary; an older"
                                      " one there is replaced whole.")],
    families: Annotated[Path | None, typer.Option(dir_okay=False, help="YAML or JSON file, kind → {family, level,"
                                                  " secret}: which kinds are one comparison.")] = None,
    engine: EngineName = None,
    spark_master: SparkMaster = None,
    seed: Seed = None,
    memory: Memory = None,
    threads: Threads = None,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Group accounts by any traits: which appear to be run together, and through what.

    One row is one trait of one account. A kind that is neither built in nor declared is a family of its own. Linked is
    not guilty.

    Examples:

      stillwatch link sightings.parquet --out linked

      stillwatch link 'traits/*.csv.gz' --families families.yaml --out linked

      stillwatch explain linked ACCOUNT
    """
    settings = load_settings(engine=engine, spark_master=spark_master, seed=seed, memory=memory, threads=threads)
    key = deployment_key(quiet or as_json)
    with ProgressWatcher(quiet) as watcher:
        summary = link_sightings(sightings, out, settings=settings, key=key, families=families, watcher=watcher)
    if not quiet:
        for remark in remarks_on_sightings(summary):
            say(remark)
    if as_json:
        typer.echo(json.dumps(summary | {"out": str(out)}, sort_keys=True))
        return
    show_parts(render_linkage(summary))
    say(f"Linkage: {out}")
