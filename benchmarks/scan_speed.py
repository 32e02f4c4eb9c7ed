"""How fast a scan is, beside the plainest thing an engine can do with the same rows.

    python benchmarks/scan_speed.py                    # about 100,000 exchanges
    python benchmarks/scan_speed.py --exchanges 500000

Machines differ and are noisy: the ratio to three DuckDB group-bys over the same Parquet, run before and after the
scan on the same machine, is the figure to compare; seconds are printed for orientation.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

GROUP_BYS = (
    "select account_id, count(*) from '{0}' group by all",
    "select account_id, ip, count(*) from '{0}' group by all",
    "select date_trunc('hour', ts), model, count(*) from '{0}' group by all",
)
DEMO_EXCHANGES = 55_000


def plain(exchanges: str) -> float:
    """Seconds of three plain group-bys, the better of three tries."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        with duckdb.connect() as engine:
            for query in GROUP_BYS:
                engine.sql(query.format(exchanges)).to_arrow_table()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Simulate, scan, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decoys", type=int, default=100)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        traffic, findings = Path(folder) / "traffic", Path(folder) / "findings"
        command = [sys.executable, "-m", "stillwatch"]
        environment = os.environ | {"STILLWATCH_KEY_FILE": str(Path(folder) / "key")}
        start = time.perf_counter()
        subprocess.run([*command, "simulate", "demo", "--out", traffic, "--seed", str(wanted.seed), "--quiet",
                        "--scale", str(wanted.exchanges / DEMO_EXCHANGES)], check=True, env=environment)
        simulated = time.perf_counter() - start
        before = plain(f"{traffic}/exchanges/*.parquet")
        start = time.perf_counter()
        done = subprocess.run([*command, "scan", traffic / "exchanges", "--accounts", traffic / "accounts.parquet",
                               "--out", findings, "--json", "--quiet", "--decoys", str(wanted.decoys),
                               "--look-seconds", "0"],
                              check=True, env=environment, capture_output=True, text=True)
        scanned = time.perf_counter() - start
        after = plain(f"{traffic}/exchanges/*.parquet")
    summary = json.loads(done.stdout)
    rows, timings = summary["counts"]["records_in"], summary["timings"]
    decoys = timings.get("making decoys", 0.0)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    group_bys = min(before, after)
    print(f"{rows:,} exchanges with text, {summary['accounts']:,} accounts, {os.cpu_count()} cores,"
          f" peak memory {peak:.2f} GiB")
    print(f"{'step':32} {'seconds':>9} {'exchanges/s':>12} {'times three group-bys':>22}")
    for name, seconds in [("simulating", simulated), *timings.items(), ("scan, whole process", scanned),
                          ("scan less decoys", scanned - decoys), ("three plain group-bys", group_bys)]:
        print(f"{name:32} {seconds:9.2f} {rows / max(seconds, 1e-9):12,.0f} {seconds / group_bys:22.1f}")
    print(f"detections {summary['detections']}, accused {summary['accused']}")


if __name__ == "__main__":
    main()
