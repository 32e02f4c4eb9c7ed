"""Between linking and judging: groups as candidates, their exchanges, and the findings' tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engine import Engine, Relation, mean_share, token_sum
from stillwatch.judge import Candidate, Judged, SharedValue, rewire, rewire_sightings
from stillwatch.link import Group, Linked, attributed, encode, find_groups, group_name, separate, shared_values
from stillwatch.observe import moving_sightings
from stillwatch.schema import (
    ACTIVITY,
    ATTRIBUTED,
    CAMPAIGNS,
    EVIDENCE,
    FAMILY_OF,
    HOURS,
    MEMBERS,
    SAMPLES,
    USAGE,
    Table,
    conform,
)
from stillwatch.settings import DeploymentKey

__all__ = ["AttributedWork", "Candidates", "attribute", "candidates_of", "findings_tables", "score_decoys"]

_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_BY_HOUR = 40  # accounts a campaign whose hours are kept
_SAMPLES = 5
_LEAST = 0.2  # share of the median participant's exchanges, and of its share, that a participant has
_ALIKE = 0.5  # share of the median participant's mean ``harvest`` that a participant has


@dataclass(frozen=True)
class Candidates:
    """Groups large enough to be judged, and their members as ``group_id, account_id, probability``."""

    candidates: tuple[Candidate, ...]
    members: pa.Table


@dataclass(frozen=True)
class AttributedWork:
    """The attributed exchanges (see ``link.streams.attributed``) and, a group and account, how many and when."""

    exchanges: Relation
    by_account: dict[tuple[str, str], tuple[int, datetime, datetime]]


def candidates_of(linked: Linked, sightings: pa.Table, key: DeploymentKey) -> Candidates:
    """The groups as candidates, strongest first."""
    names = np.array(linked.incidence.accounts.to_pylist(), dtype=object)
    shown = sightings.filter(pc.is_valid(sightings["label"])).group_by(["kind", "value"], use_threads=False).aggregate(
        [("label", "min")])
    labels = {(row["kind"], row["value"]): row["label_min"] for row in shown.to_pylist()}
    found = [_candidate(linked, group, names, labels, key) for group in linked.groups]
    members = pa.table({
        "group_id": pa.array([c.group_id for c in found for _ in c.accounts], pa.string()),
        "account_id": pa.array([account for c in found for account in c.accounts], pa.string()),
        "probability": pa.array([p for c in found for p in c.probability], pa.float64()),
    })
    return Candidates(tuple(found), members)


def _candidate(linked: Linked, group: Group, names: Any, labels: dict[tuple[str, str], str],
               key: DeploymentKey) -> Candidate:
    incidence = linked.incidence
    codes, carriers, bits = shared_values(incidence, group.members)
    values = incidence.values.take(pa.array(codes)).to_pylist()
    shared = []
    for code, value, members, worth in zip(codes, values, carriers, bits, strict=True):
        kind = incidence.kinds[incidence.kind[code]]
        shared.append(SharedValue(kind, incidence.families[incidence.family[code]], value, labels.get((kind, value)),
                                  int(members), int(incidence.degree[code]), float(worth)))
    shared.sort(key=lambda v: (-v.bits, v.kind, v.value))
    accounts = names[group.members]
    order = np.argsort(accounts.astype(str), kind="stable")
    return Candidate(
        group_id=group_name(accounts.tolist(), key),
        accounts=tuple(accounts[order]),
        probability=group.probability[order],
        families=incidence.families,
        bits=group.bits[order],
        strength=dict(zip(incidence.families, map(float, group.strength), strict=True)),
        score=group.score,
        shared=tuple(shared),
    )


def attribute(engine: Engine, staged: Relation, texts: Relation, content: pa.Table, members: pa.Table,
              profiles: pa.Table) -> AttributedWork:
    """Separate each group's own work from everybody's traffic and attribute its exchanges.

    ``members`` holds ``group_id, account_id, probability``. An account that does less than a fifth of what the median
    participant does, in exchanges or as a share of its own traffic (``profiles``), takes no part: that is what a
    stranger sends who happens to use the same wordings. Nor does one whose share of the work reads less than half as
    much like the requests of pipelines as the median's: it works at the same problems, for itself.
    """
    streams = []
    for group in sorted(set(members["group_id"].to_pylist())):
        accounts = members.filter(pc.equal(members["group_id"], group))["account_id"].combine_chunks()
        own = separate(content, accounts).table
        streams.append(own.append_column("group_id", pa.repeat(pa.scalar(group), own.num_rows)))
    none = pa.table({name: pa.array([], pa.float64() if name == "own" else pa.string())
                     for name in ("account_id", "template_id", "system_id", "own", "group_id")})
    stream = pa.concat_tables([none, *streams])
    exchanges = engine.keep(attributed(engine, staged, texts, members, stream))
    rows = engine.arrow(exchanges.group_by("group_id", "account_id").agg(
        count=exchanges.count(), first=exchanges.ts.min(), last=exchanges.ts.max(),
        harvest=mean_share(exchanges.harvest))).to_pylist()
    rows = _participants(rows, dict(zip(profiles["account_id"].to_pylist(), profiles["exchanges"].to_pylist(),
                                        strict=True)))
    kept = engine.table(pa.table({name: pa.array([row[name] for row in rows], pa.string())
                                  for name in ("group_id", "account_id")}))
    exchanges = engine.keep(exchanges.inner_join(kept, ["group_id", "account_id"]))
    return AttributedWork(exchanges, {(row["group_id"], row["account_id"]): (row["count"], row["first"], row["last"])
                                      for row in rows})


def _participants(rows: list[dict[str, Any]], total: dict[str, int]) -> list[dict[str, Any]]:
    """The rows of those who do enough, and the same."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        row["share"] = row["count"] / max(1, total.get(row["account_id"], row["count"]))
        groups.setdefault(row["group_id"], []).append(row)
    found = []
    for of_group in groups.values():
        least = {}
        for what, part in (("count", _LEAST), ("share", _LEAST), ("harvest", _ALIKE)):
            known = [row[what] for row in of_group if row[what] is not None]
            least[what] = part * median(known) if known else 0.0
        found += [row for row in of_group if all(row[what] is None or row[what] >= bound
                                                 for what, bound in least.items())]
    return found


