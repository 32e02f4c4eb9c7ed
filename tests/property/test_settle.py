"""How groups settle: who is drawn in, who is let go, and what members say of themselves."""

import numpy as np
import pytest

from link_traffic import FAMILIES, ordinary, paid, precision_recall, sightings, worded
from stillwatch.link import MIN_MEMBERS, encode
from stillwatch.link.cells import cells_of
from stillwatch.link.choose import settled_of
from stillwatch.link.evidence import evidence, stock_of
from stillwatch.link.membership import belonging
from stillwatch.link.settle import describe, membership_matrix, settle

SEEDS = range(10, 14)


def cells_and_codes(rows):
    """The cells, and codes of accounts by a test of their names."""
    incidence = encode(sightings(rows), FAMILIES)
    names = incidence.accounts.to_pylist()
    return cells_of(incidence), lambda test: np.array([i for i, name in enumerate(names) if test(name)])


def campaign(name):
    return name.startswith("p")


@pytest.mark.parametrize("seed", SEEDS)
def test_who_carries_the_stock_is_drawn_in_and_who_does_not_is_let_go(seed):
    """A proposal of two thirds of a campaign and ten strangers settles on the campaign."""
    rng = np.random.default_rng(seed)
    cells, codes = cells_and_codes(ordinary(rng, 1000) + paid(rng, 40))
    truth = codes(campaign)
    strangers = rng.permutation(codes(lambda name: name[0] == "o"))[:10]
    proposal = np.sort(np.concatenate([rng.permutation(truth)[:26], strangers]))
    (group,) = settle(cells, [proposal])
    precision, recall = precision_recall(set(group.tolist()), set(truth.tolist()))
    assert precision == 1.0, f"seed {seed}"
    assert recall >= 0.95, f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_strangers_are_no_group_however_often_they_are_proposed(seed):
    rng = np.random.default_rng(seed)
    cells, _ = cells_and_codes(ordinary(rng, 600))
    proposals = [np.sort(rng.choice(600, size, replace=False)) for size in (3, 5, 10, 20, 40, 80)]
    assert all(group.score < 30 for group in describe(cells, settle(cells, proposals))), f"seed {seed}"


def test_settling_a_settled_group_changes_nothing_and_order_of_groups_neither():
    rng = np.random.default_rng(10)
    cells, codes = cells_and_codes(ordinary(rng, 1000) + paid(rng, 40) + worded(rng, 40, wordings=60, each=8))
    groups = [codes(campaign), codes(lambda n: n[0] == "w")]
    settled = settle(cells, groups)
    assert len(settled) == 2
    for again in (settle(cells, settled), settle(cells, settled[::-1])):
        assert {group.tobytes() for group in again} == {group.tobytes() for group in settled}


def test_the_same_group_twice_is_one_and_too_small_a_group_is_none():
    rng = np.random.default_rng(11)
    cells, codes = cells_and_codes(ordinary(rng, 1000) + paid(rng, 40))
    assert len(settle(cells, [codes(campaign), codes(campaign)[:-2]])) == 1
    assert settle(cells, [codes(campaign)[: MIN_MEMBERS - 1]]) == []
    assert settle(cells, []) == []
    assert describe(cells, []) == []


def test_a_trait_of_one_member_alone_never_raises_that_member():
    """What only one member carries is no stock, and what one member and outsiders carry is worth it nothing."""
    rng = np.random.default_rng(12)
    rows = ordinary(rng, 300) + paid(rng, 20)
    before_cells, codes = cells_and_codes(rows)
    member = membership_matrix(before_cells, [codes(campaign)])
    first = evidence(before_cells, member, stock_of(before_cells, member))
    who = codes(lambda name: name == "p3")[0]
    rows += [("p3", "device", "rare", 1), ("o7", "device", "rare", 1)]
    rows += [(f"p{i}", "device", f"own{i}", 1) for i in range(20) if i != 3]
    cells, codes = cells_and_codes(rows)
    new = codes(lambda name: name == "p3")[0]
    member = membership_matrix(cells, [codes(campaign)])
    stock = stock_of(cells, member)
    seen = evidence(cells, member, stock)
    rare = cells.incidence.values.to_pylist().index("rare")
    assert stock[rare] == -1
    identity = cells.incidence.families.index("identity")
    assert seen.bits[seen.account == new, identity] <= 0.0
    assert seen.total[seen.account == new] <= first.total[first.account == who] + 1e-9


