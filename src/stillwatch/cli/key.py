"""``stillwatch key``: the deployment key."""

from __future__ import annotations

from typing import Annotated

import typer

from stillwatch.cli.shared import guarded
from stillwatch.settings import create_key, key_path, load_key

__all__ = ["key"]


@guarded
def key(
    replace: Annotated[bool, typer.Option("--replace", help="Make a new key. Every digest changes: older findings and"
                                          " cases no longer match new ones.")] = False,
) -> None:
    """Show where the deployment key is, and make it if there is none. The key itself is never printed.

    Addresses, e-mails and phone numbers leave memory only as HMACs under this key, since plain hashes of so few
    possible values can be reversed. STILLWATCH_KEY_FILE names another place.
    """
    found = None if replace else load_key()
    if found is None:
        found = create_key(replace=replace)
        typer.echo(f"made {key_path()}")
    typer.echo(f"key {key_path()}, fingerprint {found.fingerprint}")
