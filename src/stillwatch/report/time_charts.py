"""Charts of what changed over time and of who was there when, as SVG text in the manner of ``charts``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, isfinite

from stillwatch.report.charts import ends, frame, written
from stillwatch.report.numbers import date, surely

__all__ = ["Hour", "Phase", "Stay", "hours", "mix", "stays"]

_BAND = 58
_LINE = 5
_MOST_KINDS = 5
_ROW = 6
_MOST_COLUMNS = 240
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Phase:
    """A span of time and the share of each kind in it (0-1); a kind that is not named has none."""

    start: datetime
    end: datetime
    shares: dict[str, float]


@dataclass(frozen=True)
class Stay:
    """One account from its first to its last exchange."""

    first: datetime
    last: datetime


@dataclass(frozen=True)
class Hour:
    """Exchanges of one account in one hour."""

    account: str
    hour: datetime
    exchanges: int


def hours(given: Sequence[Hour], *, ident: str, title: str, of: int) -> str:
    """A row an account and a column an hour, darker with more exchanges; "" without hours.

    Beyond 240 hours several share a column. Rows are in the order in which accounts began. Three shades: up to a third
    of the busiest cell's exchanges, up to two thirds, and more. ``of`` is how many accounts there are in all.
    """
    known = [one for one in given if one.exchanges > 0]
    if not known:
        return ""
    first, last = min(one.hour for one in known), max(one.hour for one in known)
    length = (last - first) // _HOUR + 1
    width = ceil(length / _MOST_COLUMNS)
    begun: dict[str, datetime] = {}
    cells: dict[tuple[str, int], int] = {}
    for one in known:
        begun[one.account] = min(begun.get(one.account, one.hour), one.hour)
        at = one.account, (one.hour - first) // _HOUR // width
        cells[at] = cells.get(at, 0) + one.exchanges
    rows = {account: row for row, account in enumerate(sorted(begun, key=lambda name: (begun[name], name)))}
    busiest, columns = max(cells.values()), ceil(length / width)
    shades: list[list[str]] = [[], [], []]
    for (account, column), number in sorted(cells.items(), key=lambda item: (rows[item[0][0]], item[0][1])):
        shades[min(ceil(3 * number / busiest), 3) - 1].append(f"M{column} {rows[account]}h1v.8h-1z")
    paths = "".join(f'<path class="bar series0 shade{number}" d="{"".join(shade)}"/>'
                    for number, shade in enumerate(shades, 1) if shade)
    high = len(rows) * _ROW
    body = (f'<svg x="0" y="0" width="100%" height="{high}" viewBox="0 0 {columns} {len(rows)}"'
            ' preserveAspectRatio="none" aria-hidden="true">'
            f'<rect class="track" width="{columns}" height="{len(rows)}"/>{paths}</svg>') + ends(first, last, high)
    unit = "an hour" if width == 1 else f"in {width} hours"
    desc = (f"{len(rows)} of {of:,} accounts, {date(first)} to {date(last)}, UTC: up to {busiest:,} exchanges {unit}"
            f" each; active in {len(cells) / (columns * len(rows)):.0%} of the cells.")
    return frame(body, ident=ident, title=title, desc=desc, height=high + 20)


def mix(phases: Sequence[Phase], *, ident: str, title: str) -> str:
    """One band a kind, its height the kind's share in each phase, along time; "" without phases.

    At most five kinds are drawn, those with the largest share in any phase; the rest is named in the description.
    """
    known = [phase for phase in phases if phase.end > phase.start]
    if not known:
        return ""
    first, last = min(phase.start for phase in known), max(phase.end for phase in known)
    peak: dict[str, float] = {}
    for phase in known:
        for kind, share in phase.shares.items():
            peak[kind] = max(peak.get(kind, 0.0), _share(share))
    kinds = sorted(peak, key=lambda kind: (-peak[kind], kind))
    body = "".join(_band(kind, known, first, last, number * _BAND) for number, kind in enumerate(kinds[:_MOST_KINDS]))
    bottom = len(kinds[:_MOST_KINDS]) * _BAND
    body += ends(first, last, bottom)
    desc = "; ".join(f"{kind}: {_told(kind, known)}" for kind in kinds[:_MOST_KINDS])
    if len(kinds) > _MOST_KINDS:
        desc += f"; and {len(kinds) - _MOST_KINDS} kinds with less"
    desc = f"{date(first)} to {date(last)}, UTC. {desc}."
    return frame(body, ident=ident, title=title, desc=desc, height=bottom + 20)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0) if isfinite(value) else 0.0


def _told(kind: str, phases: Sequence[Phase]) -> str:
    said: list[str] = []
    for phase in phases:
        share = phase.shares.get(kind, 0.0)
        text = surely(share) if share > 0 else "none"
        if not said or said[-1] != text:
            said.append(text)
    return ", then ".join(said) if len(said) <= 4 else f"{said[0]} to {said[-1]} over {len(phases)} phases"


def _band(kind: str, phases: Sequence[Phase], first: datetime, last: datetime, top: int) -> str:
    whole = last - first
    path = ""
    for phase in phases:
        left, right = ((when - first) / whole * 1000 for when in (phase.start, phase.end))
        tall = _share(phase.shares.get(kind, 0.0)) * 100
        if tall:
            path += f"M{left:.1f} 100V{100 - tall:.1f}H{right:.1f}V100Z"
    return (f'<text x="0" y="{top + 15}">{written(kind, 30)}</text>'
            f'<text class="quiet" x="100%" y="{top + 15}" text-anchor="end">{written(_told(kind, phases), 44)}</text>'
            f'<svg x="0" y="{top + 21}" width="100%" height="{_BAND - 30}" viewBox="0 0 1000 100"'
            f' preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="1000" height="100"/>'
            f'<path class="bar" d="{path}"/></svg>')


def stays(accounts: Sequence[Stay], *, ident: str, title: str, of: int) -> str:
    """A line an account from its first to its last exchange, earliest first; "" without accounts.

    ``of`` is how many accounts there are in all.
    """
    if not accounts:
        return ""
    ordered = sorted(accounts, key=lambda stay: (stay.first, stay.last))
    first, last = ordered[0].first, max(stay.last for stay in ordered)
    whole = (last - first).total_seconds() or 1.0
    body = ""
    for number, stay in enumerate(ordered):
        left = (stay.first - first).total_seconds() / whole * 99.4
        wide = max((stay.last - stay.first).total_seconds() / whole * 99.4, 0.6)
        body += (f'<rect class="bar series0" x="{left:.2f}%" y="{number * _LINE}" width="{wide:.2f}%"'
                 f' height="{_LINE - 2}"/>')
    bottom = len(ordered) * _LINE
    begun = sum((stay.first - first).total_seconds() <= 0.1 * whole for stay in ordered)
    desc = (f"{len(ordered)} of {of:,} accounts, each from its first to its last attributed exchange, {date(first)} to"
            f" {date(last)}, UTC. {begun} of them began within the first tenth of that time.")
    return frame(body + ends(first, last, bottom), ident=ident, title=title, desc=desc, height=bottom + 20)