def score_decoys(blocks: pa.Table, fixed: pa.Table, known: pa.Table, of_account: pa.Table, left_out: set[str],
                 seed: int) -> list[float]:
    """Scores of the groups found in one decoy data set, by the same search as the real ones."""
    if left_out:
        absent = pa.array(sorted(left_out), pa.string())
        blocks = blocks.filter(pc.invert(pc.is_in(blocks["account_id"], value_set=absent)))
        fixed = fixed.filter(pc.invert(pc.is_in(fixed["account_id"], value_set=absent)))
    moved = moving_sightings(rewire(blocks, of_account, seed), known)
    sightings = pa.concat_tables([rewire_sightings(fixed, of_account, FAMILY_OF, seed), moved])
    return [group.score for group in find_groups(encode(sightings, FAMILY_OF), seed)]


def findings_tables(engine: Engine, work: AttributedWork, staged: Relation, texts: pa.Table,
                    judged: Judged) -> dict[str, tuple[Table, pa.Table]]:
    """The findings' tables by file name."""
    own = work.exchanges
    rows = engine.arrow(own.select("exchange_id", "capability", "capability_probability", campaign_id=own.group_id,
                                   probability=own.chance))
    return {
        "campaigns": (CAMPAIGNS, judged.campaigns),
        "members": (MEMBERS, judged.members),
        "evidence": (EVIDENCE, judged.evidence.sort_by(
            [("campaign_id", "ascending"), ("bits", "descending"), ("kind", "ascending"), ("value", "ascending")])),
        "exchanges": (ATTRIBUTED, rows),
        "activity": (ACTIVITY, _activity(engine, own, staged, judged.campaigns["campaign_id"].to_pylist())),
        "hours": (HOURS, _hours(engine, work)),
        "usage": (USAGE, _usage(engine, own)),
        "samples": (SAMPLES, _samples(engine, own, texts)),
    }


