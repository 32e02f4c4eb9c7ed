"""Composing prompts: slots filled by column, never row by row.

Every text is a pure function of a row's key. A template is compiled into literals and slots; rows of one
template are filled together with Arrow's vectorised joins.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.proof.draws import Ints, Keys, mix

__all__ = ["Compiled", "Composer", "Filler", "MuteComposer", "by_group", "compiled", "joined", "salted"]

_SLOT = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_ORDINALS = ("_other", "_third")

Filler = Callable[[Keys], pa.Array]


@dataclass(frozen=True)
class Compiled:
    """A template: literals and slot names in turn, ``("text", "")`` or ``("", "slot")``."""

    parts: tuple[tuple[str, str], ...]

    @property
    def plain(self) -> bool:
        """Whether there is nothing to fill."""
        return not any(slot for _, slot in self.parts)


@cache
def compiled(template: str) -> Compiled:
    """Compile ``{slot}`` templates; doubled braces stand for themselves."""
    parts: list[tuple[str, str]] = []
    literal, start = "", 0
    for found in _SLOT.finditer(template):
        literal += template[start:found.start()]
        start = found.end()
        if found[1] is None:
            literal += found[0][0]
            continue
        if literal:
            parts.append((literal, ""))
        parts.append(("", found[1]))
        literal = ""
    literal += template[start:]
    if literal or not parts:
        parts.append((literal, ""))
    return Compiled(tuple(parts))


@cache
def salted(purpose: str) -> np.uint64:
    """A constant for one purpose."""
    return np.uint64(int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big"))


def joined(columns: Sequence[pa.Array | str], rows: int, separator: str = "") -> pa.Array:
    """Columns (or constants) joined row by row."""
    whole = [pa.scalar(c, pa.string()) if isinstance(c, str) else c for c in columns]
    if all(isinstance(c, pa.Scalar) for c in whole):
        return pa.array([separator.join(str(c) for c in columns)] * rows, pa.string())
    return pc.binary_join_element_wise(*whole, pa.scalar(separator, pa.string()))


def by_group(groups: Ints, make: Callable[[int, Ints], pa.Array]) -> pa.Array:
    """``make(group, rows)`` for each distinct group, put back into row order."""
    if len(groups) == 0:
        return pa.array([], pa.string())
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    if len(starts) == 1:
        return make(int(ordered[0]), np.arange(len(groups)))
    ends = np.r_[starts[1:], len(ordered)]
    pieces = [make(int(ordered[a]), order[a:b]) for a, b in zip(starts, ends, strict=True)]
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(pieces).take(pa.array(back))


class Composer:
    """Fills templates from lists of phrases and from special slots.

    ``lists`` maps a slot's name to its phrases, which may hold slots themselves; ``special`` maps a name
    to a function of row keys; a name that neither knows is looked up in ``parent``.
    """

    def __init__(self, lists: dict[str, list[str]], special: dict[str, Filler] | None = None,
                 parent: Composer | None = None) -> None:
        self._lists = {name: [compiled(str(item)) for item in items] for name, items in lists.items()}
        self._plain = {
            name: pa.array(["".join(text for text, _ in item.parts) for item in items], pa.string())
            for name, items in self._lists.items() if all(item.plain for item in items)
        }
        self._special = special or {}
        self._parent = parent

    def knows(self, name: str) -> bool:
        """Whether a slot of this name can be filled."""
        base = self._base(name)
        return base in self._lists or base in self._special or (
            self._parent is not None and self._parent.knows(name))

    def size(self, name: str) -> int:
        """How many phrases the list of this name has."""
        return len(self._lists[name])

    def slot(self, name: str, keys: Keys, path: str = "", scope: Composer | None = None) -> pa.Array:
        """Fill one slot for every row."""
        scope = scope or self
        base = self._base(name)
        drawn = mix(salted(path + name), keys)
        if base in self._special:
            return self._special[base](drawn)
        if base not in self._lists:
            if self._parent is None:
                raise KeyError(base)
            return self._parent.slot(name, keys, path, scope)
        choice = (drawn % np.uint64(len(self._lists[base]))).astype(np.int64)
        return self.phrase(base, choice, drawn, scope)

    def phrase(self, name: str, choice: Ints, keys: Keys, scope: Composer | None = None) -> pa.Array:
        """The chosen phrases of a list, filled."""
        if name in self._plain:
            return self._plain[name].take(pa.array(choice))
        items = self._lists[name]
        return by_group(choice, lambda item, rows: (scope or self).fill(items[item], keys[rows], name))

    def fill(self, template: Compiled | str, keys: Keys, path: str = "") -> pa.Array:
        """Fill a template for every row."""
        if isinstance(template, str):
            template = compiled(template)
        columns = [self.slot(slot, keys, path) if slot else text for text, slot in template.parts]
        return joined(columns, len(keys))

    @staticmethod
    def _base(name: str) -> str:
        for ending in _ORDINALS:
            if name.endswith(ending):
                return name.removesuffix(ending)
        return name


class MuteComposer(Composer):
    """Fills every slot with null."""

    def __init__(self) -> None:
        super().__init__({})

    def knows(self, name: str) -> bool:
        """Every name: there is nothing to look up."""
        return True

    def slot(self, name: str, keys: Keys, path: str = "", scope: Composer | None = None) -> pa.Array:
        """Nulls."""
        return pa.nulls(len(keys), pa.string())

    def phrase(self, name: str, choice: Ints, keys: Keys, scope: Composer | None = None) -> pa.Array:
        """Nulls."""
        return pa.nulls(len(keys), pa.string())

    def fill(self, template: Compiled | str, keys: Keys, path: str = "") -> pa.Array:
        """Nulls."""
        return pa.nulls(len(keys), pa.string())
