"""Sightings, a file a family: every trait that an account was seen with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.observe.sightings import client, content, identity, network, payment, sampling
from stillwatch.schema import SIGHTINGS, conform, empty
from stillwatch.settings import DeploymentKey

__all__ = ["Observed", "fixed_sightings", "moving_sightings"]


@dataclass(frozen=True)
class Observed:
    """The reduced tables that sightings are read off.

    ``blocks`` (schema ``BLOCKS``), ``content`` (see ``observe.blocks.content``), ``accounts`` (schema
    ``ACCOUNTS``), what is known of addresses (schema ``ADDRESSES``) and habits of sampling (schema ``SAMPLING``);
    ``None`` where the source has none.
    """

    blocks: pa.Table
    content: pa.Table | None
    accounts: pa.Table | None
    addresses: pa.Table
    sampling: pa.Table | None = None


_MOVING: tuple[Callable[[pa.Table, pa.Table], list[pa.Table]], ...] = (network.sightings, client.sightings)


def moving_sightings(blocks: pa.Table, addresses: pa.Table) -> pa.Table:
    """Network and client sightings: those that decoys rewire with their blocks."""
    return _together([table for family in _MOVING for table in family(blocks, addresses)])


def fixed_sightings(observed: Observed, key: DeploymentKey) -> pa.Table:
    """Payment, identity, content and sampling sightings: those that stay with their account."""
    tables: list[pa.Table] = []
    if observed.accounts is not None:
        seen = pa.table({"account_id": observed.blocks["account_id"].unique()})
        accounts = observed.accounts.join(seen, "account_id", join_type="inner")
        tables += payment.sightings(accounts, key)
        tables += identity.sightings(accounts, observed.addresses, key)
        # How many accounts are opened when is the population's to say, not only of those in the logs.
        tables += [opened.filter(pc.is_in(opened["account_id"], value_set=seen["account_id"]))
                   for opened in identity.sign_up_bursts(observed.accounts, observed.addresses, key)]
    if observed.content is not None:
        tables += content.sightings(observed.content)
    if observed.sampling is not None:
        tables += sampling.sightings(observed.sampling)
    return _together(tables)


def _together(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([conform(table, SIGHTINGS) for table in tables]) if tables else empty(SIGHTINGS)
