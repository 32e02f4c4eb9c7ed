"""Whether probabilities mean what people then decided: of cases that chance chose, weighted to all linked groups.

Cases that a score chose say nothing about the groups that it passed over, so they are counted and left out of every
rate. Of the audit sample, each case stands for ``among / size`` groups of its draw (Horvitz & Thompson, Journal of the
American Statistical Association 47 (1952) 663–685).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, expit, logit

__all__ = ["ENOUGH", "Drawn", "reliability", "share_interval"]

ENOUGH = 200
"""Adjudicated cases from which a deployment's own record may replace simulation (the method's convention)."""

_CONFIDENCE = 0.95
_BINS = 5
# Nearer to 0 and 1 than this a probability has no logit worth the name: one decision would outweigh all others.
_NEAREST = 1e-3
_PRIOR_SD = 1.0
_STEPS = 50

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """A case of an audit sample: P(distillation) of the findings that it was drawn from, before any decision, for how
    many groups it stands, and whether it was confirmed (null: not decided, or appealed)."""

    case_id: int
    probability: float
    weight: float
    confirmed: bool | None


def share_interval(share: float, cases: float) -> tuple[float, float]:
    """95 % interval of a share of so many cases, which may be an effective number.

    Exact for whole counts (Clopper & Pearson, Biometrika 26 (1934) 404–413); for weighted ones as Korn & Graubard
    (Survey Methodology 24 (1998) 193–201), without their correction for few degrees of freedom. (0, 1) without a
    case.
    """
    if cases <= 0:
        return 0.0, 1.0
    tail, hits = (1.0 - _CONFIDENCE) / 2.0, share * cases
    low = 0.0 if hits <= 0 else float(betaincinv(hits, cases - hits + 1.0, tail))
    high = 1.0 if hits >= cases else float(betaincinv(hits + 1.0, cases - hits, 1.0 - tail))
    return low, high


def reliability(drawn: Sequence[Drawn]) -> dict[str, Any]:
    """Reliability in five bins of probability, and the shift of all of them that the decisions ask for.

    ``bins`` are those that hold a decided case: ``from``, ``to``, ``cases``, ``confirmed``, ``mean_probability`` and
    ``share`` (both weighted), ``share_interval``. ``odds_factor`` is what the odds of every probability would be
    multiplied with, and its interval; null without a decided case. Nothing is changed by it.
    """
    decided = [one for one in drawn if one.confirmed is not None]
    p = np.array([one.probability for one in decided], dtype=np.float64)
    y = np.array([bool(one.confirmed) for one in decided], dtype=np.float64)
    w = np.array([one.weight for one in decided], dtype=np.float64)
    shift = _shift(p, y, w)
    return {
        "drawn": len(drawn), "decided": len(decided), "confirmed": int(y.sum()), "enough": ENOUGH,
        "bins": _bins(p, y, w),
        "odds_factor": None if shift is None else float(np.exp(shift[0])),
        "odds_factor_interval": None if shift is None else [float(np.exp(end)) for end in shift[1]],
    }


def _effective(w: _Floats) -> float:
    """How many equally weighted cases are worth as much (Kish, Survey Sampling, 1965)."""
    return float(w.sum() ** 2 / (w ** 2).sum()) if len(w) else 0.0


def _bins(p: _Floats, y: _Floats, w: _Floats) -> list[dict[str, Any]]:
    place = np.minimum((p * _BINS).astype(np.int64), _BINS - 1)
    made = []
    for number in np.unique(place):
        inside = place == number
        share = float(np.average(y[inside], weights=w[inside]))
        made.append({"from": int(number) / _BINS, "to": (int(number) + 1) / _BINS, "cases": int(inside.sum()),
                     "confirmed": int(y[inside].sum()),
                     "mean_probability": float(np.average(p[inside], weights=w[inside])),
                     "share": share, "share_interval": list(share_interval(share, _effective(w[inside])))})
    return made


def _shift(p: _Floats, y: _Floats, w: _Floats) -> tuple[float, tuple[float, float]] | None:
    """The shift of all logits (natural log) that the decisions ask for, and its 95 % interval.

    The mode of a weighted logistic likelihood with one intercept, under a normal prior around no shift, towards
    which few cases are drawn. The weights sum to the effective number of cases. Interval by the curvature at the mode.
    """
    if not len(p):
        return None
    x = logit(np.clip(p, _NEAREST, 1.0 - _NEAREST))
    weight = w * (_effective(w) / w.sum())
    shift = 0.0
    for _ in range(_STEPS):
        mean = expit(x + shift)
        slope = float((weight * (y - mean)).sum()) - shift / _PRIOR_SD ** 2
        curve = float((weight * mean * (1.0 - mean)).sum()) + 1.0 / _PRIOR_SD ** 2
        # The likelihood is concave, and its curvature never less than the prior's: a bounded step always arrives.
        step = float(np.clip(slope / curve, -1.0, 1.0))
        shift += step
        if abs(step) < 1e-10:
            break
    mean = expit(x + shift)
    reach = 1.959964 / np.sqrt(float((weight * mean * (1.0 - mean)).sum()) + 1.0 / _PRIOR_SD ** 2)
    return shift, (float(shift - reach), float(shift + reach))
