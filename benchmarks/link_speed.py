"""How fast linking is at the size of a large deployment, and whether planted campaigns come out.

    python benchmarks/link_speed.py                       # 50,000 accounts, about a million sightings
    python benchmarks/link_speed.py --accounts 1000000    # the target: at most 120 s and 6 GB on two cores

Sightings are drawn, not simulated from exchanges: heavy-tailed degrees, addresses within prefixes within networks,
cards and devices mostly of one account, prompts partly everybody's. Campaigns are of 12 to 300 accounts and of four
sorts. The ratio to sorting as many random 64-bit integers as there are sightings is the figure to compare between
machines.
"""

from __future__ import annotations

import argparse
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.link import link, linking
from stillwatch.schema import FAMILY_OF

Ints = npt.NDArray[np.int64]
KINDS = ("ip", "prefix", "asn", "payment", "device", "email_domain", "ja4", "user_agent", "sdk", "template")
SORTS: dict[str, dict[str, float]] = {
    "everything": {"ip": 4, "payment": 5, "template": 12},
    "network and content": {"ip": 4, "template": 12},
    "network and payment": {"ip": 4, "payment": 4},
    "content alone": {"template": 14},
}
"""Accounts an address (each uses three) and a card of a campaign, and prompts of 300 that each of them sends."""
SIZES = (12, 30, 80, 300)


