"""Exact intervals of rates and of ratios of rates.

Sources: Clopper & Pearson, Biometrika 26 (1934) 404–413, for one proportion; Przyborowski & Wilenski, Biometrika 31
(1940) 313–323, for the ratio of two rates given their total.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from scipy.special import betaincinv

__all__ = ["CONFIDENCE", "Rate", "Ratio", "clopper_pearson", "rate_ratio"]

CONFIDENCE = 0.95


def clopper_pearson(hits: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact two-sided interval of a proportion; (0, 1) where nothing was tried."""
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of} is no proportion")
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, tail))
    high = 1.0 if hits == of else float(betaincinv(hits + 1, of - hits, 1.0 - tail))
    return low, high


@dataclass(frozen=True)
class Rate:
    """So many of so many, kept as counts so that runs can be added up."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """The proportion; null where there is nothing to take it of."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % Clopper–Pearson interval; null where there is nothing to take it of."""
        return clopper_pearson(self.hits, self.of) if self.of else None

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.hits + other.hits, self.of + other.of)

    def figures(self, name: str) -> dict[str, Any]:
        """The rate under a name, and its interval under that name with ``_interval``."""
        interval = self.interval
        return {name: self.value, f"{name}_interval": None if interval is None else list(interval)}


@dataclass(frozen=True)
class Ratio:
    """One rate against another, with the interval of their ratio; ``inf`` where the other is none at all."""

    value: float
    low: float
    high: float

    def figures(self) -> dict[str, Any]:
        """The ratio for JSON, which has no infinity: null, and ``ratio_infinite`` says which null it is."""
        return {"ratio": self.value if isfinite(self.value) else None, "ratio_infinite": self.value == inf,
                "ratio_interval": [self.low, self.high if isfinite(self.high) else None]}


def rate_ratio(one: Rate, other: Rate) -> Ratio | None:
    """The ratio of two rates and its exact 95 % interval, given how many hits there are in all.

    With k = x₁ + x₂ hits in all, x₁ is Binomial(k, n₁ρ / (n₁ρ + n₂)) for counts that are rare (Poisson); the
    Clopper–Pearson bounds p of x₁ of k become ρ = p/(1 − p) · n₂/n₁. Null where there are no hits, or nobody on
    either side: then nothing is known.
    """
    total = one.hits + other.hits
    if not total or not one.of or not other.of:
        return None
    low, high = (inf if p == 1.0 else p / (1.0 - p) * other.of / one.of for p in clopper_pearson(one.hits, total))
    return Ratio(inf if not other.hits else (one.hits * other.of) / (other.hits * one.of), low, high)
