"""Decisions honoured, without a store: who is cleared, what counts as new evidence, how groups are taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases_fixture import EVIDENCE_ROWS, campaign, names, tables
from stillwatch.cases import Ruling, Rulings, honour
from stillwatch.schema import CAMPAIGNS, EVIDENCE, MEMBERS, is_detection

OLD = names(0, 20)
THEN = {(kind, value): bits for kind, value, bits in EVIDENCE_ROWS}


def dismissed(accounts=OLD, **more):
    told = {"case_id": 7, "state": "dismissed", "root": 7, "members": frozenset(accounts), "decided_on": "2026-03-09",
            "probability": 0.97, "evidence": THEN, "key_fingerprint": "k1"} | more
    return Ruling(**told)


def honoured(accounts, rulings, evidence=EVIDENCE_ROWS, key="k1", **more):
    given_tables = tables((campaign("c1", accounts, **more), accounts), evidence=evidence)
    campaigns, members = honour(given_tables[CAMPAIGNS.name], given_tables[MEMBERS.name], given_tables[EVIDENCE.name],
                                Rulings(tuple(rulings)), key)
    return campaigns.to_pylist()[0], members.to_pylist()


def test_what_a_person_dismissed_is_no_detection_and_keeps_what_was_weighed():
    row, _ = honoured(OLD, [dismissed()])
    assert (row["decision"], row["case_id"], row["verdict"], row["probability"]) == ("cleared", 7, "undetermined", 0.0)
    assert row["hypotheses"][0]["probability"] == 0.97
    assert "dismissed this group on 2026-03-09 (case 7)" in row["explanation"]
    assert "dismissed" in row["evidence_against"][0]
    assert not is_detection(row["verdict"], row["probability"], row["q_value"])


def test_the_verdict_that_a_person_gave_is_the_verdict():
    assert honoured(OLD, [dismissed(verdict="education")])[0]["verdict"] == "education"


@pytest.mark.parametrize("state", ["open", "appealed", "confirmed"])
def test_no_other_decision_changes_a_figure(state):
    row, members = honoured(OLD, [dismissed(state=state)])
    plain, same = honoured(OLD, [])
    assert row["case_id"] == 7
    assert row["decision"] == ("confirmed" if state == "confirmed" else "none")
    assert {**row, "case_id": None, "decision": None} == plain
    assert members == same


@pytest.mark.parametrize(("accounts", "evidence", "more", "named"), [
    (names(0, 40), EVIDENCE_ROWS, {}, "20 of its 40 accounts were not in it then"),
    (OLD, (*EVIDENCE_ROWS, ("template", "t1", 30.0)), {}, "links them (30 bits), which did not then"),
    (OLD, (*EVIDENCE_ROWS, ("payment", "p2", 31.0)), {}, "that they did not share then (31 bits)"),
    (OLD, EVIDENCE_ROWS, {"then": 0.3}, "now reads as harvesting (97%, 30% then)"),
])
def test_new_evidence_of_substance_is_named_and_the_figures_stand(accounts, evidence, more, named):
    ruling = dismissed(probability=more.get("then", 0.97))
    row, members = honoured(accounts, [ruling], evidence)
    assert row["decision"] == "new_evidence"
    assert named in row["explanation"]
    assert "case 7" in row["explanation"]
    assert (row["verdict"], row["probability"]) == ("distillation", 0.97)
    assert all("a person cleared it before (case 7)" in member["against"] for member in members
               if member["account_id"] in OLD)


@pytest.mark.parametrize(("accounts", "evidence", "key"), [
    (names(0, 22), EVIDENCE_ROWS, "k1"),  # two of twenty-two joined
    (names(5, 20), EVIDENCE_ROWS, "k1"),  # some left
    (OLD, (("payment", "p9", 20.0), ("ip", "a9", 12.5)), "k1"),  # as strong, with other values
    (OLD, (*EVIDENCE_ROWS, ("template", "t1", 9.0)), "k1"),  # a weak family
    (OLD, (("payment", "x", 90.0), ("ip", "y", 90.0)), "k2"),  # digests of another key say nothing
])
def test_what_comes_and_goes_by_itself_is_no_new_evidence(accounts, evidence, key):
    assert honoured(accounts, [dismissed()], evidence, key)[0]["decision"] == "cleared"


def test_evidence_that_may_have_been_cut_off_is_not_taken_for_new():
    evidence = (*EVIDENCE_ROWS, ("template", "t1", 14.0))
    assert honoured(OLD, [dismissed()], evidence)[0]["decision"] == "new_evidence"
    assert honoured(OLD, [dismissed(least_bits=15.0)], evidence)[0]["decision"] == "cleared"


def test_a_group_that_shares_little_with_a_dismissed_one_is_another_group():
    row, members = honoured(names(15, 60), [dismissed()])
    assert row["decision"] is None
    assert [member["account_id"] for member in members if "cleared it before" in member["against"]] == names(15, 20)


def test_accounts_that_were_split_off_or_removed_were_known_to_whoever_decided():
    child = dismissed(names(0, 10), case_id=8, root=7, state="open")
    parent = dismissed(names(10, 20), removed=frozenset(names(20, 24)))
    assert honoured(names(0, 24), [parent, child])[0]["decision"] == "cleared"


def test_a_group_is_taken_apart_as_people_told():
    rulings = Rulings((dismissed(names(0, 12), state="confirmed", removed=frozenset(names(12, 14))),
                       dismissed(names(14, 18), case_id=8, root=7)))
    group = names(0, 20)
    parts = [[group[place] for place in part] for part in rulings.parts(group)]
    assert parts == [[*names(0, 12), *names(18, 20)], names(14, 18)]
    assert rulings.parts(names(50, 60)) == [list(range(10))]


def test_who_was_removed_stays_out_however_few_are_left():
    rulings = Rulings((dismissed(names(0, 1), state="open", removed=frozenset(names(1, 4))),))
    assert rulings.parts(names(0, 5)) == [[0, 4]]


accounts = st.lists(st.sampled_from(names(0, 30)), min_size=1, max_size=30, unique=True)
states = st.sampled_from(["open", "confirmed", "dismissed", "appealed"])


@st.composite
def stores(draw):
    made = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        root = draw(st.integers(1, number))
        everyone = draw(accounts)
        out = draw(st.integers(0, len(everyone) - 1))
        made.append(dismissed(everyone[out:], case_id=number, root=root, state=draw(states),
                              removed=frozenset(everyone[:out]), probability=draw(st.sampled_from([0.1, 0.97]))))
    return made


@given(accounts, stores())
def test_no_decision_ever_makes_anything_more_probable_or_adds_anybody(group, rulings):
    row, members = honoured(group, rulings)
    assert row["probability"] <= 0.97
    assert row["probability"] == 0.97 or row["decision"] == "cleared"
    assert sorted(member["account_id"] for member in members) == sorted(group)
    again, _ = honoured(group, rulings[::-1])
    assert again == row, "the order of cases changes nothing"


@given(accounts, stores())
def test_parts_are_disjoint_and_leave_out_only_who_was_removed(group, rulings):
    parts = Rulings(tuple(rulings)).parts(group)
    places = [place for part in parts for place in part]
    assert len(places) == len(set(places))
    removed = frozenset().union(*(ruling.removed for ruling in rulings))
    assert {group[place] for place in range(len(group)) if place not in places} <= removed


def test_groups_of_a_merged_case_are_cleared_alike_and_say_that_they_were_joined():
    one, two = names(0, 12), names(20, 30)
    merged = dismissed([*one, *two], joined=frozenset({9}))
    given_tables = tables((campaign("c1", one), one), (campaign("c2", two), two), (campaign("c3", names(40, 46)),
                                                                                  names(40, 46)))
    campaigns, _ = honour(given_tables[CAMPAIGNS.name], given_tables[MEMBERS.name], given_tables[EVIDENCE.name],
                          Rulings((merged,)), "k1")
    rows = {row["campaign_id"]: row for row in campaigns.to_pylist()}
    assert [(rows[name]["case_id"], rows[name]["decision"], rows[name]["probability"]) for name in ("c1", "c2")] == [
        (7, "cleared", 0.0)] * 2
    for name in ("c1", "c2"):
        assert rows[name]["explanation"].endswith(
            "; a person joined it with 1 other group of these findings (case 7), and each is judged by itself.")
    assert (rows["c3"]["case_id"], rows["c3"]["probability"]) == (None, 0.97)
    assert "joined" not in rows["c3"]["explanation"]


def test_a_merge_raises_nothing_and_joins_nobody():
    one, two = names(0, 12), names(20, 30)
    confirmed = dismissed([*one, *two], state="confirmed", joined=frozenset({9}),
                          sides=(frozenset(one), frozenset(two)))
    for accounts in (one, two):
        row, members = honoured(accounts, [confirmed])
        assert (row["decision"], row["probability"], row["q_value"]) == ("confirmed", 0.97, 0.002)
        assert len(members) == len(accounts)
        assert "joined" not in row["explanation"], "the other group is not in these findings"


def confirmed(accounts=OLD, **more):
    return dismissed(accounts, state="confirmed", **more)


@pytest.mark.parametrize(("group", "decision", "said"), [
    (names(0, 20), "confirmed", None),
    (names(0, 10), "confirmed", None),
    (names(0, 40), "confirmed", "; 20 of its 40 accounts are not in case 7, which a person confirmed, and nobody"
                                " decided about them."),
    (names(18, 20), None, "; 2 of its 2 accounts are in case 7, which a person confirmed, and that was no decision"
                          " about this group."),
    (names(0, 9), None, "; 9 of its 9 accounts are in case 7, which"),
    (names(0, 41), None, "; 20 of its 41 accounts are in case 7, which"),
    (names(19, 24), None, "; 1 of its 5 accounts is in case 7, which"),
    (names(30, 40), None, None),
])
def test_what_was_confirmed_carries_over_to_mostly_the_same_accounts_alone(group, decision, said):
    row, members = honoured(group, [confirmed()])
    assert (row["decision"], row["case_id"]) == (decision, 7 if decision else None)
    assert (row["verdict"], row["probability"], len(members)) == ("distillation", 0.97, len(group))
    assert (said or "Nothing speaks against it.") in row["explanation"]
    assert ("case 7" in row["explanation"]) == (said is not None)


def test_a_part_of_a_merged_case_is_the_groups_that_were_merged_and_no_fragment_of_them():
    one, two = names(0, 40), names(40, 50)
    merged = confirmed([*one, *two], joined=frozenset({9}), sides=(frozenset(one), frozenset(two)))
    assert [honoured(group, [merged])[0]["decision"] for group in (one, two, names(48, 50), names(38, 42))] == [
        "confirmed", "confirmed", None, None]


def test_a_group_belongs_to_the_open_case_that_is_its_own_and_names_the_confirmed_one_beside_it():
    row, _ = honoured(names(16, 22), [confirmed(), dismissed(names(18, 22), case_id=8, root=8, state="open")])
    assert (row["decision"], row["case_id"]) == ("none", 8)
    assert "4 of its 6 accounts are in case 7" in row["explanation"]


@pytest.mark.parametrize("group", [names(0, 2), names(0, 12), OLD])
def test_a_dismissal_holds_for_a_part_of_the_group_and_beside_any_confirmation(group):
    row, _ = honoured(group, [dismissed(), confirmed(names(0, 14), case_id=8, root=8)])
    assert (row["decision"], row["case_id"], row["probability"]) == ("cleared", 7, 0.0)


def test_of_many_confirmed_cases_the_three_with_the_most_accounts_are_named():
    group = names(0, 60)
    row, _ = honoured(group, [confirmed(names(3 * case, 3 * case + (2 if case < 12 else 3)), case_id=case, root=case)
                              for case in range(1, 15)])
    assert row["decision"] is None
    assert [f"in case {case}," in row["explanation"] for case in range(1, 15)] == 11 * [False] + 3 * [True]
    assert "; 11 more confirmed cases have accounts in it." in row["explanation"]