class Population:
    """Coincidences account × (kind, value) as they are drawn."""

    def __init__(self, accounts: int, seed: int) -> None:
        self.accounts, self.rng = accounts, np.random.default_rng(seed)
        self.parts: list[tuple[int, Ints, Ints]] = []
        self.fresh = 2_000_000_000  # codes of values that nobody else has
        self.campaigns: dict[str, Ints] = {}

    def add(self, kind: str, account: Ints, value: Ints) -> None:
        """Let accounts be seen with values of a kind."""
        self.parts.append((KINDS.index(kind), account, value))

    def popular(self, size: int, pool: int, power: float) -> Ints:
        """Values by a bounded Pareto law: value v with a chance that falls as v^-power (power < 1)."""
        return (pool * self.rng.random(size) ** (1.0 / (1.0 - power))).astype(np.int64)

    def mixed(self, size: int, own: float, pool: int, power: float) -> Ints:
        """Values of which a share is nobody else's, the rest popular to different degrees."""
        value = self.popular(size, pool, power)
        alone = self.rng.random(size) < own
        value[alone] = self.fresh + np.arange(int(alone.sum()))
        self.fresh += int(alone.sum())
        return value

    def each(self, mean: float, spread: float) -> Ints:
        """Accounts, each repeated a log-normal number of times (once at least)."""
        times = np.maximum(1, self.rng.lognormal(np.log(mean) - spread**2 / 2, spread, self.accounts))
        return np.repeat(np.arange(self.accounts), np.minimum(times, 2000).astype(np.int64))

    def everybody(self) -> None:
        """What ordinary accounts are seen with."""
        some = self.accounts
        account = self.each(3.0, 0.9)
        self.network(account, self.mixed(len(account), 0.55, some, 0.6))
        for kind, mean, own, pool, power in (
            ("payment", 1.1, 0.93, some // 2, 0.1), ("device", 1.4, 0.9, some // 2, 0.2),
            ("email_domain", 1.0, 0.1, some // 10, 0.9), ("ja4", 1.6, 0.0, 400, 0.8),
            ("user_agent", 2.0, 0.02, 4000, 0.8), ("sdk", 1.2, 0.0, 60, 0.7), ("template", 4.0, 0.55, some, 0.75),
        ):
            account = self.each(mean, 0.9 if kind == "template" else 0.5)
            self.add(kind, account, self.mixed(len(account), own, pool, power))

    def network(self, account: Ints, address: Ints) -> None:
        """Addresses, the prefix of each (30 addresses) and its network, some of which are large."""
        prefix = address // 30
        # A hash spreads prefixes over networks whose sizes are heavy-tailed.
        spread = (prefix * 2654435761 % 2**32) / 2**32
        self.add("ip", account, address)
        self.add("prefix", account, prefix)
        self.add("asn", account, (20_000 * spread**4).astype(np.int64))

    def plant(self) -> None:
        """Campaigns of every sort and size, among accounts that also have a life of their own."""
        free = self.rng.permutation(self.accounts)
        for sort, shares in SORTS.items():
            for size in SIZES:
                members, free = np.sort(free[:size]), free[size:]
                self.campaigns[f"{sort}, {size}"] = members
                for kind, much in shares.items():
                    pool = 300 if kind == "template" else -(-size // int(much))
                    times = {"template": int(much), "ip": 3}.get(kind, 1)
                    account = np.repeat(members, times)
                    value = self.fresh + self.rng.integers(0, pool, len(account)) * 30
                    self.fresh += pool * 30
                    if kind == "ip":
                        self.network(account, value)
                    else:
                        self.add(kind, account, value)

    def table(self) -> pa.Table:
        """The columns of SIGHTINGS that linking reads, shuffled."""
        kind = np.concatenate([np.full(len(account), kind, np.int8) for kind, account, _ in self.parts])
        account = np.concatenate([account for _, account, _ in self.parts]).astype(np.int32)
        value = np.concatenate([value for _, _, value in self.parts])
        self.parts.clear()
        order = self.rng.permutation(len(kind))
        return pa.table({
            "account_id": pc.cast(pa.array(account[order]), pa.string()),
            "kind": pa.array(KINDS).take(pa.array(kind[order])),
            "value": pc.cast(pa.array(value[order]), pa.string()),
            "count": pa.array(np.ones(len(kind), dtype=np.int64)),
        })


class Stopwatch:
    """Seconds of the steps of linking, and memory."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def watching(self, *names: str) -> Iterator[None]:
        """Time functions that ``link`` calls."""
        with mock.patch.multiple(linking, **{name: self.timed(name, getattr(linking, name)) for name in names}):
            yield

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""
        def call(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        return call


@contextmanager
def peak() -> Iterator[list[float]]:
    """Resident memory while something runs, in GB: before, and the most (looked at 20 times a second)."""
    def resident() -> float:
        told = Path("/proc/self/statm").read_text("ascii")
        return int(told.split()[1]) * resource.getpagesize() / 1e9

    most, done = [resident(), resident()], threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            most[1] = max(most[1], resident())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def main() -> None:
    """Draw, link, compare with what was planted, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    population = Population(wanted.accounts, wanted.seed)
    population.everybody()
    population.plant()
    sightings = population.table()
    numbers = np.random.default_rng(0).integers(0, 2**62, sightings.num_rows)
    start = time.perf_counter()
    numbers.sort()
    sorting = time.perf_counter() - start
    del numbers
    watch = Stopwatch()
    with peak() as memory, watch.watching("encode", "share_pairs", "learn", "weigh", "find_groups"):
        start, busy = time.perf_counter(), time.process_time()
        linked = link(sightings, FAMILY_OF, seed=wanted.seed)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(f"{wanted.accounts:,} accounts, {sightings.num_rows:,} sightings, {len(linked.pairs):,} pairs,"
          f" {len(linked.groups):,} groups, {os.cpu_count()} cores")
    print(f"resident memory {memory[0]:.2f} GB before (the table of sightings), at most {memory[1]:.2f} GB")
    print(f"{'step':24} {'seconds':>9} {'times sorting':>14}")
    for name, spent in [*watch.seconds.items(), ("link, wall clock", seconds), ("link, processor", busy),
                        ("sorting as many integers", sorting)]:
        print(f"{name:24} {spent:9.2f} {spent / sorting:14.1f}")
    names = np.array(linked.incidence.accounts.to_pylist()).astype(np.int64)
    groups = [set(names[group.members].tolist()) for group in linked.groups]
    print(f"{'planted':28} {'found in best group':>20} {'others in it':>13}")
    for name, members in population.campaigns.items():
        own = set(members.tolist())
        best = max(groups, key=lambda group: len(group & own) / len(group | own), default=set())
        print(f"{name:28} {len(best & own):13,} of {len(own):3} {len(best - own) if best & own else 0:13,}")
    planted = set().union(*(members.tolist() for members in population.campaigns.values()))
    alone = [group for group in groups if not group & planted]
    print(f"groups without any planted account: {len(alone):,}, the largest of {max(map(len, alone), default=0):,}")


if __name__ == "__main__":
    main()
