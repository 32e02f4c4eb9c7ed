"""What is kept of the distinct masked texts of one side, prompts or system prompts, between batches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillwatch.observe.capability import features, load_model
from stillwatch.observe.masking import mask
from stillwatch.observe.templates import Cores, find_cores, sample
from stillwatch.observe.text_benchmarks import find_items
from stillwatch.observe.text_fold import Folded, signed_digest
from stillwatch.observe.text_pattern import excerpt
from stillwatch.observe.text_shingles import mix, shingles, tokenise

__all__ = ["TextSide"]

I64 = NDArray[np.int64]
_PORTION = 512
# What is kept a text, beside its shingles, of which a text has many.
_A_TEXT = ("_counts", "_sums", "_words", "_cues", "_benchmark", "_tokens")


class TextSide:
    """Distinct masked texts in order of arrival: sketches and sums of fixed size, and short excerpts.

    ``masked_of`` leads from the digest of a folded text to that of its masked form, so that a text seen
    before costs a hash; ``index`` from there to the text's number. ``excerpts`` are what patterns are made of;
    where no more are to be made there are none.
    """

    def __init__(self, key: bytes) -> None:
        self.masked_of: dict[int, int] = {}
        self.index: dict[int, int] = {}
        self.excerpts: list[str] = []
        self._key = key
        self._shingle: list[NDArray[np.uint32]] = []
        self._counts: list[NDArray[np.int32]] = []
        self._sums: list[NDArray[np.int32]] = []
        self._words: list[NDArray[np.int32]] = []
        self._cues: list[I64] = []
        self._benchmark: list[NDArray[np.int16]] = []
        self._tokens: list[I64] = []

    def copy(self) -> TextSide:
        """A copy that more texts can be added to; what both hold is shared and never changed."""
        other = copy(self)
        for name, held in vars(self).items():
            if isinstance(held, (dict, list)):
                setattr(other, name, held.copy())
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Numbers as arrays: millions of them one by one take pickling long, and much memory."""
        state = vars(self).copy()
        state["masked_of"] = (_numbers(self.masked_of), _numbers(self.masked_of.values()))
        state["index"] = _numbers(self.index)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Undo ``__getstate__``."""
        vars(self).update(state)
        self.masked_of = dict(zip(*(numbers.tolist() for numbers in state["masked_of"]), strict=True))
        self.index = {digest: number for number, digest in enumerate(state["index"].tolist())}

    def restricted(self, masked: Collection[int]) -> TextSide:
        """What would be kept had only the texts with these masked digests been added, in the same order."""
        stays = np.fromiter((digest in masked for digest in self.index), np.bool_, len(self.index))
        other = TextSide(self._key)
        left = [digest for digest, stay in zip(self.index, stays.tolist(), strict=True) if stay]
        other.index = {digest: number for number, digest in enumerate(left)}
        other.masked_of = {digest: to for digest, to in self.masked_of.items() if to in other.index}
        if self.excerpts:
            other.excerpts = [text for text, stay in zip(self.excerpts, stays.tolist(), strict=True) if stay]
        if len(stays):
            counts = np.concatenate(self._counts)
            other._shingle = [np.concatenate(self._shingle)[np.repeat(stays, counts)]]
            for name in _A_TEXT:
                setattr(other, name, [np.concatenate(getattr(self, name))[stays]])
        return other

    def state(self) -> dict[str, NDArray[Any]]:
        """All that is kept, as arrays, but for what only saves looking at a text again."""
        held: dict[str, NDArray[Any]] = {"index": np.fromiter(self.index, np.int64, len(self.index))}
        if self.index:
            texts = [text.encode("utf-8", "surrogatepass") for text in self.excerpts]
            held["excerpts"] = np.frombuffer(b"".join(texts), np.uint8)
            held["lengths"] = np.fromiter(map(len, texts), np.int64, len(texts))
            held |= {name: np.concatenate(getattr(self, name)) for name in ("_shingle", *_A_TEXT)}
        return held

    def take_over(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add the texts of another side of the same key (``state``) as if they had been added here, after one's own."""
        index = state["index"].tolist()
        new = np.fromiter((digest not in self.index for digest in index), np.bool_, len(index))
        if not new.any():
            return
        written, ends = state["excerpts"].tobytes(), np.cumsum(state["lengths"])
        for place in np.flatnonzero(new).tolist():
            self.index[index[place]] = len(self.index)
            start = int(ends[place] - state["lengths"][place])
            self.excerpts.append(written[start : int(ends[place])].decode("utf-8", "surrogatepass"))
        self._shingle.append(state["_shingle"][np.repeat(new, state["_counts"])])
        for name in _A_TEXT:
            getattr(self, name).append(state[name][new])

    def add(self, folded: Sequence[Folded]) -> None:
        """Mask the texts not seen before, and sketch those whose masked text was not seen before."""
        fresh = {text.digest: text.seen for text in folded if text.digest not in self.masked_of}
        new: list[str] = []
        for digest, masked in zip(fresh, mask(list(fresh.values())), strict=True):
            plain = masked.casefold()
            masked_digest = signed_digest(self._key, plain.encode("utf-8", "surrogatepass"))
            self.masked_of[digest] = masked_digest
            if masked_digest not in self.index:
                self.index[masked_digest] = len(self.index)
                self.excerpts.append(excerpt(masked))
                new.append(plain)
        # In portions that stay in the processor's cache.
        for at in range(0, len(new), _PORTION):
            self._sketch(new[at : at + _PORTION])

    def _sketch(self, texts: list[str]) -> None:
        tokens = tokenise(texts)
        found = shingles(tokens)
        shingle, text = sample(tokens, found)
        order = np.lexsort((shingle, text))
        self._shingle.append(shingle[order].astype(np.uint32))
        self._counts.append(np.bincount(text, minlength=len(texts)).astype(np.int32))
        self._tokens.append(np.diff(tokens.first))
        self._benchmark.append(find_items(found, len(texts)))
        parts = features(tokens)
        sums, words = load_model().sums(parts)
        self._sums.append(sums.astype(np.int32))
        self._words.append(words.astype(np.int32))
        self._cues.append(parts.cue)

    def cores(self, seed: int) -> Cores:
        """What recurs among the texts added so far."""
        counts = np.concatenate([*self._counts, np.zeros(0, np.int32)])
        shingle = np.concatenate([*self._shingle, np.zeros(0, np.uint32)]).astype(np.uint64)
        text = np.repeat(np.arange(len(counts)), counts)
        tokens = np.concatenate([*self._tokens, np.zeros(0, np.int64)])
        # A text goes by what it holds and not by its keyed digest, so that families are the same under every key.
        # Texts with the same shingles and as many tokens count as one, which costs nothing.
        identity = tokens.astype(np.uint64)
        np.add.at(identity, text, mix(shingle))
        return find_cores(shingle, text, identity, int(tokens.sum()), seed=seed)

    def rows(self, masked: Sequence[int | None]) -> I64:
        """The number of each text; of a text that is not there, the number after the last."""
        last = len(self.index)
        return np.fromiter((last if m is None else self.index[m] for m in masked), np.int64, len(masked))

    def parts(self, rows: I64) -> tuple[I64, I64, I64]:
        """What the content model needs of texts: sums of weights, number of words, cues; nought where none."""
        none = np.zeros((1, 2 * load_model().weight.shape[1]), np.int32)
        sums = np.concatenate([*self._sums, none])[rows].astype(np.int64)
        words = np.concatenate([*self._words, none[:, :2]])[rows].astype(np.int64)
        return sums, words, np.concatenate([*self._cues, np.zeros(1, np.int64)])[rows]

    def benchmarks(self, rows: I64) -> NDArray[np.int16]:
        """Number of the public benchmark that each text holds an item of, or -1."""
        return np.concatenate([*self._benchmark, np.full(1, -1, np.int16)])[rows]


def _numbers(values: Collection[int]) -> I64:
    return np.fromiter(values, np.int64, len(values))
