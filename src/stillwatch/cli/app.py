"""The ``stillwatch`` program and its commands."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stillwatch import __version__

__all__ = ["STYLE", "app", "main"]

# In the order in which help lists them: each is a function of a module of its name.
_COMMANDS = ("scan", "report", "classify", "link", "explain", "expand", "case", "diff", "export", "plot", "seal",
             "verify", "simulate", "evaluate", "power", "window-test", "ingest", "key")
# A traceback with local variables would print prompts.
STYLE: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": "rich",
                          "context_settings": {"help_option_names": ["-h", "--help"]}}


class _Commands(TyperGroup):
    """Commands that are imported when they are asked for: what some of them need takes two seconds to import."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, in order."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; for an unknown one, all are made ready to be suggested."""
        for name in (cmd_name,) if cmd_name in _COMMANDS else _COMMANDS:
            if name not in self.commands:
                run = getattr(import_module(f"stillwatch.cli.{name.replace('-', '_')}"), name.replace("-", "_"))
                if isinstance(run, typer.Typer):
                    # A command with commands of its own.
                    self.add_command(typer.main.get_group(run), name)
                    continue
                alone = typer.Typer(**STYLE)
                alone.command(name, no_args_is_help=name != "key")(run)
                self.add_command(typer.main.get_command(alone), name)
        return self.commands.get(cmd_name)


app = typer.Typer(
    name="stillwatch",
    cls=_Commands,
    help="Finds, proves and stops unauthorised distillation of language models.\n\n"
         "Start with: stillwatch scan LOGS --accounts ACCOUNTS",
    no_args_is_help=True,
    **STYLE,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"stillwatch {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                                help="Print the version and stop.")] = False) -> None:
    pass


def main() -> None:
    """Run the program."""
    app()
