"""Candidates → rows of findings: verdict, probability, evidence for and against, members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from stillwatch.judge.agreements import covered
from stillwatch.judge.candidate import Candidate
from stillwatch.judge.hypotheses import ORDINARY, Explanations, Weighed
from stillwatch.judge.measure import CONTENT, FEATURES, Measured
from stillwatch.judge.wording import VERDICT_WORDS, Usual, explanation, sentences, why
from stillwatch.schema import CAMPAIGNS, EVIDENCE, MEMBERS, conform, is_detection
from stillwatch.schema.findings import DETECTION_Q

__all__ = ["Judged", "Knowledge", "judge"]

_EVIDENCE_ROWS = 200
_ORDINARY = timedelta(days=14)
_DAY = timedelta(days=1)


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
    traffic = _Traffic.of(known)
    created = {} if known.accounts is None else dict(zip(known.accounts["account_id"].to_pylist(),
                                                         known.accounts["created_at"].to_pylist(), strict=True))
    for candidate, q_value in zip(candidates, q_values, strict=True):
        it = measured[candidate.group_id]
        permitted = covered(known.agreements, known.accounts, candidate.accounts, it.first_seen, it.last_seen)
        people = [_member(candidate, place, known, traffic, created, it.first_seen)
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
    speaks_for, speaks_against = _told_apart(explanations, it, rival)
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
        "explanation": explanation(candidate, taking, weighed, (speaks_for, speaks_against), note,
                                   _together(verdict, probability, q_value)),
        "linkage_bits": candidate.score,
        "q_floor": floor,
        "hypotheses": [_as_row(w) for w in weighed],
        "evidence_for": speaks_for,
        "evidence_against": speaks_against,
        "missing": [*known.missing, *(f"feature {name}: {meaning}" for name, meaning in FEATURES.items()
                                      if name not in it.features)],
    }


def _together(verdict: str, probability: float, q_value: float) -> str:
    """How surely accounts are together; that somebody runs them is said of a detection alone."""
    if is_detection(verdict, probability, q_value):
        return "appear to be run together"
    return "share more than chance explains" if q_value <= DETECTION_Q else "share what chance may explain"


def _told_apart(explanations: Explanations, it: Measured, rival: str) -> tuple[list[str], list[str]]:
    """What speaks for harvesting and what for its rival, in sentences."""
    if rival == "undetermined" and ORDINARY in explanations.verdicts:
        rival = ORDINARY
    ours, theirs = (explanations.log_density(v, it.features) for v in ("distillation", rival))
    words = "ordinary customers" if rival == ORDINARY else VERDICT_WORDS[rival]
    return sentences({name: ours[name] - theirs[name] for name in ours}, it.features,
                     Usual("harvesting", explanations.usual("distillation")), Usual(words, explanations.usual(rival)))


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


@dataclass(frozen=True)
class _Traffic:
    """Every account's profile, which groups have how much of its traffic, and when the logs begin."""

    profiles: Mapping[str, Mapping[str, Any]]
    claimed: Mapping[str, Mapping[str, int]]
    begins: datetime | None

    @staticmethod
    def of(known: Knowledge) -> _Traffic:
        profiles = {row["account_id"]: row for row in known.profiles.to_pylist()}
        claimed: dict[str, dict[str, int]] = {}
        for (group, account), (count, _, _) in known.own.items():
            claimed.setdefault(account, {})[group] = count
        seen = [row["first_seen"] for row in profiles.values() if row["first_seen"] is not None]
        return _Traffic(profiles, claimed, min(seen, default=None))

    def free(self, account: str) -> int:
        """How many exchanges of an account are no linked group's work."""
        total = int(self.profiles[account]["exchanges"]) if account in self.profiles else 0
        return max(0, total - sum(self.claimed.get(account, {}).values()))

    def elsewhere(self, account: str, group: str) -> int:
        """How many other groups' work an account does."""
        return len(self.claimed.get(account, {}).keys() - {group})


def _member(candidate: Candidate, place: int, known: Knowledge, traffic: _Traffic,
            created: Mapping[str, datetime | None], started: datetime | None) -> dict[str, Any]:
    account = candidate.accounts[place]
    total = int(traffic.profiles[account]["exchanges"]) if account in traffic.profiles else 0
    own, first, last = known.own.get((candidate.group_id, account), (0, None, None))
    return {
        "campaign_id": candidate.group_id,
        "account_id": account,
        "probability": float(candidate.probability[place]),
        "exchanges": own,
        "first_seen": first,
        "last_seen": last,
        "exchanges_total": total,
        "against": _against(candidate, place, own, traffic),
        "victim": _victim(account, own, traffic, created.get(account), started),
    }


def _against(candidate: Candidate, place: int, own: int, traffic: _Traffic) -> str:
    account = candidate.accounts[place]
    total = int(traffic.profiles[account]["exchanges"]) if account in traffic.profiles else 0
    bits = dict(zip(candidate.families, candidate.bits[place], strict=True))
    said = [f"shares nothing of the group's in {family}" for family, worth in bits.items() if worth < 0]
    linked = [family for family, worth in bits.items() if worth > 0]
    if len(linked) == 1:
        said.append(f"is linked through {linked[0]} alone")
    if total and own < total:
        said.append(f"{total - own:,} of its {total:,} exchanges are not the group's")
    others = traffic.elsewhere(account, candidate.group_id)
    if others:
        said.append(f"takes part in {others:,} other linked group{'s' if others > 1 else ''} as well")
    return "; ".join(said) if said else "nothing that was measured"


def _victim(account: str, own: int, traffic: _Traffic, created: datetime | None,
            started: datetime | None) -> str | None:
    """Signs that somebody else uses the account: none of them clears or convicts, they call for a question.

    They look at all groups together: traffic that another linked group has is nobody's own. Where a group's work is as
    old as the logs, nothing is known of the time before it.
    """
    profile = traffic.profiles.get(account)
    total = 0 if profile is None else int(profile["exchanges"])
    free = traffic.free(account)
    if total and free * 2 > total:
        return "most of its traffic is its own: the key may be stolen, or its owner a customer of a relay"
    if profile is None or started is None or not own or not free:
        return None
    if profile["first_seen"] is not None and profile["first_seen"] < started - _ORDINARY:
        return "it was in ordinary use long before the group's work began: the key may be stolen"
    since_ever = traffic.begins is None or started < traffic.begins + _DAY
    if created is not None and created < started - 6 * _ORDINARY and not since_ever:
        return "it was opened long before the group's work began and has traffic of its own: the key may be stolen"
    return None
