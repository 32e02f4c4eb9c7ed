"""A class on a campus: one sign-up week, one set of exercises, homework hours."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from stillwatch.proof.actors.base import Actor, Speech, hour_of_day
from stillwatch.proof.draws import Ints, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY, REGIONS

__all__ = ["Education", "EducationParameters"]


class EducationParameters(ActorParameters):
    """Parameters of a class."""

    exercises: int = Field(10, ge=1, le=1000, description="exercises of a week")
    on_campus: Share = Field(0.6, description="share of sessions on the campus network")
    together: Share = Field(0.7, description="share of requests about the week's exercises")
    turns: float = Field(2.5, ge=1, description="mean requests of a session")


class Education(Actor[EducationParameters]):
    """Students who ask about the same exercises, step by step."""

    Parameters: ClassVar[type[ActorParameters]] = EducationParameters
    label: ClassVar[str | None] = "education"
    summary: ClassVar[str] = "a class that does the same exercises"

    def least(self) -> int:
        """A class of fewer students is none."""
        return 4

    def prepare(self, rng: np.random.Generator) -> None:
        """One campus, one sign-up week, one course code."""
        accounts, net = self.accounts, self.world.networks
        campus = net.of("education")
        self.campus = campus[rng.integers(0, len(campus), 1)]
        country = net.countries[int(self.campus[0])]
        local = net.of("residential", country)
        accounts.home = local[rng.integers(0, len(local), self.count)]
        accounts.country[:] = country
        accounts.offset[:] = accounts.offset[0]
        accounts.language[:] = accounts.language[0]
        accounts.region[:] = int(rng.integers(len(REGIONS)))
        week = rng.normal(-3.0, 1.5, self.count).clip(-7, self.world.days - 1)
        accounts.created = self.world.start + ((self.first_day + week) * DAY).astype(np.int64)
        at_school = rng.random(self.count) < 0.7
        accounts.domain[at_school] = f"students.campus{int(rng.integers(10, 99))}.example"
        accounts.kind = np.where(at_school, "education", "individual").astype(object)
        accounts.referral[rng.random(self.count) < 0.6] = f"COURSE{int(rng.integers(100, 999))}"
        signed = rng.random(self.count) < 0.6
        hosts = net.within(self.campus, sub(self.key, "campus"), rng.integers(0, 6, self.count))
        accounts.signup_address = np.where(signed, hosts, accounts.signup_address)
        self.eager = rng.gamma(1.6, 1.0, self.count)
        self.family = self.world.prompts.named("exercise")[0]

    def day(self, day: int) -> Rows:
        """More before the weekly deadline; homework hours."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        near = np.array([0.5, 0.6, 0.9, 1.4, 2.0, 1.0, 0.6])[day % 7]
        born = self.accounts.created < self.world.start + day * DAY
        rate = self.eager * born
        expected = self.total / (self.last_day - self.first_day) * near / self.parameters.turns
        shares = rate / max(rate.sum(), 1e-9)
        account = np.repeat(np.arange(self.count), rng.poisson(shares * expected))
        conv = self.conversation_ids(day, len(account))
        hour = hour_of_day(sub(self.key, "hour"), conv)
        lesson = uniforms(sub(self.key, "lesson"), conv) < 0.35
        hour = np.where(lesson, 10.0 + 1.6 * uniforms(sub(self.key, "minute"), conv), hour)
        turns = rng.geometric(1.0 / self.parameters.turns, len(account)).clip(1, 20)
        together = (rng.random(len(account)) < self.parameters.together).astype(np.int64)
        return self.conversations(day, account, self.local_start(day, account, hour), turns, together)

    def addresses(self, rows: Rows) -> Ints:
        """The campus' few addresses, or home."""
        net = self.world.networks
        which = mix(sub(self.key, "room"), rows.conv) % np.uint64(6)
        campus = net.within(self.campus, sub(self.key, "campus"), which)
        there = uniforms(sub(self.key, "there"), rows.conv) < self.parameters.on_campus
        return np.where(there, campus, super().addresses(rows))

    def speech(self, rows: Rows) -> Speech:
        """The week's exercises, each student in own words; and talk of their own."""
        library = self.world.prompts
        week = (rows.ts - self.world.start) // (7 * DAY)
        number = (self.keys_of("exercise", rows.conv) % np.uint64(self.parameters.exercises)).astype(np.int64)
        item = self.keys_of("sheet", week, number)
        variants = (self.keys_of("words", rows.conv) % np.uint64(64)).astype(np.int64)
        _, prompt = library.render(self.family, item, variants)
        spoken = self.chat(rows)
        opens = (rows.stream == 1) & (rows.turn == 0)
        spoken.prompt = pa.compute.if_else(pa.array(opens), prompt, spoken.prompt)
        spoken.capability[rows.stream == 1] = self.family.capability
        return spoken
