"""Groups → streams: which exchanges of its accounts belong to a group's own work.

An account is not the unit of theft: a proxy network relays ordinary customers through the same accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engine import Engine, Relation

__all__ = ["Stream", "attributed", "separate"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NO_FAMILY = ""
_ROUNDS = 100
_LOGIT = {"own": (0.80, 1.60), "usual": (-2.00, 0.95)}
"""Mean and standard deviation of the logit of a family's ``harvest``, in campaigns' own work and in everybody's
traffic; from the fitting scenarios (assorted, seed 300, and lookalikes, seed 100, half A of the prompts). The ratio of
the two densities is used within a factor of ten either way: it shifts what sharing says, and never decides by
itself."""


@dataclass(frozen=True)
class Stream:
    """What a group's own work consists of.

    ``table`` holds ``account_id, template_id, system_id, own``: the probability that an exchange of that member with
    that content belongs to the group's work (``NO_FAMILY`` where the text belongs to no family); ``share`` is the
    share of the members' exchanges that does.
    """

    table: pa.Table
    share: float


def separate(content: pa.Table, members: pa.Array) -> Stream:
    """Split the members' traffic into the group's own work and what everybody sends.

    ``content`` holds ``account_id, template_id, system_id, count`` and, where known, ``harvest``. Member a sends
    content c with probability π_a θ(c) + (1−π_a) θ_P(c): its own share π_a of the common work list θ, the rest as the
    population θ_P, which is measured on everybody else and stays fixed. θ and π are fitted by EM; how much c looks
    like work that pipelines send weighs in. A content that fewer than two members sent, or whose text and system
    text belong to no family, cannot be told from anybody's: it is nobody's own.
    """
    keys = ["template_id", "system_id"]
    for key in keys:
        filled = pc.fill_null(content[key], NO_FAMILY)
        content = content.set_column(content.schema.get_field_index(key), key, filled)
    inside = pc.is_in(content["account_id"], value_set=members)
    given, rest = content.filter(inside), content.filter(pc.invert(inside))
    # Sums of fractions depend on their order in the last bits.
    order = pc.sort_indices(given, sort_keys=[(key, "ascending") for key in ("account_id", *keys)])
    mine = given.take(order)
    names = mine.group_by(keys, use_threads=False).aggregate([("account_id", "count_distinct"), ("count", "sum")])
    names = names.sort_by([(key, "ascending") for key in keys])
    place = _places(mine, names)
    theirs = np.bincount(_places(rest, names), weights=rest["count"].to_numpy(),
                         minlength=names.num_rows + 1)[1:] if rest.num_rows else np.zeros(names.num_rows)
    others = float(pc.sum(rest["count"]).as_py() or 0)
    usual = (theirs + 0.5) / (others + 0.5 * max(1, names.num_rows))
    carried = names["account_id_count_distinct"].to_numpy() >= min(2, len(members))
    known = carried & ~(pc.equal(names["template_id"], NO_FAMILY).to_numpy()
                        & pc.equal(names["system_id"], NO_FAMILY).to_numpy())
    accounts, account = np.unique(mine["account_id"].to_pylist(), return_inverse=True)
    count = mine["count"].to_numpy().astype(np.float64)
    looks = _looks(mine["harvest"]) if "harvest" in mine.column_names else np.ones(mine.num_rows)
    own = _own(account, place - 1, count, usual, looks * known[place - 1], len(accounts))
    share = float((own * count).sum() / max(1.0, count.sum()))
    as_given = np.empty_like(own)
    as_given[order.to_numpy()] = own
    return Stream(given.select(["account_id", *keys]).append_column("own", pa.array(as_given)), share)


def _places(rows: pa.Table, names: pa.Table) -> Ints:
    """Each row's content as its place among ``names``, from 1; 0 where it is not there."""
    joined = [pc.binary_join_element_wise(t["template_id"], t["system_id"], "|").combine_chunks()
              for t in (rows, names)]
    found: Ints = pc.fill_null(pc.index_in(joined[0], value_set=joined[1]), -1).to_numpy().astype(np.int64) + 1
    return found


