"""Where groups may be: accounts and values clustered together, at several resolutions.

Pairs show what two accounts share. What no pair carries, such as three hundred wordings of which any two
accounts share four, shows when accounts and values are clustered at once: the graph of who carries what, its
edges weighted by rarity, falls into communities of accounts *and* of the values that make them alike. The work
is O(sightings) a resolution; no pair is ever made. A community is a proposal, nothing more: groups settle on
evidence (``settle``) and are compared with decoys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp
from graspologic_native import leiden_csr

from stillwatch.link.cells import Cells
from stillwatch.link.incidence import Ints
from stillwatch.link.pairs import Floats

__all__ = ["Graph", "communities", "graph_of", "is_large", "leiden", "plans", "resolutions", "steps"]

_FINEST = 200
"""Accounts a unit of resolution: the ladder rises until a campaign of about this many is a community of its own."""

_WORK = 6_000_000
"""Coincidences that all lists together may look at before fewer resolutions are tried."""

_FEW = 500
"""Accounts that may carry a value that is in the graphs of large data. Of 200,000 accounts a value of more says less
than nine bits. Without them a third of the coincidences is saved; what the two first lists found of planted
campaigns was the same in the plain one; in the balanced one two were in more pieces (one seed)."""

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
    label = np.empty(size, dtype=np.int64)
    label[np.fromiter(community.keys(), np.int64, size)] = np.fromiter(community.values(), np.int64, size)
    return label


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


@dataclass(frozen=True)
class Graph:
    """Who carries what, as a weighted graph: accounts first, then values (both without those that weigh nothing)."""

    accounts: Ints
    matrix: sp.csr_array


def graph_of(cells: Cells, bits: Floats) -> Graph:
    """The graph of accounts and values; ``bits`` weigh the coincidences.

    They are rounded to eighths so that sums are exact in any order.
    """
    weight = np.rint(bits * 8)
    use = weight > 0
    accounts, left = np.unique(cells.account[use], return_inverse=True)
    values, right = np.unique(cells.value[use], return_inverse=True)
    half = sp.csr_array((weight[use], (left, right)), shape=(len(accounts), len(values)))
    matrix = sp.csr_array(sp.block_array([[None, half], [half.T, None]], format="csr")) if half.nnz else half
    matrix.sort_indices()
    return Graph(accounts, matrix)


def communities(graph: Graph, resolution: float, seed: int) -> list[Ints]:
    """Communities of three accounts or more over the graph of accounts and values."""
    label = leiden(graph.matrix, resolution, seed)[: len(graph.accounts)]
    order = np.argsort(label, kind="stable")
    parts = np.split(graph.accounts[order], np.flatnonzero(np.diff(label[order])) + 1)
    return [part for part in parts if len(part) >= 3]


def steps(accounts: int, coincidences: int) -> list[tuple[bool, float]]:
    """Which lists to make, each a way of weighing (balanced or not) and a resolution.

    All of the ladder in both ways, while that looks at no more than ``_WORK`` coincidences. In larger data as many
    as that allows, two at least, in this order: plain at one step a 3,000 accounts, balanced and plain at one a 400,
    balanced at one a 3,000, then the ladder from its finest end. The first two complement one another: of 16
    campaigns planted by ``benchmarks/link_speed.py`` (one seed) they lack one, of twelve accounts, at 200,000 accounts
    and one of twelve at a million. The whole ladder would be surer.
    """
    ladder = resolutions(accounts)
    every = [(balanced, resolution) for balanced in (False, True) for resolution in ladder]
    affordable = max(2, _WORK // max(1, coincidences))
    if affordable >= len(every):
        return every

    def nearest(size: int) -> float:
        return min(ladder, key=lambda step: float(abs(np.log2(step * size / accounts))))

    coarse, fine = nearest(3000), nearest(400)
    first = [(False, coarse), (True, fine), (False, fine), (True, coarse)]
    rest = sorted(set(every) - set(first), key=lambda step: (-step[1], step[0]))
    return [*first, *rest][:affordable]


def is_large(cells: Cells) -> bool:
    """Whether not all of the ladder is affordable."""
    return len(steps(cells.accounts, len(cells.account))) < 2 * len(resolutions(cells.accounts))


def plans(cells: Cells, seed: int) -> list[Callable[[], list[Ints]]]:
    """What makes lists of communities, one a resolution and way of weighing (see ``steps``).

    Plain rarity lets an account's many values speak; the balanced graph allows each family of an account at most
    ``_FAMILY_BITS`` in all, so that a thousand prompts do not drown a card. In large data values of more than ``_FEW``
    accounts are left out of the graphs; they still count as evidence.
    """
    if not len(cells.account):
        return []
    plain = rarity(cells)
    if is_large(cells):
        plain[cells.incidence.degree[cells.value] > _FEW] = 0.0
    families = len(cells.incidence.families)
    place = cells.account * families + cells.family[cells.kind[cells.cell]]
    whole = np.bincount(place, weights=plain, minlength=cells.accounts * families)[place]
    balanced = plain * np.minimum(1.0, _FAMILY_BITS / np.maximum(whole, 1e-9))
    wanted = steps(cells.accounts, len(cells.account))
    graphs = {way: graph_of(cells, balanced if way else plain) for way in {way for way, _ in wanted}}
    return [partial(communities, graphs[way], resolution, seed) for way, resolution in wanted]
