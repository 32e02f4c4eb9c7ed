"""Rows of actors before they are written out: numbers only, one array a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.proof.draws import Ints, Key, mix

__all__ = ["Merged", "Rows", "merged"]


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
        held = [rows for rows in several if len(rows)]
        if len(held) <= 1:
            return held[0] if held else cls.none()
        return cls(*(np.concatenate([getattr(rows, field.name) for rows in held]) for field in fields(cls)))

    def take(self, chosen: npt.NDArray[np.bool_] | Ints) -> Rows:
        """The chosen rows."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(Rows)))

    def __len__(self) -> int:
        return len(self.ts)


@dataclass
class Merged:
    """Rows of several actors; ``owner`` is the number of each row's actor.

    Columns are as narrow as their numbers allow: these arrays wait in memory and travel between processes.
    """

    owner: npt.NDArray[Any]
    ts: npt.NDArray[Any]
    account: npt.NDArray[Any]
    conv: npt.NDArray[Any]
    turn: npt.NDArray[Any]
    item: npt.NDArray[Any]
    stream: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.ts)

    def part(self, start: int, stop: int) -> Merged:
        """The rows from ``start`` to ``stop``, of which it keeps a copy: the rest can be freed."""
        return Merged(*(getattr(self, field.name)[start:stop].copy() for field in fields(self)))

    @classmethod
    def joined(cls, several: Sequence[Merged]) -> Merged:
        """All rows of several, one after the other."""
        return several[0] if len(several) == 1 else cls(
            *(np.concatenate([getattr(rows, field.name) for rows in several]) for field in fields(cls)))

    def rows(self, places: slice | Ints = slice(None)) -> Rows:
        """The rows at the given places without their owners."""
        return Rows(*(getattr(self, field.name)[places].astype(np.int64) for field in fields(Rows)))


def merged(by_actor: Sequence[Rows], key: Key) -> Merged:
    """Rows of all actors in order of time; those of one microsecond in an order drawn with ``key``."""
    ts = np.concatenate([rows.ts for rows in by_actor])
    order = _in_time(ts, mix(key, np.arange(len(ts))))
    owner = np.repeat(np.arange(len(by_actor), dtype=np.int16 if len(by_actor) < 1 << 15 else np.int32),
                      [len(rows) for rows in by_actor])
    columns = {}
    for field in fields(Rows):
        whole = np.concatenate([getattr(rows, field.name) for rows in by_actor])
        columns[field.name] = _narrow(whole)[order]
    return Merged(owner[order], **columns)


def _in_time(ts: Ints, tie: npt.NDArray[np.uint64]) -> Ints:
    """The order by time, then by ``tie``; sorting one number that holds both is ten times as fast as two keys."""
    if len(ts) and int(ts.max()) - int(ts.min()) < 1 << 47:
        both = (ts - ts.min()) << 16 | (tie >> np.uint64(48)).astype(np.int64)
        order = np.argsort(both)
        placed = both[order]
        # Where even the numbers tie, the order would be the sorting algorithm's and not ours.
        if not (placed[1:] == placed[:-1]).any():
            return order
    return np.lexsort((tie, ts))


def _narrow(values: Ints) -> npt.NDArray[Any]:
    if len(values) and int(values.min()) >= -(1 << 31) and int(values.max()) < 1 << 31:
        return values.astype(np.int32)
    return values
