"""Competing explanations of a group, each a fitted density over named features that can be sampled from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import numpy.typing as npt
from scipy import stats

from stillwatch.schema import VERDICT

__all__ = ["ORDINARY", "Explanations", "Weighed", "fit", "shipped"]

Floats = npt.NDArray[np.float64]
_EDGE = 0.01
"""Shares are kept this far from 0 and 1, where a Beta density can be infinite."""
_SPREAD = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Pseudo-observations that keep a density broad until there is more than a handful of examples."""
_UNDETERMINED = "undetermined"
ORDINARY = "ordinary"
"""What linked accounts of ordinary customers look like, who share habits and nothing else. It is fitted like an
explanation and reported as ``undetermined``: it names no common cause."""


@dataclass(frozen=True)
class Weighed:
    """One explanation's posterior probability and tempered log-likelihood (natural log)."""

    verdict: str
    probability: float
    log_likelihood: float


@dataclass(frozen=True)
class Explanations:
    """Beta densities a verdict and feature, and the exponent that tempers their product.

    Features of a group are not independent, so their product is over-confident; ``temper`` in (0, 1] is the
    exponent with the best log score on scenarios left out of the fit. ``undetermined`` is the explanation that
    none of the others fits: uniform over every feature.
    """

    features: tuple[str, ...]
    shape: Mapping[str, Mapping[str, tuple[float, float]]]
    temper: float
    made_from: str

    def log_density(self, verdict: str, values: Mapping[str, float]) -> dict[str, float]:
        """Log density a feature; missing features (absent or NaN) are left out, never guessed."""
        known = {name: value for name, value in values.items() if name in self.features and not np.isnan(value)}
        if verdict == _UNDETERMINED:
            return dict.fromkeys(known, 0.0)
        shapes = self.shape[verdict]
        return {name: float(stats.beta.logpdf(np.clip(value, _EDGE, 1 - _EDGE), *shapes[name]))
                for name, value in known.items()}

    def weigh(self, values: Mapping[str, float], prior: float) -> list[Weighed]:
        """Posterior of every explanation, most probable first.

        ``prior`` is that of distillation; the others share the rest equally.
        """
        verdicts = [*self.shape, _UNDETERMINED]
        others = (1.0 - prior) / (len(verdicts) - 1)
        fits = np.array([self.temper * sum(self.log_density(v, values).values()) for v in verdicts])
        weight = fits + np.log([prior if v == "distillation" else others for v in verdicts])
        weight = np.exp(weight - weight.max())
        weight /= weight.sum()
        said: dict[str, Weighed] = {}
        for verdict, probability, fitted in zip(verdicts, weight.tolist(), fits.tolist(), strict=True):
            name = _UNDETERMINED if verdict == ORDINARY else verdict
            before = said.get(name, Weighed(name, 0.0, -np.inf))
            said[name] = Weighed(name, before.probability + probability, max(before.log_likelihood, fitted))
        weighed = list(said.values())
        return sorted(weighed, key=lambda w: (-w.probability, w.verdict))

    def ratio(self, values: Mapping[str, float], names: Sequence[str]) -> float | None:
        """Likelihood ratio of distillation against all other explanations alike, on the named features alone.

        ``None`` where none of them is known.
        """
        known = {name: values[name] for name in names if name in values}
        if not any(name in self.features and not np.isnan(value) for name, value in known.items()):
            return None
        densities = {v: np.exp(sum(self.log_density(v, known).values())) for v in self.shape}
        ours = densities.pop("distillation")
        return float(ours / max(np.mean(list(densities.values())), 1e-300))

    def sample(self, verdict: str, count: int, seed: int) -> dict[str, Floats]:
        """Draw ``count`` groups' features under an explanation."""
        rng = np.random.default_rng(seed)
        if verdict == _UNDETERMINED:
            return {name: rng.uniform(size=count) for name in self.features}
        return {name: rng.beta(*self.shape[verdict][name], size=count) for name in self.features}

    def to_json(self) -> str:
        """The saved form; ``from_json`` reads it."""
        return json.dumps({"features": self.features, "temper": self.temper, "made_from": self.made_from,
                           "shape": self.shape}, indent=1, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> Explanations:
        """Read the saved form."""
        data = json.loads(text)
        shape = {verdict: {name: (float(a), float(b)) for name, (a, b) in shapes.items()}
                 for verdict, shapes in sorted(data["shape"].items())}
        return Explanations(tuple(data["features"]), shape, float(data["temper"]), data["made_from"])


def fit(examples: Sequence[tuple[str, Mapping[str, float]]], features: Sequence[str], *, temper: float = 1.0,
        made_from: str = "") -> Explanations:
    """Fit the densities to labelled groups: ``(verdict, features)`` each.

    Beta by maximum likelihood over the examples and five pseudo-observations spread over [0, 1]. A feature that
    no example of a verdict has stays uniform.
    """
    shape: dict[str, dict[str, tuple[float, float]]] = {}
    for verdict in sorted({label for label, _ in examples}):
        if verdict != ORDINARY and (verdict not in VERDICT or verdict == _UNDETERMINED):
            raise ValueError(f"{verdict!r} is no verdict that can be fitted")
        groups = [values for label, values in examples if label == verdict]
        shape[verdict] = {name: _beta([g[name] for g in groups if name in g and not np.isnan(g[name])])
                          for name in features}
    return Explanations(tuple(features), shape, temper, made_from)


def _beta(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 1.0, 1.0
    data = np.clip(np.array([*values, *_SPREAD]), _EDGE, 1 - _EDGE)
    a, b, _, _ = stats.beta.fit(data, floc=0, fscale=1)
    return round(float(a), 4), round(float(b), 4)


def shipped() -> Explanations:
    """The densities that come with the package; `tools/fit_hypotheses.py` makes them."""
    return Explanations.from_json(
        resources.files("stillwatch.data").joinpath("hypotheses.json").read_text("utf-8"))
