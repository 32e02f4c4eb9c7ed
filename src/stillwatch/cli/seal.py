"""``stillwatch seal``: findings signed, and entered in a chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stillwatch.cli.shared import JsonFlag, guarded, say
from stillwatch.sealing import seal as run_seal
from stillwatch.settings import ledger_path, signing_key_path

__all__ = ["LedgerFile", "seal"]

LedgerFile = Annotated[Path | None, typer.Option("--ledger", dir_okay=False, help="Ledger of seals; by default"
                                                 " STILLWATCH_LEDGER_FILE, or ledger.jsonl in your data folder.")]


@guarded
def seal(
    findings: Annotated[Path, typer.Argument(metavar="FINDINGS", help="A folder that `scan` wrote.")],
    out: Annotated[Path | None, typer.Option(help="Where to write the seal; by default seal.json in FINDINGS.")] = None,
    ledger: LedgerFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign findings: every file by digest, inputs, settings and code; and enter that in an append-only chain.

    The signing key (Ed25519) is made on first use, beside the deployment key, for its owner's eyes only. Tell others
    its fingerprint over another channel: a seal is worth what they know of the key. `stillwatch verify` checks it.

    Examples:

      stillwatch seal findings

      stillwatch seal findings --out disclosure/seal.json
    """
    sealed = run_seal(findings, ledger=ledger or ledger_path(), key=signing_key_path(), out=out)
    if sealed.set_aside is not None:
        say(f"The ledger ended in the rest of an interrupted entry, which is in {sealed.set_aside} now", style="yellow")
    if as_json:
        typer.echo(json.dumps({"seal": str(sealed.path), "entry": sealed.entry, "files": sealed.files,
                               "public_key": sealed.entry["public_key"], "fingerprint": sealed.fingerprint},
                              sort_keys=True))
        return
    say(f"Sealed {sealed.files:,} files: {sealed.path}, entry {sealed.entry['n']} of the ledger")
    typer.echo(f"fingerprint {sealed.fingerprint}")
