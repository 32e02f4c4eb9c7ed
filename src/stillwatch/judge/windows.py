"""The window test: does a window of requests come from the same distribution as ordinary traffic?

After arXiv 2606.05725: the maximum mean discrepancy between a window's vectors and a reference of ordinary traffic,
with a threshold calibrated on benign windows at a stated false-positive rate. Two kernels:

- *gaussian*, as there: the mean of four Gaussians at half, once, twice and four times the median distance in the
  reference; unbiased squared MMD (Gretton et al. 2012, eq. 3).
- *regularised* (the default): k(x, y) = (x − m)ᵀ (C + λI)⁻¹ (y − m) with the reference's mean m and covariance C, and
  λ its mean variance (kernel Fisher discriminant: Harchaoui, Bach & Moulines 2007; spectral regularisation: Hagrass,
  Sriperumbudur & Li 2022). Directions in which ordinary texts differ anyway count less. The sum over different rows
  of the window is unbiased for the window, and costs rows × dimensions.

The threshold is conformal: one more benign window passes it with at most the stated probability, whatever the
distribution (Vovk et al. 2005). Windows may be pooled over accounts that linking has put together; benign windows
must then be pooled over as many accounts: fifteen people are nearer to the crowd than one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Gaussian", "Regularised", "conformal_threshold", "p_values"]

Floats = npt.NDArray[np.float64]

_SCALES = (0.5, 1.0, 2.0, 4.0)
_PAIRS = 4_000_000
"""Kernel values held at a time."""


@dataclass(frozen=True)
class Regularised:
    """The reference's ``mean`` and the map ``whiten`` (dimensions × dimensions) under which k is the inner product."""

    mean: Floats
    whiten: Floats

    @staticmethod
    def of(vectors: Floats) -> Regularised:
        """Prepare vectors of ordinary traffic, two or more (rows × dimensions)."""
        mean = vectors.mean(axis=0)
        values, axes = np.linalg.eigh(np.cov(vectors.T).reshape(vectors.shape[1], vectors.shape[1]))
        spread = max(float(values.mean()), 1e-12)
        return Regularised(mean, axes / np.sqrt(np.maximum(values, 0.0) + spread))

    def discrepancy(self, window: Floats) -> float:
        """Squared discrepancy of a window of two rows or more; about 0 where it is like the reference."""
        mapped = (window - self.mean) @ self.whiten
        total = mapped.sum(axis=0)
        rows = len(window)
        return float((total @ total - (mapped * mapped).sum()) / (rows * (rows - 1)))


@dataclass(frozen=True)
class Gaussian:
    """Vectors of ordinary traffic (rows × dimensions), the kernel's width, and the mean kernel of two different
    rows."""

    vectors: Floats
    width: float
    within: float

    @staticmethod
    def of(vectors: Floats) -> Gaussian:
        """Prepare vectors of ordinary traffic, two or more."""
        distances = _squared(vectors, vectors)[np.triu_indices(len(vectors), 1)]
        some = distances[distances > 1e-12]
        width = float(np.median(np.sqrt(some))) if len(some) else 1.0
        return Gaussian(vectors, width, _within(vectors, width))

    def discrepancy(self, window: Floats) -> float:
        """Unbiased MMD² of a window of two rows or more; about 0 where it is like the reference."""
        step = max(1, _PAIRS // max(1, len(self.vectors)))
        between = sum(float(_kernel(window[at:at + step], self.vectors, self.width).sum())
                      for at in range(0, len(window), step)) / (len(window) * len(self.vectors))
        return _within(window, self.width) + self.within - 2.0 * between


def conformal_threshold(benign: Floats, level: float) -> float:
    """What one more benign window passes with probability ``level`` at most; infinite where there are too few to say.

    Among n benign values the k-th smallest with k = ⌈(n + 1)(1 − level)⌉.
    """
    rank = math.ceil((len(benign) + 1) * (1.0 - level) - 1e-9)
    return float(np.sort(benign)[rank - 1]) if rank <= len(benign) else math.inf


def p_values(values: Floats, benign: Floats) -> Floats:
    """Share of benign windows that are as far from the reference or farther, counting the window itself: never 0."""
    ordered = np.sort(benign)
    beyond = len(ordered) - np.searchsorted(ordered, values, side="left")
    return np.asarray((beyond + 1.0) / (len(ordered) + 1.0), dtype=np.float64)


def _squared(x: Floats, y: Floats) -> Floats:
    made: Floats = np.maximum((x * x).sum(1)[:, None] + (y * y).sum(1)[None, :] - 2.0 * x @ y.T, 0.0)
    return made


def _kernel(x: Floats, y: Floats, width: float) -> Floats:
    """Mean of Gaussians at four widths; the narrower ones are powers of the widest."""
    power: Floats = np.exp(-_squared(x, y) / (2.0 * (_SCALES[-1] * width) ** 2))
    total = power.copy()
    for _ in _SCALES[:-1]:
        power = np.asarray(np.square(np.square(power)), dtype=np.float64)
        total += power
    return total / len(_SCALES)


def _within(x: Floats, width: float) -> float:
    """Mean kernel of two different rows of one sample."""
    kernel = _kernel(x, x, width)
    return float((kernel.sum() - np.trace(kernel)) / max(len(x) * (len(x) - 1), 1))
