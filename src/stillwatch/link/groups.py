"""Edges → groups: Leiden at several resolutions, keeping what is stable across them.

Raw co-occurrence is never clustered: only pairs that are more probably run together than not become edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from graspologic_native import leiden_csr
from scipy.sparse.csgraph import connected_components

from stillwatch.link.incidence import Ints
from stillwatch.link.pairs import Floats, Pairs

__all__ = ["RESOLUTIONS", "Partition", "choose_edges", "partition"]

RESOLUTIONS = (0.25, 0.5, 1.0, 2.0)
"""Two octaves either side of ordinary modularity's half: coarser and finer views of the same graph."""


@dataclass(frozen=True)
class Partition:
    """``label[i]`` is account i's group, −1 for none; ``stability[e]`` the share of resolutions at which the
    ends of edge e came out together."""

    label: Ints
    stability: Floats


def leiden(graph: sp.csr_matrix, resolution: float, seed: int) -> Ints:
    """Communities of a symmetric graph by the Leiden algorithm (Traag, Waltman & van Eck 2019), modularity as quality.

    One seeded pass on one thread: the same graph and seed give the same partition.
    """
    size = graph.shape[0]
    _, community = leiden_csr(graph.indptr.astype(np.int64), graph.indices.astype(np.int32),
                              graph.data.astype(np.float64), size, resolution=resolution, seed=seed)
    return np.fromiter((community[node] for node in range(size)), np.int64, size)


def choose_edges(probability: Floats) -> Ints:
    """Indices of the pairs that become edges: those more probably run together than not.

    A lenient bar on purpose: an edge proposes, the group that settles around it is what decoys test.
    """
    return np.flatnonzero(probability >= 0.5).astype(np.int64)


def partition(pairs: Pairs, edges: Ints, bits: Floats, accounts: int, seed: int) -> Partition:
    """Group accounts over the chosen edges.

    ``bits`` are the edges' weights; they are rounded to whole bits so that sums are exact in any order. An
    edge whose ends are together at half of the resolutions or more holds; groups are what holding edges
    connect.
    """
    label = np.full(accounts, -1, dtype=np.int64)
    a, b = pairs.a[edges], pairs.b[edges]
    if not len(edges):
        return Partition(label, np.zeros(0))
    nodes, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    left, right = place[: len(a)], place[len(a):]
    weight = np.maximum(1, np.rint(bits)).astype(np.int64)
    size = len(nodes)
    graph = sp.csr_matrix((weight, (left, right)), shape=(size, size))
    graph = graph + graph.T
    graph.sort_indices()
    together = np.zeros(len(edges))
    for resolution in RESOLUTIONS:
        found = leiden(graph, resolution, seed)
        together += found[left] == found[right]
    stability = together / len(RESOLUTIONS)
    holds = stability >= 0.5
    kept = sp.csr_matrix((np.ones(int(holds.sum())), (left[holds], right[holds])), shape=(size, size))
    _, component = connected_components(kept, directed=False)
    label[nodes] = component
    sizes = np.bincount(component)
    label[nodes[sizes[component] < 2]] = -1
    return Partition(label, stability)
