"""Sign-offs: records that somebody answers for naming an actor outside the deployment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from stillwatch.errors import InputError, UsageError

__all__ = ["SignOff", "load_signoffs"]

_FIELDS = ("campaign", "actor", "by", "at", "reason")
_SHAPE = "write a JSON list of objects with campaign, actor, by, at (ISO 8601 with a zone) and reason"


@dataclass(frozen=True)
class SignOff:
    """One record: ``campaign`` (its campaign or lineage id) may be said to match ``actor``.

    ``digest`` is SHA-256 of the record as canonical JSON: the page shows its beginning, so that the record can be
    found again, and not who signed.
    """

    campaign: str
    actor: str
    by: str
    at: datetime
    reason: str
    digest: str

    def covers(self, row: Mapping[str, Any]) -> bool:
        """Whether it is for this row of ``findings.campaigns``."""
        return self.actor == row["actor"] and self.campaign in (row["campaign_id"], row["lineage_id"])


def load_signoffs(path: Path) -> tuple[SignOff, ...]:
    """Read the records of a file. Raises ``UsageError`` for no file, ``InputError`` for one that is no such list."""
    try:
        rows = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"there is no file of sign-offs {path}", remedy=_SHAPE) from error
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path} cannot be read as JSON", remedy=_SHAPE) from error
    if not isinstance(rows, list):
        raise InputError(f"{path} is no list of sign-offs", remedy=_SHAPE)
    return tuple(_signoff(row, f"{path}, record {number}") for number, row in enumerate(rows, 1))


def _signoff(row: object, place: str) -> SignOff:
    values = row if isinstance(row, dict) else {}
    for name in _FIELDS:
        if not isinstance(values.get(name), str) or not values[name].strip():
            raise InputError(f"{place}: {name} is missing", remedy=_SHAPE)
    try:
        at = datetime.fromisoformat(values["at"])
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise InputError(f"{place}: at is not a time with a zone", remedy=_SHAPE)
    told = json.dumps({name: values[name] for name in _FIELDS}, sort_keys=True)
    digest = hashlib.sha256(told.encode("utf-8")).hexdigest()
    return SignOff(values["campaign"], values["actor"], values["by"], at, values["reason"], digest)
