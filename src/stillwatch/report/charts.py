"""Charts as SVG text: small pure functions, the same input giving the same bytes.

Horizontal positions are percentages and vertical ones pixels, so that a chart fills any width while its
text keeps its size, on a phone and on paper. Colours come from the page's style sheet by class, and every
value is also written as text. Each chart has a title and a description for readers who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise
from math import ceil, isfinite

from stillwatch.report.clean import cut
from stillwatch.report.numbers import count, date

__all__ = ["Bar", "Day", "activity", "bars", "ends", "frame", "waterfall", "written"]

_ROW = 40
_PANEL = 84
_MOST_BARS = 120


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its length, and the length in words."""

    label: str
    value: float
    shown: str


@dataclass(frozen=True)
class Day:
    """Exchanges of one UTC day; ``population`` is null where it is not known."""

    day: datetime
    exchanges: int
    population: int | None


def bars(items: Sequence[Bar], *, ident: str, title: str, desc: str, maximum: float | None = None) -> str:
    """Horizontal bars, one a row, each labelled with its name and its value.

    ``ident`` makes the SVG's ids unique on the page. ``maximum`` is the value of a full bar, by default the
    longest one's. Negative values are drawn in the other colour.
    """
    sizes = [abs(item.value) if isfinite(item.value) else 0.0 for item in items]
    full = maximum or max(sizes, default=0.0) or 1.0
    rows = []
    for number, (item, size) in enumerate(zip(items, sizes, strict=True)):
        top = number * _ROW
        width = min(size / full, 1.0) * 100
        rows.append(
            f'<text x="0" y="{top + 15}">{written(item.label, 34)}</text>'
            f'<text x="100%" y="{top + 15}" text-anchor="end">{written(item.shown, 16)}</text>'
            f'<rect class="track" x="0" y="{top + 22}" width="100%" height="8"/>'
            f'<rect class="{"bar against" if item.value < 0 else "bar"}" x="0" y="{top + 22}"'
            f' width="{width:.2f}%" height="8"/>'
        )
    return frame("".join(rows), ident=ident, title=title, desc=desc, height=max(len(items), 1) * _ROW)


def waterfall(items: Sequence[Bar], total: Bar, *, ident: str, title: str, desc: str) -> str:
    """Bars of which each begins where the one above it ends, and the whole below them; "" without items.

    Values must be finite and not negative; others count as nothing.
    """
    if not items:
        return ""
    sizes = [item.value if isfinite(item.value) and item.value > 0 else 0.0 for item in items]
    full = sum(sizes) or 1.0
    rows = []
    for number, (item, left, size, style) in enumerate(
            [*((item, sum(sizes[:at]), size, "bar") for at, (item, size) in enumerate(zip(items, sizes, strict=True))),
             (total, 0.0, sum(sizes), "bar whole")]):
        top = number * _ROW
        begin, wide = left / full * 100, size / full * 100
        rows.append(
            f'<text x="0" y="{top + 15}">{written(item.label, 34)}</text>'
            f'<text x="100%" y="{top + 15}" text-anchor="end">{written(item.shown, 16)}</text>'
            f'<rect class="track" x="0" y="{top + 22}" width="100%" height="8"/>'
            f'<rect class="{style}" x="{begin:.2f}%" y="{top + 22}" width="{wide:.2f}%" height="8"/>')
    return frame("".join(rows), ident=ident, title=title, desc=desc, height=len(rows) * _ROW)


