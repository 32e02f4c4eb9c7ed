"""Findings folders for tests: realistic ones, and ones whose every string is hostile.

Everything is written through ``stillwatch.schema.conform``, so a change of the schema shows here first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.schema import (
    ACTIVITY,
    ATTRIBUTED,
    CAMPAIGNS,
    EDGES,
    EVIDENCE,
    GROUPS,
    HOURS,
    MEMBERS,
    PHASES,
    SAMPLES,
    SIGHTINGS,
    USAGE,
    Table,
    conform,
)

START = datetime(2026, 4, 22, tzinfo=UTC)
DAYS = 44

Rows = list[dict[str, Any]]


TABLES: tuple[Table, ...] = (CAMPAIGNS, MEMBERS, EVIDENCE, ACTIVITY, HOURS, USAGE, SAMPLES, PHASES, ATTRIBUTED,
                             SIGHTINGS, EDGES, GROUPS)


def write(folder: Path, rows_of: Mapping[str, Rows], summary: Mapping[str, Any],
          quarantine: Iterable[Any] = ()) -> Path:
    """Write a findings folder from rows by table name."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        rows = rows_of[table.name]
        given = [name for name in table.names if any(name in row for row in rows)]
        schema = pa.schema([table.arrow.field(name).with_nullable(True) for name in given])
        data = conform(pa.Table.from_pylist(rows, schema=schema), table) if rows else table.arrow.empty_table()
        pq.write_table(data, folder / f"{table.name.partition('.')[2]}.parquet")
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "quarantine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in quarantine))
    return folder


def summary(**changes: Any) -> dict[str, Any]:
    """What a scan of a month of logs records of itself."""
    return {
        "version": "0.1.0", "command": "stillwatch scan logs/ --accounts accounts.parquet --out findings",
        "created_at": "2026-06-06T03:12:44+00:00", "seed": 0, "engine": "duckdb",
        "versions": {"python": "3.11.9", "ibis": "12.0.0", "duckdb": "1.5.6"},
        "key_fingerprint": "9f31c2aa", "settings": {"decoys": 400, "prior": 0.01, "memory": None},
        "inputs": [
            {"path": "logs/2026-04.jsonl.gz", "format": "native", "container": "gzip", "records": 180_240,
             "kept": 180_002, "quarantined": 12, "duplicates": 200, "merged": 20, "out_of_scope": 6,
             "digest": "sha256:" + "4be1c07d" * 8},
            {"path": "logs/2026-05.parquet", "format": "litellm", "container": "parquet", "records": 240_100,
             "kept": 240_100, "quarantined": 0, "duplicates": 0, "merged": 0, "out_of_scope": 0,
             "digest": "sha256:" + "a9027f3e" * 8},
        ],
        "counts": {"records_in": 420_340, "kept": 420_102, "quarantined": 12, "duplicates": 200,
                   "merged": 20, "out_of_scope": 6},
        "exchanges_without_account": 1_204, "accounts": 3_120,
        "span": {"first": "2026-04-22T00:00:03+00:00", "last": "2026-06-04T23:59:41+00:00"},
        "missing": [
            {"input": "ja4", "effect": "clients are compared by library and user agent only"},
            {"input": "agreements", "effect": "whether a customer may train on answers is not known"},
        ],
        "caps": [{"kind": "asn", "value_count": 3, "note": "shared by more accounts than it can tell apart"}],
        "decoys": {"made": 400, "wanted": 400, "seconds": 212.4, "floor": 0.0025, "second_set": True},
        "campaigns": 4, "detections": 1, "accused": 58,
        "timings": {"ingest": 14.2, "observe": 31.0, "link": 9.7, "judge": 212.9},
        "notes": ["Launches were inferred from the logs."],
        "conditional_on": "scenarios of `simulate` at scale 1, seeds 0-19, and 200 injected campaigns",
        **changes,
    }


