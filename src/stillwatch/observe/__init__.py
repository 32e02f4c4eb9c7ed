"""Observation: what exchanges and accounts show, reduced to tables."""

from stillwatch.observe.blocks import addresses, blocks, content, profiles
from stillwatch.observe.networks import Networks
from stillwatch.observe.rhythm import rhythm
from stillwatch.observe.sampling import sampling
from stillwatch.observe.sightings import Observed, fixed_sightings, moving_sightings
from stillwatch.observe.text import TextReducer

__all__ = [
    "Networks",
    "Observed",
    "TextReducer",
    "addresses",
    "blocks",
    "content",
    "fixed_sightings",
    "moving_sightings",
    "profiles",
    "rhythm",
    "sampling",
]
