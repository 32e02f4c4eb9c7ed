"""The first page: what was observed, what is inferred from it, how that is known, and what else it could be.

It is about one campaign, the detection with the most accounts; the others follow in full below it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from stillwatch.report.drawings import by_family, draw_activity, draw_families, draw_hypotheses, draw_mix
from stillwatch.report.load import Campaign, Findings
from stillwatch.report.numbers import count, date, plural, q, span, surely
from stillwatch.report.words import conditional_on, name
from stillwatch.schema import EVIDENCE, MEMBERS

__all__ = ["FirstPage", "first_page"]

_TRAITS = 3
_ANCHOR = "first"


@dataclass(frozen=True)
class FirstPage:
    """Sentences and charts of the first page; ``others`` counts the detections that it is not about."""

    campaign: Campaign
    others: int
    observed: tuple[str, ...]
    inferred: tuple[str, ...]
    known: tuple[str, ...]
    against: tuple[str, ...]
    victims: str
    steps: tuple[tuple[str, str], ...]
    families: Markup
    hypotheses: Markup
    activity: Markup
    mix: Markup


def first_page(findings: Findings) -> FirstPage | None:
    """What the first page says of the largest detection; null without one."""
    found = sorted(findings.detections, key=lambda c: (-(c.row["accounts"] or 0), -c.row["probability"], c.ident))
    if not found:
        return None
    campaign = found[0]
    evidence, members = findings.rows(EVIDENCE, campaign), findings.rows(MEMBERS, campaign)
    return FirstPage(
        campaign, len(found) - 1, _observed(campaign.row, evidence, members), _inferred(campaign.row),
        _known(campaign.row, evidence, findings), _against(campaign.row), _victims(campaign),
        _steps(campaign, findings, members),
        draw_families(_ANCHOR, evidence), draw_hypotheses(_ANCHOR, campaign),
        draw_activity(_ANCHOR, campaign, findings), draw_mix(_ANCHOR, campaign, findings))


def _observed(row: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]],
              members: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What was counted in the logs, whoever reads them."""
    said = [f"{plural(row['accounts'], 'account')} sent {plural(row['exchanges'], 'exchange')}"
            f" {_period(row)} (UTC)."]
    whole = sum(member.get("exchanges_total") or 0 for member in members)
    if row["exchanges"] is not None and whole > row["exchanges"]:
        said.append(f"They sent {plural(whole - row['exchanges'], 'further exchange')} that are not counted as the"
                    " group's.")
    if row["sessions"] is not None and row["tasks"] is not None:
        said.append(f"These were {plural(row['sessions'], 'session')} and {plural(row['tasks'], 'distinct task')}: one"
                    " task may make many exchanges.")
    if row["output_tokens"] is not None:
        said.append(f"The answers hold {plural(row['output_tokens'], 'token')}.")
    if row.get("cost") is not None and row["cost"].amount is not None:
        said.append(f"At the prices given, these tokens come to {row['cost'].said}: a size, not what anybody paid or"
                    " lost.")
    kinds: dict[str, Mapping[str, Any]] = {}
    for item in evidence:
        if item["why"]:
            kinds.setdefault(item["kind"], item)
    said += [str(item["why"]) for item in list(kinds.values())[:_TRAITS]]
    return tuple(said)


def _period(row: Mapping[str, Any]) -> str:
    if row["first_seen"] is None or row["last_seen"] is None:
        return span(row["first_seen"], row["last_seen"])
    period = span(row["first_seen"], row["last_seen"])
    return period if period.startswith("on ") else f"from {period}"


