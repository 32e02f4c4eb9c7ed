"""What people decided, as a scan needs it, and which groups it speaks of. Nothing here reads or writes anything."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["NOBODY", "SAME", "Ruling", "Rulings"]

SAME = 0.5  # Jaccard index from which a group and a case are mostly the same accounts
_LEAST = 0.5  # of the smaller of the two, from which a group and a case speak of the same accounts


@dataclass(frozen=True)
class Ruling:
    """One case. For a decided one, ``members`` and the evidence (bits by kind and value) are those of the decision.

    ``root`` is the same for all cases that came from one another by splitting and merging: the lowest number among
    them. ``joined`` are the cases that were merged into it, and ``sides`` the accounts of each, and of the case before
    the first of them; none where nothing was merged. ``least_bits`` is what weaker evidence may have been cut
    off below then.
    """

    case_id: int
    state: str
    root: int
    members: frozenset[str]
    removed: frozenset[str] = frozenset()
    decided_on: str | None = None
    verdict: str | None = None
    probability: float = 0.0
    evidence: Mapping[tuple[str, str], float] = field(default_factory=dict)
    least_bits: float = 0.0
    key_fingerprint: str | None = None
    joined: frozenset[int] = frozenset()
    sides: tuple[frozenset[str], ...] = ()

    @cached_property
    def everyone(self) -> frozenset[str]:
        """Members, and who was removed: by them a group is known again, however many were taken out of it."""
        return self.members | self.removed

    def speaks_of(self, group: Collection[str]) -> bool:
        """Whether a group is the case's: two accounts in common at least, and half of the smaller of both."""
        common = sum(account in self.everyone for account in group)
        return common >= 2 and common >= _LEAST * min(len(group), len(self.everyone))

    def likeness(self, group: Collection[str]) -> float:
        """Jaccard index of the group and the case's accounts."""
        return _likeness(group, self.everyone)

    def is_of(self, group: Collection[str]) -> bool:
        """Whether what was decided of the case was decided of the group: mostly the same accounts, either way round.

        Of a merged case it may be the accounts of one that was merged, since linking keeps these groups apart.
        """
        return any(_likeness(group, accounts) >= SAME for accounts in (self.members, *self.sides))


def _likeness(group: Collection[str], accounts: frozenset[str]) -> float:
    common = sum(account in accounts for account in group)
    return common / max(1, len(group) + len(accounts) - common)


@dataclass(frozen=True)
class Rulings:
    """All cases of a store."""

    all: tuple[Ruling, ...] = ()

    @cached_property
    def _by_account(self) -> dict[str, list[Ruling]]:
        found: dict[str, list[Ruling]] = {}
        for ruling in sorted(self.all, key=lambda ruling: ruling.case_id):
            for account in ruling.everyone:
                found.setdefault(account, []).append(ruling)
        return found

    def touching(self, group: Iterable[str]) -> list[Ruling]:
        """Cases with an account of the group, in the order of their numbers."""
        found = {ruling.case_id: ruling for account in group for ruling in self._by_account.get(account, ())}
        return [found[case] for case in sorted(found)]

    def of(self, group: Collection[str]) -> list[Ruling]:
        """Cases that speak of the group, the likest first."""
        found = [ruling for ruling in self.touching(group) if ruling.speaks_of(group)]
        return sorted(found, key=lambda ruling: (-ruling.likeness(group), ruling.case_id))

    def known(self, ruling: Ruling) -> frozenset[str]:
        """Accounts that whoever decided the case could know of: its own, those taken out, and those split off."""
        kin = [other for other in self.all if other.root == ruling.root]
        return frozenset().union(*(other.everyone for other in kin))

    def parts(self, group: Sequence[str]) -> list[list[int]]:
        """The group as people took it apart: places of its accounts, a list a part, those taken out in none.

        Accounts that were removed from a case that speaks of the group are left out. Where cases that were split from
        one another meet in the group, each has its own; accounts that are in none of them stay with the
        largest. A group that no case speaks of is one part.
        """
        ours = self.of(group)
        removed = frozenset().union(*(ruling.removed for ruling in ours))
        roots = {ruling.root for ruling in ours}
        kin = [ruling for ruling in self.touching(group) if ruling.root in roots]
        largest = sorted(kin, key=lambda ruling: (-sum(account in ruling.members for account in group),
                                                  ruling.case_id))[:1]
        apart = [ruling for ruling in kin if largest and ruling.root == largest[0].root and ruling != largest[0]]
        places: list[list[int]] = [[] for _ in range(len(apart) + 1)]
        for place, account in enumerate(group):
            if account in removed:
                continue
            part = next((number for number, ruling in enumerate(apart, start=1) if account in ruling.members), 0)
            places[part].append(place)
        return places


NOBODY = Rulings()
"""No case at all."""
