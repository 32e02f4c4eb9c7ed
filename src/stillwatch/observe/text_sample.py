"""A bounded sample of exchanges with their texts as numbers, taken as logs are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.observe.blocks import UNKNOWN_ACCOUNT
from stillwatch.observe.embedding import Hashed, hashed

__all__ = ["TextSample", "TextSampler"]

Ints = npt.NDArray[np.int64]
_TEXTS = ("prompt", "system_prompt", "response", "extra")


@dataclass(frozen=True)
class TextSample:
    """Exchanges with a prompt and an account, in an order that is random and depends on their ids alone.

    ``place`` is source file and row of each (n × 2), ``seen`` how many exchanges the sample was taken from.
    """

    accounts: npt.NDArray[np.object_]
    ts: Ints
    place: Ints
    texts: Hashed
    seen: int

    def take(self, rows: Ints) -> TextSample:
        """Some of them, in the order given."""
        return TextSample(self.accounts[rows], self.ts[rows], self.place[rows], self.texts.take(rows), self.seen)


class TextSampler:
    """Reduces batches of ``work.ingested`` to batches without text, and samples their prompts on the way.

    At most ``most`` exchanges are kept: those with the smallest digests, so that neither the order of rows nor the size
    of batches matters.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._bound = np.iinfo(np.int64).max
        self._parts: list[tuple[Ints, npt.NDArray[np.object_], Ints, Ints, Hashed]] = []
        self._kept = self._seen = 0

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Sample a batch; it leaves without its texts."""
        prompt, account = batch.column("prompt"), np.array(batch.column("account_id").to_pylist(), dtype=object)
        digest = np.asarray(batch.column("id_digest"), dtype=np.int64)
        known = np.asarray(prompt.is_valid()) & (account != UNKNOWN_ACCOUNT)
        self._seen += int(known.sum())
        rows = np.flatnonzero(known & (digest <= self._bound))
        if len(rows):
            ts = np.asarray(batch.column("ts").cast(pa.int64()), dtype=np.int64)
            place = np.column_stack([np.asarray(batch.column(name), dtype=np.int64) for name in
                                     ("source_file", "source_row")])
            self._parts.append((digest[rows], account[rows], ts[rows], place[rows],
                                hashed(prompt.take(pa.array(rows)).to_pylist())))
            self._kept += len(rows)
            if self._kept > 2 * self._most:
                self._thin()
        return batch.select([name for name in batch.schema.names if name not in _TEXTS])

    def _thin(self) -> None:
        """Keep the smallest digests; what is above their bound cannot be among the smallest of all any more."""
        everything = np.concatenate([part[0] for part in self._parts])
        self._bound = int(np.partition(everything, self._most - 1)[self._most - 1])
        self._parts = [(digest[few], account[few], ts[few], place[few], texts.take(few))
                       for digest, account, ts, place, texts in self._parts
                       if len(few := np.flatnonzero(digest <= self._bound))]
        self._kept = sum(len(part[0]) for part in self._parts)

    def sample(self) -> TextSample:
        """The sample so far, in order of digests."""
        if not self._parts:
            none = np.empty(0, dtype=np.int64)
            return TextSample(np.empty(0, dtype=object), none, none.reshape(0, 2), hashed([]), self._seen)
        if self._kept > self._most:
            self._thin()
        digest, account, ts, place = (np.concatenate([part[at] for part in self._parts]) for at in range(4))
        order = np.lexsort((place[:, 1], place[:, 0], digest))
        return TextSample(account, ts, place, Hashed.joined([part[4] for part in self._parts]), self._seen).take(order)
