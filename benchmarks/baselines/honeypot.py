"""The per-account suspicion score of the package honeypotllm 0.1.3 (Apache-2.0), as released.

Each account's requests are fed in order of time to the package's ``SuspicionScorer.score_request``, the call through
which its middleware decides; watermarks and the audit log, which do not touch the score, are left out. The scorer asks
the machine for the time, so the clock of the module is replaced by one that shows each request's own: gaps, rates and
decay are those of the logs. Every account has a scorer of its own, which spares it the package's limit of 10,000 keys.

The package flags a key when its score after a request reaches 0.75 (``DEFAULTS``): the highest score an account ever
had. Tuning may choose another threshold, and the mean or the last score instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.shared import Accusation, Parameters, query, read

__all__ = ["DEFAULTS", "GRID", "MEASURING", "VERSION", "Scores", "accuse", "decide", "measure"]

VERSION = "0.1.3"
# An account's first requests alone are scored past this many: the score is a walk, one call a request.
MOST_REQUESTS = 5_000
DEFAULTS = {"statistic": "highest", "threshold": 0.75}
GRID = {
    "statistic": ("highest", "mean", "last"),
    "threshold": (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 1.0),
}
MEASURING = ()
# New states are stamped with the machine's time, and a clock behind it would add to the score instead of decaying it.
_EPOCH_S = 4_000_000_000.0


@dataclass(frozen=True)
class Scores:
    """What was made of each account's scores."""

    names: list[str]
    highest: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]


class _Clock:
    """Stands where the package expects the module ``time``."""

    def __init__(self) -> None:
        self.now = _EPOCH_S

    def time(self) -> float:
        return self.now


@contextmanager
def _package() -> Iterator[tuple[Any, Any, _Clock]]:
    """The package's scorer, its configuration, and the clock that it reads while this is open."""
    try:
        from honeypotllm import ScoringConfig, SuspicionScorer, __version__, scoring
    except ImportError as error:
        raise SystemExit(f"The scoreboard compares with honeypotllm {VERSION}, which cannot be imported: {error}."
                         " Install it with what it needs: python -m pip install --group scoreboard") from error
    if __version__ != VERSION:
        raise SystemExit(f"The scoreboard compares with honeypotllm {VERSION}; {__version__} is installed."
                         f" Install it: python -m pip install honeypotllm=={VERSION}")
    clock, real = _Clock(), scoring.time
    scoring.time = clock
    try:
        yield SuspicionScorer, ScoringConfig(), clock
    finally:
        scoring.time = real


def measure(traffic: Path, parameters: Parameters) -> Scores:
    """Score every account's requests in order."""
    rows = query(f"""select account_id, epoch_us(ts) as t, coalesce(prompt, '') as prompt,
                            coalesce(input_tokens, 0) as tokens
                     from {read(traffic)} where account_id is not null
                     qualify row_number() over (partition by account_id order by ts, exchange_id) <= {MOST_REQUESTS}
                     order by account_id, ts, exchange_id""")
    accounts = rows["account_id"].combine_chunks().dictionary_encode()
    names = accounts.dictionary.to_pylist()
    code = np.asarray(accounts.indices)
    seconds = (np.asarray(rows["t"]) - (np.asarray(rows["t"]).min() if rows.num_rows else 0)) / 1e6
    scores = np.zeros(rows.num_rows)
    with _package() as (scorer_of, config, clock):
        scorer, before = None, -1
        for row, (account, at, prompt, tokens) in enumerate(zip(code.tolist(), seconds.tolist(),
                                                                rows["prompt"].to_pylist(),
                                                                rows["tokens"].to_pylist(), strict=True)):
            if account != before:
                scorer, before = scorer_of(config), account
            clock.now = _EPOCH_S + at
            scores[row] = scorer.score_request("key", prompt=prompt, input_tokens=tokens).score_after
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    counts = np.diff(starts, append=len(code))
    if len(names) == 0:
        return Scores([], *(np.zeros(0) for _ in range(3)))
    return Scores(names, np.maximum.reduceat(scores, starts), np.add.reduceat(scores, starts) / counts,
                  scores[starts + counts - 1])


def decide(measured: Scores, parameters: Parameters) -> Accusation:
    """Accuse each account whose score reaches the threshold."""
    scores = getattr(measured, parameters["statistic"])
    return Accusation(tuple(sorted(measured.names[at] for at in np.flatnonzero(scores >= parameters["threshold"]))))


def accuse(traffic: Path, parameters: Parameters) -> Accusation:
    """Accuse each account by its own score."""
    return decide(measure(traffic, parameters), parameters)
