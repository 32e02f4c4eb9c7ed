"""Evaluation by brute force: sets, loops over rows, scikit-learn, scipy; nothing of ours but the contract's words.

Rows are plain dictionaries. ``world`` makes small random ones with everything that makes matching hard: overlapping
campaigns, relayed accounts, split and merged detections, borderline probabilities, unknown accounts and times.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest
from sklearn.metrics import adjusted_rand_score, brier_score_loss

from stillwatch.schema import ATTRIBUTED, CAMPAIGNS, EXCHANGES, MEMBERS, TRUE_CAMPAIGNS, TRUE_EXCHANGES, TRUE_MEMBERS

START = datetime(2026, 4, 1, tzinfo=UTC)
VERDICTS = ("distillation", "benchmarking", "education", "reseller", "undetermined")
LABELS = ("distillation", "distillation", "education", "reseller")


def world(seed: int, *, accounts: int = 60, groups: int = 6, candidates: int = 9, rows: int = 400) -> dict:
    """Random truth, findings, accounts and logs as lists of rows."""
    rng = np.random.default_rng(seed)
    ids = [f"acct-{i:03d}" for i in range(accounts)]
    names = [f"g{i}" for i in range(groups)]
    truth = [{"campaign": name, "label": str(rng.choice(LABELS))} for name in names]
    in_group = {name: sorted({ids[i] for i in rng.integers(0, accounts, rng.integers(0, 15))}) for name in names}
    said = []
    for i in range(candidates):
        said.append({"campaign_id": f"c{i}", "verdict": str(rng.choice(VERDICTS, p=[.8, .05, .05, .05, .05])),
                     "probability": float(rng.choice([0.0, 0.05, 0.4, 0.899, 0.9, 0.93, 0.97, 1.0])),
                     "q_value": [None, 0.0, 0.01, 0.0101, 0.2][rng.choice(5, p=[.05, .4, .45, .05, .05])],
                     "detectable_at": None if rng.random() < 0.2 else START + timedelta(hours=int(rng.integers(99)))})
    members = []
    for row in said:
        base = in_group[names[rng.integers(groups)]] if groups and rng.random() < 0.8 else []
        chosen = {a for a in base if rng.random() < 0.8}
        chosen |= {ids[i] for i in rng.integers(0, accounts, rng.integers(0, 6))}
        members += [{"campaign_id": row["campaign_id"], "account_id": a,
                     "probability": float(rng.choice([0.2, 0.4999, 0.5, 0.7, 0.9]))} for a in sorted(chosen)]
    logs, true_rows, found = [], [], []
    for i in range(rows):
        account = ids[min(int(rng.pareto(1.0) * 4), accounts - 1)] if rng.random() < 0.97 else "unknown"
        if rng.random() < 0.05:
            account = None
        ident = f"x{i:04d}"
        logs.append({"exchange_id": ident, "account_id": account,
                     "ts": START + timedelta(minutes=int(rng.integers(0, 6000)))})
        homes = [name for name in names if account in in_group[name]]
        if homes and rng.random() < 0.9:
            true_rows.append({"exchange_id": ident, "campaign": str(rng.choice(homes))})
        mine = [m["campaign_id"] for m in members if m["account_id"] == account]
        if mine and rng.random() < 0.8:
            found.append({"exchange_id": ident, "campaign_id": str(rng.choice(mine))})
    known = [{"account_id": a, "kind": str(rng.choice(["individual", "education", "startup"])),
              "country": None if rng.random() < 0.1 else str(rng.choice(["DE", "CN", "US"]))}
             for a in ids if rng.random() < 0.95]
    private = [{"account_id": a, "language": str(rng.choice(["de", "zh", "en"])),
                "vpn": None if rng.random() < 0.05 else bool(rng.random() < 0.3)} for a in ids if rng.random() < 0.95]
    return {"truth": truth, "true_members": [{"campaign": n, "account_id": a} for n in names for a in in_group[n]],
            "true_rows": true_rows, "campaigns": said, "members": members, "rows": found, "logs": logs,
            "accounts": known, "private": private}


_PRIVATE = {"account_id": pa.string(), "language": pa.string(), "vpn": pa.bool_()}


def table(rows: list[dict], fields: dict) -> pa.Table:
    """Rows as a table of these types."""
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in fields.items()})


def declared(rows: list[dict], of, names: tuple[str, ...]) -> pa.Table:
    """Rows as a table of a declared table's columns."""
    return table(rows, {name: of.by_name[name].type for name in names})


