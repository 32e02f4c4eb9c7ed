"""A distillation campaign: one operator's work list, dealt to many accounts."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator

from stillwatch.errors import UsageError
from stillwatch.proof.actors.base import Actor, Speech, hour_of_day, scatter
from stillwatch.proof.draws import Ints, choose, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.prompts import Family
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY, HOUR, SECOND
from stillwatch.schema import CAPABILITY

__all__ = ["Campaign", "CampaignParameters", "Proxies"]

RELAYED = -1
_DISPOSABLE = ("drop{}.test", "mailtmp{}.test", "once{}.example")


class Proxies(BaseModel):
    """Where the campaign's requests come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["hosting", "residential", "mobile", "vpn"] = Field("hosting", description="kind of network")
    exits: int = Field(40, ge=1, le=1_000_000, description="exit addresses at scale 1")
    per_account: int = Field(3, ge=1, le=1000, description="exits that one account uses")
    prefixes: int = Field(6, ge=1, le=10_000, description="prefixes that the exits lie in")
    own: Share = Field(0.2, description="share of exchanges sent from an address that no other account has")


class CampaignParameters(ActorParameters):
    """Parameters of a campaign."""

    capabilities: dict[str, float] = Field(description="what is taken, with weights")
    families: tuple[str, ...] = Field((), description="families of prompts to use; all of the capabilities' where"
                                                      " not given")
    paraphrases: int = Field(4, ge=1, le=10_000, description="wordings of each family")
    chinese: Share = Field(0.0, description="share of reasoning items written in Chinese")
    proxies: Proxies = Field(default_factory=lambda: Proxies.model_validate({}), description="exit addresses")
    accounts_per_card: float = Field(8.0, ge=1, description="accounts that share a payment instrument")
    pattern_share: Share = Field(0.4, description="share of accounts whose e-mail addresses have one shape")
    disposable: Share = Field(0.3, description="share of accounts with disposable mail domains")
    signup_days: float = Field(4.0, gt=0, description="days over which the accounts sign up")
    signup_lead: float = Field(6.0, ge=0, description="days between the first sign-ups and the first exchange")
    clients: int = Field(3, ge=1, le=10_000, description="different client set-ups in use")
    evenness: Share = Field(0.9, description="how equal the accounts' volumes are: 1 is round-robin, 0 as organic")
    quota: int = Field(100_000, ge=1, description="most exchanges of an account in a day")
    single_turn: Share = Field(0.9, description="share of items that take one request")
    hours: Literal["round_the_clock", "shifts"] = Field("round_the_clock", description="working pattern")
    relayed: Share = Field(0.2, description="share of the accounts' exchanges that are relayed customers' own")

    @field_validator("capabilities")
    @classmethod
    def _known(cls, value: dict[str, float]) -> dict[str, float]:
        for name, weight in value.items():
            if name not in CAPABILITY:
                raise ValueError(f"{name!r} is no capability; use some of {', '.join(CAPABILITY)}")
            if weight <= 0:
                raise ValueError(f"the weight of {name} must be positive")
        if not value:
            raise ValueError("name at least one capability")
        return value


