"""Content family: *that* accounts share a rare family of prompts is linkage; what kind it is, is content."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.observe.sightings.shape import read_off

__all__ = ["sightings"]


def sightings(content: pa.Table) -> list[pa.Table]:
    """Sightings of families of prompts and of system prompts; their ids are keyed digests already."""
    return [read_off(content, "template_id", "template"), read_off(content, "system_id", "system_prompt")]
