"""What is planted: one stated reference campaign, and a fixed grid of steps away from it, an axis at a time.

The grid is fixed beforehand and never adapts to results: nothing here searches for what is not found.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stillwatch.errors import UsageError

__all__ = ["AXES", "REFERENCE", "Axis", "Plan", "Point", "plan"]

_KNOBS: Mapping[str, str] = {
    "address_sharing": "care to share no addresses",
    "payment_sharing": "care to share no payment instruments",
    "client_mimicry": "care to have clients like everybody's",
    "wording": "care to word prompts differently",
    "timing_jitter": "care to ask at people's hours",
    "dilution": "care to mix in ordinary traffic",
    "exchanges_per_account": "care to take little through each account",
}


@dataclass(frozen=True)
class Point:
    """One setting of a planted campaign and of the logs' completeness; ``evasion`` names knobs above 0."""

    accounts: int
    exchanges: int
    evasion: tuple[tuple[str, float], ...] = ()
    keep: float = 1.0
    gap_days: int = 0

    def at(self, axis: str, value: float) -> Point:
        """This point with one value changed."""
        if axis == "accounts":
            return replace(self, accounts=round(value))
        if axis == "exchanges":
            return replace(self, exchanges=round(value))
        if axis == "sampling":
            return replace(self, keep=float(value))
        if axis == "gap":
            return replace(self, gap_days=round(value))
        knobs = dict(self.evasion) | {axis: float(value)}
        return replace(self, evasion=tuple(sorted((name, care) for name, care in knobs.items() if care > 0)))


REFERENCE = Point(accounts=80, exchanges=150)
"""Eighty careless accounts with 150 exchanges each, in logs that are whole: towards the campaigns that providers have
reported (hundreds of accounts and more, up to 700 exchanges an account), and small against them."""


@dataclass(frozen=True)
class Axis:
    """One way to step away from the reference.

    ``easier`` says whether larger values are easier (1) or harder (-1) to find; ``logarithmic`` how steps are spaced.
    """

    name: str
    meaning: str
    values: tuple[float, ...]
    easier: int
    logarithmic: bool = False
    whole: bool = False

    def steps(self, count: int | None) -> tuple[float, ...]:
        """The default values, or ``count`` values evenly spaced between the same ends."""
        if count is None:
            return self.values
        ends = self.values[0], self.values[-1]
        spaced = np.geomspace(*ends, count) if self.logarithmic else np.linspace(*ends, count)
        rounded = [float(round(value)) if self.whole else round(float(value), 4) for value in spaced.tolist()]
        return tuple(dict.fromkeys(rounded))


AXES: Mapping[str, Axis] = {axis.name: axis for axis in (
    Axis("accounts", "accounts of the campaign", (5, 10, 20, 40, 80, 160), 1, logarithmic=True, whole=True),
    Axis("exchanges", "exchanges of the campaign an account", (5, 10, 20, 40, 80, 150, 300), 1, logarithmic=True,
         whole=True),
    *(Axis(name, meaning, (0.0, 0.25, 0.5, 0.75, 1.0), -1) for name, meaning in _KNOBS.items()),
    Axis("sampling", "share of all exchanges that the logs kept", (1.0, 0.5, 0.1), 1, logarithmic=True),
    Axis("gap", "days missing from the middle of the logs", (0, 2, 7), -1, whole=True),
)}
"""Every axis. Knobs run from 0 (careless) to 1 (most careful)."""


@dataclass(frozen=True)
class Plan:
    """Everything that is to be scanned, decided beforehand."""

    axes: Mapping[str, tuple[float, ...]]
    repeats: int
    seed: int
    reference: Point = REFERENCE

    def point(self, axis: str, value: float) -> Point:
        """What is planted at a value of an axis."""
        return self.reference.at(axis, value)

    @property
    def baselines(self) -> tuple[Point, ...]:
        """One point without a plant for each way in which the logs are incomplete: the user's own accusations."""
        seen = [replace(Point(0, 0), keep=p.keep, gap_days=p.gap_days) for p in self.points]
        return tuple(dict.fromkeys([Point(0, 0), *seen]))

    @property
    def points(self) -> tuple[Point, ...]:
        """Distinct points to plant: axes meet in the reference, which is scanned once."""
        return tuple(dict.fromkeys(self.point(axis, value) for axis, values in self.axes.items() for value in values))

    @property
    def tasks(self) -> tuple[tuple[Point, int], ...]:
        """Every scan as a point and a repeat, in the order in which they are worth having: whole rounds first."""
        planted = [(point, repeat) for repeat in range(self.repeats) for point in self.points]
        return (*((point, 0) for point in self.baselines), *planted)


def plan(axes: Sequence[str] | None, steps: int | None, repeats: int, seed: int, *, quick: bool = False,
         days: float | None = None, reference: Point = REFERENCE) -> Plan:
    """The plan that a call asks for; ``days`` is the logs' length: gaps that leave less than a day are left out.

    Raises ``UsageError`` for axes that are not known and for steps or repeats out of range.
    """
    known = tuple(AXES)
    chosen = tuple(dict.fromkeys(axes)) if axes else ("accounts", "exchanges") if quick else known
    for name in chosen:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            raise UsageError(f"there is no axis {name!r}",
                             remedy=f"did you mean {close[0]}?" if close else f"use some of: {', '.join(known)}")
    if steps is not None and steps < 2:
        raise UsageError(f"{steps} steps make no axis", remedy="give --steps 2 or more")
    if repeats < 1:
        raise UsageError(f"{repeats} repeats are none", remedy="give --repeats 1 or more")
    if quick and steps is None:
        steps = 4
    values = {name: AXES[name].steps(steps) for name in chosen}
    if "gap" in values and days is not None:
        values["gap"] = tuple(value for value in values["gap"] if value == 0 or value + 1 <= days)
    return Plan(values, 1 if quick else repeats, seed, reference)
