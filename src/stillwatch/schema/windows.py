"""What `window-test` writes."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.model import TIMESTAMP, Column, Sensitivity, Table

WINDOWS = Table(
    "window_test.windows",
    "One row a window of an account's, or of linked accounts', requests, tested against everybody else's."
    " Unlike the crowd is not guilty: people and applications differ too.",
    (
        Column("unit", pa.string(), "account or group that the window is of", Sensitivity.PSEUDONYMOUS, required=True),
        Column("window", pa.int64(), "number of the window, from 1 in order of time", required=True),
        Column("accounts", pa.int64(), "accounts whose requests are in it", required=True),
        Column("queries", pa.int64(), "requests in it", required=True),
        Column("started_at", TIMESTAMP, "its first request", unit="µs, UTC", required=True),
        Column("ended_at", TIMESTAMP, "its last request", unit="µs, UTC", required=True),
        Column("discrepancy", pa.float64(), "squared discrepancy from the reference; about 0 where alike",
               required=True),
        Column("threshold", pa.float64(), "what a benign window of as many accounts passes at the stated rate; null"
               " where there are too few to say"),
        Column("p_value", pa.float64(), "share of benign windows as far from the reference", unit="0-1",
               required=True),
        Column("unusual", pa.bool_(), "whether the unit is unlike the crowd by this window, its number of windows"
               " taken into account", required=True),
    ),
    key=("unit", "window"),
)
