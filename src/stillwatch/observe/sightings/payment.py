"""Payment family: one card or processor account behind several accounts."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.observe.sightings.shape import at_sign_up
from stillwatch.settings import DeploymentKey

__all__ = ["sightings"]


def sightings(accounts: pa.Table, key: DeploymentKey) -> list[pa.Table]:
    """Sightings of payment fingerprints, digested."""
    return [at_sign_up(accounts, accounts["payment_fingerprint"], "payment", key)]
