"""Scenarios with other numbers: valid, reproducible, and different from seed to seed."""

import pytest

from stillwatch.proof.scenario import load
from stillwatch.proof.vary import varied


@pytest.mark.parametrize("name", ["assorted", "lookalikes", "hydra", "reported_2026q3"])
def test_every_seed_gives_a_valid_scenario_of_its_own(name):
    scenario = load(name)
    seen = {varied(scenario, seed).model_dump_json() for seed in range(30)}
    assert len(seen) == 30
    assert varied(scenario, 7) == varied(scenario, 7)


def test_who_and_when_stay_and_shares_stay_shares():
    scenario = load("assorted")
    for seed in range(30):
        other = varied(scenario, seed)
        assert [a.name for a in other.actors] == [a.name for a in scenario.actors]
        assert [a.active for a in other.actors] == [a.active for a in scenario.actors]
        hosts = {a.name: a.accounts for a in other.actors}
        for actor, before in zip(other.actors, scenario.actors, strict=True):
            assert before.accounts / 1.81 - 1 <= actor.accounts <= before.accounts * 1.81 + 1
            if actor.actor == "campaign" and actor.network is not None:
                assert actor.accounts <= hosts[actor.network]


def test_logs_lack_text_or_metadata_in_some_seeds_only():
    lacks = [varied(load("lookalikes"), seed).withhold for seed in range(60)]
    assert 0.4 < sum(not lack for lack in lacks) / 60 < 0.8
    assert any("prompt" in lack for lack in lacks)
    assert any("ip" in lack for lack in lacks)
