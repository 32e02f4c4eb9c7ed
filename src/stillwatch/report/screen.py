"""What may not leave: words of a sentence that could name somebody, and identifiers on a finished page."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Screen", "coarse", "found_in"]

_PLAIN = re.compile(
    r"[A-Za-z]?[a-z]+(?:['’-][a-z]+)*"            # a word; capitals are looked at apart
    r"|\d{1,3}(?:,\d{3})*(?:\.\d{1,3})?%?|\d{1,6}(?:\.\d{1,3})?%?"  # a number
    r"|\d{1,3}-\d{1,3}|20\d\d-\d\d-\d\d|\d\d:\d\d|UTC|TLS|A|B|–|·|/|&|\+|-")
_TRIM = ".,;:!?()[]\"'`‹›“”…"
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{0,4}")
_SHORTEST = 4
_MIXED = re.compile(r"[A-Za-z]\d|\d[A-Za-z]|[^\x00-\x7f‘-”–…·‹›]")
_PARTS = re.compile(r"[-'’/&+]")


class Screen:
    """Lets plain sentences pass.

    A sentence passes where each of its words is lower-case letters, a number, a date or one of a few capitals (the
    first word may begin with one), and none of the ``names`` of at least four characters is in it. Names of people,
    companies, accounts, models, files and programs do not look like that, whoever wrote the sentence.
    """

    def __init__(self, names: Iterable[str]) -> None:
        # A name of one word is looked for among a sentence's words and their parts: there may be many of these. One of
        # several words can only be in a plain sentence if its words are plain, or parts of such at its ends.
        long = [name for name in names if len(name) >= _SHORTEST]
        self._words = frozenset(name for name in long if len(name.split()) == 1)
        self._phrases = tuple(name for name in long if len(name.split()) > 1 and not _MIXED.search(name))

    def passes(self, text: str) -> bool:
        """Whether the sentence may leave."""
        words = [word.strip(_TRIM) for word in text.split()]
        plain = all(not word or _PLAIN.fullmatch(word) for word in words)
        capitals = any(word[:1].isupper() and word not in ("UTC", "TLS", "A", "B") for word, before in
                       zip(words[1:], text.split(), strict=False) if not before.endswith("."))
        # As they stand as well: a name may begin and end with what is no part of a word.
        whole = text.split()
        parts = {*whole, *(word[:-1] for word in whole), *(word.rstrip(".:,;") for word in whole), *words,
                 *(part for word in words for part in _PARTS.split(word))}
        return (plain and not capitals and parts.isdisjoint(self._words)
                and not any(name in text for name in self._phrases))

    def keep(self, texts: Iterable[str] | None) -> tuple[list[str], int]:
        """The sentences that pass, and how many do not."""
        every = list(texts or ())
        kept = [text for text in every if self.passes(text)]
        return kept, len(every) - len(kept)

    def one(self, text: str | None) -> str | None:
        """The sentence, or what stands for one that does not pass."""
        return text if text is None or self.passes(text) else "withheld at this level"


def coarse(number: float | None, digits: int | None) -> int | None:
    """A count rounded to so many significant digits, or as it is."""
    if number is None:
        return None
    whole = int(number)
    return whole if digits is None or whole == 0 else int(float(f"{whole:.{digits - 1}e}"))


def found_in(page: str, names: Iterable[str]) -> list[str]:
    """Which of the ``names`` stand on a page as a word of their own, e-mail and network addresses among them.

    Names that look like plain words, numbers or dates are passed over: the page is full of such. This is the last look
    at a page that was made without them, not what keeps them out.
    """
    words = set(re.findall(r"[^\s<>\"'=(),;]+", page))
    words |= {word.rstrip(".:") for word in words}
    known = sorted(name for name in set(names) & words if not _PLAIN.fullmatch(name) and len(name) >= _SHORTEST)
    return [*known, *_EMAIL.findall(page), *_ADDRESS.findall(page)]