class Campaign(Actor[CampaignParameters]):
    """Many accounts, one work list; relayed customers of the same proxy network among them."""

    Parameters: ClassVar[type[ActorParameters]] = CampaignParameters
    label: ClassVar[str | None] = "distillation"
    summary: ClassVar[str] = "one operator that harvests answers through many accounts"

    def least(self) -> int:
        """A campaign of fewer accounts is none."""
        return 4

    def prepare(self, rng: np.random.Generator) -> None:
        """Accounts made in a burst, cards and exits shared, and the work list's families."""
        told, accounts, world = self.parameters, self.accounts, self.world
        since = (self.first_day - told.signup_lead + rng.beta(1.5, 2.5, self.count) * told.signup_days) * DAY
        accounts.created = world.start + since.astype(np.int64)
        cards = max(1, round(self.count / told.accounts_per_card))
        card = rng.permutation(np.arange(self.count) % cards)
        shared = (self.keys_of("cards", card) >> np.uint64(2)).astype(np.int64)
        accounts.payment = np.where(accounts.payment >= 0, shared, -1)
        shape = rng.random(self.count) < told.pattern_share
        accounts.pattern[shape] = "aaaaaaaa9999"
        disposable = np.flatnonzero(rng.random(self.count) < told.disposable)
        for account in disposable:
            accounts.domain[account] = _DISPOSABLE[int(rng.integers(3))].format(int(rng.integers(4)))
        kinds = rng.random(self.count)
        accounts.kind = np.where(kinds < 0.1, "startup", np.where(kinds < 0.16, "research", np.where(
            kinds < 0.22, "education", "individual"))).astype(object)
        self._clients(rng)
        self._exits(rng)
        self.shares = np.exp(rng.normal(0.0, 1.6 * (1.0 - told.evenness), self.count))
        self._work()

    def _clients(self, rng: np.random.Generator) -> None:
        """A few client set-ups, each of the kind (application, headers) that the account has anyway."""
        accounts, table = self.accounts, self.world.clients
        kind = table.app[accounts.client] * 2 + table.headerless[accounts.client]
        for value in np.unique(kind):
            rows = np.flatnonzero(kind == value)
            few = rng.permutation(np.unique(accounts.client[rows]))[: max(1, self.parameters.clients)]
            accounts.client[rows] = few[rng.integers(0, len(few), len(rows))]

    def _exits(self, rng: np.random.Generator) -> None:
        told, net = self.parameters.proxies, self.world.networks
        numbers = rng.permutation(net.of(told.kind))[: told.prefixes]
        count = self.world.scaled(told.exits, min(told.exits, 2))
        # Commercial VPN exits are the same for everybody; other exits are the network's own.
        exits = self.world.key("vpn exits") if told.kind == "vpn" else sub(self.key, "exits")
        self.exits = net.within(net.of("vpn") if told.kind == "vpn" else numbers, exits, np.arange(count))
        self.own_prefixes = net.of(told.kind) if told.kind != "hosting" else numbers
        first = self.accounts.signup_address >= 0
        chosen = self.exits[choose(np.ones(count), sub(self.key, "signup exit"), np.arange(self.count))]
        # Some sign up through the exits, some elsewhere.
        through = rng.random(self.count) < 0.5
        self.accounts.signup_address = np.where(first & through, chosen, self.accounts.signup_address)

    def _work(self) -> None:
        told, library = self.parameters, self.world.prompts
        self.families: list[Family] = []
        weights = []
        for capability, weight in told.capabilities.items():
            own = [f for f in library.named("harvest", capability) if not told.families or f.name in told.families]
            share = np.array([told.chinese if f.name.startswith("chain_zh") else 1.0 - told.chinese for f in own])
            if capability != "reasoning_trace":
                share = np.ones(len(own))
            for family, part in zip(own, share / max(share.sum(), 1e-9), strict=True):
                self.families.append(family)
                weights.append(weight * part)
        if not self.families:
            raise UsageError(f"campaign {self.name}: half {library.half} of the prompts has no family for it",
                             remedy="name families of that half, other capabilities, or leave families out")
        self.family_weights = np.array(weights)

    def day(self, day: int) -> Rows:
        """A day's part of the work list, dealt out; and relayed customers in between."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        days = np.arange(int(self.first_day), int(np.ceil(self.last_day)))
        ramp = np.minimum(1.0, (days - self.first_day + 1) / 3.0)
        plan = self.total * ramp / ramp.sum()
        count = int(rng.poisson(plan[int(np.searchsorted(days, day))]))
        relayed = int(rng.binomial(count, self.parameters.relayed))
        return Rows.joined([self._harvest(day, count - relayed, rng), self._relay(day, relayed, rng)])

    def _harvest(self, day: int, count: int, rng: np.random.Generator) -> Rows:
        turns_mean = 3.0
        single = self.parameters.single_turn
        items = max(1, round(count / (single + (1.0 - single) * turns_mean)))
        account = self._deal(day, items, rng)
        items = len(account)
        start = self._times(day, items, rng)
        turns = np.where(rng.random(items) < single, 1, 1 + rng.geometric(1.0 / (turns_mean - 1.0), items)).clip(1, 12)
        conv = self.conversation_ids(day, items)
        which = np.repeat(np.arange(items), turns)
        turn = np.arange(len(which)) - np.repeat(np.cumsum(turns) - turns, turns)
        # A program answers a tool call within seconds.
        gap = (turn * (8.0 + 20.0 * uniforms(sub(self.key, "gap"), conv[which])) * SECOND).astype(np.int64)
        stream = choose(self.family_weights, sub(self.key, "family"), conv)
        return Rows.make(start[which] + gap, account[which], conv[which], turn=turn, stream=stream[which])

    def _deal(self, day: int, items: int, rng: np.random.Generator) -> Ints:
        """Each item to exactly one account: rounds in shuffled order, thinned by each account's share."""
        born = np.flatnonzero(self.accounts.created < self.world.start + day * DAY)
        if len(born) == 0:
            return np.empty(0, dtype=np.int64)
        share = self.shares[born] / self.shares[born].sum()
        quota = np.minimum(np.floor(share * items + rng.random(len(born))).astype(np.int64), self.parameters.quota)
        account = np.repeat(born, quota)
        rounds = np.arange(len(account)) - np.repeat(np.cumsum(quota) - quota, quota)
        position = (rounds + rng.random(len(account))) / np.repeat(np.maximum(quota, 1), quota)
        return account[np.argsort(position, kind="stable")]

    def _times(self, day: int, items: int, rng: np.random.Generator) -> Ints:
        """Times in order of dealing: near-even work through the day, with common pauses of the queue."""
        hours = np.sort(rng.random(items)) * 24.0
        if self.parameters.hours == "shifts":
            hours = 1.0 + np.sort(rng.beta(1.3, 1.3, items)) * 15.0
        pauses = np.sort(rng.random(2)) * 22.0
        for pause in pauses:
            length = 0.3 + 0.7 * float(rng.random())
            inside = (hours >= pause) & (hours < pause + length)
            hours = np.where(inside, pause + length + (hours - pause) * 0.3, hours)
        hours = np.minimum(hours, 23.999)
        return self.world.start + day * DAY + (hours * HOUR).astype(np.int64) + rng.integers(0, SECOND, items)

    def _relay(self, day: int, count: int, rng: np.random.Generator) -> Rows:
        """Customers of the proxy network: ordinary conversations that come through the same accounts."""
        born = np.flatnonzero(self.accounts.created < self.world.start + day * DAY)
        conversations = round(count / 2.5)
        if conversations == 0 or len(born) == 0:
            return Rows.none()
        account = born[rng.integers(0, len(born), conversations)]
        conv = np.arange(conversations) + (np.int64(day) << np.int64(20)) + (np.int64(1) << np.int64(35))
        start = self.local_start(day, account, hour_of_day(sub(self.key, "relay hour"), conv))
        turns = rng.geometric(0.4, conversations).clip(1, 30)
        rows = self.conversations(day, account, start, turns, RELAYED)
        rows.conv += np.int64(1) << np.int64(35)
        return rows

    def addresses(self, rows: Rows) -> Ints:
        """One of the account's exits for each hour; some exchanges from an address of its own."""
        told = self.parameters.proxies
        hour = (rows.ts - self.world.start) // HOUR
        which = mix(sub(self.key, "exit"), rows.account, hour, rows.conv % 2) % np.uint64(told.per_account)
        number = (mix(sub(self.key, "exits of"), rows.account, which) % np.uint64(len(self.exits))).astype(np.int64)
        own = self.world.networks.within(self.own_prefixes, sub(self.key, "own"), rows.account, hour // 30)
        private = uniforms(sub(self.key, "private"), rows.account, hour) < told.own
        return np.where(private, own, self.exits[number])

    def speech(self, rows: Rows) -> Speech:
        """The work list's items in the families' wordings, and relayed customers' talk."""
        pieces: list[tuple[Ints, Speech]] = []
        for stream in np.unique(rows.stream):
            places = np.flatnonzero(rows.stream == stream)
            part = rows.take(places)
            if stream == RELAYED:
                language = choose(np.array([8, 2, 1, 1, 1, 1, 1, 1]), sub(self.key, "language"), part.conv)
                pieces.append((places, self.chat(part, language)))
            else:
                pieces.append((places, self._item(self.families[int(stream)], part)))
        return scatter(pieces, len(rows))

    def _default_system(self, rows: Rows) -> pa.Array:
        """Where a family has no system text, some clients send their usual one."""
        usual = uniforms(sub(self.key, "usual system"), rows.account) < 0.35
        return pa.compute.if_else(pa.array(usual), self.common_system(rows), pa.scalar(None, pa.string()))

    def _item(self, family: Family, rows: Rows) -> Speech:
        library = self.world.prompts
        keys = self.keys_of("item", rows.item)
        variants = (self.keys_of("wording", rows.item) % np.uint64(self.parameters.paraphrases)).astype(np.int64)
        system, prompt = library.render(family, keys, variants)
        later = rows.turn > 0
        if later.any():
            step = library.things.slot("observation", self.keys_of("step", rows.item, rows.turn), "s")
            prompt = pa.compute.if_else(pa.array(later), step, prompt)
        spoken = Speech.plain(prompt, system if system is not None else self._default_system(rows))
        spoken.capability[:] = family.capability
        if family.tools:
            spoken.tools = library.family_tools(family, keys)
        return spoken
