"""What is run apart comes apart, and one operation stays whole, however its accounts cluster."""

import numpy as np
import pytest

from link_traffic import FAMILIES, named_groups, ordinary, paid, precision_recall, sightings, worded
from stillwatch.link import encode, link
from stillwatch.link.cells import cells_of
from stillwatch.link.evidence import evidence
from stillwatch.link.operations import operations
from stillwatch.link.settle import membership_matrix

SEEDS = range(20, 24)


def piped(rng, accounts, prefix, *, own=60, shared=40, each=8, **means):
    """A campaign with cards and proxies of its own, whose pipeline's wordings others use too."""
    rows = paid(rng, accounts, prefix=prefix, **means)
    for i in range(accounts):
        rows += [(f"{prefix}{i}", "template", f"pipeline{k}", 2) for k in rng.choice(shared, each // 2, replace=False)]
        rows += [(f"{prefix}{i}", "template", f"{prefix}wording{k}", 2) for k in rng.choice(own, each, replace=False)]
    return rows


def codes_of(rows):
    """The cells, and the codes of accounts whose names begin with any of some letters."""
    incidence = encode(sightings(rows), FAMILIES)
    names = incidence.accounts.to_pylist()
    return cells_of(incidence), lambda letters: np.array([i for i, name in enumerate(names) if name[0] in letters])


@pytest.mark.parametrize("seed", SEEDS)
def test_two_operators_of_one_pipeline_come_apart(seed):
    rng = np.random.default_rng(seed)
    cells, codes = codes_of(ordinary(rng, 800) + piped(rng, 60, "p") + piped(rng, 36, "q", addresses=12))
    parts, whole = operations(cells, [codes("pq")], 0)
    assert whole == [0] * len(parts)
    assert sorted(map(bytes, parts)) == sorted(map(bytes, (codes("p"), codes("q")))), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_linking_reports_two_operators_of_one_pipeline_as_two(seed):
    rng = np.random.default_rng(seed)
    rows = ordinary(rng, 800) + piped(rng, 60, "p") + piped(rng, 36, "q", addresses=12) + piped(rng, 24, "r")
    groups = named_groups(link(sightings(rows), FAMILIES))
    for letter in "pqr":
        truth = frozenset(row[0] for row in rows if row[0][0] == letter)
        precision, recall = max((precision_recall(group, truth) for group in groups), key=min)
        print(f"seed {seed}, {letter}: precision {precision:.3f}, recall {recall:.3f}")
        assert precision >= 0.97, letter
        assert recall >= 0.9, letter


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("means", [{"a_card": 3, "addresses": 60, "each": 2}, {"a_card": 20, "addresses": 10},
                                   {"a_card": 5, "addresses": 200, "each": 3}])
def test_cliques_of_cards_and_proxies_are_one_operation(seed, means):
    """Parts that were chosen for differing in cards differ in nothing else."""
    rng = np.random.default_rng(seed)
    cells, codes = codes_of(ordinary(rng, 800) + piped(rng, 90, "p", **means))
    (part,), _ = operations(cells, [codes("p")], 0)
    assert part.tolist() == codes("p").tolist(), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_wordings_alone_split_nothing(seed):
    """Without means that differ, two work lists may be one operator's."""
    rng = np.random.default_rng(seed)
    cells, codes = codes_of(ordinary(rng, 800) + worded(rng, 80, wordings=300, each=12))
    (part,), _ = operations(cells, [codes("w")], 0)
    assert part.tolist() == codes("w").tolist(), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_two_work_lists_over_one_network_are_one_operation(seed):
    rng = np.random.default_rng(seed)
    rows = ordinary(rng, 800) + paid(rng, 80, addresses=20, each=4)
    for i in range(80):
        letter = "a" if i < 40 else "b"
        rows += [(f"p{i}", "template", f"{letter}wording{k}", 2) for k in rng.choice(60, 10, replace=False)]
    cells, codes = codes_of(rows)
    (part,), _ = operations(cells, [codes("p")], 0)
    assert part.tolist() == codes("p").tolist(), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_small_part_is_seen_as_it_is_in_the_whole(seed):
    """``Cells.only`` numbers anew and changes no evidence."""
    rng = np.random.default_rng(seed)
    cells, codes = codes_of(ordinary(rng, 300) + piped(rng, 30, "p"))
    part, some = codes("p"), np.sort(rng.permutation(codes("po"))[:100])
    here = np.union1d(part, some)
    stock = np.full(len(cells.incidence.degree), -1, dtype=np.int64)
    stock[cells.value] = 0
    whole = evidence(cells.of(here), membership_matrix(cells, [part]), stock, against_all=True)
    small = cells.only(here)
    alone = evidence(small, membership_matrix(small, [np.searchsorted(here, part)]),
                     np.zeros(len(small.incidence.degree), dtype=np.int64), against_all=True)
    assert here[alone.account].tolist() == whole.account.tolist()
    np.testing.assert_allclose(alone.bits, whole.bits)