def write(made: dict, folder: Path, *, truth_times: bool = False, beside: bool = True) -> tuple[Path, Path]:
    """Findings and a simulation's folder; with ``truth_times`` the truth's exchanges have times and accounts."""
    findings, traffic = folder / "findings", folder / "traffic"
    (traffic / "truth").mkdir(parents=True)
    findings.mkdir()
    pq.write_table(declared(made["campaigns"], CAMPAIGNS, ("campaign_id", "verdict", "probability", "q_value",
                                                           "detectable_at")), findings / "campaigns.parquet")
    pq.write_table(declared(made["members"], MEMBERS, ("campaign_id", "account_id", "probability")),
                   findings / "members.parquet")
    pq.write_table(declared(made["rows"], ATTRIBUTED, ("exchange_id", "campaign_id")), findings / "exchanges.parquet")
    (findings / "summary.json").write_text(json.dumps({"timings": {"a": 1.5, "b": 2.5}, "peak_memory_bytes": 10**9,
                                                       "counts": {"records_in": len(made["logs"])}}))
    pq.write_table(declared(made["truth"], TRUE_CAMPAIGNS, ("campaign", "label")), traffic / "truth/campaigns.parquet")
    pq.write_table(declared(made["true_members"], TRUE_MEMBERS, ("campaign", "account_id")),
                   traffic / "truth/members.parquet")
    rows = declared(made["true_rows"], TRUE_EXCHANGES, ("exchange_id", "campaign"))
    if truth_times:
        of = {row["exchange_id"]: row for row in made["logs"]}
        for name in ("ts", "account_id"):
            rows = rows.append_column(name, pa.array([of[row["exchange_id"]][name] for row in made["true_rows"]],
                                                     EXCHANGES.by_name[name].type))
    pq.write_table(rows, traffic / "truth/exchanges.parquet")
    if beside:
        (traffic / "exchanges").mkdir()
        half = len(made["logs"]) // 2
        for i, part in enumerate((made["logs"][:half], made["logs"][half:])):
            pq.write_table(declared(part, EXCHANGES, ("exchange_id", "ts", "account_id")),
                           traffic / f"exchanges/part-{i}.parquet")
        pq.write_table(table(made["accounts"], dict.fromkeys(("account_id", "kind", "country"), pa.string())),
                       traffic / "accounts.parquet")
        pq.write_table(table(made["private"], _PRIVATE), traffic / "truth/accounts.parquet")
    return findings, traffic


