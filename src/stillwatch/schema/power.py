"""What `power` writes: recovery of planted campaigns. Internal: it tells an adversary what is not found."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.model import Column, Table
from stillwatch.schema.vocabularies import VERDICT

POWER = Table(
    "power.power",
    "One row a step of an axis and a repeat: a simulated campaign planted in the logs, and what a scan found of it."
    " INTERNAL: not for sharing: it tells an adversary what is not found.",
    (
        Column("axis", pa.string(), "what is stepped away from the reference campaign", required=True),
        Column("value", pa.float64(), "the step; the reference's own value is among them or between them",
               required=True),
        Column("repeat", pa.int64(), "number of the repeat, from 0: the same kind of campaign, drawn anew",
               required=True),
        Column("accounts", pa.int64(), "accounts that were to be planted", required=True),
        Column("exchanges_per_account", pa.int64(), "exchanges of its own work an account that were to be planted",
               required=True),
        Column("evasion", pa.list_(pa.struct([pa.field("knob", pa.string()), pa.field("care", pa.float64())])),
               "knobs above 0"),
        Column("keep", pa.float64(), "share of all exchanges that the logs kept", unit="0-1", required=True),
        Column("gap_days", pa.int64(), "days missing from the middle of the logs", unit="days", required=True),
        Column("planted", pa.int64(), "accounts that did some of the campaign's own work", required=True),
        Column("seen", pa.int64(), "those of them with exchanges in the logs: fewer where the logs are incomplete",
               required=True),
        Column("planted_exchanges", pa.int64(), "the campaign's own exchanges in the logs", required=True),
        Column("recovered", pa.int64(), "planted accounts that are accused in a detection", required=True),
        Column("recall", pa.float64(), "recovered over planted", unit="0-1"),
        Column("detected", pa.bool_(), "whether a detection has mostly planted accounts among its accused",
               required=True),
        Column("linked", pa.int64(), "planted accounts in the group that holds most of them", required=True),
        Column("verdict", pa.string(), "verdict on that group, or null where there is none", vocabulary=VERDICT),
        Column("probability", pa.float64(), "its probability of distillation", unit="0-1"),
        Column("q_value", pa.float64(), "its q-value; null where it was certain that none would make a detection, so"
               " that decoys were not all made", unit="0-1"),
        Column("decoys", pa.int64(), "decoy data sets that were made", required=True),
        Column("newly_accused", pa.int64(), "the user's own accounts that are accused with the plant and not"
               " without it; null where the scan without it is still to be made"),
    ),
    key=("axis", "value", "repeat"),
)
