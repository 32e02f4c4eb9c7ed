"""``stillwatch case``: analysts' decisions. Reading is here, acting in ``case_acts``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from stillwatch.cases.desk import calibration as read_calibration
from stillwatch.cases.desk import history as read_history
from stillwatch.cases.desk import list_cases, show_case
from stillwatch.cli import case_acts
from stillwatch.cli.app import STYLE
from stillwatch.cli.case_acts import Case, StoreFile, opened_store
from stillwatch.cli.shared import JsonFlag, guarded, show_parts
from stillwatch.errors import UsageError
from stillwatch.report.cases import render_calibration, render_case, render_cases, render_history
from stillwatch.schema import CASE_STATE

__all__ = ["case"]

case = typer.Typer(
    name="case", no_args_is_help=True, **STYLE,
    help="Decisions about groups of linked accounts: each is a person's, with who, when and why, for good.\n\n"
         "Nothing here blocks or reports anybody. `stillwatch scan --cases FILE` honours what was decided.\n\n"
         "Start with: stillwatch case open FINDINGS CAMPAIGN --reason 'first look'")


@case.command("list")
@guarded
def list_(store: StoreFile = None,
          state: Annotated[str | None, typer.Option(help=f"Only these: {', '.join(CASE_STATE)}.")] = None,
          sampled: Annotated[bool, typer.Option("--sampled", help="Only those that chance chose.")] = False,
          as_json: JsonFlag = False) -> None:
    """Every case and where it stands.

    Examples:

      stillwatch case list --state open

      stillwatch case list --sampled --json | jq '.[].probability'
    """
    if state is not None and state not in CASE_STATE:
        raise UsageError(f"{state[:40]!r} is no state of a case", remedy=f"use one of: {', '.join(CASE_STATE)}")
    _shown(list_cases(opened_store(store), state, sampled=sampled), render_cases, as_json)


@case.command(no_args_is_help=True)
@guarded
def show(named: Case, store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """One case: where it stands, who is in it, what links them.

    Example:

      stillwatch case show 7
    """
    _shown(show_case(opened_store(store), named), render_case, as_json)


@case.command()
@guarded
def history(named: Annotated[str | None, typer.Argument(metavar="[CASE]", help="A case; all where none is"
                                                        " named.")] = None,
            store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Every act, oldest first, with who, when and why. The store lets no entry be changed or deleted.

    Examples:

      stillwatch case history 7

      stillwatch case history --json
    """
    _shown(read_history(opened_store(store), named), render_history, as_json)


@case.command()
@guarded
def calibration(store: StoreFile = None, as_json: JsonFlag = False) -> None:
    """Whether probabilities mean what people decided: of the cases that `audit-sample` drew, with intervals.

    Nothing is changed by it. Cases that a score chose are counted, and left out of every rate.

    Examples:

      stillwatch case calibration

      stillwatch report findings --cases cases.db
    """
    _shown(read_calibration(opened_store(store)), render_calibration, as_json)


def _shown(data: Any, render: Any, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(data, sort_keys=True, allow_nan=False))
        return
    show_parts(render(data))


case_acts.add_to(case)
