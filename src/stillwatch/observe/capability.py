"""What a text asks the model to show, and whether it is of the kind that data-generation pipelines send.

A multinomial linear model over hashed words, pairs of neighbouring words and stems of the *masked* text, over the
same of its beginning, and over cues (see ``text_cues``) and pairs of cues. Masked, so that it is a function of
what the row of ``work.texts`` stands for, needs evaluating once per distinct masked text, and cannot learn names,
numbers or the items of a benchmark by heart. What is kept of a system text or a prompt are eleven sums of weights
and the number of features for all of it, as many for its beginning, and three bits a cue; a text's score is put
together from those of its two sides.

The weights are shipped as plain whole numbers; ``tools/train_content.py`` makes them, and ``DATA_CARD.md``
beside them says from what, and how well they do on sources that they were not trained on.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from stillwatch.errors import StillwatchError
from stillwatch.observe.text_cues import CUES, cue_table, pair_hashes
from stillwatch.observe.text_shingles import Tokens, distinct, mix
from stillwatch.schema import CAPABILITY

__all__ = ["BUCKETS", "CapabilityModel", "Features", "cue_values", "expand_cues",
           "features", "load_model", "near"]

BUCKETS = 1 << 16
_CHUNK, _ROWS = 1 << 20, 1 << 15
_CUES = len(CUES)
# Cues anywhere, strong ones, and those in the beginning: as many bits as a whole number has.
_SETS = 3
# A cue is strong where so many of its entries stand in a text.
_STRONG = 3
# What a cue counts beside words, whose features have length one together.
_CUE_VALUE, _PAIR_VALUE = 0.5, 0.25

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
_FIRST = np.uint64(0xA0761D6478BD642F)
_LAST = np.uint64(0xE7037ED1A0B428DB)
_STEM = np.uint64(0x8EBC6AF09C88C6E3)
_NEAR = np.uint64(0x589965CC75374CC3)
_OPENS = np.uint64(0x1D8E4E27C47D124F)
# Words from the beginning of a text among which its purpose is usually said.
_HEAD = 30


@dataclass(frozen=True)
class Features:
    """Distinct features of texts, of each text first those of all of it, then those of its beginning.

    ``bucket[first[p]:first[p + 1]]`` are those of part p, ascending; text i has parts 2 i and 2 i + 1. ``cue`` has a
    bit for each cue in a text, then one for each that is strong there, then one for each in its beginning.
    """

    bucket: NDArray[np.int32]
    first: I64
    cue: I64


def near(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes of words, or of pairs, where they stand in the beginning of a text."""
    return mix(words ^ _NEAR)


def features(tokens: Tokens) -> Features:
    """Hashed features of each text: words, neighbouring pairs, the stems of words and of what sentences begin with.

    What is asked for is usually said first, so that the beginning has features and a length of its own: otherwise
    the longer the rules, examples and data that follow, the less it would count.
    """
    count = len(tokens.first) - 1
    text = np.repeat(np.arange(count), np.diff(tokens.first))
    pair = np.flatnonzero(text[1:] == text[:-1])
    held = np.flatnonzero(np.diff(tokens.first))
    begin, end = tokens.first[held], tokens.first[held + 1] - 1
    pairs = pair_hashes(tokens.hash[pair], tokens.hash[pair + 1])
    words = np.concatenate([tokens.hash, pairs])
    of_word = np.concatenate([text, text[pair]])
    place = np.arange(len(text)) - tokens.first[text]
    early, opens, spaced = place < _HEAD, np.flatnonzero(tokens.opens), np.flatnonzero(~tokens.single)
    near_word = np.concatenate([early, early[pair + 1]]) if len(text) else early
    stems = mix(tokens.stem ^ _STEM)
    whole = [words, mix(tokens.hash[begin] ^ _FIRST), mix(tokens.hash[end] ^ _LAST), stems[spaced],
             mix(tokens.stem[opens] ^ _OPENS)]
    head = [near(words[near_word]), mix(stems[early & ~tokens.single] ^ _NEAR)]
    owners = [of_word, held, held, text[spaced], text[opens]]
    heads = [of_word[near_word], text[early & ~tokens.single]]
    owner = np.concatenate([2 * of for of in owners] + [2 * of + 1 for of in heads]).astype(np.uint64)
    bits = np.uint64(BUCKETS.bit_length() - 1)
    keys = distinct((owner << bits) | (np.concatenate(whole + head) >> (np.uint64(64) - bits)))
    first = np.searchsorted(keys >> bits, np.arange(2 * count + 1, dtype=np.uint64))
    bucket = (keys & np.uint64(BUCKETS - 1)).astype(np.int32)
    return Features(bucket, first.astype(np.int64), _cues(words, of_word, near_word, count))


