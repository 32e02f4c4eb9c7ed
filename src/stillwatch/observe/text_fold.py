"""Folding of text to the form in which it is digested, and the part of it that is looked at.

Everything here is linear in the length of the text, whatever the text holds.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEAD", "TAIL", "Folded", "compatible", "fold", "signed_digest"]

# What a template says stands at the ends of a prompt; the middle of a very long one is payload.
HEAD = 6_000
TAIL = 2_000
_WHOLE = 1 << 16
# Unicode's stream-safe format (UAX #15) allows 30 combining marks in a row; normalising longer runs
# takes quadratic time.
_MARKS_IN_A_ROW = 30
_MARKS_END = 0x1F000


@dataclass(frozen=True, slots=True)
class Folded:
    """A text with white space folded: its keyed digest, and the part that is looked at."""

    digest: int
    seen: str


@functools.cache
def _marks() -> NDArray[np.bool_]:
    return np.array([unicodedata.combining(chr(code)) > 0 for code in range(_MARKS_END)] + [False])


@functools.cache
def _mark_runs() -> re.Pattern[str]:
    marks = "".join(map(chr, np.flatnonzero(_marks()).tolist()))
    return re.compile(f"([{marks}]{{{_MARKS_IN_A_ROW}}})[{marks}]+")


def _normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    if text.isascii():
        return text
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    if np.count_nonzero(_marks()[np.minimum(codes, _MARKS_END)]) > _MARKS_IN_A_ROW:
        text = _mark_runs().sub(r"\1", text)
    return unicodedata.normalize(form, text)


def compatible(text: str) -> str:
    """NFKC of a text that was cut to length, cut again should it have grown."""
    return _normal("NFKC", text)[: HEAD + TAIL + 16]


def signed_digest(key: bytes, data: bytes) -> int:
    """BLAKE2b under ``key``, 64 bits, as a signed number."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=key).digest(), "big", signed=True)


def fold(text: str, key: bytes) -> Folded | None:
    """Fold white space, strip, bring to NFC, digest; ``None`` where nothing is left.

    ``seen`` is the whole folded text, or its first 6,000 and last 2,000 characters where it is longer.
    Texts over 65,536 characters are folded piece by piece and not brought to NFC.
    """
    if len(text) > _WHOLE:
        return _fold_long(text, key)
    folded = " ".join(_normal("NFC", text).split())
    if not folded:
        return None
    digest = signed_digest(key, folded.encode("utf-8", "surrogatepass"))
    if len(folded) > HEAD + TAIL:
        folded = f"{folded[:HEAD]} … {folded[-TAIL:]}"
    return Folded(digest, folded)


def _fold_long(text: str, key: bytes) -> Folded | None:
    state = hashlib.blake2b(digest_size=8, key=key)
    head, tail, length, gap = "", "", 0, False
    for at in range(0, len(text), _WHOLE):
        piece = text[at : at + _WHOLE]
        folded = " ".join(piece.split())
        if not folded:
            gap = True
            continue
        if length and (gap or piece[0].isspace()):
            folded = " " + folded
        state.update(folded.encode("utf-8", "surrogatepass"))
        length += len(folded)
        head = head if len(head) >= HEAD + TAIL else (head + folded)[: HEAD + TAIL]
        tail = (tail + folded)[-TAIL:]
        gap = piece[-1].isspace()
    if not length:
        return None
    digest = int.from_bytes(state.digest(), "big", signed=True)
    return Folded(digest, head if length <= HEAD + TAIL else f"{head[:HEAD]} … {tail}")
