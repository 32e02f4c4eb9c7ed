"""Tables of a findings folder that tell what became of each campaign over time."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.model import TIMESTAMP, Column, Sensitivity, Table
from stillwatch.schema.vocabularies import CAPABILITY, CHANGE, PHASE

_ID = Column("campaign_id", pa.string(), "campaign", Sensitivity.PSEUDONYMOUS, required=True)
_MIX = pa.list_(pa.struct([("capability", pa.string()), ("share", pa.float64())]))


def _share(name: str, meaning: str) -> Column:
    return Column(name, pa.float64(), meaning, unit="0-1")


PHASES = Table(
    "findings.phases",
    "The life of each candidate campaign from its first attributed exchange to the end of the logs, cut where it"
    " changed. Absent where there is too little to tell.",
    (
        _ID,
        Column("number", pa.int64(), "number of the phase, from 1 in order of time", required=True),
        Column("phase", pa.string(), "what the campaign did", vocabulary=PHASE, required=True),
        Column("started_at", TIMESTAMP, "when it began; to the hour where a change of volume or content began it",
               unit="µs, UTC", required=True),
        Column("ended_at", TIMESTAMP, "when the next began, or the end of the logs", unit="µs, UTC", required=True),
        Column("changed", pa.list_(pa.string()), "what changed at its beginning; nothing for the first",
               vocabulary=CHANGE),
        Column("exchanges", pa.int64(), "attributed exchanges in it"),
        Column("accounts", pa.int64(), "members with an attributed exchange in it"),
        Column("rate", pa.float64(), "attributed exchanges a day, gaps in the logs not counted as time",
               unit="exchanges a day"),
        Column("rate_before", pa.float64(), "that of the phase before; null for the first",
               unit="exchanges a day"),
        Column("population_ratio", pa.float64(), "everybody else's rate in this phase over their rate in the phase"
               " before: what changed for all is no act of the campaign's; null for the first"),
        Column("capabilities", _MIX, "what was taken in it, largest share first", vocabulary=CAPABILITY),
    ),
    key=("campaign_id", "number"),
)

MOVES = Table(
    "findings.moves",
    "What each candidate campaign asked of each model before and after each launch that it was active at.",
    (
        _ID,
        Column("launch", pa.string(), "the model that came out", required=True),
        Column("launched_at", TIMESTAMP, "when", unit="µs, UTC", required=True),
        Column("inferred", pa.bool_(), "whether the launch was read off the logs, for want of a table of launches",
               required=True),
        Column("model", pa.string(), "the model that this row is about", required=True),
        _share("share_before", "its share of the campaign's exchanges in the week before the launch"),
        _share("share_after", "its share once the move was over: for the launched model the share that moved"),
        _share("population_before", "its share of everybody else's exchanges in the same week before"),
        _share("population_after", "its share of everybody else's exchanges over the same time after"),
        Column("hours", pa.float64(), "hours from the launch until the whole share had moved; of the launched model"
               " alone", unit="hours"),
    ),
    key=("campaign_id", "launch", "model"),
)

POOLS = Table(
    "findings.pools",
    "Sets of accounts that took over from each other, inside a candidate campaign or from another one.",
    (
        _ID,
        Column("pool", pa.int64(), "number of the set, from 1 in order of time; 1 where there is but one",
               required=True),
        Column("accounts", pa.int64(), "accounts in it", required=True),
        Column("exchanges", pa.int64(), "their attributed exchanges"),
        Column("started_at", TIMESTAMP, "first attributed exchange of the set", unit="µs, UTC"),
        Column("stopped_at", TIMESTAMP, "last attributed exchange of the set", unit="µs, UTC"),
        Column("took_over_from", pa.string(), "campaign whose stopping this one followed, the campaign itself for its"
               " own earlier set; null where it followed nobody's", Sensitivity.PSEUDONYMOUS),
        Column("gap_hours", pa.float64(), "hours from that stop to this start", unit="hours"),
        Column("p_value", pa.float64(), "probability that stops and starts of independent accounts fall together so"
               " well; the false-discovery rate where it followed another campaign", unit="0-1"),
    ),
    key=("campaign_id", "pool"),
)
