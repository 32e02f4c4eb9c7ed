"""The detection limits in words: at which limit a campaign is found, never which care would be best for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["interval", "limit_words", "number", "share", "title"]

_UNITS = {"accounts": "accounts", "exchanges": "exchanges an account", "sampling": "of all exchanges kept",
          "gap": "days missing"}
_FALLS = 0.3


def number(value: float) -> str:
    """A step or a limit in at most three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.2g}"


def share(value: float | None) -> str:
    """A share in per cent."""
    return "–" if value is None else f"{value * 100:.0f}%"


def interval(ends: tuple[float, float] | list[float]) -> str:
    """The interval of a share in per cent."""
    return f"{ends[0] * 100:.0f}–{ends[1] * 100:.0f}%"


def title(axis: Mapping[str, Any]) -> str:
    """An axis by its name and meaning."""
    return f"{axis['axis']}: {axis['meaning']}"


def _amount(axis: Mapping[str, Any], value: float) -> str:
    name = axis["axis"]
    if name == "sampling":
        return f"{share(value)} {_UNITS[name]}"
    return f"{number(value)} {_UNITS[name]}" if name in _UNITS else f"{number(value)} on its scale of 0 to 1"


def limit_words(axis: Mapping[str, Any]) -> str:
    """The limit of an axis and its interval, in a sentence."""
    limit, steps = axis["limit"], axis["steps"]
    if limit is None:
        return "No step of this axis has been scanned yet."
    ends = sorted((step["value"] for step in steps), key=lambda value: value * axis["easier"])
    hardest, easiest = ends[0], ends[-1]
    level, confidence = share(limit["level"]), share(limit["confidence"])
    if not limit["reached"]:
        said = f"Not reached: even at {_amount(axis, easiest)} fewer than {level} of planted campaigns are detected"
    elif limit["passed"]:
        said = f"Beyond the grid: even at {_amount(axis, hardest)} {level} or more of planted campaigns are detected"
    else:
        way = "from about" if axis["easier"] > 0 else "up to about"
        said = f"{level} of planted campaigns are detected {way} {_amount(axis, limit['value'])}"
    hard = "beyond the hardest step" if limit["hard"] is None else number(limit["hard"])
    easy = "beyond the easiest step" if limit["easy"] is None else number(limit["easy"])
    said = f"{said} ({confidence} interval: from {hard} to {easy})."
    if limit["falls"] > _FALLS:
        said += (f" Careful: at an easier step {share(limit['falls'])} fewer are detected than at a harder one, so"
                 " there is no one limit: read the table.")
    return said
