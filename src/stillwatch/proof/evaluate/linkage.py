"""Who is in what: accounts, candidates and labelled groups as sparse incidence, and which belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from stillwatch.errors import InputError
from stillwatch.proof.evaluate.reading import Findings, Truth
from stillwatch.schema.findings import ACCUSED_PROBABILITY, is_detection

__all__ = ["Accounts", "Bools", "Ints", "Judged", "Labelled", "Linkage", "codes", "judged", "labelled"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_DISTILLATION = "distillation"


@dataclass(frozen=True)
class Judged:
    """The candidates in the order of their ids: verdict, probability, q-value, whether a detection, and since when."""

    ids: tuple[str, ...]
    verdicts: tuple[str, ...]
    probability: tuple[float, ...]
    q_value: tuple[float | None, ...]
    detection: Bools
    detectable_at: tuple[Any, ...]


@dataclass(frozen=True)
class Labelled:
    """The labelled groups in the order of their names, and which of them are distillation."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    distillation: Bools


def judged(campaigns: pa.Table) -> Judged:
    """The candidates of a findings folder; ``InputError`` where an id is there twice."""
    rows = campaigns.sort_by("campaign_id")
    ids = rows["campaign_id"].to_pylist()
    if len(set(ids)) < len(ids):
        raise InputError("campaigns.parquet of the findings has a campaign_id twice",
                         remedy="one row is one candidate campaign: run `stillwatch scan` again")
    verdicts, chances, q = (rows[name].to_pylist() for name in ("verdict", "probability", "q_value"))
    found = np.fromiter(map(is_detection, verdicts, chances, q), dtype=bool, count=len(ids))
    return Judged(tuple(ids), tuple(verdicts), tuple(chances), tuple(q), found, tuple(_times(rows["detectable_at"])))


def _times(values: pa.ChunkedArray) -> list[Any]:
    try:
        told: list[Any] = values.to_pylist()
    except (ValueError, OverflowError) as error:
        raise InputError("campaigns.parquet of the findings has a detectable_at beyond the calendar",
                         remedy="run `stillwatch scan` again") from error
    return told


def labelled(campaigns: pa.Table) -> Labelled:
    """The groups of the truth; ``InputError`` where a name has two labels."""
    rows = campaigns.group_by(["campaign", "label"], use_threads=False).aggregate([]).sort_by("campaign")
    names, labels = rows["campaign"].to_pylist(), rows["label"].to_pylist()
    if len(set(names)) < len(names):
        raise InputError("campaigns.parquet of the truth has a group with two labels",
                         remedy="give each labelled group one row and one label")
    return Labelled(tuple(names), tuple(labels), np.array([label == _DISTILLATION for label in labels], dtype=bool))


def codes(values: pa.ChunkedArray, among: Sequence[str] | pa.Array, where: str, remedy: str) -> Ints:
    """Each value's place ``among`` the known ones; ``InputError`` naming ``where`` for one that is not."""
    known = among if isinstance(among, pa.Array) else pa.array(among, pa.string())
    found = pc.index_in(values, value_set=known)
    if found.null_count:
        raise InputError(f"{where} names {found.null_count:,} times what is not in the table of campaigns beside it",
                         remedy=remedy)
    return np.asarray(found.to_numpy(), dtype=np.int64)


@dataclass(frozen=True)
class Accounts:
    """All accounts that any table names, each with its place."""

    ids: pa.Array

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def of(columns: Sequence[pa.ChunkedArray]) -> Accounts:
        """The distinct ids of several columns."""
        chunks = [chunk for column in columns for chunk in column.chunks]
        return Accounts(pc.unique(pa.chunked_array(chunks, pa.string())).drop_null())

    def places(self, column: pa.ChunkedArray) -> Ints:
        """Where the ids of a column are; every one is there."""
        return np.asarray(pc.index_in(column, value_set=self.ids).to_numpy(), dtype=np.int64)

    def mask(self, column: pa.ChunkedArray) -> Bools:
        """Which accounts a column names."""
        mask = np.zeros(len(self), dtype=bool)
        mask[self.places(column)] = True
        return mask


