"""What agreement is worth: m-probabilities by expectation–maximisation, u from how common a value is.

Fellegi & Sunter (1969), with Winkler's term-frequency adjustment for u. A family is one comparison: two
accounts agree in it on the rarest value that they share, or disagree, or at least one lacks it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from stillwatch.link.incidence import Incidence
from stillwatch.link.pairs import Floats, Pairs

__all__ = ["PRIORS", "LinkModel", "learn", "weigh"]

PRIORS: dict[str, tuple[float, float]] = {
    "payment": (2.0, 2.0),
    "identity": (1.0, 3.0),
    "network": (2.0, 2.0),
    "client": (3.0, 1.0),
    "content": (3.0, 1.0),
}
"""Shape of the Beta prior of m a family: how often accounts run together are seen to agree in it. One
operator tends to have one client and one work list; cards are shared by a few accounts each; identities are
mostly made up one by one."""

_OTHER = (2.0, 2.0)
_SAMPLE = 50_000
_WORTH = 25.0  # each prior above sums to 4: together it is worth 100 pairs of experience


@dataclass(frozen=True)
class LinkModel:
    """``m`` a family (probability that two accounts run together agree in it), ``u`` that two random accounts
    do, and ``prior``, the share of all pairs that are run together."""

    families: tuple[str, ...]
    m: Floats
    u: Floats
    prior: float


def weigh(pairs: Pairs, model: LinkModel) -> tuple[Floats, Floats]:
    """Bits a pair and family (pairs × families), and each pair's probability of being run together.

    Agreement on something that a share f of accounts would share by chance is worth log2(m/f) but never less than
    nothing, disagreement log2((1−m)/(1−u)) but never more than nothing, absence nothing.
    """
    agree = ~np.isnan(pairs.rarity)
    # A value more common than m says that the two share what everybody has: worth nothing, not less.
    gain = np.maximum(np.log2(model.m) + np.where(agree, pairs.rarity, 0.0), 0.0)
    loss = np.minimum(np.log2((1 - model.m) / (1 - model.u)), 0.0)
    bits = np.where(agree, gain, np.where(pairs.present, loss, 0.0))
    log_odds = np.log2(model.prior / (1 - model.prior)) + bits.sum(axis=1)
    probability: Floats = 1.0 / (1.0 + np.exp2(-np.clip(log_odds, -1000, 1000)))
    return bits, probability


def chance_of_agreement(incidence: Incidence) -> Floats:
    """u a family: how often two random accounts, both seen with something of it, share any of it.

    Measured on all pairs, or on 50,000 random ones where there are more; smoothed by one pair that agrees and
    one that does not.
    """
    size, families = incidence.size, len(incidence.families)
    if size * (size - 1) // 2 <= _SAMPLE:
        a, b = np.triu_indices(size, 1)
    else:
        rng = np.random.default_rng(0)  # accounts are in structural order: the sample is the same for the same data
        a = rng.integers(size, size=_SAMPLE)
        b = (a + rng.integers(1, size, size=_SAMPLE)) % size
    has = incidence.has_family()
    u = np.zeros(families)
    for family in range(families):
        use = incidence.family[incidence.value] == family
        seen = sp.csr_array((np.ones(int(use.sum())), (incidence.account[use], incidence.value[use])),
                            shape=(size, len(incidence.degree)))
        both = has[a, family] & has[b, family]
        agree = np.asarray(seen[a[both]].multiply(seen[b[both]]).sum(axis=1)).ravel() > 0
        u[family] = (agree.sum() + 1.0) / (both.sum() + 2.0)
    return u


def _distinct(pairs: Pairs) -> tuple[Pairs, Floats]:
    """Pairs of which no two agree alike, and how many there are of each: EM needs to weigh each kind only once.

    Rarities are told apart to a sixteenth of a bit.
    """
    code = np.zeros(len(pairs), dtype=np.int64)
    for family in range(pairs.rarity.shape[1]):
        rarity = np.nan_to_num(np.rint(pairs.rarity[:, family] * 16) + 2, nan=0.0).astype(np.int64)
        _, code = np.unique(code * (rarity.max(initial=0) + 2) + np.where(
            (rarity == 0) & pairs.present[:, family], 1, rarity), return_inverse=True)
    _, first, times = np.unique(code, return_index=True, return_counts=True)
    kept = replace(pairs, a=pairs.a[first], b=pairs.b[first], rarity=pairs.rarity[first], present=pairs.present[first])
    return kept, times.astype(np.float64)


def learn(pairs: Pairs, incidence: Incidence, *, rounds: int = 200, tolerance: float = 1e-6) -> LinkModel:
    """Estimate m by EM over candidate pairs; all other pairs agree in nothing.

    The prior is not learnt: with it free, EM finds the likeliest split of all pairs into two kinds, which is
    users of a popular tool against the rest. It is 1 / accounts, as if every account had one partner: low for
    logs with a campaign, so that evidence has to carry the claim. Deterministic: EM starts from the prior means
    and stops when no m moves by more than ``tolerance``.
    """
    families = incidence.families
    total = max(1.0, incidence.size * (incidence.size - 1) / 2)
    a, b = np.array([PRIORS.get(family, _OTHER) for family in families]).reshape(-1, 2).T * _WORTH
    has = incidence.has_family()
    u = chance_of_agreement(incidence)
    m: Floats = a / (a + b)
    prior = min(0.5, 1.0 / max(2, incidence.size))
    unseen = max(0.0, total - len(pairs))
    pairs, times = _distinct(pairs)
    agree = ~np.isnan(pairs.rarity)
    both = np.clip(has.mean(axis=0), 0, 1) ** 2 if incidence.size else np.zeros(len(families))
    for _ in range(rounds):
        model = LinkModel(families, m, u, prior)
        weight = times * weigh(pairs, model)[1]
        # Pairs that never became candidates disagree wherever both are seen: few, but there are many of them.
        lost = both * np.minimum(np.log2((1 - m) / (1 - u)), 0.0)
        odds = prior / (1 - prior) * np.exp2(lost.sum())
        rest = unseen * odds / (1 + odds)
        hits = (weight[:, None] * agree).sum(axis=0)
        tries = (weight[:, None] * pairs.present).sum(axis=0) + rest * both
        new = np.clip((a + hits) / (a + b + tries), 1e-3, 1 - 1e-3)
        moved = float(np.abs(new - m).max(initial=0.0))
        m = new
        if moved < tolerance:
            break
    return LinkModel(families, m, u, prior)
