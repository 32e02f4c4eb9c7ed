"""What every actor of a scenario file may say, whatever it is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ActorParameters", "Count", "Share", "Span"]

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class Span(BaseModel):
    """Days of the scenario, from its start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: float = Field(0, ge=0, description="first day")
    last: float | None = Field(None, ge=0, description="last day; the scenario's where not given")


class ActorParameters(BaseModel):
    """Parameters that all actors share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor: str = Field(description="kind of actor")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,63}$", description="name in the labels; invented")
    accounts: Count = Field(description="accounts at scale 1")
    exchanges: int = Field(ge=1, le=1_000_000_000, description="exchanges at scale 1, about")
    active: Span = Field(default_factory=lambda: Span(first=0, last=None), description="days on which it is active")
    app_share: Share = Field(0.2, description="share of accounts that use the provider's own application")
    copies: float | None = Field(None, gt=0, le=100_000, description="groups like this one at scale 1, each with"
                                 " accounts and exchanges of its own; at scale s there are s^0.4 times as many, s^0.6"
                                 " times as large, and always one")
    vary: float = Field(0.0, ge=0, le=2, description="how much the copies' sizes differ: standard deviation of their"
                        " logarithm")
