"""Sampling family: the parameters that an account's requests habitually have, as its script was written."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.observe.sightings.shape import read_off

__all__ = ["sightings"]


def sightings(sampling: pa.Table) -> list[pa.Table]:
    """Sightings of habits (schema ``SAMPLING``): digests, with the parameters but not the tools' names as label."""
    return [read_off(sampling, "habit", "sampling", sampling["label"])]
