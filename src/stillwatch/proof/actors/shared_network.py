"""Unrelated people behind one network: a company's way out, a carrier's address translation, a VPN's exit."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from stillwatch.proof.actors.individuals import Individuals, IndividualsParameters
from stillwatch.proof.draws import Ints, mix, sub, uniforms
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import HOUR

__all__ = ["SharedNetwork", "SharedNetworkParameters"]


class SharedNetworkParameters(IndividualsParameters):
    """Parameters of a shared network."""

    network: Literal["corporate", "mobile", "vpn", "residential"] = Field("corporate", description="kind of network")
    exits: int = Field(3, ge=1, le=100_000, description="addresses that all share")
    inside: Share = Field(0.8, description="share of sessions that come through it")


class SharedNetwork(Individuals):
    """Only the network links these accounts."""

    Parameters: ClassVar[type[ActorParameters]] = SharedNetworkParameters
    label: ClassVar[str | None] = "shared_network"
    summary: ClassVar[str] = "unrelated people behind the same addresses"

    parameters: SharedNetworkParameters

    def prepare(self, rng: np.random.Generator) -> None:
        """People as anywhere; a few exits for all of them."""
        super().prepare(rng)
        net = self.world.networks
        numbers = net.of(self.parameters.network)
        chosen = numbers[rng.integers(0, len(numbers), 1)]
        self.exits = net.within(chosen, sub(self.key, "exits"), np.arange(self.parameters.exits))
        if self.parameters.network == "vpn":
            self.accounts.vpn[:] = True
        else:
            # A company or a carrier is in one place.
            for field in ("country", "offset", "language", "home", "region"):
                getattr(self.accounts, field)[:] = getattr(self.accounts, field)[0]

    def addresses(self, rows: Rows) -> Ints:
        """A shared exit, mostly."""
        hour = (rows.ts - self.world.start) // (4 * HOUR)
        which = mix(sub(self.key, "exit"), rows.account, hour) % np.uint64(len(self.exits))
        inside = uniforms(sub(self.key, "inside"), rows.conv) < self.parameters.inside
        return np.where(inside, self.exits[which.astype(np.int64)], super().addresses(rows))
