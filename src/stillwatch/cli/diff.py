"""``stillwatch diff``: what changed from one scan to another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import JsonFlag, guarded, show_parts
from stillwatch.report.diff import compare
from stillwatch.report.diff_text import render_diff

__all__ = ["diff"]


@guarded
def diff(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A findings folder.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="A later one.")],
    as_json: JsonFlag = False,
) -> None:
    """What is new, grown, shrunk, split, merged or gone between two findings folders, and why.

    Campaigns are matched by the accounts they share, so that it does not matter what they are called.

    Examples:

      stillwatch diff monday tuesday

      stillwatch diff monday tuesday --json | jq '.changes[] | select(.change == "new") | .after'
    """
    told = compare(before, after)
    if as_json:
        typer.echo(json.dumps(told, sort_keys=True, allow_nan=False))
        return
    show_parts(render_diff(told))
