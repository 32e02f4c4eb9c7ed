"""What is linked, what it did, how often chance would look like it, and what is made of it: the rules of a scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from stillwatch.engine import Engine
from stillwatch.judge import Explanations, Judged, Knowledge, Measured, Surroundings, judge, measure, q_values, strata
from stillwatch.link import Linked, link
from stillwatch.pipeline.candidates import AttributedWork, Candidates, attribute, candidates_of, score_decoys
from stillwatch.pipeline.observing import Reduced
from stillwatch.pipeline.watch import Clock
from stillwatch.schema import FAMILY_OF
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["Claims", "Decoys", "claims_of", "judge_claims", "likely_members", "make_decoys"]


@dataclass(frozen=True)
class Claims:
    """What linking claims, before it is known how often chance would claim as much."""

    linked: Linked
    found: Candidates
    work: AttributedWork
    measured: dict[str, Measured]

    @property
    def scores(self) -> list[float]:
        """The candidates' scores, in their order."""
        return [candidate.score for candidate in self.found.candidates]


@dataclass
class Decoys:
    """Scores of decoy groups, a list a data set: sets made from all accounts, and without likely detections' rows."""

    wanted: int
    sets: dict[str, list[list[float]]] = field(default_factory=lambda: {"all": [], "without_detections": []})
    seconds: float = 0.0

    @property
    def made(self) -> int:
        """Data sets of each kind that have been made."""
        return len(self.sets["without_detections"])

    def q_values(self, scores: Sequence[float]) -> tuple[list[float], float, dict[str, list[float]]]:
        """The larger q-value of each score, the smallest that could have been, and the q-values a kind of set."""
        per_set = {name: q_values(scores, made) for name, made in self.sets.items()}
        q = [max(values) for values in zip(*(q.tolist() for q, _ in per_set.values()), strict=True)]
        return q, max(floor for _, floor in per_set.values()), {name: q.tolist() for name, (q, _) in per_set.items()}

    def at_least(self, scores: Sequence[float]) -> list[float]:
        """Bounds that the q-values cannot fall below, whatever the sets still to be made hold."""
        whole = {name: [*made, *([[]] * (self.wanted - len(made)))] for name, made in self.sets.items()}
        return Decoys(self.wanted, whole).q_values(scores)[0]


def claims_of(engine: Engine, reduced: Reduced, *, settings: Settings, key: DeploymentKey) -> Claims:
    """Link accounts, attribute exchanges to the groups, and measure what each group did."""
    linked = link(reduced.sightings, FAMILY_OF, seed=settings.seed)
    found = candidates_of(linked, reduced.sightings, key)
    work = attribute(engine, reduced.staged, reduced.texts, reduced.content, found.members)
    measured = measure(engine, work.exchanges, found.members, around(reduced), ties(found))
    return Claims(linked, found, work, measured)


def around(reduced: Reduced) -> Surroundings:
    """What groups are measured against."""
    return Surroundings(reduced.staged, reduced.profiles, reduced.blocks, reduced.accounts)


def ties(found: Candidates) -> dict[str, dict[str, float]]:
    """Bits a family that tie each group's median member to it."""
    return {candidate.group_id: dict(zip(candidate.families, np.median(candidate.bits, axis=0).tolist(), strict=True))
            for candidate in found.candidates}


def likely_members(claims: Claims, explanations: Explanations, prior: float) -> set[str]:
    """Accounts of the groups that distillation explains best: those that a second kind of decoys does without."""
    return {account for candidate in claims.found.candidates for account in candidate.accounts
            if explanations.weigh(claims.measured[candidate.group_id].features, prior)[0].verdict == "distillation"}


def make_decoys(reduced: Reduced, claims: Claims, likely: set[str], settings: Settings, clock: Clock,
                enough: Callable[[Decoys], bool] | None = None) -> Decoys:
    """Make decoys until there are as many as wanted, time runs out, or ``enough`` says so.

    Each is made twice: from all accounts, and without the rows of ``likely`` ones, which would lend their coordination
    to chance; where there are none, the two are the same.
    """
    decoys = Decoys(settings.decoys)
    started = time.monotonic()
    if not claims.found.candidates:
        return decoys
    kinds = [("all", set[str]()), *([("without_detections", likely)] if likely else [])]
    with clock.stage("making decoys", settings.decoys * len(kinds)):
        of_account = strata(reduced.profiles, reduced.accounts,
                            [candidate.accounts for candidate in claims.found.candidates])
        for number in range(settings.decoys):
            if time.monotonic() - started > settings.decoy_seconds or (enough is not None and enough(decoys)):
                break
            for place, (name, left_out) in enumerate(kinds, start=1):
                decoys.sets[name].append(score_decoys(
                    reduced.blocks, reduced.sightings_fixed, reduced.known_addresses, of_account, left_out,
                    settings.seed + 1 + number))
                clock.watcher.tick(len(kinds) * number + place)
            if not likely:
                decoys.sets["without_detections"].append(decoys.sets["all"][-1])
    decoys.seconds = round(time.monotonic() - started, 3)
    return decoys


def judge_claims(reduced: Reduced, claims: Claims, q: Sequence[float], floor: float, explanations: Explanations,
                 settings: Settings) -> Judged:
    """Judge every candidate; ``q`` holds the q-values in their order."""
    knowledge = Knowledge(reduced.accounts, reduced.agreements, reduced.profiles, claims.work.by_account,
                          [f"{gone['input']}: {gone['effect']}" for gone in reduced.missing])
    return judge(claims.found.candidates, claims.measured, q, floor, explanations, settings.prior, knowledge)
