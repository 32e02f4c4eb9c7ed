"""Linking against brute force, and its independence of names and order."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from stillwatch.link import encode, link, shared_values
from stillwatch.link.learn import chance_of_agreement, learn
from stillwatch.link.pairs import share_pairs
from stillwatch.link.score import surprise
from stillwatch.schema import SIGHTINGS, conform

FAMILIES = {"ip": ("network", 2), "prefix": ("network", 1), "card": ("payment", 1), "template": ("content", 1)}


def sightings(rows):
    account, kind, value, count = zip(*rows, strict=True) if rows else ((), (), (), ())
    return conform(pa.table({"account_id": pa.array(account, pa.string()), "kind": pa.array(kind, pa.string()),
                             "value": pa.array(value, pa.string()), "count": pa.array(count, pa.int64())}), SIGHTINGS)


incidences = st.lists(
    st.tuples(st.sampled_from([f"a{i}" for i in range(12)]), st.sampled_from(sorted(FAMILIES)),
              st.sampled_from(["u", "v", "w", "x", "y"]), st.integers(1, 9)),
    min_size=1, max_size=60, unique_by=lambda row: row[:3])


def by_brute_force(rows):
    """Every pair of accounts and the smallest chance of sharing as much as they do, a family."""
    accounts = sorted({row[0] for row in rows})
    carries = {account: {(kind, value) for a, kind, value, _ in rows if a == account} for account in accounts}
    degree = {}
    for values in carries.values():
        for value in values:
            degree[value] = degree.get(value, 0) + 1
    found = {}
    for a, b in itertools.combinations(accounts, 2):
        for value in carries[a] & carries[b]:
            family = FAMILIES[value[0]][0]
            chance = max(sum(degree[other] for other in carries[account]
                             if FAMILIES[other[0]][0] == family and degree[other] <= degree[value])
                         for account in (a, b)) / len(accounts)
            best = found.setdefault((a, b), {})
            best[family] = max(best.get(family, -1.0), -np.log2(min(chance, 1.0)))
    return found


@given(incidences)
@settings(max_examples=150, deadline=None)
def test_pairs_are_those_of_brute_force(rows):
    incidence = encode(sightings(rows), FAMILIES)
    pairs = share_pairs(incidence, budget=10**9)
    names = incidence.accounts.to_pylist()
    found = {}
    for a, b, rarity in zip(pairs.a, pairs.b, pairs.rarity, strict=True):
        shared = {family: r for family, r in zip(incidence.families, rarity, strict=True) if not np.isnan(r)}
        found[tuple(sorted((names[a], names[b])))] = shared
    expected = by_brute_force(rows)
    assert found.keys() == expected.keys()
    for pair, shared in expected.items():
        assert found[pair] == pytest.approx(shared)


@given(incidences, st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_a_budget_drops_pairs_but_never_misjudges_those_it_keeps(rows, budget):
    incidence = encode(sightings(rows), FAMILIES)
    every, some = share_pairs(incidence, budget=10**9), share_pairs(incidence, budget=budget)
    made = sum(d * (d - 1) // 2 for d in incidence.degree[incidence.degree <= some.largest])
    assert made <= budget or some.largest == 1
    known = {(a, b): rarity for a, b, rarity in zip(every.a, every.b, every.rarity, strict=True)}
    for a, b, rarity in zip(some.a, some.b, some.rarity, strict=True):
        np.testing.assert_allclose(rarity, known[a, b])
    assert set(some.capped) == set(np.flatnonzero(incidence.degree > some.largest))


def traffic(seed, ordinary=200, campaign=40):
    """Independent accounts, and a campaign that shares proxies, cards and a template."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(ordinary):
        address = f"home{i}" if rng.random() < 0.9 else f"nat{rng.integers(6)}"
        rows += [(f"o{i}", "ip", address, int(rng.integers(1, 40))), (f"o{i}", "card", f"own{i}", 1),
                 (f"o{i}", "prefix", f"range{rng.integers(150)}", 3)]
        if rng.random() < 0.4:
            rows.append((f"o{i}", "template", f"tool{rng.zipf(1.4) % 40}", int(rng.integers(1, 9))))
    for i in range(campaign):
        rows += [(f"c{i}", "ip", f"proxy{p}", int(rng.integers(1, 40))) for p in rng.choice(25, 3, replace=False)]
        rows += [(f"c{i}", "card", f"card{i // 5}", 1), (f"c{i}", "template", "harvest", int(rng.integers(30, 50)))]
    return rows


def groups_of(linked):
    names = linked.incidence.accounts.to_pylist()
    return {frozenset(names[m] for m in group.members) for group in linked.groups if len(group.members) > 2}


@pytest.mark.parametrize("seed", range(5))
def test_a_campaign_is_one_group_and_others_are_not_in_it(seed):
    strongest = max(link(sightings(traffic(seed)), FAMILIES).groups, key=lambda group: group.score)
    by_chance = max((group.score for group in link(sightings(traffic(seed, campaign=0)), FAMILIES).groups), default=0.0)
    largest = max(groups_of(link(sightings(traffic(seed)), FAMILIES)), key=len)
    mine = {account for account in largest if account.startswith("c")}
    assert len(mine) >= 30, f"seed {seed}"
    assert largest == mine, f"seed {seed}"
    assert strongest.score > 5 * by_chance, f"seed {seed}"


@pytest.mark.parametrize("seed", range(5))
def test_independent_accounts_make_no_group_of_note(seed):
    """Some pairs share something rare by chance; choosing them costs about as many bits as they show."""
    assert all(len(group) <= 4 for group in groups_of(link(sightings(traffic(seed, campaign=0)), FAMILIES))), seed


