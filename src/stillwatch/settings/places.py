"""Where what outlives a run is kept: in the user's data folder, unless the environment names another place."""

from __future__ import annotations

import os
from pathlib import Path

from stillwatch.settings.key import key_path

__all__ = ["cases_path", "ledger_path", "signing_key_path"]


def cases_path() -> Path:
    """The case store: ``STILLWATCH_CASES_FILE``, or ``stillwatch/cases.db`` in the user's data folder."""
    return _place("STILLWATCH_CASES_FILE", "cases.db")


def ledger_path() -> Path:
    """The ledger of seals: ``STILLWATCH_LEDGER_FILE``, or ``stillwatch/ledger.jsonl`` in the user's data folder."""
    return _place("STILLWATCH_LEDGER_FILE", "ledger.jsonl")


def signing_key_path() -> Path:
    """The key that signs seals: beside the deployment key, with ``.signing`` after its name."""
    beside = key_path()
    return beside.with_name(f"{beside.name}.signing")


def _place(variable: str, name: str) -> Path:
    named = os.environ.get(variable)
    if named:
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "stillwatch" / name
