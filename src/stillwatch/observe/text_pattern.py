"""Readable patterns: the words of a text that recur elsewhere, with the rest left out.

Of a text that is unlike others, only runs of words that stand in at least three distinct texts are shown,
after masking: what one person wrote once is never shown, be it a name, an address or a secret that no mask
recognised. A text that comes again and again word for word is shown as it is masked, capitalised words
that open no sentence by habit being taken for names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from stillwatch.observe.templates import Cores, short_hash
from stillwatch.observe.text_shingles import shingles, tokenise

__all__ = ["PATTERN", "SLOT", "excerpt", "patterns"]

SLOT = "‹…›"
PATTERN = 120
_HEAD_EXCERPT = 140
_TAIL_EXCERPT = 100
_BLOCK = 20_000
_CAPITALISED = re.compile(r"\b[^\W\d_a-z][^\W\d_A-Z]+\b")
# Words that open sentences of instructions; any other capitalised word may be a name.
_OPENERS = frozenset(
    """a about act add after all also always an analyse analyze and answer any are as ask assess assume at
    based be because before below but by calculate can check choose classify compare complete compute consider
    convert could create define describe design determine do does draft each edit evaluate every example
    explain extract fill find first following for from generate get give given grade has have hello help here
    hi how human i identify if imagine implement in include input instruction instructions is it its judge
    keep let list make my name never no not note now of ok on one only or other our output passage please
    problem produce provide question rank rate read remember rephrase reply respond response return review
    rewrite score second select should show simplify solution solve some step summarise summarize system
    task tell that the their then there these they think this those to translate try use user using verify we
    what when where which while who why will with would write yes you your""".split()  # noqa: SIM905
)


def excerpt(masked: str) -> str:
    """The two ends of a masked text, parted by a line break, or the whole of a short one."""
    if len(masked) <= _HEAD_EXCERPT + _TAIL_EXCERPT:
        return masked
    return f"{masked[:_HEAD_EXCERPT]}\n{masked[-_TAIL_EXCERPT:]}"


def patterns(excerpts: Sequence[str], digests: Sequence[int], cores: Cores,
             repeated: Sequence[bool]) -> list[str | None]:
    """A pattern of at most 120 characters for each text; texts of one core share that of its first.

    ``excerpts`` are as ``excerpt`` gives them; ``digests`` identify them, and
    the text of the smallest digest speaks for its core. ``repeated`` says which come again and again.
    ``None`` where nothing recurs.
    """
    core_of: list[int] = cores.of_text.tolist()
    speaker: dict[int, int] = {}
    for at, core in enumerate(core_of):
        if core >= 0 and (core not in speaker or digests[at] < digests[speaker[core]]):
            speaker[core] = at
    spoken = [at for at, core in enumerate(core_of) if core < 0 or speaker[core] == at]
    shown: dict[int, str | None] = {}
    for start in range(0, len(spoken), _BLOCK):
        some = spoken[start : start + _BLOCK]
        made = _show([excerpts[at] for at in some], [core_of[at] for at in some], cores)
        shown.update(zip(some, made, strict=True))
    return [
        _whole(excerpts[at]) if core < 0 and repeated[at] else shown[at if core < 0 else speaker[core]]
        for at, core in enumerate(core_of)
    ]


def _whole(excerpt: str) -> str:
    parts = (_CAPITALISED.sub(_unnamed, part) for part in excerpt.split("\n"))
    return _cut(f" {SLOT} ".join(parts))


def _unnamed(word: re.Match[str]) -> str:
    return word[0] if word[0].lower() in _OPENERS else "‹name›"


def _show(excerpts: list[str], core: list[int], cores: Cores) -> list[str | None]:
    """Of each excerpt, the words covered by shingles that recur; with a core, in about as many texts."""
    pieces = [(at, piece) for at, excerpt in enumerate(excerpts) for piece in excerpt.split("\n")]
    folded = [piece.casefold() for _, piece in pieces]
    tokens = tokenise(folded)
    found = shingles(tokens)
    short = short_hash(found.hash, tokens.single[found.begin])
    place = np.minimum(np.searchsorted(cores.shingle, short), max(len(cores.shingle) - 1, 0))
    known = np.zeros(len(short), np.bool_)
    if len(cores.shingle):
        owner = np.array([core[at] for at, _ in pieces], np.int64)[found.text]
        # A common phrase within a template stands in more texts than the template does.
        common = 2 * cores.texts_of_shingle[place] >= np.append(cores.texts, 0.0)[owner]
        known = (cores.shingle[place] == short) & (common | (cores.core_of_shingle[place] == owner))
    edge = np.zeros(len(tokens.hash) + 1, np.int64)
    np.add.at(edge, found.begin[known], 1)
    np.add.at(edge, found.end[known], -1)
    covered = np.cumsum(edge)[:-1] > 0
    parts: list[list[str]] = [[] for _ in excerpts]
    for number, (at, piece) in enumerate(pieces):
        span = slice(int(tokens.first[number]), int(tokens.first[number + 1]))
        if covered[span].any():
            # Case folding can change lengths; then the folded text is shown.
            text = piece if len(piece) == len(folded[number]) else folded[number]
            parts[at] += _runs(text, tokens.begin[span], tokens.end[span], covered[span])
        elif span.stop > span.start:
            parts[at].append(SLOT)
    return [_join(part) for part in parts]


def _runs(text: str, begin: np.ndarray[tuple[int], np.dtype[np.int64]],
          end: np.ndarray[tuple[int], np.dtype[np.int64]],
          covered: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[str]:
    runs: list[str] = []
    edges = np.flatnonzero(np.diff(np.concatenate(([False], covered, [False])).astype(np.int8)))
    position = 0
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if first > position:
            runs.append(SLOT)
        # Opening and closing signs of a mark belong to it.
        left, right = int(begin[first]), int(end[stop - 1])
        left -= left > 0 and text[left - 1] == "‹"
        right += right < len(text) and text[right] in "›.?!:"
        runs.append(text[left:right])
        position = stop
    if position < len(covered):
        runs.append(SLOT)
    return runs


def _join(runs: list[str]) -> str | None:
    kept: list[str] = []
    for run in runs:
        if run != SLOT or not kept or kept[-1] != SLOT:
            kept.append(run)
    if not kept or kept == [SLOT]:
        return None
    return _cut(" ".join(kept))


def _cut(text: str) -> str:
    return text if len(text) <= PATTERN else text[: PATTERN - 1].rstrip() + "…"
