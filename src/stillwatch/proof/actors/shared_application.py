"""One application: a popular open-source agent at unrelated customers, or a service with many end users."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from stillwatch.proof.actors.base import Actor, Speech, hour_of_day
from stillwatch.proof.draws import Ints, hexes, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY

__all__ = ["SharedApplication", "SharedApplicationParameters"]


class SharedApplicationParameters(ActorParameters):
    """Parameters of an application."""

    style: Literal["agent", "service", "evaluation"] = Field(
        "agent", description="agent: many customers run it with accounts of their own; service: few accounts, thousands"
        " of end users; evaluation: a product that grades its customers' assistants")
    family: str | None = Field(None, description="family of prompts (use: application)")
    end_users: int = Field(2000, ge=1, description="end users of a service, at scale 1")
    turns: float = Field(5.0, ge=1, description="mean requests of a session")


class SharedApplication(Actor[SharedApplicationParameters]):
    """One client's prompt and tools; payments, networks and hours of people who do not know each other."""

    Parameters: ClassVar[type[ActorParameters]] = SharedApplicationParameters
    label: ClassVar[str | None] = "shared_application"
    summary: ClassVar[str] = "one application that many people use"

    def prepare(self, rng: np.random.Generator) -> None:
        """One client library; customers otherwise as they are."""
        accounts, table = self.accounts, self.world.clients
        own = self.world.prompts.named(
            "evaluation_product" if self.parameters.style == "evaluation" else "application")
        named = [f for f in own if self.parameters.family == f.name]
        # Agents bring tools; services do not.
        wanted = [f for f in own if f.tools == (self.parameters.style == "agent")]
        self.family = (named or wanted or own)[0]
        self.interface_only()
        agents = np.array(table.agents.to_pylist(), dtype=object)
        library = agents[int(table.draw(np.array([False]), rng)[0])]
        same = np.flatnonzero(agents == library)
        accounts.client = same[rng.integers(0, len(same), self.count)]
        self.volume = np.exp(rng.normal(0.0, 1.1, self.count))
        self.users = self.scaled(self.parameters.end_users, 5)
        if self.parameters.style != "agent":
            accounts.kind[:] = "startup"
            accounts.verified[:] = True
            accounts.organization[:] = f"{self.name} Works"
            accounts.passes_user[:] = True

    def day(self, day: int) -> Rows:
        """Sessions in people's hours."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        born = self.accounts.created < self.world.start + day * DAY
        rate = self.volume * born
        expected = self.total / (self.last_day - self.first_day) / self.parameters.turns
        shares = rate / max(rate.sum(), 1e-9)
        account = np.repeat(np.arange(self.count), rng.poisson(shares * expected))
        conv = self.conversation_ids(day, len(account))
        start = self.local_start(day, account, hour_of_day(sub(self.key, "hour"), conv))
        turns = rng.geometric(1.0 / self.parameters.turns, len(account)).clip(1, 60)
        return self.conversations(day, account, start, turns)

    def _user(self, rows: Rows) -> Ints:
        # A few end users make much of the traffic.
        return np.floor(self.users * uniforms(sub(self.key, "user"), rows.conv) ** 2.2).astype(np.int64)

    def end_users(self, rows: Rows) -> pa.Array:
        """A service passes its end users on; an agent's customers do as they please."""
        if self.parameters.style == "agent":
            return super().end_users(rows)
        return hexes(mix(sub(self.key, "user id"), self._user(rows)), "user_", 10)

    def addresses(self, rows: Rows) -> Ints:
        """Customers' own networks; a service's few servers."""
        if self.parameters.style == "agent":
            return super().addresses(rows)
        servers = self.world.networks.of("hosting")
        which = mix(sub(self.key, "server"), rows.conv) % np.uint64(4)
        home = servers[int(mix(sub(self.key, "site"), 0)[0] % np.uint64(len(servers)))]
        return self.world.networks.within(np.array([home]), sub(self.key, "servers"), which)

    def speech(self, rows: Rows) -> Speech:
        """The application's system prompt, constant; its users' words."""
        library = self.world.prompts
        keys = self.keys_of("say", rows.conv, rows.turn)
        system, prompt = library.render(self.family, keys, np.zeros(len(rows), dtype=np.int64))
        later = rows.turn > 0
        if later.any() and self.parameters.style == "service":
            prompt = pa.compute.if_else(pa.array(later), library.followup("en", keys), prompt)
        spoken = Speech.plain(prompt, system)
        spoken.capability[:] = self.family.capability
        if self.family.tools:
            spoken.tools = library.family_tools(self.family, self.keys_of("tools", np.zeros(len(rows), dtype=np.int64)))
        return spoken
