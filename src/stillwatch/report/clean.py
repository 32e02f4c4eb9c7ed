"""Make any string from the logs safe to look at, in a terminal and on a page.

Account names, user agents and the like are written by strangers. What a reader cannot see (terminal
escapes, bidirectional overrides, zero-width characters, unusual spaces) is replaced by visible escapes such
as ``\\u202e``, so that two different strings never look alike by such means. HTML escaping is separate and
happens in the templates and in ``charts``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["clean", "cut"]

_LONGEST = 20_000
_MARKS_IN_A_ROW = 3
# Letters, marks and symbols that draw nothing although their category says otherwise.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f") | frozenset(
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_PLAIN = re.compile(r"[\x20-\x7e]*\Z")


@lru_cache(maxsize=4096)
def _visible(char: str) -> str:
    if char == " " or (char not in _BLANK and unicodedata.category(char) not in _HIDDEN):
        return char
    return _escape(char)


def _escape(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clean(value: object) -> str:
    """``value`` as one line of text in which every character can be seen.

    Every control, format, private, unassigned or surrogate character, every space but U+0020, every
    character that draws nothing, and each combining mark after the third in a row becomes a visible escape
    as Python writes it. The result can always be encoded as
    UTF-8, and cleaning it again changes nothing. Strings beyond 20,000 characters lose their middle.
    """
    text = value if isinstance(value, str) else str(value)
    if len(text) > _LONGEST:
        text = _middle(text, _LONGEST)
    if _PLAIN.match(text):
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        out.append(_escape(char) if marks > _MARKS_IN_A_ROW else _visible(char))
    return "".join(out)


def cut(value: object, limit: int) -> str:
    """``value`` cleaned and, where longer than ``limit`` characters, with its middle left out.

    The ends stay because names that differ only at their ends must stay apart.
    """
    text = clean(value)
    return text if len(text) <= limit else _middle(text, limit)


def _middle(text: str, limit: int) -> str:
    head = (limit - 1) // 2 + (limit - 1) % 2
    tail = limit - 1 - head
    return f"{text[:head]}…{text[len(text) - tail:] if tail else ''}"