@dataclass(frozen=True)
class Linkage:
    """Likely members of candidates and members of groups, each once.

    ``members`` is candidates × accounts and ``groups`` labelled groups × accounts, both 0/1; ``overlap`` candidates ×
    groups, accounts in common; ``rows`` the same of exchanges, null where they are not known.
    """

    members: sparse.csr_array
    groups: sparse.csr_array
    overlap: sparse.csc_array
    rows: sparse.csc_array | None = None

    @staticmethod
    def of(findings: Findings, truth: Truth, known: Judged, labels: Labelled, accounts: Accounts) -> Linkage:
        """Read both sides' members."""
        likely = findings.members.filter(pc.greater_equal(findings.members["probability"], ACCUSED_PROBABILITY))
        remedy = "run `stillwatch scan` again"
        codes(findings.members["campaign_id"], known.ids, "members.parquet of the findings", remedy)
        one = _incidence(codes(likely["campaign_id"], known.ids, "members.parquet of the findings", remedy),
                         accounts.places(likely["account_id"]), (len(known.ids), len(accounts)))
        other = _incidence(codes(truth.members["campaign"], labels.names, "members.parquet of the truth",
                                 "name every group in the truth's campaigns.parquet"),
                           accounts.places(truth.members["account_id"]), (len(labels.names), len(accounts)))
        return Linkage(one, other, sparse.csc_array(one @ other.T))

    def any_of(self, incidence: sparse.csr_array, rows: Bools) -> Bools:
        """Accounts that are in at least one of the chosen rows."""
        return np.asarray(incidence[np.flatnonzero(rows)].sum(axis=0)).ravel() > 0

    def sizes(self) -> Ints:
        """Likely members a candidate."""
        return np.asarray(self.members.sum(axis=1), dtype=np.int64).ravel()

    def candidates_of(self, group: int, among: Bools, known: Judged, by_rows: bool = False) -> list[tuple[int, int]]:
        """Candidates that overlap a group, best first, each with its overlap.

        Best is most accounts in common; then most exchanges in common, fewest accounts, highest probability, lowest
        q-value; names decide last. ``by_rows`` puts exchanges first.
        """
        accounts, rows = dict(_column(self.overlap, group)), dict(_column(self.rows, group))
        sizes = self._sizes_of([*accounts, *rows])
        chosen = [c for c in {**rows, **accounts} if among[c] and (rows if by_rows else accounts).get(c)]

        def order(c: int) -> tuple[Any, ...]:
            shared = (-accounts.get(c, 0), -rows.get(c, 0))
            q = known.q_value[c]
            return (*(shared[::-1] if by_rows else shared), sizes[c], -known.probability[c],
                    2.0 if q is None else q, known.ids[c])

        return [(c, (rows if by_rows else accounts)[c]) for c in sorted(chosen, key=order)]

    def group_of(self, candidate: int, among: Bools, names: Sequence[str], *, by_rows: bool = False) -> int | None:
        """The group that a candidate overlaps most: in accounts, then in exchanges (``by_rows``: the other way
        round); then the smaller group; names decide last. Null where it overlaps none."""
        accounts, rows = dict(_row(self.overlap, candidate)), dict(_row(self.rows, candidate))
        chosen = [g for g in {**rows, **accounts} if among[g]]

        def order(g: int) -> tuple[Any, ...]:
            shared = (-accounts.get(g, 0), -rows.get(g, 0))
            return (*(shared[::-1] if by_rows else shared), self.groups.indptr[g + 1] - self.groups.indptr[g], names[g])

        return min(chosen, key=order, default=None)

    def _sizes_of(self, candidates: Sequence[int]) -> dict[int, int]:
        sizes = self.members.indptr
        return {c: int(sizes[c + 1] - sizes[c]) for c in candidates}


def _incidence(rows: Ints, columns: Ints, shape: tuple[int, int]) -> sparse.csr_array:
    made = sparse.csr_array(sparse.coo_array((np.ones(len(rows), dtype=np.int64), (rows, columns)), shape=shape))
    made.sum_duplicates()
    made.data[:] = 1
    return made


def _column(matrix: sparse.csc_array | None, column: int) -> Iterator[tuple[int, int]]:
    if matrix is None:
        return iter(())
    part = slice(matrix.indptr[column], matrix.indptr[column + 1])
    return ((int(i), int(n)) for i, n in zip(matrix.indices[part], matrix.data[part], strict=True))


def _row(matrix: sparse.csc_array | None, row: int) -> Iterator[tuple[int, int]]:
    if matrix is None:
        return iter(())
    part = sparse.coo_array(matrix[[row]])
    return ((int(i), int(n)) for i, n in zip(part.coords[1], part.data, strict=True))
