"""What a group's stock is and what it says of an account, against plain loops written from the docstrings."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link_traffic import FAMILIES, sightings
from stillwatch.link import encode
from stillwatch.link.cells import cells_of
from stillwatch.link.evidence import SHARES, evidence, stock_of
from stillwatch.link.settle import membership_matrix

KINDS = ["card", "ip", "prefix", "template"]


class Plain:
    """Accounts, what each carries by kind, and the groups, as dictionaries of sets."""

    def __init__(self, incidence, groups):
        self.kind_of = {v: incidence.kinds[k] for v, k in enumerate(incidence.kind.tolist())}
        self.family = {kind: FAMILIES[kind][0] for kind in incidence.kinds}
        self.accounts = range(incidence.size)
        self.carries = {a: {} for a in self.accounts}
        for a, v in zip(incidence.account.tolist(), incidence.value.tolist(), strict=True):
            self.carries[a].setdefault(self.kind_of[v], set()).add(v)
        self.groups = [set(group.tolist()) for group in groups]

    def values(self, accounts, kind):
        """Values of a kind that the accounts carry, one entry a coincidence."""
        return [v for a in accounts for v in self.carries[a].get(kind, ())]

    def distinct(self, kind):
        return len(set(self.values(self.accounts, kind)))

    def telling(self, value):
        carriers = self.values(self.accounts, self.kind_of[value]).count(value)
        return 2 <= carriers < len(self.accounts)


def plain_stock(plain, value):
    """How much more frequent a value is in each group, and how strongly it speaks for it; telling values only."""
    kind, speaks = plain.kind_of[value], {}
    for g, group in enumerate(plain.groups):
        inside = plain.values(group, kind)
        outside = plain.values(set(plain.accounts) - group, kind)
        k = inside.count(value)
        # A member left out sees the value carried by the k − 1 others.
        ratio = ((k - 1) / max(len(inside), 1)) / ((outside.count(value) + 1) / (len(outside) + plain.distinct(kind)))
        if plain.telling(value) and k >= 2:
            speaks[g] = (ratio, k * math.log2(ratio))
    return speaks


def plain_ratio(plain, account, group, value, against_all):
    """ρ: the value's share among the other members over its share outside, the account left out of both."""
    kind = plain.kind_of[value]
    others = plain.values(group - {account}, kind)
    everybody, rest = plain.values(plain.accounts, kind), plain.values(set(plain.accounts) - group, kind)
    if against_all:
        outside = everybody.count(value) / (len(everybody) + plain.distinct(kind))
    else:
        known = plain.values(set(plain.accounts) - group - {account}, kind).count(value)
        outside = (known + 1) / (len(rest) + plain.distinct(kind))
    return others.count(value) / max(len(others), 1) / outside


def plain_levels(plain, stock, against_all):
    """(group, account, kind) → likelihood ratio of each level, where anything of the group's stock is carried."""
    found = {}
    for g, group in enumerate(plain.groups):
        for a in plain.accounts:
            for kind, values in plain.carries[a].items():
                if any(stock[v] == g for v in values):
                    ratios = [plain_ratio(plain, a, group, v, against_all) if stock[v] == g else 0.0 for v in values]
                    found[g, a, kind] = [math.prod(1 - share + share * r for r in ratios) for share in SHARES]
    return found


def plain_em(levels, silent, base, weight):
    """Six rounds of EM for the shares of accounts at each level; ``silent`` accounts are at level 0."""
    rates = list(base)
    for _ in range(6):
        seen = [0.0] * len(SHARES)
        for level in levels:
            joint = [like * rate for like, rate in zip(level, rates, strict=True)]
            for i, part in enumerate(joint):
                seen[i] += part / sum(joint)
        seen[0] += silent
        rates = [(s + weight * b) / (sum(seen) + weight) for s, b in zip(seen, base, strict=True)]
    return rates


def plain_rates(plain, levels):
    """Shares of members at each level, a group and kind, shrunk to those of all groups."""
    rates = {}
    for kind in plain.family:
        mine = {g: [level for (h, a, k), level in levels.items() if (h, k) == (g, kind) and a in group]
                for g, group in enumerate(plain.groups)}
        silent = {g: sum(kind in plain.carries[a] for a in group) - len(mine[g])
                  for g, group in enumerate(plain.groups)}
        even = [1 / len(SHARES)] * len(SHARES)
        pooled = plain_em([level for some in mine.values() for level in some], sum(silent.values()), even, 1.0)
        for g in mine:
            rates[g, kind] = plain_em(mine[g], silent[g], pooled, 3.0)
    return rates


