"""q-values of the linkage claim from decoys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["q_values"]

Floats = npt.NDArray[np.float64]


def q_values(scores: Sequence[float], decoys: Sequence[Sequence[float]]) -> tuple[Floats, float]:
    """False-discovery rate of each reported group, and the smallest it could have been.

    ``scores`` are the real groups'; ``decoys`` one sequence of scores a decoy data set. Groups have no
    one-to-one decoy partner, so this is resampling, not target–decoy competition:
    q(s) = [(1 + Σ_b D_b(s)) / (B + 1)] / R(s), with D_b(s) and R(s) the numbers of decoy and of real groups that
    score at least s, made monotone (a group is as significant as the best bar that it passes), at most 1. The
    floor is 1 / ((B + 1) · R), R all real groups. Without decoys every q is 1.
    """
    real = np.asarray(scores, dtype=np.float64)
    if not len(real):
        return np.zeros(0), 1.0
    made = len(decoys)
    false = np.sort(np.concatenate([np.asarray(d, dtype=np.float64) for d in decoys])) if made else np.zeros(0)
    ranked = np.sort(real)
    reported = len(real) - np.searchsorted(ranked, real, side="left")
    beyond = len(false) - np.searchsorted(false, real, side="left")
    raw = np.minimum((1.0 + beyond) / (made + 1.0) / reported, 1.0)
    order = np.argsort(real, kind="stable")
    q = np.empty_like(raw)
    # From the lowest bar up: a bar's q is the smallest of all bars at or below it.
    q[order] = np.minimum.accumulate(raw[order])
    for score in np.unique(real):
        tied = real == score
        q[tied] = q[tied].min()
    return q, 1.0 / ((made + 1.0) * len(real))
