"""What actors are told, they do: modes, knobs, pools, moves, shared networks, copies and casts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import InputError, UsageError
from stillwatch.observe import Networks
from stillwatch.proof import describe, scenarios, simulate
from stillwatch.proof.actors import ACTORS
from stillwatch.proof.cast import staged
from stillwatch.proof.scenario import load, read

Frame = Any
HEAD = """
name: trial
summary: a trial
start: 2026-03-02
days: {days}
prompts: B
models:
- {{name: old, weight: 3, reasoning: true}}
- {{name: new, weight: 3, reasoning: true, released_on_day: 8.25}}
actors:
"""


def campaign(more: str = "") -> str:
    """A campaign with further parameters."""
    return ("- {actor: campaign, name: Grey Rook, accounts: 60, exchanges: 4000, relayed: 0, active: {first: 2},"
            f" capabilities: {{reasoning_trace: 3, reward_grading: 1}}{', ' if more else ''}{more}}}\n")



def written(folder: Path, actors: str, *, days: int = 16, seed: int = 1, scale: float = 1.0) -> tuple[Frame, Frame]:
    """Exchanges joined with their truth, and accounts."""
    (folder / "trial.yaml").write_text(HEAD.format(days=days) + actors, "utf-8")
    simulate(folder / "trial.yaml", folder / "out", seed=seed, scale=scale)
    frame = pq.read_table(folder / "out/exchanges").to_pandas()
    truth = pq.read_table(folder / "out/truth/exchanges.parquet").to_pandas()[["exchange_id", "campaign", "capability"]]
    return frame.merge(truth, how="left", on="exchange_id"), pq.read_table(folder / "out/accounts.parquet").to_pandas()


def shared_addresses(frame: Frame, _: Frame) -> float:
    """Share of exchanges from an address that another account has too."""
    return float((frame.groupby("ip").account_id.transform("nunique") > 1).mean())


def accounts_a_card(_: Frame, accounts: Frame) -> float:
    return float(accounts.payment_fingerprint.count() / accounts.payment_fingerprint.nunique())


def commonest_client(frame: Frame, _: Frame) -> float:
    client = frame.drop_duplicates("account_id").agg(lambda row: f"{row.user_agent} {row.sdk}", axis=1)
    return float(client.value_counts(normalize=True).iloc[:6].sum())


def repeated_frames(frame: Frame, _: Frame) -> float:
    """Share of first requests that begin and end like at least one in a hundred others."""
    asked = frame[frame.turn == 1].prompt
    ends = asked.str[:30] + asked.str[-30:]
    return float((ends.map(ends.value_counts(normalize=True)) > 0.01).mean())


def own_share(frame: Frame, _: Frame) -> float:
    return float(frame.campaign.notna().mean())


def own_each(frame: Frame, _: Frame) -> float:
    own = frame[frame.campaign.notna()]
    return len(own) / own.account_id.nunique()


# A knob, what is measured, and bounds of it at 0 and at 1.
KNOBS: dict[str, tuple[Callable[[Frame, Frame], float], tuple[float, float], tuple[float, float]]] = {
    "address_sharing": (shared_addresses, (0.5, 1.0), (0.0, 0.02)),
    "payment_sharing": (accounts_a_card, (4.0, 12.0), (1.0, 1.0)),
    "client_mimicry": (commonest_client, (0.85, 1.0), (0.1, 0.6)),
    "wording": (repeated_frames, (0.3, 1.0), (0.0, 0.1)),
    "dilution": (own_share, (1.0, 1.0), (0.15, 0.3)),
    "exchanges_per_account": (own_each, (55.0, 80.0), (8.0, 14.0)),
}


@pytest.mark.parametrize("knob", KNOBS)
def test_each_knob_does_what_it_says(knob: str, tmp_path: Path) -> None:
    measure, careless, careful = KNOBS[knob]
    found = []
    for value in (0, 0.5, 1):
        folder = tmp_path / str(value)
        folder.mkdir()
        found.append(measure(*written(folder, campaign(f"evasion: {{{knob}: {value}}}"))))
    assert careless[0] <= found[0] <= careless[1], found
    assert careful[0] <= found[2] <= careful[1], found
    assert min(found[0], found[2]) < found[1] < max(found[0], found[2]), f"in between at one half: {found}"


def test_jitter_moves_requests_to_peoples_hours_and_gives_days_off(tmp_path: Path) -> None:
    """Round the clock every account works at any hour of its own; with jitter it sleeps."""
    asleep = []
    for value in (0, 1):
        folder = tmp_path / str(value)
        folder.mkdir()
        frame, accounts = written(folder, campaign(f"evasion: {{timing_jitter: {value}}}"))
        british = accounts.account_id[accounts.country == "GB"]
        hours = frame[frame.account_id.isin(british)].ts.dt.hour
        asleep.append(float(hours.isin([2, 3, 4, 5, 6]).mean()))
    assert 0.15 < asleep[0] < 0.27
    assert asleep[1] < 0.6 * asleep[0]


def test_a_ban_stops_one_pool_and_the_next_takes_over(tmp_path: Path) -> None:
    frame, accounts = written(tmp_path, campaign("bans: [9.5], failover_hours: 6"))
    start = frame.ts.min().normalize() - pd.Timedelta(days=2)
    day = (frame.ts - start) / pd.Timedelta(days=1)
    first, last = day.groupby(frame.account_id).min(), day.groupby(frame.account_id).max()
    before, after = first[last < 9.5 + 0.01], first[first >= 9.75 - 0.01]
    assert len(before) + len(after) == accounts.account_id.nunique() == 60
    assert 20 < len(before) < 40
    assert ((day < 9.5) | (day >= 9.74)).mean() > 0.995, "retries apart, nothing is sent in the gap"
    signup = (accounts.set_index("account_id").created_at - start) / pd.Timedelta(days=1)
    assert signup[after.index].min() > signup[before.index].max(), "the second pool signs up for its own time"


def test_a_planned_move_takes_its_share_within_its_hours(tmp_path: Path) -> None:
    frame, _ = written(tmp_path, campaign("models: {old: 1, new: 1}, move: {model: new, share: 0.5,"
                                                 " hours: 24}"))
    since = (frame.ts - (frame.ts.min().normalize() + pd.Timedelta(days=6.25))) / pd.Timedelta(hours=1)
    new = frame.model == "new"
    assert not new[since < 0].any()
    assert abs(new[since > 24].mean() - 0.5) < 0.05
    half_way = new[(since > 6) & (since < 18)].mean()
    assert 0.15 < half_way < 0.35


def test_phases_change_what_is_taken_and_how_much(tmp_path: Path) -> None:
    frame, _ = written(tmp_path, campaign(
        "phases: [{first: 9, volume: 3, capabilities: {coding: 1}}, {first: 12, reconstruction: 1}]"))
    day = (frame.ts - frame.ts.min().normalize()).dt.days + 2
    assert set(frame.capability[day < 9]) == {"reasoning_trace", "reward_grading"}
    assert set(frame.capability[(day >= 9) & (day < 12)]) == {"coding"}
    per_day = frame.groupby(day).size()
    assert per_day.loc[9:11].mean() > 2.5 * per_day.loc[5:8].mean()
    late = frame[(day >= 12) & (frame.turn == 1)]
    assert late.prompt.str.contains("Reply: |reply|Recover|Reconstruct").mean() > 0.95


def test_probing_tries_many_wordings_of_few_items_on_few_accounts(tmp_path: Path) -> None:
    frame, _ = written(tmp_path, campaign(
        "families: [loose_reasoning_b, preference_choice], probing: {days: 3, exchanges: 900, items: 5, wordings: 2000,"
        " accounts: 0.1}"))
    day = (frame.ts - frame.ts.min().normalize()).dt.days
    probe, work = frame[(day < 3) & (frame.turn == 1)], frame[(day >= 4) & (frame.turn == 1)]
    assert probe.account_id.nunique() == 6
    assert work.account_id.nunique() == 60
    reasoned = probe[probe.capability == "reasoning_trace"].prompt
    assert reasoned.nunique() > 0.8 * len(reasoned), "hardly a wording twice"
    # The problems behind them are five: each stands in between its wording's parts.
    tails = reasoned.str.extract(r"(?:\n|: |\. )([^\n]{25,})")[0].dropna()
    assert tails.nunique() < 0.5 * len(tails)


def test_one_injected_prompt_goes_into_every_request(tmp_path: Path) -> None:
    frame, _ = written(tmp_path, campaign("injected: true"))
    opening = frame[frame.turn == 1]
    system = opening.system_prompt.where(opening.system_prompt.notna(), opening.prompt).str[:40]
    assert system.nunique() == 1, "as system text, or at the start of the conversation"


def test_quotas_stay_just_under_their_limit(tmp_path: Path) -> None:
    frame, _ = written(tmp_path, campaign("quota: 4, single_turn: 1"))
    per_day = frame.groupby(["account_id", frame.ts.dt.date]).size()
    assert per_day.max() <= 5, "a retry may come on top"
    assert (per_day >= 3).mean() > 0.6


NETWORK = """
- {actor: proxy_network, name: Undertow, accounts: 60, exchanges: 6000, bans: [9.5]}
- {actor: campaign, name: Ash Falcon, network: Undertow, accounts: 40, exchanges: 2000, paraphrases: 300,
   evasion: {wording: 1}, capabilities: {reasoning_trace: 1}}
