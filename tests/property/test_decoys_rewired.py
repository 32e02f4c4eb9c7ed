"""Decoys of sightings: what they keep, what they change, and that names and order are nothing to them."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from link_traffic import FAMILIES, one_stratum, ordinary, sightings
from stillwatch.judge import rewire_sightings
from stillwatch.schema import SIGHTINGS, TIMESTAMP

SEEDS = range(6)


def traffic(seed, accounts=150):
    """Independent accounts with identities, all sightings at moments of their own, and three strata."""
    rng = np.random.default_rng(seed)
    rows = ordinary(rng, accounts)
    rows += [(f"o{i}", "device", f"device{rng.integers(60)}", 1) for i in range(accounts) if rng.random() < 0.7]
    table = sightings(rows)
    first = pa.array(rng.choice(10**9, table.num_rows, replace=False), pa.int64()).cast(TIMESTAMP)
    table = table.set_column(table.schema.get_field_index("first_seen"), SIGHTINGS.arrow.field("first_seen"), first)
    of_account = one_stratum(table)
    stratum = rng.choice(["x", "y", "z"], of_account.num_rows).tolist()
    return table, of_account.set_column(1, "stratum", pa.array(stratum))


def triples(table):
    return list(zip(*(table[name].to_pylist() for name in ("account_id", "kind", "value")), strict=True))


def owners(table):
    """Who has the sighting, by its moment, which names it."""
    return dict(zip(table["first_seen"].to_pylist(), table["account_id"].to_pylist(), strict=True))


def signed_up(table):
    """What each account signed up with."""
    found = {account: set() for account in table["account_id"].to_pylist()}
    for (account, kind, value), moment in zip(triples(table), table["first_seen"].to_pylist(), strict=True):
        if FAMILIES[kind][0] in ("payment", "identity"):
            found[account].add((kind, value, moment))
    return {account: frozenset(what) for account, what in found.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_values_and_accounts_keep_their_numbers(seed):
    table, of_account = traffic(seed)
    decoy = rewire_sightings(table, of_account, FAMILIES, seed)
    before, after = triples(table), triples(decoy)
    assert Counter((kind, value) for _, kind, value in before) == Counter((kind, value) for _, kind, value in after)
    loose = [[(account, kind) for account, kind, _ in rows if FAMILIES[kind][0] not in ("payment", "identity")]
             for rows in (before, after)]
    assert Counter(loose[0]) == Counter(loose[1])
    assert owners(decoy).keys() == owners(table).keys()
    was = owners(table)
    assert np.mean([owner != was[moment] for moment, owner in owners(decoy).items()]) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sign_up_moves_whole(seed):
    table, of_account = traffic(seed)
    decoy = rewire_sightings(table, of_account, FAMILIES, seed)
    before, after = signed_up(table), signed_up(decoy)
    assert sorted(map(sorted, before.values())) == sorted(map(sorted, after.values()))
    assert sum(what != after[account] for account, what in before.items()) > 0.8 * len(before)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_leaves_its_stratum(seed):
    table, of_account = traffic(seed)
    stratum = dict(zip(*of_account.to_pydict().values(), strict=True))
    before = owners(table)
    decoy = rewire_sightings(table, of_account, FAMILIES, seed)
    assert all(stratum[before[moment]] == stratum[owner] for moment, owner in owners(decoy).items())


def test_an_account_alone_in_its_stratum_keeps_what_it_has():
    table, of_account = traffic(0)
    alone = of_account["account_id"][0].as_py()
    of_account = of_account.set_column(1, "stratum", pa.array(
        ["alone" if name == alone else "rest" for name in of_account["account_id"].to_pylist()]))
    decoy = rewire_sightings(table, of_account, FAMILIES, 1)
    assert sorted(t for t in triples(decoy) if t[0] == alone) == sorted(t for t in triples(table) if t[0] == alone)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_decoy_depends_on_the_seed_alone(seed):
    table, of_account = traffic(seed)
    decoy = rewire_sightings(table, of_account, FAMILIES, seed)
    shuffled = table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))
    assert rewire_sightings(table, of_account, FAMILIES, seed).equals(decoy)
    assert rewire_sightings(shuffled, of_account, FAMILIES, seed).equals(decoy)
    assert not rewire_sightings(table, of_account, FAMILIES, seed + 1).equals(decoy)


def renaming(accounts, seed):
    new = np.random.default_rng([seed, 7]).permutation(len(accounts))
    return {account: f"n{place:04d}" for account, place in zip(accounts, new.tolist(), strict=True)}


def renamed(table, names):
    column = pa.array([names[account] for account in table["account_id"].to_pylist()], pa.string())
    return table.set_column(table.schema.get_field_index("account_id"), table.schema.field("account_id"), column)


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_names_change_nothing(seed, timed):
    """With moments of their own, and where many sightings are alike but for whose they are: without any time."""
    table, of_account = traffic(seed)
    if not timed:
        none = pa.nulls(table.num_rows, TIMESTAMP)
        table = table.set_column(table.schema.get_field_index("first_seen"), SIGHTINGS.arrow.field("first_seen"), none)
    names = renaming(of_account["account_id"].to_pylist(), seed)
    decoy = rewire_sightings(table, of_account, FAMILIES, seed)
    other = rewire_sightings(renamed(table, names), renamed(of_account, names), FAMILIES, seed)
    differ = set(triples(renamed(decoy, names))) ^ set(triples(other))
    assert not differ


@pytest.mark.parametrize("seed", SEEDS)
def test_another_deployment_key_changes_nothing(seed):
    """Values are digests, which have other words, and another order, under another key."""
    table, of_account = traffic(seed)
    values = sorted(set(table["value"].to_pylist()))
    digest = renaming(values, seed)

    def keyed(rows):
        return rows.set_column(rows.schema.get_field_index("value"), rows.schema.field("value"),
                               pa.array([digest[value] for value in rows["value"].to_pylist()], pa.string()))

    decoy = keyed(rewire_sightings(table, of_account, FAMILIES, seed))
    other = rewire_sightings(keyed(table), of_account, FAMILIES, seed)
    assert Counter(triples(decoy)) == Counter(triples(other))
