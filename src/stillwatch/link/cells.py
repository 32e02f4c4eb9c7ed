"""Sightings as cells: what one account carries of one kind, ready for many passes over all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from stillwatch.link.incidence import Incidence, Ints, compact
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
    carried: sp.csr_array
    has_family: np.ndarray[tuple[int, int], np.dtype[np.bool_]]

    @cached_property
    def carriers(self) -> sp.csr_array:
        """Values × accounts: ``carried`` turned over."""
        return sp.csr_array(self.carried.T)

    @cached_property
    def sizes(self) -> sp.csr_array:
        """Kinds × accounts: how many values of each kind an account carries."""
        return sp.csr_array((self.size, (self.kind, self.owner)), shape=(self.kinds, self.accounts))

    def per_kind(self, member: sp.csr_array) -> tuple[Floats, Floats]:
        """Coincidences of the groups' members, and members that have any (both kinds × groups)."""
        any_of_it = sp.csr_array((np.ones(self.sizes.nnz), self.sizes.indices, self.sizes.indptr),
                                 shape=self.sizes.shape)
        return (self.sizes @ member).toarray(), (any_of_it @ member).toarray()

    def of(self, accounts: Ints) -> Cells:
        """The same cells, with those of ``accounts`` (sorted codes) alone; what values are worth stays as it was."""
        keep = np.zeros(self.accounts, dtype=bool)
        keep[accounts] = True
        cells, rows = np.flatnonzero(keep[self.owner]), keep[self.account]
        account, value = self.account[rows], self.value[rows]
        return replace(
            self, owner=self.owner[cells], kind=self.kind[cells], size=self.size[cells], account=account, value=value,
            cell=np.searchsorted(cells, self.cell[rows]),
            carried=sp.csr_array((np.ones(len(account)), (account, value)), shape=self.carried.shape),
        )

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
            carried=sp.csr_array((np.ones(len(account)), (account, value)), shape=(len(accounts), len(values))),
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
    account, value = incidence.account[tells], incidence.value[tells]
    return Cells(
        incidence=incidence,
        owner=cells // max(1, kinds),
        kind=cells % max(1, kinds),
        size=size.astype(np.float64),
        account=account,
        value=value,
        cell=cell[tells].astype(np.int64),
        family=family,
        total=np.bincount(row_kind, minlength=kinds).astype(np.float64),
        distinct=np.bincount(incidence.kind, minlength=kinds).astype(np.float64),
        carried=sp.csr_array((np.ones(len(account)), (account, value)),
                             shape=(incidence.size, len(incidence.degree))),
        has_family=incidence.has_family(),
    )
