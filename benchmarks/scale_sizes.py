"""What a scan leaves between its stages, by exchange, account and distinct text, and what ten billion come to.

    python benchmarks/scale_sizes.py                              # two small scales of the scenario assorted
    python benchmarks/scale_sizes.py --scenario hydra --scales 0.5 1 --exchanges 10e9 --core-hour 0.05
    python benchmarks/scale_sizes.py --spark                      # shuffled bytes and CPU time from Spark's own metrics

Sizes do not depend on the machine; CPU seconds do. docs/scale.md says how to read the table. The projection takes each
size to grow as the thing it is counted by, in the mix of the scenario's larger scale, and CPU time as from the first
scale to the last; for logs of your own give their mix with --accounts and --texts (per exchange).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from stillwatch.engine import Engine, connect
from stillwatch.link import link
from stillwatch.observe import Networks, rhythm, sampling
from stillwatch.pipeline.observing import ScanInputs, collect, read_logs
from stillwatch.pipeline.watch import Clock, Quiet
from stillwatch.schema import FAMILY_OF
from stillwatch.settings import DeploymentKey, Settings

KEY = DeploymentKey(bytes(32))
GROWS = {"logs, Parquet": "exchange", "staged parts, Parquet": "exchange", "shuffled": "exchange",
         "rhythm": "exchange", "blocks": "account", "sampling": "account", "profiles": "account",
         "sightings": "account", "edges": "account", "content": "text", "text states, as sent": "text",
         "text states, in memory": "text", "texts": "text"}
ON_DRIVER = ("rhythm", "blocks", "sampling", "profiles", "sightings", "edges", "content", "text states, in memory",
             "texts")

HOLD = """
import sys
from pathlib import Path
from stillwatch.observe import TextReducer
from stillwatch.settings import DeploymentKey

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

