"""Does a campaign stand where nothing is used twice? Grouped on one half of the exchanges, judged on the other.

Every account's exchanges fall into two halves by a keyed hash, so that nobody can choose which. Accounts are grouped
by what one half shows; whether those groups belong together, and what they did, is then asked of the other half alone;
and the same the other way round. The weaker of both is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from stillwatch.engine import Engine
from stillwatch.judge import Candidate, Judged
from stillwatch.link import Linked, confirmed
from stillwatch.pipeline.assess import Rules, candidates_in, work_of
from stillwatch.pipeline.candidates import candidates_of
from stillwatch.pipeline.observing import Reduced, part_of
from stillwatch.schema import CAMPAIGNS, conform

__all__ = ["Fold", "folds", "told_folds"]

_SIDES = (0, 1)


@dataclass(frozen=True)
class Fold:
    """One half's word on a campaign that the other half proposed.

    ``share`` of its accounts are found together in the one and belong together in the other; ``probability`` is that
    of distillation, by the other half alone, of those; ``None`` where there are none.
    """

    share: float
    probability: float | None

    @property
    def strength(self) -> tuple[float, float]:
        """What makes one fold weaker than another: being found less, then being less probable."""
        return (0.0 if self.probability is None else self.probability, self.share)


def folds(engine: Engine, reduced: Reduced, campaigns: Sequence[Candidate], rules: Rules) -> dict[str, Fold]:
    """The weaker fold of each of the campaigns, by group id."""
    if not campaigns:
        return {}
    halves = [_half(engine, reduced, side, rules) for side in _SIDES]
    linked = [candidates_in(half, settings=rules.settings, key=rules.key, rulings=rules.rulings)[0] for half in halves]
    weaker: dict[str, Fold] = {}
    for side in _SIDES:
        proposed = _groups(linked[side])
        for campaign in campaigns:
            found = _confirmed(engine, halves[1 - side], linked[1 - side], set(campaign.accounts), proposed, rules)
            known = weaker.get(campaign.group_id)
            if known is None or found.strength < known.strength:
                weaker[campaign.group_id] = found
    return weaker


def _half(engine: Engine, reduced: Reduced, side: int, rules: Rules) -> Reduced:
    """What the exchanges of one side show; digests of their ids are keyed, so that no sender can choose a side."""
    staged = reduced.staged.filter((reduced.staged.id_digest & 1) == side)
    return part_of(engine, reduced, staged, reduced.accounts, rules.key)


def _groups(linked: Linked) -> list[set[str]]:
    names = linked.incidence.accounts.to_pylist()
    return [{names[code] for code in group.members} for group in linked.groups]


def _confirmed(engine: Engine, other: Reduced, linked: Linked, accounts: Collection[str], proposed: Sequence[set[str]],
               rules: Rules) -> Fold:
    """What one half says of the accounts of a campaign that the other found together.

    That is the group with most of them, if they are most of it.
    """
    wanted = set(accounts)
    best = max(proposed, key=lambda group: (len(group & wanted), -len(group)), default=set())
    if 2 * len(best & wanted) < len(best) or not best:
        return Fold(0.0, None)
    group = confirmed(linked.incidence, best)
    if group is None:
        return Fold(0.0, None)
    names = linked.incidence.accounts.to_pylist()
    held = {names[code] for code in group.members}
    alone = replace(linked, groups=(group,))
    claims = work_of(engine, other, alone, candidates_of(alone, other.sightings, rules.key))
    (measured,) = claims.measured.values()
    chance = next(weighed.probability for weighed in rules.explanations.weigh(measured.features, rules.settings.prior)
                  if weighed.verdict == "distillation")
    return Fold(len(held & wanted) / len(wanted), chance)


def told_folds(judged: Judged, found: Mapping[str, Fold]) -> Judged:
    """The campaigns with what ``folds`` found; who does not stand has it among what speaks against."""
    rows: list[dict[str, Any]] = judged.campaigns.to_pylist()
    for row in rows:
        fold = found.get(row["campaign_id"])
        if fold is None:
            continue
        row["fold_share"], row["fold_probability"] = fold.share, fold.probability
        against = list(row["evidence_against"] or [])
        if fold.probability is None or fold.share < 0.5:
            against.append("what half of the exchanges groups, the other half does not confirm for most of its accounts"
                           f" ({fold.share:.0%} of them are)")
        elif fold.probability < 0.5:
            against.append("grouped by one half of the exchanges and judged by the other, harvesting is"
                           f" {fold.probability:.0%} probable")
        row["evidence_against"] = against
    return replace(judged, campaigns=conform(pa.Table.from_pylist(rows, schema=CAMPAIGNS.arrow), CAMPAIGNS))
