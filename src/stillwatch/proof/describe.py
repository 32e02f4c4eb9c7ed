"""What scenarios there are, and what each holds, in plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stillwatch.proof.actors import ACTORS
from stillwatch.proof.cast import check_scale, staged
from stillwatch.proof.pilot import declared
from stillwatch.proof.scenario import Model, Scenario, load, shipped

__all__ = ["describe", "list_scenarios", "scenarios"]

_WIDTH = 100


def scenarios() -> dict[str, str]:
    """The shipped scenarios: name and one line about each."""
    return {name: load(name).summary for name in shipped()}


def list_scenarios(scale: float = 1.0, seed: int = 0) -> str:
    """A table of the shipped scenarios: days, exchanges at a scale, and one line about each."""
    check_scale(scale)
    rows = []
    for name in shipped():
        scenario = load(name)
        rows.append((name, f"{scenario.days}", _about(declared(scenario, seed, scale)), scenario.summary))
    return _table(("scenario", "days", "exchanges", "what it is"), rows, "<>><")


def describe(name: str | Path, scale: float = 1.0, seed: int = 0) -> str:
    """What a scenario holds at a scale, in plain text. Raises as ``simulate`` does for a bad scenario."""
    check_scale(scale)
    scenario = load(name)
    groups = list(_groups(scenario, seed, scale))
    rows = [(group.name, group.kind, f"{group.copies:,}" if group.copies else "", f"{group.accounts:,}",
             _about(group.exchanges), group.label or "none") for group in groups]
    rows.append(("all", "", "", f"{sum(group.accounts for group in groups):,}",
                 _about(sum(group.exchanges for group in groups)), ""))
    kinds = [(kind, ACTORS[kind].summary) for kind in dict.fromkeys(group.kind for group in groups)]
    lines = [f"{scenario.name}: {scenario.summary}"]
    if scenario.description:
        lines += ["", textwrap.fill(scenario.description, _WIDTH)]
    lines += ["", f"{scenario.days} days from {scenario.start}, in words of half {scenario.prompts} of the prompts",
              _wrapped("Models: ", [_model(model) for model in scenario.models])]
    if scenario.withhold:
        lines.append(_wrapped("Logs without: ", scenario.withhold))
    lines += ["", f"At scale {scale:g}, about:", "",
              _table(("group", "kind", "copies", "accounts", "exchanges", "label"), rows, "<<>>><"), "",
              _table(("kind", "what it is"), kinds, "<<")]
    return "\n".join(lines)


@dataclass
class _Group:
    name: str
    kind: str
    label: str | None
    accounts: int = 0
    exchanges: int = 0
    copies: int = 0


def _groups(scenario: Scenario, seed: int, scale: float) -> Iterator[_Group]:
    """Actors as they are at the scale; copies of one together."""
    groups: dict[str, _Group] = {}
    for actor in staged(scenario, seed, scale, mute=True)[1]:
        told = actor.parameters
        name = actor.name if told.copies is None else actor.name.rsplit(" ", 1)[0]
        group = groups.setdefault(name, _Group(name, told.actor, actor.label))
        group.accounts += actor.owned
        group.exchanges += actor.total
        group.copies += told.copies is not None
    yield from groups.values()


def _model(model: Model) -> str:
    about = ["reasons"] if model.reasoning else []
    if model.released_on_day is not None:
        about.append(f"released on day {model.released_on_day:g}")
    return f"{model.name} ({', '.join(about)})" if about else model.name


def _about(count: int) -> str:
    """A count in three figures: more would be false precision."""
    return f"{round(count, 3 - len(str(count))):,}"


def _wrapped(head: str, items: Sequence[str]) -> str:
    return textwrap.fill(head + ", ".join(items), _WIDTH, subsequent_indent="  ")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Columns side by side; ``align`` has < or > for each. The last is as long as it is."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return "\n".join("  ".join(f"{cell:{side}{width}}" for cell, side, width in
                               zip(row, align, widths, strict=True)).rstrip() for row in (head, *rows))
