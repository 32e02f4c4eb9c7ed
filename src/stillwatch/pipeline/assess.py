"""What is linked, what it did, how often chance would look like it, and what is made of it: the rules of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stillwatch.cases import NOBODY, Rulings
from stillwatch.engine import Engine
from stillwatch.judge import Explanations, Judged, Knowledge, Measured, Surroundings, judge, measure
from stillwatch.link import Linked, link
from stillwatch.pipeline.candidates import AttributedWork, Candidates, attribute, candidates_of
from stillwatch.pipeline.decided import apart, decided
from stillwatch.pipeline.observing import Reduced
from stillwatch.schema import FAMILY_OF
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["Claims", "Rules", "candidates_in", "claims_of", "judge_claims", "likely_members", "work_of"]


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

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The candidates' accounts, in their order."""
        return [candidate.accounts for candidate in self.found.candidates]


def claims_of(engine: Engine, reduced: Reduced, *, settings: Settings, key: DeploymentKey,
              rulings: Rulings = NOBODY) -> Claims:
    """Link accounts, attribute exchanges to the groups, and measure what each group did.

    Groups are taken apart first where people did so (``rulings``): whom they removed is nobody's member, and sends
    nothing of a group's.
    """
    return work_of(engine, reduced, *candidates_in(reduced, settings=settings, key=key, rulings=rulings))


def candidates_in(reduced: Reduced, *, settings: Settings, key: DeploymentKey,
                  rulings: Rulings = NOBODY) -> tuple[Linked, Candidates]:
    """The first half of ``claims_of``: who is linked."""
    linked = apart(link(reduced.sightings, FAMILY_OF, seed=settings.seed), rulings)
    return linked, candidates_of(linked, reduced.sightings, key)


def work_of(engine: Engine, reduced: Reduced, linked: Linked, found: Candidates) -> Claims:
    """The second half of ``claims_of``: what the groups did."""
    work = attribute(engine, reduced.staged, reduced.texts, reduced.content, found.members,
                     reduced.profiles)
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


def judge_claims(reduced: Reduced, claims: Claims, q: Sequence[float], floor: float, explanations: Explanations,
                 settings: Settings) -> Judged:
    """Judge every candidate; ``q`` holds the q-values in their order."""
    knowledge = Knowledge(reduced.accounts, reduced.agreements, reduced.profiles, claims.work.by_account,
                          [f"{gone['input']}: {gone['effect']}" for gone in reduced.missing])
    return judge(claims.found.candidates, claims.measured, q, floor, explanations, settings.prior, knowledge)


@dataclass(frozen=True)
class Rules:
    """What a scan decides by, whatever rows it is given."""

    settings: Settings
    key: DeploymentKey
    explanations: Explanations
    rulings: Rulings = NOBODY

    def claims(self, engine: Engine, reduced: Reduced) -> Claims:
        """See ``claims_of``."""
        return claims_of(engine, reduced, settings=self.settings, key=self.key, rulings=self.rulings)

    def judged(self, reduced: Reduced, claims: Claims, q: Sequence[float], floor: float) -> Judged:
        """What is made of the candidates, people's decisions honoured; see ``judge_claims``."""
        judged = judge_claims(reduced, claims, q, floor, self.explanations, self.settings)
        return decided(judged, self.rulings, self.key)
