"""Loosely synchronised actions, after SynchroTrap (Cao et al., CCS 2014, section 4).

An action is (account, time, constraint object); two actions of two accounts match when the object is the same and the
times are at most ``window_s`` apart. The similarity of two accounts is the Jaccard index of their actions, summed over
constraints as in the paper: matched / (all actions of both - matched). Pairs that are similar enough, with enough
matched actions to be sustained, are joined by single linkage, which is connected components; large ones are accused.

Constraint objects are the source address, as in the paper's log-in application, and what is asked for, as in its
page-like application: the opening words of a prompt with digits folded. An account acts on an object at most once a
window: the paper counts presence, not volume.

Bounded: an object of more than ``popular`` accounts says nothing and is dropped, its actions with it; so no action is
compared with more than ``3 * popular`` others.

The grid keeps to actions within a day, more than one of them and some similarity: left free, tuning goes to a week, one
action and none, which is connected components by another name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from baselines.shared import Accusation, Parameters, groups_of, query, read

__all__ = ["GRID", "MEASURING", "Pairs", "accuse", "decide", "measure"]

GRID = {
    "constraint": ("address", "opening", "both"),
    "window_s": (3_600, 21_600, 86_400),
    "popular": (10, 30, 100),
    "similarity": (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6),
    "least_matched": (2, 3, 5, 10, 20),
    "least_members": (3, 5, 10, 20, 30, 50),
}
MEASURING = ("constraint", "window_s", "popular")
_OBJECTS = {
    "address": "'a:' || ip",
    # The first six words; a prompt shorter than that is whole.
    "opening": "'o:' || array_to_string(string_split(trim(regexp_replace(lower(left(prompt, 400)), '[0-9\\s]+', ' ',"
               " 'g')), ' ')[1:6], ' ')",
}


@dataclass(frozen=True)
class Pairs:
    """Pairs of accounts with a matched action: how many matched, and how many actions the two have together."""

    names: list[str]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    matched: npt.NDArray[np.int64]
    union: npt.NDArray[np.int64]


def measure(traffic: Path, parameters: Parameters) -> Pairs:
    """Match actions; ``parameters`` gives ``constraint``, ``window_s`` and ``popular``."""
    kinds = _OBJECTS if parameters["constraint"] == "both" else [parameters["constraint"]]
    window = int(parameters["window_s"]) * 1_000_000
    rows = " union all ".join(f"select account_id, epoch_us(ts) as t, {_OBJECTS[kind]} as object"
                              f" from {read(traffic)}" for kind in kinds)
    actions = query(f"""
        with rows as (select * from ({rows}) where account_id is not null and object is not null),
        said as (select object from rows group by 1 having count(distinct account_id) <= {int(parameters['popular'])}),
        once as (select account_id, object, t // {window} as slot, min(t) as t
                 from rows semi join said using (object) group by 1, 2, 3)
        select dense_rank() over (order by account_id) - 1 as account, dense_rank() over (order by object) as object,
               slot, t, row_number() over (order by account_id, object, slot) as id, account_id from once""")
    found = query(f"""
        with near as (
          select x.account as a, y.account as b, x.id as x, y.id as y
          from actions x join (select *, unnest([slot - 1, slot, slot + 1]) as beside from actions) y
            on x.object = y.object and x.slot = y.beside
          where x.account < y.account and abs(x.t - y.t) <= {window}),
        matched as (select a, b, least(count(distinct x), count(distinct y)) as matched from near group by 1, 2),
        sizes as (select account, count(*) as actions from actions group by 1)
        select a, b, matched, p.actions + q.actions - matched as together
        from matched join sizes p on p.account = a join sizes q on q.account = b order by a, b""", actions=actions)
    names = query("select distinct account, account_id from actions order by account",
                  actions=actions)["account_id"].to_pylist()
    return Pairs(names, *(np.asarray(found[name], dtype=np.int64) for name in ("a", "b", "matched", "together")))


def decide(measured: Pairs, parameters: Parameters) -> Accusation:
    """Join pairs that are similar enough for long enough, accuse what is large."""
    kept = ((measured.matched >= parameters["similarity"] * measured.union)
            & (measured.matched >= parameters["least_matched"]))
    return Accusation.of_groups(groups_of(measured.names, measured.left[kept], measured.right[kept],
                                          parameters["least_members"]))


def accuse(traffic: Path, parameters: Parameters) -> Accusation:
    """Accuse every account of a large component."""
    return decide(measure(traffic, parameters), parameters)