def test_belonging_leaves_a_member_out_of_what_it_is_judged_by():
    """One known account shares nothing with the others: that it carries its own traits proves nothing."""
    rng = np.random.default_rng(13)
    incidence = encode(sightings(ordinary(rng, 500) + paid(rng, 30)), FAMILIES)
    names = incidence.accounts.to_pylist()
    known = np.array(sorted(names.index(name) for name in [*(f"p{i}" for i in range(0, 30, 2)), "o5"]))
    found = belonging(incidence, known)
    chance = dict(zip(names, found.probability.tolist(), strict=True))
    for start, who in ((0, "who is known"), (1, "who carries their stock")):
        chances = [chance[f"p{i}"] for i in range(start, 30, 2)]
        assert np.median(chances) > 0.75, who
        assert np.mean(np.array(chances) > 0.5) >= 0.8, who
    assert chance["o5"] < 0.1
    assert np.mean([chance[name] < 0.5 for name in names if name[0] == "o"]) > 0.99
    assert found.bits.shape == (incidence.size, len(incidence.families))
    assert ((found.probability >= 0) & (found.probability <= 1)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_of_rivals_an_account_belongs_to_the_one_that_explains_it_best(seed):
    rng = np.random.default_rng(seed)
    cells, codes = cells_and_codes(ordinary(rng, 1000) + paid(rng, 40) + worded(rng, 40, wordings=60, each=8))
    paying, writing = codes(campaign), codes(lambda n: n[0] == "w")
    mixed = [np.union1d(paying, writing[:4]), np.union1d(writing, paying[:4])]
    found = settle(cells, mixed, rivals=[0, 0])
    assert {group.tobytes() for group in found} == {paying.tobytes(), writing.tobytes()}, f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_described_group_adds_up(seed):
    rng = np.random.default_rng(seed)
    cells, codes = cells_and_codes(ordinary(rng, 1000) + paid(rng, 40))
    truth = codes(campaign)
    stranger = codes(lambda name: name == "o3")
    (group,) = describe(cells, [np.union1d(truth, stranger)], [0.5])
    assert set(group.members.tolist()) <= set(truth.tolist()), "who shows a fifth of what is typical is left out"
    np.testing.assert_allclose(group.strength, group.bits.sum(axis=0))
    assert group.stability == 0.5
    size = len(group.members)
    ways = sum(np.log2(cells.accounts - i) - np.log2(i + 1) for i in range(size))
    assert group.choice == pytest.approx(ways)
    assert group.score == pytest.approx(group.bits.sum() - ways)
    odds = np.log2(group.probability / (1 - group.probability))
    known = group.probability < 1 - 1e-9
    np.testing.assert_allclose(odds[known], (group.bits.sum(axis=1) - np.log2(cells.accounts / size))[known], rtol=1e-4)


@pytest.mark.parametrize("seed", [3, 8, 21])
def test_those_who_show_two_things_are_found_among_more_who_show_one(seed):
    """A community may hold a whole operation of which fewer than half carry both of what its accounts share."""
    rng = np.random.default_rng(seed)
    rows = ordinary(rng, 3000)
    both = set(range(14))
    for i in range(40):
        rows += [(f"c{i}", "agent", f"agent{rng.zipf(1.6) % 30}", 5)]
        rows += [(f"c{i}", "card", "one card" if i in both or i < 27 else f"c{i}own", 1)]
        rows += [(f"c{i}", "ip", "one address" if i in both or i >= 27 else f"c{i}home", 3)]
    rows += [(f"o{i}", "card", "one card", 1) for i in range(8)]
    rows += [(f"o{i}", "ip", "one address", 1) for i in range(100, 108)]
    cells = cells_of(encode(sightings(rows), FAMILIES))
    names = np.array(cells.incidence.accounts.to_pylist())
    operation = np.flatnonzero(np.char.startswith(names, "c"))
    assert not settle(cells, [operation])
    (core,) = (group.members for group in settled_of(cells, [operation]).cores)
    assert {f"c{i}" for i in both} <= set(names[core].tolist()) <= {f"c{i}" for i in range(40)}
