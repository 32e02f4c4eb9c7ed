"""Findings in plain words. Names of values come from clients: they are shortened, and cleaned again on display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stillwatch.judge.candidate import Candidate, SharedValue
from stillwatch.judge.hypotheses import Weighed
from stillwatch.schema import KIND_WORDS

__all__ = ["VERDICT_WORDS", "Usual", "explanation", "sentences", "why"]

VERDICT_WORDS: Mapping[str, str] = {
    "distillation": "harvesting answers as training data",
    "benchmarking": "benchmarking",
    "shared_application": "one application of many customers",
    "shared_network": "a shared network",
    "education": "a class or course",
    "reseller": "a reseller",
    "batch_processing": "batch processing",
    "enterprise": "one organisation's accounts",
    "undetermined": "none of the known explanations",
}

_LONGEST = 60

_PLAIN: Mapping[str, str] = {
    "harvest": "texts that read like the requests of data-generation pipelines",
    "templated": "requests made from templates",
    "top_template": "requests made from the commonest template",
    "one_system": "requests with the commonest system prompt",
    "single_turn": "requests that stand alone, without follow-up questions",
    "shared_items": "requests that several of the accounts sent alike",
    "repeated_items": "requests that were sent before",
    "across_models": "requests that were sent to several models",
    "round_the_clock": "evenness over the hours of the day",
    "every_day": "evenness over the days of the week",
    "equal_volumes": "evenness of the accounts' volumes",
    "hosted": "accounts seen from networks that host servers",
    "own_payer": "distinct payers, over accounts that have one",
    "one_organisation": "accounts of one verified organisation",
    "sign_up_burst": "accounts opened within the same week",
    "end_users": "distinct end users named, over exchanges",
    "programme": "how far most accounts are verified members of education or research programmes",
    "own_share": "share of what its accounts do that is this work",
    "many_accounts": "size, where 0% is one account and 90% a hundred",
    "long_answers": "length of the answers, where 50% is the middle of everybody's",
    "long_prompts": "length of the requests, where 50% is the middle of everybody's",
    "thinking": "amount of reasoning, where 50% is the middle of everybody's",
    "with_tools": "requests that offer tools",
    "new_accounts": "newness of the accounts when their part of the work began, where 50% is a month old",
    "varied_prompts": "variety of the requests' lengths, where 50% is everybody's",
    "by_network": "how far networks tie the accounts",
    "by_client": "how far clients tie the accounts",
    "by_payment": "how far payments tie the accounts",
    "by_content": "how far what is asked ties the accounts",
}


def _shown(value: SharedValue) -> str:
    text = value.label
    if not text:
        return ""
    text = "".join(char if char.isprintable() else "·" for char in text)
    return f" ({text if len(text) <= _LONGEST else text[:_LONGEST - 1] + '…'})"


def why(value: SharedValue) -> str:
    """One plain sentence for one shared value."""
    kind = KIND_WORDS.get(value.kind, value.kind)
    elsewhere = value.accounts - value.members
    rest = "no other account" if elsewhere == 0 else f"{elsewhere:,} other account{'s' if elsewhere > 1 else ''}"
    return f"{value.members:,} linked accounts share one {kind}{_shown(value)}; {rest} in these logs did."


@dataclass(frozen=True)
class Usual:
    """What groups of an explanation usually show (a share a feature), and the explanation in words."""

    words: str
    shares: Mapping[str, float]


def sentences(lead: Mapping[str, float], features: Mapping[str, float], ours: Usual,
              theirs: Usual) -> tuple[list[str], list[str]]:
    """Features that favour harvesting over another explanation, and those that favour that, strongest first.

    ``lead`` is the difference in log density a feature; one below 0.7 (a factor of two) says too little to be
    named. Each is told with its number and with what both explanations usually show, which is why it speaks for the one
    or for the other.
    """
    def said(name: str) -> str:
        return (f"{_PLAIN[name]}: {features[name]:.0%} (usual for {ours.words} {ours.shares[name]:.0%}, for"
                f" {theirs.words} {theirs.shares[name]:.0%})")

    ranked = sorted(lead.items(), key=lambda item: -item[1])
    return ([said(name) for name, bits in ranked if bits > 0.7],
            [said(name) for name, bits in reversed(ranked) if bits < -0.7])


def _about(probability: float) -> str:
    """In whole per cent, never rounded to impossible or certain."""
    return "under 1%" if probability < 0.005 else "over 99%" if probability > 0.995 else f"{probability:.0%}"


def explanation(candidate: Candidate, taking: int, weighed: list[Weighed], evidence: tuple[list[str], list[str]],
                note: str | None, beyond: str) -> str:
    """Two plain sentences: the strongest evidence for, and the strongest against. ``taking`` of its accounts take part,
    and ``beyond`` says of them how surely they are together."""
    speaks_for, speaks_against = evidence
    shared = candidate.shared[0] if candidate.shared else None
    link = why(shared).rstrip(".") if shared else "nothing rare is shared"
    others = len(candidate.accounts) - taking
    first = f"{taking:,} accounts {beyond}"
    if others:
        first += f" ({others:,} more {'are linked and take' if others > 1 else 'is linked and takes'} no part)"
    first += f": {link}"
    first += f"; for harvesting speaks most: {speaks_for[0]}." if speaks_for else "."
    other = next(w for w in weighed if w.verdict != "distillation")
    best = (f"the {'next ' if weighed[0].verdict == 'distillation' else ''}best explanation is"
            f" {VERDICT_WORDS[other.verdict]} ({_about(other.probability)}).")
    if note:
        second = note
    elif speaks_against:
        second = f"Against harvesting speaks most: {speaks_against[0]}; {best}"
    else:
        second = f"Nothing that was measured speaks against harvesting; {best}"
    return f"{first} {second}"
