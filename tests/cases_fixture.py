"""Findings and case stores for tests of cases: groups by their members, evidence by kind, value and bits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from stillwatch.cases.desk import Act, Seen, see
from stillwatch.schema import CAMPAIGNS, EVIDENCE, MEMBERS

ANN = Act("Ann", "looked at it")
BOB = Act("Bob", "looked at it too")
EVIDENCE_ROWS = (("payment", "p1", 20.0), ("ip", "a1", 12.0))
DAY = datetime(2026, 3, 2, tzinfo=UTC)


def names(first: int, last: int) -> list[str]:
    return [f"acct_{number:03d}" for number in range(first, last)]


def campaign(ident: str, accounts: list[str], verdict: str = "distillation", probability: float = 0.97,
             **more: Any) -> dict[str, Any]:
    return {"campaign_id": ident, "lineage_id": ident, "verdict": verdict, "probability": probability,
            "q_value": 0.002, "accounts": len(accounts), "exchanges": 10 * len(accounts), "first_seen": DAY,
            "explanation": "They share a card. Nothing speaks against it.", "evidence_against": ["volumes differ"],
            "hypotheses": [{"verdict": "distillation", "probability": probability, "log_likelihood": -1.0}], **more}


def tables(*groups: tuple[dict[str, Any], list[str]], evidence: Any = EVIDENCE_ROWS) -> dict[str, pa.Table]:
    """The tables of findings with these campaigns, each with its accounts and the same evidence."""
    members = [{"campaign_id": row["campaign_id"], "account_id": account, "probability": 0.99, "exchanges": 10,
                "against": "nothing that was measured"} for row, accounts in groups for account in accounts]
    shared = [{"campaign_id": row["campaign_id"], "kind": kind, "value": value, "accounts": len(accounts), "bits": bits,
               "why": f"{len(accounts)} members share one {kind}."}
              for row, accounts in groups for kind, value, bits in evidence]
    return {CAMPAIGNS.name: pa.Table.from_pylist([row for row, _ in groups], schema=CAMPAIGNS.arrow),
            MEMBERS.name: pa.Table.from_pylist(members, schema=MEMBERS.arrow),
            EVIDENCE.name: pa.Table.from_pylist(shared, schema=EVIDENCE.arrow)}


def seen(accounts: list[str], ident: str = "c1", evidence: Any = EVIDENCE_ROWS, key: str = "k1", **more: Any) -> Seen:
    return see(tables((campaign(ident, accounts, **more), accounts), evidence=evidence), key, "1.0", ident)
