"""At which places of a block (hours of the day, minutes of the hour …) an account is usually active.

An account's habit is estimated from its *other* blocks alone, by empirical Bayes: a mixture of a few kinds of habit
that the
population has (time zones, office hours, jobs on the hour), learnt by expectation–maximisation, and, around those, the
account's own counts, trusted as far as accounts turn out to differ. In a population that is all alike, a few
presences are so not mistaken for a habit; in one of many time zones, two accounts of one zone are not surprising.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

__all__ = ["Habits", "learn_habits"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

KINDS = 6
PRECISIONS = (2.0, 8.0, 32.0, 128.0, 512.0, 1e5)
"""Dirichlet precisions around a kind, from accounts that differ much to accounts that are all alike."""
_SAMPLE = 50_000
_ROUNDS = 60


@dataclass(frozen=True)
class Habits:
    """Kinds of habit and what is known of each account.

    ``kinds`` is kinds × places (rows sum to 1); ``score[account, kind]`` the log posterior up to a constant;
    ``own[account]`` how far its habit is its own and not its kind's.
    """

    kinds: Floats
    score: Floats
    own: Floats

    def elsewhere(self, account: Ints, here: Floats, all_of: Floats) -> Floats:
        """Rows × places: each account's habit, its presences ``here`` (rows × places) left out.

        ``all_of`` are its presences in all blocks (rows × places).
        """
        weight = _posterior(self.score[account] - here @ np.log(self.kinds).T)
        rest = np.maximum(all_of - here, 0.0)
        total = rest.sum(axis=1, keepdims=True)
        own = self.own[account][:, None] * (total > 0)
        result: Floats = (1.0 - own) * (weight @ self.kinds) + own * rest / np.maximum(1.0, total)
        return result


def learn_habits(present: Floats) -> Habits:
    """Learn habits from accounts × places numbers of presences."""
    # Structural order: every so manieth account is as good as a random sample, and the same whatever they are called.
    sample = present[:: -(-len(present) // _SAMPLE)] if len(present) else present
    kinds, share = _start(sample)
    for _ in range(_ROUNDS):
        weight = _posterior(sample @ np.log(kinds).T + np.log(share))
        share = (weight.sum(axis=0) + 1.0) / (len(sample) + KINDS)
        kinds = _smoothed(weight.T @ sample, sample)
    score = present @ np.log(kinds).T + np.log(share)
    return Habits(kinds, score, _own(present, _posterior(score) @ kinds))


def _start(sample: Floats) -> tuple[Floats, Floats]:
    """One kind a sector of the circle that places make, by the account's mean direction."""
    places = sample.shape[1]
    angle = np.exp(2j * np.pi * np.arange(places) / places)
    sector = (np.floor(np.angle(sample @ angle) / (2 * np.pi) * KINDS) % KINDS).astype(np.int64)
    member = (sector[:, None] == np.arange(KINDS)).astype(np.float64)
    return _smoothed(member.T @ sample, sample), np.full(KINDS, 1.0 / KINDS)


def _smoothed(counts: Floats, sample: Floats) -> Floats:
    """Kinds from counts, each with a few presences like everybody's."""
    usual = sample.sum(axis=0) + 1.0
    kinds = counts + 10.0 * usual / usual.sum()
    result: Floats = kinds / kinds.sum(axis=1, keepdims=True)
    return result


def _posterior(score: Floats) -> Floats:
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    result: Floats = weight / weight.sum(axis=1, keepdims=True)
    return result


def _own(present: Floats, usual: Floats) -> Floats:
    """How far each account's habit is its own: the posterior mean of n / (n + precision), for n presences.

    Dirichlet–multinomials over a grid of precisions, whose shares among accounts are learnt.
    """
    number = present.sum(axis=1)
    fit = np.stack([gammaln(k) - gammaln(k + number) + (gammaln(k * usual + present) - gammaln(k * usual)).sum(axis=1)
                    for k in PRECISIONS])
    fit = np.exp(fit - fit.max(axis=0, initial=-np.inf))
    share = np.full(len(PRECISIONS), 1.0 / len(PRECISIONS))
    posterior = fit
    for _ in range(_ROUNDS):
        posterior = fit * share[:, None]
        posterior /= posterior.sum(axis=0)
        share = posterior.mean(axis=1) if len(present) else share
    result: Floats = (posterior * (number / (number + np.array(PRECISIONS)[:, None]))).sum(axis=0)
    return result