def _activity(engine: Engine, own: Relation, staged: Relation, campaigns: list[str]) -> pa.Table:
    """Every campaign on every day of the logs, days without its exchanges included."""
    ours = own.mutate(day=own.ts_us // _DAY_US)
    ours = engine.arrow(ours.group_by("group_id", "day").agg(
        exchanges=ours.count(), accounts=ours.account_id.nunique())).to_pylist()
    all_rows = staged.mutate(day=staged.ts_us // _DAY_US)
    everybody = engine.arrow(all_rows.group_by("day").agg(count=all_rows.count())).to_pylist()
    population = {int(row["day"]): row["count"] for row in everybody}
    sent = {(row["group_id"], int(row["day"])): row for row in ours}
    days = range(min(population, default=0), max(population, default=-1) + 1)
    none = {"exchanges": 0, "accounts": 0}
    rows = [{"campaign_id": campaign, "day": day * _DAY_US, "population_exchanges": population.get(day, 0),
             **{name: sent.get((campaign, day), none)[name] for name in none}}
            for campaign in campaigns for day in days]
    shape = ACTIVITY.arrow.set(ACTIVITY.names.index("day"), pa.field("day", pa.int64()))
    return conform(pa.Table.from_pylist(rows, schema=shape), ACTIVITY)


def _hours(engine: Engine, work: AttributedWork) -> pa.Table:
    """The hours of the busiest accounts a campaign; equals by when they began."""
    busiest: dict[str, list[tuple[int, datetime, str]]] = {}
    for (group, account), (count, first, _) in work.by_account.items():
        busiest.setdefault(group, []).append((-count, first, account))
    chosen = [(group, account) for group, ranked in sorted(busiest.items())
              for _, _, account in sorted(ranked)[:_BY_HOUR]]
    kept = engine.table(pa.table({"group_id": pa.array([group for group, _ in chosen], pa.string()),
                                  "account_id": pa.array([account for _, account in chosen], pa.string())}))
    own = work.exchanges.mutate(hour=work.exchanges.ts_us // _HOUR_US).inner_join(kept, ["group_id", "account_id"])
    rows = engine.arrow(own.group_by("group_id", "account_id", "hour").agg(exchanges=own.count())).to_pylist()
    made = [{"campaign_id": row["group_id"], "account_id": row["account_id"], "hour": int(row["hour"]) * _HOUR_US,
             "exchanges": row["exchanges"]} for row in rows]
    made.sort(key=lambda row: (row["campaign_id"], row["account_id"], row["hour"]))
    shape = HOURS.arrow.set(HOURS.names.index("hour"), pa.field("hour", pa.int64()))
    return conform(pa.Table.from_pylist(made, schema=shape), HOURS)


def _usage(engine: Engine, own: Relation) -> pa.Table:
    """Tokens by campaign and model."""
    named = own.mutate(model=own.model.fill_null(""))
    uncounted = named.input_tokens.isnull() | named.output_tokens.isnull()
    sums = {name: token_sum(named[name]).fill_null(0) for name in ("input_tokens", "output_tokens", "cached_tokens")}
    rows = engine.arrow(named.group_by("group_id", "model").agg(
        exchanges=named.count(), uncounted=uncounted.cast("int64").sum(), **sums))
    return conform(rows.rename_columns(["campaign_id", *rows.column_names[1:]]), USAGE)


def _samples(engine: Engine, own: Relation, texts: pa.Table) -> pa.Table:
    """The largest families of prompts a campaign, each with the excerpt of its commonest text and the kind that most of
    the campaign's own exchanges of it are of."""
    with_family = own.filter(own.template_id.notnull())
    of_kind = with_family.filter(with_family.capability.notnull())
    kinds = engine.arrow(of_kind.group_by("group_id", "template_id", "capability").agg(count=of_kind.count()))
    most = {(row["group_id"], row["template_id"]): row["capability"] for row in sorted(
        kinds.to_pylist(), key=lambda row: (row["count"], row["capability"]))}
    counted = engine.arrow(with_family.group_by("group_id", "template_id").agg(
        exchanges=with_family.count(), accounts=with_family.account_id.nunique())).to_pylist()
    shown: dict[str, dict[str, Any]] = {}
    ranked = texts.sort_by([("exchanges", "descending"), ("text_digest", "ascending")])
    for row in ranked.select(["template_id", "pattern"]).to_pylist():
        if row["template_id"] is not None:
            shown.setdefault(row["template_id"], row)
    counted.sort(key=lambda row: (row["group_id"], -row["exchanges"], row["template_id"]))
    kept: dict[str, int] = {}
    samples = []
    for row in counted:
        kept[row["group_id"]] = kept.get(row["group_id"], 0) + 1
        if kept[row["group_id"]] <= _SAMPLES:
            samples.append({"pattern": shown[row["template_id"]]["pattern"],
                            "capability": most.get((row["group_id"], row["template_id"])),
                            "campaign_id": row.pop("group_id"), **row})
    return conform(pa.Table.from_pylist(samples, schema=SAMPLES.arrow), SAMPLES)
