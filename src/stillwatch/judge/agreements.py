"""Agreements on file: what makes harvesting authorised."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import pyarrow as pa

__all__ = ["covered"]


def covered(agreements: pa.Table | None, accounts: pa.Table | None, members: Collection[str],
            first: datetime | None, last: datetime | None) -> set[str]:
    """Members whose harvesting between ``first`` and ``last`` an agreement permits.

    An agreement names an account, or an organisation that the accounts table gives as *verified* for an
    account: a claimed name covers nobody. It must be valid over the whole span.
    """
    if agreements is None or first is None or last is None:
        return set()
    permits = [row for row in agreements.to_pylist()
               if row["permits"] == "distillation"
               and (row["valid_from"] is None or row["valid_from"] <= first)
               and (row["valid_to"] is None or row["valid_to"] >= last)]
    named = {row["account_id"] for row in permits if row["account_id"] is not None}
    firms = {row["organization"] for row in permits if row["organization"] is not None}
    if accounts is not None and firms:
        named |= {row["account_id"] for row in accounts.select(["account_id", "organization", "verified"]).to_pylist()
                  if row["organization"] in firms and row["verified"]}
    return named & set(members)
