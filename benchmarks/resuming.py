"""What it costs a scan to keep what it has finished, and what it saves one that goes on from there.

    python benchmarks/resuming.py                     # about 100,000 exchanges
    python benchmarks/resuming.py --exchanges 500000

Printed are the seconds spent on digesting the logs and on keeping, as a share of the same scan; then the same of
the same call again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from stillwatch.pipeline import ScanInputs, scan
from stillwatch.pipeline.kept import Kept, work_folder
from stillwatch.proof import simulate
from stillwatch.settings import DeploymentKey, Settings

DEMO_EXCHANGES = 55_000


class Timed:
    """Adds up the seconds spent in methods of a class."""

    def __init__(self, owner: type, *names: str) -> None:
        self.seconds = 0.0
        for name in names:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, method: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return call

    def taken(self) -> float:
        """The seconds since this was last asked."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds


def main() -> None:
    """Simulate, scan, scan again, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=100_000)
    parser.add_argument("--decoys", type=int, default=19)
    wanted = parser.parse_args()
    keeping, reading = Timed(Kept, "put", "put_file"), Timed(Kept, "get", "get_file")
    settings, key = Settings(decoys=wanted.decoys, look_seconds=0), DeploymentKey(b"k" * 32)
    with tempfile.TemporaryDirectory() as folder:
        traffic, findings = Path(folder) / "traffic", Path(folder) / "findings"
        simulate("demo", traffic, seed=1, scale=wanted.exchanges / DEMO_EXCHANGES)
        inputs = ScanInputs([str(traffic / "exchanges")], accounts=traffic / "accounts.parquet")
        rows = []
        for name in ("a scan that keeps", "the same call again"):
            start = time.perf_counter()
            summary = scan(inputs, findings, settings=settings, key=key, keep_work=True)
            whole = time.perf_counter() - start
            kept = keeping.taken(), reading.taken()
            rows.append((name, whole, summary["timings"]["checking inputs"], *kept))
        size = sum(path.stat().st_size for path in work_folder(findings).iterdir())
        logs = sum(path.stat().st_size for path in (traffic / "exchanges").iterdir())
    count = summary["counts"]["kept"]
    print(f"{count:,} exchanges with text, {wanted.decoys} decoys: logs {logs / 1e6:.1f} MB, kept {size / 1e6:.1f} MB")
    print(f"{'':22} {'seconds':>9} {'digesting':>10} {'keeping':>9} {'taking back':>12} {'share of it all':>16}")
    for name, whole, digesting, put, got in rows:
        share = (digesting + put + got) / whole
        print(f"{name:22} {whole:9.2f} {digesting:10.2f} {put:9.2f} {got:12.2f} {share:16.1%}")


if __name__ == "__main__":
    main()
