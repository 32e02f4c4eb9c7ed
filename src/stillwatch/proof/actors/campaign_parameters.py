"""What a scenario file may say of a campaign."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stillwatch.proof.actors.operated import OperatedParameters
from stillwatch.proof.parameters import Share
from stillwatch.schema import CAPABILITY

__all__ = ["CampaignParameters", "Move", "Phase", "Probing"]


def _known_capabilities(value: dict[str, float]) -> dict[str, float]:
    for name, weight in value.items():
        if name not in CAPABILITY:
            raise ValueError(f"{name!r} is no capability; use some of {', '.join(CAPABILITY)}")
        if weight <= 0:
            raise ValueError(f"the weight of {name} must be positive")
    return value


class Phase(BaseModel):
    """A change of the work list from a day on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: float = Field(ge=0, description="first day")
    volume: float = Field(1.0, ge=0, description="volume of a day, against 1 before any phase")
    capabilities: dict[str, float] = Field({}, description="what is taken, with weights; as before where not given")
    reconstruction: Share = Field(0.0, description="share of items that ask for the reasoning behind a finished"
                                                   " answer")

    _capabilities = field_validator("capabilities")(_known_capabilities)


class Probing(BaseModel):
    """Trying wordings out before the work list begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: float = Field(3.0, gt=0, description="how long")
    exchanges: int = Field(300, ge=1, description="exchanges of it at scale 1, beside the campaign's")
    items: int = Field(20, ge=1, description="problems that are asked again and again")
    wordings: int = Field(2_000, ge=1, description="wordings that are tried")
    accounts: Share = Field(0.1, description="share of the accounts that probe")


class Move(BaseModel):
    """A planned move to a model when it comes out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(description="the model's name")
    share: Share = Field(0.5, description="share of the campaign's exchanges that moves")
    hours: float = Field(24.0, gt=0, description="hours until all of that share has moved")


class CampaignParameters(OperatedParameters):
    """Parameters of a campaign."""

    capabilities: dict[str, float] = Field(min_length=1, description="what is taken, with weights")
    reconstruction: Share = Field(0.0, description="share of items that ask for the reasoning behind a finished"
                                                   " answer, before any phase")
    phases: tuple[Phase, ...] = Field((), description="changes of the work list, in order of their first days")
    families: tuple[str, ...] = Field((), description="families of prompts to use; all of the capabilities' where"
                                                      " not given")
    paraphrases: int = Field(4, ge=1, le=10_000, description="wordings of each family")
    first_wording: int = Field(0, ge=0, le=1_000_000, description="number of the first wording: two campaigns share"
                                                                  " the wordings that both count")
    chinese: Share = Field(0.0, description="share of reasoning items written in Chinese")
    injected: bool = Field(False, description="whether one fixed prompt, which asks for reasoning in inline tags, goes"
                                              " into every request")
    network: str | None = Field(None, description="proxy_network, standing before this actor, whose accounts it uses")
    models: dict[str, float] = Field({}, description="models that are asked, with weights; as everybody where not"
                                                     " given")
    move: Move | None = Field(None, description="move to a new model")
    probing: Probing | None = Field(None, description="trying out before scaling")
    evenness: Share = Field(0.9, description="how equal the accounts' volumes are: 1 is round-robin, 0 as organic")
    quota: int = Field(100_000, ge=1, description="limit of exchanges of an account in a day; each stays just under"
                                                  " it")
    single_turn: Share = Field(0.9, description="share of items that take one request")
    hours: Literal["round_the_clock", "shifts", "office"] = Field("round_the_clock", description="working pattern")
    utc_offset: float = Field(8.0, ge=-12, le=14, description="hours from UTC of office hours")
    relayed: Share = Field(0.2, description="share of the accounts' exchanges that are relayed customers', beside the"
                                            " campaign's own; none where a proxy network relays")

    _capabilities = field_validator("capabilities")(_known_capabilities)
