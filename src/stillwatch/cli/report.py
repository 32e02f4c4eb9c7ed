"""``stillwatch report``: one page for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import guarded
from stillwatch.report import render_html

__all__ = ["report"]


@guarded
def report(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A findings folder.")],
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="The page; FINDINGS/report.html by default.")] = None,
) -> None:
    """Write one self-contained HTML page about a findings folder and print its path.

    Example:

      stillwatch report findings --out dossier.html
    """
    typer.echo(str(render_html(findings, out)))
