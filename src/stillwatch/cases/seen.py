"""A campaign of a findings folder, as a case takes it in: who, linked by what, and how surely; no text of prompts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.cases.renewed import weighed_probability
from stillwatch.errors import UsageError
from stillwatch.schema import CAMPAIGNS, EVIDENCE, MEMBERS

__all__ = ["Seen", "see"]

_SHOWN = 8
# Judging writes the strongest two hundred: from there on, weaker evidence may be missing.
_MOST_EVIDENCE = 200


@dataclass(frozen=True)
class Seen:
    """One campaign: its rows of ``CAMPAIGNS``, ``MEMBERS`` and ``EVIDENCE``, and what wrote them."""

    campaign: Mapping[str, Any]
    members: tuple[Mapping[str, Any], ...]
    evidence: tuple[Mapping[str, Any], ...]
    digest: str
    key_fingerprint: str | None
    version: str | None

    @property
    def probability(self) -> float:
        """As it was weighed, before any decision was honoured."""
        return weighed_probability(self.campaign)

    @property
    def accounts(self) -> list[str]:
        """The members' ids."""
        return [str(row["account_id"]) for row in self.members]

    @property
    def bits(self) -> dict[tuple[str, str], float]:
        """Bits by kind and digested value."""
        found: dict[tuple[str, str], float] = {}
        for row in self.evidence:
            named = (str(row["kind"]), str(row["value"] or ""))
            found[named] = max(found.get(named, 0.0), float(row["bits"] or 0.0))
        return found

    @property
    def least_bits(self) -> float:
        """Bits below which evidence may have been left out of the findings; 0 where all is there."""
        full = len(self.evidence) >= _MOST_EVIDENCE
        return min((float(row["bits"] or 0.0) for row in self.evidence), default=0.0) if full else 0.0


def see(tables: Mapping[str, pa.Table], key_fingerprint: str | None, version: str | None, campaign: str) -> Seen:
    """The campaign of an id, or of the beginning of one, from a findings folder's tables by their declared names.

    Raises ``UsageError`` that names what there is, where no campaign or several have it.
    """
    named = tables[CAMPAIGNS.name]
    rows = named.filter(pc.equal(named["campaign_id"], campaign)).to_pylist()
    if not rows and len(campaign) >= 4:
        rows = named.filter(pc.starts_with(named["campaign_id"], campaign)).to_pylist()
    if len(rows) != 1:
        there = ", ".join(named["campaign_id"].to_pylist()[:_SHOWN]) or "none"
        raise UsageError(f"{'no campaign' if not rows else 'more than one campaign'} of these findings is"
                         f" {campaign[:80]!r}", remedy=f"name one by its campaign_id; there are: {there}")
    row = rows[0]
    own: dict[str, list[dict[str, Any]]] = {}
    for table in (MEMBERS, EVIDENCE):
        data = tables[table.name]
        own[table.name] = data.filter(pc.equal(data["campaign_id"], row["campaign_id"])).to_pylist()
    members = sorted(own[MEMBERS.name], key=lambda member: str(member["account_id"]))
    evidence = sorted(own[EVIDENCE.name], key=lambda shared: (shared["kind"], shared["value"] or ""))
    told = json.dumps([row, members, evidence], sort_keys=True, default=str).encode()
    return Seen(row, tuple(members), tuple(evidence), hashlib.sha256(told).hexdigest(), key_fingerprint, version)
