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

__all__ = ["ORDINARY", "Explanations", "Weighed", "fit", "reads_text", "shipped"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_EDGE = 0.01
"""Shares are kept this far from 0 and 1, where their logit is infinite."""
_UNDETERMINED = "undetermined"
ORDINARY = "ordinary"
"""What linked accounts of ordinary customers look like, who share habits and nothing else. It is fitted like an
explanation and reported as ``undetermined``: it names no common cause."""

DEGREES = 4.0
"""Degrees of freedom of the densities: heavy tails, since the next campaign is of a style that nobody simulated."""
SHRINK = 0.3
"""Share of independence in the features' correlations (Ledoit & Wolf 2004 shrink likewise)."""
_OWN_WEIGHT = 1.0  # examples' worth of the mean of all groups in a verdict's mean
_SPREAD_WEIGHT = 2.0  # examples' worth of the spread of all groups in a verdict's spread


def reads_text(values: Mapping[str, float]) -> bool:
    """Whether a group's features say what its texts are like."""
    return not np.isnan(values.get("harvest", np.nan))


@dataclass(frozen=True)
class Weighed:
    """One explanation's posterior probability and tempered log-likelihood (natural log)."""

    verdict: str
    probability: float
    log_likelihood: float


@dataclass(frozen=True)
class Explanations:
    """A multivariate Student t density a verdict, over the logits of the features.

    ``mean`` and ``scale`` are a verdict's (one number a feature); ``correlation`` is common to all verdicts;
    ``degrees`` are the degrees of freedom. ``temper`` in (0, 1] is the exponent with the best log score on styles of
    groups left out of the fit; ``blind_temper`` is that of groups whose texts are not known (no ``harvest``).
    ``undetermined`` is the explanation that none of the others fits: uniform over every feature.
    """

    features: tuple[str, ...]
    mean: Mapping[str, Floats]
    scale: Mapping[str, Floats]
    correlation: Floats
    degrees: float
    temper: float
    blind_temper: float
    made_from: str

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The fitted explanations."""
        return tuple(self.mean)

    def _known(self, values: Mapping[str, float], names: Sequence[str] | None = None) -> tuple[Ints, Floats]:
        """Places and logits of the features that are known; missing ones (absent or NaN) are never guessed."""
        at = [place for place, name in enumerate(self.features)
              if name in values and not np.isnan(values[name]) and (names is None or name in names)]
        return np.array(at, dtype=np.int64), _logit(np.array([values[self.features[place]] for place in at]))

    def joint(self, verdict: str, values: Mapping[str, float], names: Sequence[str] | None = None) -> float:
        """Log density of the known features (of ``names`` alone where given) under an explanation."""
        at, logit = self._known(values, names)
        if verdict == _UNDETERMINED:
            return float(stats.logistic.logpdf(logit).sum())
        if not len(at):
            return 0.0
        scale = self.scale[verdict][at]
        density = stats.multivariate_t.logpdf(
            logit, self.mean[verdict][at], self.correlation[np.ix_(at, at)] * np.outer(scale, scale),
            df=self.degrees)  # type: ignore[arg-type]  # any positive number will do; the stubs say int
        return float(density)

    def log_density(self, verdict: str, values: Mapping[str, float]) -> dict[str, float]:
        """Log density a feature by itself: what a reader is told of it. Together they are not the joint density."""
        at, logit = self._known(values)
        each = np.asarray(stats.logistic.logpdf(logit) if verdict == _UNDETERMINED else
                          stats.t.logpdf(logit, self.degrees, self.mean[verdict][at], self.scale[verdict][at]))
        return {self.features[place]: float(worth) for place, worth in zip(at, each, strict=True)}

    def weigh(self, values: Mapping[str, float], prior: float) -> list[Weighed]:
        """Posterior of every explanation, most probable first.

        ``prior`` is that of distillation; the others share the rest equally.
        """
        verdicts = [*self.mean, _UNDETERMINED]
        temper = self.temper if reads_text(values) else self.blind_temper
        fits = np.array([temper * self.joint(verdict, values) for verdict in verdicts])
        weight = _posterior(fits, verdicts, prior)
        said: dict[str, Weighed] = {}
        for verdict, probability, fitted in zip(verdicts, weight.tolist(), fits.tolist(), strict=True):
            name = _UNDETERMINED if verdict == ORDINARY else verdict
            before = said.get(name, Weighed(name, 0.0, -np.inf))
            said[name] = Weighed(name, before.probability + probability, max(before.log_likelihood, fitted))
        return sorted(said.values(), key=lambda w: (-w.probability, w.verdict))

    def guilt(self, values: Mapping[str, float], prior: float) -> float:
        """Posterior probability of distillation."""
        return next(w.probability for w in self.weigh(values, prior) if w.verdict == "distillation")

    def guilt_at(self, values: Mapping[str, float], prior: float, tempers: Sequence[float]) -> Floats:
        """What ``guilt`` would be at each of the tempers; the densities are looked at once."""
        verdicts = [*self.mean, _UNDETERMINED]
        joint = np.array([self.joint(verdict, values) for verdict in verdicts])
        each = _posterior(np.outer(tempers, joint), verdicts, prior)
        guilty: Floats = each[:, verdicts.index("distillation")]
        return guilty

    def ratio(self, values: Mapping[str, float], names: Sequence[str]) -> float | None:
        """Likelihood ratio of distillation against all other explanations alike, on the named features alone.

        ``None`` where none of them is known.
        """
        if not len(self._known(values, names)[0]):
            return None
        densities = {verdict: np.exp(self.joint(verdict, values, names)) for verdict in self.mean}
        ours = densities.pop("distillation")
        return float(ours / max(np.mean(list(densities.values())), 1e-300))

    def usual(self, verdict: str) -> dict[str, float]:
        """What a group usually shows under an explanation: the features' means; the middle under ``undetermined``."""
        mean = self.mean.get(verdict, np.zeros(len(self.features)))
        return {name: float(1.0 / (1.0 + np.exp(-logit))) for name, logit in zip(self.features, mean, strict=True)}

    def sample(self, verdict: str, count: int, seed: int) -> dict[str, Floats]:
        """Draw ``count`` groups' features under an explanation."""
        rng = np.random.default_rng(seed)
        if verdict == _UNDETERMINED:
            return {name: rng.uniform(size=count) for name in self.features}
        shape = self.correlation * np.outer(self.scale[verdict], self.scale[verdict])
        # A Student t vector is a normal one over the root of a chi-square: drawn so, degrees need not be whole.
        normal = rng.multivariate_normal(np.zeros(len(self.features)), shape, size=count, method="cholesky")
        wide = np.sqrt(self.degrees / rng.chisquare(self.degrees, size=(count, 1)))
        shares = 1.0 / (1.0 + np.exp(-(self.mean[verdict] + normal * wide)))
        return {name: shares[:, place] for place, name in enumerate(self.features)}

    def to_json(self) -> str:
        """The saved form; ``from_json`` reads it."""
        return json.dumps({
            "features": self.features, "made_from": self.made_from, "degrees": self.degrees,
            "temper": self.temper, "blind_temper": self.blind_temper,
            "mean": {verdict: _rounded(values) for verdict, values in self.mean.items()},
            "scale": {verdict: _rounded(values) for verdict, values in self.scale.items()},
            "correlation": [_rounded(row) for row in self.correlation],
        }, indent=1, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> Explanations:
        """Read the saved form."""
        data = json.loads(text)
        mean, scale = ({verdict: np.array(values, dtype=np.float64) for verdict, values in sorted(data[name].items())}
                       for name in ("mean", "scale"))
        return Explanations(tuple(data["features"]), mean, scale, np.array(data["correlation"], dtype=np.float64),
                            float(data["degrees"]), float(data["temper"]), float(data["blind_temper"]),
                            data["made_from"])


def _posterior(fits: Floats, verdicts: Sequence[str], prior: float) -> Floats:
    """Posterior over the verdicts (the last axis of ``fits``, their log-likelihoods)."""
    others = (1.0 - prior) / (len(verdicts) - 1)
    weight = fits + np.log([prior if verdict == "distillation" else others for verdict in verdicts])
    weight = np.exp(weight - weight.max(axis=-1, keepdims=True))
    posterior: Floats = weight / weight.sum(axis=-1, keepdims=True)
    return posterior


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), 4) for value in values]


