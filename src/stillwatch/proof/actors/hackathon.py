"""A hackathon: strangers who sign up on one day with one code, build in one hall, and go home."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from stillwatch.proof.actors.individuals import Individuals, IndividualsParameters
from stillwatch.proof.draws import Ints, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY

__all__ = ["Hackathon", "HackathonParameters"]


class HackathonParameters(IndividualsParameters):
    """Parameters of a hackathon."""

    scripted: Share = Field(0.7, description="share of accounts that run programs of their own")
    day: float = Field(5.0, ge=0, description="day on which it begins")
    length: float = Field(2.0, gt=0, description="days that it lasts")
    inside: Share = Field(0.85, description="share of sessions from the hall")
    exits: int = Field(3, ge=1, description="addresses of the hall")


class Hackathon(Individuals):
    """One referral code, one sign-up day and one hall link these accounts; what they build does not."""

    Parameters: ClassVar[type[ActorParameters]] = HackathonParameters
    label: ClassVar[str | None] = "education"
    summary: ClassVar[str] = "an event with one referral code and one hall"

    parameters: HackathonParameters

    def prepare(self, rng: np.random.Generator) -> None:
        """Sign-ups in the hours around the opening; the event's code; one place."""
        told, accounts, net = self.parameters, self.accounts, self.world.networks
        super().prepare(rng)
        self.first_day = min(told.day, self.world.days - 1)
        self.last_day = min(told.day + told.length, self.world.days)
        opening = told.day - 0.3 + rng.gamma(2.0, 0.12, self.count)
        accounts.created = np.minimum(self.world.start + (opening * DAY).astype(np.int64), self.world.end - 1)
        accounts.referral[rng.random(self.count) < 0.9] = f"BUILD{int(rng.integers(100, 999))}"
        hall = net.of("corporate" if rng.random() < 0.5 else "education")
        self.exits = net.within(hall[rng.integers(0, len(hall), 1)], sub(self.key, "hall"), np.arange(told.exits))
        for field in ("country", "offset", "region"):
            getattr(accounts, field)[:] = getattr(accounts, field)[0]
        there = (accounts.signup_address >= 0) & (rng.random(self.count) < 0.7)
        accounts.signup_address = np.where(there, self.exits[rng.integers(0, told.exits, self.count)],
                                           accounts.signup_address)
        spread = self.volume / self.volume.sum()
        self.rate = spread * self.total / told.length / np.where(self.scripted, 1.0, self.turns)

    def addresses(self, rows: Rows) -> Ints:
        """The hall's network, mostly."""
        which = mix(sub(self.key, "exit"), rows.account, rows.conv) % np.uint64(len(self.exits))
        inside = uniforms(sub(self.key, "inside"), rows.conv) < self.parameters.inside
        return np.where(inside, self.exits[which.astype(np.int64)], super().addresses(rows))
