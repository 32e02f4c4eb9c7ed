"""Decoys: the user's own logs with chance in place of coordination.

Within strata of accounts that are alike, whole blocks (address and client seen together), whole sign-ups (payment and
identity together) and contents change owners; each account keeps its number of each, each value the number
of accounts that carry it. What was seen together stays together, so that innocent correlation survives. Decoys falsify
chance coordination only: classes, resellers and popular tools are coordinated, and are judged by their own hypotheses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MAX_CANDIDATES", "MIN_STRATUM", "rewire", "rewire_sightings", "strata"]

MIN_STRATUM = 50
"""Fewest accounts of a stratum; smaller ones are merged."""

MAX_CANDIDATES = 0.25
"""Largest share of a stratum that may belong to one candidate group. Exchanging blocks among accounts that mostly
belong to one group leaves its coordination as it was, and such a decoy falsifies nothing."""


def strata(profiles: pa.Table, accounts: pa.Table | None, groups: Sequence[Collection[str]] = ()) -> pa.Table:
    """Assign each account to a stratum: ``account_id, stratum``.

    Strata are account kind × sign-up month × volume decile. One that is too small, or that too many members of one of
    the candidate ``groups`` are in, is merged over months first, then over kinds, then over two and over five volume
    deciles; what is left is one stratum, with everybody where even that has too many members.
    """
    exchanges = profiles["exchanges"].to_numpy()
    edges = np.quantile(exchanges, np.linspace(0.1, 0.9, 9)) if len(exchanges) else np.zeros(0)
    decile = np.searchsorted(edges, exchanges, side="right")
    kind = np.full(len(exchanges), "", dtype=object)
    month = np.full(len(exchanges), "", dtype=object)
    if accounts is not None:
        place = pc.index_in(profiles["account_id"], value_set=accounts["account_id"])
        kind = np.array(pc.fill_null(accounts["kind"].take(place), "").to_pylist(), dtype=object)
        months = pc.strftime(accounts["created_at"].take(place), format="%Y-%m")
        month = np.array(pc.fill_null(months, "").to_pylist(), dtype=object)
    names = profiles["account_id"].combine_chunks()
    inside = [pc.is_in(names, value_set=pa.array(sorted(group), pa.string())).to_numpy(zero_copy_only=False)
              for group in groups]
    finest = [f"{k}|{m}|{d}" for k, m, d in zip(kind, month, decile, strict=True)]
    coarser = [f"{k}||{d}" for k, d in zip(kind, decile, strict=True)]
    volumes = [[f"||{width * (d // width)}+{width}" for d in decile] for width in (1, 2, 5)]
    chosen = np.array(["all"] * len(exchanges), dtype=object)
    left = np.ones(len(exchanges), dtype=bool)
    for level in (finest, coarser, *volumes):
        words, code, size = np.unique(np.array(level, dtype=object)[left].astype(str), return_inverse=True,
                                      return_counts=True)
        rows = np.flatnonzero(left)
        held = [np.bincount(code, weights=member[rows], minlength=len(words)) for member in inside]
        share = np.max(held, axis=0, initial=0.0) / np.maximum(size, 1) if held else np.zeros(len(words))
        good = ((size >= MIN_STRATUM) & (share <= MAX_CANDIDATES))[code]
        chosen[rows[good]] = words[code[good]]
        left[rows[good]] = False
    if left.any() and any(member[left].mean() > MAX_CANDIDATES for member in inside):
        chosen[:] = "all"
    return pa.table({"account_id": profiles["account_id"], "stratum": pa.array(chosen, pa.string())})


def rewire(blocks: pa.Table, of_account: pa.Table, seed: int) -> pa.Table:
    """Give every block (schema ``BLOCKS``) another owner of the same stratum, at random.

    The result depends on ``seed`` and on what was seen, not on the order of rows, the names of accounts or the
    deployment key.
    """
    order = ["first_seen", "last_seen", "count", "asn", "sdk", "user_agent", "ja4"]
    blocks = _in_order(blocks, order, ["prefix", "ip"], of_account)
    stratum = _codes(_strata_of(blocks["account_id"], of_account))
    owner = blocks["account_id"].take(pa.array(_exchange(stratum, np.random.default_rng(seed))))
    return blocks.set_column(blocks.schema.get_field_index("account_id"), blocks.schema.field("account_id"), owner)


SIGN_UP = frozenset({"payment", "identity"})
"""Families that are fixed at sign-up: they change owners together, as one record."""


def rewire_sightings(sightings: pa.Table, of_account: pa.Table, family_of: Mapping[str, tuple[str, int]],
                     seed: int) -> pa.Table:
    """Give sightings (schema ``SIGHTINGS``) that no block carries other owners of the same stratum, at random.

    What an account signed up with moves as one; other sightings move one by one within their kind. The result
    depends on ``seed`` and on what was seen, not on the order of rows, the names of accounts or the deployment key.
    """
    sightings = _in_order(sightings, ["kind", "first_seen", "last_seen", "count"], ["value"], of_account)
    rng = np.random.default_rng([seed, 1])
    words = sightings["account_id"].combine_chunks().dictionary_encode()
    account = words.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    stratum = _codes(_strata_of(words.dictionary, of_account))
    kinds = sightings["kind"].combine_chunks().dictionary_encode()
    kind = kinds.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    at_sign_up = np.array([family_of.get(name, (name, 1))[0] in SIGN_UP for name in kinds.dictionary.to_pylist()],
                          dtype=bool)[kind]
    # Accounts stand in the order in which sorted sightings first name them, so that their names do not matter.
    other = _exchange(stratum, rng)
    owner = account.copy()
    owner[at_sign_up] = other[account[at_sign_up]]
    loose = np.flatnonzero(~at_sign_up)
    owner[loose] = account[loose][_exchange(kind[loose] * (int(stratum.max(initial=0)) + 1) + stratum[account[loose]],
                                            rng)]
    names = words.dictionary.take(pa.array(owner))
    return sightings.set_column(sightings.schema.get_field_index("account_id"), sightings.schema.field("account_id"),
                                names)


def _in_order(table: pa.Table, columns: list[str], digests: list[str], of_account: pa.Table) -> pa.Table:
    """Rows in the order of what ``columns`` say, then of the accounts' strata.

    Rows that are alike in that follow what else was seen with their ``digests`` and with their accounts. Names and
    digests, which another deployment key makes others, order only rows that are alike in all of it.
    """
    stratum = _strata_of(table["account_id"], of_account)
    table = table.append_column("stratum", stratum).sort_by(
        [(name, "ascending") for name in (*columns, "stratum", *digests, "account_id")])
    differs = np.zeros(table.num_rows, dtype=bool)
    for name in (*columns, "stratum"):
        differs[1:] |= np.diff(_codes(table[name])) != 0
    table = table.drop_columns(["stratum"])
    if differs[1:].all():
        return table
    row = np.cumsum(differs)
    # What was seen with an account or a digest as one number: the sum, modulo 2⁶⁴, of a random one for each row's like.
    number = np.random.default_rng(0).integers(2**63, size=int(row[-1]) + 1, dtype=np.uint64)
    company = [_sums(_codes(table[name]), number[row]) for name in (*digests, "account_id")]
    return table.take(pa.array(np.lexsort((*reversed(company), row))))


def _sums(code: npt.NDArray[np.int64], number: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """For each row, the sum of the numbers of all rows with its code."""
    sums = np.zeros(int(code.max()) + 2, dtype=np.uint64)
    np.add.at(sums, code, number)
    return sums[code]


def _strata_of(account: pa.ChunkedArray | pa.Array, of_account: pa.Table) -> pa.ChunkedArray | pa.Array:
    """Each account's stratum, "all" where it has none."""
    return pc.fill_null(of_account["stratum"].take(pc.index_in(account, value_set=of_account["account_id"])), "all")


def _codes(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    """Distinct entries numbered as they come, −1 where there is none."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    indices = column.dictionary_encode().indices
    codes: npt.NDArray[np.int64] = pc.fill_null(indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _exchange(block: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """For each place, the place that it takes from: a random permutation within every block."""
    source = np.empty(len(block), dtype=np.int64)
    source[np.argsort(block, kind="stable")] = np.lexsort((rng.random(len(block)), block))
    return source
