"""Does a campaign stand without its strongest family? Linking is done again without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.judge import Candidate, Judged
from stillwatch.link import encode, find_groups
from stillwatch.schema import CAMPAIGNS, FAMILY_OF, conform

__all__ = ["standing", "told_standing"]


def standing(candidates: Sequence[Candidate], sightings: pa.Table, seed: int) -> dict[str, tuple[str, float]]:
    """For each candidate its strongest family, and the share of its members that linking finds together without it.

    Found together is what one group holds of which they are at least half. Linking is done once for each family that
    is some candidate's strongest; ``sightings`` has schema ``SIGHTINGS``.
    """
    strongest = {candidate.group_id: max(sorted(candidate.strength), key=lambda family: candidate.strength[family])
                 for candidate in candidates}
    groups = {family: _without(sightings, family, seed) for family in sorted(set(strongest.values()))}
    return {candidate.group_id: (strongest[candidate.group_id],
                                 _together(set(candidate.accounts), groups[strongest[candidate.group_id]]))
            for candidate in candidates}


def _without(sightings: pa.Table, family: str, seed: int) -> list[set[str]]:
    """The groups that are found without a family, as account names."""
    kinds = [kind for kind in sightings["kind"].unique().to_pylist() if FAMILY_OF.get(kind, (kind, 1))[0] == family]
    rest = sightings.filter(pc.invert(pc.is_in(sightings["kind"], value_set=pa.array(kinds, pa.string()))))
    if not rest.num_rows:
        return []
    incidence = encode(rest, FAMILY_OF)
    names = np.array(incidence.accounts.to_pylist(), dtype=object)
    return [set(names[group.members]) for group in find_groups(incidence, seed)]


def _together(members: set[str], groups: Sequence[set[str]]) -> float:
    return max((len(members & group) / len(members) for group in groups if 2 * len(members & group) >= len(group)),
               default=0.0)


def told_standing(judged: Judged, stands: dict[str, tuple[str, float]]) -> Judged:
    """The campaigns with what ``standing`` found; who does not stand has it among what speaks against."""
    rows: list[dict[str, Any]] = judged.campaigns.to_pylist()
    for row in rows:
        family, share = stands.get(row["campaign_id"], (None, None))
        row["strongest_family"], row["stands_without"] = family, share
        if share is not None and share < 0.5:
            row["evidence_against"] = [*(row["evidence_against"] or []),
                                       f"without {family} evidence its accounts would not be found together"
                                       f" ({share:.0%} of them are)"]
    return replace(judged, campaigns=conform(pa.Table.from_pylist(rows, schema=CAMPAIGNS.arrow), CAMPAIGNS))
