"""A customer that generates synthetic data under an agreement: the same work as a campaign's, and permitted."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from stillwatch.proof.actors.base import Actor, Speech, scatter
from stillwatch.proof.draws import Ints, choose, mix, sub
from stillwatch.proof.parameters import ActorParameters
from stillwatch.proof.prompts import Family
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY, HOUR

__all__ = ["LicensedGeneration", "LicensedGenerationParameters"]


class LicensedGenerationParameters(ActorParameters):
    """Parameters of licensed generation."""

    capability: str = Field("instruction_following", description="what is generated")
    servers: int = Field(3, ge=1, le=10_000, description="addresses of its servers")
    paraphrases: int = Field(3, ge=1, le=10_000, description="wordings of each family")
    organisation: str | None = Field(None, description="invented organisation; from the name where not given")
    on_file: bool = Field(True, description="whether agreements.parquet holds the agreement")


class LicensedGeneration(Actor[LicensedGenerationParameters]):
    """One verified organisation, one payer, round the clock; its agreement is on file."""

    Parameters: ClassVar[type[ActorParameters]] = LicensedGenerationParameters
    label: ClassVar[str | None] = "enterprise"
    summary: ClassVar[str] = "a customer that generates training data under an agreement"

    def prepare(self, rng: np.random.Generator) -> None:
        """One organisation, one payer, a few servers, one client."""
        accounts, net, told = self.accounts, self.world.networks, self.parameters
        accounts.kind[:] = "enterprise"
        accounts.organization[:] = told.organisation or f"{self.name} GmbH"
        accounts.verified[:] = True
        accounts.domain[:] = f"data{int(rng.integers(100, 999))}.example"
        self.one_payer()
        self.established(rng)
        self.one_program(rng)
        site = net.of("hosting")
        self.site = site[rng.integers(0, len(site), 1)]
        own = [f for f in self.world.prompts.named("harvest", told.capability) if not f.loose and "_zh" not in f.name]
        self.families: list[Family] = own or self.world.prompts.named("harvest")[:1]

    def agreement(self) -> str | None:
        """It may train on what it generates."""
        return "distillation" if self.parameters.on_file else None

    def day(self, day: int) -> Rows:
        """A queue that is worked off all day."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        count = int(rng.poisson(self.total / (self.last_day - self.first_day)))
        ts = self.world.start + day * DAY + (np.sort(rng.random(count)) * 24 * HOUR).astype(np.int64)
        conv = self.conversation_ids(day, count)
        return Rows.make(ts, rng.integers(0, self.count, count), conv,
                         stream=choose(np.ones(len(self.families)), sub(self.key, "family"), conv))

    def programmed(self, rows: Rows) -> np.ndarray[Any, Any]:
        """All are."""
        return np.ones(len(rows), dtype=bool)

    def addresses(self, rows: Rows) -> Ints:
        """Its servers."""
        which = mix(sub(self.key, "server"), rows.conv) % np.uint64(self.parameters.servers)
        return self.world.networks.within(self.site, sub(self.key, "servers"), which)

    def speech(self, rows: Rows) -> Speech:
        """Items of its own list in its families' wordings."""
        library = self.world.prompts
        pieces = []
        for stream in np.unique(rows.stream):
            places = np.flatnonzero(rows.stream == stream)
            part, family = rows.take(places), self.families[int(stream)]
            variants = (self.keys_of("wording", part.conv) % np.uint64(self.parameters.paraphrases)).astype(np.int64)
            keys = self.keys_of("item", part.conv)
            system, prompt = library.render(family, keys, variants)
            spoken = Speech.plain(prompt, system if system is not None else pa.nulls(len(part), pa.string()))
            spoken.capability[:] = family.capability
            spoken.images[:] = family.images
            if family.tools:
                spoken.tools = library.family_tools(family, keys)
            pieces.append((places, spoken))
        return scatter(pieces, len(rows))
