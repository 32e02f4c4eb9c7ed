"""A random audit sample: cases that chance chose, since cases that a score chose say little about the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.cases.acts import Opened, take_in
from stillwatch.cases.seen import see
from stillwatch.cases.store import Store
from stillwatch.cases.writing import Act
from stillwatch.errors import UsageError
from stillwatch.schema import CAMPAIGNS

__all__ = ["audit_sample", "draw"]


def draw(campaigns: pa.Table, size: int, seed: int) -> list[str]:
    """``campaign_id`` of ``size`` rows of ``CAMPAIGNS``, every set of that size equally likely (all, where fewer are).

    Depends on the seed and what the groups did, not on the order of rows; names only break ties between groups
    alike in every figure.
    """
    rows = campaigns.select(["accounts", "exchanges", "linkage_bits", "first_seen", "campaign_id"]).to_pylist()
    rows.sort(key=lambda row: tuple((value is not None, value) for value in row.values()))
    chosen = np.random.default_rng(seed).choice(len(rows), size=min(size, len(rows)), replace=False)
    return [rows[place]["campaign_id"] for place in sorted(chosen.tolist())]


def audit_sample(store: Store, tables: Mapping[str, pa.Table], key_fingerprint: str | None, version: str | None,
                 act: Act, *, size: int, seed: int) -> list[Opened]:
    """Draw among all linked groups with members, whatever their score, and open a case for each; all or none.

    How many there were, the size and the seed are in the audit, so that what the sample says can be weighted up.
    """
    campaigns = tables[CAMPAIGNS.name]
    campaigns = campaigns.filter(pc.greater(campaigns["accounts"], 0))
    if not campaigns.num_rows:
        raise UsageError("these findings hold no linked group to draw from", remedy="name other findings")
    how = {"among": campaigns.num_rows, "size": min(size, campaigns.num_rows), "seed": seed}
    drawn = [see(tables, key_fingerprint, version, campaign) for campaign in draw(campaigns, size, seed)]
    with store.writing() as connection:
        return [take_in(connection, seen, act, sampled=how) for seen in drawn]
