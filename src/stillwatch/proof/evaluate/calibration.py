"""Whether probabilities mean what they say, over candidates whose truth is known.

Brier, Monthly Weather Review 78 (1950) 1–3; slope and intercept by logistic recalibration: Cox, Biometrika 45 (1958)
562–565, with Wald intervals from the observed information.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import norm

from stillwatch.proof.evaluate.intervals import CONFIDENCE, Rate

__all__ = ["BINS", "NEAREST", "calibration"]

BINS = 10
# Probabilities of 0 and 1 have no logit; nearer to them than this, they are moved here.
NEAREST = 1e-6
_STEPS = 100
_CLOSE = 1e-12

_Floats = npt.NDArray[np.float64]


def calibration(probability: Sequence[float], positive: Sequence[bool]) -> dict[str, Any]:
    """Reliability in ten bins, Brier score and skill, slope and intercept: see docs/reference/evaluate.md."""
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(positive, dtype=np.float64)
    if not len(p):
        return {"candidates": 0, "positives": 0, "base_rate": None, "brier": None, "brier_skill": None,
                "expected_calibration_error": None, "bins": [], **_no_fit("there is no candidate")}
    base = float(y.mean())
    brier, reference = float(np.mean((p - y) ** 2)), base * (1.0 - base)
    bins = _bins(p, y)
    return {
        "candidates": len(p), "positives": int(y.sum()), "base_rate": base, "brier": brier,
        "brier_skill": 1.0 - brier / reference if reference else None,
        "expected_calibration_error": sum(b["candidates"] * abs(b["mean_probability"] - b["share"])
                                          for b in bins) / len(p),
        "bins": bins,
        **_recalibration(p, y),
    }


def _bins(p: _Floats, y: _Floats) -> list[dict[str, Any]]:
    """Bins [0, 0.1), … [0.9, 1] that hold a candidate."""
    edges = np.arange(1, BINS) / BINS
    place = np.searchsorted(edges, p, side="right")
    made = []
    for number in np.unique(place):
        inside = place == number
        share = Rate(int(y[inside].sum()), int(inside.sum()))
        made.append({"from": int(number) / BINS, "to": (int(number) + 1) / BINS, "candidates": share.of,
                     "positives": share.hits, "mean_probability": float(p[inside].mean()), **share.figures("share")})
    return made


def _no_fit(why: str) -> dict[str, Any]:
    names = ("slope", "intercept", "intercept_at_slope_1")
    return {**dict.fromkeys([n + end for n in names for end in ("", "_interval")]), "slope_note": why}


def _recalibration(p: _Floats, y: _Floats) -> dict[str, Any]:
    """The fit of logit P(y = 1) = intercept + slope · logit(p), or why there is none."""
    x = logit(np.clip(p, NEAREST, 1.0 - NEAREST))
    if y.min() == y.max():
        return _no_fit("all candidates are of one kind, so no slope can be estimated")
    ones, zeros = x[y == 1], x[y == 0]
    nothing = np.zeros(len(x))
    large, large_error = _fit(np.ones((len(x), 1)), y, x)
    whole = {"intercept_at_slope_1": float(large[0]), "intercept_at_slope_1_interval": _wald(large[0], large_error[0])}
    if x.min() == x.max():
        return _no_fit("all candidates have one probability, so no slope can be estimated") | whole
    # With one covariate the likelihood has a maximum exactly if the two kinds overlap (Albert & Anderson, 1984).
    if ones.min() >= zeros.max() or ones.max() <= zeros.min():
        return _no_fit("the probabilities separate the two kinds wholly, so the slope has no finite estimate") | whole
    fitted, error = _fit(np.column_stack([np.ones(len(x)), x]), y, nothing)
    return whole | {"slope": float(fitted[1]), "slope_interval": _wald(fitted[1], error[1]),
                    "intercept": float(fitted[0]), "intercept_interval": _wald(fitted[0], error[0]),
                    "slope_note": None}


def _wald(estimate: float, error: float) -> list[float]:
    reach = float(norm.ppf(0.5 + CONFIDENCE / 2.0)) * error
    return [float(estimate - reach), float(estimate + reach)]


def _fit(design: _Floats, y: _Floats, offset: _Floats) -> tuple[_Floats, _Floats]:
    """Maximum likelihood of a logistic regression by damped Newton steps: estimates and standard errors."""
    beta = np.zeros(design.shape[1])
    value = _likelihood(design @ beta + offset, y)
    for _ in range(_STEPS):
        mean = expit(design @ beta + offset)
        information = design.T @ (design * (mean * (1.0 - mean))[:, None])
        step = np.linalg.lstsq(information, design.T @ (y - mean), rcond=None)[0]
        size = 1.0
        # The likelihood is concave: a step that lowers it was too long.
        while _likelihood(design @ (beta + size * step) + offset, y) < value - _CLOSE and size > _CLOSE:
            size /= 2.0
        beta = beta + size * step
        value = _likelihood(design @ beta + offset, y)
        if float(np.max(np.abs(step))) < _CLOSE * (1.0 + float(np.max(np.abs(beta)))):
            break
    mean = expit(design @ beta + offset)
    information = design.T @ (design * (mean * (1.0 - mean))[:, None])
    return beta, np.sqrt(np.diag(np.linalg.pinv(information)))


def _likelihood(at: _Floats, y: _Floats) -> float:
    return float(np.sum(y * at - np.logaddexp(0.0, at)))
