"""Sightings with known truth for the tests of linking: independent accounts, and campaigns planted among them."""

import numpy as np
import pyarrow as pa

from stillwatch.schema import SIGHTINGS, conform

FAMILIES = {"ip": ("network", 2), "prefix": ("network", 1), "card": ("payment", 1), "device": ("identity", 1),
            "template": ("content", 1), "agent": ("client", 1)}


def sightings(rows):
    """Rows of (account, kind, value, count) as schema ``SIGHTINGS``."""
    account, kind, value, count = zip(*rows, strict=True) if rows else ((), (), (), ())
    return conform(pa.table({"account_id": pa.array(account, pa.string()), "kind": pa.array(kind, pa.string()),
                             "value": pa.array(value, pa.string()), "count": pa.array(count, pa.int64())}), SIGHTINGS)


def one_stratum(table):
    """Every account of the sightings in one stratum."""
    names = table["account_id"].unique().sort()
    return pa.table({"account_id": names, "stratum": pa.repeat(pa.scalar("all"), len(names))})


def ordinary(rng, accounts, prefix="o"):
    """Independent accounts: own homes or a carrier's NAT, own cards, popular clients, common wordings."""
    rows = []
    for i in range(accounts):
        name = f"{prefix}{i}"
        address = f"{prefix}home{i}" if rng.random() < 0.8 else f"nat{rng.integers(8)}"
        rows += [(name, "ip", address), (name, "prefix", f"range{rng.integers(max(2, accounts // 3))}"),
                 (name, "card", f"{prefix}own{i}"), (name, "agent", f"agent{rng.zipf(1.6) % 30}")]
        rows += [(name, "template", f"common{t}") for t in rng.zipf(1.3, size=rng.integers(0, 6)) % 200]
        rows += [(name, "template", f"{prefix}mine{i}-{k}") for k in range(rng.integers(1, 10))]
    return [(*row, int(rng.integers(1, 40))) for row in sorted(set(rows))]


def worded(rng, accounts, *, wordings, each, prefix="w"):
    """A campaign that shows in its wordings alone: every account sends ``each`` of ``wordings``, and lives as
    ordinary accounts do otherwise."""
    rows = ordinary(rng, accounts, prefix)
    rows += [(f"{prefix}{i}", "template", f"{prefix}wording{k}", int(rng.integers(1, 9)))
             for i in range(accounts) for k in rng.choice(wordings, each, replace=False)]
    return rows


def paid(rng, accounts, *, a_card=5, addresses=25, each=3, prefix="p"):
    """A campaign that shows in payment and network: a card for ``a_card`` accounts, proxies for all."""
    rows = [(f"{prefix}{i}", "card", f"{prefix}card{i // a_card}", 1) for i in range(accounts)]
    rows += [(f"{prefix}{i}", "ip", f"{prefix}proxy{k}", int(rng.integers(1, 40)))
             for i in range(accounts) for k in rng.choice(addresses, each, replace=False)]
    return rows + [(f"{prefix}{i}", "agent", f"agent{rng.zipf(1.6) % 30}", 5) for i in range(accounts)]


def mixed(seed, accounts=1200):
    """Three campaigns of several families among independent accounts: of wordings, and two of cards and proxies."""
    rng = np.random.default_rng(seed)
    return [*ordinary(rng, accounts), *worded(rng, 40, wordings=60, each=8), *paid(rng, 40, addresses=16, each=4),
            *paid(rng, 24, a_card=4, addresses=12, prefix="q")]


def crowded(rng, accounts):
    """Independent accounts that share much by chance: 150 wordings, 100 addresses and 70 cards for all."""
    rows = []
    for i in range(accounts):
        rows += [(f"o{i}", "template", f"t{t}") for t in rng.choice(150, rng.integers(2, 16), replace=False)]
        rows += [(f"o{i}", "ip", f"i{a}") for a in rng.choice(100, rng.integers(1, 5), replace=False)]
        rows.append((f"o{i}", "card", f"c{rng.integers(70)}"))
    return [(*row, 1) for row in sorted(rows)]


def named_groups(linked):
    """The groups as sets of account names."""
    names = linked.incidence.accounts.to_pylist()
    return [frozenset(names[member] for member in group.members) for group in linked.groups]


def precision_recall(group, truth):
    """Precision and recall of a set of accounts against the true one."""
    both = len(group & truth)
    return both / max(1, len(group)), both / len(truth)
