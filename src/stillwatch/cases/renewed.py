"""What is new about a group since a person dismissed it, in words: a dismissal gives way to this and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stillwatch.cases.rulings import Ruling
from stillwatch.schema import FAMILY, FAMILY_OF, KIND_WORDS

__all__ = ["new_evidence", "weighed_probability"]

# Conventions, not fitted to anything: docs/decisions/0007 says why each is there.
_NEW_ACCOUNTS = 2
_NEW_SHARE = 0.25  # of the members, or of what they send
_STRONG_BITS = 10.0  # once in a thousand
_STRONGER = 1.5  # times the strongest of its family at the time of the decision
_UNLIKELY, _LIKELY = 0.5, 0.9

Row = Mapping[str, Any]


def weighed_probability(campaign: Row) -> float:
    """P(distillation) as it was weighed, before an agreement or a decision set it aside."""
    for hypothesis in campaign["hypotheses"] or ():
        if hypothesis["verdict"] == "distillation" and hypothesis["probability"] is not None:
            return float(hypothesis["probability"])
    return float(campaign["probability"])


def new_evidence(campaign: Row, members: Sequence[Row], evidence: Sequence[Row], ruling: Ruling,
                 known: Collection[str], key_fingerprint: str | None) -> list[str]:
    """What the campaign (a row of ``CAMPAIGNS`` with its rows of ``MEMBERS`` and ``EVIDENCE``) shows that was not
    on the table when ``ruling`` was made, strongest kind of novelty first; empty where there is nothing of substance.

    ``known`` are the accounts that whoever decided could know of.
    """
    found = [*_accounts(members, known), *_families(evidence, ruling)]
    # Digests of another deployment key cannot be compared: every value would look new.
    if key_fingerprint is not None and key_fingerprint == ruling.key_fingerprint:
        found += _values(evidence, ruling)
    now = weighed_probability(campaign)
    if ruling.probability < _UNLIKELY and now >= _LIKELY:
        found.append(f"what it asks for now reads as harvesting ({now:.0%}, {ruling.probability:.0%} then)")
    return found


def _accounts(members: Sequence[Row], known: Collection[str]) -> list[str]:
    """Accounts that joined, where they are many or send much: one more student is no new evidence."""
    likely = [row for row in members if row["probability"] >= 0.5]
    joined = [row for row in likely if row["account_id"] not in known]
    sent, all_sent = (sum(row["exchanges"] or 0 for row in rows) for rows in (joined, likely))
    enough = len(joined) >= _NEW_SHARE * len(likely) or (all_sent > 0 and sent >= _NEW_SHARE * all_sent)
    if len(joined) < _NEW_ACCOUNTS or not enough:
        return []
    share = f" with {sent / all_sent:.0%} of its exchanges" if all_sent else ""
    return [f"{len(joined):,} of its {len(likely):,} accounts were not in it then{share}"]


def _family(kind: str) -> str:
    return FAMILY_OF[kind][0] if kind in FAMILY_OF else kind


def _strongest(bits: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Bits of the strongest value, a family."""
    found: dict[str, float] = {}
    for (kind, _), worth in bits.items():
        family = _family(kind)
        found[family] = max(found.get(family, 0.0), worth)
    return found


def _families(evidence: Sequence[Row], ruling: Ruling) -> list[str]:
    """Families that link the members now and did not then."""
    now = _strongest({(row["kind"], row["value"] or ""): row["bits"] or 0.0 for row in evidence})
    then = _strongest(ruling.evidence)
    least = max(_STRONG_BITS, ruling.least_bits)
    return [f"{FAMILY.terms[family] if family in FAMILY else family} links them ({worth:.0f} bits), which did not then"
            for family, worth in sorted(now.items(), key=lambda item: (-item[1], item[0]))
            if family not in then and worth >= least]


def _values(evidence: Sequence[Row], ruling: Ruling) -> list[str]:
    """New values that say more than anything of their family said then.

    Addresses and wordings change by themselves: that a value is new is no evidence, that it is stronger is.
    """
    then = _strongest(ruling.evidence)
    strong: dict[str, list[float]] = {}
    for row in evidence:
        kind, worth = row["kind"], row["bits"] or 0.0
        if (kind, row["value"] or "") in ruling.evidence or _family(kind) not in then:
            continue
        if worth >= max(_STRONG_BITS, ruling.least_bits, _STRONGER * then[_family(kind)]):
            strong.setdefault(kind, []).append(worth)
    return [f"they share {len(bits):,} {'values' if len(bits) > 1 else 'value'} of the kind"
            f" “{KIND_WORDS.get(kind, kind)}” that they did not share then ({max(bits):.0f} bits)"
            for kind, bits in sorted(strong.items(), key=lambda item: (-max(item[1]), item[0]))]