def activity(days: Sequence[Day], *, ident: str, title: str, marker: datetime | None = None,
             marker_label: str = "") -> str:
    """A campaign's exchanges over time above everybody's, each on its own scale; "" without days.

    Days between the first and the last that are not given count as no exchanges of the campaign and as
    unknown for the population. Beyond 120 days several share a bar. ``marker`` draws a dashed line.
    """
    if not days:
        return ""
    spans, width = _spans(days)
    unit = "a day" if width == 1 else f"per {width} days"
    ours = [span.exchanges for span in spans]
    known = [span.population for span in spans if span.population is not None]
    peak = max(range(len(ours)), key=lambda i: (ours[i], -i))
    first, last = min(d.day for d in days), max(d.day for d in days)
    heads = [f"This group: up to {count(ours[peak])} {unit} ({date(spans[peak].day)})"]
    panels = [ours]
    if known:
        heads.append(f"Everybody: up to {count(max(known))} {unit}")
        panels.append([span.population or 0 for span in spans])
    body = "".join(_panel(values, head, number * _PANEL, f"bar series{number}")
                   for number, (head, values) in enumerate(zip(heads, panels, strict=True)))
    bottom = len(panels) * _PANEL
    body += ends(first, last, bottom)
    desc = f"Exchanges, {date(first)} to {date(last)}, UTC. " + ". ".join(heads) + "."
    if marker is not None and spans[0].day <= marker <= last + timedelta(days=1):
        at = (marker - spans[0].day) / timedelta(days=width * len(spans)) * 100
        anchor = "start" if at < 25 else "end" if at > 75 else "middle"
        # In pieces, so that it does not strike through the panels' headings.
        pieces = [*((top + 22, top + _PANEL) for top in range(0, bottom, _PANEL)), (bottom, bottom + 20)]
        body += "".join(f'<line class="mark" x1="{at:.2f}%" x2="{at:.2f}%" y1="{y1}" y2="{y2}"/>' for y1, y2 in pieces)
        body += (f'<text x="{at:.2f}%" y="{bottom + 34}" text-anchor="{anchor}">'
                 f'{written(marker_label, 48)}</text>')
        desc += f" {marker_label}."
        bottom += 20
    return frame(body, ident=ident, title=title, desc=desc, height=bottom + 20)


def _spans(days: Sequence[Day]) -> tuple[list[Day], int]:
    """The days summed into at most 120 spans of equal width, and that width in days."""
    first = min(d.day for d in days).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    offsets = [(d.day - first).days for d in days]
    length = max(offsets) + 1
    width = ceil(length / _MOST_BARS)
    size = ceil(length / width)
    ours = [0] * size
    everybody: list[int | None] = [None] * size
    for offset, given in zip(offsets, days, strict=True):
        at = offset // width
        ours[at] += max(given.exchanges, 0)
        if given.population is not None:
            everybody[at] = (everybody[at] or 0) + max(given.population, 0)
    return [Day(first + timedelta(days=width * i), ours[i], everybody[i]) for i in range(size)], width


def _panel(values: Sequence[int], head: str, top: int, style: str) -> str:
    """One row of upright bars as a single path in a stretched frame."""
    tallest = max(values) or 1
    heights = [value / tallest * 100 for value in values]
    edges = list(pairwise(range(len(values) + 1)))
    gap = 0.15 if len(values) > 1 else 0.0
    path = "".join(f"M{left} 100V{100 - tall:.1f}H{right - gap:.2f}V100Z"
                   for (left, right), tall in zip(edges, heights, strict=True) if tall)
    return (f'<text x="0" y="{top + 15}">{written(head, 96)}</text>'
            f'<svg x="0" y="{top + 24}" width="100%" height="{_PANEL - 34}" viewBox="0 0 {len(values)} 100"'
            f' preserveAspectRatio="none" aria-hidden="true"><path class="{style}" d="{path}"/></svg>'
            f'<line class="axis" x1="0" x2="100%" y1="{top + _PANEL - 9}" y2="{top + _PANEL - 9}"/>')


def ends(first: datetime, last: datetime, bottom: int) -> str:
    """The first and the last day, below a drawing that reaches down to ``bottom``."""
    return (f'<text class="quiet" x="0" y="{bottom + 14}">{date(first)}</text>'
            f'<text class="quiet" x="100%" y="{bottom + 14}" text-anchor="end">{date(last)}</text>')


def written(value: str, limit: int) -> str:
    """Text for an SVG: cleaned, cut and escaped."""
    return escape(cut(value, limit))


def frame(body: str, *, ident: str, title: str, desc: str, height: int) -> str:
    """A chart around its drawing, with a title and a description for readers who cannot see it."""
    return (f'<svg class="chart" role="img" aria-labelledby="{ident}-t {ident}-d" width="100%"'
            f' height="{height}"><title id="{ident}-t">{written(title, 160)}</title>'
            f'<desc id="{ident}-d">{written(desc, 600)}</desc>{body}</svg>')
