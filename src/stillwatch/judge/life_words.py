"""A campaign's life in plain sentences. Models' names come from clients: they are shortened, and cleaned again on
display."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from stillwatch.judge.lives import Follows, Life, Lives

__all__ = ["life_sentences"]

_WORDS = {
    "probing": "tried things out", "ramp_up": "rose", "sustained": "ran steadily", "pivot": "moved",
    "wind_down": "fell off", "ended": "stopped",
}
_TOLD = 0.05
"""Smallest share that moved to a new model that is worth a sentence."""
_LONGEST = 60
_MOST = 8


def life_sentences(name: str, told: Lives, follows: Follows | None) -> list[str]:
    """What happened, in order: the phases, moves to new models, pools that took over."""
    life = told.of.get(name)
    if life is None or not life.phases:
        return []
    said = [_phases(life)]
    for move in life.moves:
        if move.share < _TOLD:
            continue
        others = float(move.population_after[told.models.index(move.launch.model)])
        how = ", as the logs show it," if move.launch.inferred else ""
        said.append(f"{move.share:.0%} of its exchanges moved to {_safe(move.launch.model)} within"
                    f" {_span(move.hours)} of its launch{how} on {_when(move.launch.at_us)} (of everybody else's,"
                    f" {others:.0%} are on it).")
    said += [f"On {_when(hand.stopped_us)} {hand.stopped:,} of its accounts stopped, and {hand.started:,} others took"
             f" over {_span((hand.started_us - hand.stopped_us) / 3.6e9)} later." for hand in life.hands]
    if follows is not None:
        said.append(f"It began {_span(follows.gap_hours)} after campaign {follows.campaign} stopped, which chance"
                    f" seldom arranges (q = {follows.q:.2g}).")
    return said


def _phases(life: Life) -> str:
    parts: list[str] = []
    before = ""
    for phase in life.phases[:_MOST]:
        # The same again is told by what changed.
        word = _WORDS[phase.phase] if phase.phase != before else f"changed in {' and '.join(phase.changed)}"
        parts.append(f"{word} from {_when(phase.started_us)}")
        before = phase.phase
    more = len(life.phases) - _MOST
    if more > 0:
        parts.append(f"and went through {more} more phase{'s' if more > 1 else ''} up to {life.phases[-1].phase}")
    return f"It {', '.join(parts)}."


def _span(hours: float) -> str:
    if hours < 1.5:
        return f"{max(1, int(np.round(hours * 60)))} minutes"
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"


def _when(us: int) -> str:
    return f"{datetime.fromtimestamp(us // 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"


def _safe(text: str) -> str:
    text = "".join(char if char.isprintable() else "·" for char in text)
    return text if len(text) <= _LONGEST else text[:_LONGEST - 1] + "…"
