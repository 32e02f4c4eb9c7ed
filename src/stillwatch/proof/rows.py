"""Rows of one actor before they are written out: numbers only, one array a column."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from stillwatch.proof.draws import Ints

__all__ = ["Rows"]


@dataclass
class Rows:
    """Exchanges of one actor, compactly; text and traits are looked up from these when they are written.

    ``stream`` tells the kinds of traffic of one actor apart; streams below 0 are not the actor's own
    (relayed customers).
    """

    ts: Ints
    account: Ints
    conv: Ints
    turn: Ints
    item: Ints
    stream: Ints

    @classmethod
    def make(cls, ts: Ints, account: Ints, conv: Ints, *, turn: Ints | None = None, item: Ints | None = None,
             stream: Ints | int = 0) -> Rows:
        """Rows from arrays of one length; the item is the conversation where not given."""
        size = len(ts)
        return cls(
            ts=ts.astype(np.int64),
            account=account.astype(np.int64),
            conv=conv.astype(np.int64),
            turn=np.zeros(size, dtype=np.int64) if turn is None else turn.astype(np.int64),
            item=conv.astype(np.int64) if item is None else item.astype(np.int64),
            stream=np.broadcast_to(np.asarray(stream, dtype=np.int64), (size,)).copy(),
        )

    @classmethod
    def none(cls) -> Rows:
        """No rows."""
        empty = np.empty(0, dtype=np.int64)
        return cls(*(empty for _ in fields(cls)))

    @classmethod
    def joined(cls, several: list[Rows]) -> Rows:
        """All rows of several."""
        if not several:
            return cls.none()
        return cls(*(np.concatenate([getattr(rows, field.name) for rows in several]) for field in fields(cls)))

    def take(self, chosen: npt.NDArray[np.bool_] | Ints) -> Rows:
        """The chosen rows."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(Rows)))

    def __len__(self) -> int:
        return len(self.ts)