@given(st.integers(0, 50), st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_names_and_row_order_change_nothing(seed, random):
    rows = traffic(seed, ordinary=80, campaign=20)
    before = link(sightings(rows), FAMILIES)
    accounts = sorted({row[0] for row in rows})
    names = random.sample([f"n{i:03d}" for i in range(len(accounts))], len(accounts))
    renamed = dict(zip(accounts, names, strict=True))
    values = sorted({row[2] for row in rows})
    called = dict(zip(values, random.sample([f"v{i:05d}" for i in range(len(values))], len(values)), strict=True))
    shuffled = [(renamed[row[0]], row[1], called[row[2]], *row[3:]) for row in rows]
    random.shuffle(shuffled)
    after = link(sightings(shuffled), FAMILIES)
    assert {frozenset(renamed[a] for a in group) for group in groups_of(before)} == groups_of(after)
    assert sorted(g.score for g in before.groups) == pytest.approx(sorted(g.score for g in after.groups))


def test_surprise_is_the_hypergeometric_tail():
    rows = [(f"a{i}", "card", "shared" if i < 4 else f"c{i}", 1) for i in range(20)]
    incidence = encode(sightings(rows), FAMILIES)
    names = incidence.accounts.to_pylist()
    members = np.sort(np.array([names.index(f"a{i}") for i in (0, 1, 2, 10, 11)]))
    codes, carriers, bits = shared_values(incidence, members)
    assert incidence.values.take(pa.array(codes)).to_pylist() == ["shared"]
    assert carriers.tolist() == [3]
    chance = sum(hypergeom.pmf(k, 20, 4, 5) for k in (3, 4))
    assert bits[0] == pytest.approx(-np.log2(chance))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_surprise_agrees_with_scipy(data):
    accounts = data.draw(st.integers(2, 3000))
    members = data.draw(st.integers(1, accounts))
    degree = data.draw(st.integers(1, accounts))
    low, high = max(0, members + degree - accounts), min(members, degree)
    carriers = data.draw(st.integers(low, high))
    found = surprise(np.array([carriers, carriers]), accounts, np.array([degree, degree]), members)
    expected = max(0.0, -hypergeom.logsf(carriers - 1, accounts, degree, members) / np.log(2))
    assert found == pytest.approx([expected, expected], rel=1e-7, abs=1e-7)


def test_an_address_is_not_counted_again_as_its_prefix():
    rows = [(f"a{i}", "ip", "one" if i < 3 else f"i{i}", 1) for i in range(10)]
    rows += [(f"a{i}", "prefix", "range" if i < 3 else f"p{i}", 1) for i in range(10)]
    incidence = encode(sightings(rows), FAMILIES)
    names = incidence.accounts.to_pylist()
    codes, _, _ = shared_values(incidence, np.sort(np.array([names.index(f"a{i}") for i in range(3)])))
    assert incidence.values.take(pa.array(codes)).to_pylist() == ["one"]


OFTEN = {"card": 0.5, "ip": 0.8, "template": 0.9, "device": 0.7}


def couples(seed, linked=1200, alone=600):
    """Pairs run together that agree in each family with known frequency, among accounts that share nothing."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(linked):
        for kind, often in OFTEN.items():
            same = rng.random() < often
            rows += [(f"l{i}{side}", kind, f"{i}" if same else f"{i}{side}", 1) for side in "ab"]
    return rows + [(f"s{i}", kind, f"own{i}", 1) for i in range(alone) for kind in OFTEN]


@pytest.mark.parametrize("seed", range(3))
def test_m_is_learnt_from_pairs_that_are_known_to_be_run_together(seed):
    """The prior, worth 100 pairs, and pairs that agree too rarely to be noticed bias m by no more than a tenth."""
    incidence = encode(sightings(couples(seed)), FAMILIES | {"device": ("identity", 1)})
    model = learn(share_pairs(incidence), incidence)
    m = dict(zip(model.families, model.m, strict=True))
    truth = {"payment": 0.5, "network": 0.8, "content": 0.9, "identity": 0.7}
    assert m == pytest.approx(truth, abs=0.1), f"seed {seed}"


def test_chance_agreement_is_measured_not_assumed():
    """On few accounts it is exact: the share of pairs that have any value of the family in common."""
    rows = [(f"a{i}", "ip", f"v{(i * k) % 7}", 1) for i in range(30) for k in (1, 2)]
    incidence = encode(sightings(sorted(set(rows))), FAMILIES)
    sets = [{(i * k) % 7 for k in (1, 2)} for i in range(30)]
    agree = [bool(a & b) for a, b in itertools.combinations(sets, 2)]
    assert chance_of_agreement(incidence)[0] == pytest.approx((sum(agree) + 1) / (len(agree) + 2))


def test_logs_without_accounts_or_with_one_link_nobody():
    assert link(sightings([]), FAMILIES).groups == ()
    assert link(sightings([("a", "ip", "x", 1)]), FAMILIES).groups == ()


@pytest.mark.parametrize("values", [2, 3])
@pytest.mark.parametrize("accounts", range(3, 8))
def test_a_few_accounts_that_share_common_values_link_nobody(accounts, values):
    """Whoever is proposed as a group here has no stock: nothing is told from what everybody has."""
    for seed in range(8):
        rng = np.random.default_rng([accounts, values, seed])
        rows = {(f"a{i}", "template", f"t{rng.integers(values)}", 1) for i in range(accounts) for _ in range(2)}
        assert link(sightings(sorted(rows)), FAMILIES).groups == ()