def campaign(ident: str = "c4e1d0a92b7f", verdict: str = "distillation", probability: float = 0.973,
             q_value: float | None = 0.005, accounts: int = 60, **changes: Any) -> dict[str, Any]:
    """A row of ``findings.campaigns``."""
    return {
        "campaign_id": ident, "lineage_id": ident, "verdict": verdict, "probability": probability,
        "q_value": q_value, "accounts": accounts, "exchanges": accounts * 642, "sessions": accounts * 611,
        "tasks": accounts * 590, "input_tokens": accounts * 642 * 310, "output_tokens": accounts * 642 * 1480,
        "first_seen": START + timedelta(days=6, hours=3), "last_seen": START + timedelta(days=40, hours=7),
        "detectable_at": START + timedelta(days=13),
        "capabilities": [{"capability": "reasoning_trace", "share": 0.61},
                         {"capability": "coding", "share": 0.24},
                         {"capability": "reward_grading", "share": 0.09}, {"capability": "other", "share": 0.06}],
        "phase": "sustained", "actor": None, "actor_probability": None,
        "explanation": f"{accounts} accounts share 3 payment fingerprints and 14 prompt templates that nobody"
                       " else sends, and 97% of their requests are fresh single-turn tasks that ask for"
                       " step-by-step reasoning. Against it, 4 accounts also carry mixed traffic of their own.",
        "linkage_bits": 148.2, "q_floor": 0.0025,
        "hypotheses": [{"verdict": verdict, "probability": probability, "log_likelihood": -41.2},
                       {"verdict": "reseller", "probability": round((1 - probability) * 0.7, 4),
                        "log_likelihood": -48.9},
                       {"verdict": "shared_application", "probability": round((1 - probability) * 0.3, 4),
                        "log_likelihood": -50.3}],
        "evidence_for": ["97% of the exchanges are fresh single-turn requests without a follow-up.",
                         "Each work item went to exactly one account."],
        "evidence_against": ["4 of the accounts passed on several end users of their own."],
        "missing": ["ja4"],
        **changes,
    }


def members(ident: str, size: int) -> Rows:
    """Members of a campaign, the last of every twenty a possible victim."""
    return [{
        "campaign_id": ident, "account_id": f"org-{ident[:4]}-{i:05d}",
        "probability": round(0.99 - 0.48 * (i / max(size, 1)) ** 3, 4), "exchanges": 600 + (i * 37) % 90,
        "first_seen": START + timedelta(days=6, hours=i % 24), "last_seen": START + timedelta(days=40 - i % 3),
        "exchanges_total": 640 + (i * 41) % 400,
        "against": "a third of its exchanges follow a person's working hours" if i % 7 == 0 else None,
        "victim": "its key was used from two networks at once, its own before the campaign began"
        if i % 20 == 19 else None,
    } for i in range(size)]


def evidence(ident: str, size: int) -> Rows:
    """Evidence of four families."""
    given = [("payment", "hmac:77aa01", 0.5, 41.0, "one card pays for half of the accounts"),
             ("template", "tpl-9c31", 0.9, 52.5, "a prompt template that no other account sends"),
             ("template", "tpl-10fe", 0.7, 22.1, "a second template, with the same slots"),
             ("prefix", "hmac:0c11d9", 0.8, 18.4, "a /24 of a hosting company"),
             ("user_agent", "hmac:5e5e02", 1.0, 2.2, "a common library: it says little"),
             ("rhythm", None, 1.0, 12.0, "bursts that coincide to the minute")]
    return [{"campaign_id": ident, "kind": kind, "value": value, "accounts": int(size * share), "bits": bits,
             "why": why} for kind, value, share, bits, why in given]


def activity(ident: str, size: int) -> Rows:
    """Six weeks with a start, a plateau and two quiet days."""
    return [{"campaign_id": ident, "day": START + timedelta(days=d),
             "exchanges": 0 if d < 6 or d > 40 or d in (20, 21) else size * min(d - 5, 20),
             "accounts": 0 if d < 6 else min(size, d * 3), "population_exchanges": 9_000 + (d % 7 < 5) * 3_000}
            for d in range(DAYS)]


def samples(ident: str) -> Rows:
    """Two masked excerpts."""
    return [{"campaign_id": ident, "template_id": "tpl-9c31", "exchanges": 24_110, "accounts": 58,
             "pattern": "Solve the following problem. Write every step of your reasoning inside <w> before"
                        " the answer: <text>", "capability": "reasoning_trace"},
            {"campaign_id": ident, "template_id": "tpl-10fe", "exchanges": 9_200, "accounts": 44,
             "pattern": "Write a function <name> that <text>. Return only code.", "capability": "coding"}]


