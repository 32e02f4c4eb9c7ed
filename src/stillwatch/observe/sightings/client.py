"""Client family: TLS fingerprint, user agent, library fingerprint, and what they say of library and platform.

All of it names a program and what it runs on, never an intent; and all of it is what the client claims. Library and
platform are coarser than the strings that they are read from: an operator who updates one package keeps the platform.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stillwatch.observe.clients import read_client
from stillwatch.observe.sightings.shape import read_off

__all__ = ["sightings"]


def sightings(blocks: pa.Table, addresses: pa.Table) -> list[pa.Table]:
    """Sightings of each fingerprint, readable: all of them are sent by the client to every server."""
    library, platform = _parsed(blocks)
    read = blocks.append_column("client_library", library).append_column("client_platform", platform)
    kinds = ("ja4", "user_agent", "sdk", "client_library", "client_platform")
    return [read_off(read, kind, kind, read[kind]) for kind in kinds]


def _parsed(blocks: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Library and platform a row of ``blocks``; each distinct pair of strings is read once."""
    sdk, agent = (blocks[name].combine_chunks().dictionary_encode() for name in ("sdk", "user_agent"))
    codes = [np.asarray(column.indices.fill_null(-1)).astype(np.int64) + 1 for column in (sdk, agent)]
    words = [[None, *column.dictionary.to_pylist()] for column in (sdk, agent)]
    pairs, place = np.unique(codes[0] * len(words[1]) + codes[1], return_inverse=True)
    clients = [read_client(words[0][pair // len(words[1])], words[1][pair % len(words[1])]) for pair in pairs.tolist()]
    rows = pa.array(place.ravel(), pa.int64())
    texts = ([client.library_text for client in clients], [client.platform_text for client in clients])
    library, platform = (pa.array([text or None for text in column], pa.string()).take(rows) for column in texts)
    return library, platform