def _cues(words: NDArray[np.uint64], text: I64, near: NDArray[np.bool_], count: int) -> I64:
    """Bits of the cues of each text."""
    entries, cue = cue_table()
    hit, place = entries.find(words)
    once = np.unique(text[hit] * len(cue) + place)
    number = np.bincount(once // len(cue) * _CUES + cue[once % len(cue)], minlength=count * _CUES)
    number = number.reshape(count, _CUES)
    begins = np.zeros((count, _CUES), np.bool_)
    begins[text[hit][near[hit]], cue[place[near[hit]]]] = True
    bits = np.int64(1) << np.arange(_CUES)
    weak: I64 = ((number > 0) * bits).sum(axis=1)
    strong: I64 = ((number >= _STRONG) * bits).sum(axis=1)
    head: I64 = (begins * bits).sum(axis=1)
    return weak | strong << _CUES | head << (2 * _CUES)


def expand_cues(cue: I64) -> F64:
    """Cues, strong ones, those of the beginning, and pairs of the last as features, before their values."""
    bits = ((cue[:, None] >> np.arange(_SETS * _CUES)) & 1).astype(np.float64)
    head = bits[:, -_CUES:]
    left, right = np.triu_indices(_CUES, 1)
    return np.concatenate([bits, head[:, left] * head[:, right]], axis=1)


def cue_values() -> F64:
    """What each feature of ``expand_cues`` counts."""
    pairs = _CUES * (_CUES - 1) // 2
    return np.repeat([_CUE_VALUE, _PAIR_VALUE], [_SETS * _CUES, pairs])


@dataclass(frozen=True)
class CapabilityModel:
    """Weights of words and of cues, a column a class and the last for ``harvest``, and their calibration.

    Weights are whole numbers, of which ``scale`` make one, so that sums are exact in whatever order.
    """

    weight: NDArray[np.int16]
    cue_weight: NDArray[np.int16]
    scale: float
    bias: F64
    classes: tuple[str, ...]
    temperature: float
    slope: float
    offset: float

    def sums(self, found: Features) -> tuple[I64, I64]:
        """Per text the sums of its parts' weights, shape (texts, 2 (classes + 1)), and their numbers (texts, 2)."""
        number = np.diff(found.first)
        total = np.zeros((len(number), self.weight.shape[1]), np.int64)
        text = np.repeat(np.arange(len(number)), number)
        for at in range(0, len(text), _CHUNK):
            part = text[at : at + _CHUNK]
            start = np.flatnonzero(np.append(True, part[1:] != part[:-1]))
            some = self.weight[found.bucket[at : at + _CHUNK]]
            total[part[start]] += np.add.reduceat(some, start, axis=0, dtype=np.int64)
        return total.reshape(len(number) // 2, 2 * self.weight.shape[1]), number.reshape(-1, 2)

    def probabilities(self, sums: I64, number: I64, cue: I64) -> tuple[F64, F64]:
        """Calibrated probabilities of the classes, shape (texts, classes), and of ``harvest``."""
        parts = sums.reshape(len(sums), 2, self.weight.shape[1]) / np.sqrt(np.maximum(number, 1))[:, :, None]
        scaled = parts[:, 0] + parts[:, 1]
        for at in range(0, len(cue), _ROWS):
            # Whole numbers below 2**53: exact, however the product is computed.
            scaled[at : at + _ROWS] += expand_cues(cue[at : at + _ROWS]) @ self.cue_weight.astype(np.float64)
        scaled = scaled / self.scale + self.bias
        logits = scaled[:, :-1] / self.temperature
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        harvest: F64 = 1 / (1 + np.exp(-(self.slope * scaled[:, -1] + self.offset)))
        return odds / odds.sum(axis=1, keepdims=True), harvest


@functools.cache
def load_model() -> CapabilityModel:
    """The model that is shipped."""
    with files("stillwatch.data").joinpath("content", "capability.npz").open("rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        classes = tuple(CAPABILITY)
        if tuple(stored["classes"].tolist()) != classes:
            raise StillwatchError("the capability model knows other classes than the schema",
                                  remedy="train it again with tools/train_content.py")
        scale, temperature, slope, offset = stored["calibration"].tolist()
        return CapabilityModel(stored["weight"], stored["cue_weight"], scale, stored["bias"], classes,
                               temperature, slope, offset)
