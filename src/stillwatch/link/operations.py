"""Groups → operations: one group where one operator is at work, two where two use the same tools.

Whoever downloads a pipeline sends its prompts. Two campaigns that run the same one look alike in wording, client
and sampling, and together stand out from everybody else more than either does alone: evidence against outsiders
merges them. Whether they are one is another question, asked here: does what a part shows for itself also tie it to the
rest?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from stillwatch.link.cells import Cells
from stillwatch.link.cocluster import communities, graph_of
from stillwatch.link.evidence import Evidence, evidence
from stillwatch.link.incidence import Ints
from stillwatch.link.pairs import Floats
from stillwatch.link.settle import MIN_MEMBERS, membership_matrix
from stillwatch.schema import TOOL_FAMILIES

__all__ = ["operations"]

_FAMILY_BITS = 8.0  # weight that one family of an account may have in the graph of one group
_LEAD = 3.0  # bits by which a part's own evidence explains it better: eight to one
_HARDLY = 2.0  # bits of a family below which a part does not share another's means
_AS_WELL = 0.6  # share of what it shows for itself that a part shows for another of the same operation
_ROUNDS = 3
_DEPTH = 4


def operations(cells: Cells, groups: Sequence[Ints], seed: int) -> tuple[list[Ints], list[int]]:
    """Take every group (sorted codes) apart into what seems to be run apart; accounts that no part explains are left
    out. Returns the parts, and the place of the group that each is a part of.

    Twice a group falls into communities over some families and is put together again by what all of them say: first by
    means (network, payment, identity: whatever comes with no tool), then by tools (what they send, and with what).

    Two parts are two operations where neither shares means of the other's, each has tools of its own, and each
    has means of its own; or only one has, and neither would be linked to the other by all they show. Cliques of one
    card within an operation differ in means, since they were chosen for it, but not in what they send.
    """
    parts = [_split(cells, group, seed, _DEPTH) for group in groups]
    return [part for found in parts for part in found], [place for place, found in enumerate(parts) for _ in found]


def _split(cells: Cells, group: Ints, seed: int, depth: int) -> list[Ints]:
    if len(group) < 2 * MIN_MEMBERS or not depth:
        return [group]
    inside = _Inside(cells.only(group), cells.accounts)
    for by_means in (True, False):
        parts = inside.parts(by_means, seed)
        if len(parts) > 1:
            return [found for part in parts for found in _split(cells, group[part], seed, depth - 1)]
    return [group]


@dataclass(frozen=True)
class _Shown:
    """What the median member of a part shows for another: bits in all, of means, of tools, and a family of means."""

    total: float
    means: float
    tools: float
    each: Floats


@dataclass
class _Inside:
    """One group, its accounts numbered from 0; ``population`` counts everybody."""

    cells: Cells
    population: int
    _known: dict[bytes, Floats] = field(default_factory=dict)

    @cached_property
    def _tools(self) -> npt.NDArray[np.bool_]:
        return np.array([family in TOOL_FAMILIES for family in self.cells.incidence.families])

    def parts(self, by_means: bool, seed: int) -> list[Ints]:
        """The parts of the group, by one set of families; one part where it is whole."""
        whole = np.arange(self.cells.accounts)
        parts = [np.sort(part) for part in communities(
            graph_of(self.cells, self._weights(~self._tools if by_means else self._tools)), 1.0, seed)]
        if not by_means:
            # Wordings are noisy: communities of theirs are cleaned by all evidence before they are compared.
            parts = self._assign(parts)
        together = self._put_together(parts)
        together = self._assign(together)
        return together if len(together) > 1 else [whole]

    def _weights(self, use: npt.NDArray[np.bool_]) -> Floats:
        """Rarity within the group, of the families in ``use`` alone, each limited to ``_FAMILY_BITS`` an account."""
        cells, families = self.cells, len(self.cells.incidence.families)
        carriers = np.bincount(cells.value, minlength=len(cells.incidence.degree))[cells.value]
        family = cells.family[cells.kind[cells.cell]]
        bits = np.where((carriers >= 2) & use[family], np.log2(cells.accounts / np.maximum(carriers, 1)), 0.0)
        place = cells.account * families + family
        whole = np.bincount(place, weights=bits, minlength=cells.accounts * families)[place]
        weights: Floats = bits * np.minimum(1.0, _FAMILY_BITS / np.maximum(whole, 1e-9))
        return weights

    def _put_together(self, parts: list[Ints]) -> list[Ints]:
        """Join the two parts that are most surely one operation, until none are."""
        sure: dict[tuple[bytes, bytes], float] = {}
        while len(parts) > 1:
            for a, b in combinations(parts, 2):
                key = a.tobytes(), b.tobytes()
                if key not in sure:
                    sure[key] = self._joined(a, b)
            surest, one, other = max((sure[parts[a].tobytes(), parts[b].tobytes()], -a, -b)
                                     for a, b in combinations(range(len(parts)), 2))
            if surest <= 0:
                break
            joined = np.union1d(parts[-one], parts[-other])
            parts = [part for place, part in enumerate(parts) if place not in (-one, -other)] + [joined]
        return parts

    def _joined(self, a: Ints, b: Ints) -> float:
        """How surely two parts are one operation: positive where they are."""
        ab, ba, aa, bb = self._shown(a, b), self._shown(b, a), self._shown(a, a), self._shown(b, b)
        need = np.log2(self.population / np.array([len(a), len(b)]))
        beyond = float(max(ab.total - need[1], ba.total - need[0]))
        pairs = ((aa, ab, need[0]), (bb, ba, need[1]))
        tools = all(own.tools > prior + _LEAD and other.tools < _AS_WELL * own.tools for own, other, prior in pairs)
        shared = any((other.each >= np.maximum(_HARDLY, _AS_WELL * own.each)).any() for own, other, _ in pairs)
        means = sum(own.means - other.means > _LEAD for own, other, _ in pairs)
        apart = tools and not shared and (means == 2 or (means == 1 and beyond <= 0))
        return -np.inf if apart else max(beyond, 1e-3)

    def _shown(self, part: Ints, other: Ints) -> _Shown:
        """Evidence of the median account of ``part`` for ``other``; its own values never vouch for an account."""
        key = other.tobytes()
        if key not in self._known:
            seen = self._evidence(other)
            self._known[key] = np.zeros((self.cells.accounts, seen.bits.shape[1]))
            self._known[key][seen.account] = seen.bits
        bits, tools = self._known[key][part], self._tools
        total, means, of_tools = (float(np.median(some.sum(axis=1)))
                                  for some in (bits, bits[:, ~tools], bits[:, tools]))
        return _Shown(total, means, of_tools, np.median(bits[:, ~tools], axis=0))

    def _evidence(self, part: Ints) -> Evidence:
        """Everybody's evidence for a part, whatever its members carry being its stock, compared with everybody."""
        stock = np.full(len(self.cells.incidence.degree), -1, dtype=np.int64)
        carried = np.zeros(self.cells.accounts, dtype=bool)
        carried[part] = True
        stock[self.cells.value[carried[self.cells.account]]] = 0
        return evidence(self.cells, membership_matrix(self.cells, [part]), stock, against_all=True)

    def _assign(self, parts: list[Ints]) -> list[Ints]:
        """Give every account to the part that explains it best, a few times over (classification EM; Celeux & Govaert
        1992); parts that become too small are no more."""
        for _ in range(_ROUNDS):
            if len(parts) < 2:
                break
            worth = np.full((len(parts), self.cells.accounts), -np.inf)
            for place, part in enumerate(parts):
                seen = self._evidence(part)
                worth[place, seen.account] = seen.total + np.log2(len(part) / self.cells.accounts)
            best = np.where(np.isneginf(worth.max(axis=0)), -1, worth.argmax(axis=0))
            new = [np.flatnonzero(best == place) for place in range(len(parts))]
            new = [part for part in new if len(part) >= MIN_MEMBERS]
            if len(new) == len(parts) and all(map(np.array_equal, new, parts)):
                break
            parts = new
        return parts
