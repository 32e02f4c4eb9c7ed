"""Findings in plain words. Names of values come from clients: they are shortened, and cleaned again on display."""

from __future__ import annotations

from collections.abc import Mapping

from stillwatch.judge.candidate import Candidate, SharedValue
from stillwatch.judge.hypotheses import Weighed
from stillwatch.schema import KIND_WORDS

__all__ = ["VERDICT_WORDS", "explanation", "sentences", "why"]

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

_PLAIN: Mapping[str, tuple[str, str]] = {
    "harvest": ("what is asked reads like the requests of data-generation pipelines",
                "what is asked does not read like the requests of data-generation pipelines"),
    "templated": ("most requests are made from templates", "few requests are made from templates"),
    "top_template": ("one template makes up most of the requests", "no template dominates the requests"),
    "one_system": ("one system prompt stands before most requests", "system prompts vary or are absent"),
    "single_turn": ("requests stand alone, without follow-up questions", "conversations go on over several turns"),
    "shared_items": ("the same items are sent by several accounts",
                     "items are dealt to one account each, as a load balancer deals a work list"),
    "repeated_items": ("items are sent again and again", "almost no item is sent twice"),
    "across_models": ("the same items are sent to several models", "items are not sent to several models"),
    "round_the_clock": ("traffic runs evenly around the clock", "traffic keeps to some hours of the day"),
    "every_day": ("traffic runs evenly through the week", "traffic keeps to some days of the week"),
    "equal_volumes": ("accounts carry nearly equal volumes", "volumes differ widely between accounts"),
    "hosted": ("most accounts come from networks that host servers",
               "few accounts come from networks that host servers"),
    "own_payer": ("nearly every account has its own payer", "accounts share payers"),
    "one_organisation": ("one verified organisation holds the accounts", "no verified organisation stands behind them"),
    "sign_up_burst": ("most accounts were opened within one week", "accounts were opened over a long time"),
    "end_users": ("many end users are passed on", "few end users are passed on"),
    "programme": ("most accounts are verified members of education or research programmes",
                  "few accounts are verified members of education or research programmes"),
    "own_share": ("most of what its accounts do is this work", "most of what its accounts do is something else"),
    "many_accounts": ("many accounts take part", "few accounts take part"),
    "long_answers": ("answers are longer than most", "answers are shorter than most"),
    "long_prompts": ("requests are longer than most", "requests are shorter than most"),
    "thinking": ("models reason longer than for most", "models reason less than for most"),
    "with_tools": ("most requests offer tools", "few requests offer tools"),
    "new_accounts": ("accounts were new when their part of the work began",
                     "accounts were in use long before this work"),
    "varied_prompts": ("requests are of many lengths", "requests are of nearly one length"),
    "by_network": ("networks tie the accounts", "networks hardly tie the accounts"),
    "by_client": ("clients tie the accounts", "clients hardly tie the accounts"),
    "by_payment": ("payments tie the accounts", "payments hardly tie the accounts"),
    "by_content": ("what is asked ties the accounts", "what is asked hardly ties the accounts"),
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
    return f"{value.members:,} members share one {kind}{_shown(value)}; {rest} in these logs did."


def sentences(lead: Mapping[str, float], features: Mapping[str, float],
              typical: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Features that favour harvesting over the next best explanation, and those that favour that, strongest first.

    ``lead`` is the difference in log density a feature; one below 0.7 (a factor of two) says too little to be
    named. ``typical`` is what groups of all explanations show: half may be much, or little.
    """
    ranked = sorted(lead.items(), key=lambda item: -item[1])
    return ([_side(name, features, typical) for name, bits in ranked if bits > 0.7],
            [_side(name, features, typical) for name, bits in reversed(ranked) if bits < -0.7])


def _about(probability: float) -> str:
    """In whole per cent, never rounded to impossible or certain."""
    return "under 1%" if probability < 0.005 else "over 99%" if probability > 0.995 else f"{probability:.0%}"


def _side(name: str, features: Mapping[str, float], typical: Mapping[str, float]) -> str:
    high, low = _PLAIN[name]
    value, usual = features[name], typical[name]
    # More than half is most of it; less may still be much, where it is usually next to none.
    much = value >= 0.5 or value * (1 - usual) >= 2 * usual * (1 - value)
    return f"{high if much else low} ({value:.0%}, typical {usual:.0%})"


def explanation(candidate: Candidate, taking: int, weighed: list[Weighed], speaks_for: list[str],
                speaks_against: list[str], note: str | None) -> str:
    """Two plain sentences: the strongest evidence for, and the strongest against. ``taking`` of its accounts take part.
    """
    shared = candidate.shared[0] if candidate.shared else None
    link = why(shared).rstrip(".") if shared else "nothing rare is shared"
    others = len(candidate.accounts) - taking
    first = f"{taking:,} accounts appear to be run together"
    first += f" ({others:,} more {'are' if others > 1 else 'is'} linked and no member)" if others else ""
    first += f": {link}"
    first += f"; for harvesting speaks that {speaks_for[0]}." if speaks_for else "."
    other = next(w for w in weighed if w.verdict != "distillation")
    if note:
        second = note
    elif speaks_against:
        second = (f"Against harvesting speaks that {speaks_against[0]}; the next best explanation is"
                  f" {VERDICT_WORDS[other.verdict]} ({_about(other.probability)}).")
    else:
        second = (f"Nothing that was measured speaks against harvesting; the next best explanation is"
                  f" {VERDICT_WORDS[other.verdict]} ({_about(other.probability)}).")
    return f"{first} {second}"