def _inferred(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What follows, if the assumptions beside each figure hold."""
    said = [f"These accounts share more than chance explains: q = {q(row['q_value'])}, the share of groups with such a"
            " score that chance alone would make. That one operator runs them, and that it is no class, tool or"
            " reseller, rests on the explanations below.",
            "Which of their exchanges belong to it: the figures beside are of those.",
            f"What is asked for is what training data are made from: probability {surely(row['probability'])}. Whether"
            " the answers were used so, and whether that was permitted, no log shows."]
    kinds = [f"{name(one['capability'])} {surely(one['share'])}" for one in (row["capabilities"] or ())[:3]
             if one["capability"]]
    if kinds:
        said.append(f"What was asked for, as a trained model judged it: {', '.join(kinds)}.")
    if row["actor"]:
        said.append(f"It matches a known actor: probability {surely(row['actor_probability'])}. A match is no proof.")
    else:
        said.append("Who is behind it: nothing is claimed.")
    return tuple(said)


def _known(row: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]], findings: Findings) -> tuple[str, ...]:
    families = len(by_family(evidence))
    said = []
    if evidence:
        said.append(f"Evidence comes from {plural(families, 'family', 'families')} of traits. Bits are a score of"
                    " rarity, each shared value counted once; they are no probability.")
    strongest, stands = row["strongest_family"], row["stands_without"]
    if strongest and stands is not None:
        said.append(f"Without its strongest family ({name(strongest)}), {surely(stands)} of the accounts are still"
                    " found together.")
    else:
        said.append("It is not recorded whether it stands without its strongest family.")
    if row["fold_share"] is not None:
        said.append(f"Grouped by half of its exchanges and judged by the other half, the weaker way round:"
                    f" {surely(row['fold_share'])} of the accounts are confirmed"
                    + (f", and harvesting is {surely(row['fold_probability'])} probable." if row["fold_probability"]
                       is not None else "."))
    made, floor = findings.summary.record("decoys").whole("made"), row["q_floor"]
    if row["q_value"] is not None:
        said.append(f"The figure q = {q(row['q_value'])} comes from {plural(made, 'decoy data set')} made of these same"
                    " logs" + (f"; with so many, no q below {q(floor)} could be shown." if floor is not None else ".")
                    + " Decoys show what chance does. They do not show what a class, a reseller or a popular tool does:"
                      " the other explanations are for that.")
    said.append(f"The probability of harvesting is conditional on {conditional_on(findings)}. On real traffic it may"
                " be off.")
    return tuple(said)


def _against(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row["evidence_against"] or ())


def _victims(campaign: Campaign) -> str:
    if not campaign.victims:
        return ("None of its accounts shows one of the signs that are looked for: most traffic its own, or in use or"
                " opened long before this work. A stolen key or a relayed customer may show none of them.")
    who, them = ("a victim", "it") if campaign.victims == 1 else ("victims", "them")
    return (f"{count(campaign.victims)} of {plural(campaign.members, 'account')} may be {who}, such as the owner of a"
            f" stolen key or a relayed customer: nothing is claimed of {them}.")


def _steps(campaign: Campaign, findings: Findings,
           members: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """What somebody can do now, and the command for it where there is one."""
    last = findings.summary.record("span").time("last")
    accused = [row for row in members if (row["probability"] or 0.0) >= 0.5]
    sent, own = (sum(row.get(column) or 0 for row in accused) for column in ("exchanges_total", "exchanges"))
    beside = (f" Blocking all {count(len(accused))} would also stop {plural(sent - own, 'exchange')} that are not the"
              f" group's, {surely((sent - own) / sent)} of all that they sent." if sent > own else "")
    return (
        (f"See whether they are still active: these logs end on {date(last)}." if last else
         "See whether they are still active.", ""),
        ("Read what speaks against each account, and who may be a victim; look one up with",
         "stillwatch explain FINDINGS ACCOUNT"),
        ("Open a case, which keeps who decided what, when and why. The accounts are in members.parquet.",
         f"stillwatch case open FINDINGS {campaign.ident} --reason TEXT"),
        ("Decide as your policy says: Stillwatch blocks nothing, and this page authorises no block. A person decides,"
         f" with notice, an expiry and a way to appeal.{beside}", ""),
    )
