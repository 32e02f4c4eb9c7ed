"""Sightings as integers: which account was seen with which value, in an order that names do not touch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Incidence", "compact", "encode"]

Ints = npt.NDArray[np.int64]
Colours = npt.NDArray[np.uint64]
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
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
    names, account = _codes(sightings["account_id"])
    kind_names, row_kind = _codes(sightings["kind"])
    kinds = tuple(kind_names.to_pylist())
    value_names, row_value = _codes(sightings["value"])
    distinct, value = compact(row_kind * len(value_names) + row_value, len(kinds) * len(value_names))
    count = sightings["count"].fill_null(1).to_numpy().astype(np.int64)
    kind = distinct // max(1, len(value_names))
    of_account, of_value = _colours(account, value, count, len(names), len(distinct))
    order, rank = _ranked(of_account)
    # Values of one kind stay together, kinds in the order of their names.
    place, of = _ranked(kind.astype(np.uint64) << _COLOUR_BITS | of_value >> (np.uint64(64) - _COLOUR_BITS))
    distinct, kind, value = distinct[place], kind[place], of[value]
    # Sorted by account, then value; a coincidence that is repeated counts once.
    key = rank[account] * max(1, len(distinct)) + value
    key.sort()
    key = key[np.diff(key, prepend=-1) != 0]
    account, value = np.divmod(key, max(1, len(distinct)))
    belongs = [family_of.get(kind, (kind, 1)) for kind in kinds]
    families = tuple(sorted({family for family, _ in belongs}))
    index = np.array([families.index(family) for family, _ in belongs], dtype=np.int64)
    level = np.array([level for _, level in belongs], dtype=np.int64)
    return Incidence(
        accounts=names.take(pa.array(order)),
        account=account,
        value=value,
        values=value_names.take(pa.array(distinct % max(1, len(value_names)))),
        kinds=kinds,
        kind=kind,
        families=families,
        family=index[kind] if len(kinds) else np.zeros(0, dtype=np.int64),
        level=level[kind] if len(kinds) else np.zeros(0, dtype=np.int64),
        degree=np.bincount(value, minlength=len(distinct)).astype(np.int64),
    )


def _codes(column: pa.ChunkedArray) -> tuple[pa.Array, Ints]:
    """Distinct strings in sorted order, and each row's place among them."""
    coded = column.combine_chunks().dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    place = _places(order)
    return coded.dictionary.take(pa.array(order)), place[coded.indices.to_numpy(zero_copy_only=False)]


def compact(key: Ints, size: int) -> tuple[Ints, Ints]:
    """Distinct keys (all below ``size``), ascending, and each key's place among them."""
    if size > 8 * len(key) + 1_000_000:
        keys, place = np.unique(key, return_inverse=True)
        return keys, place
    held = np.zeros(size, dtype=bool)
    held[key] = True
    return np.flatnonzero(held), np.cumsum(held)[key] - 1


def _mix(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A 64-bit finaliser (Stafford's variant 13 of MurmurHash3's), vectorised; wraps on overflow."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _colours(account: Ints, value: Ints, count: Ints, accounts: int, values: int) -> tuple[Colours, Colours]:
    """Colours of accounts and of values by refinement (Weisfeiler–Lehman) on the coincidences.

    They start from the counts and are refined over three rounds; sums make them independent of row order. What still
    ties is alike in all that the statistics look at; only that is ordered by name.
    """
    weight = _mix(count.astype(np.uint64) + _MULTIPLIER)
    of_account = np.zeros(accounts, dtype=np.uint64)
    of_value = np.zeros(values, dtype=np.uint64)
    for _ in range(3):
        of_value = _gather(value, _mix(of_account[account] + weight), values)
        of_account = _gather(account, _mix(of_value[value] + weight), accounts)
    return of_account, of_value


def _ranked(colour: Colours) -> tuple[Ints, Ints]:
    """Codes in order of their colours, ties as they were; and each one's place in that order."""
    order = np.argsort(colour, kind="stable").astype(np.int64)
    return order, _places(order)


def _places(order: Ints) -> Ints:
    """Each code's place in an order of codes."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


def _gather(index: Ints, colour: npt.NDArray[np.uint64], size: int) -> npt.NDArray[np.uint64]:
    total = np.zeros(size, dtype=np.uint64)
    np.add.at(total, index, colour)
    return _mix(total * _MULTIPLIER)