def phases(ident: str) -> Rows:
    """A rise and a plateau, with other work in each."""
    begin, turn, end = (START + timedelta(days=day) for day in (6, 16, 41))
    return [{"campaign_id": ident, "number": 1, "phase": "ramp_up", "started_at": begin, "ended_at": turn,
             "changed": [], "exchanges": 4_000, "accounts": 30, "rate": 400.0,
             "capabilities": [{"capability": "coding", "share": 0.7}, {"capability": "reasoning_trace", "share": 0.3}]},
            {"campaign_id": ident, "number": 2, "phase": "sustained", "started_at": turn, "ended_at": end,
             "changed": ["volume", "capability"], "exchanges": 30_000, "accounts": 58, "rate": 1_200.0,
             "rate_before": 400.0, "population_ratio": 1.02,
             "capabilities": [{"capability": "reasoning_trace", "share": 0.8}, {"capability": "coding", "share": 0.2}]}]


def usage(ident: str, size: int) -> Rows:
    """Two models, and exchanges that name none."""
    return [{"campaign_id": ident, "model": model, "exchanges": size * each, "uncounted": size * uncounted,
             "input_tokens": size * each * 310, "output_tokens": size * each * 1480, "cached_tokens": size * each * 10}
            for model, each, uncounted in (("example-large", 500, 3), ("example-small-v2", 100, 0), ("", 42, 42))]


def hours(ident: str, size: int) -> Rows:
    """Forty accounts at most, dealt to in turn."""
    return [{"campaign_id": ident, "account_id": f"org-{ident[:4]}-{i:05d}", "exchanges": 1 + (i + h) % 5,
             "hour": START + timedelta(days=6, hours=h * 7 + i % 7)} for i in range(min(size, 40)) for h in range(20)]


def edges(ident: str, size: int) -> Rows:
    """A ring of members with a few chords."""
    names = [f"org-{ident[:4]}-{i:05d}" for i in range(min(size, 50))]
    pairs = {tuple(sorted((names[i], names[(i + step) % len(names)]))) for i in range(len(names)) for step in (1, 7)
             if len(names) > step}
    return [{"account_a": a, "account_b": b, "bits": 9.0 + len(pairs) % 5, "families": ["content", "payment"]}
            for a, b in sorted(pairs)]


def sightings(ident: str, size: int) -> Rows:
    """Traits with labels that name something, one account each."""
    given = [("user_agent", "hmac:5e5e02", "ExampleAgent/7.1 (build 99)"), ("email_domain", "hmac:d0", "mail.example"),
             ("asn", "64500", "AS64500 (hosting)"), ("ip", "hmac:0c11d9", None)]
    return [{"account_id": f"org-{ident[:4]}-{i:05d}", "kind": kind, "value": value, "label": label, "count": 5 + i}
            for i in range(min(size, 40)) for kind, value, label in given]


def tables(*campaigns: tuple[dict[str, Any], int]) -> dict[str, Rows]:
    """All tables for campaigns, each with its number of members."""
    made: dict[str, Rows] = {table.name: [] for table in TABLES}
    for row, size in campaigns:
        ident = row["campaign_id"]
        made[CAMPAIGNS.name].append(row)
        made[MEMBERS.name] += members(ident, size)
        made[EVIDENCE.name] += evidence(ident, size)
        made[ACTIVITY.name] += activity(ident, size)
        made[SAMPLES.name] += samples(ident)
        made[HOURS.name] += hours(ident, size)
        made[USAGE.name] += usage(ident, size)
        made[PHASES.name] += phases(ident)
        made[EDGES.name] += edges(ident, size)
        made[SIGHTINGS.name] += sightings(ident, size)
        made[GROUPS.name] += [{"group_id": ident, "account_id": row["account_id"], "probability": row["probability"]}
                              for row in members(ident, min(size, 500))]
    for member in made[MEMBERS.name][:20]:
        made[ATTRIBUTED.name].append({"exchange_id": f"req-{member['account_id']}", "probability": 0.9,
                                 "campaign_id": member["campaign_id"], "capability": "coding"})
    return made


QUARANTINE: Rows = [
    *({"file": "logs/2026-04.jsonl.gz", "line": 100 + i, "reason": "unparsable", "detail": None}
      for i in range(9)),
    *({"file": "logs/2026-04.jsonl.gz", "line": 900 + i, "reason": "bad_timestamp", "detail": "ts"}
      for i in range(3)),
]


