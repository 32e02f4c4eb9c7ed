"""The window test of "An Embarrassingly Simple Detector for Model Extraction Attacks in LLM API Traffic".

arXiv 2606.05725: embed prompts, compare a window of them with a reference of benign traffic by the unbiased maximum
mean discrepancy, and call the window an attack when benign windows seldom differ as much. As the authors' code does,
the kernel is the mean of four Gaussians at 0.5, 1, 2 and 4 times the median distance of the reference.

What is ours, since that code needs a model from a hub and windows of 1,500 prompts:

- *Embedding*: hashed character n-grams, weighted by rarity and reduced by a truncated SVD, both fitted on the
  reference without labels; rows have unit length.
- *Reference*: the logs' own traffic, at most ``_EACH`` prompts an account, evenly over its time. With ``clean`` the
  campaigns' accounts are taken out of it by the labels, which no provider could do: it flatters this baseline.
- *Windows*: an account's prompts in order, ``window`` at a time, the rest with the last; an account with fewer has one
  window of what it has, and one with fewer than ``_FEWEST`` is never accused. An account scores its highest window.
- *Threshold*: one for each doubling of the account's number of prompts, because small windows vary more and long
  accounts have more of them: the conformal quantile of benign development accounts at ``level``. People differ from
  the crowd more than random windows of the crowd do, so benign *accounts* are the null, not benign mixtures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from baselines.shared import Accusation, Parameters, culprits, query, read

__all__ = ["GRID", "MEASURING", "UNBOUNDED", "Windows", "accuse", "bandwidth", "calibrate", "decide", "measure",
           "mmd2", "windows_of"]

GRID = {
    "window": (8, 16, 64),
    "dimensions": (96,),
    "clean": (False, True),
    "level": (0.001, 0.002, 0.005, 0.01),
}
# What accusing more of the innocent would buy.
UNBOUNDED = GRID | {"level": (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)}
MEASURING = ("window", "dimensions", "clean")
_EACH, _REFERENCE, _MOST, _FEWEST, _CHARACTERS = 8, 1_000, 256, 8, 600
_SCALES = (0.5, 1.0, 2.0, 4.0)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Each account's number of prompts and the highest discrepancy among its windows."""

    names: list[str]
    prompts: npt.NDArray[np.int64]
    score: Floats


def measure(traffic: Path, parameters: Parameters) -> Windows:
    """Embed prompts and compare every account's windows with the reference."""
    rows = query(f"""
        with said as (select account_id, ts, exchange_id, left(prompt, {_CHARACTERS}) as prompt,
                             row_number() over (partition by account_id order by ts, exchange_id) - 1 as place,
                             count(*) over (partition by account_id) as all_of_it
                      from {read(traffic)} where account_id is not null and prompt is not null)
        select account_id, prompt, {_evenly(_EACH)} as reference from said where {_evenly(_MOST)} or {_evenly(_EACH)}
        order by account_id, ts, exchange_id""")
    # One thread: runs go side by side, and sums come out the same on every machine's number of cores.
    with threadpool_limits(1):
        return _scored(rows, traffic, parameters)


def _scored(rows: pa.Table, traffic: Path, parameters: Parameters) -> Windows:
    if parameters["clean"]:
        benign = pc.invert(pc.is_in(rows["account_id"], pa.array(sorted(culprits(traffic)), pa.string())))
        rows = rows.set_column(2, "reference", pc.and_(rows["reference"], benign))
    if (pc.sum(rows["reference"]).as_py() or 0) < _FEWEST:
        return Windows([], np.zeros(0, dtype=np.int64), np.zeros(0))
    vectors, reference = _embed(rows, parameters["dimensions"])
    accounts = rows["account_id"].combine_chunks().dictionary_encode()
    starts = np.flatnonzero(np.diff(np.asarray(accounts.indices), prepend=-1))
    counts = np.diff(starts, append=rows.num_rows)
    sigma = bandwidth(reference)
    among = _within(reference, sigma)
    scores = np.full(len(starts), -np.inf)
    for at, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        if count >= _FEWEST:
            scores[at] = max(mmd2(vectors[start + a:start + b], reference, sigma, among)
                             for a, b in windows_of(count, parameters["window"]))
    return Windows(accounts.dictionary.to_pylist(), counts, scores)


def _evenly(most: int) -> str:
    """Whether a row is among at most so many of its account's, evenly spaced: by place, so that no name matters."""
    return f"(place * {most} // all_of_it > (place - 1) * {most} // all_of_it or place = 0)"


def _embed(rows: pa.Table, dimensions: int) -> tuple[Floats, Floats]:
    """Vectors of all prompts, and those of the reference: ``(rows, dimensions)`` of unit length."""
    texts = rows["prompt"].combine_chunks().dictionary_encode()
    hashed = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=2**14, alternate_sign=False,
                               norm=None)
    counts = hashed.transform(texts.dictionary.to_pylist())
    codes = np.asarray(texts.indices)
    chosen = _thinned(codes[np.asarray(rows["reference"])], _text_order(texts.dictionary), _REFERENCE)
    weights = TfidfTransformer(sublinear_tf=True).fit(counts[chosen])
    weighted = weights.transform(counts)
    kept = max(2, min(dimensions, len(chosen) - 1, weighted.shape[1] - 1))
    reduced = TruncatedSVD(kept, random_state=0).fit(weighted[chosen])
    vectors = normalize(reduced.transform(weighted))
    return vectors[codes].astype(np.float32), vectors[chosen].astype(np.float32)