def _logit(shares: Floats) -> Floats:
    kept = np.clip(np.asarray(shares, dtype=np.float64), _EDGE, 1 - _EDGE)
    logit: Floats = np.log(kept / (1 - kept))
    return logit


def fit(examples: Sequence[tuple[str, Mapping[str, float]]], features: Sequence[str], *, temper: float = 1.0,
        blind_temper: float = 1.0, made_from: str = "", weights: Sequence[float] | None = None) -> Explanations:
    """Fit the densities to labelled groups: ``(verdict, features)`` each, ``weights`` where they count unequally.

    A verdict's mean is shrunk to that of all groups by one example, its spread by two; the features' correlations
    within verdicts are pooled over all of them. A feature that no example of a verdict has keeps what all show.
    """
    verdicts = sorted({label for label, _ in examples})
    for verdict in verdicts:
        if verdict != ORDINARY and (verdict not in VERDICT or verdict == _UNDETERMINED):
            raise ValueError(f"{verdict!r} is no verdict that can be fitted")
    shown = np.array([[values.get(name, np.nan) for name in features] for _, values in examples], dtype=np.float64)
    logit = _logit(shown)
    weight = np.ones(len(examples)) if weights is None else np.asarray(weights, dtype=np.float64)
    known = ~np.isnan(logit) * weight[:, None]
    filled = np.nan_to_num(logit)
    total = np.maximum(known.sum(axis=0), 1e-9)
    usual = (filled * known).sum(axis=0) / total
    spread = ((filled - usual) ** 2 * known).sum(axis=0) / total + 0.1
    mean, scale, residuals = {}, {}, np.zeros_like(filled)
    for verdict in verdicts:
        rows = np.array([label == verdict for label, _ in examples])
        some = known[rows].sum(axis=0)
        mean[verdict] = ((filled[rows] * known[rows]).sum(axis=0) + _OWN_WEIGHT * usual) / (some + _OWN_WEIGHT)
        off = filled[rows] - mean[verdict]
        variance = ((off**2 * known[rows]).sum(axis=0) + _SPREAD_WEIGHT * spread / 2) / (some + _SPREAD_WEIGHT)
        # The mean of few examples is itself uncertain: a new group is off by both. A Student t of scale 1 has
        # variance n / (n − 2).
        scale[verdict] = np.sqrt(variance * (1.0 + 1.0 / (some + 1.0)) * (DEGREES - 2.0) / DEGREES)
        residuals[rows] = off / scale[verdict] * (known[rows] > 0)
    return Explanations(tuple(features), mean, scale, _correlation(residuals, known, weight), DEGREES, temper,
                        blind_temper, made_from)


def _correlation(residuals: Floats, known: Floats, weight: Floats) -> Floats:
    """Pooled correlations, shrunk to independence and made positive definite."""
    there = (known > 0).astype(np.float64)
    product = (residuals * weight[:, None]).T @ residuals / np.maximum((there * weight[:, None]).T @ there, 1e-9)
    size = np.sqrt(np.maximum(np.diag(product), 1e-9))
    mixed = (1 - SHRINK) * product / np.outer(size, size)
    np.fill_diagonal(mixed, 1.0)
    # Entries come from different subsets of groups where features are missing: no matrix of correlations need be so.
    values, vectors = np.linalg.eigh(mixed)
    mended = (vectors * np.maximum(values, 0.05)) @ vectors.T
    size = np.sqrt(np.diag(mended))
    correlation: Floats = mended / np.outer(size, size)
    return correlation


def shipped() -> Explanations:
    """The densities that come with the package; `tools/fit_hypotheses.py` makes them."""
    return Explanations.from_json(
        resources.files("stillwatch.data").joinpath("hypotheses.json").read_text("utf-8"))
