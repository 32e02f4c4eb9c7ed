"""Groups → streams: which exchanges of its accounts belong to a group's own work.

An account is not the unit of theft: a proxy network relays ordinary customers through the same accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engine import Engine, Relation

__all__ = ["Stream", "attributed", "separate"]

NO_FAMILY = ""
_ENOUGH = 10


@dataclass(frozen=True)
class Stream:
    """What a group's own work consists of.

    ``table`` holds ``template_id, system_id, own`` (probability that an exchange of a member with this content
    belongs to the group's work; ``NO_FAMILY`` where the text belongs to none); ``share`` is the share of the
    members' exchanges that does.
    """

    table: pa.Table
    share: float


def separate(content: pa.Table, members: pa.Array) -> Stream:
    """Split the members' traffic into the group's own work and what everybody sends.

    ``content`` holds ``account_id, template_id, system_id, count``. Members' traffic is a mixture
    θ_G = w θ_own + (1−w) θ_P of own work and of the population's, measured on everybody else. What cannot be the
    population's excess bounds 1−w from above: the smallest upper confidence bound of θ_G(c)/θ_P(c) over contents c
    (mixture proportion estimation; Blanchard, Lee & Scott 2010). An exchange of content c is then the group's own
    with probability 1 − (1−w) θ_P(c)/θ_G(c), at least 0.

    A content that fewer than two members sent, or fewer than ``_ENOUGH`` times, has no frequency worth comparing:
    all of those are one content, with everything in the population that is not the group's.
    """
    keys = ["template_id", "system_id"]
    for key in keys:  # a join never matches null with null
        filled = pc.fill_null(content[key], NO_FAMILY)
        content = content.set_column(content.schema.get_field_index(key), key, filled)
    inside = pc.is_in(content["account_id"], value_set=members)
    mine = content.filter(inside).group_by(keys, use_threads=False).aggregate(
        [("count", "sum"), ("account_id", "count_distinct")])
    rest = content.filter(pc.invert(inside)).group_by(keys, use_threads=False).aggregate([("count", "sum")])
    both = mine.join(rest, keys, join_type="left outer", right_suffix="_rest").sort_by([(k, "ascending") for k in keys])
    ours = both["count_sum"].to_numpy().astype(np.float64)
    theirs = pc.fill_null(both["count_sum_rest"], 0).to_numpy().astype(np.float64)
    carried = both["account_id_count_distinct"].to_numpy() >= min(2, len(members))
    own_content = carried & (ours >= _ENOUGH)
    total, others = max(1.0, ours.sum()), float(pc.sum(rest["count_sum"]).as_py() or 0)
    ours = np.append(ours[own_content], ours[~own_content].sum())
    theirs = np.append(theirs[own_content], others - theirs[own_content].sum())
    usual = (theirs + 0.5) / (others + 0.5 * len(theirs))
    upper = (ours + 1.0 + 2.0 * np.sqrt(ours + 1.0)) / total
    relayed = float(min(1.0, (upper / usual).min())) if others else 0.0
    own = np.clip(1.0 - relayed * usual / np.maximum(ours / total, 1e-300), 0.0, 1.0)
    own[ours == 0] = 0.0
    share = float((own * ours).sum() / total)
    each = np.full(both.num_rows, own[-1])
    each[own_content] = own[:-1]
    return Stream(both.select(keys).append_column("own", pa.array(each)), share)


def attributed(engine: Engine, staged: Relation, texts: Relation, members: pa.Table, streams: pa.Table) -> Relation:
    """Exchanges that are attributed: more probably the group's own than not, each to one group at most.

    ``members`` holds ``group_id, account_id, probability`` and ``streams`` ``group_id, template_id, system_id,
    own``. Returns the staged columns with the text's ``capability`` and ``harvest``, ``group_id`` and ``chance``. Of
    several groups the most probable one has it, ties by name. Without text, all of a member's exchanges are the
    group's, as surely as the account is.
    """
    member, stream = engine.table(members), engine.table(streams)
    known = texts.select("text_digest", "template_id", "system_id", "capability", "harvest", has_text=True)
    rows = staged.inner_join(member, "account_id").left_join(known, "text_digest")
    rows = rows.drop("text_digest_right") if "text_digest_right" in rows.columns else rows
    rows = rows.mutate(template_key=rows.template_id.fill_null(NO_FAMILY),
                       system_key=rows.system_id.fill_null(NO_FAMILY))
    rows = rows.left_join(
        stream,
        [rows.group_id == stream.group_id, rows.template_key == stream.template_id,
         rows.system_key == stream.system_id],
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
