"""From accounts of a findings folder known to be bad, outward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stillwatch.errors import UsageError
from stillwatch.link.outward import Expansion, Lead, Rules, most_shared, outward
from stillwatch.pipeline.opened import Opened, seen_families
from stillwatch.pipeline.questions import rarest, spoken_against, victim_note
from stillwatch.schema import is_detection

__all__ = ["expand"]

_SHOWN = 5
_A_FAMILY = 1


def expand(opened: Opened, accounts: Sequence[str], *, probability: float, rounds: int, limit: int,
           shared: int | None = None) -> dict[str, Any]:
    """Who else is linked to the accounts, through what, how surely, and what speaks against.

    Accounts that the folder does not know are listed with what is close to them; ``UsageError`` where none is known.
    """
    wanted = list(dict.fromkeys(accounts))
    codes = {account: opened.code(account) for account in wanted}
    seeds = np.array(sorted(code for code in codes.values() if code is not None), dtype=np.int64)
    if not len(seeds):
        opened.need(wanted[0])
        raise UsageError("none of these accounts was seen with anything", remedy="name accounts with sightings")
    rules = Rules(probability, shared or most_shared(opened.incidence.size), rounds, limit)
    followed = opened.followed(seeds)
    names = list(followed)
    found = outward(opened.incidence, seeds, rules, list(followed.values()))
    round_of = {lead.account: lead.round for lead in found.leads}
    return {
        "folder": str(opened.folder),
        "judged": opened.judged,
        "accounts": opened.incidence.size,
        "seeds": [opened.name(code) for code in seeds],
        "unknown_seeds": [{"account": account, "close": opened.close_to(account)} for account, code in codes.items()
                          if code is None],
        "sources": sorted((len(source) for source in found.sources), reverse=True),
        "rules": {"probability": rules.probability, "shared": rules.shared, "rounds": rules.rounds,
                  "accounts": rules.accounts},
        "popular_values": _popular(opened, seeds, rules),
        "rounds": found.rounds,
        "stopped": found.stopped,
        "reached": found.reached,
        "leads": [_lead(opened, lead, names, round_of) for lead in found.leads],
        "below": [_lead(opened, lead, names, round_of) for lead in found.below[:_SHOWN]],
        "below_in_all": _below(found),
    }


def _below(found: Expansion) -> int:
    return found.reached - len(found.leads)


def _popular(opened: Opened, seeds: Any, rules: Rules) -> int:
    """How many of the seeds' values were too common to expand through."""
    incidence = opened.incidence
    inside = np.zeros(incidence.size, dtype=bool)
    inside[seeds] = True
    values = np.unique(incidence.value[inside[incidence.account]])
    return int((incidence.degree[values] > rules.shared).sum())


def _lead(opened: Opened, lead: Lead, names: Sequence[str], round_of: dict[int, int]) -> dict[str, Any]:
    incidence, account = opened.incidence, opened.name(lead.account)
    groups = opened.groups_of(account)
    group = names[lead.pool] if lead.pool >= 0 else None
    rows = [opened.membership(row["group_id"], account) for row in groups]
    members = [row for row in rows if row is not None]
    member = next((row for row in members if row["victim"]), members[0] if members else None)
    # What speaks against its place in another group says nothing of this link.
    linked_by = next((row for row in members if row["campaign_id"] == group), None)
    campaigns = [opened.campaign[row["group_id"]] for row in groups if row["group_id"] in opened.campaign]
    values = rarest(incidence, lead.values, _A_FAMILY)
    label = opened.labels(values)
    against = spoken_against(incidence, lead.bits, seen_families(incidence, lead.account))
    if linked_by is not None and linked_by["against"]:
        against = linked_by["against"]
    order = np.argsort(-lead.bits, kind="stable")
    return {
        "account": account,
        "probability": lead.probability,
        "round": lead.round,
        "via": opened.name(lead.via),
        "via_round": round_of.get(lead.via, 0),
        "group": group,
        "bits": float(lead.bits.sum()),
        "families": [{"family": incidence.families[f], "bits": float(lead.bits[f])} for f in order if lead.bits[f] > 0],
        "tie_bits": lead.tie,
        "shared": [{"kind": incidence.kinds[incidence.kind[v]], "label": label[int(v)],
                    "value": str(incidence.values[int(v)].as_py()), "accounts": int(incidence.degree[v])}
                   for v in values],
        "shared_in_all": len(lead.values),
        "against": against,
        "victim": member["victim"] if member else None,
        "victim_note": victim_note(opened, member),
        "groups": [row["group_id"] for row in groups],
        "verdicts": [{"campaign_id": row["campaign_id"], "verdict": row["verdict"],
                      "detection": is_detection(row["verdict"], row["probability"], row["q_value"])}
                     for row in campaigns],
    }