def plain_evidence(plain, stock, families, against_all):
    levels = plain_levels(plain, stock, against_all)
    rates = plain_rates(plain, levels)
    found = {}
    for g, a in sorted({(g, a) for g, a, _ in levels}):
        for family in families:
            kinds = [kind for kind in plain.family if plain.family[kind] == family]
            said = [math.log2(sum(r * x for r, x in zip(rates[g, kind], levels[g, a, kind], strict=True)))
                    for kind in kinds if (g, a, kind) in levels]
            silence = min(0.0, max(math.log2(rates[g, kind][0]) for kind in kinds))
            has = any(kind in plain.carries[a] for kind in kinds)
            found[g, a, family] = max(said) if said else (silence if has else 0.0)
    return found


@st.composite
def cases(draw):
    """A small incidence and two or three groups, which may overlap."""
    size = draw(st.integers(4, 11))
    rows = draw(st.lists(st.tuples(st.sampled_from([f"a{i}" for i in range(size)]), st.sampled_from(KINDS),
                                   st.sampled_from("uvwxyz"), st.integers(1, 3)),
                         min_size=8, max_size=90, unique_by=lambda row: row[:3]))
    incidence = encode(sightings(rows), FAMILIES)
    accounts = st.integers(0, incidence.size - 1)
    groups = draw(st.lists(st.sets(accounts, min_size=1, max_size=6), min_size=1, max_size=3))
    return incidence, [np.array(sorted(group)) for group in groups]


@given(cases())
@settings(max_examples=200, deadline=None)
def test_a_value_testifies_for_the_group_that_it_is_most_telling_of(case):
    incidence, groups = case
    owner = stock_of(cells_of(incidence), membership_matrix(cells_of(incidence), groups))
    plain = Plain(incidence, groups)
    for value, mine in enumerate(owner.tolist()):
        speaks = plain_stock(plain, value)
        if mine < 0:
            assert all(ratio <= 2 + 1e-9 for ratio, _ in speaks.values())
        else:
            assert speaks[mine][0] > 2 - 1e-9
            assert speaks[mine][1] == pytest.approx(max(said for ratio, said in speaks.values() if ratio > 2 - 1e-9))
            # Two groups that it is as telling of: the first has it, whatever the order of the loop.
            assert all(g >= mine for g, (_, said) in speaks.items() if said == speaks[mine][1])


@given(cases(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_evidence_is_that_of_plain_loops(case, against_all):
    incidence, groups = case
    cells = cells_of(incidence)
    member = membership_matrix(cells, groups)
    stock = stock_of(cells, member)
    seen = evidence(cells, member, stock, against_all=against_all)
    expected = plain_evidence(Plain(incidence, groups), stock.tolist(), incidence.families, against_all)
    found = {(int(g), int(a), family): bit for g, a, row in zip(seen.group, seen.account, seen.bits, strict=True)
             for family, bit in zip(incidence.families, row.tolist(), strict=True)}
    assert found.keys() == expected.keys()
    for where, bit in expected.items():
        assert found[where] == pytest.approx(bit, abs=1e-9), where
    assert list(zip(seen.group, seen.account, strict=True)) == sorted(zip(seen.group, seen.account, strict=True))
    np.testing.assert_allclose(seen.total, seen.bits.sum(axis=1))


@given(cases(), st.data())
@settings(max_examples=100, deadline=None)
def test_any_stock_may_be_given(case, data):
    """Stock need not be enriched: ``belonging`` and ``operations`` give groups whatever their members carry."""
    incidence, groups = case
    cells = cells_of(incidence)
    given_stock = np.full(len(incidence.degree), -1, dtype=np.int64)
    for value in np.unique(cells.value):
        given_stock[value] = data.draw(st.integers(-1, len(groups) - 1))
    seen = evidence(cells, membership_matrix(cells, groups), given_stock)
    expected = plain_evidence(Plain(incidence, groups), given_stock.tolist(), incidence.families, False)
    found = {(int(g), int(a), family): bit for g, a, row in zip(seen.group, seen.account, seen.bits, strict=True)
             for family, bit in zip(incidence.families, row.tolist(), strict=True)}
    assert found == pytest.approx(expected, abs=1e-9)
