"""Decisions in a scan: linked groups taken apart before judging, detections counted anew after it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from cases_fixture import campaign, names, tables
from stillwatch.cases import Ruling, Rulings
from stillwatch.judge import Judged
from stillwatch.link import Group, Linked, part_of
from stillwatch.pipeline.decided import apart, decided, told_decisions
from stillwatch.schema import CAMPAIGNS, EVIDENCE, MEMBERS
from stillwatch.settings import DeploymentKey

KEY = DeploymentKey(b"k" * 32)
PEOPLE = names(0, 40)


def group(*codes):
    """A group whose every member shows thirty bits, twenty of them in the first family."""
    bits = np.tile([20.0, 10.0], (len(codes), 1))
    return Group(np.array(codes), np.full(len(codes), 0.99), bits, bits.sum(axis=0), 20.0)


def linked(*groups):
    incidence = SimpleNamespace(accounts=pa.array(PEOPLE), size=len(PEOPLE))
    return Linked(incidence, None, None, np.zeros(0, dtype=np.int64), np.zeros((0, 2)), groups)


def ruling(case, members, **more):
    return Ruling(**{"case_id": case, "state": "open", "root": case, "members": frozenset(members)} | more)


def members(found):
    return [[PEOPLE[code] for code in one.members] for one in found.groups]


def test_without_cases_linking_is_left_as_it_is():
    whole = linked(group(*range(10)))
    assert apart(whole, Rulings()) is whole


def test_who_was_removed_is_gone_and_the_evidence_is_that_of_the_rest():
    found = apart(linked(group(*range(10))), Rulings((ruling(1, names(0, 8), removed=frozenset(names(8, 10))),)))
    assert members(found) == [names(0, 8)]
    assert found.groups[0].strength.tolist() == [160.0, 80.0]
    assert found.groups[0].bits.shape == (8, 2)
    # The bits that it takes to name 8 of 40: log2 of 76,904,685 ways.
    assert found.groups[0].choice == pytest.approx(np.log2(76_904_685))


def test_split_cases_are_groups_of_their_own_and_one_too_small_is_none():
    rulings = Rulings((ruling(1, names(0, 6)), ruling(2, names(6, 10), root=1), ruling(3, names(10, 12), root=1)))
    assert members(apart(linked(group(*range(14))), rulings)) == [[*names(0, 6), *names(12, 14)], names(6, 10)]


def test_other_groups_stay_and_all_are_in_the_order_of_their_strength():
    rulings = Rulings((ruling(1, names(0, 4)), ruling(2, names(4, 10), root=1)))
    found = apart(linked(group(*range(10)), group(*range(20, 25))), rulings)
    assert sorted(map(len, members(found)), reverse=True) == list(map(len, members(found))) == [6, 5, 4]
    assert names(20, 25) in members(found)


def test_a_part_that_nothing_ties_any_more_is_no_group():
    weak = Group(np.arange(5), np.full(5, 0.9), np.full((5, 1), 2.0), np.array([10.0]), 1.0)
    assert part_of(weak, np.array([0, 1, 2]), 40) is None  # 6 bits, and it takes 13 to name 3 of 40
    assert part_of(group(*range(5)), np.array([0, 1]), 40) is None


def judged(*groups):
    made = tables(*((campaign(ident, accounts), accounts) for ident, accounts in groups))
    accused = {account for _, accounts in groups for account in accounts}
    return Judged(made[CAMPAIGNS.name], made[MEMBERS.name], made[EVIDENCE.name], len(groups), len(accused))


def test_detections_and_accused_are_counted_anew_and_who_is_in_another_stays_accused():
    evidence = {("payment", "p1"): 20.0, ("ip", "a1"): 12.0}
    cleared = ruling(7, names(0, 10), state="dismissed", decided_on="2026-03-09", probability=0.97, evidence=evidence)
    before = judged(("c1", names(0, 10)), ("c2", names(9, 30)))
    after = decided(before, Rulings((cleared,)), KEY)
    assert (before.detections, before.accused) == (2, 30)
    assert (after.detections, after.accused) == (1, 21)
    assert decided(before, Rulings(), KEY) is before
    told = told_decisions(Rulings((cleared,)), after, KEY)
    assert (told["cleared"], told["new_evidence"]) == (1, 0)
    assert told["digest"] != told_decisions(Rulings((ruling(7, names(0, 9)),)), after, KEY)["digest"]
    assert told_decisions(Rulings(), after, KEY) is None
