"""Shortcuts of linking give what the long way gives."""

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.link import cocluster, encode, find_groups
from stillwatch.link.cells import cells_of
from stillwatch.link.evidence import evidence, stock_of
from stillwatch.link.incidence import compact, spans, starts
from stillwatch.link.pairs import _popular_among_many, _popular_by_bits, _rarity, share_pairs
from stillwatch.link.settle import membership_matrix
from stillwatch.schema import FAMILY_OF


def logs(seed, accounts=400, campaign=40):
    """Ordinary accounts, and a campaign with 60 prompts of its own; some rows are repeated."""
    rng = np.random.default_rng(seed)
    rows = [(account, kind, f"{kind}{int(pool * rng.random() ** 2.5)}") for account in range(accounts)
            for kind, pool, many in (("template", 300, 6), ("ip", 500, 3), ("asn", 30, 1), ("sdk", 5, 1))
            for _ in range(many)]
    rows += [(account, "template", f"own{rng.integers(60)}") for account in range(campaign) for _ in range(12)]
    order = rng.permutation(len(rows))
    account, kind, value = zip(*(rows[place] for place in order), strict=True)
    return pa.table({"account_id": [f"a{number}" for number in account], "kind": list(kind), "value": list(value),
                     "count": pa.array([1] * len(rows), pa.int64())})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_encoding_keeps_every_coincidence_once_and_in_order(seed):
    table = logs(seed)
    coded = encode(table, FAMILY_OF)
    names, values = coded.accounts.to_pylist(), coded.values.to_pylist()
    held = [(names[a], coded.kinds[coded.kind[v]], values[v]) for a, v in zip(coded.account, coded.value, strict=True)]
    assert sorted(held) == sorted({tuple(row[name] for name in ("account_id", "kind", "value"))
                                   for row in table.to_pylist()})
    assert (np.diff(coded.account * len(values) + coded.value) > 0).all()


@pytest.mark.parametrize("size", [50, 10**9])
def test_distinct_keys_are_numpys(size):
    key = np.random.default_rng(0).integers(0, 50, 200)
    expected = np.unique(key, return_inverse=True)
    for ours, theirs in zip(compact(key, size), expected, strict=True):
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_ways_of_finding_shared_popular_values_agree(seed):
    coded = encode(logs(seed), FAMILY_OF)
    pairs = share_pairs(coded, budget=3000)
    popular = coded.degree > pairs.largest
    assert popular.any()
    rarity = _rarity(coded)
    many, bits = (way(coded, popular, rarity, pairs.a, pairs.b) for way in (_popular_among_many, _popular_by_bits))
    assert np.isfinite(bits).any()
    assert np.allclose(many, bits)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_members_evidence_does_not_depend_on_who_else_is_looked_at(seed):
    cells = cells_of(encode(logs(seed), FAMILY_OF))
    groups = [group for group in cocluster.plans(cells, 0)[3]() if len(group) > 2]
    member = membership_matrix(cells, groups)
    stock = stock_of(cells, member)
    whole, alone = (evidence(cells, member, stock, members_only=only) for only in (False, True))
    assert whole.member.sum() < len(whole.member)
    assert alone.member.all()
    assert alone.account.tolist() == whole.account[whole.member].tolist()
    assert alone.bits.tolist() == whole.bits[whole.member].tolist()
    dense = member.toarray() > 0
    assert whole.member.tolist() == dense[whole.account, whole.group].tolist()


def test_large_data_are_searched_in_few_steps_and_the_campaign_is_found(monkeypatch):
    every = cocluster.steps(1000, 1000)
    assert every == [(way, step) for way in (False, True) for step in (0.5, 1, 2, 4, 8)]
    some = cocluster.steps(1_000_000, 11_000_000)
    assert some == [(False, 256.0), (True, 2048.0)]
    assert cocluster.steps(1_000_000, 2_000_000) == [(False, 256.0), (True, 2048.0), (False, 2048.0)]
    whole = {cocluster._WORK: 0, 1: 0}
    planted = {f"a{number}" for number in range(40)}
    for seed in range(1, 6):
        coded = encode(logs(seed), FAMILY_OF)
        names = np.array(coded.accounts.to_pylist())
        for work in whole:
            monkeypatch.setattr(cocluster, "_WORK", work)
            assert cocluster.is_large(cells_of(coded)) == (work == 1)
            for draw in range(3):
                found = max((set(names[group.members]) for group in find_groups(coded, draw)), key=len, default=set())
                assert len(found - planted) <= 4
                whole[work] += len(found & planted) >= 36
    # All of the ladder finds it always; two lists alone, in logs this small, no more than mostly.
    print(whole)
    assert next(iter(whole.values())) == 15
    assert whole[1] >= 8


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_is_left_out_shows_no_more_than_asked_and_nobody_else_is_shown_otherwise(seed):
    cells = cells_of(encode(logs(seed), FAMILY_OF))
    groups = [group for group in cocluster.plans(cells, 0)[3]() if len(group) > 2][:2]
    member = membership_matrix(cells, groups)
    stock = stock_of(cells, member)
    whole = evidence(cells, member, stock)
    left_out = 0
    # Half of the others show more than the first, nobody more than the last.
    for least in np.quantile(whole.total[~whole.member], [0.5, 0.95, 1.0]).tolist():
        some = evidence(cells, member, stock, least=least)
        shown = {(a, g): bits.tolist() for a, g, bits in zip(some.account, some.group, some.bits, strict=True)}
        left_out += len(whole.account) - len(shown)
        for account, group, bits, total, inside in zip(whole.account, whole.group, whole.bits, whole.total,
                                                       whole.member, strict=True):
            if inside or total > least:
                assert (account, group) in shown
            if (account, group) in shown:
                assert shown.pop((account, group)) == bits.tolist()
        assert not shown
    assert left_out


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sightings_in_pieces_and_as_codes_are_encoded_as_in_one(seed):
    table = logs(seed)
    # The same word as two kinds is two values; names alone tell apart who is alike in all else.
    table = pa.concat_tables([table, table.slice(0, 40).set_column(1, "kind", pa.array(["device"] * 40)),
                              pa.table({"account_id": [f"twin{n}" for n in (3, 1, 2)], "kind": ["card"] * 3,
                                        "value": ["c", "a", "b"], "count": pa.array([1] * 3, pa.int64())})])
    whole = encode(table.combine_chunks(), FAMILY_OF)
    pieces = pa.concat_tables([table.slice(first, 700) for first in range(0, table.num_rows, 700)])
    for name in ("account_id", "kind"):
        coded = pa.chunked_array([chunk.dictionary_encode() for chunk in pieces[name].chunks])
        pieces = pieces.set_column(pieces.column_names.index(name), name, coded)
    again = encode(pieces, FAMILY_OF)
    rows = np.random.default_rng(seed).permutation(table.num_rows)
    shuffled = encode(table.take(pa.array(rows)), FAMILY_OF)
    for other in (again, shuffled):
        assert other.accounts.to_pylist() == whole.accounts.to_pylist()
        assert other.values.to_pylist() == whole.values.to_pylist()
        for name in ("account", "value", "kind", "family", "level", "degree"):
            assert getattr(other, name).tolist() == getattr(whole, name).tolist()


def test_spans_and_starts():
    assert starts(np.array([0, 0, 2, 2, 2]), 4).tolist() == [0, 2, 2, 5, 5]
    assert spans(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert spans(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)).tolist() == []
