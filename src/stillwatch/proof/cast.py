"""The world of a scenario with all of its actors: the same wherever it is made."""

from __future__ import annotations

from typing import Any

from stillwatch.errors import UsageError
from stillwatch.proof.actors import ACTORS, Actor
from stillwatch.proof.prompts import mute_library
from stillwatch.proof.scenario import Scenario
from stillwatch.proof.world import World

__all__ = ["check_scale", "is_mute", "staged"]


def check_scale(scale: float) -> None:
    """Raise ``UsageError`` for a scale that no simulation has."""
    if not 0 < scale <= 1_000:
        raise UsageError(f"a scale of {scale:g} is out of range", remedy="give a scale above 0, up to 1000")


def is_mute(scenario: Scenario) -> bool:
    """Whether the logs hold no text."""
    return {"prompt", "system_prompt"} <= set(scenario.withhold)


def staged(scenario: Scenario, seed: int, scale: float, *, mute: bool = False) -> tuple[World, list[Actor[Any]]]:
    """A scenario's world and actors with their accounts; ``mute`` actors say nothing (every text is null)."""
    world = World(scenario, seed, scale)
    if mute:
        world.prompts = mute_library(scenario.prompts)
    actors: list[Actor[Any]] = []
    first = 0
    for told in scenario.cast(seed, scale):
        actors.append(ACTORS[told.actor](world, told, first))
        first += actors[-1].owned
    return world, actors
