"""Labels: what `simulate` writes and `evaluate` reads."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.model import TIMESTAMP, Column, Sensitivity, Table
from stillwatch.schema.vocabularies import CAPABILITY, CHANGE, PHASE, VERDICT

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
        Column("ts", TIMESTAMP, "when the request arrived", unit="µs, UTC"),
        Column("account_id", pa.string(), "whose exchange it is", Sensitivity.PSEUDONYMOUS),
    ),
    key=("exchange_id",),
)

TRUE_ACCOUNTS = Table(
    "truth.accounts",
    "What is known of every simulated account beside the logs; only to measure whether some are wronged more often.",
    (
        Column("account_id", pa.string(), "account", Sensitivity.PSEUDONYMOUS, required=True),
        Column("language", pa.string(), "main language, ISO 639-1; never raises a probability or a verdict"),
        Column("vpn", pa.bool_(), "behind a commercial VPN"),
    ),
    key=("account_id",),
)

TRUE_PHASES = Table(
    "truth.phases",
    "When each simulated campaign truly changed.",
    (
        _CAMPAIGN,
        Column("phase", pa.string(), "what begins", vocabulary=PHASE, required=True),
        Column("started_at", TIMESTAMP, "when", unit="µs, UTC", required=True),
        Column("changed", pa.string(), "what changes; null for the first", vocabulary=CHANGE),
    ),
    key=("campaign", "started_at", "phase"),
)
