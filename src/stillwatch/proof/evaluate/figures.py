"""An evaluation's counts as the figures that are published; docs/reference/evaluate.md has the formula of each."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stillwatch.proof.evaluate.calibration import calibration
from stillwatch.proof.evaluate.fairness import LIMIT, compare
from stillwatch.proof.evaluate.intervals import CONFIDENCE, Rate, clopper_pearson
from stillwatch.proof.evaluate.model import (
    ATTRIBUTES,
    Candidate,
    Counts,
    Evaluation,
    Gone,
    Group,
    Held,
    Population,
    TrueCampaign,
    Volume,
)
from stillwatch.schema import VERDICT

__all__ = ["NO_CANDIDATE", "ONE_IN", "figures"]

ONE_IN = (100, 1_000, 10_000)
NO_CANDIDATE = "no candidate"
# At each bound of two rates an error of 1.25 %, so that both hold together with 95 % or more (Bonferroni).
_EACH = 1.0 - (1.0 - CONFIDENCE) / 2.0


def figures(it: Evaluation) -> dict[str, Any]:
    """Everything that is published about one run or several pooled ones: JSON values only, no NaN and no infinity."""
    positives = it.accounts.tp + it.accounts.fn
    return {
        "runs": len(it.runs),
        "inputs": dict(it.inputs),
        "counts": {
            "candidates": len(it.candidates), "detections": sum(c.detection for c in it.candidates),
            "accused": it.accounts.tp + it.accounts.fp, "true_members": positives,
            "true_campaigns": len(it.campaigns), "labelled_groups": len(it.groups),
            "population": None if it.population is None else it.population.accounts,
        },
        "accounts": _counts(it.accounts),
        "exchanges": None if it.exchanges is None else _counts(it.exchanges),
        "linked": _counts(it.linked),
        "campaigns": [_campaign(one, len(it.runs) > 1) for one in it.campaigns],
        "campaigns_recovered": _recovered(it.campaigns),
        "false_accusation": _false_accusation(it.population),
        "prevalence": _prevalence(it.accounts.recall, it.population),
        "false_campaigns": _false_campaigns(it.candidates),
        "wrongly_accused": _wrongly_accused(it),
        "separation": _separation(it),
        "volume": None if it.volume is None else _volume(it.volume),
        "gone": _gone_pooled(it.campaigns),
        "groups": [_group(one, len(it.runs) > 1) for one in it.groups],
        "verdicts": _verdicts(it.groups),
        "calibration": calibration([c.probability for c in it.candidates if c.accounts],
                                   [c.positive for c in it.candidates if c.accounts]),
        "cost": _cost(it),
        "missing": [{"input": gap.input, "effect": gap.effect} for gap in it.missing],
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {"count": rate.hits, "of": rate.of, **rate.figures("rate")}


def _counts(counts: Counts) -> dict[str, Any]:
    return {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, **counts.precision.figures("precision"),
            **counts.recall.figures("recall"), "f1": counts.f1}


def _volume(volume: Volume) -> dict[str, Any]:
    return {"attributed": volume.attributed, "true": volume.true, "error": volume.error}


def _held(held: Held | None) -> dict[str, Any] | None:
    if held is None:
        return None
    return {"campaign_id": held.campaign_id, "overlap": held.overlap, "size": held.size,
            **held.precision.figures("precision")}


def _of_run(run: str, several: bool) -> dict[str, Any]:
    return {"run": run} if several else {}


def _campaign(one: TrueCampaign, several: bool) -> dict[str, Any]:
    made = {**_of_run(one.run, several), "campaign": one.campaign, "members": one.accounts.of,
            "accused": one.accounts.hits, **one.accounts.figures("recall"), "recovered": _is_recovered(one),
            "best": _held(one.best), "detections": [_held(held) for held in one.held],
            "exchanges": None, "volume": None, "gone": None, "gone_note": one.gone_note}
    if one.exchanges is not None:
        made["exchanges"] = {"true": one.exchanges.of, "found": one.exchanges.hits, **one.exchanges.figures("recall"),
                             "best": _held(one.best_by_exchanges)}
    if one.volume is not None:
        made["volume"] = _volume(one.volume)
    if one.gone is not None:
        made["gone"] = _gone(one.gone)
    return made


def _gone(gone: Gone) -> dict[str, Any]:
    return {"detectable_at": gone.detectable_at.isoformat(), "exchanges": gone.exchanges.value,
            "accounts": gone.accounts.value, "days": gone.days,
            "counts": {"exchanges": gone.exchanges.hits, "of_exchanges": gone.exchanges.of,
                       "accounts": gone.accounts.hits, "of_accounts": gone.accounts.of,
                       "elapsed_days": gone.elapsed / 86_400.0, "span_days": gone.span / 86_400.0}}


def _gone_pooled(campaigns: tuple[TrueCampaign, ...]) -> dict[str, Any]:
    """Over campaigns with a time: exchanges and accounts added up, days as the mean share."""
    timed = [one.gone for one in campaigns if one.gone is not None]
    days = [share for one in timed if (share := one.days) is not None]
    return {"campaigns": len(timed), "not_detected": sum(not one.held for one in campaigns),
            "exchanges": sum((one.exchanges for one in timed), Rate(0, 0)).value,
            "accounts": sum((one.accounts for one in timed), Rate(0, 0)).value,
            "days": sum(days) / len(days) if days else None}


def _is_recovered(one: TrueCampaign) -> bool:
    return one.accounts.of > 0 and 2 * one.accounts.hits >= one.accounts.of


def _recovered(campaigns: tuple[TrueCampaign, ...]) -> dict[str, Any]:
    worst = [recall for one in campaigns if (recall := one.accounts.value) is not None]
    return {**_rate(Rate(sum(map(_is_recovered, campaigns)), len(campaigns))),
            "lowest_recall": min(worst, default=None)}


def _false_accusation(population: Population | None) -> dict[str, Any] | None:
    if population is None:
        return None
    return {**_rate(population.benign), "active": None if population.active is None else _rate(population.active)}


def _prevalence(recall: Rate, population: Population | None) -> list[dict[str, Any]]:
    """Precision if one account in so many were a member: π r / (π r + (1 − π) f)."""
    made = []
    for one_in in ONE_IN:
        point, interval = None, None
        if population is not None and recall.of and population.benign.of:
            false = population.benign
            point = _restated(recall.hits / recall.of, false.hits / false.of, one_in)
            r_low, r_high = clopper_pearson(recall.hits, recall.of, _EACH)
            f_low, f_high = clopper_pearson(false.hits, false.of, _EACH)
            bounds = (_restated(r_low, f_high, one_in), _restated(r_high, f_low, one_in))
            interval = list(bounds)
        made.append({"one_in": one_in, "precision": point, "precision_interval": interval})
    return made


def _restated(recall: float, false: float, one_in: int) -> float | None:
    """In whole numbers of prevalence: r / (r + (one_in − 1) f)."""
    whole = recall + (one_in - 1) * false
    return recall / whole if whole else None


def _false_campaigns(candidates: tuple[Candidate, ...]) -> dict[str, Any]:
    detections = [c for c in candidates if c.detection]
    false = [c for c in detections if c.false_campaign]
    return {**_rate(Rate(len(false), len(detections))), "campaigns": [c.campaign_id for c in false]}


def _wrongly_accused(it: Evaluation) -> dict[str, Any]:
    """By what is known of benign accounts. ``fails`` and ``cannot_tell`` name groups as attribute and value."""
    known = it.population.groups if it.population is not None else {}
    by = {name: compare(known[name]) for name in ATTRIBUTES if name in known}
    named = {result: [{"attribute": name, "value": group["value"]} for name, groups in by.items() for group in groups
                      if group["result"] == result] for result in ("fails", "cannot tell")}
    return {"accounts": it.accounts.fp, "ratio_limit": LIMIT, "by": by, "fails": named["fails"],
            "cannot_tell": named["cannot tell"],
            "size_edges": None if it.population is None or not it.population.size_edges
            else list(it.population.size_edges)}


def _separation(it: Evaluation) -> dict[str, Any] | None:
    if not it.separation:
        return None
    made: dict[str, Any] = {}
    for name, size in (("ari", "exchanges"), ("ari_attributed", "exchanges_attributed"), ("ari_all", "exchanges_all")):
        values = [value for one in it.separation if (value := getattr(one, name)) is not None]
        made[name] = sum(values) / len(values) if values else None
        made[size] = sum(getattr(one, size) for one in it.separation)
        if len(it.runs) > 1:
            made[f"{name}_lowest"] = min(values, default=None)
    several = sum(one.campaigns > 1 for one in it.separation)
    return made | {"runs_with_several_campaigns": several}


def _group(one: Group, several: bool) -> dict[str, Any]:
    best = one.candidate
    return {**_of_run(one.run, several), "campaign": one.campaign, "label": one.label, "accounts": one.accounts,
            "accused": one.accused, "verdict": NO_CANDIDATE if best is None else best.verdict,
            "candidate": None if best is None else {
                "campaign_id": best.campaign_id, "probability": best.probability, "q_value": best.q_value,
                "detection": best.detection, "overlap": one.overlap, "accounts": best.accounts}}


def _verdicts(groups: tuple[Group, ...]) -> dict[str, dict[str, int]]:
    """Groups by label and by the verdict of the candidate that overlaps them most."""
    said = Counter((one.label, NO_CANDIDATE if one.candidate is None else one.candidate.verdict) for one in groups)
    labels = [label for label in VERDICT if any(one.label == label for one in groups)]
    return {label: {verdict: said[label, verdict] for verdict in (*VERDICT, NO_CANDIDATE) if said[label, verdict]}
            for label in labels}


def _cost(it: Evaluation) -> dict[str, Any] | None:
    if not it.cost:
        return None
    seconds = [one.seconds for one in it.cost if one.seconds is not None]
    stages: dict[str, float] = {}
    for one in it.cost:
        for name, took in one.stages.items():
            stages[name] = stages.get(name, 0.0) + took
    peaks = [one.peak_memory_bytes for one in it.cost if one.peak_memory_bytes is not None]
    timed = [(one.records, one.seconds) for one in it.cost if one.records is not None and one.seconds]
    took = sum(s for _, s in timed)
    return {"seconds": sum(seconds) if seconds else None, "stages": stages,
            "peak_memory_bytes": max(peaks, default=None),
            "records": sum(r for r, _ in timed) if timed else None,
            "records_per_second": sum(r for r, _ in timed) / took if took else None}
