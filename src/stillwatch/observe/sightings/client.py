"""Client family: TLS fingerprint, user agent, library fingerprint. It names a library, never an intent."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.observe.sightings.shape import read_off

__all__ = ["sightings"]


def sightings(blocks: pa.Table, addresses: pa.Table) -> list[pa.Table]:
    """Sightings of each fingerprint, readable: all of them are sent by the client to every server."""
    return [read_off(blocks, kind, kind, blocks[kind]) for kind in ("ja4", "user_agent", "sdk")]
