"""Exchanges → in which minutes each account was active."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.engine import Engine, Relation
from stillwatch.observe.blocks import UNKNOWN_ACCOUNT
from stillwatch.schema import RHYTHM, conform

__all__ = ["rhythm"]

_MINUTE_US = 60_000_000


def rhythm(engine: Engine, staged: Relation) -> pa.Table:
    """One row an account, region and minute (schema ``RHYTHM``), in no order.

    Exchanges without an account are left out: they are never linked.
    """
    named = staged.filter(staged.account_id != UNKNOWN_ACCOUNT).mutate(minute=staged.ts_us // _MINUTE_US)
    grouped = named.group_by("account_id", "region", "minute").agg(count=named.count())
    return conform(engine.arrow(grouped), RHYTHM)
