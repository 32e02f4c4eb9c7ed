"""What findings say of a feature is its number, beside what is usual for both explanations."""

from stillwatch.judge import FEATURES, ORDINARY, shipped
from stillwatch.judge.wording import Usual, sentences

OURS, THEIRS = (Usual(words, shipped().usual(verdict))
                for words, verdict in (("harvesting", "distillation"), ("a reseller", "reseller")))


def test_a_sentence_has_the_number_and_what_both_explanations_expect():
    (said,), none = sentences({"with_tools": 1.0}, {"with_tools": 0.16}, Usual("harvesting", {"with_tools": 0.17}),
                              Usual("a reseller", {"with_tools": 0.04}))
    assert none == []
    assert said == "requests that offer tools: 16% (usual for harvesting 17%, for a reseller 4%)"


def test_what_says_little_is_not_named_and_the_strongest_comes_first():
    features = {"harvest": 0.5, "hosted": 0.9, "single_turn": 0.9}
    lead = {"harvest": 2.0, "hosted": 0.5, "single_turn": 3.0}
    speaks_for, against = sentences(lead, features, OURS, THEIRS)
    assert ["stand alone" in said for said in speaks_for] == [True, False]
    assert against == []
    assert len(sentences({name: -bits for name, bits in lead.items()}, features, OURS, THEIRS)[1]) == 2


def test_every_feature_has_words_under_every_explanation():
    for verdict in shipped().verdicts:
        usual = shipped().usual(verdict)
        assert set(usual) == set(FEATURES)
        assert all(0 < share < 1 for share in usual.values())
        for name in FEATURES:
            assert sentences({name: 1.0}, {name: 0.2}, OURS, Usual(verdict, usual))[0]
    assert set(shipped().usual("undetermined").values()) == {0.5}
    assert ORDINARY in shipped().verdicts
