"""What scenarios there are, and what each holds, in plain text."""

from __future__ import annotations

from pathlib import Path

from stillwatch.proof.actors import ACTORS
from stillwatch.proof.scenario import load, shipped

__all__ = ["describe", "scenarios"]


def scenarios() -> dict[str, str]:
    """The shipped scenarios: name and one line about each."""
    return {name: load(name).summary for name in shipped()}


def describe(name: str | Path) -> str:
    """What a scenario holds, in plain text."""
    scenario = load(name)
    lines = [f"{scenario.name}: {scenario.summary}", "", scenario.description.strip(), "",
             f"{scenario.days} days from {scenario.start}, models {', '.join(m.name for m in scenario.models)},"
             f" prompts of half {scenario.prompts}", ""]
    for actor in scenario.actors:
        kind = ACTORS[actor.actor]
        label = kind.label or "no label"
        lines.append(f"  {actor.name}: {actor.actor} ({label}), {actor.accounts:,} accounts,"
                     f" {actor.exchanges:,} exchanges: {kind.summary}")
    return "\n".join(lines)
