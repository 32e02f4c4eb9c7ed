"""Scheduled work on an owner's own data: on the hour, one template, one payer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from stillwatch.proof.actors.base import Actor, Speech
from stillwatch.proof.draws import Ints, mix, sub
from stillwatch.proof.parameters import ActorParameters
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY, HOUR, SECOND

__all__ = ["BatchProcessing", "BatchProcessingParameters"]


class BatchProcessingParameters(ActorParameters):
    """Parameters of scheduled work."""

    family: str | None = Field(None, description="family of prompts (use: etl)")
    hours: tuple[int, ...] = Field((2, 8, 14, 20), min_length=1, description="hours (UTC) at which jobs start")
    minutes: float = Field(12.0, gt=0, description="how long a job takes, about")


class BatchProcessing(Actor[BatchProcessingParameters]):
    """Jobs that a scheduler starts."""

    Parameters: ClassVar[type[ActorParameters]] = BatchProcessingParameters
    label: ClassVar[str | None] = "batch_processing"
    summary: ClassVar[str] = "scheduled jobs over an owner's own data"

    def prepare(self, rng: np.random.Generator) -> None:
        """One owner, one server, one client."""
        accounts, net = self.accounts, self.world.networks
        self.one_program(rng)
        self.one_payer()
        self.established(rng)
        accounts.domain[:] = f"ops{int(rng.integers(100, 999))}.example"
        accounts.kind[:] = "startup"
        site = net.of("hosting")
        self.site = site[rng.integers(0, len(site), 1)]
        own = self.world.prompts.named("etl")
        self.family = ([f for f in own if f.name == self.parameters.family] or own)[0]

    def day(self, day: int) -> Rows:
        """Each job starts on its hour and works through what came in since."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        jobs = len(self.parameters.hours)
        mean = self.total / (self.last_day - self.first_day) / jobs
        sizes = rng.poisson(mean * np.exp(rng.normal(-0.08, 0.4, jobs)))
        job = np.repeat(np.arange(jobs), sizes)
        account = job % self.count
        begins = np.array(self.parameters.hours, dtype=np.int64)[job] * HOUR + SECOND * 2
        worked = np.sort(rng.random(len(job))) * self.parameters.minutes * 60 * SECOND
        ts = self.world.start + day * DAY + begins + worked.astype(np.int64)
        return Rows.make(ts, account, self.conversation_ids(day, len(job)))

    def operations(self, rows: Rows) -> Ints:
        """Half of the jobs use the batch interface."""
        return (mix(sub(self.key, "batch"), rows.account) % np.uint64(2)).astype(np.int64)

    def addresses(self, rows: Rows) -> Ints:
        """One server."""
        return self.world.networks.within(self.site, sub(self.key, "server"), np.zeros(len(rows), dtype=np.int64))

    def speech(self, rows: Rows) -> Speech:
        """One template over the owner's records."""
        system, prompt = self.world.prompts.render(self.family, self.keys_of("record", rows.conv),
                                                   np.zeros(len(rows), dtype=np.int64))
        spoken = Speech.plain(prompt, system)
        spoken.capability[:] = self.family.capability
        spoken.json_format[:] = "JSON" in str(self.family.parts)
        return spoken