- {actor: campaign, name: Reed Warbler, network: Undertow, accounts: 40, exchanges: 1500, paraphrases: 300,
   first_wording: 200, evasion: {wording: 1}, capabilities: {reasoning_trace: 1}}
"""


def test_sponsors_use_the_accounts_of_a_network(tmp_path: Path) -> None:
    frame, accounts = written(tmp_path, NETWORK)
    assert len(accounts) == 60
    members = pq.read_table(tmp_path / "out/truth/members.parquet").to_pandas().groupby("campaign").account_id.agg(set)
    assert members["ash-falcon"] | members["reed-warbler"] <= set(accounts.account_id)
    assert len(members["ash-falcon"] & members["reed-warbler"]) > 15
    labels = pq.read_table(tmp_path / "out/truth/campaigns.parquet").to_pandas().set_index("campaign").label
    assert labels.to_dict() == {"undertow": "reseller", "ash-falcon": "distillation", "reed-warbler": "distillation"}
    # Nothing that lasts of an account tells whose request it is: keys, clients and addresses are the network's.
    by_campaign = dict(iter(frame.groupby("campaign")))
    for column in ("api_key_id", "user_agent", "ip"):
        seen = set(by_campaign["undertow"][column].dropna())
        share = by_campaign["ash-falcon"][column].dropna().isin(seen).mean()
        assert share > (0.5 if column == "ip" else 0.95), column


def test_a_campaign_names_a_network_that_stands_before_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="proxy_network"):
        read(HEAD.format(days=3) + NETWORK.replace("name: Undertow", "name: Overflow"), "mine.yaml")


def test_the_wordings_of_two_sponsors_overlap_by_a_third() -> None:
    numbers = [set(range(first, first + 300)) for first in (0, 200)]
    assert len(numbers[0] & numbers[1]) * 3 == 300


def test_a_licence_is_on_file(tmp_path: Path) -> None:
    _, accounts = written(tmp_path, "- {actor: licensed_generation, name: Loom, accounts: 3, exchanges: 200}\n")
    agreements = pq.read_table(tmp_path / "out/agreements.parquet").to_pylist()
    assert [row["organization"] for row in agreements] == accounts.organization.unique().tolist()
    assert agreements[0]["permits"] == "distillation"


def test_a_hackathon_is_one_hall_one_code_one_weekend(tmp_path: Path) -> None:
    frame, accounts = written(
        tmp_path, "- {actor: hackathon, name: Locks, accounts: 50, exchanges: 900, day: 5, length: 2}\n")
    assert accounts.referral.value_counts(normalize=True).iloc[0] > 0.75
    assert (frame.ts.max() - frame.ts.min()) < pd.Timedelta(days=2.5)
    assert frame.ip.value_counts(normalize=True).iloc[:3].sum() > 0.6
    assert len(frame) > 400


def test_everybody_tries_a_new_model_on_its_day(tmp_path: Path) -> None:
    frame, _ = written(tmp_path, "- {actor: individuals, name: folk, accounts: 200, exchanges: 8000, launch_rush: 6,"
                                 " launch_tries: 0.6}\n")
    day = (frame.ts - frame.ts.min().normalize()).dt.days
    per_day = frame.groupby(day).size()
    assert per_day[8] > 2 * per_day[1:8].mean()
    tried = frame[(day == 8) & (frame.turn == 1)].prompt
    assert tried.map(tried.value_counts()).gt(10).mean() > 0.2
    before = frame[(day < 8) & (frame.turn == 1)].prompt
    assert before.map(before.value_counts()).gt(10).mean() < 0.05


def test_benchmarks_ask_the_same_items_of_each_model_and_several_times(tmp_path: Path) -> None:
    frame, accounts = written(
        tmp_path, "- {actor: benchmarking, name: Gauge, accounts: 3, exchanges: 4000, items: 50, samples: 4, judged: 0,"
                  " kind: internal, machines: 5, suites: [gsm8k]}\n")
    assert set(accounts.kind) == {"internal"}
    asked = frame.groupby("model").prompt.agg(set)
    assert len(asked) == 2
    assert asked.iloc[0] == asked.iloc[1]
    assert len(asked.iloc[0]) == 50
    assert frame.ip.nunique() == 5
    assert (frame.groupby(["model", "prompt"]).size() >= 4).all()


def test_copies_are_groups_of_their_own(tmp_path: Path) -> None:
    line = "- {actor: education, name: Course, accounts: 20, exchanges: 400, copies: 3, vary: 0.5}\n"
    written(tmp_path, line)
    campaigns = pq.read_table(tmp_path / "out/truth/campaigns.parquet").to_pandas()
    assert sorted(campaigns.campaign) == ["course-1", "course-2", "course-3"]
    sizes = pq.read_table(tmp_path / "out/truth/members.parquet").to_pandas().groupby("campaign").size()
    assert sizes.nunique() > 1
    told = read(HEAD.format(days=3) + line, "mine.yaml")
    assert len(told.cast(0, 10.0)) == round(3 * 10**0.4)
    assert len(told.cast(0, 0.01)) == 1


def test_a_cast_joins_the_actors_at_its_size(tmp_path: Path) -> None:
    text = HEAD.format(days=3).replace("actors:", "casts: {town: 2}\nactors:")
    told = read(text + campaign(), "mine.yaml")
    town = {actor.name: actor for actor in told.actors}
    assert town["townspeople"].accounts == 840
    assert {ACTORS[actor.actor].label for actor in told.actors} >= {
        "education", "benchmarking", "enterprise", "reseller", "batch_processing", "shared_network",
        "shared_application", None, "distillation"}
    for wrong, said in (("{twon: 2}", "twon"), ("{town: 0}", "above 0"), ("town", "maps")):
        with pytest.raises(InputError, match=said):
            read(text.replace("{town: 2}", wrong) + campaign(), "mine.yaml")


@pytest.mark.parametrize("text", ["move: {model: nwe}", "models: {nwe: 1}"])
def test_a_model_that_nobody_serves_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nwe"):
        written(tmp_path, campaign(text))


@pytest.mark.parametrize("name", sorted(scenarios()))
def test_every_shipped_scenario_can_be_cast_and_described(name: str) -> None:
    """Actors of every shipped scenario can be made, in either half of the prompts and at a small scale."""
    told = load(name)
    assert told.summary in describe(name)
    for half in ("A", "B"):
        _, actors = staged(told.model_copy(update={"prompts": half}), 0, 0.001)
        distilling = sum(actor.label == "distillation" for actor in actors)
        assert distilling == sum(actor.actor == "campaign" for actor in told.actors)


def test_addresses_are_of_the_networks_kind_that_proxies_name(tmp_path: Path) -> None:
    """The shipped table of networks, made from another source, says of the simulated addresses what they stand for."""
    for kind, said in (("hosting", {"hosting"}), ("residential", {"residential", "mobile", "unknown"})):
        folder = tmp_path / kind
        folder.mkdir()
        frame, _ = written(folder, campaign(f"proxies: {{kind: {kind}, prefixes: 30}}, app_share: 0"))
        known = Networks.load(()).describe(sorted(set(frame.ip))).to_pandas()
        assert known.network_kind.isin(said).mean() > 0.8, known.network_kind.value_counts()
