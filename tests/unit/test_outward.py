"""From bad accounts outward, on made-up worlds of which the truth is known."""

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.link import encode
from stillwatch.link.outward import Pool, Rules, most_shared, outward, tie, ties

FAMILIES = {"card": ("payment", 1), "ip": ("network", 2), "asn": ("network", 1), "agent": ("client", 1)}
RULES = Rules(probability=0.5, shared=50, rounds=5, accounts=500)


def sightings(rows):
    rows = sorted(set(rows))
    return pa.table({"account_id": [r[0] for r in rows], "kind": [r[1] for r in rows], "value": [r[2] for r in rows],
                     "count": pa.array([1] * len(rows), pa.int64())})


def world(seed, *, ring=20, people=800, cards=4, addresses=6):
    """A ring that shares one client, a few cards and a pool of addresses; households share an address."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        name = f"p{person:05d}"
        rows += [(name, "card", f"c{person}"), (name, "ip", f"home{person // 2}"),
                 (name, "asn", f"as{rng.zipf(1.6) % 40}"),
                 (name, "agent", f"ua{rng.zipf(1.5) % 30}")]
        rows += [(name, "ip", f"nat{rng.integers(8)}")] if rng.random() < 0.3 else []
    for member in range(ring):
        name = f"ring{member:03d}"
        rows += [(name, "card", f"stolen{member % cards}"), (name, "agent", "script")]
        rows += [(name, "ip", f"pool{address}") for address in rng.choice(addresses, 3, replace=False)]
        rows += [(name, "asn", "as1"), (name, "ip", f"nat{rng.integers(8)}")]
    return rows


def run(rows, seeds, rules=RULES, pools=()):
    incidence = encode(sightings(rows), FAMILIES)
    names = incidence.accounts.to_pylist()
    code = {name: place for place, name in enumerate(names)}
    made = [Pool(np.array(sorted(code[m] for m in members)), np.full(len(members), chance))
            for members, chance in pools]
    found = outward(incidence, np.array(sorted(code[s] for s in seeds)), rules, made)
    return found, names


def test_a_ring_is_found_from_three_of_its_accounts_and_nobody_else_is():
    right = said = missed = 0
    for seed in range(100, 110):
        found, names = run(world(seed), ["ring000", "ring001", "ring002"])
        leads = [names[lead.account] for lead in found.leads]
        hits = sum(name.startswith("ring") for name in leads)
        right, said, missed = right + hits, said + len(leads), missed + 17 - hits
    print(f"{right} of {said} leads are right, {missed} missed")
    assert right / said >= 0.97
    assert right / (right + missed) >= 0.9


def test_from_one_account_the_whole_ring_is_found_through_those_with_its_card():
    right = said = mates = 0
    for seed in range(110, 120):
        found, names = run(world(seed), ["ring000"])
        leads = {names[lead.account] for lead in found.leads}
        right, said = right + sum(name.startswith("ring") for name in leads), said + len(leads)
        mates += len(leads & {"ring004", "ring008", "ring012", "ring016"})
    print(f"{right} of {said} leads are right, of 190 possible; {mates} of 40 with the same card")
    assert right / said >= 0.97
    assert mates >= 38


def test_from_innocent_accounts_hardly_any_stranger_is_reached():
    # Wrongly given accounts share an address with their household, and rare things with strangers by chance alone.
    strangers = leads = 0
    for seed in range(200, 220):
        found, names = run(world(seed, ring=0), [f"p{i:05d}" for i in range(0, 20, 2)])
        homes = {f"p{i:05d}" for i in range(1, 20, 2)}
        leads += len(found.leads)
        strangers += sum(names[lead.account] not in homes for lead in found.leads)
    print(f"from 200 innocent accounts: {leads} leads, {strangers} of them strangers")
    assert strangers <= 10


def test_the_result_depends_on_neither_names_nor_the_order_of_rows():
    rows = world(7)
    rng = np.random.default_rng(7)
    people = sorted({row[0] for row in rows})
    other = dict(zip(people, rng.permutation([f"x{i}" for i in range(len(people))]), strict=True))
    plain, names = run(rows, ["ring000", "ring001", "ring002"])
    renamed, renamed_names = run([(other[a], k, v) for a, k, v in rows], [other[f"ring00{i}"] for i in range(3)])
    table = sightings(rows)
    shuffled = encode(table.take(pa.array(rng.permutation(table.num_rows))), FAMILIES)
    code = {name: place for place, name in enumerate(shuffled.accounts.to_pylist())}
    again = outward(shuffled, np.array(sorted(code[f"ring00{i}"] for i in range(3))), RULES)

    def told(found, of, back=None):
        return {((back or {}).get(of[lead.account], of[lead.account]), round(lead.probability, 12), lead.round)
                for lead in found.leads}

    assert len(plain.leads) > 10
    assert told(plain, names) == told(again, shuffled.accounts.to_pylist())
    assert told(plain, names) == told(renamed, renamed_names, {new: old for old, new in other.items()})


def test_a_lead_is_never_surer_than_the_account_it_was_reached_through():
    for seed in range(5):
        found, _ = run(world(seed), ["ring000"])
        chance = {lead.account: lead.probability for lead in found.leads}
        round_of = {lead.account: lead.round for lead in found.leads}
        for lead in found.leads:
            assert lead.probability <= chance.get(lead.via, 1.0) + 1e-12
            assert round_of.get(lead.via, 0) < lead.round, "a path goes through earlier accounts only"
        assert [lead.probability for lead in found.leads] == sorted(chance.values(), reverse=True)


def test_every_stop_rule_stops():
    rows = world(3)
    everything, _ = run(rows, ["ring000", "ring001", "ring002"])
    assert everything.stopped == "nobody"
    few, _ = run(rows, ["ring000", "ring001", "ring002"], Rules(0.5, 50, 5, 4))
    assert (few.stopped, len(few.leads)) == ("accounts", 4)
    short, _ = run(rows, ["ring000", "ring001", "ring002"], Rules(0.5, 50, 1, 500))
    assert short.stopped == "rounds"
    assert {lead.round for lead in short.leads} == {1}
    strict, _ = run(rows, ["ring000", "ring001", "ring002"], Rules(0.999, 50, 5, 500))
    assert all(lead.probability >= 0.999 for lead in strict.leads)
    assert len(strict.leads) < len(everything.leads)
    assert all(lead.probability < 0.5 for lead in everything.below)


def test_nobody_is_reached_through_a_value_of_more_accounts_than_allowed():
    rows = world(4)
    found, _ = run(rows, ["ring000"], Rules(0.01, 3, 5, 500))
    incidence = encode(sightings(rows), FAMILIES)
    for lead in found.leads:
        assert incidence.degree[tie(incidence, lead.account, lead.via)].min() <= 3
    blocked, _ = run(rows, ["ring000"], Rules(0.01, 1, 5, 500))
    assert blocked.leads == ()
    assert blocked.reached == 0


def test_bad_accounts_of_two_rings_are_followed_apart():
    rows = world(5)
    rows += [(f"other{i}", kind, value) for i in range(8) for kind, value in
             (("card", f"second{i % 2}"), ("ip", f"den{i % 3}"), ("ip", f"den{(i + 1) % 3}"), ("agent", "tool"))]
    found, names = run(rows, ["ring000", "ring004", "ring001", "other0", "other2", "other1"])
    parts = [{names[code][:4] for code in source} for source in found.sources]
    assert len(parts) > 1
    assert all(len(part) == 1 for part in parts), "no part holds accounts of both"
    leads = [names[lead.account] for lead in found.leads]
    assert sum(name.startswith("other") for name in leads) >= 4
    # Those with the known cards at least: given together, two rings hide what all of one ring share.
    assert {f"ring{i:03d}" for i in (5, 8, 9, 12, 13, 16, 17)} <= set(leads)
    assert not any(name.startswith("p") for name in leads)
    for lead in found.leads:
        assert names[lead.account][:4] == names[lead.via][:4], "no path leads from one ring to the other"


def test_members_of_a_group_are_reached_through_it_as_surely_as_both_belong():
    rows = world(6, ring=0)
    group = [f"p{i:05d}" for i in (10, 100, 200, 300)]
    alone, _ = run(rows, group[:1])
    found, names = run(rows, group[:1], pools=[(group, 0.9)])
    reached = {names[lead.account]: lead for lead in found.leads if lead.pool == 0}
    assert set(reached) == set(group[1:])
    assert {round(lead.probability, 9) for lead in reached.values()} == {0.81}
    assert not {names[lead.account] for lead in alone.leads} & set(group)
    assert run(rows, ["p00700"], pools=[(group, 0.9)])[0].leads == run(rows, ["p00700"])[0].leads


@pytest.mark.parametrize("seed", range(8))
def test_ties_agree_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    rows = {(f"a{rng.integers(12)}", kind, f"{kind}{rng.integers(9)}") for kind in FAMILIES for _ in range(25)}
    incidence = encode(sightings(rows), FAMILIES)
    size = incidence.size
    values = [set(incidence.value[incidence.account == a].tolist()) for a in range(size)]
    left, right = rng.permutation(size)[:5], rng.permutation(size)[:7]
    shared = 6
    a, b, bits = ties(incidence, left, right, shared)
    got = {(int(left[i]), int(right[j])): bit for i, j, bit in zip(a, b, bits, strict=True) if bit > 0}
    wanted = {}
    for x in left:
        for y in right:
            total = 0.0
            for family in range(len(incidence.families)):
                tries = sum(incidence.family[v] == family for v in values[x])
                both = [v for v in values[x] & values[y]
                        if incidence.family[v] == family and incidence.degree[v] <= shared]
                if both:
                    rarest = min(incidence.degree[v] for v in both)
                    total += max(0.0, np.log2(size / rarest) - np.log2(tries))
            if total > 0:
                wanted[int(x), int(y)] = total
    assert got.keys() == wanted.keys()
    assert all(got[pair] == pytest.approx(wanted[pair]) for pair in wanted)


def test_the_bound_on_a_value_grows_with_the_accounts_within_limits():
    assert [most_shared(n) for n in (0, 100, 1000, 10_000, 10_000_000)] == [20, 20, 50, 500, 1000]
