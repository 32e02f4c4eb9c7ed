"""Decoys of a scan: how many, by whom they are made, and what they say of the real groups' scores."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

from stillwatch.judge import q_values, strata
from stillwatch.pipeline.crew import Crew, Recipe
from stillwatch.pipeline.kept import Items
from stillwatch.pipeline.observing import Reduced
from stillwatch.pipeline.watch import Clock, Watcher
from stillwatch.schema.findings import DETECTION_Q
from stillwatch.settings import Settings

__all__ = ["Decoys", "enough_for", "make_decoys"]

_Scores: TypeAlias = tuple[list[float], list[float]]

_FLOOR = 0.002
"""The smallest q-value that the groups together should be able to show: a fifth of what a detection needs."""
_FEWEST = 19
_WORTH_STARTING = 6.0
"""Seconds of work that are worth starting processes for: each takes about two until it is ready."""


@dataclass
class Decoys:
    """Scores of decoy groups, a list a data set: sets made from all accounts, and without likely detections'
    rows.

    ``wanted`` is how many data sets are to be made of each kind; ``most`` how many there may be in the end (the
    same where not given); ``processes`` made them, and held at most ``peak_memory`` bytes beside this one.
    """

    wanted: int
    sets: dict[str, list[list[float]]] = field(default_factory=lambda: {"all": [], "without_detections": []})
    seconds: float = 0.0
    most: int | None = None
    processes: int = 1
    peak_memory: int = 0

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
        most = max(self.wanted, self.most or 0)
        whole = {name: [*made, *([[]] * (most - len(made)))] for name, made in self.sets.items()}
        return Decoys(most, whole).q_values(scores)[0]

    def hopeless(self, scores: Sequence[float], places: Collection[int]) -> bool:
        """Whether none of the groups at ``places`` can be a detection any more, whatever is still to be made holds."""
        bounds = self.at_least(scores)
        return all(bounds[place] > DETECTION_Q for place in places)


def enough_for(groups: int, most: int) -> int:
    """How many decoys to make first: as many as let the groups together show q = 0.002, 19 at least, ``most`` at most.

    The floor of q-values is 1/((B+1)·R), R the number of groups. R is known before any decoy is made.
    """
    return min(most, max(_FEWEST, math.ceil(1.0 / (_FLOOR * groups) - 1e-9) - 1))


def make_decoys(reduced: Reduced, scores: Sequence[float], groups: Sequence[Collection[str]],
                likely: Collection[str], settings: Settings, clock: Clock,
                enough: Callable[[Decoys], bool] | None = None, *, processes: int = 0,
                before: Items | None = None) -> Decoys:
    """Make decoys until there are as many as wanted, time runs out, or ``enough`` says so.

    ``scores`` and ``groups`` (their accounts) are the real groups'. Each decoy is made twice: from all accounts, and
    without the rows of ``likely`` ones, which would lend their coordination to chance; where there are none, the two
    are the same. Decoy b depends on the seed and b alone: not on who makes it. ``processes`` = 0 takes
    ``settings.threads``, or one a core; where there is little to do, none are started. Those that are ``before`` are
    taken from there, and new ones are put there.

    First come ``enough_for`` the groups. Where a group is then no detection and would be one if none of the
    remaining decoys reached it, more are made, until ``settings.decoys`` or until none of the groups of which that
    was ever so can still be one: to stop when one of them passes would be to stop at a lucky moment. So no
    group misses a detection for want of decoys.
    """
    if not scores:
        return Decoys(settings.decoys)
    decoys = Decoys(enough_for(len(scores), settings.decoys), most=settings.decoys)
    started = time.monotonic()
    known = _kept(before, settings.decoys)
    if known:
        clock.kept("making decoys", len(known))
    with clock.stage("making decoys", decoys.wanted), ExitStack() as held:
        of_account = strata(reduced.profiles, reduced.accounts, groups)
        recipe = Recipe(reduced.blocks, reduced.sightings_fixed, reduced.known_addresses, of_account,
                        frozenset(likely), settings.seed)
        source = _source(recipe, decoys, known, held, processes or settings.threads or os.cpu_count() or 1)
        plan = _Plan(decoys, scores, clock.watcher)
        while not plan.finished():
            if time.monotonic() - started > settings.decoy_seconds or (enough is not None and enough(decoys)):
                break
            both = next(source)
            if before is not None and decoys.made >= len(known):
                before.put(decoys.made, both)
            for name, made in zip(decoys.sets, both, strict=True):
                decoys.sets[name].append(made)
            clock.watcher.tick(decoys.made)
    decoys.seconds = round(time.monotonic() - started, 3)
    return decoys


def _kept(before: Items | None, most: int) -> list[_Scores]:
    """The scores of decoys 0, 1, 2, … that are there, up to the first that is not."""
    found: list[_Scores] = []
    while before is not None and len(found) < most and (made := before.get(len(found))) is not None:
        found.append(made)
    return found


def _source(recipe: Recipe, decoys: Decoys, known: Sequence[_Scores], held: ExitStack,
            processes: int) -> Iterator[_Scores]:
    """Decoy 0, 1, 2, …: known, made here, or by processes from when what is left to do is worth starting them."""
    yield from known
    seconds = 0.0
    for number in count(len(known)):
        left = decoys.wanted - number
        if processes > 1 and left > 1 and seconds * left > _WORTH_STARTING:
            crew = held.enter_context(Crew(recipe, min(processes, left)))
            decoys.processes = min(processes, left)
            for made in crew.run(number):
                decoys.peak_memory = crew.peak
                yield made
        started = time.monotonic()
        yield recipe.make(number)
        seconds = time.monotonic() - started


class _Plan:
    """When there are enough decoys (see ``make_decoys``)."""

    def __init__(self, decoys: Decoys, scores: Sequence[float], watcher: Watcher) -> None:
        self._decoys, self._scores, self._watcher = decoys, scores, watcher
        self._first = decoys.wanted
        self._hopeful: set[int] = set()

    def finished(self) -> bool:
        """Whether there are enough; raises ``wanted`` where more decoys may make a detection of a group."""
        decoys = self._decoys
        most = max(self._first, decoys.most or 0)
        if decoys.made < self._first:
            return False
        if decoys.made >= most:
            return True
        bounds, q = decoys.at_least(self._scores), decoys.q_values(self._scores)[0]
        self._hopeful |= {place for place, bound in enumerate(bounds) if bound <= DETECTION_Q < q[place]}
        if not any(bounds[place] <= DETECTION_Q for place in self._hopeful):
            decoys.wanted = decoys.made
            return True
        if decoys.wanted < most:
            decoys.wanted = most
            self._watcher.stage("making decoys", most)
        return False
