"""``stillwatch plot``: one campaign as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import guarded
from stillwatch.report.findings_plot import plot_campaign

__all__ = ["plot"]


@guarded
def plot(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A findings folder.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The picture; its name ends in .svg or .png.")],
    campaign: Annotated[str | None, typer.Option(help="Campaign or lineage id; by default the detection with the most"
                                                 " accounts, else the group that harvesting explains best.")] = None,
) -> None:
    """Draw one campaign: exchanges over time, evidence by family, what is asked for, and the explanations.

    Needs matplotlib: pip install 'stillwatch[plots]'. It shows no account.

    Examples:

      stillwatch plot findings --out campaign.svg

      stillwatch plot findings --out slide.png --campaign 1b97cbfa8acecf25
    """
    typer.echo(str(plot_campaign(findings, out, campaign)))
