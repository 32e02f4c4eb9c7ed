"""How the shipped model did on simulated traffic that nothing was fitted to, in sentences."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

from stillwatch.report.numbers import count

__all__ = ["checked", "figures", "wronged"]


@lru_cache(maxsize=1)
def figures() -> dict[str, Any]:
    """The figures of docs/scoreboard.md that reports quote (`tools/reliability.py` takes them from there)."""
    told: dict[str, Any] = json.loads((resources.files("stillwatch.data") / "reliability.json").read_text("utf-8"))
    return told


def checked(probability: float) -> str:
    """What simulated groups with about such a probability were, in a sentence; "" where there were none."""
    bins = [one for one in figures()["bins"] if one["from"] <= probability and (probability < one["to"]
                                                                                or one["to"] == 1.0)]
    if not bins:
        return ""
    one, (low, high) = bins[0], bins[0]["share_interval"]
    were = round(one["share"] * one["candidates"])
    return (f"Checked on simulated traffic alone: of {count(one['candidates'])} groups that were given"
            f" {one['from']:.0%} to {one['to']:.0%}, {count(were)} were campaigns (95% interval {low:.0%}–{high:.0%}).")


def wronged() -> str:
    """How many innocent accounts of the same check were accused, in a sentence."""
    told = figures()
    low, high = told["wronged_interval"]
    return (f"In the same check {count(told['wronged'])} of {count(told['innocent'])} innocent accounts"
            f" {'was' if told['wronged'] == 1 else 'were'} accused (95% interval {low:.2%}–{high:.2%}).")
