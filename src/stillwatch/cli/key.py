"""``stillwatch key``: the deployment key."""

from __future__ import annotations

from typing import Annotated

import typer

from stillwatch.cli.shared import guarded
from stillwatch.errors import UsageError
from stillwatch.settings import create_key, key_path, load_key, signing_key_path

__all__ = ["key"]


def _show_signing(replace: bool) -> None:
    from stillwatch.sealing import fingerprint, signing_key  # the library of signatures, for this alone

    if replace:
        raise UsageError("a signing key is not replaced by a command", remedy=f"move {signing_key_path()} away: the"
                         " next seal makes a new one, with another fingerprint")
    public = signing_key(signing_key_path()).public
    typer.echo(f"signing key {signing_key_path()}\npublic key {public}\nfingerprint {fingerprint(public)}")


@guarded
def key(
    replace: Annotated[bool, typer.Option("--replace", help="Make a new key. Every digest changes: older findings and"
                                          " cases no longer match new ones.")] = False,
    signing: Annotated[bool, typer.Option("--signing", help="The key that signs seals instead: its public part and its"
                                          " fingerprint, to give to others.")] = False,
) -> None:
    """Show where the deployment key is, and make it if there is none. The key itself is never printed.

    Addresses, e-mails and phone numbers leave memory only as HMACs under this key, since plain hashes of so few
    possible values can be reversed. STILLWATCH_KEY_FILE names another place.
    """
    if signing:
        _show_signing(replace)
        return
    found = None if replace else load_key()
    if found is None:
        found = create_key(replace=replace)
        typer.echo(f"made {key_path()}")
    typer.echo(f"key {key_path()}, fingerprint {found.fingerprint}")
