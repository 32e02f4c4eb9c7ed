"""Sightings as integers: which account was seen with which value, in an order that names do not touch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Incidence", "compact", "encode", "spans", "starts"]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Colours = npt.NDArray[np.uint64]
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_ROWS = 1 << 16
_COLOUR_BITS = np.uint64(48)
"""Bits of a value's colour that are kept beside its kind."""


@dataclass(frozen=True)
class Incidence:
    """Accounts × values as a list of coincidences.

    ``account[i]`` was seen with ``value[i]`` (codes); each pair once. ``accounts`` names accounts in
    *structural* order, and ``values`` the values of each kind: by what they were seen with, not by their names, so
    that whatever breaks ties by code gives the same partition after a renaming, as under another deployment key.
    Value ``v`` is of ``kinds[kind[v]]``, in family ``families[family[v]]`` at ``level[v]``, and was seen with
    ``degree[v]`` accounts.
    """

    accounts: pa.Array
    account: Ints
    value: Ints
    values: pa.Array
    kinds: tuple[str, ...]
    kind: Ints
    families: tuple[str, ...]
    family: Ints
    level: Ints
    degree: Ints

    @property
    def size(self) -> int:
        """Number of accounts."""
        return len(self.accounts)

    def has_family(self) -> npt.NDArray[np.bool_]:
        """Accounts × families: whether an account was seen with any value of the family."""
        present = np.zeros((self.size, len(self.families)), dtype=bool)
        present[self.account, self.family[self.value]] = True
        return present


def encode(sightings: pa.Table, family_of: Mapping[str, tuple[str, int]]) -> Incidence:
    """Encode sightings (schema ``SIGHTINGS``; repeated rows count once).

    ``family_of`` gives each kind's family and level; a kind it lacks is a family of its own.
    """
    names, row_account = _codes(sightings["account_id"])
    kind_names, row_kind = _codes(sightings["kind"])
    kinds = tuple(sorted(kind_names.to_pylist()))
    row_kind = np.asarray(_places(pc.sort_indices(kind_names).to_numpy())[row_kind], dtype=np.int32)
    words, row_word = _codes(sightings["value"])
    row_value, word, kind = _apart(row_word, row_kind, len(words))
    del row_kind, row_word
    of_account, of_value = _colours(row_account, row_value, _counts(sightings["count"]), len(names), len(word))
    order, rank = _ranked(of_account, names)
    # Values of one kind stay together, kinds in the order of their names.
    place, of = _ranked(kind.astype(np.uint64) << _COLOUR_BITS | of_value >> (np.uint64(64) - _COLOUR_BITS),
                        words, word)
    word, kind = word[place], kind[place]
    # Sorted by account, then value; a coincidence that is repeated counts once.
    key = rank[row_account] * max(1, len(word)) + of[row_value]
    del row_account, row_value
    key.sort()
    key = key[np.diff(key, prepend=-1) != 0]
    account, value = np.divmod(key, max(1, len(word)))
    del key
    belongs = [family_of.get(kind, (kind, 1)) for kind in kinds]
    families = tuple(sorted({family for family, _ in belongs}))
    index = np.array([families.index(family) for family, _ in belongs], dtype=np.int64)
    level = np.array([level for _, level in belongs], dtype=np.int64)
    return Incidence(
        accounts=names.take(pa.array(order)),
        account=account,
        value=value,
        values=words.take(pa.array(word)),
        kinds=kinds,
        kind=kind,
        families=families,
        family=index[kind] if len(kinds) else np.zeros(0, dtype=np.int64),
        level=level[kind] if len(kinds) else np.zeros(0, dtype=np.int64),
        degree=np.bincount(value, minlength=len(word)).astype(np.int64),
    )


def _codes(column: pa.ChunkedArray) -> tuple[pa.Array, Codes]:
    """Distinct strings as they come, and each row's place among them."""
    # Encoding gives all chunks one dictionary; those of columns that were read as codes may differ.
    coded = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    if not coded.num_chunks:
        return pa.array([], pa.string()), np.zeros(0, dtype=np.int32)
    return coded.chunk(0).dictionary, np.concatenate([chunk.indices.to_numpy(zero_copy_only=False)
                                                      for chunk in coded.chunks])


