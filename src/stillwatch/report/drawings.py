"""A campaign's rows → its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from stillwatch.report.charts import Bar, Day, activity, bars, waterfall
from stillwatch.report.graph_chart import Link, graph
from stillwatch.report.load import Campaign, Findings
from stillwatch.report.numbers import date, plural, surely
from stillwatch.report.time_charts import Hour, Phase, Stay, hours, mix, stays
from stillwatch.report.words import name
from stillwatch.schema import ACTIVITY, FAMILY, FAMILY_OF, HOURS, PHASES

__all__ = ["as_markup", "by_family", "draw_activity", "draw_capabilities", "draw_families", "draw_graph",
           "draw_hours", "draw_hypotheses", "draw_mix", "draw_stays", "family_of"]

_FAMILIES = 8
_HYPOTHESES = 9

Row = Mapping[str, Any]


def family_of(kind: str) -> str:
    """The family of a kind of trait; a kind that users added stands for itself."""
    if kind in FAMILY_OF:
        return FAMILY_OF[kind][0]
    return kind if kind in FAMILY else f"{kind} (user-defined)"


def by_family(evidence: Sequence[Row]) -> list[tuple[str, float]]:
    """Bits of the recorded shared values by family, most first."""
    totals: dict[str, float] = {}
    for row in evidence:
        family = family_of(row["kind"])
        totals[family] = totals.get(family, 0.0) + (row["bits"] or 0.0)
    return sorted(totals.items(), key=lambda item: (-item[1], item[0]))


def draw_families(anchor: str, evidence: Sequence[Row]) -> Markup:
    """How the families of evidence add up, each bar beginning where the one before it ends."""
    ranked = by_family(evidence)
    if len(ranked) > _FAMILIES:
        rest = sum(bits for _, bits in ranked[_FAMILIES - 1:])
        ranked = [*ranked[:_FAMILIES - 1], (f"{len(ranked) - _FAMILIES + 1} further families", rest)]
    items = [Bar(name(family), bits, f"{bits:,.0f} bits") for family, bits in ranked]
    whole = sum(bits for _, bits in ranked)
    desc = "; ".join(f"{bar.label} {bar.shown}" for bar in items) + f"; together {whole:,.0f} bits"
    return as_markup(waterfall(items, Bar("together", whole, f"{whole:,.0f} bits"), ident=f"{anchor}-families",
                           title="Evidence of linkage by family", desc=desc))


def draw_activity(anchor: str, campaign: Campaign, findings: Findings) -> Markup:
    """Exchanges a day beside everybody's."""
    days = [Day(row["day"], row["exchanges"] or 0, row["population_exchanges"])
            for row in findings.rows(ACTIVITY, campaign)]
    at: datetime | None = campaign.row["detectable_at"]
    return as_markup(activity(days, ident=f"{anchor}-activity", title="Exchanges over time", marker=at,
                          marker_label=f"reportable from {date(at)}"))


def draw_capabilities(anchor: str, campaign: Campaign) -> Markup:
    """What is asked for, as shares of the whole."""
    shares = [(row["capability"] or "not known", row["share"] or 0.0) for row in campaign.row["capabilities"] or ()]
    items = [Bar(name(what), share, surely(share)) for what, share in shares]
    desc = "; ".join(f"{bar.label} {bar.shown}" for bar in items) or "not known"
    return as_markup(bars(items, ident=f"{anchor}-capabilities", title="What is asked for", desc=desc, maximum=1.0)
                 if items else "")


def draw_mix(anchor: str, campaign: Campaign, findings: Findings) -> Markup:
    """What is asked for in each phase of the campaign's life."""
    phases = [Phase(row["started_at"], row["ended_at"],
                    {name(one["capability"] or "not known"): one["share"] or 0.0 for one in row["capabilities"] or ()})
              for row in findings.rows(PHASES, campaign)]
    return as_markup(mix(phases, ident=f"{anchor}-mix", title="What is asked for over time"))


def draw_hypotheses(anchor: str, campaign: Campaign) -> Markup:
    """Every explanation with its probability."""
    weighed = [row for row in campaign.row["hypotheses"] or () if row["probability"] is not None]
    weighed.sort(key=lambda row: (-row["probability"], row["verdict"] or ""))
    items = [Bar(name(row["verdict"] or "not named"), row["probability"], surely(row["probability"]))
             for row in weighed[:_HYPOTHESES]]
    desc = "; ".join(f"{bar.label} {bar.shown}" for bar in items)
    return as_markup(bars(items, ident=f"{anchor}-hypotheses", title="Every explanation and its probability", desc=desc,
                      maximum=1.0) if items else "")


def draw_graph(anchor: str, campaign: Campaign, findings: Findings) -> Markup:
    """Links among a sample of the members."""
    sample = [row["account_id"] for row in findings.sample(campaign)]
    place = {account: at for at, account in enumerate(sample)}
    links = [Link(place[row["account_a"]], place[row["account_b"]], row["bits"])
             for row in findings.edges if row["account_a"] in place and row["account_b"] in place]
    return as_markup(graph(len(sample), links, ident=f"{anchor}-graph", of=campaign.members,
                       title=f"Links among {plural(len(sample), 'account')}"))


def draw_hours(anchor: str, campaign: Campaign, findings: Findings) -> Markup:
    """Activity by account and hour."""
    rows = [Hour(row["account_id"], row["hour"], row["exchanges"] or 0) for row in findings.rows(HOURS, campaign)]
    number = len({row.account for row in rows})
    return as_markup(hours(rows, ident=f"{anchor}-hours", of=campaign.members,
                       title=f"Exchanges of {plural(number, 'account')} by hour"))


def draw_stays(anchor: str, campaign: Campaign, findings: Findings) -> Markup:
    """From when to when each account of a sample took part."""
    sample = [Stay(row["first_seen"], row["last_seen"]) for row in findings.sample(campaign)
              if row["first_seen"] is not None and row["last_seen"] is not None]
    return as_markup(stays(sample, ident=f"{anchor}-stays", of=campaign.members,
                       title=f"When {plural(len(sample), 'account')} took part"))


def as_markup(svg: str) -> Markup:
    """A chart as markup: ``charts.written`` escaped every text in it, and its ids are the page's own anchors."""
    return Markup(svg)  # noqa: S704 - nothing unescaped reaches this line, which a test with hostile labels holds
