"""One campaign as a picture, with matplotlib: an optional extra, and never a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillwatch.errors import StillwatchError, UsageError
from stillwatch.report.clean import cut
from stillwatch.report.drawings import by_family
from stillwatch.report.evaluation_plots import FORMATS, INK, MARK, SOFT, STYLE, WARN, check_plots
from stillwatch.report.load import Campaign, Findings, load, only
from stillwatch.report.numbers import count, plural, q, surely
from stillwatch.report.words import name, standing
from stillwatch.schema import ACTIVITY, EVIDENCE, PHASES

__all__ = ["plot_campaign"]

_KINDS = 4
_BARS = 8


def plot_campaign(findings: Path, out: Path, campaign: str | None = None) -> Path:
    """Write a picture of one campaign to ``out``, an SVG or PNG file by its name; returns where it is.

    Four parts: exchanges over time, evidence by family, what is asked for in each phase, and the explanations; a part
    of which the folder says nothing says so. Without ``campaign`` (a campaign or lineage id) it is the detection with
    the most accounts, else the group that harvesting explains best. The same folder gives the same bytes, with the
    same matplotlib. Raises ``UsageError`` for a format or campaign that is not there or without matplotlib, and what
    ``load`` raises.
    """
    form = out.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise UsageError(f"a picture cannot be made as {out.suffix or 'a file without an ending'}",
                         remedy=f"let the name end in one of: {', '.join('.' + known for known in FORMATS)}")
    check_plots(form)
    found = only(load(findings), campaign)
    if not found.campaigns:
        raise UsageError(f"there is no campaign in {findings}", remedy="there is nothing to draw: see its report")
    chosen = max(found.campaigns, key=lambda c: (c.detected, (c.row["accounts"] or 0) if c.detected else 0,
                                                 c.row["probability"], c.ident))
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 7.5))
        parts = figure.subplots(2, 2)
        row = chosen.row
        figure.suptitle(f"{cut(chosen.ident, 30)}: {standing(chosen)}, {plural(row['accounts'], 'account')},"
                        f" {plural(row['exchanges'], 'exchange')}; run together q = {q(row['q_value'])},"
                        f" harvesting {surely(row['probability'])}", fontsize=11)
        _activity(parts[0][0], found, chosen)
        _families(parts[0][1], found, chosen)
        _mix(parts[1][0], found, chosen)
        _hypotheses(parts[1][1], chosen)
        _save(figure, out, form)
    return out


def _save(figure: Any, out: Path, form: str) -> None:
    try:
        figure.savefig(out, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
    except OSError as error:
        raise StillwatchError(f"writing {out} failed: {error.strerror or type(error).__name__}",
                              remedy="name a file in a folder that exists and may be written, with --out") from error


def _none(axes: Any, title: str) -> None:
    axes.set(title=title, xticks=[], yticks=[])
    axes.text(0.5, 0.5, "not recorded in these findings", ha="center", va="center", transform=axes.transAxes)


def _activity(axes: Any, findings: Findings, campaign: Campaign) -> None:
    title = "Exchanges a day (UTC)"
    rows = findings.rows(ACTIVITY, campaign)
    if not rows:
        return _none(axes, title)
    axes.bar([row["day"] for row in rows], [row["exchanges"] or 0 for row in rows], width=0.8,
             color=WARN if campaign.detected else MARK)
    axes.set_title(title)
    axes.yaxis.set_major_formatter(lambda value, _: count(value))
    axes.tick_params(axis="x", rotation=30)
    return None


def _families(axes: Any, findings: Findings, campaign: Campaign) -> None:
    title = "Evidence that they are run together, in bits"
    ranked = by_family(findings.rows(EVIDENCE, campaign))[:_BARS]
    if not ranked:
        return _none(axes, title)
    begin = 0.0
    for place, (_, bits) in enumerate(ranked):
        axes.barh(place, bits, left=begin, color=MARK, height=0.6)
        axes.text(begin + bits, place, f" {bits:,.0f}", va="center", fontsize=8)
        begin += bits
    _names(axes, [name(cut(family, 30)) for family, _ in ranked])
    axes.set(title=title, xlim=(0, begin * 1.12 or 1.0))
    return None


def _mix(axes: Any, findings: Findings, campaign: Campaign) -> None:
    title = "What is asked for, in each phase (UTC)"
    rows = findings.rows(PHASES, campaign)
    if not rows:
        return _none(axes, title)
    shares = [{one["capability"]: one["share"] or 0.0 for one in row["capabilities"] or ()} for row in rows]
    peak = {kind: max(mix.get(kind, 0.0) for mix in shares) for mix in shares for kind in mix if kind}
    times = [*(row["started_at"] for row in rows), rows[-1]["ended_at"]]
    for kind, colour, dash in zip(sorted(peak, key=lambda kind: (-peak[kind], kind))[:_KINDS],
                                  (MARK, WARN, INK, SOFT), ("-", "--", "-.", ":"), strict=False):
        values = [mix.get(kind, 0.0) for mix in shares]
        axes.step(times, [*values, values[-1]], where="post", color=colour, linestyle=dash, label=name(kind))
    axes.set(title=title, ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(axis="x", rotation=30)
    if peak:
        axes.legend(frameon=False, fontsize=8)
    return None


def _hypotheses(axes: Any, campaign: Campaign) -> None:
    title = "Every explanation and its probability"
    rows = [row for row in campaign.row["hypotheses"] or () if row["probability"] is not None]
    if not rows:
        return _none(axes, title)
    rows.sort(key=lambda row: (-row["probability"], row["verdict"] or ""))
    for place, row in enumerate(rows):
        axes.barh(place, row["probability"], color=MARK, height=0.6)
        axes.text(row["probability"], place, f" {surely(row['probability'])}", va="center", fontsize=8)
    _names(axes, [name(row["verdict"] or "not named") for row in rows])
    axes.set(title=title, xlim=(0, 1.15))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return None


def _names(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
