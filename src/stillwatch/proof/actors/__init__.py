"""Actors by name; a scenario is composed of them."""

from __future__ import annotations

from typing import Any

from stillwatch.proof.actors.base import Actor
from stillwatch.proof.actors.campaign import Campaign
from stillwatch.proof.actors.individuals import Individuals

ACTORS: dict[str, type[Actor[Any]]] = {
    "campaign": Campaign,
    "individuals": Individuals,
}

__all__ = ["ACTORS", "Actor"]
