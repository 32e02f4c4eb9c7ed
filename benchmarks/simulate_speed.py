"""How fast a simulation is written, with text and without, beside a plain copy of the same files.

    python benchmarks/simulate_speed.py                                   # the demo at about 2,000,000 exchanges
    python benchmarks/simulate_speed.py --scenario reported --exchanges 2000000 10000000
    python benchmarks/simulate_speed.py --workers 1

Each line is the whole command, from its start to its end. Machines differ and are noisy: the ratio to a copy of the
exchanges by pyarrow (read a file, write it again, one file after the other in one process) on the same machine in the
same minute is the figure to compare. On a machine with other work to do, exchanges for each second of a core say more
than exchanges a second. Memory is the sum over all processes of what each holds for itself at the worst moment
(proportional set size, Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from stillwatch.proof.pilot import declared
from stillwatch.proof.scenario import load

MUTE = ["prompt", "system_prompt", "response"]


def copied(folder: Path, target: Path) -> float:
    """Seconds that reading and writing all files of a folder takes."""
    start = time.perf_counter()
    for path in sorted(folder.iterdir()):
        pq.write_table(pq.read_table(path), target, compression="zstd", compression_level=1)
    target.unlink()
    return time.perf_counter() - start


class Memory(threading.Thread):
    """Follows how much memory a process and its children hold."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.peak, self._ended = pid, 0, threading.Event()

    def run(self) -> None:
        """Look ten times a second until told to end."""
        while not self._ended.wait(0.1):
            self.peak = max(self.peak, sum(map(_held, [self._pid, *_children(self._pid)])))

    def end(self) -> float:
        """Peak in GiB."""
        self._ended.set()
        self.join()
        return self.peak / 1024**2


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
                for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def core_seconds() -> float:
    """Seconds of a core that ended children, and theirs, have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def simulated(scenario: str, out: Path, scale: float, seed: int,
              workers: int | None) -> tuple[int, float, float, float]:
    """Exchanges, seconds, seconds of a core and peak memory of the whole command."""
    command = [sys.executable, "-m", "stillwatch", "simulate", scenario, "--out", str(out), "--scale", str(scale),
               "--seed", str(seed), "--json", "--quiet"]
    if workers is not None:
        command += ["--workers", str(workers)]
    start, used = time.perf_counter(), core_seconds()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        memory = Memory(running.pid)
        memory.start()
        told, _ = running.communicate()
        seconds = time.perf_counter() - start
        peak = memory.end()
    if running.returncode:
        raise SystemExit(running.returncode)
    return json.loads(told)["exchanges"], seconds, core_seconds() - used, peak


def without_text(name: str, folder: Path) -> Path:
    """The scenario in a file of its own, without its texts."""
    told = load(name)
    data = json.loads(told.model_copy(update={
        "withhold": tuple(dict.fromkeys((*told.withhold, *MUTE))), "casts": {}}).model_dump_json())
    path = folder / "mute.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    return path


def main() -> None:
    """Simulate at each size with text and without, copy, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="demo", help="a shipped scenario, or a YAML file")
    parser.add_argument("--exchanges", type=int, nargs="+", default=[2_000_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int)
    wanted = parser.parse_args()
    print(f"{wanted.scenario}, {os.cpu_count()} cores")
    print(f"{'text':8} {'exchanges':>12} {'seconds':>8} {'exchanges/s':>12} {'/s of a core':>12} {'GiB peak':>9}"
          f" {'bytes/row':>10} {'times a copy':>13}")
    for size in wanted.exchanges:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            told = load(wanted.scenario)
            scale = size / declared(told, wanted.seed, 1.0)
            scale *= size / declared(told, wanted.seed, scale)
            for text, scenario in (("with", wanted.scenario), ("without", without_text(wanted.scenario, folder))):
                out = folder / text
                rows, seconds, cores, peak = simulated(str(scenario), out, scale, wanted.seed, wanted.workers)
                stored = sum(path.stat().st_size for path in (out / "exchanges").iterdir()) / rows
                copy = copied(out / "exchanges", folder / "copy.parquet")
                print(f"{text:8} {rows:12,} {seconds:8.1f} {rows / seconds:12,.0f} {rows / cores:12,.0f} {peak:9.2f}"
                      f" {stored:10.1f} {seconds / copy:13.2f}", flush=True)


if __name__ == "__main__":
    main()
