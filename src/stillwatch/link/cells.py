"""Sightings as cells: what one account carries of one kind, ready for many passes over all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from stillwatch.link.incidence import Incidence, Ints, compact, spans, starts
from stillwatch.link.pairs import Floats

__all__ = ["Cells", "cells_of"]


@dataclass(frozen=True)
class Cells:
    """A cell is one account's values of one kind.

    Cells are sorted by account, then kind: ``owner`` and ``kind`` name them, ``size`` counts their values.
    ``account``, ``value`` and ``cell`` list the coincidences whose value at least two accounts carry and not
    all of them do: the others tell nobody apart. ``family`` is each kind's; ``population`` is each value's
    share of all coincidences of its kind, smoothed by one coincidence a value, ``total`` and ``distinct`` the
    kinds' numbers of coincidences and of values.
    """

    incidence: Incidence
    owner: Ints
    kind: Ints
    size: Floats
    account: Ints
    value: Ints
    cell: Ints
    family: Ints
    total: Floats
    distinct: Floats
    has_family: np.ndarray[tuple[int, int], np.dtype[np.bool_]]

    @cached_property
    def _rows(self) -> Ints:
        return starts(self.account, self.accounts)

    @cached_property
    def _cells(self) -> Ints:
        return starts(self.owner, self.accounts)

    @cached_property
    def _by_value(self) -> tuple[Ints, Ints]:
        values = len(self.incidence.degree)
        turned = sp.csr_array((np.arange(len(self.value)), self.value, self._rows),
                              shape=(self.accounts, values)).tocsc()
        return turned.indptr.astype(np.int64), turned.data

    def rows_of(self, accounts: Ints) -> tuple[Ints, Ints]:
        """Places of the accounts' coincidences, one account after another, and how many each has."""
        first, many = self._rows[accounts], self._rows[accounts + 1] - self._rows[accounts]
        return spans(first, many), many

    def rows_with(self, values: Ints) -> tuple[Ints, Ints]:
        """Places of the coincidences of ``values``, one value after another, and how many each has."""
        start, row = self._by_value
        many = start[values + 1] - start[values]
        return np.asarray(row[spans(start[values], many)], dtype=np.int64), many

    def per_kind(self, account: Ints, group: Ints, groups: int) -> tuple[Floats, Floats]:
        """Coincidences of the groups' members, and members that have any (both kinds × groups).

        ``account`` and ``group`` list who is in which of ``groups``.
        """
        many = self._cells[account + 1] - self._cells[account]
        cell = spans(self._cells[account], many)
        slot = self.kind[cell] * groups + np.repeat(group, many)
        held, having = (np.bincount(slot, weights=weights, minlength=self.kinds * groups).astype(np.float64)
                        for weights in (self.size[cell], None))
        return held.reshape(self.kinds, groups), having.reshape(self.kinds, groups)

    def of(self, accounts: Ints) -> Cells:
        """The same cells, with those of ``accounts`` (sorted codes) alone; what values are worth stays as it was."""
        keep = np.zeros(self.accounts, dtype=bool)
        keep[accounts] = True
        cells, rows = np.flatnonzero(keep[self.owner]), keep[self.account]
        return replace(
            self, owner=self.owner[cells], kind=self.kind[cells], size=self.size[cells], account=self.account[rows],
            value=self.value[rows], cell=np.searchsorted(cells, self.cell[rows]))

    def only(self, accounts: Ints) -> Cells:
        """Cells of ``accounts`` (sorted codes) alone, numbered from 0 with the values that they carry: what many passes
        over a small part of large data look at. What values are worth stays as it was."""
        here = self.of(accounts)
        values, value = compact(here.value, len(self.incidence.degree))
        account = np.searchsorted(accounts, here.account)
        whole = self.incidence
        incidence = replace(
            whole, accounts=whole.accounts.take(pa.array(accounts)), values=whole.values.take(pa.array(values)),
            account=account, value=value, kind=whole.kind[values], family=whole.family[values],
            level=whole.level[values], degree=whole.degree[values])
        return replace(
            here, incidence=incidence, owner=np.searchsorted(accounts, here.owner), account=account, value=value,
            has_family=self.has_family[accounts],
        )

    @property
    def accounts(self) -> int:
        """Number of accounts."""
        return self.incidence.size

    @property
    def kinds(self) -> int:
        """Number of kinds."""
        return len(self.family)


def cells_of(incidence: Incidence) -> Cells:
    """Arrange the coincidences by account and kind."""
    kinds = len(incidence.kinds)
    row_kind = incidence.kind[incidence.value]
    key = incidence.account * max(1, kinds) + row_kind
    cells, cell, size = np.unique(key, return_inverse=True, return_counts=True)
    degree = incidence.degree[incidence.value]
    tells = (degree >= 2) & (degree < incidence.size)
    family = np.zeros(kinds, dtype=np.int64)
    family[incidence.kind] = incidence.family
    return Cells(
        incidence=incidence,
        owner=cells // max(1, kinds),
        kind=cells % max(1, kinds),
        size=size.astype(np.float64),
        account=incidence.account[tells],
        value=incidence.value[tells],
        cell=cell[tells].astype(np.int64),
        family=family,
        total=np.bincount(row_kind, minlength=kinds).astype(np.float64),
        distinct=np.bincount(incidence.kind, minlength=kinds).astype(np.float64),
        has_family=incidence.has_family(),
    )
