"""``stillwatch ingest``: logs as canonical exchanges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import (
    FormatName,
    Inputs,
    JsonFlag,
    MappingFile,
    ProgressWatcher,
    Quietly,
    count_identity,
    deployment_key,
    guarded,
    say,
)
from stillwatch.pipeline import convert
from stillwatch.settings import load_settings

__all__ = ["ingest"]


@guarded
def ingest(
    inputs: Inputs,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder to write; an older one there is replaced whole.")],
    format_name: FormatName = None,
    mapping: MappingFile = None,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Convert logs to the exchanges table: exchanges/*.parquet, quarantine.jsonl, summary.json.

    The result holds prompts, as the logs do: keep it as safe as those. `scan` reads logs directly and does not need it.

    Example:

      stillwatch ingest captures/ --out exchanges
    """
    with ProgressWatcher(quiet) as watcher:
        summary = convert(inputs, out, format_name=format_name, mapping=mapping, settings=load_settings(),
                          key=deployment_key(quiet or as_json), watcher=watcher)
    if not quiet:
        say(count_identity(summary["counts"]))
    if as_json:
        typer.echo(json.dumps(summary, sort_keys=True))
    elif not quiet:
        say(f"Exchanges: {out}")
