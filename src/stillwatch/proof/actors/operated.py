"""Accounts that one operator made: cards, identities, clients, pools, and the ways out to the network."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from stillwatch.proof.actors.base import Actor, Speech, hour_of_day
from stillwatch.proof.draws import Ints, choose, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import CHANNELS, DAY, HOUR
from stillwatch.schema import ACCOUNT_KIND

__all__ = ["COVER", "RELAYED", "Evasion", "Operated", "OperatedParameters", "Proxies", "between"]

_DISPOSABLE = ("drop{}.test", "mailtmp{}.test", "once{}.example")
# Streams below 0 are not the operator's own: relayed customers, and ordinary talk as cover. Their conversations are
# numbered apart.
RELAYED, COVER = -1, -2
_CONVERSATIONS = {RELAYED: np.int64(1 << 35), COVER: np.int64(1 << 34)}


class Proxies(BaseModel):
    """Where the operator's requests come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["hosting", "residential", "mobile", "vpn"] = Field("hosting", description="kind of network")
    exits: int = Field(40, ge=1, le=1_000_000, description="exit addresses at scale 1")
    per_account: int = Field(3, ge=1, le=1000, description="exits that one account uses")
    prefixes: int = Field(6, ge=1, le=10_000, description="prefixes that the exits lie in")
    own: Share = Field(0.2, description="share of exchanges sent from an address that no other account has")


