"""Candidates → rows of findings: verdict, probability, evidence for and against, members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from stillwatch.judge.agreements import covered
from stillwatch.judge.candidate import Candidate
from stillwatch.judge.hypotheses import Explanations, Weighed
from stillwatch.judge.measure import CONTENT, FEATURES, Measured
from stillwatch.judge.wording import explanation, sentences, why
from stillwatch.schema import CAMPAIGNS, EVIDENCE, MEMBERS, conform, is_detection

__all__ = ["Judged", "Knowledge", "judge"]

_EVIDENCE_ROWS = 200
_ORDINARY = timedelta(days=14)


@dataclass(frozen=True)
class Knowledge:
    """What judging knows beside the groups: accounts and agreements where given, profiles (schema ``PROFILES``),
    each account's own exchanges a group, and inputs that are missing."""

    accounts: pa.Table | None
    agreements: pa.Table | None
    profiles: pa.Table
    own: Mapping[tuple[str, str], tuple[int, datetime, datetime]]
    missing: Sequence[str]


@dataclass(frozen=True)
class Judged:
    """The findings tables, and how many campaigns are detections and accounts accused."""

    campaigns: pa.Table
    members: pa.Table
    evidence: pa.Table
    detections: int
    accused: int


def judge(candidates: Sequence[Candidate], measured: Mapping[str, Measured], q_values: Sequence[float], floor: float,
          explanations: Explanations, prior: float, known: Knowledge) -> Judged:
    """Judge every candidate; ``q_values`` are in the candidates' order."""
    campaigns, members, evidence = [], [], []
    accused: set[str] = set()
    detections = 0
    profiles = {row["account_id"]: row for row in known.profiles.to_pylist()}
    created = {} if known.accounts is None else dict(zip(known.accounts["account_id"].to_pylist(),
                                                         known.accounts["created_at"].to_pylist(), strict=True))
    for candidate, q_value in zip(candidates, q_values, strict=True):
        it = measured[candidate.group_id]
        permitted = covered(known.agreements, known.accounts, candidate.accounts, it.first_seen, it.last_seen)
        people = [_member(candidate, place, known, profiles, created, it.first_seen)
                  for place, account in enumerate(candidate.accounts)
                  if _takes_part(candidate, account, it, known, permitted)]
        row = _campaign(candidate, it, float(q_value), floor, explanations, prior, known, permitted, len(people))
        row["accounts"] = len(people)
        campaigns.append(row)
        members += people
        evidence += [{"campaign_id": candidate.group_id, "kind": value.kind, "value": value.value,
                      "accounts": value.members, "bits": value.bits, "why": why(value)}
                     for value in candidate.shared[:_EVIDENCE_ROWS]]
        if is_detection(row["verdict"], row["probability"], row["q_value"]):
            detections += 1
            accused |= {person["account_id"] for person in people if person["probability"] >= 0.5}
    return Judged(
        conform(pa.Table.from_pylist(campaigns, schema=CAMPAIGNS.arrow), CAMPAIGNS),
        conform(pa.Table.from_pylist(members, schema=MEMBERS.arrow), MEMBERS),
        conform(pa.Table.from_pylist(evidence, schema=EVIDENCE.arrow), EVIDENCE),
        detections, len(accused),
    )