def _counts(column: pa.ChunkedArray) -> Ints:
    """Counts; 1 where none is given."""
    counts: Ints = column.fill_null(1).to_numpy().astype(np.int64)
    return counts


def _apart(word: Codes, kind: Codes, words: int) -> tuple[Codes, Ints, Ints]:
    """Values from words: a word that was seen as several kinds is as many values.

    Gives each row's value, and each value's word and kind.
    """
    kind_of = np.zeros(words, dtype=np.int64)
    kind_of[word] = kind
    other = np.flatnonzero(kind_of[word] != kind)
    kinds = int(kind.max(initial=0)) + 1
    more, place = np.unique(word[other].astype(np.int64) * kinds + kind[other], return_inverse=True)
    if len(other):
        word = word.copy()
        word[other] = words + place
    return word, np.concatenate([np.arange(words), more // kinds]), np.concatenate([kind_of, more % kinds])


def compact(key: Ints, size: int) -> tuple[Ints, Ints]:
    """Distinct keys (all below ``size``), ascending, and each key's place among them."""
    if size > 8 * len(key) + 1_000_000:
        keys, place = np.unique(key, return_inverse=True)
        return keys, place
    held = np.zeros(size, dtype=bool)
    held[key] = True
    return np.flatnonzero(held), np.cumsum(held)[key] - 1


def starts(code: Ints, size: int) -> Ints:
    """Where each code's run begins in a sorted list of codes below ``size``; at the end, how long the list is."""
    place = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(code, minlength=size), out=place[1:])
    return place


def spans(first: Ints, length: Ints) -> Ints:
    """``first[0]``, ``first[0] + 1``, … as many as ``length[0]`` says, then those of the next."""
    ends = np.cumsum(length)
    places: Ints = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - (ends - length), length)
    return places


def _mix(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A 64-bit finaliser (Stafford's variant 13 of MurmurHash3's), vectorised; wraps on overflow."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _colours(account: Codes, value: Codes, count: Ints, accounts: int, values: int) -> tuple[Colours, Colours]:
    """Colours of accounts and of values by refinement (Weisfeiler–Lehman) on the coincidences.

    They start from the counts and are refined over three rounds; sums make them independent of row order. What still
    ties is alike in all that the statistics look at; only that is ordered by name.
    """
    of_account = np.zeros(accounts, dtype=np.uint64)
    of_value = np.zeros(values, dtype=np.uint64)
    for _ in range(3):
        of_value = _gather(value, of_account, account, count, values)
        of_account = _gather(account, of_value, value, count, accounts)
    return of_account, of_value


def _ranked(colour: Colours, words: pa.Array, word: Ints | None = None) -> tuple[Ints, Ints]:
    """Codes in order of their colours, of equals in the order of names; and each one's place in that order.

    ``word`` is each code's place among the ``words``; left out where they are the codes' own.
    """
    order = np.argsort(colour, kind="stable").astype(np.int64)
    ranked = colour[order]
    same = ranked[1:] == ranked[:-1]
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    place = np.flatnonzero(tied)
    if len(place):
        codes = order[place]
        names = words.take(pa.array(codes if word is None else word[codes]))
        by_name = _places(pc.sort_indices(names).to_numpy())
        order[place] = codes[np.lexsort((by_name, ranked[place]))]
    return order, _places(order)


def _places(order: Ints) -> Ints:
    """Each code's place in an order of codes."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


def _gather(index: Codes, colour: Colours, of: Codes, count: Ints, size: int) -> Colours:
    """New colours of ``index``: from the counts of its rows, and the colours of what they were seen with."""
    total = np.zeros(size, dtype=np.uint64)
    for first in range(0, len(index), _ROWS):  # what a block of rows takes fits the cache
        here = slice(first, first + _ROWS)
        np.add.at(total, index[here], _mix(colour[of[here]] + _mix(count[here].astype(np.uint64) + _MULTIPLIER)))
    return _mix(total * _MULTIPLIER)
