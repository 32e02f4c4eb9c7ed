"""``stillwatch explain``: why an account is where it is, or what links two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import JsonFlag, guarded, show_parts
from stillwatch.errors import UsageError
from stillwatch.pipeline.opened import open_findings
from stillwatch.pipeline.questions import explain_account, explain_pair
from stillwatch.report.explained import render_account, render_pair, with_reasons

__all__ = ["explain"]


@guarded
def explain(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A folder that `scan` or `link` wrote.")],
    accounts: Annotated[list[str], typer.Argument(metavar="ACCOUNT [ACCOUNT]", help="One account, or two.")],
    as_json: JsonFlag = False,
) -> None:
    """Why an account is where it is, and what speaks against; or what links two accounts, value by value.

    An account in no group is explained too: what it shares, how common that is, and what would be needed.

    Examples:

      stillwatch explain findings acct_42

      stillwatch explain findings acct_42 acct_77

      stillwatch explain findings acct_42 --json | jq .groups[0].against
    """
    if len(accounts) > 2:
        raise UsageError(f"{len(accounts)} accounts are given", remedy="name one account, or two; `stillwatch expand`"
                         " takes any number")
    opened = open_findings(findings)
    alone = len(accounts) == 1
    told = with_reasons(explain_account(opened, accounts[0])) if alone else explain_pair(opened, *accounts)
    if as_json:
        typer.echo(json.dumps(told, sort_keys=True, allow_nan=False))
        return
    show_parts(render_account(told) if alone else render_pair(told))
