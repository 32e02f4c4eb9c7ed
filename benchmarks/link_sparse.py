"""How much of many small operations linking finds where accounts show little, beside hubs that thousands share.

    python benchmarks/link_sparse.py                # seeds 11 and 12, 33,000 accounts each: a few minutes

Invented after what public investigations of sybil accounts describe, and fitted to none: accounts have one to three
funders, at most two places that they pay into, and the weeks in which they are active. Of a quarter of the accounts
operators hold 5 to 400 each; four in five of an operator's accounts share a funder with others of it, half of them a
place to pay into, in one piece or in sixes. Others have funders of their own, of a hub, or of a few strangers.
Precision and recall are over accounts in groups; the same for accounts with an edge, and for those that share a funder
or a place to pay into with at most 50 others, which is what one would try first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.link import link
from stillwatch.schema import SIGHTINGS, conform

Ints = npt.NDArray[np.int64]
KINDS = ("funder", "deposit", "week")
FAMILIES = {kind: (kind, 1) for kind in KINDS}
SHARED = {"funder": 0.8, "deposit": 0.5}
OWN = {"funder": 0.35, "deposit": 0.5}
HUB = {"funder": 0.45, "deposit": 0.3}
HUBS, FEW = 60, 8_000
SMALL = 50


def operators(rng: np.random.Generator, accounts: int) -> Ints:
    """The operator of each account, −1 for those that are their owners'."""
    owner = np.full(accounts, -1, dtype=np.int64)
    order, taken, number = rng.permutation(accounts), 0, 0
    while taken < 0.24 * accounts:
        size = int(min(5 * (1 - rng.random()) ** (-1 / 1.3), 400))
        owner[order[taken:taken + size]] = number
        taken, number = taken + size, number + 1
    return owner


def seen(rng: np.random.Generator, owner: Ints) -> Iterator[tuple[int, str, str]]:
    """Account, kind and value of every coincidence."""
    chance = 1.0 / np.arange(1, HUBS + 1)
    chance /= chance.sum()
    for kind, most in (("funder", (1, 4)), ("deposit", (0, 3))):
        for account, times in enumerate(rng.integers(*most, len(owner))):
            for turn in range(times):
                kept = rng.random()
                if kept < OWN[kind]:
                    yield account, kind, f"own {account} {turn}"
                elif kept < OWN[kind] + HUB[kind]:
                    yield account, kind, f"hub {rng.choice(HUBS, p=chance)}"
                else:
                    yield account, kind, f"few {int(FEW * rng.random() ** 1.6)}"
        for number in range(owner.max() + 1):
            whole = rng.random() < 0.6
            for place, account in enumerate(np.flatnonzero(owner == number)):
                if rng.random() < SHARED[kind]:
                    yield int(account), kind, f"operator {number} {0 if whole else place // 6}"
    for account, times in enumerate(rng.integers(2, 8, len(owner))):
        for week in (200 * rng.random(times) ** 2).astype(int).tolist():
            yield account, "week", str(week)


def figures(found: set[str], operated: set[str]) -> str:
    """Accounts found, precision and recall, as a row's cells."""
    right = len(found & operated)
    return f"{len(found):,} | {right / max(1, len(found)):.3f} | {right / len(operated):.3f}"


def rarely_shared(rows: list[tuple[int, str, str]]) -> set[str]:
    """Accounts that share a funder or a place to pay into with at most ``SMALL`` others."""
    of: dict[tuple[str, str], set[int]] = {}
    for account, kind, value in rows:
        if kind != "week":
            of.setdefault((kind, value), set()).add(account)
    return {f"a{account}" for sharing in of.values() if 2 <= len(sharing) <= SMALL for account in sharing}


def main() -> None:
    """Draw, link and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=33_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    given = parser.parse_args()
    print("| seed | by | accounts | precision | recall |\n| --- | --- | ---: | ---: | ---: |")
    for seed in given.seeds:
        rng = np.random.default_rng(seed)
        owner = operators(rng, given.accounts)
        rows = sorted(set(seen(rng, owner)))
        account, kind, value = zip(*rows, strict=True)
        table = pa.table({"account_id": [f"a{code}" for code in account], "kind": pa.array(kind),
                          "value": pa.array(value), "count": pa.array([1] * len(rows), pa.int64())})
        operated = {f"a{account}" for account in np.flatnonzero(owner >= 0).tolist()}
        began = time.perf_counter()
        linked = link(conform(table, SIGHTINGS), FAMILIES)
        took = time.perf_counter() - began
        names = np.array(linked.incidence.accounts.to_pylist())
        grouped = {name for group in linked.groups for name in names[group.members].tolist()}
        ends = np.concatenate([linked.pairs.a[linked.edges], linked.pairs.b[linked.edges]])
        for by, found in (("groups", grouped), ("edges", set(names[ends].tolist())),
                          ("rare values", rarely_shared(rows))):
            print(f"| {seed} | {by} | {figures(found, operated)} |", flush=True)
        print(f"| {seed} | *{len(rows):,} sightings, {took:.0f} s* | | | |")


if __name__ == "__main__":
    main()
