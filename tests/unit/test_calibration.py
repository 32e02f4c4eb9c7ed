"""What decided cases say of probabilities: on made-up deployments whose truth is known, and out of a real store."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import beta

from cases_fixture import ANN, BOB, campaign, names, tables
from stillwatch.cases import desk
from stillwatch.cases.calibrating import Drawn, reliability, share_interval
from stillwatch.cases.desk import open_store
from stillwatch.report.reliability import calibration_words


def deployment(rng, size, shift):
    """Probabilities of linked groups, most of them low, and truth that is ``shift`` logits away from what they say."""
    p = expit(rng.normal(-2.0, 2.5, size))
    return p, rng.random(size) < expit(logit(np.clip(p, 1e-9, 1 - 1e-9)) + shift)


def drawn(p, y, weight=1.0):
    return [Drawn(number, float(a), weight, bool(b)) for number, (a, b) in enumerate(zip(p, y, strict=True))]


@pytest.mark.parametrize("shift", [-1.5, 0.0, 1.0])
def test_the_shift_of_a_whole_deployment_is_found_and_its_interval_holds_it(shift):
    rng = np.random.default_rng(20 + int(10 * shift))
    held = []
    for _ in range(200):
        told = reliability(drawn(*deployment(rng, 400, shift)))
        low, high = told["odds_factor_interval"]
        held.append(low <= np.exp(shift) <= high)
    assert np.mean(held) >= 0.90
    big = reliability(drawn(*deployment(rng, 20_000, shift)))
    assert np.log(big["odds_factor"]) == pytest.approx(shift, abs=0.1)


def test_few_cases_hardly_ask_for_anything_and_none_for_nothing():
    few = reliability([Drawn(1, 0.9, 1.0, False), Drawn(2, 0.8, 1.0, False)])
    assert 0.2 < few["odds_factor"] < 1.0, "without a prior it would be nought"
    assert few["odds_factor_interval"][1] > 1.0, "two cases do not show that it is off"
    none = reliability([Drawn(1, 0.9, 1.0, None)])
    assert (none["drawn"], none["decided"], none["bins"], none["odds_factor"]) == (1, 0, [], None)


def test_one_decision_against_a_near_certainty_does_not_outweigh_all_others():
    rng = np.random.default_rng(5)
    usual = drawn(*deployment(rng, 100, 0.0))
    before, after = (reliability(cases)["odds_factor"] for cases in (usual, [*usual, Drawn(999, 1.0, 1.0, False)]))
    assert after == pytest.approx(before, rel=0.35)


def test_weights_give_back_what_the_draw_left_out():
    """Nine tenths of the likely groups and a tenth of the others were drawn: without weights the rate is far off."""
    rng = np.random.default_rng(11)
    p, y = deployment(rng, 6_000, 0.0)
    chance = np.where(p > 0.5, 0.9, 0.1)
    taken = rng.random(len(p)) < chance
    weighted = [Drawn(n, float(p[n]), float(1 / chance[n]), bool(y[n])) for n in np.flatnonzero(taken)]
    told = reliability(weighted)
    assert np.log(told["odds_factor"]) == pytest.approx(0.0, abs=0.25)
    for one in told["bins"]:
        inside = (p >= one["from"]) & ((p < one["to"]) | (one["to"] == 1.0))
        low, high = one["share_interval"]
        assert low <= y[inside].mean() <= high, one
        assert one["mean_probability"] == pytest.approx(p[inside].mean(), abs=0.03)


@pytest.mark.parametrize("share", [0.03, 0.2, 0.6])
def test_the_interval_covers_the_share_at_least_as_often_as_it_says(share):
    rng = np.random.default_rng(3)
    hits = rng.binomial(30, share, 3_000)
    covered = [low <= share <= high for low, high in (share_interval(n / 30, 30) for n in hits)]
    assert np.mean(covered) >= 0.945
    assert share_interval(7 / 30, 30) == pytest.approx((beta.ppf(0.025, 7, 24), beta.ppf(0.975, 8, 23)))
    assert share_interval(0.5, 0) == (0.0, 1.0)
    assert share_interval(0.0, 10)[0] == 0.0
    assert share_interval(1.0, 10)[1] == 1.0


def findings(*groups):
    return tables(*((campaign(ident, accounts, probability=probability), accounts)
                    for ident, accounts, probability in groups))


GROUPS = [(f"c{n}", names(10 * n, 10 * n + 6), 0.05 + 0.1 * n) for n in range(10)]


def test_only_what_chance_chose_makes_a_rate_and_a_merged_case_has_the_others_decision(tmp_path):
    store = open_store(tmp_path / "cases.db", create=True)
    data = findings(*GROUPS)
    for chosen in ("c9", "c8"):
        desk.confirm(store, str(desk.open_case(store, desk.see(data, "k1", "1.0", chosen), ANN).case_id), ANN)
    opened = desk.audit_sample(store, data, "k1", "1.0", ANN, size=5, seed=4)
    told = desk.calibration(store)
    taken = {one.case_id for one in opened}
    before = sum(case in taken for case in (1, 2))
    assert (told["drawn"], told["decided"]) == (5, before)
    fresh = [one.case_id for one in opened if one.case_id > 2]
    desk.dismiss(store, str(fresh[0]), ANN)
    desk.merge(store, str(fresh[1]), [str(fresh[2])], BOB)
    desk.confirm(store, str(fresh[1]), ANN)
    told = desk.calibration(store)
    assert (told["decided"], told["confirmed"]) == (before + 3, before + 2)
    assert told["chosen"] == {"confirmed": 2 - before, "dismissed": 0}
    assert sum(one["cases"] for one in told["bins"]) == told["decided"]
    desk.appeal(store, str(fresh[0]), BOB, "a contract turned up")
    assert desk.calibration(store)["decided"] == before + 2, "an appealed decision is none"
    json.dumps(told, allow_nan=False)


def test_the_probability_is_that_of_the_draw_and_the_weight_that_of_the_population(tmp_path):
    store = open_store(tmp_path / "cases.db", create=True)
    [case] = desk.audit_sample(store, findings(*GROUPS[:1]), "k1", "1.0", ANN, size=3, seed=1)
    desk.dismiss(store, str(case.case_id), ANN)
    # Seen again with another figure: the draw was made from the first.
    desk.open_case(store, desk.see(findings(("c0", GROUPS[0][1], 0.6)), "k1", "1.0", "c0"), ANN)
    [one] = desk.calibration(store)["bins"]
    assert one["mean_probability"] == pytest.approx(0.05)
    desk.audit_sample(store, findings(*GROUPS[1:]), "k1", "1.0", ANN, size=3, seed=1)
    with store.reading() as connection:
        from stillwatch.cases.audited import drawn_cases
        assert [one.weight for one in drawn_cases(connection)] == [1.0, 3.0, 3.0, 3.0]


def test_a_scan_is_not_changed_by_what_was_decided_of_other_groups(tmp_path):
    """Calibration is shown and not applied."""
    store = open_store(tmp_path / "cases.db", create=True)
    desk.audit_sample(store, findings(*GROUPS[:4]), "k1", "1.0", ANN, size=4, seed=1)
    for case in range(1, 5):
        desk.dismiss(store, str(case), ANN)
    from stillwatch.cases import honour
    from stillwatch.schema import CAMPAIGNS, EVIDENCE, MEMBERS
    data = findings(*GROUPS[5:])
    campaigns, _ = honour(data[CAMPAIGNS.name], data[MEMBERS.name], data[EVIDENCE.name],
                          desk.read_rulings(tmp_path / "cases.db"), "k1")
    assert campaigns["probability"].equals(data[CAMPAIGNS.name]["probability"])


def test_the_words_say_what_the_figures_cannot():
    empty = {**reliability([]), "chosen": {"confirmed": 2, "dismissed": 1}}
    [said] = calibration_words(empty)
    assert "3 further cases were decided" in said
    assert "audit-sample" in said
    rng = np.random.default_rng(1)
    told = {**reliability([*drawn(*deployment(rng, 30, 0.0)), Drawn(99, 0.4, 1.0, None)]),
            "chosen": {"confirmed": 0, "dismissed": 0}}
    said = " ".join(calibration_words(told))
    for part in ("Chance drew 31 cases; 30 are decided", "1 drawn case is not decided", "Nothing is changed by it",
                 "not the truth", "fewer than 200"):
        assert part in said
