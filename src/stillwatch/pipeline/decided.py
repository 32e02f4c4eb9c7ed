"""Where people's decisions enter a scan: groups are taken apart as they were told, judged groups are cleared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stillwatch.cases import NOBODY, Rulings, honour
from stillwatch.judge import Judged
from stillwatch.link import Linked, part_of
from stillwatch.schema import DECISION, is_detection
from stillwatch.schema.findings import ACCUSED_PROBABILITY
from stillwatch.settings import DeploymentKey

__all__ = ["apart", "decided", "rulings_digest", "rulings_of", "told_decisions"]


def rulings_of(store: Path | None) -> Rulings:
    """The decisions of a case store, which is only read; none where no store is given."""
    if store is None:
        return NOBODY
    # Here, since the store's libraries take a second to import, which every process that makes decoys would pay.
    from stillwatch.cases.reading import read_rulings

    return read_rulings(store)


def told_decisions(rulings: Rulings, judged: Judged, key: DeploymentKey) -> dict[str, Any] | None:
    """How many campaigns each kind of decision touched, and a keyed digest of the decisions; null without any."""
    if not rulings.all:
        return None
    made = judged.campaigns["decision"].to_pylist()
    return {"digest": rulings_digest(rulings, key), **{kind: made.count(kind) for kind in DECISION}}


def rulings_digest(rulings: Rulings, key: DeploymentKey) -> str:
    """A keyed digest of all decisions."""
    told = [[ruling.case_id, ruling.state, ruling.root, sorted(ruling.members), sorted(ruling.removed),
             ruling.decided_on, ruling.verdict, ruling.probability, sorted(ruling.evidence.items())]
            for ruling in rulings.all]
    return key.digest("decisions", json.dumps(told))


def apart(linked: Linked, rulings: Rulings) -> Linked:
    """The groups without accounts that people removed, and split where people split them.

    A part too small to be judged, or that nothing ties any more, is no group.
    """
    if not rulings.all:
        return linked
    names = np.array(linked.incidence.accounts.to_pylist(), dtype=object)
    groups = []
    for group in linked.groups:
        parts = rulings.parts(names[group.members].tolist())
        if len(parts) == 1 and len(parts[0]) == len(group.members):
            groups.append(group)
            continue
        pieces = (part_of(group, np.array(part, dtype=np.int64), linked.incidence.size) for part in parts)
        groups += [piece for piece in pieces if piece is not None]
    return replace(linked, groups=tuple(sorted(groups, key=lambda group: (-group.score, group.members.tolist()))))


def decided(judged: Judged, rulings: Rulings, key: DeploymentKey) -> Judged:
    """What was judged, with every decision honoured; detections and accused are counted anew."""
    if not rulings.all:
        return judged
    campaigns, members = honour(judged.campaigns, judged.members, judged.evidence, rulings, key.fingerprint)
    found = {row["campaign_id"] for row in campaigns.select(["campaign_id", "verdict", "probability",
                                                             "q_value"]).to_pylist()
             if is_detection(row["verdict"], row["probability"], row["q_value"])}
    accused = {row["account_id"] for row in members.select(["campaign_id", "account_id", "probability"]).to_pylist()
               if row["campaign_id"] in found and row["probability"] >= ACCUSED_PROBABILITY}
    return replace(judged, campaigns=campaigns, members=members, detections=len(found), accused=len(accused))
