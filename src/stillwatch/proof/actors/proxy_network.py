"""A network of accounts that is sold as access: it relays whoever pays, sponsors of campaigns among them."""

from __future__ import annotations

from typing import ClassVar

from stillwatch.proof.actors.base import Speech
from stillwatch.proof.actors.operated import Operated, OperatedParameters
from stillwatch.proof.parameters import ActorParameters
from stillwatch.proof.rows import Rows

__all__ = ["ProxyNetwork", "ProxyNetworkParameters"]


class ProxyNetworkParameters(OperatedParameters):
    """Parameters of a proxy network; ``exchanges`` are its ordinary customers'."""


class ProxyNetwork(Operated[ProxyNetworkParameters]):
    """Relays ordinary customers; a campaign that names it sends its work list through the same accounts.

    The label is that of a reseller: infrastructure alone names no sponsor.
    """

    Parameters: ClassVar[type[ActorParameters]] = ProxyNetworkParameters
    label: ClassVar[str | None] = "reseller"
    summary: ClassVar[str] = "a network of accounts that relays whoever pays"

    def day(self, day: int) -> Rows:
        """Customers' conversations, about as many every day."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        return self.customers(day, int(rng.poisson(self.total / (self.last_day - self.first_day))), 0, rng)

    def speech(self, rows: Rows) -> Speech:
        """What customers say, in their languages."""
        return self.talk(rows, relayed=True)
