"""Ordinary people and small developers: heavy-tailed volumes, regional hours, many languages and topics."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from stillwatch.proof.actors.base import Actor, Speech, hour_of_day, scatter
from stillwatch.proof.draws import Floats, Ints, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.rows import Rows
from stillwatch.proof.texts import by_group
from stillwatch.proof.world import DAY, HOUR, parameters

__all__ = ["Individuals", "IndividualsParameters"]

CHAT, SCRIPT, TRY = 0, 1, 2
_WEEKDAYS = (1.12, 1.12, 1.19, 1.1, 1.0, 0.78, 0.69)


class IndividualsParameters(ActorParameters):
    """Parameters of ordinary people."""

    scripted: Share = Field(0.25, description="share of accounts that run programs of their own")
    vpn: Share = Field(0.06, description="share of accounts behind a commercial VPN")
    hosted: Share = Field(0.12, description="share of program-running accounts whose programs run on rented servers")
    shared_homes: Share = Field(0.06, description="share of accounts that share a home, and half of them a card")
    launch_rush: float = Field(1.0, ge=1, le=100, description="how much more is asked in the first day of a new model,"
                               " fading over three days")
    launch_tries: Share = Field(0.0, description="share of conversations in those days that try what everybody tries")
    tail: float = Field(1.0, gt=0, le=2, description="spread of volumes, as a multiple of the fitted one")


class Individuals(Actor[IndividualsParameters]):
    """Unrelated accounts; no label, and nothing that links them but chance."""

    Parameters: ClassVar[type[ActorParameters]] = IndividualsParameters
    summary: ClassVar[str] = "unrelated people and small developers"

    def prepare(self, rng: np.random.Generator) -> None:
        """Volumes, programs, VPN users and households."""
        spread = parameters()["volume"]["ln_sd"] * self.parameters.tail * 0.62
        self.volume = np.exp(np.clip(rng.normal(0.0, spread, self.count), -4.0, 2.6 * spread))
        self.turns = 1.0 + rng.gamma(1.4, 1.6, self.count)
        self.scripted = (rng.random(self.count) < self.parameters.scripted) & ~self.accounts.app
        self.single = rng.random(self.count) < 0.2
        self.accounts.vpn = rng.random(self.count) < self.parameters.vpn
        self.hosted = self.scripted & (rng.random(self.count) < self.parameters.hosted)
        kinds = rng.random(self.count)
        self.accounts.kind = np.where(kinds < 0.04, "startup", np.where(kinds < 0.07, "research", np.where(
            kinds < 0.09, "education", "individual"))).astype(object)
        burst = parameters()["burstiness"]
        self.shape = 1.0 / np.exp(rng.normal(np.log(burst["cv"]), burst["ln_sd"] * 0.6, self.count)) ** 2
        self._households(rng)
        life = np.clip((self.world.end - self.accounts.created) / DAY, 0.5, self.world.days)
        weight = self.volume * life / self.world.days
        per_conversation = np.where(self.scripted, 1.0, self.turns)
        self.rate = weight / weight.sum() * self.total / self.world.days / per_conversation

    def _households(self, rng: np.random.Generator) -> None:
        pairs = rng.permutation(self.count)[: 2 * int(self.count * self.parameters.shared_homes / 2)].reshape(-1, 2)
        accounts = self.accounts
        for field in ("home", "country", "offset", "lease"):
            getattr(accounts, field)[pairs[:, 1]] = getattr(accounts, field)[pairs[:, 0]]
        self.household = np.arange(self.count)
        self.household[pairs[:, 1]] = pairs[:, 0]
        cards = pairs[: len(pairs) // 2]
        accounts.payment[cards[:, 1]] = accounts.payment[cards[:, 0]]

    def day(self, day: int) -> Rows:
        """Conversations in people's waking hours, and programs in jobs."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        weekday = (self.world.scenario.start.weekday() + day) % 7
        burst = rng.gamma(self.shape, 1.0 / self.shape)
        born = self.accounts.created < self.world.start + day * DAY
        fresh = self._novelty(day)
        rush = 1.0 + (self.parameters.launch_rush - 1.0) * fresh
        expected = self.rate * burst * np.where(self.scripted, 1.0, _WEEKDAYS[weekday] * rush) * born
        account = np.repeat(np.arange(self.count), rng.poisson(expected))
        scripted = self.scripted[account]
        turns = np.where(scripted | self.single[account], 1,
                         rng.geometric(1.0 / self.turns[account])).clip(1, 60)
        conv = self.conversation_ids(day, len(account))
        start = self.local_start(day, account, hour_of_day(sub(self.key, "hour"), conv))
        start = np.where(scripted, self._jobs(day, account, rng), start)
        tries = ~scripted & (uniforms(sub(self.key, "tries"), conv) < self.parameters.launch_tries * fresh)
        return self.conversations(day, account, start, turns, np.where(tries, TRY, np.where(scripted, SCRIPT, CHAT)))

    def _novelty(self, day: int) -> float:
        """How new the newest model is: 1 on the day of a release, fading over three days."""
        released = (self.world.released[self.world.released > 0] - self.world.start) / DAY
        since = day - np.floor(released)
        return float(np.max(np.clip(1.0 - since / 3.0, 0.0, 1.0) * (since >= 0), initial=0.0))

    def _jobs(self, day: int, account: Ints, rng: np.random.Generator) -> Ints:
        """Requests of a program fall into one to four jobs a day, exponentially spread after each start."""
        jobs = 1 + (mix(sub(self.key, "jobs"), account, day) % np.uint64(4)).astype(np.int64)
        job = np.floor(rng.random(len(account)) * jobs).astype(np.int64)
        begins: Floats = uniforms(sub(self.key, "job"), account, day, job) * 24.0
        hours = begins + rng.exponential(0.4, len(account))
        return self.world.start + day * DAY + (np.mod(hours, 24.0) * HOUR).astype(np.int64)

    def addresses(self, rows: Rows) -> Ints:
        """Homes and mobile networks; VPN exits that many people share; rented servers of one's own."""
        household = Rows(rows.ts, self.household[rows.account], rows.conv, rows.turn, rows.item, rows.stream)
        codes = super().addresses(household)
        world = self.world
        exits = world.networks.of("vpn")
        day = (rows.ts - world.start) // DAY
        number = mix(sub(self.key, "exit choice"), rows.account, day) % np.uint64(max(12, self.count // 12))
        out = world.networks.within(exits, world.key("vpn exits"), number)
        codes = np.where(self.accounts.vpn[rows.account], out, codes)
        server = world.networks.within(world.networks.of("hosting"), sub(self.key, "server"), rows.account)
        return np.where(self.hosted[rows.account] & (rows.stream == SCRIPT), server, codes)

    def speech(self, rows: Rows) -> Speech:
        """Talk; and programs, each with a system prompt and data of its own."""
        pieces = []
        talk = np.flatnonzero(rows.stream != SCRIPT)
        if len(talk):
            part = rows.take(talk)
            spoken = self.chat(part)
            tried = self.world.prompts.things.slot("launch_try", self.keys_of("try", part.conv))
            spoken.prompt = pa.compute.if_else(pa.array((part.stream == TRY) & (part.turn == 0)), tried, spoken.prompt)
            spoken.system = self.ordinary_system(part)
            spoken.tools = self.tooled(part)
            pieces.append((talk, spoken))
        script = np.flatnonzero(rows.stream == SCRIPT)
        if len(script):
            pieces.append((script, self._programs(rows.take(script))))
        return scatter(pieces, len(rows))

    def _programs(self, rows: Rows) -> Speech:
        library = self.world.prompts
        keys = self.keys_of("data", rows.conv)
        slots = ("passage", "coding", "chat", "table", "math_fresh", "code_problem", "tool_query", "instruction_fresh")
        habit = (self.keys_of("program", rows.account) % np.uint64(len(slots))).astype(np.int64)
        prompt = by_group(habit, lambda group, places: library.things.slot(slots[group], keys[places], "own"))
        spoken = Speech.plain(prompt)
        system = library.own_system(self.keys_of("system", rows.account))
        spoken.system = pa.compute.if_else(pa.array(self.accounts.own_system[rows.account]), system,
                                           pa.scalar(None, pa.string()))
        spoken.tools = self.tooled(rows)
        spoken.json_format = self.accounts.wants_json[rows.account]
        return spoken

    def programmed(self, rows: Rows) -> np.ndarray[Any, Any]:
        """Programs' requests."""
        return np.asarray(rows.stream == SCRIPT)
