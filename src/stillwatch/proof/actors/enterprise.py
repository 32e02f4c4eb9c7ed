"""One verified organisation: one payer, several accounts, one template, one way out to the network."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from stillwatch.proof.actors.base import Actor, Speech
from stillwatch.proof.draws import Ints, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY

__all__ = ["Enterprise", "EnterpriseParameters"]


class EnterpriseParameters(ActorParameters):
    """Parameters of an organisation."""

    organisation: str | None = Field(None, description="invented organisation; from the name where not given")
    family: str | None = Field(None, description="family of prompts (use: enterprise)")
    egress: int = Field(2, ge=1, le=1000, description="addresses of the organisation's way out")
    remote: Share = Field(0.15, description="share of sessions from home")
    turns: float = Field(1.8, ge=1, description="mean requests of a session")


class Enterprise(Actor[EnterpriseParameters]):
    """Employees in office hours."""

    Parameters: ClassVar[type[ActorParameters]] = EnterpriseParameters
    label: ClassVar[str | None] = "enterprise"
    summary: ClassVar[str] = "one organisation with several accounts and one payer"

    def prepare(self, rng: np.random.Generator) -> None:
        """One payer, one mail domain, one client, one place."""
        accounts, net = self.accounts, self.world.networks
        accounts.kind[:] = "enterprise"
        accounts.organization[:] = self.parameters.organisation or f"{self.name} Ltd"
        accounts.verified[:] = True
        accounts.domain[:] = f"corp{int(rng.integers(1000, 9999))}.example"
        accounts.pattern[:] = "aaaa.aaaaaa"
        self.one_payer()
        accounts.client[accounts.app] = accounts.client[accounts.app][:1]
        accounts.client[~accounts.app] = accounts.client[~accounts.app][:1]
        for field in ("country", "offset", "language", "region"):
            getattr(accounts, field)[:] = getattr(accounts, field)[0]
        local = net.of("residential", str(accounts.country[0]))
        accounts.home = local[rng.integers(0, len(local), self.count)]
        site = net.of("corporate")
        self.site = site[rng.integers(0, len(site), 1)]
        started = rng.integers(40, 400)
        accounts.created = self.world.start - ((started + rng.exponential(6.0, self.count)) * DAY).astype(np.int64)
        self.volume = np.exp(rng.normal(0.0, 0.9, self.count))
        own = self.world.prompts.named("enterprise")
        self.family = ([f for f in own if f.name == self.parameters.family] or own)[0]

    def day(self, day: int) -> Rows:
        """Sessions on working days, in office hours."""
        weekday = (self.world.scenario.start.weekday() + day) % 7
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        busy = 1.35 if weekday < 5 else 0.06
        expected = self.total / (self.last_day - self.first_day) * busy / self.parameters.turns
        account = np.repeat(np.arange(self.count), rng.poisson(self.volume / self.volume.sum() * expected))
        hour = np.clip(8.0 + 9.5 * rng.beta(1.6, 1.7, len(account)), 7.0, 19.0)
        turns = rng.geometric(1.0 / self.parameters.turns, len(account)).clip(1, 15)
        return self.conversations(day, account, self.local_start(day, account, hour), turns)

    def addresses(self, rows: Rows) -> Ints:
        """The organisation's way out; some from home."""
        which = mix(sub(self.key, "egress"), rows.account) % np.uint64(self.parameters.egress)
        office = self.world.networks.within(self.site, sub(self.key, "site"), which)
        remote = uniforms(sub(self.key, "remote"), rows.conv) < self.parameters.remote
        return np.where(remote, super().addresses(rows), office)

    def speech(self, rows: Rows) -> Speech:
        """One template, the organisation's own documents."""
        library = self.world.prompts
        keys = self.keys_of("document", rows.conv, rows.turn)
        variants = (self.keys_of("words", rows.account) % np.uint64(2)).astype(np.int64)
        system, prompt = library.render(self.family, keys, variants)
        later = pa.array(rows.turn > 0)
        prompt = pa.compute.if_else(later, library.followup("en", keys), prompt)
        spoken = Speech.plain(prompt, system)
        spoken.capability[:] = self.family.capability
        return spoken
