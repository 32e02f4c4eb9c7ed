"""Where groups may be: accounts and values clustered together, at several resolutions.

Pairs show what two accounts share. What no pair carries, such as three hundred wordings of which any two
accounts share four, shows when accounts and values are clustered at once: the graph of who carries what, its
edges weighted by rarity, falls into communities of accounts *and* of the values that make them alike. The work
is O(sightings) a resolution; no pair is ever made. A community is a proposal, nothing more: groups settle on
evidence (``settle``) and are compared with decoys.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from graspologic_native import leiden_csr

from stillwatch.link.cells import Cells
from stillwatch.link.incidence import Ints
from stillwatch.link.pairs import Floats

__all__ = ["communities", "leiden", "proposals", "resolutions"]

_FINEST = 200
"""Accounts a unit of resolution: the ladder rises until a campaign of about this many is a community of its own."""

_FAMILY_BITS = 20.0
"""Weight that one family of an account may have in a balanced graph."""


def leiden(graph: sp.csr_array, resolution: float, seed: int) -> Ints:
    """Communities of a symmetric graph by the Leiden algorithm (Traag, Waltman & van Eck 2019), modularity as quality.

    One seeded pass on one thread: the same graph and seed give the same partition.
    """
    size = graph.shape[0]
    if not graph.nnz:
        return np.arange(size, dtype=np.int64)
    _, community = leiden_csr(graph.indptr.astype(np.int64), graph.indices.astype(np.int32),
                              graph.data.astype(np.float64), size, resolution=resolution, seed=seed)
    return np.fromiter((community[node] for node in range(size)), np.int64, size)


def resolutions(accounts: int) -> list[float]:
    """The ladder: ½, 1, 2, … up to one step a ``_FINEST`` accounts, 4 at least (modularity merges what is small
    against the graph; Fortunato & Barthélemy 2007)."""
    ladder = [0.5, 1.0, 2.0, 4.0]
    while ladder[-1] * _FINEST < accounts:
        ladder.append(ladder[-1] * 2)
    return ladder


def rarity(cells: Cells) -> Floats:
    """Bits of each coincidence: −log2 of the share of accounts that carry its value."""
    degree = cells.incidence.degree[cells.value]
    bits: Floats = np.log2(cells.accounts / degree)
    return bits


def communities(cells: Cells, bits: Floats, resolution: float, seed: int) -> list[Ints]:
    """Communities of three accounts or more over the graph of accounts and values.

    ``bits`` weigh the coincidences; they are rounded to eighths so that sums are exact in any order.
    """
    weight = np.rint(bits * 8)
    use = weight > 0
    nodes, place = np.unique(np.concatenate([cells.account[use], cells.value[use] + cells.accounts]),
                             return_inverse=True)
    left, right = place[: int(use.sum())], place[int(use.sum()):]
    graph = sp.csr_array((weight[use], (left, right)), shape=(len(nodes), len(nodes)))
    graph = sp.csr_array(graph + graph.T)
    graph.sort_indices()
    label = leiden(graph, resolution, seed)
    is_account = nodes < cells.accounts
    found, inverse, sizes = np.unique(label[is_account], return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    parts = np.split(nodes[is_account][order], np.cumsum(sizes)[:-1])
    return [np.sort(part) for part, size in zip(parts, sizes, strict=True) if size >= 3] if len(found) else []


def proposals(cells: Cells, seed: int) -> Iterator[list[Ints]]:
    """Lists of communities, one a resolution and way of weighing.

    Plain rarity lets an account's many values speak; the balanced graph allows each family of an account at most
    ``_FAMILY_BITS`` in all, so that a thousand prompts do not drown a card.
    """
    if not len(cells.account):
        return
    plain = rarity(cells)
    families = len(cells.incidence.families)
    place = cells.account * families + cells.family[cells.kind[cells.cell]]
    whole = np.bincount(place, weights=plain, minlength=cells.accounts * families)[place]
    balanced = plain * np.minimum(1.0, _FAMILY_BITS / np.maximum(whole, 1e-9))
    for bits in (plain, balanced):
        for resolution in resolutions(cells.accounts):
            yield communities(cells, bits, resolution, seed)
