"""A legitimate reseller: one infrastructure, many end users, content as mixed as the population's."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from stillwatch.proof.accounts import LANGUAGES
from stillwatch.proof.actors.base import Actor, Speech, hour_of_day
from stillwatch.proof.draws import Ints, choose, hexes, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY, HOUR

__all__ = ["Reseller", "ResellerParameters"]


class ResellerParameters(ActorParameters):
    """Parameters of a reseller."""

    end_users: int = Field(800, ge=1, description="end users at scale 1")
    servers: int = Field(6, ge=1, le=10_000, description="addresses of the infrastructure")
    organisation: str | None = Field(None, description="invented organisation; from the name where not given")
    scripted: Share = Field(0.2, description="share of sessions that end users' programs run")


class Reseller(Actor[ResellerParameters]):
    """Relays what its customers ask, and says for whom."""

    Parameters: ClassVar[type[ActorParameters]] = ResellerParameters
    label: ClassVar[str | None] = "reseller"
    summary: ClassVar[str] = "one infrastructure that relays many customers"

    def prepare(self, rng: np.random.Generator) -> None:
        """One organisation, one payer, a few servers."""
        accounts, net = self.accounts, self.world.networks
        accounts.kind[:] = "reseller"
        accounts.organization[:] = self.parameters.organisation or f"{self.name} Access"
        accounts.verified[:] = True
        accounts.domain[:] = f"access{int(rng.integers(100, 999))}.example"
        self.one_payer()
        self.established(rng)
        self.one_program(rng)
        accounts.passes_user[:] = True
        site = net.of("hosting")
        self.site = site[rng.integers(0, len(site), 2)]
        self.users = self.scaled(self.parameters.end_users, 10)

    def day(self, day: int) -> Rows:
        """Sessions of end users in many time zones."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        count = int(rng.poisson(self.total / (self.last_day - self.first_day) / 2.4))
        conv = self.conversation_ids(day, count)
        user = self._user(conv)
        account = (mix(sub(self.key, "account of"), user) % np.uint64(self.count)).astype(np.int64)
        offset = np.floor(uniforms(sub(self.key, "zone"), user) * 18.0) - 8.0
        hour = np.mod(hour_of_day(sub(self.key, "hour"), conv) - offset, 24.0)
        start = self.world.start + day * DAY + (hour * HOUR).astype(np.int64)
        scripted = (uniforms(sub(self.key, "program"), user) < self.parameters.scripted).astype(np.int64)
        turns = np.where(scripted == 1, 1, rng.geometric(0.37, count).clip(1, 40))
        return self.conversations(day, account, start, turns, scripted)

    def _user(self, conv: Ints) -> Ints:
        return np.floor(self.users * uniforms(sub(self.key, "user"), conv) ** 2.5).astype(np.int64)

    def end_users(self, rows: Rows) -> pa.Array:
        """The reseller names its end users."""
        return hexes(mix(sub(self.key, "user id"), self._user(rows.conv)), "user_", 10)

    def programmed(self, rows: Rows) -> np.ndarray[Any, Any]:
        """End users' programs."""
        return np.asarray(rows.stream == 1)

    def addresses(self, rows: Rows) -> Ints:
        """The reseller's servers."""
        which = mix(sub(self.key, "server"), rows.conv) % np.uint64(self.parameters.servers)
        return self.world.networks.within(self.site, sub(self.key, "servers"), which)

    def speech(self, rows: Rows) -> Speech:
        """Whatever end users say, in their languages, with their own system prompts."""
        library = self.world.prompts
        user = self._user(rows.conv)
        spoken_by = choose(np.array([8.0, 1, 1, 1, 1, 1, 1, 1][: len(LANGUAGES)]), sub(self.key, "language"), user)
        spoken = self.chat(rows, spoken_by)
        program = pa.array(rows.stream == 1)
        data = library.things.slot("passage", self.keys_of("data", rows.conv), "own")
        spoken.prompt = pa.compute.if_else(program, data, spoken.prompt)
        owns = (uniforms(sub(self.key, "owns"), user) < 0.5) | (rows.stream == 1)
        system = library.own_system(self.keys_of("system", user))
        spoken.system = pa.compute.if_else(pa.array(owns), system, pa.scalar(None, pa.string()))
        return spoken
