"""Findings → what the page shows: what is inline, in which order, and what is only counted.

A page must open on a phone and be mailed, so everything that grows with the logs has a budget here, and
whatever is left out is counted where it is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from markupsafe import Markup

from stillwatch.report.disclose import standing_of
from stillwatch.report.drawings import (
    draw_activity,
    draw_capabilities,
    draw_families,
    draw_graph,
    draw_hours,
    draw_mix,
    draw_stays,
)
from stillwatch.report.first_page import FirstPage, first_page
from stillwatch.report.levels import INTERNAL, Disclosure
from stillwatch.report.load import Campaign, Findings
from stillwatch.report.words import Claim, claims
from stillwatch.schema import EVIDENCE, MEMBERS, SAMPLES

__all__ = ["Dossier", "Page", "Section", "page"]

_VICTIMS = 50
_MEMBERS = 200
_MEMBERS_IF_NOT_DETECTED = 25
_MEMBER_ROWS = 3_000
_A_PAGE = 50
_EVIDENCE = 20
_EACH_KIND = 3
_SAMPLES = 8
_DETECTIONS = 100
_OTHERS = 40
_OVERVIEW = 200
# Pictures of single accounts are large: for the first campaigns of the two sections that are open.
_PICTURED = frozenset(f"{section}-{number}" for section in ("detections", "suspected") for number in range(1, 11))


@dataclass(frozen=True)
class Dossier:
    """One candidate campaign as the page shows it; ``anchor`` is its id on the page."""

    anchor: str
    campaign: Campaign
    claims: tuple[Claim, ...]
    activity: Markup
    capabilities: Markup
    mix: Markup
    families: Markup
    graph: Markup
    hours: Markup
    stays: Markup
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
    """The first page's words and charts, the overview's rows with their anchors, and the sections of campaigns."""

    first: FirstPage | None
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
    return Page(first_page(findings), overview, len(ordered) - len(overview), tuple(sections))


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
    pictured = terms.names_accounts and anchor in _PICTURED
    rows = _EVIDENCE if terms.names_accounts else 0
    samples = findings.rows(SAMPLES, campaign, _SAMPLES + 1)
    return Dossier(
        anchor, campaign, claims([campaign], findings),
        draw_activity(anchor, campaign, findings), draw_capabilities(anchor, campaign),
        draw_mix(anchor, campaign, findings), draw_families(anchor, evidence),
        draw_graph(anchor, campaign, findings) if pictured else Markup(),
        draw_hours(anchor, campaign, findings) if pictured else Markup(),
        draw_stays(anchor, campaign, findings) if pictured else Markup(),
        _of_every_kind(evidence, rows), max(len(evidence) - rows, 0),
        samples[:_SAMPLES], max(findings.size(SAMPLES, campaign) - _SAMPLES, 0),
        victims, tuple(_pages(others)), campaign.members - len(victims) - len(others),
    )


def _of_every_kind(evidence: Sequence[Mapping[str, Any]], most: int) -> Sequence[Mapping[str, Any]]:
    """The strongest, and the few strongest of each kind among them: a card that seven share must not be hidden by
    twenty families of prompts, since a card can be asked about."""
    found: Counter[str] = Counter()
    ranks = []
    for place, row in enumerate(evidence):
        found[row["kind"]] += 1
        ranks.append((min(found[row["kind"]], _EACH_KIND + 1), place))
    return [evidence[place] for place in sorted(place for _, place in sorted(ranks)[:most])]


def _pages(rows: Iterable[Mapping[str, Any]]) -> Iterable[list[Mapping[str, Any]]]:
    remaining = iter(rows)
    while part := list(islice(remaining, _A_PAGE)):
        yield part
