"""How near the phases of a scan come to when simulated campaigns truly changed.

    python benchmarks/lifecycle.py SIMULATION... [--json]

Every campaign's true exchanges are given to the same code that a scan runs on attributed exchanges, so that what is
measured is the phases and not the attribution; launches are inferred from the logs. A true change counts as found
where a phase of any name begins within 24 hours of it. What begins nowhere near a true change is counted as an extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engine import Engine, connect
from stillwatch.judge import Life, lives
from stillwatch.schema import TRUE_EXCHANGES, TRUE_PHASES, conform

HOURS = 24.0
_NEEDED = ("exchange_id", "ts", "account_id", "model", "conversation_id")


def measured(folder: Path) -> list[dict[str, Any]]:
    """One row a campaign: its true changes, those found, and what was found of its moves and pools."""
    truth = conform(pq.read_table(folder / "truth" / "phases.parquet"), TRUE_PHASES).to_pylist()
    with connect("duckdb", threads=1) as engine:
        found = _lives(engine, folder, sorted({row["campaign"] for row in truth}))
    rows = []
    for campaign, life in sorted(found.items()):
        mine = [row for row in truth if row["campaign"] == campaign]
        times = sorted({row["started_at"].timestamp() for row in mine})
        begun = [phase.started_us / 1e6 for phase in life.phases]
        errors = [min((abs(at - time) / 3600 for at in begun), default=float("inf")) for time in times]
        extra = sum(min(abs(at - time) / 3600 for time in times) > HOURS for at in begun)
        rows.append({
            "run": folder.name, "campaign": campaign, "changes": len(times),
            "found": sum(error <= HOURS for error in errors), "hours_off": [round(error, 1) for error in errors],
            "all_found": all(error <= HOURS for error in errors), "extra": extra,
            "true": [f"{row['phase']}@{row['started_at']:%m-%d %H}" for row in mine],
            "phases": [f"{phase.phase}@{_shown(phase.started_us)} {'+'.join(phase.changed)}" for phase in life.phases],
            "moves": [{"model": move.launch.model, "share": round(move.share, 3), "hours": round(move.hours, 1)}
                      for move in life.moves],
            "pools": len(life.hands) + 1,
        })
    return rows


def _shown(us: int) -> str:
    return f"{pa.scalar(us, pa.timestamp('us', 'UTC')).as_py():%m-%d %H}"


def _lives(engine: Engine, folder: Path, campaigns: Sequence[str]) -> Mapping[str, Life]:
    rows = engine.parquet(sorted((folder / "exchanges").glob("*.parquet")))
    missing = {name: pa.string() for name in _NEEDED if name not in rows.columns}
    rows = rows.mutate(**dict.fromkeys(missing)).cast(dict.fromkeys(missing, "string"))
    staged = rows.select(*_NEEDED).mutate(ts_us=rows.ts.epoch_seconds() * 1_000_000)
    label = engine.table(conform(pq.read_table(folder / "truth" / "exchanges.parquet"), TRUE_EXCHANGES).select(
        ["exchange_id", "campaign", "capability"]))
    own = staged.inner_join(label, "exchange_id").rename(group_id="campaign")
    return lives(engine, engine.keep(own.filter(own.group_id.isin(campaigns))), engine.keep(staged), None).of


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulations", nargs="+", type=Path, help="folders that `stillwatch simulate` wrote")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    told = parser.parse_args()
    rows = [row for folder in told.simulations for row in measured(folder)]
    good, changes = sum(row["all_found"] for row in rows), sum(row["changes"] for row in rows)
    total = {"campaigns": len(rows), "all_within": good, "changes": changes,
             "changes_within": sum(row["found"] for row in rows), "extra": sum(row["extra"] for row in rows)}
    if told.json:
        print(json.dumps({"total": total, "campaigns": rows}, indent=1))
        return 0
    for row in rows:
        print(f"{row['run']:<22} {row['campaign']:<16} {row['found']}/{row['changes']} within {HOURS:.0f} h,"
              f" {row['extra']} extra; hours off {row['hours_off']}; pools {row['pools']}; moves {row['moves']}")
        print(f"    true  {' | '.join(row['true'])}\n    found {' | '.join(row['phases'])}")
    print(f"\n{good} of {len(rows)} campaigns have all their changes within {HOURS:.0f} h; {total['changes_within']} of"
          f" {changes} changes; {total['extra']} beginnings of phases are near no true change")
    return 0


if __name__ == "__main__":
    sys.exit(main())
