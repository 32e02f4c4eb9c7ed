"""What judging is told about a group of linked accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Candidate", "SharedValue"]

@dataclass(frozen=True)
class SharedValue:
    """A value that several members share: how many of them, how many accounts in all, surprise in bits."""

    kind: str
    family: str
    value: str
    label: str | None
    members: int
    accounts: int
    bits: float


@dataclass(frozen=True)
class Candidate:
    """A group of linked accounts.

    ``probability`` and ``bits`` are the members' (n and n × families); ``strength`` the surprise of what they share
    a family in bits, and ``score`` that of the families that decoys rewire, by which they are compared; ``shared``
    is what they share, most surprising first.
    """

    group_id: str
    accounts: tuple[str, ...]
    probability: npt.NDArray[np.float64]
    families: tuple[str, ...]
    bits: npt.NDArray[np.float64]
    strength: Mapping[str, float]
    score: float
    shared: tuple[SharedValue, ...]
