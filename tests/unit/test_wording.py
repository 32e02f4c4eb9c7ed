"""What findings say of a feature is true of its number, and of what is usual."""

import pytest

from stillwatch.judge import FEATURES, shipped
from stillwatch.judge.wording import sentences


@pytest.mark.parametrize(("value", "typical", "says"), [
    (0.47, 0.18, "reads like"), (0.15, 0.18, "does not read like"), (0.9, 0.95, "reads like"),
    (0.3, 0.6, "does not read like")])
def test_much_is_what_is_most_or_far_more_than_usual(value, typical, says):
    (said,), none = sentences({"harvest": 1.0}, {"harvest": value}, {"harvest": typical})
    assert none == []
    assert says in said
    assert f"({value:.0%}, typical {typical:.0%})" in said


def test_what_says_little_is_not_named_and_the_strongest_comes_first():
    features, typical = {"harvest": 0.5, "hosted": 0.9, "single_turn": 0.9}, shipped().typical()
    lead = {"harvest": 2.0, "hosted": 0.5, "single_turn": 3.0}
    speaks_for, against = sentences(lead, features, typical)
    assert ["stand alone" in said for said in speaks_for] == [True, False]
    assert against == []
    assert len(sentences({name: -bits for name, bits in lead.items()}, features, typical)[1]) == 2


def test_every_feature_has_words_and_a_typical_value():
    typical = shipped().typical()
    assert set(typical) == set(FEATURES)
    for name in FEATURES:
        assert sentences({name: 1.0}, {name: 0.2}, typical)[0]