def _text_order(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Place of every text among all in alphabetical order: an order that knows no account."""
    place = np.empty(len(texts), dtype=np.int64)
    place[np.asarray(pc.sort_indices(texts))] = np.arange(len(texts))
    return place


def _thinned(codes: npt.NDArray[Any], order: npt.NDArray[np.int64], most: int) -> npt.NDArray[Any]:
    """At most so many of the codes, drawn at random from an order that depends on the texts alone."""
    ordered = codes[np.argsort(order[codes], kind="stable")]
    if len(ordered) <= most:
        return ordered
    return ordered[np.sort(np.random.default_rng(0).choice(len(ordered), most, replace=False))]


def windows_of(count: int, window: int) -> Iterator[tuple[int, int]]:
    """Bounds of the windows of so many prompts, the remainder with the last."""
    whole = max(count // window, 1)
    for number in range(whole):
        yield number * window, count if number == whole - 1 else (number + 1) * window


def bandwidth(reference: Floats) -> float:
    """Median distance of two different rows, 1 where all are the same."""
    distances = _squared(reference, reference)[np.triu_indices(len(reference), 1)]
    positive = distances[distances > 1e-12]
    return float(np.sqrt(np.median(positive))) if len(positive) else 1.0


def _squared(x: Floats, y: Floats) -> Floats:
    return np.maximum((x * x).sum(1)[:, None] + (y * y).sum(1)[None, :] - 2.0 * x @ y.T, 0.0)


def _kernel(x: Floats, y: Floats, sigma: float) -> Floats:
    """Mean of Gaussians at four widths; the narrower ones are powers of the widest."""
    widest = np.exp(-_squared(x, y) / (2.0 * (_SCALES[-1] * sigma) ** 2))
    total, power = widest.copy(), widest
    for _ in _SCALES[:-1]:
        power = power * power
        power = power * power
        total += power
    return total / len(_SCALES)


def _within(x: Floats, sigma: float) -> float:
    """Mean kernel of two different rows of one sample."""
    kernel = _kernel(x, x, sigma)
    return float((kernel.sum() - np.trace(kernel)) / max(len(x) * (len(x) - 1), 1))


def mmd2(window: Floats, reference: Floats, sigma: float, among: float | None = None) -> float:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3); ``among`` spares the reference's part."""
    between = float(_kernel(window, reference, sigma).mean())
    return _within(window, sigma) + (_within(reference, sigma) if among is None else among) - 2.0 * between


def _bins(prompts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.floor(np.log2(np.maximum(prompts, 1))).astype(np.int64)


def calibrate(benign: Sequence[tuple[npt.NDArray[np.int64], Floats]], level: float) -> dict[str, float]:
    """Thresholds a doubling of the number of prompts, from the numbers and scores of benign accounts.

    Conformal: among n benign accounts, the k-th smallest score with k = ceil((n + 1)(1 - level)) is passed by one more
    benign account with probability at most ``level``. A bin with too few for that takes in the one below it, where
    scores are larger. Without enough even then, nobody is accused.
    """
    prompts = np.concatenate([p for p, _ in benign]) if benign else np.zeros(0, dtype=np.int64)
    scores = np.concatenate([s for _, s in benign]) if benign else np.zeros(0)
    known = prompts >= _FEWEST
    place, scores = _bins(prompts[known]), scores[known]
    thresholds: dict[str, float] = {}
    lowest, highest = int(_bins(np.array([_FEWEST]))[0]), int(_bins(np.array([_MOST]))[0])
    for number in range(lowest, highest + 1):
        for reach in range(number, lowest - 1, -1):
            mine = np.sort(scores[(place >= reach) & (place <= number)])
            rank = math.ceil((len(mine) + 1) * (1.0 - level))
            if rank <= len(mine):
                thresholds[str(2**number)] = float(mine[rank - 1])
                break
    return thresholds


def decide(measured: Windows, parameters: Parameters) -> Accusation:
    """Accuse each account whose highest window passes the threshold of its size."""
    given = parameters["thresholds"]
    limit = np.array([given.get(str(2**int(place)), np.inf) for place in _bins(measured.prompts)])
    found = np.flatnonzero((measured.prompts >= _FEWEST) & (measured.score > limit))
    return Accusation(tuple(sorted(measured.names[at] for at in found)))


def accuse(traffic: Path, parameters: Parameters) -> Accusation:
    """Accuse each account by its own windows; ``parameters`` holds the calibrated ``thresholds``."""
    return decide(measure(traffic, parameters), parameters)
