"""Texts as vectors without a download: what they are made of, and how they are shaped, against a reference of their
own.

*Words*: counts of hashed character and word n-grams (hashing needs no vocabulary and no model), weighted by inverse
document frequency and reduced by a truncated SVD, rows of unit length. *Shape*: eleven numbers a text (length, digits,
punctuation, lines, …, and how much of it the reference's axes explain), each as which of five quantiles of the
reference it exceeds: windows that mix two kinds of text differ in shares of the tails. Weights, axes and quantiles are
fitted to a reference of ordinary traffic, without labels. Counts leave this room, texts do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from threadpoolctl import threadpool_limits

__all__ = ["Embedding", "Hashed", "fit_embedding", "hashed"]

Floats = npt.NDArray[np.float64]

_CHARACTERS = 1_000
_COLUMNS = 2**16
_WORD = r"(?u)\w+|[^\w\s]"
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Hashed:
    """Texts as numbers: ``counts`` of hashed n-grams (texts × 2¹⁷, sparse) and ``shape`` (texts × 10)."""

    counts: sp.csr_matrix
    shape: Floats

    def __len__(self) -> int:
        return int(self.shape.shape[0])

    def take(self, rows: npt.NDArray[np.int64]) -> Hashed:
        """Some rows, in the order given."""
        return Hashed(self.counts[rows], self.shape[rows])

    @staticmethod
    def joined(parts: Sequence[Hashed]) -> Hashed:
        """One after the other."""
        return Hashed(sp.csr_matrix(sp.vstack([part.counts for part in parts])),
                      np.vstack([part.shape for part in parts]))


@cache
def _hashers() -> tuple[HashingVectorizer, HashingVectorizer]:
    common = {"alternate_sign": False, "norm": None, "lowercase": True, "n_features": _COLUMNS, "dtype": np.float32}
    return (HashingVectorizer(analyzer="char_wb", ngram_range=(3, 4), **common),
            HashingVectorizer(analyzer="word", ngram_range=(1, 2), token_pattern=_WORD, **common))


def hashed(texts: Sequence[str]) -> Hashed:
    """The first thousand characters of each text as numbers."""
    cut = [text[:_CHARACTERS] for text in texts]
    if not cut:
        return Hashed(sp.csr_matrix(np.zeros((0, 2 * _COLUMNS), dtype=np.float32)), np.zeros((0, 10)))
    return Hashed(sp.csr_matrix(sp.hstack([hasher.transform(cut) for hasher in _hashers()])),
                  np.array([_shape(text) for text in cut], dtype=np.float64))


def _shape(text: str) -> list[float]:
    size, words = max(1, len(text)), text.lower().split() or [""]
    return [
        float(np.log(size)),
        sum(char.isdigit() for char in text) / size,
        sum(char.isupper() for char in text) / size,
        sum(not char.isalnum() and not char.isspace() for char in text) / size,
        float(np.log1p(text.count("\n"))),
        sum(ord(char) > 127 for char in text) / size,
        sum(map(len, words)) / len(words),
        float(np.log1p(text.count("?"))),
        len(set(words)) / len(words),
        float(text[:1].isupper()),
    ]


@dataclass(frozen=True)
class Embedding:
    """What was fitted to a reference; calling it gives vectors, texts × dimensions, of comparable scale."""

    weights: TfidfTransformer
    axes: TruncatedSVD
    edges: tuple[Floats, ...]
    scale: tuple[float, float]

    def __call__(self, texts: Hashed) -> Floats:
        """Vectors of texts; words and shape count alike."""
        words, shape = self._parts(texts)
        return np.hstack([words / self.scale[0], shape / self.scale[1]])

    def _parts(self, texts: Hashed) -> tuple[Floats, Floats]:
        words, explained = _projected(self.weights, self.axes, texts.counts)
        numbers = np.column_stack([texts.shape, explained])
        above = [numbers[:, [column]] > edges[None, :] for column, edges in enumerate(self.edges)]
        return words, np.hstack(above).astype(np.float64)


def _projected(weights: TfidfTransformer, axes: TruncatedSVD, counts: sp.csr_matrix) -> tuple[Floats, Floats]:
    """Directions of unit length, and how much of each text's own length the axes explain."""
    if not counts.shape[0]:
        return np.zeros((0, axes.n_components)), np.zeros(0)
    with threadpool_limits(1):
        raw = np.asarray(axes.transform(weights.transform(counts)), dtype=np.float64)
    length: Floats = np.linalg.norm(raw, axis=1)
    return raw / np.maximum(length, 1e-12)[:, None], length


def fit_embedding(reference: Hashed, *, dimensions: int = 128, seed: int = 0) -> tuple[Embedding, Floats]:
    """Fit to a reference of twenty texts or more; returns the embedding and vectors of ordinary texts.

    The axes are fitted to one half; quantiles and the vectors that are returned come from the other, since axes explain
    what they were fitted to better than any new text. Callers give rows in an order of their own choice, at random.
    """
    half = len(reference) // 2
    first, second = np.arange(half), np.arange(half, len(reference))
    with threadpool_limits(1):
        weights = TfidfTransformer(sublinear_tf=True).fit(reference.counts[first])
        axes = TruncatedSVD(max(1, min(dimensions, half - 1)), random_state=seed)
        axes.fit(weights.transform(reference.counts[first]))
    rest = reference.take(second)
    numbers = np.column_stack([rest.shape, _projected(weights, axes, rest.counts)[1]])
    edges = tuple(np.unique(np.quantile(numbers[:, column], _QUANTILES)) for column in range(numbers.shape[1]))
    plain = Embedding(weights, axes, edges, (1.0, 1.0))
    words, shape = plain._parts(rest)
    spread = [float(np.sqrt(part.var(axis=0).sum())) or 1.0 for part in (words, shape)]
    fitted = Embedding(weights, axes, edges, (spread[0], spread[1]))
    return fitted, fitted(rest)
