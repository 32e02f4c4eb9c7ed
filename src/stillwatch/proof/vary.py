"""A scenario with other numbers: what densities are fitted to must differ in more than the dice.

Ten seeds of one scenario are ten looks at the same few campaigns. Here every seed has campaigns, look-alikes and
logs of its own: sizes, habits and networks are drawn around the scenario's, campaigns take other cares, and some logs
lack what a provider may lack (domain randomisation; Tobin et al. 2017). Nothing is searched for or compared: the draws
look at no detector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stillwatch.proof.draws import generator
from stillwatch.proof.scenario import Scenario

__all__ = ["DEVELOPMENT", "varied"]

DEVELOPMENT = {"lookalikes": range(100, 110), "assorted": range(300, 314)}
"""Scenarios and seeds that explanations are fitted to and baselines tuned on, varied, half A of the prompts."""

_FACTOR = 1.8  # sizes are up to this many times as large or small
_SHIFT = 0.6  # standard deviation of the logit of a share
_FIXED = frozenset({"copies", "vary", "day", "utc_offset", "first_wording", "quota", "n"})
_TEXT = ("prompt", "system_prompt", "response")
_METADATA = ("ip", "ja4", "payment_fingerprint", "device_id", "signup_ip", "phone_hash")
# What logs lack, and how often: most have all.
_LACK: tuple[tuple[tuple[str, ...], float], ...] = (((), 0.6), (_TEXT, 0.25), (_METADATA, 0.15))
_KNOBS = ("address_sharing", "payment_sharing", "client_mimicry", "wording", "timing_jitter", "dilution",
          "exchanges_per_account")


def varied(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with numbers drawn around its own; the same seed draws the same."""
    rng = generator(seed, "varied", scenario.name)
    actors = []
    for actor in scenario.actors:
        told = _drawn(actor, rng)
        if actor.actor == "campaign":
            told |= _style(told, rng)
        if actor.actor == "campaign" and getattr(actor, "network", None) is not None:
            told["accounts"] = min(told["accounts"], actor.accounts)  # it has no more than its network
        if actor.actor == "proxy_network":
            told["accounts"] = max(told["accounts"], actor.accounts)
        actors.append(type(actor).model_validate(told))
    lack = [columns for columns, _ in _LACK][rng.choice(len(_LACK), p=[often for _, often in _LACK])]
    return scenario.model_copy(update={"actors": tuple(actors),
                                       "withhold": tuple(dict.fromkeys((*scenario.withhold, *lack)))})


def _drawn(model: BaseModel, rng: np.random.Generator) -> dict[str, Any]:
    """A model's values, its numbers drawn anew; what is not a number stays."""
    told: dict[str, Any] = {}
    for name, about in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            told[name] = _drawn(value, rng) if name != "active" else value
        elif isinstance(value, bool) or not isinstance(value, int | float) or name in _FIXED:
            told[name] = value
        else:
            told[name] = _number(value, about, rng)
    return told


def _number(value: float, about: FieldInfo, rng: np.random.Generator) -> float:
    """A number near ``value`` that its field allows."""
    least = max((limit.ge for limit in about.metadata if hasattr(limit, "ge")), default=0.0)
    most = min((limit.le for limit in about.metadata if hasattr(limit, "le")), default=np.inf)
    if most == 1.0 and isinstance(value, float):
        if not 0.0 < value < 1.0:
            return value
        logit = np.log(value / (1 - value)) + _SHIFT * rng.normal()
        return round(float(1 / (1 + np.exp(-logit))), 3)
    new = float(np.clip(value * _FACTOR ** rng.uniform(-1, 1), least, most))
    return max(round(new), 1 if value >= 1 else 0) if isinstance(value, int) else round(new, 3)


def _style(told: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """What a campaign's operator does otherwise: networks, hours, the mix of the work, and cares taken, each seldom."""
    cares = {name: round(float(rng.uniform()), 2) * (0.5 if name == "dilution" else 1.0) for name in _KNOBS
             if rng.uniform() < 0.2}
    kinds, chances = ("hosting", "residential", "vpn", "mobile"), (0.4, 0.4, 0.15, 0.05)
    return {
        "proxies": told["proxies"] | {"kind": str(rng.choice(kinds, p=chances))},
        "evasion": told["evasion"] | cares,
        "hours": str(rng.choice(("round_the_clock", "shifts", "office"), p=(0.6, 0.25, 0.15))),
        "capabilities": {name: round(float(weight * 3.0 ** rng.uniform(-1, 1)), 2)
                         for name, weight in told["capabilities"].items()},
        "relayed": round(float(rng.beta(1, 5)), 2),
    }