def _campaign(candidate: Candidate, it: Measured, q_value: float, floor: float, explanations: Explanations,
              prior: float, known: Knowledge, permitted: set[str], taking: int) -> dict[str, Any]:
    weighed = explanations.weigh(it.features, prior)
    verdict, probability = weighed[0].verdict, next(w.probability for w in weighed if w.verdict == "distillation")
    rival = next(w.verdict for w in weighed if w.verdict != "distillation")
    ours, theirs = (explanations.log_density(v, it.features) for v in ("distillation", rival))
    lead = {name: ours[name] - theirs[name] for name in ours}
    speaks_for, speaks_against = sentences(lead, it.features, explanations.typical())
    note = None
    if permitted and len(permitted) == len(candidate.accounts):
        # What is permitted is not theft: the question ends here, whatever the content looks like.
        verdict, probability = rival, 0.0
        note = "An agreement on file permits this to every account of the group, which ends the question."
    elif permitted:
        note = (f"{len(permitted):,} of its accounts are covered by an agreement on file and are left out of the"
                " members.")
    content = explanations.ratio(it.features, CONTENT)
    if verdict == "distillation" and (content is None or content <= 1.0):
        # Being run together is no theft: the claim of harvesting needs evidence of its own.
        verdict = "undetermined"
        note = ("What is asked for is not known, so harvesting cannot be claimed." if content is None else
                "What is asked for does not by itself speak for harvesting, so it is not claimed.")
    if not it.exchanges:
        verdict, probability = "undetermined", min(probability, prior)
        note = "No exchange sets the group apart from everybody's traffic, so nothing can be said of its purpose."
    if note:
        speaks_against = [note, *speaks_against]
    return {
        "campaign_id": candidate.group_id,
        "lineage_id": candidate.group_id,
        "verdict": verdict,
        "probability": probability,
        "q_value": q_value,
        "exchanges": it.exchanges,
        "sessions": it.sessions,
        "tasks": it.tasks,
        "input_tokens": it.input_tokens,
        "output_tokens": it.output_tokens,
        "first_seen": it.first_seen,
        "last_seen": it.last_seen,
        "capabilities": [{"capability": what, "share": share} for what, share in it.capabilities],
        "explanation": explanation(candidate, taking, weighed, speaks_for, speaks_against, note),
        "linkage_bits": candidate.score,
        "q_floor": floor,
        "hypotheses": [_as_row(w) for w in weighed],
        "evidence_for": speaks_for,
        "evidence_against": speaks_against,
        "missing": [*known.missing, *(f"feature {name}: {meaning}" for name, meaning in FEATURES.items()
                                      if name not in it.features)],
    }


def _takes_part(candidate: Candidate, account: str, it: Measured, known: Knowledge, permitted: set[str]) -> bool:
    """Whether a linked account is a member of the campaign.

    One that sent nothing of the group's own work is linked, and takes no part; one that an agreement covers is left
    out, unless all are covered: then the group is listed with the reason.
    """
    if it.exchanges and (candidate.group_id, account) not in known.own:
        return False
    return account not in permitted or len(permitted) == len(candidate.accounts)


def _as_row(weighed: Weighed) -> dict[str, Any]:
    return {"verdict": weighed.verdict, "probability": weighed.probability, "log_likelihood": weighed.log_likelihood}


def _member(candidate: Candidate, place: int, known: Knowledge, profiles: Mapping[str, Mapping[str, Any]],
            created: Mapping[str, datetime | None], started: datetime | None) -> dict[str, Any]:
    account = candidate.accounts[place]
    total = int(profiles[account]["exchanges"]) if account in profiles else 0
    own, first, last = known.own.get((candidate.group_id, account), (0, None, None))
    return {
        "campaign_id": candidate.group_id,
        "account_id": account,
        "probability": float(candidate.probability[place]),
        "exchanges": own,
        "first_seen": first,
        "last_seen": last,
        "exchanges_total": total,
        "against": _against(candidate, place, own, total),
        "victim": _victim(own, total, profiles.get(account), created.get(account), started),
    }


def _against(candidate: Candidate, place: int, own: int, total: int) -> str:
    bits = dict(zip(candidate.families, candidate.bits[place], strict=True))
    said = [f"shares nothing of the group's in {family}" for family, worth in bits.items() if worth < 0]
    linked = [family for family, worth in bits.items() if worth > 0]
    if len(linked) == 1:
        said.append(f"is linked through {linked[0]} alone")
    if total and own < total:
        said.append(f"{total - own:,} of its {total:,} exchanges are not the group's")
    return "; ".join(said) if said else "nothing that was measured"


def _victim(own: int, total: int, profile: Mapping[str, Any] | None, created: datetime | None,
            started: datetime | None) -> str | None:
    """Signs that somebody else uses the account: none of them clears or convicts, they call for a question."""
    if total and own * 2 < total:
        return "most of its traffic is its own: the key may be stolen, or its owner a customer of a relay"
    if profile is None or started is None:
        return None
    before = profile["first_seen"] < started - _ORDINARY
    if own and before and own < total:
        return "it was in ordinary use long before the group's work began: the key may be stolen"
    if created is not None and own and own < total and created < started - 6 * _ORDINARY:
        return "it was opened long before the group's work began and has traffic of its own: the key may be stolen"
    return None
