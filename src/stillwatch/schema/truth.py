"""Labels: what `simulate` writes and `evaluate` reads."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.model import TIMESTAMP, Column, Sensitivity, Table
from stillwatch.schema.vocabularies import CAPABILITY, VERDICT

_CAMPAIGN = Column("campaign", pa.string(), "name of the group in the labels", required=True)

TRUE_CAMPAIGNS = Table(
    "truth.campaigns",
    "Groups with a known label, look-alikes included.",
    (
        _CAMPAIGN,
        Column("label", pa.string(), "what the group is", vocabulary=VERDICT, required=True),
        Column("actor", pa.string(), "invented actor behind it"),
        Column("started_at", TIMESTAMP, "its first exchange", unit="µs, UTC"),
    ),
    key=("campaign",),
)

TRUE_MEMBERS = Table(
    "truth.members",
    "Accounts of each labelled group.",
    (
        _CAMPAIGN,
        Column("account_id", pa.string(), "member", Sensitivity.PSEUDONYMOUS, required=True),
    ),
    key=("campaign", "account_id"),
)

TRUE_EXCHANGES = Table(
    "truth.exchanges",
    "Exchanges of each labelled group.",
    (
        Column("exchange_id", pa.string(), "exchange", Sensitivity.PSEUDONYMOUS, required=True),
        _CAMPAIGN,
        Column("capability", pa.string(), "what was asked for", vocabulary=CAPABILITY),
    ),
    key=("exchange_id",),
)