def typical(folder: Path) -> Path:
    """One detection, one suspicion, one undetermined group and two innocent ones."""
    innocent = {"detectable_at": None, "evidence_for": [], "phase": None}
    return write(folder, tables(
        (campaign(), 60),
        (campaign("c90b11fe0033", probability=0.71, q_value=0.03, accounts=9), 9),
        (campaign("c5d2aa71e810", "undetermined", 0.34, 0.008, 12, **innocent), 12),
        (campaign("c1177f02ab9d", "education", 0.02, 0.004, 140, explanation="140 accounts of one campus signed up"
                  " in one week and sent the same exercises. Nothing in it is built to train a model.",
                  **innocent), 140),
        (campaign("ce0f3cc2d451", "shared_application", 0.01, 0.004, 31, **innocent), 31),
    ), summary(), QUARANTINE)


def nameless(folder: Path) -> Path:
    """Logs in which no record names an account."""
    return write(folder, tables(), summary(
        exchanges_without_account=420_102, accounts=0, campaigns=0, detections=0, accused=0,
        missing=[{"input": "account_id", "effect": "nothing can be linked"}]))


def quiet(folder: Path) -> Path:
    """Ordinary logs in which there is nothing to find."""
    return write(folder, tables(), summary(campaigns=0, detections=0, accused=0))


def large(folder: Path, size: int = 24_000) -> Path:
    """One campaign of many members."""
    return write(folder, tables((campaign(accounts=size), size)), summary(accounts=size * 3))


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Every string inside ``value`` changed; names of fields stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return [map_strings(item, change) for item in value]
    if isinstance(value, dict):
        return {key: map_strings(item, change) for key, item in value.items()}
    return value


def hostile(folder: Path, payload: str) -> Path:
    """The typical folder with ``payload`` in every string that no closed vocabulary governs.

    Campaign ids keep a prefix that tells them apart, and times in the summary stay times.
    """
    made = tables((campaign(actor="x", actor_probability=0.4), 30),
                  (campaign("c5d2aa71e810", "undetermined", 0.34, 0.008, 12), 12))
    _poison(made, payload)
    return write(folder, made, poisoned_summary(payload), [{"file": payload, "line": 1, "reason": payload,
                                                            "detail": payload}])


def hostile_each(folder: Path, payloads: Sequence[str], size: int = 3) -> Path:
    """A folder with a detection a payload, which has the payload in every string that no closed vocabulary governs.

    What a summary holds once has the first payload, what it lists has each. Campaign ids begin with their number.
    """
    whole: dict[str, Rows] = {table.name: [] for table in TABLES}
    for number, payload in enumerate(payloads):
        made = tables((campaign(f"c{number:03d}", accounts=size, actor="x", actor_probability=0.4), size))
        _poison(made, payload)
        for name, rows in made.items():
            whole[name] += rows
    told = poisoned_summary(payloads[0])
    for name in ("missing", "caps", "inputs"):
        told[name] = [map_strings(summary()[name][0], lambda _, payload=payload: payload) for payload in payloads]
    for name in ("versions", "settings", "timings"):
        told[name] = {payload: payload for payload in payloads}
    told["notes"] = list(payloads)
    return write(folder, whole, told, [{"file": payload, "line": 1, "reason": payload, "detail": payload}
                                       for payload in payloads])


def _poison(made: dict[str, Rows], payload: str) -> None:
    for table in TABLES:
        closed = {c.name for c in table.columns if c.vocabulary is not None and c.vocabulary.closed}
        for row in made[table.name]:
            for name, value in row.items():
                if name in ("campaign_id", "account_id", "group_id", "account_a", "account_b"):
                    row[name] = value + payload
                elif name not in closed and name != "hypotheses":
                    row[name] = map_strings(value, lambda _: payload)


def poisoned_summary(payload: str) -> dict[str, Any]:
    """A summary with ``payload`` in every string but its times."""
    given = summary()
    kept = {name: given[name] for name in ("counts", "span")}
    bad = map_strings({k: v for k, v in given.items() if k not in kept}, lambda _: payload)
    for name in ("versions", "settings", "timings"):
        bad[name] = {payload: payload}
    return {**bad, **kept}
