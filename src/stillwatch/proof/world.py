"""What every actor of a simulation shares: time, models, clients, addresses, parameters, prompts, seed."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from stillwatch.proof.draws import Floats, Ints, Key, choose, generator, key_of, mix, sub
from stillwatch.proof.networks import Networks, networks
from stillwatch.proof.prompts import Library, library

if TYPE_CHECKING:
    from stillwatch.proof.actors.base import Actor
    from stillwatch.proof.scenario import Scenario

__all__ = ["CHANNELS", "DAY", "HOUR", "REGIONS", "SECOND", "Clients", "World", "clients", "exact_share", "parameters"]

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
CHANNELS = ("api", "app", "bedrock", "vertex", "azure")
REGIONS = ("us-east", "us-west", "eu-central", "ap-southeast")


def _json(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(
        (resources.files("stillwatch") / f"data/scenarios/{name}.json").read_text("utf-8"))
    return read


@cache
def parameters() -> dict[str, Any]:
    """Fitted parameters of ordinary traffic (see their ``source``)."""
    return _json("parameters")


def exact_share(rng: np.random.Generator, strata: Any, share: float) -> Any:
    """A share of rows, in random places, exact within either value of ``strata`` (a boolean array).

    What is left of a row by rounding is drawn, so that small groups are not all rounded the same way.
    """
    chosen = np.zeros(len(strata), dtype=bool)
    for value in (False, True):
        rows = rng.permutation(np.flatnonzero(strata == value))
        chosen[rows[: int(np.floor(share * len(rows) + rng.random()))]] = True
    return chosen


@dataclass(frozen=True)
class Clients:
    """Client programs: one entry a library, version and system."""

    agents: pa.Array
    sdks: pa.Array
    tls: pa.Array
    weights: Floats
    app: Any
    headerless: Any

    def draw(self, app: Any, rng: np.random.Generator) -> Ints:
        """A client for each account, by whether it uses the application or the interface."""
        out = np.empty(len(app), dtype=np.int64)
        interface = self.weights * ~self.app
        bare = exact_share(rng, app, float((interface * self.headerless).sum() / interface.sum()))
        for value, headerless in ((False, False), (False, True), (True, False), (True, True)):
            rows = np.flatnonzero((app == value) & ((bare == headerless) | value))
            weights = np.where((self.app == value) & ((self.headerless == headerless) | value), self.weights, 0.0)
            out[rows] = rng.choice(len(weights), size=len(rows), p=weights / weights.sum())
        return out


@cache
def clients() -> Clients:
    """The shipped table of client programs."""
    read = _json("clients")
    agents, sdks, tls, weights, app = [], [], [], [], []
    for lib in read["libraries"]:
        systems: list[Any] = read["systems"] if lib["sdk"] else [["", "", 1]]
        runtimes = read["runtimes"][lib["language"]] if lib["sdk"] else [""]
        total = sum(int(s[2]) for s in systems) * len(runtimes) * len(lib["versions"])
        for version in lib["versions"]:
            for system, arch, weight in systems:
                for runtime in runtimes:
                    words = {"version": version, "os": system, "arch": arch, "runtime": runtime}
                    agents.append(lib["agent"].format(**words))
                    sdks.append(lib["sdk"].format(**words) if lib["sdk"] else None)
                    tls.append(lib["tls"])
                    weights.append(lib["weight"] * weight / total)
                    app.append(lib["channel"] == "app")
    return Clients(pa.array(agents, pa.string()), pa.array(sdks, pa.string()), pa.array(tls, pa.string()),
                   np.array(weights), np.array(app), np.array([sdk is None for sdk in sdks]))


class World:
    """One simulation: a scenario at a scale, with a seed."""

    def __init__(self, scenario: Scenario, seed: int, scale: float) -> None:
        self.scenario = scenario
        self.seed = seed
        self.scale = scale
        self.start = int(dt.datetime.combine(scenario.start, dt.time(), dt.UTC).timestamp()) * SECOND
        self.days = scenario.days
        self.end = self.start + self.days * DAY
        self.models = [model.name for model in scenario.models]
        self.model_names = pa.array(self.models, pa.string())
        # Actors that exist already, by name: one may use what another has.
        self.actors: dict[str, Actor[Any]] = {}

    @cached_property
    def prompts(self) -> Library:
        """The half of the shipped prompts that the scenario uses."""
        return library(self.scenario.prompts)

    @property
    def networks(self) -> Networks:
        """Addresses."""
        return networks()

    @property
    def clients(self) -> Clients:
        """Client programs."""
        return clients()

    def rng(self, *names: str) -> np.random.Generator:
        """A generator for one purpose."""
        return generator(self.seed, *names)

    def key(self, *names: str) -> Key:
        """A key for one purpose."""
        return key_of(self.seed, *names)

    @cached_property
    def released(self) -> Ints:
        """When each model was released, in microseconds; those that were there before have 0."""
        days = [model.released_on_day for model in self.scenario.models]
        return np.array([0 if day is None else self.start + int(day * DAY) for day in days], dtype=np.int64)

    def scaled(self, number: float, least: int = 1) -> int:
        """A count at this simulation's scale."""
        return max(least, round(number * self.scale))

    def pick_models(self, key: Key, account: Ints, conv: Ints, ts: Ints, weights: Floats,
                    loyalty: float = 0.8) -> Ints:
        """Model of each row: mostly the account's usual one, and only what is released.

        Accounts take up a new model some hours or days after its release, each in its own time.
        """
        usual = choose(weights, sub(key, "usual"), account)
        other = choose(weights, sub(key, "other"), conv)
        stay = (mix(sub(key, "stay"), conv) >> np.uint64(11)).astype(np.float64) * 2.0**-53 < loyalty
        model = np.where(stay, usual, other)
        longest = np.uint64(max(1, int(self.scenario.adoption_hours * HOUR)))
        delay = (mix(sub(key, "delay"), account) % longest).astype(np.int64)
        early = ts < self.released[model] + np.where(self.released[model] > 0, delay, 0)
        older = np.flatnonzero(self.released == 0)
        fallback = older[(mix(sub(key, "older"), account) % np.uint64(len(older))).astype(np.int64)]
        return np.where(early, fallback, model)