def _looks(harvest: pa.ChunkedArray) -> Floats:
    """Likelihood ratio of content that looks as it does, own work against everybody's; 1 where nothing is known."""
    known = pc.fill_null(harvest, np.nan).to_numpy()
    clipped = np.clip(known, 1e-3, 1 - 1e-3)
    logit = np.log(clipped / (1 - clipped))
    (own, wide), (usual, narrow) = _LOGIT["own"], _LOGIT["usual"]
    # Beyond the campaigns' mean the ratio does not fall again, nor does it rise again far below everybody's: what looks
    # even more like their work is not less so.
    at_most = np.clip(logit, usual - 2 * narrow, own)
    ratio = (narrow / wide) * np.exp(((at_most - usual) / narrow) ** 2 / 2 - ((at_most - own) / wide) ** 2 / 2)
    return np.where(np.isnan(known), 1.0, np.clip(ratio, 0.1, 10.0))


def _own(account: Ints, place: Ints, count: Floats, usual: Floats, looks: Floats, accounts: int) -> Floats:
    """Probability that each row is own work, by EM; shares are shrunk to the group's by two exchanges."""
    share = np.full(accounts, 0.5)
    work: Floats = np.bincount(place, weights=count, minlength=len(usual)).astype(np.float64)
    work = work / max(1.0, float(work.sum()))
    total = np.bincount(account, weights=count, minlength=accounts)
    own = np.zeros(len(count))
    for _ in range(_ROUNDS):
        mine = share[account] * work[place] * looks
        new = mine / (mine + (1.0 - share[account]) * usual[place])
        moved = float(np.abs(new - own).max(initial=0.0))
        own = new
        weight = own * count
        usual_share = weight.sum() / max(1.0, count.sum())
        share = (np.bincount(account, weights=weight, minlength=accounts) + 2.0 * usual_share) / (total + 2.0)
        share = np.minimum(share, 1.0 - 1e-6)
        work = np.bincount(place, weights=weight, minlength=len(usual)).astype(np.float64) + 1e-9
        work = work / work.sum()
        if moved < 1e-3:
            break
    return own


def attributed(engine: Engine, staged: Relation, texts: Relation, members: pa.Table, streams: pa.Table) -> Relation:
    """Exchanges that are attributed: more probably the group's own than not, each to one group at most.

    ``members`` holds ``group_id, account_id, probability`` and ``streams`` ``group_id, account_id, template_id,
    system_id, own``. Returns the staged columns with ``capability`` and ``capability_probability`` (the text's, and
    the structure's where there is no text), the text's ``harvest``, ``group_id`` and ``chance``. Of several groups
    the most probable one has it, ties by name. Without text, all of a member's exchanges are the group's, as surely
    as the account is.
    """
    member, stream = engine.table(members), engine.table(streams)
    known = texts.select("text_digest", "template_id", "system_id", "capability", "harvest", has_text=True,
                         capability_probability=texts.probability)
    rows = staged.inner_join(member, "account_id").left_join(known, "text_digest")
    rows = rows.drop("text_digest_right") if "text_digest_right" in rows.columns else rows
    rows = rows.mutate(capability=rows.capability.fill_null(rows.structure_capability),
                       capability_probability=rows.capability_probability.fill_null(rows.structure_probability),
                       template_key=rows.template_id.fill_null(NO_FAMILY),
                       system_key=rows.system_id.fill_null(NO_FAMILY))
    rows = rows.left_join(
        stream,
        [rows.group_id == stream.group_id, rows.account_id == stream.account_id,
         rows.template_key == stream.template_id, rows.system_key == stream.system_id],
        rname="{name}_stream",
    )
    own = rows.has_text.isnull().ifelse(1.0, rows.own.fill_null(0.0))
    rows = rows.mutate(chance=rows.probability * own).filter(lambda t: t.chance >= 0.5)
    best = rows.group_by("source_file", "source_row").agg(best=rows.chance.max())
    rows = rows.inner_join(best, ["source_file", "source_row"], rname="{name}_best")
    rows = rows.filter(rows.chance == rows.best)
    first = rows.group_by("source_file", "source_row").agg(only=rows.group_id.min())
    rows = rows.inner_join(first, ["source_file", "source_row"], rname="{name}_only")
    return rows.filter(rows.group_id == rows.only)
