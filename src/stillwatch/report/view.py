"""Findings → what the page shows: what is inline, in which order, and what is only counted.

A page must open on a phone and be mailed, so everything that grows with the logs has a budget here, and
whatever is left out is counted where it is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from markupsafe import Markup

from stillwatch.report.charts import Bar, Day, activity, bars
from stillwatch.report.disclose import standing_of
from stillwatch.report.levels import INTERNAL, Disclosure
from stillwatch.report.load import Campaign, Findings
from stillwatch.report.numbers import date, surely
from stillwatch.report.words import Claim, claims, name
from stillwatch.schema import ACTIVITY, EVIDENCE, FAMILY, FAMILY_OF, MEMBERS, SAMPLES

__all__ = ["Dossier", "Page", "Section", "page"]

_VICTIMS = 50
_MEMBERS = 200
_MEMBERS_IF_NOT_DETECTED = 25
_MEMBER_ROWS = 3_000
_A_PAGE = 50
_EVIDENCE = 20
_SAMPLES = 8
_DETECTIONS = 100
_OTHERS = 40
_OVERVIEW = 200


@dataclass(frozen=True)
class Dossier:
    """One candidate campaign as the page shows it; ``anchor`` is its id on the page."""

    anchor: str
    campaign: Campaign
    claims: tuple[Claim, ...]
    activity: Markup
    capabilities: Markup
    families: Markup
    evidence: Sequence[Mapping[str, Any]]
    evidence_left: int
    samples: Sequence[Mapping[str, Any]]
    samples_left: int
    victims: Sequence[Mapping[str, Any]]
    member_pages: Sequence[Sequence[Mapping[str, Any]]]
    members_left: int


@dataclass(frozen=True)
class Section:
    """Campaigns of one standing; ``left`` are only in ``campaigns.parquet``."""

    anchor: str
    title: str
    meaning: str
    open: bool
    dossiers: tuple[Dossier, ...]
    left: int


@dataclass(frozen=True)
class Page:
    """The campaigns of the page: the overview's rows with their anchors, and the sections."""

    overview: tuple[tuple[Campaign, str | None], ...]
    overview_left: int
    sections: tuple[Section, ...]


_SECTIONS = (
    ("detections", "Detections", "Groups that meet both limits: q at most 0.01 for being run together, and a"
     " probability of at least 90% for harvesting.", True),
    ("suspected", "Suspected, not detected", "Harvesting is the best explanation, but at least one limit is"
     " not met. Nobody is accused here.", True),
    ("undetermined", "Undetermined", "Linked accounts for which the evidence does not decide between the"
     " explanations. Nobody is accused here.", False),
    ("innocent", "Explained innocently", "Linked accounts with a better explanation than harvesting. They are"
     " listed so that the judgement can be checked. Nobody is accused here.", False),
)


def page(findings: Findings, terms: Disclosure = INTERNAL) -> Page:
    """Choose what the page shows, of findings as ``disclose`` made them for ``terms``."""
    groups: dict[str, list[Campaign]] = {anchor: [] for anchor, *_ in _SECTIONS}
    for campaign in findings.campaigns:
        groups[standing_of(campaign)].append(campaign)
    shown = {anchor: found[:_DETECTIONS if anchor == "detections" else _OTHERS]
             for anchor, found in groups.items()}
    rows = {anchor: _members_each(anchor, len(found)) for anchor, found in shown.items()}
    sections = []
    anchors: dict[str, str] = {}
    for anchor, title, meaning, is_open in _SECTIONS:
        dossiers = tuple(_dossier(f"{anchor}-{number}", campaign, findings, rows[anchor], terms)
                         for number, campaign in enumerate(shown[anchor], 1))
        anchors |= {d.campaign.ident: d.anchor for d in dossiers}
        if dossiers:
            left = len(groups[anchor]) - len(dossiers)
            sections.append(Section(anchor, title, meaning, is_open, dossiers, left))
    ordered = [campaign for found in groups.values() for campaign in found]
    overview = tuple((c, anchors.get(c.ident)) for c in ordered[:_OVERVIEW])
    return Page(overview, len(ordered) - len(overview), tuple(sections))


def _members_each(section: str, campaigns: int) -> int:
    most = _MEMBERS if section == "detections" else _MEMBERS_IF_NOT_DETECTED
    return max(10, min(most, _MEMBER_ROWS // max(campaigns, 1)))


def _dossier(anchor: str, campaign: Campaign, findings: Findings, most: int, terms: Disclosure) -> Dossier:
    most = most if terms.names_accounts else 0
    victims = findings.victims(campaign, min(_VICTIMS, most // 2))
    named = {row["account_id"] for row in victims}
    # Of the first `most`, at most len(victims) are in the list of possible victims, so enough remain.
    others = [row for row in findings.rows(MEMBERS, campaign, most) if row["account_id"] not in named]
    others = others[:most - len(victims)]
    evidence = findings.rows(EVIDENCE, campaign)
    rows = _EVIDENCE if terms.names_accounts else 0
    samples = findings.rows(SAMPLES, campaign, _SAMPLES + 1)
    return Dossier(
        anchor, campaign, claims([campaign], findings),
        _activity(anchor, campaign, findings), _capabilities(anchor, campaign), _families(anchor, evidence),
        evidence[:rows], max(len(evidence) - rows, 0),
        samples[:_SAMPLES], max(findings.size(SAMPLES, campaign) - _SAMPLES, 0),
        victims, tuple(_pages(others)), campaign.members - len(victims) - len(others),
    )


def _pages(rows: Iterable[Mapping[str, Any]]) -> Iterable[list[Mapping[str, Any]]]:
    remaining = iter(rows)
    while part := list(islice(remaining, _A_PAGE)):
        yield part


def _activity(anchor: str, campaign: Campaign, findings: Findings) -> Markup:
    days = [Day(row["day"], row["exchanges"] or 0, row["population_exchanges"])
            for row in findings.rows(ACTIVITY, campaign)]
    at: datetime | None = campaign.row["detectable_at"]
    return Markup(activity(days, ident=f"{anchor}-activity", title="Exchanges over time", marker=at,  # noqa: S704
                           marker_label=f"reportable from {date(at)}"))


def _capabilities(anchor: str, campaign: Campaign) -> Markup:
    shares = [(row["capability"] or "not known", row["share"] or 0.0)
              for row in campaign.row["capabilities"] or ()]
    items = [Bar(name(what), share, surely(share)) for what, share in shares]
    desc = "; ".join(f"{bar.label} {bar.shown}" for bar in items) or "not known"
    return Markup(bars(items, ident=f"{anchor}-capabilities", title="What is asked for", desc=desc,  # noqa: S704
                       maximum=1.0)) if items else Markup()


def _families(anchor: str, evidence: Sequence[Mapping[str, Any]]) -> Markup:
    totals: dict[str, float] = {}
    for row in evidence:
        family = family_of(row["kind"])
        totals[family] = totals.get(family, 0.0) + (row["bits"] or 0.0)
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:12]
    items = [Bar(name(family), bits, f"{bits:.1f} bits") for family, bits in ranked]
    desc = "; ".join(f"{bar.label} {bar.shown}" for bar in items)
    return Markup(bars(items, ident=f"{anchor}-families", title="Evidence of linkage by family",  # noqa: S704
                       desc=desc)) if items else Markup()


def family_of(kind: str) -> str:
    """The family of a kind of trait; a kind that users added stands for itself."""
    if kind in FAMILY_OF:
        return FAMILY_OF[kind][0]
    return kind if kind in FAMILY else f"{kind} (user-defined)"