reducer = TextReducer(DeploymentKey(bytes(32)))
before = resident()
reducer.take_over(Path(sys.argv[1]))
print(resident() - before)
"""


@dataclass
class Measured:
    """One scale: counts, bytes by intermediate, and CPU seconds of reading and of the table work."""

    exchanges: int
    accounts: int
    texts: int
    size: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    reading: float = 0.0
    tables: float = 0.0
    linking: float = 0.0

    def unit(self, name: str) -> float:
        """Bytes of an intermediate per thing that it grows with."""
        number = {"exchange": self.exchanges, "account": self.accounts, "text": self.texts}[GROWS[name]]
        return self.size[name] / max(1, number)


def measure(traffic: Path, folder: Path) -> Measured:
    """Reduce logs as a scan does on one machine, and weigh what there is on the way."""
    settings, clock = Settings(seed=1), Clock(Quiet())
    with connect("duckdb") as engine:
        inputs = ScanInputs([str(traffic / "exchanges")], traffic / "accounts.parquet")
        before = time.process_time()
        logs = read_logs(engine, inputs, folder / "staged", settings=settings, key=KEY, clock=clock)
        texts = logs.reducer.texts()
        read = time.process_time()
        staged = engine.parquet(logs.ingested.parts)
        reduced = collect(engine, logs, staged, texts, Networks.load(), KEY)
        tables = time.process_time()
        linked = link(reduced.sightings, FAMILY_OF, seed=1)
        linking = time.process_time()
        found = {"rhythm": rhythm(engine, staged), "blocks": reduced.blocks, "profiles": reduced.profiles,
                 "sampling": sampling(engine, staged, KEY), "sightings": reduced.sightings,
                 "content": reduced.content, "texts": texts, "edges": linked.edge_table()}
    measured = Measured(logs.ingested.counts.kept, reduced.profiles.num_rows, texts.num_rows,
                        {name: table.nbytes for name, table in found.items()},
                        {name: table.num_rows for name, table in found.items()},
                        read - before, tables - read, linking - tables)
    logs.reducer.save(folder / "states")
    measured.size |= {"text states, as sent": (folder / "states").stat().st_size,
                      "text states, in memory": _held(folder / "states"),
                      "staged parts, Parquet": sum(part.stat().st_size for part in logs.ingested.parts),
                      "logs, Parquet": sum(path.stat().st_size for path in (traffic / "exchanges").glob("*.parquet"))}
    return measured


def _held(states: Path) -> int:
    """Bytes that a process grows by when it takes states over; in one of its own, whose memory nothing used before."""
    done = subprocess.run([sys.executable, "-c", HOLD, states], check=True, capture_output=True, text=True)
    return int(done.stdout)


def on_spark(traffic: Path, folder: Path) -> tuple[int, float]:
    """Bytes shuffled and CPU seconds of the executors' Java, by Spark's event log, for the same on Spark."""
    from pyspark.sql import SparkSession

    events = folder / "events"
    events.mkdir()
    session = (SparkSession.builder.master("local[2]").config("spark.eventLog.enabled", "true")
               .config("spark.eventLog.compress", "false").config("spark.ui.showConsoleProgress", "false")
               .config("spark.eventLog.dir", events.as_uri()).config("spark.ui.enabled", "false")
               .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
               .config("spark.sql.shuffle.partitions", "4").getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    session.sparkContext.pythonExec = sys.executable
    try:
        with connect("spark", scratch=folder) as engine:
            _reduce_on(engine, traffic, folder / "spark")
    finally:
        session.stop()
    shuffled, busy = 0, 0
    for path in sorted(path for path in events.rglob("*") if path.is_file()):
        with path.open("rb") as lines:
            for line in lines:
                if b'"SparkListenerTaskEnd"' in line:
                    metrics = json.loads(line).get("Task Metrics") or {}
                    shuffled += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
                    busy += metrics.get("Executor CPU Time", 0)
    return shuffled, busy / 1e9


def _reduce_on(engine: Engine, traffic: Path, folder: Path) -> None:
    inputs = ScanInputs([str(traffic / "exchanges")], traffic / "accounts.parquet")
    logs = read_logs(engine, inputs, folder, settings=Settings(seed=1), key=KEY, clock=Clock(Quiet()))
    collect(engine, logs, engine.parquet(logs.ingested.parts), logs.reducer.texts(), Networks.load(), KEY)


def show(of: list[Measured], wanted: argparse.Namespace) -> None:
    """The table, and the projection."""
    print("| what | " + " | ".join(f"{one.exchanges:,} exchanges" for one in of) + " | bytes per |"
          f" {wanted.exchanges:,.0f} exchanges |")
    print("| --- |" + " ---: |" * (len(of) + 2))
    last = of[-1]
    accounts = wanted.exchanges * (wanted.accounts or last.accounts / last.exchanges)
    texts = wanted.exchanges * (wanted.texts or last.texts / last.exchanges)
    number = {"exchange": wanted.exchanges, "account": accounts, "text": texts}
    for what, count, total in (("accounts", [one.accounts for one in of], accounts),
                               ("distinct texts", [one.texts for one in of], texts)):
        print(f"| {what} | " + " | ".join(f"{n:,}" for n in count) + f" | | {total:,.0f} |")
    driver = 0.0  # bytes
    for name, grows in GROWS.items():
        if all(name in one.size and (one.texts or grows != "text") for one in of):
            each = " → ".join(f"{one.unit(name):,.1f}" for one in of)
            total = last.unit(name) * number[grows]
            driver += total if name in ON_DRIVER else 0
            print(f"| {name} | " + " | ".join(f"{one.size[name]:,}" for one in of)
                  + f" | {each} a{'n' if grows != 'text' else ''} {grows} | {total / 1e9:,.0f} GB |")
    textless = driver - sum(last.unit(name) * texts for name in ON_DRIVER if GROWS[name] == "text")
    for what, held in ((("with text", driver),) if last.texts else ()) + (("without text", textless),):
        fits = 100e9 / held * wanted.exchanges / 1e6
        print(f"| together on the driver, {what} |" + " |" * len(of) + f" {held / wanted.exchanges:,.0f} an exchange |"
              f" {held / 1e9:,.0f} GB, or {fits:,.0f} million exchanges in 100 GB |")
    for what in ("reading", "tables", "linking"):
        used = [getattr(one, what) for one in of]
        # What starting costs is the same at every scale, and cancels out in the difference.
        each = (used[-1] - used[0]) / (last.exchanges - of[0].exchanges) if len(of) > 1 else used[0] / last.exchanges
        hours = each * wanted.exchanges / 3600
        print(f"| CPU seconds, {what} | " + " | ".join(f"{seconds:.1f}" for seconds in used)
              + f" | {each * 1e6:.1f} µs a further exchange | {hours:,.0f} core-hours,"
              f" {hours * wanted.core_hour:,.2f} at {wanted.core_hour} a core-hour |")


def main() -> None:
    """Simulate at each scale, weigh, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="assorted")
    parser.add_argument("--scales", type=float, nargs="+", default=[0.5, 1.0])
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--exchanges", type=float, default=10e9, help="what to project to")
    parser.add_argument("--accounts", type=float, help="accounts per exchange in the projection")
    parser.add_argument("--texts", type=float, help="distinct texts per exchange in the projection")
    parser.add_argument("--core-hour", type=float, default=0.05, help="price of a core-hour, in any currency")
    parser.add_argument("--spark", action="store_true", help="also run on Spark in local[2]")
    wanted = parser.parse_args()
    found = []
    for scale in wanted.scales:
        with tempfile.TemporaryDirectory() as folder:
            traffic = Path(folder) / "traffic"
            subprocess.run([sys.executable, "-m", "stillwatch", "simulate", wanted.scenario, "--out", traffic, "--seed",
                            str(wanted.seed), "--scale", str(scale), "--quiet"], check=True)
            found.append(measure(traffic, Path(folder)))
            if wanted.spark:
                shuffled, busy = on_spark(traffic, Path(folder))
                found[-1].size["shuffled"] = shuffled
                print(f"{found[-1].exchanges:,} exchanges on Spark: {busy:.1f} CPU seconds in its executors' Java",
                      file=sys.stderr)
    show(found, wanted)


if __name__ == "__main__":
    main()
