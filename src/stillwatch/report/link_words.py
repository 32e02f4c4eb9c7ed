"""How traits that accounts share are called, and how common they are, in plain words.

Names of values come from strangers: whatever is said here is still to be cleaned where it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from stillwatch.report.clean import clean, cut
from stillwatch.report.numbers import plural
from stillwatch.schema import KIND_WORDS

__all__ = ["ACCOUNT", "bits_words", "families_words", "heading", "inside", "lines", "more", "others_words", "trait"]

ACCOUNT = 60
"""Most characters of an account id in a line of text."""

_LABEL = 70
_DIGEST = 8

def trait(value: Mapping[str, Any]) -> str:
    """A value with its kind: what a reader may see of it, or the beginning of its digest to tell it from others."""
    kind = KIND_WORDS.get(value["kind"], cut(value["kind"], _LABEL))
    shown = f"“{cut(value['label'], _LABEL)}”" if value["label"] else f"#{clean(value['value'][:_DIGEST])}"
    return f"{kind} {shown}"


def others_words(number: int) -> str:
    """How many accounts outside have it too."""
    if number == 0:
        return "nobody else"
    return "1 other account" if number == 1 else f"{number:,} other accounts"


def bits_words(bits: float) -> str:
    """Bits with their sign."""
    return f"{bits:+.1f}".replace("-", "−") if abs(bits) >= 0.05 else "0.0"


def families_words(families: Iterable[Mapping[str, Any]]) -> str:
    """Families with their bits: ``network 12.1, payment 7.9``."""
    said = [f"{cut(row['family'], _LABEL)} {row['bits']:,.1f}" for row in families]
    return ", ".join(said) if said else "none"


def more(number: int, what: str) -> str:
    """``and 3 more shared values``, or nothing."""
    return f" (and {plural(number, f'more {what}')})" if number > 0 else ""


def heading(text: str) -> RenderableType:
    """A heading with a line before it."""
    return Text(f"\n{clean(text)}", style="bold")


def lines(*texts: str) -> list[RenderableType]:
    """Lines of text. Text, never markup: a square bracket in a name must not become a style."""
    return [Text(clean(text)) for text in texts]


def inside(text: str, left: int = 2, style: str = "") -> RenderableType:
    """A paragraph set in from the left, all its lines alike."""
    return Padding(Text(clean(text), style=style), (0, 0, 0, left), expand=False)
