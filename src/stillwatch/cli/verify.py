"""``stillwatch verify``: sealed findings, checked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from stillwatch.cli.seal import LedgerFile
from stillwatch.cli.shared import JsonFlag, ProgressWatcher, Quietly, deployment_key, guarded, show_parts
from stillwatch.report.sealed import render_verification
from stillwatch.sealing import find_signing_key
from stillwatch.sealing import verify as run_verify
from stillwatch.sealing.rerun import Given, rerun
from stillwatch.settings import ledger_path, signing_key_path

__all__ = ["verify"]

_File = typer.Option(exists=True, dir_okay=False, help="As it was given to the scan.")


@guarded
def verify(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A folder that was sealed.")],
    seal: Annotated[Path | None, typer.Option("--seal", dir_okay=False, help="The seal, where it is not seal.json in"
                                              " FINDINGS.")] = None,
    ledger: LedgerFile = None,
    fingerprint: Annotated[str | None, typer.Option(help="Fingerprint of the key, as the sealer told it over another"
                                                    " channel.")] = None,
    inputs: Annotated[list[str] | None, typer.Option("--inputs", metavar="INPUT", help="The logs, repeatable: scan them"
                                                     " again with the sealed settings and compare.")] = None,
    accounts: Annotated[Path | None, _File] = None,
    launches: Annotated[Path | None, _File] = None,
    agreements: Annotated[Path | None, _File] = None,
    networks: Annotated[list[Path] | None, _File] = None,
    mapping: Annotated[Path | None, _File] = None,
    cases: Annotated[Path | None, _File] = None,
    as_json: JsonFlag = False,
    quiet: Quietly = False,
) -> None:
    """Check sealed findings: signature, every file, the chain; with --inputs also by scanning again.

    One byte changed in the findings, the seal or the ledger is found, and named. Exits 1 where anything is wrong.

    Examples:

      stillwatch verify findings --fingerprint '3f0c 91aa …'

      stillwatch verify findings --inputs logs/ --accounts accounts.parquet
    """
    own = find_signing_key(signing_key_path())
    found = run_verify(findings, seal=seal, ledger=ledger or ledger_path(), theirs=ledger is not None,
                       own_key=own.public if own else None, expected=fingerprint)
    again: dict[str, Any] | None = None
    if inputs and found.manifest:
        given = Given(inputs, accounts, launches, agreements, networks or (), mapping, cases)
        with ProgressWatcher(quiet) as watcher:
            again = rerun(findings, found.manifest, given, deployment_key(quiet), watcher)
    ok = not found.problems and (again is None or again["same"])
    told = {"ok": ok, "problems": found.problems, "held": found.held, "unchecked": found.unchecked,
            "fingerprint": found.fingerprint, "rerun": again}
    if as_json:
        typer.echo(json.dumps(told, sort_keys=True))
    else:
        show_parts(render_verification(told))
    if not ok:
        raise typer.Exit(1)