class Oracle:
    """The figures of one world, by sets."""

    def __init__(self, made: dict) -> None:
        self.made = made
        self.detections = [c["campaign_id"] for c in made["campaigns"] if c["verdict"] == "distillation"
                           and c["q_value"] is not None and c["q_value"] <= 0.01 and c["probability"] >= 0.9]
        self.likely = {c["campaign_id"]: {m["account_id"] for m in made["members"]
                                          if m["campaign_id"] == c["campaign_id"] and m["probability"] >= 0.5}
                       for c in made["campaigns"]}
        self.members = {t["campaign"]: {m["account_id"] for m in made["true_members"] if m["campaign"] == t["campaign"]}
                        for t in made["truth"]}
        self.harvests = [t["campaign"] for t in made["truth"] if t["label"] == "distillation"]
        self.accused = set().union(*(self.likely[d] for d in self.detections))
        self.positive = set().union(*(self.members[h] for h in self.harvests))
        self.true_of = {r["exchange_id"]: r["campaign"] for r in made["true_rows"]}
        self.said_of = {r["exchange_id"]: r["campaign_id"] for r in made["rows"]}
        self.population = ({a["account_id"] for a in made["accounts"]} | {a["account_id"] for a in made["private"]}
                           | {r["account_id"] for r in made["logs"]} | self.accused | self.positive) - {None, "unknown"}
        self.benign = self.population - self.positive
        self.sent = Counter(r["account_id"] for r in made["logs"])

    def counts(self, said: set, true: set) -> dict:
        tp, fp, fn = len(said & true), len(said - true), len(true - said)
        return {"tp": tp, "fp": fp, "fn": fn, "precision": tp / (tp + fp) if tp + fp else None,
                "precision_interval": exact(tp, tp + fp), "recall": tp / (tp + fn) if tp + fn else None,
                "recall_interval": exact(tp, tp + fn), "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None}

    def exchanges(self) -> dict:
        return self.counts({x for x, c in self.said_of.items() if c in self.detections},
                           {x for x, g in self.true_of.items() if g in self.harvests})

    def linked(self) -> dict:
        return self.counts(set().union(*self.likely.values()), set().union(*self.members.values()))

    def ari(self) -> dict:
        true = {x: g for x, g in self.true_of.items() if g in self.harvests}
        said = {x: c for x, c in self.said_of.items() if c in self.detections}
        rows = {"ari": sorted(true), "ari_attributed": sorted(true.keys() & said.keys()),
                "ari_all": sorted(true.keys() | said.keys())}
        return {name: adjusted_rand_score([true.get(x, "none") for x in of], [said.get(x, "none") for x in of])
                if of else None for name, of in rows.items()}

    def wrongly(self, attribute: str) -> dict:
        """Value → (benign accounts, accused)."""
        if attribute == "size":
            active = [self.sent[a] for a in self.benign if self.sent[a]]
            edges = np.quantile(active, [0.25, 0.5, 0.75])
            names = ("lowest quarter", "second quarter", "third quarter", "highest quarter")
            value = {a: names[sum(self.sent[a] > e for e in edges)] if self.sent[a] else "no traffic"
                     for a in self.benign}
        else:
            rows = self.made["private" if attribute in ("language", "vpn") else "accounts"]
            value = {r["account_id"]: r[attribute] for r in rows}
            if attribute == "vpn":
                value = {a: None if v is None else "yes" if v else "no" for a, v in value.items()}
        found = defaultdict(lambda: [0, 0])
        for account in self.benign:
            found[value.get(account)][0] += 1
            found[value.get(account)][1] += account in self.accused
        return {value: tuple(pair) for value, pair in found.items()}

    def calibration(self) -> tuple[list, list, float | None]:
        pairs = [(c["probability"], len(self.likely[c["campaign_id"]] & self.positive)
                  > len(self.likely[c["campaign_id"]]) / 2)
                 for c in self.made["campaigns"] if self.likely[c["campaign_id"]]]
        p, y = [p for p, _ in pairs], [bool(y) for _, y in pairs]
        return p, y, brier_score_loss(y, p, labels=[False, True]) if p else None

    def gone(self, campaign: str, at: datetime) -> tuple:
        of = {r["exchange_id"]: r for r in self.made["logs"]}
        rows = [of[x] for x, g in self.true_of.items() if g == campaign]
        first = {}
        for r in rows:
            if r["account_id"] not in (None, "unknown"):
                first[r["account_id"]] = min(first.get(r["account_id"], r["ts"]), r["ts"])
        start, end = min(r["ts"] for r in rows), max(r["ts"] for r in rows)
        days = min(max((at - start) / (end - start), 0.0), 1.0) if end > start else None
        return (sum(r["ts"] <= at for r in rows) / len(rows), sum(t <= at for t in first.values()) / len(first), days)


def exact(hits: int, of: int, confidence: float = 0.95) -> list | None:
    """Clopper–Pearson by scipy."""
    if not of:
        return None
    found = binomtest(hits, of).proportion_ci(confidence, "exact")
    return [found.low, found.high]
