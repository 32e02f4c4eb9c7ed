"""The ``stillwatch`` program and its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from stillwatch import __version__
from stillwatch.cli import evaluate, ingest, key, power, report, scan, simulate

__all__ = ["app", "main"]

app = typer.Typer(
    name="stillwatch",
    help="Finds, proves and stops unauthorised distillation of language models.\n\n"
         "Start with: stillwatch scan LOGS --accounts ACCOUNTS",
    no_args_is_help=True,
    # A traceback with local variables would print prompts.
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"stillwatch {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                                help="Print the version and stop.")] = False) -> None:
    pass


for command in (scan.scan, report.report, simulate.simulate, evaluate.evaluate, power.power, ingest.ingest, key.key):
    app.command(no_args_is_help=command is not key.key)(command)


def main() -> None:
    """Run the program."""
    app()
