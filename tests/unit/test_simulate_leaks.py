"""Labels must not leak: nothing but what an actor does may tell the sides apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from stillwatch.proof import simulate

LIMIT = 0.55
SEEDS = (0, 1, 2)

Frame = Any


# Scenarios whose campaigns differ most in how they work, with the scale they are tried at.
SCENARIOS = {"demo": 1.0, "hydra": 0.7, "evasive": 0.7, "slow_drip": 1.0, "reported": 0.005}


@pytest.fixture(scope="module", params=["demo"])
def traffic(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """A scenario under several seeds: exchanges with `campaign` (is it the campaign's own?) and `weight`."""
    frames = []
    for seed in SEEDS:
        out = tmp_path_factory.mktemp("leaks") / "out"
        simulate(request.param, out, seed=seed, scale=SCENARIOS[request.param])
        frame = pq.read_table(out / "exchanges").to_pandas()
        truth = pq.read_table(out / "truth/exchanges.parquet").to_pandas()
        groups = pq.read_table(out / "truth/campaigns.parquet").to_pandas()
        harvests = groups.campaign[groups.label == "distillation"]
        frame["campaign"] = frame.exchange_id.isin(truth.exchange_id[truth.campaign.isin(harvests)])
        # Volume-adjusted: each account counts once, however much it sends.
        frame["weight"] = 1.0 / frame.groupby("account_id").account_id.transform("size")
        frames.append(frame)
    return frames


def hexadecimal(ids: Any, prefix: str) -> Any:
    return ids.str.removeprefix(prefix).map(lambda text: int(text, 16)).astype(float)


def position_in_second(frame: Frame) -> Any:
    """Place among the rows of one second; of no value where a row is alone in its second."""
    second = frame.ts.dt.floor("s")
    size = frame.groupby(second).ts.transform("size")
    return ((frame.groupby(second).cumcount() + 0.5) / size).mask(size == 1)


def null(column: str) -> Callable[[Frame], Any]:
    return lambda frame: frame[column].isna().astype(float)


NUISANCES: dict[str, Callable[[Frame], Any]] = {
    "exchange id": lambda frame: hexadecimal(frame.exchange_id, "req_"),
    "low digits of the exchange id": lambda frame: hexadecimal(frame.exchange_id.str[-2:], ""),
    "position in its second": position_in_second,
    "microseconds": lambda frame: frame.ts.dt.microsecond.astype(float),
    "last digits of the time": lambda frame: (frame.ts.dt.microsecond % 1000).astype(float),
    "last digit of the time": lambda frame: (frame.ts.dt.microsecond % 10 == 0).astype(float),
    "digits of the latency": lambda frame: np.floor(frame.latency_ms * 1000) % 10,
    "number of nulls": lambda frame: frame.isna().sum(axis=1).astype(float),
    "repeated prompts of an account": lambda frame: frame.duplicated(["account_id", "prompt", "turn"]).astype(float),
    "length of the exchange id": lambda frame: frame.exchange_id.str.len().astype(float),
    "length of the account id": lambda frame: frame.account_id.str.len().astype(float),
} | {f"null {column}": null(column) for column in (
    "api_key_id", "end_user_id", "sdk", "ja4", "temperature", "top_p", "n", "max_tokens", "logprobs",
    "reasoning_effort", "response_format", "tools", "conversation_id", "system_prompt", "prompt", "response",
    "reasoning_signature", "status", "latency_ms", "extra")}


def separation(frames: list[Frame], feature: Callable[[Frame], Any]) -> float:
    """Mean over seeds of the area under the curve, whichever way the feature points."""
    areas = []
    for frame in frames:
        values = pd.Series(np.asarray(feature(frame)), index=frame.index)
        known = values.notna()
        areas.append(roc_auc_score(frame.campaign[known], values[known], sample_weight=frame.weight[known]))
    return 0.5 + abs(float(np.mean(areas)) - 0.5)


@pytest.mark.parametrize("traffic", SCENARIOS, indirect=True)
def test_no_nuisance_tells_the_campaign_apart(traffic: list[Frame]) -> None:
    found = {name: separation(traffic, feature) for name, feature in NUISANCES.items()}
    assert {name: area for name, area in found.items() if area > LIMIT} == {}


def truth_of(column: Callable[[Frame], Any]) -> Callable[[Frame], Any]:
    return lambda frame: column(frame).astype(float)


# What a client does out of habit, whoever runs it; scenarios whose campaigns ask for tools are left out of these.
HABITS: dict[str, Callable[[Frame], Any]] = {
    "tools": truth_of(lambda frame: frame.tools.map(lambda tools: tools is not None and len(tools) > 0)),
    "json": truth_of(lambda frame: frame.response_format == "json_object"),
    "batch": truth_of(lambda frame: frame.operation == "batch"),
    "default system text opens the prompt": truth_of(lambda frame: frame.prompt.str.startswith("You are a helpful")),
    "no-break space": truth_of(lambda frame: frame.prompt.str.contains("\u00a0")),
}


@pytest.mark.parametrize("traffic", ["hydra", "evasive"], indirect=True)
def test_no_habit_tells_the_campaign_apart(traffic: list[Frame]) -> None:
    found = {name: separation(traffic, feature) for name, feature in HABITS.items()}
    assert {name: area for name, area in found.items() if area > LIMIT} == {}


@pytest.mark.parametrize("traffic", ["hydra", "evasive", "reported"], indirect=True)
def test_no_clock_gives_the_campaign_away(traffic: list[Frame]) -> None:
    """Turns are not equally spaced, and addresses do not change for all accounts at one moment."""
    for frame in traffic:
        own = frame[frame.campaign].sort_values("ts")
        gaps = own[own.conversation_id.notna()].groupby("conversation_id").ts.diff().dt.total_seconds()
        after = gaps.groupby(own.conversation_id).shift(-1)
        both = gaps.notna() & after.notna()
        assert (gaps - after).abs()[both].lt(0.001).mean() < 0.05
        changed = own[own.groupby("account_id").ip.shift() != own.ip]
        hour = (changed.ts - frame.ts.min().normalize()) // pd.Timedelta(hours=1)
        assert hour.mod(30).value_counts(normalize=True).max() < 0.12


@pytest.mark.parametrize("traffic", ["evasive"], indirect=True)
def test_careful_accounts_come_from_where_they_claim_to_be(traffic: list[Frame]) -> None:
    """Few networks an account, as ordinary people have; not one of another country every day."""
    for frame in traffic:
        networks = frame.ip.str.split(".").str[:2].str.join(".")
        per_account = networks.groupby(frame.account_id).nunique()
        careful = per_account[frame[frame.campaign].account_id.unique()]
        assert careful.median() <= per_account.median() + 1


def test_account_ids_are_in_no_order(traffic: list[Frame]) -> None:
    areas = []
    for frame in traffic:
        accounts = frame.groupby("account_id").campaign.max().reset_index()
        areas.append(roc_auc_score(accounts.campaign, hexadecimal(accounts.account_id, "acct_")))
    # About 84 accounts a seed: three standard errors of the mean of three are 0.06.
    assert abs(float(np.mean(areas)) - 0.5) < 0.06


def campaign_last(frame: Frame) -> Frame:
    """As if actors were written one after the other within a second."""
    return frame.assign(s=frame.ts.dt.floor("s")).sort_values(["s", "campaign"]).drop(columns="s")


PLANTS: dict[str, Callable[[Frame], Frame]] = {
    "exchange id": lambda f: f.assign(exchange_id=f.exchange_id.mask(f.campaign, "req_f" + f.exchange_id.str[5:])),
    "position in its second": campaign_last,
    "last digit of the time": lambda f: f.assign(ts=f.ts.where(~f.campaign, f.ts.dt.floor("10us"))),
    "null top_p": lambda f: f.assign(top_p=f.top_p.mask(f.campaign, 1.0)),
    "number of nulls": lambda f: f.assign(region=f.region.mask(f.campaign), status=f.status.mask(f.campaign)),
    "repeated prompts of an account": lambda f: pd.concat([f, f[f.campaign]], ignore_index=True),
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_leak_is_caught(traffic: list[Frame], name: str) -> None:
    assert separation([PLANTS[name](frame) for frame in traffic], NUISANCES[name]) > LIMIT


@pytest.mark.parametrize("column", ["model", "channel", "region", "stream", "status", "operation", "response_format",
                                    "temperature", "max_tokens", "ja4"])
def test_no_single_field_gives_the_campaign_away(traffic: list[Frame], column: str) -> None:
    """The share of the campaign among one half's accounts, value by value, used to tell the other half's."""
    areas = []
    for frame in traffic:
        values = frame[column].astype(str)
        half = hexadecimal(frame.account_id.str[-1], "") % 2 == 0
        score = np.zeros(len(frame))
        for side in (half, ~half):
            share = frame[~side].groupby(values[~side]).campaign.mean()
            score[side] = values[side].map(share).fillna(frame.campaign.mean())
        areas.append(roc_auc_score(frame.campaign, score))
    assert float(np.mean(areas)) < 0.7


def test_every_account_of_the_logs_is_described(tmp_path: Path) -> None:
    out = tmp_path / "out"
    simulate("demo", out, seed=5, scale=0.3)
    accounts = set(pq.read_table(out / "accounts.parquet")["account_id"].to_pylist())
    assert set(pq.read_table(out / "exchanges", columns=["account_id"])["account_id"].to_pylist()) <= accounts