class Evasion(BaseModel):
    """How careful the operator is, knob by knob: 0 careless, 1 as careful as can be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address_sharing: Share = Field(0.0, description="at 1 no two accounts share an address on purpose")
    payment_sharing: Share = Field(0.0, description="at 1 every account has a card of its own")
    client_mimicry: Share = Field(0.0, description="at 1 clients are as mixed as everybody's")
    wording: Share = Field(0.0, description="at 1 240 loose paraphrases instead of a few fixed frames")
    timing_jitter: Share = Field(0.0, description="at 1 requests come at people's hours, each account in its own time")
    dilution: Share = Field(0.0, description="at 1 four fifths of what the accounts send is ordinary talk as cover")
    exchanges_per_account: Share = Field(0.0, description="at 1 no more than ten of the work list's exchanges an"
                                         " account")


def between(low: float, high: float, share: float) -> float:
    """From ``low`` at 0 to ``high`` at 1, by equal ratios."""
    return float(low ** (1.0 - share) * high**share)


class OperatedParameters(ActorParameters):
    """Parameters of accounts that one operator made."""

    proxies: Proxies = Field(default_factory=lambda: Proxies.model_validate({}), description="exit addresses")
    evasion: Evasion = Field(default_factory=lambda: Evasion.model_validate({}), description="care taken, by knob")
    accounts_per_card: float = Field(8.0, ge=1, description="accounts that share a payment instrument")
    pattern_share: Share = Field(0.4, description="share of accounts whose e-mail addresses have one shape")
    disposable: Share = Field(0.3, description="share of accounts with disposable mail domains")
    signup_days: float = Field(4.0, gt=0, description="days over which a pool's accounts sign up")
    signup_lead: float = Field(6.0, ge=0, description="days between a pool's first sign-ups and its first exchange")
    clients: int = Field(3, ge=1, le=10_000, description="different client set-ups in use")
    account_kinds: dict[str, float] = Field({"startup": 10, "research": 6, "education": 6, "individual": 78},
                                            description="kinds that the accounts pose as, with weights")
    channels: dict[str, float] = Field({}, description="access pathways, with weights; as everybody's where not given")
    bans: tuple[float, ...] = Field((), description="days on which the pool in use is banned and the next takes over")
    failover_hours: float = Field(6.0, ge=0, description="hours between a ban and the next pool's first exchange")

    @field_validator("account_kinds", "channels")
    @classmethod
    def _weights(cls, value: dict[str, float], info: object) -> dict[str, float]:
        field = getattr(info, "field_name", "")
        known = ACCOUNT_KIND if field == "account_kinds" else CHANNELS
        for name, weight in value.items():
            if name not in known:
                raise ValueError(f"{name!r} is not known; use some of {', '.join(known)}")
            if weight <= 0:
                raise ValueError(f"the weight of {name} must be positive")
        return value

    @field_validator("bans")
    @classmethod
    def _in_order(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(b <= a for a, b in itertools.pairwise(value)) or any(day <= 0 for day in value):
            raise ValueError("bans are days after the start, in order")
        return value


P = TypeVar("P", bound=OperatedParameters)


class Operated(Actor[P], Generic[P]):
    """Base of what one operator runs through accounts made for it."""

    Parameters: ClassVar[type[ActorParameters]] = OperatedParameters

    def least(self) -> int:
        """Fewer accounts are no operation; every pool has some."""
        return 4 * (len(self.parameters.bans) + 1)

    def prepare(self, rng: np.random.Generator) -> None:
        """Pools of accounts made in bursts; cards and exits shared."""
        told, accounts = self.parameters, self.accounts
        self._pools()
        since = self.begins[self.pool] - told.signup_lead + rng.beta(1.5, 2.5, self.count) * told.signup_days
        accounts.created = self.world.start + (since * DAY).astype(np.int64)
        cards = max(1, round(self.count / between(told.accounts_per_card, 1.0, told.evasion.payment_sharing)))
        card = rng.permutation(np.arange(self.count) % cards)
        shared = (self.keys_of("cards", card) >> np.uint64(2)).astype(np.int64)
        accounts.payment = np.where(accounts.payment >= 0, shared, -1)
        shape = rng.random(self.count) < told.pattern_share
        accounts.pattern[shape] = "aaaaaaaa9999"
        for account in np.flatnonzero(rng.random(self.count) < told.disposable):
            accounts.domain[account] = _DISPOSABLE[int(rng.integers(3))].format(int(rng.integers(4)))
        accounts.kind = self._drawn(told.account_kinds, rng)
        if told.channels:
            drawn = [CHANNELS.index(str(name)) for name in self._drawn(told.channels, rng)]
            # What is sent through the provider's own application stays there.
            accounts.channel = np.where(accounts.app, accounts.channel, drawn)
        self._clients(rng)
        self._exits(rng)

    def _drawn(self, weights: dict[str, float], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        share = np.array(list(weights.values()))
        return rng.choice(np.array(list(weights), dtype=object), size=self.count, p=share / share.sum())

    def _pools(self) -> None:
        """Which pool each account is in, and from when to when (days) each pool is in use."""
        bans = [day for day in self.parameters.bans if self.first_day < day < self.last_day]
        gap = self.parameters.failover_hours / 24.0
        self.begins = np.array([self.first_day, *(day + gap for day in bans)])
        self.ends = np.array([*bans, float(self.last_day)])
        self.pool = np.arange(self.count) * len(self.begins) // self.count

    def pool_at(self, ts: Ints) -> Ints:
        """The pool in use at each time; -1 where none is."""
        day = (ts - self.world.start) / DAY
        at = np.searchsorted(self.begins, day, side="right") - 1
        return np.where((at >= 0) & (day < self.ends[np.maximum(at, 0)]), at, -1)

    def in_use(self, day: int, pool: int | None = None) -> Ints:
        """Accounts that exist on a day and whose pool (or the given one) is in use on it."""
        born = self.accounts.created < self.world.start + day * DAY
        if pool is not None:
            return np.flatnonzero(born & (self.pool == pool))
        return np.flatnonzero(born & (self.begins[self.pool] < day + 1) & (self.ends[self.pool] > day))

    def _clients(self, rng: np.random.Generator) -> None:
        """A few client set-ups, each of the kind (application, headers) that the account has anyway."""
        accounts, table = self.accounts, self.world.clients
        kind = table.app[accounts.client] * 2 + table.headerless[accounts.client]
        plain = rng.random(self.count) >= self.parameters.evasion.client_mimicry
        for value in np.unique(kind):
            rows = np.flatnonzero(kind == value)
            few = rng.permutation(np.unique(accounts.client[rows]))[: max(1, self.parameters.clients)]
            chosen = few[rng.integers(0, len(few), len(rows))]
            accounts.client[rows] = np.where(plain[rows], chosen, accounts.client[rows])

    def _exits(self, rng: np.random.Generator) -> None:
        told, net, care = self.parameters.proxies, self.world.networks, self.parameters.evasion.address_sharing
        every = net.of(told.kind)
        numbers = rng.permutation(every)[: max(1, round(between(min(told.prefixes, len(every)), len(every), care)))]
        count = self.scaled(told.exits, min(told.exits, 2))
        # Commercial VPN exits are the same for everybody; other exits are the network's own.
        exits = self.world.key("vpn exits") if told.kind == "vpn" else sub(self.key, "exits")
        self.exits = net.within(every if told.kind == "vpn" else numbers, exits, np.arange(count))
        self.own_prefixes = every if told.kind != "hosting" else numbers
        self.private = told.own + (1.0 - told.own) * care
        if told.kind == "vpn":
            self.accounts.vpn[:] = True
        first = self.accounts.signup_address >= 0
        chosen = self.exits[choose(np.ones(count), sub(self.key, "signup exit"), np.arange(self.count))]
        # Some sign up through the exits, some elsewhere.
        through = rng.random(self.count) < 0.5 * (1.0 - care)
        self.accounts.signup_address = np.where(first & through, chosen, self.accounts.signup_address)

    def addresses(self, rows: Rows) -> Ints:
        """One of the account's exits for each hour; some exchanges from an address of its own."""
        told = self.parameters.proxies
        hour = (rows.ts - self.world.start) // HOUR
        which = mix(sub(self.key, "exit"), rows.account, hour, rows.conv % 2) % np.uint64(told.per_account)
        number = (mix(sub(self.key, "exits of"), rows.account, which) % np.uint64(len(self.exits))).astype(np.int64)
        own = self._own_address(rows)
        private = uniforms(sub(self.key, "private"), rows.account, hour) < self.private
        return np.where(private, own, self.exits[number])

    def _own_address(self, rows: Rows) -> Ints:
        """An address of the account's own: at home where it claims to be, or a server, each for its own time."""
        if self.parameters.proxies.kind in ("residential", "mobile"):
            return super().addresses(rows)
        who = rows.account
        elapsed = (rows.ts - self.world.start) / DAY
        lease = np.floor(elapsed / self.accounts.lease[who] + uniforms(sub(self.key, "phase"), who)).astype(np.int64)
        return self.world.networks.within(self.own_prefixes, sub(self.key, "own"), who, lease)

    def customers(self, day: int, count: int, stream: int, rng: np.random.Generator) -> Rows:
        """About so many exchanges of ordinary conversations that come through the accounts in use."""
        born = self.in_use(day)
        conversations = round(count / 2.5)
        if conversations <= 0 or len(born) == 0:
            return Rows.none()
        account = born[rng.integers(0, len(born), conversations)]
        offset = _CONVERSATIONS.get(stream, np.int64(0))
        conv = self.conversation_ids(day, conversations) + offset
        start = self.local_start(day, account, hour_of_day(sub(self.key, "relay hour"), conv))
        turns = rng.geometric(0.4, conversations).clip(1, 30)
        rows = self.conversations(day, account, start, turns, stream)
        rows.conv += offset
        return rows.take(self.pool_at(rows.ts) == self.pool[rows.account])

    def talk(self, rows: Rows, relayed: bool) -> Speech:
        """What customers of many countries say; cover is in the account's own language."""
        language = choose(np.array([8, 2, 1, 1, 1, 1, 1, 1]), sub(self.key, "language"), rows.conv) if relayed else None
        spoken = self.chat(rows, language)
        spoken.system = self.ordinary_system(rows)
        spoken.tools = self.tooled(rows)
        spoken.json_format = self.accounts.wants_json[rows.account]
        return spoken
