"""Recovery against each axis, as one SVG: the same input giving the same bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from stillwatch.report.clean import clean
from stillwatch.report.power_words import limit_words, number, title

__all__ = ["chart"]

_WIDE, _HIGH = 380, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 16, 34, 44
_COLUMNS = 2
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#16191d}.t{font-weight:700}.q{fill:#535b66}.g{stroke:#d3d8df}"
    ".r{fill:none;stroke:#1f5fa8;stroke-width:2}.p{fill:#1f5fa8}.i{stroke:#1f5fa8;stroke-width:1.5}"
    ".d{fill:none;stroke:#a3231b;stroke-width:2;stroke-dasharray:5 3}.s{fill:#a3231b}.b{fill:#a3231b;opacity:.1}"
    ".n{font-weight:700;fill:#a3231b}"
)


def chart(axes: Sequence[Mapping[str, Any]], notice: str) -> str:
    """A panel an axis: recall with its interval (blue), share detected (red, dashed), and the limit's interval.

    Every panel has the share from 0 to 1 upwards and the steps along; it is marked with the ``notice``.
    """
    panels = [axis for axis in axes if axis["steps"]]
    rows = max(1, math.ceil(len(panels) / _COLUMNS))
    width, height = _WIDE * _COLUMNS, _HIGH * rows + 52
    body = "".join(_panel(axis, _WIDE * (at % _COLUMNS), 52 + _HIGH * (at // _COLUMNS))
                   for at, axis in enumerate(panels))
    told = " ".join(f"{title(axis)}: {limit_words(axis)}" for axis in panels)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" width="{width}"'
            f' style="max-width:100%;height:auto" aria-labelledby="power-t power-d"><title id="power-t">Detection'
            f' limits of this deployment</title><desc id="power-d">{_text(told)}</desc><style>{_STYLE}</style>'
            f'<rect width="{width}" height="{height}" fill="#fff"/><text class="n" x="12" y="18">{_text(notice)}</text>'
            f'<text class="q" x="12" y="38">blue: recall of planted accounts, 95% interval · red, dashed: share of'
            f' campaigns detected · shaded: interval of the limit</text>{body}</svg>')


def _text(value: str) -> str:
    return escape(clean(value))


def _panel(axis: Mapping[str, Any], x: int, y: int) -> str:
    steps = sorted(axis["steps"], key=lambda step: float(step["value"]))
    at = _scale([step["value"] for step in steps], logarithmic=axis["logarithmic"])
    level = axis["limit"]["level"]
    parts = [f'<text class="t" x="{_LEFT}" y="18">{_text(title(axis))}</text>', _shade(axis, at, steps)]
    for value in (0.0, 0.5, 1.0):
        parts.append(f'<line class="g" x1="{_LEFT}" x2="{_WIDE - _RIGHT}" y1="{_up(value)}" y2="{_up(value)}"/>'
                     f'<text class="q" x="{_LEFT - 6}" y="{_up(value) + 4}" text-anchor="end">{value * 100:.0f}%'
                     '</text>')
    parts.append(f'<line class="g" stroke-dasharray="2 3" x1="{_LEFT}" x2="{_WIDE - _RIGHT}" y1="{_up(level)}"'
                 f' y2="{_up(level)}"/>')
    found = [(at(step["value"]), _up(step["detected"] / step["repeats"])) for step in steps]
    recall = [(at(step["value"]), _up(step["recall"] or 0.0)) for step in steps]
    parts += [_line(found, "d"), _line(recall, "r")]
    for step, (left, top), (_, height) in zip(steps, recall, found, strict=True):
        low, high = step["recall_interval"]
        parts.append(f'<line class="i" x1="{left:.1f}" x2="{left:.1f}" y1="{_up(low)}" y2="{_up(high)}"/>'
                     f'<circle class="p" cx="{left:.1f}" cy="{top}" r="3.5"/>'
                     f'<rect class="s" x="{left - 3:.1f}" y="{height - 3:.1f}" width="6" height="6"/>'
                     f'<text class="q" x="{left:.1f}" y="{_HIGH - _BOTTOM + 16}" text-anchor="middle">'
                     f'{_text(number(step["value"]))}</text>')
    return f'<g transform="translate({x} {y})">{"".join(parts)}</g>'


def _shade(axis: Mapping[str, Any], at: Any, steps: Sequence[Mapping[str, Any]]) -> str:
    """The interval of the limit; to the panel's edge where it goes beyond the grid."""
    limit = axis["limit"]
    low, high = (limit["hard"], limit["easy"]) if axis["easier"] > 0 else (limit["easy"], limit["hard"])
    left = _LEFT if low is None else at(low)
    right = _WIDE - _RIGHT if high is None else at(high)
    return (f'<rect class="b" x="{left:.1f}" y="{_TOP}" width="{max(right - left, 0):.1f}"'
            f' height="{_HIGH - _TOP - _BOTTOM}"/>')


def _scale(values: Sequence[float], *, logarithmic: bool) -> Any:
    """Where a value stands along the panel."""
    ends = (math.log(values[0]), math.log(values[-1])) if logarithmic else (values[0], values[-1])
    span = (ends[1] - ends[0]) or 1.0
    room = _WIDE - _LEFT - _RIGHT - 24

    def at(value: float) -> float:
        part = ((math.log(value) if logarithmic else value) - ends[0]) / span
        return _LEFT + 12 + part * room

    return at


def _up(value: float) -> float:
    return round(_TOP + (1.0 - value) * (_HIGH - _TOP - _BOTTOM), 1)


def _line(points: Sequence[tuple[float, float]], style: str) -> str:
    return f'<polyline class="{style}" points="{" ".join(f"{x:.1f},{y}" for x, y in points)}"/>'
