"""The Leiden wrapper against networkx, on graphs whose parts are known."""

import itertools

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from stillwatch.link.cocluster import leiden, resolutions

TOLERANCE = 0.02
"""Modularity that one pass may fall short of Louvain run to its end."""


def planted(seed):
    """A weighted graph of a few communities, some of them in components of their own."""
    rng = np.random.default_rng(seed)
    graph = nx.Graph()
    for part in range(rng.integers(1, 4)):
        sizes = [int(size) for size in rng.integers(8, 40, size=rng.integers(2, 6))]
        one = nx.stochastic_block_model(sizes, np.full((len(sizes), len(sizes)), 0.02) + 0.4 * np.eye(len(sizes)),
                                        seed=int(rng.integers(2**31)))
        graph = nx.union(graph, nx.Graph(one.edges), rename=(None, f"{part}-"))
    for a, b in graph.edges:
        graph[a][b]["weight"] = int(rng.integers(1, 9))
    return nx.convert_node_labels_to_integers(graph)


def communities(graph, seed, resolution=1.0):
    matrix = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=np.float64))
    matrix.sort_indices()
    label = leiden(matrix, resolution, seed)
    return label, [set(np.flatnonzero(label == one).tolist()) for one in np.unique(label)]


@pytest.mark.parametrize("seed", range(12))
def test_modularity_is_that_of_an_independent_implementation(seed):
    graph = planted(seed)
    for resolution in (0.5, 1.0, 2.0):
        _, mine = communities(graph, seed, resolution)
        theirs = nx.community.louvain_communities(graph, weight="weight", resolution=resolution, seed=seed)
        reached, known = (nx.community.modularity(graph, parts, weight="weight", resolution=resolution)
                          for parts in (mine, theirs))
        print(f"seed {seed}, resolution {resolution}: {reached:.4f}, networkx {known:.4f}")
        assert reached >= known - TOLERANCE, f"seed {seed}, resolution {resolution}"


@pytest.mark.parametrize("seed", range(12))
def test_communities_hold_together_and_components_are_never_joined(seed):
    graph = planted(seed)
    for resolution in (0.1, 1.0, 4.0):
        _, parts = communities(graph, seed, resolution)
        assert sorted(node for part in parts for node in part) == sorted(graph), f"seed {seed}"
        for part in parts:
            assert nx.is_connected(graph.subgraph(part)), f"seed {seed}, resolution {resolution}"


@pytest.mark.parametrize("seed", range(4))
def test_the_same_graph_and_seed_give_the_same_partition(seed):
    graph = planted(seed)
    first = communities(graph, seed)[0]
    assert all((communities(graph, seed)[0] == first).all() for _ in range(5))


def test_two_cliques_with_one_bridge_are_two_communities():
    graph = nx.barbell_graph(6, 0)
    nx.set_edge_attributes(graph, 1, "weight")
    assert sorted(map(sorted, communities(graph, 0)[1])) == [list(range(6)), list(range(6, 12))]


def test_a_graph_without_edges_is_nodes_alone():
    assert leiden(sp.csr_array((4, 4)), 1.0, 0).tolist() == [0, 1, 2, 3]


def test_the_ladder_rises_to_a_community_of_two_hundred_accounts():
    for accounts in (10, 799, 801, 5_000, 1_000_000):
        ladder = resolutions(accounts)
        assert ladder[:4] == [0.5, 1.0, 2.0, 4.0]
        assert all(b == 2 * a for a, b in itertools.pairwise(ladder))
        assert ladder[-1] * 200 >= min(accounts, 800)
        assert len(ladder) == 4 or ladder[-2] * 200 < accounts
