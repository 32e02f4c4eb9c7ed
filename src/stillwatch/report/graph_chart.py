"""Which accounts are linked with which: a bounded sample, drawn the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.report.charts import frame

__all__ = ["Link", "graph"]

_SIDE = 320.0
_EDGE = 10.0
_STEPS = 200
_MOST_LINKS = 400


@dataclass(frozen=True)
class Link:
    """Two accounts, by their places in the sample, and the score of their link in bits."""

    one: int
    other: int
    bits: float


def graph(accounts: int, links: Sequence[Link], *, ident: str, title: str, of: int) -> str:
    """Accounts as dots and links as lines, the stronger half darker; "" where no two of them are linked.

    ``accounts`` is the size of the sample and ``of`` how many there are in all. At most 400 links are drawn, the
    strongest. Places are found by the method of Fruchterman and Reingold (1991) from a circle in the order given, so
    that the same sample gives the same picture; distances on it mean nothing exact.
    """
    pairs = {(min(k.one, k.other), max(k.one, k.other)): k.bits for k in links if k.one != k.other}
    drawn = sorted((Link(one, other, bits) for (one, other), bits in pairs.items()),
                   key=lambda k: (-k.bits, k.one, k.other))[:_MOST_LINKS]
    if not drawn or accounts < 2:
        return ""
    places = _places(accounts, drawn)
    half = len(drawn) // 2
    paths = "".join(
        f'<path class="link {style}" d="{"".join(_line(places, k) for k in part)}"/>'
        for style, part in (("weak", drawn[half:]), ("strong", drawn[:half])) if part)
    dots = "".join(f'<circle class="dot series0" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in places)
    met = {k.one for k in drawn} | {k.other for k in drawn}
    shown = f"{len(drawn):,} links" if len(drawn) < _MOST_LINKS else f"the {_MOST_LINKS} strongest links"
    desc = (f"{accounts} of {of:,} accounts and {shown} between them, of {drawn[-1].bits:.1f} to {drawn[0].bits:.1f}"
            f" bits. {len(met)} of the accounts are linked with another of the sample directly. Darker lines are the"
            " stronger half.")
    side = int(_SIDE)
    body = (f'<svg x="0" y="0" width="100%" height="{side}" viewBox="0 0 {side} {side}" aria-hidden="true">{paths}'
            f'{dots}</svg>')
    return frame(body, ident=ident, title=title, desc=desc, height=side)


def _line(places: npt.NDArray[np.float64], link: Link) -> str:
    (x, y), (to_x, to_y) = places[link.one], places[link.other]
    return f"M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"


def _places(size: int, links: Sequence[Link]) -> npt.NDArray[np.float64]:
    """Places in the picture, ``(size, 2)``."""
    turn = 2 * np.pi * np.arange(size) / size
    at = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    ideal = np.sqrt(4.0 / size)
    one, other = (np.array([getattr(k, end) for k in links]) for end in ("one", "other"))
    for step in range(_STEPS):
        gap = at[:, None, :] - at[None, :, :]
        apart = np.maximum(np.sqrt((gap**2).sum(axis=2)), 0.01)
        move = (gap * (ideal**2 / apart**2)[:, :, None]).sum(axis=1)
        pull = at[one] - at[other]
        pull *= np.sqrt((pull**2).sum(axis=1, keepdims=True)) / ideal
        np.add.at(move, one, -pull)
        np.add.at(move, other, pull)
        # Towards the middle, so that what hangs on nothing stays in the picture.
        move -= at * 0.5
        length = np.maximum(np.sqrt((move**2).sum(axis=1, keepdims=True)), 1e-9)
        at = at + move / length * np.minimum(length, 0.2 * (1 - step / _STEPS))
    low, high = at.min(axis=0), at.max(axis=0)
    scaled: npt.NDArray[np.float64] = _EDGE + (at - low) / np.maximum(high - low, 1e-9) * (_SIDE - 2 * _EDGE)
    return scaled
