"""What each group did, measured on its attributed exchanges: sizes, capabilities and the features that the
explanations are densities over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engine import Engine, Relation, mean_share, row_lag, running_total, token_sum

__all__ = ["CONTENT", "FEATURES", "Measured", "Surroundings", "measure"]

FEATURES: Mapping[str, str] = {
    "harvest": "mean probability that a text is of the kind that data-generation pipelines send",
    "templated": "share of the texts that belong to a family of prompts",
    "top_template": "share of the texts in the group's largest family of prompts",
    "one_system": "share of the texts with the group's most common system prompt",
    "single_turn": "share of the requests that are fresh single-turn requests",
    "shared_items": "share of the texts that two or more accounts of the group sent",
    "repeated_items": "share of the texts that were sent before, by anyone in the group",
    "across_models": "share of the texts that were sent to two or more models",
    "round_the_clock": "entropy of the hours of the day, 1 for equal use of all 24",
    "every_day": "entropy of the days of the week, 1 for equal use of all that there were",
    "equal_volumes": "1 − Gini coefficient of the accounts' exchanges",
    "hosted": "share of the accounts seen from networks that host servers",
    "own_payer": "distinct payers over accounts that have one",
    "one_organisation": "share of the accounts in the group's largest verified organisation",
    "sign_up_burst": "share of the accounts opened in the busiest seven days of the group's sign-ups",
    "end_users": "distinct end users passed on, over exchanges",
    "programme": "2s − 1 for a share s of accounts verified as part of an education or research programme, at least 0",
    "own_share": "the group's own exchanges over all exchanges of its accounts",
    "many_accounts": "1 − 1/√n for n accounts that take part",
    "long_answers": "mean decile of the answers' length among all exchanges' (0 to 1)",
    "long_prompts": "mean decile of the requests' length among all exchanges' (0 to 1)",
    "thinking": "mean decile of the reasoning tokens among all exchanges that have some (0 to 1)",
    "with_tools": "share of the requests that offer tools",
    "new_accounts": "how new the accounts were when their part of the work began: mean of 30 / (30 + age in days)",
    "varied_prompts": "spread of the requests' length against everybody's: r / (1 + r) for r times as wide",
    "by_network": "network evidence for the median member: b / (b + 10) for b bits",
    "by_client": "client evidence for the median member, likewise",
    "by_payment": "payment evidence for the median member, likewise",
    "by_content": "content evidence for the median member, likewise",
}
"""Features, each a share between 0 and 1. None is a country, a language, a nationality or a name.

Identity evidence is none: shared devices, mail patterns and sign-ups in bursts say who is together, and enterprises
have them as much as operators do (docs/decisions/0024-features.md)."""

CONTENT = ("harvest", "long_answers", "thinking", "varied_prompts")
"""Features of what is asked for: without their support no group is said to harvest."""

_HOUR_US = 3_600_000_000
_SESSION_US = 30 * 60 * 1_000_000
_WEEK_US = 7 * 24 * _HOUR_US
_DAY_US = 24 * _HOUR_US
_HALF_BITS = 10.0
_NEW_DAYS = 30.0  # an account of this age is half new


@dataclass
class Measured:
    """Sizes of one group's own work, what it asks for, and its features (absent where not measurable)."""

    group_id: str
    exchanges: int = 0
    sessions: int = 0
    tasks: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    first_seen: Any = None
    last_seen: Any = None
    capabilities: list[tuple[str, float]] = field(default_factory=list)
    features: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Surroundings:
    """What groups are measured against: all exchanges (schema ``STAGED``), the accounts' totals (``PROFILES``), where
    they were seen (``BLOCKS``), and what is known of them (``ACCOUNTS``)."""

    staged: Relation
    profiles: pa.Table
    blocks: pa.Table
    accounts: pa.Table | None


def measure(engine: Engine, own: Relation, members: pa.Table, around: Surroundings,
            ties: Mapping[str, Mapping[str, float]]) -> dict[str, Measured]:
    """Measure every group.

    ``own`` is the relation of attributed exchanges (see ``link.streams.attributed``), ``members`` holds ``group_id,
    account_id``; ``ties`` gives the bits a family that tie a group's median member to it. Groups without attributed
    exchanges are there with size 0.
    """
    groups = {name: Measured(name) for name in sorted(set(members["group_id"].to_pylist()))}
    _sizes(engine, own, groups)
    _contents(engine, own, groups)
    _repetition(engine, own, groups)
    _timing(engine, own, groups)
    _origins(members, around.blocks, groups)
    _share_of_all(engine, own, members, around.profiles, groups)
    _lengths(engine, own, around.staged, groups)
    _forms(engine, own, around.staged, groups)
    for name, bits in ties.items():
        for family, worth in bits.items():
            if f"by_{family}" in FEATURES:
                groups[name].features[f"by_{family}"] = max(worth, 0.0) / (max(worth, 0.0) + _HALF_BITS)
    if around.accounts is not None:
        _sign_ups(members, around.accounts, groups)
        _ages(engine, own, around.accounts, groups)
    return groups


def _share_of_all(engine: Engine, own: Relation, members: pa.Table, profiles: pa.Table,
                  groups: dict[str, Measured]) -> None:
    """How much of its accounts' traffic is the group's own, and how many accounts take part."""
    total = dict(zip(profiles["account_id"].to_pylist(), profiles["exchanges"].to_pylist(), strict=True))
    for name, accounts in _members(members).items():
        if "harvest" not in groups[name].features:
            continue  # without text all of it is the group's, which says nothing
        groups[name].features["own_share"] = min(1.0, groups[name].exchanges / max(1, sum(
            total.get(account, 0) for account in accounts)))
    for row in _rows(engine, own.group_by("group_id").agg(accounts=own.account_id.nunique())):
        groups[row["group_id"]].features["many_accounts"] = 1.0 - row["accounts"] ** -0.5


def _lengths(engine: Engine, own: Relation, staged: Relation, groups: dict[str, Measured]) -> None:
    """Where a group's lengths stand among everybody's, in deciles: no unit, no model's habits."""
    for column, feature in (("output_tokens", "long_answers"), ("input_tokens", "long_prompts"),
                            ("reasoning_tokens", "thinking")):
        known = staged.filter(staged[column].notnull())
        if feature == "thinking":
            known = known.filter(known[column] > 0)
        cuts = _deciles(engine, known, column)
        if not cuts:
            continue
        mine = own.filter(own[column].notnull())
        # Halfway between less and at most: a length that many share stands in the middle of its own crowd. Added up as
        # whole numbers, in which no order of rows shows.
        place = sum((mine[column] > cut).cast("int64") + (mine[column] >= cut).cast("int64") for cut in cuts)
        for row in _rows(engine, mine.mutate(place=place).group_by("group_id").agg(place=lambda t: t.place.mean())):
            groups[row["group_id"]].features[feature] = row["place"] / (2 * len(cuts))


def _deciles(engine: Engine, known: Relation, column: str) -> list[float]:
    """The nine deciles of a column without nulls, interpolated between neighbours (type 7 of Hyndman and Fan, 1996);
    none where there are no rows.

    Engines' own quantiles differ in their last digits, which decides where a value is a cut, and some have none.
    """
    counted = known.group_by(value=known[column]).agg(count=known.count())
    total = next(iter(_rows(engine, counted.aggregate(rows=counted["count"].sum()))))["rows"]
    if not total:
        return []
    upto = counted.mutate(upto=running_total(counted, "count", by="value"))
    # Tenths of a place, from 0, at which each decile lies; the values at the places below and above it.
    places = {i: (int(total) - 1) * i for i in range(1, 10)}
    ends = next(iter(_rows(engine, upto.aggregate(
        **{f"below{i}": upto.value.min(where=upto.upto > place // 10) for i, place in places.items()},
        **{f"above{i}": upto.value.min(where=upto.upto > -(-place // 10)) for i, place in places.items()}))))
    return [ends[f"below{i}"] + (ends[f"above{i}"] - ends[f"below{i}"]) * (place % 10) / 10
            for i, place in places.items()]


def _forms(engine: Engine, own: Relation, staged: Relation, groups: dict[str, Measured]) -> None:
    """What requests look like without their wording: a work list of one kind is narrower than a day of many people."""
    everybody = staged.filter(staged.input_tokens > 0)
    whole = next(iter(_rows(engine, everybody.aggregate(wide=everybody.input_tokens.ln().std(how="pop")))))["wide"]
    mine = own.filter(own.input_tokens > 0)
    for row in _rows(engine, mine.group_by("group_id").agg(wide=mine.input_tokens.ln().std(how="pop"))):
        if whole and row["wide"] is not None:
            groups[row["group_id"]].features["varied_prompts"] = row["wide"] / (row["wide"] + whole)
    offers = own.tools.notnull() & (own.tools.length() > 0)
    for row in _rows(engine, own.group_by("group_id").agg(share=offers.cast("float64").mean(),
                                                          told=own.tools.notnull().cast("int64").sum())):
        if row["told"]:
            groups[row["group_id"]].features["with_tools"] = row["share"]


def _rows(engine: Engine, relation: Relation) -> Iterable[dict[str, Any]]:
    rows: list[dict[str, Any]] = engine.arrow(relation).to_pylist()
    return rows


def _sizes(engine: Engine, own: Relation, groups: dict[str, Measured]) -> None:
    text = own.has_text.notnull()
    turn = own.turn.notnull()
    total = own.group_by("group_id").agg(
        exchanges=own.count(),
        first=own.ts.min(),
        last=own.ts.max(),
        input_tokens=token_sum(own.input_tokens),
        output_tokens=token_sum(own.output_tokens),
        text=text.cast("int64").sum(),
        harvest=mean_share(own.harvest),
        turns=turn.cast("int64").sum(),
        single=(turn & (own.turn == 1)).cast("int64").sum(),
        users=own.end_user_id.nunique(),
        with_user=own.end_user_id.notnull().cast("int64").sum(),
        conversations=own.conversation_id.nunique(),
        loose_prompts=own.conversation_id.isnull().ifelse(own.prompt_digest, None).nunique(),
    )
    for row in _rows(engine, total):
        it = groups[row["group_id"]]
        it.exchanges, it.first_seen, it.last_seen = row["exchanges"], row["first"], row["last"]
        it.input_tokens, it.output_tokens = row["input_tokens"], row["output_tokens"]
        it.tasks = (row["conversations"] + row["loose_prompts"]) or None
        if row["harvest"] is not None:
            it.features["harvest"] = row["harvest"]
        if row["turns"]:
            it.features["single_turn"] = row["single"] / row["turns"]
        if row["with_user"]:
            it.features["end_users"] = row["users"] / row["exchanges"]
    lagged = own.mutate(before=row_lag(own, "ts_us", within=["group_id", "account_id"]))
    starts = lagged.before.isnull() | (lagged.ts_us - lagged.before > _SESSION_US)
    for row in _rows(engine, lagged.group_by("group_id").agg(sessions=starts.cast("int64").sum())):
        groups[row["group_id"]].sessions = row["sessions"]


def _contents(engine: Engine, own: Relation, groups: dict[str, Measured]) -> None:
    """Capability mix, concentration on families of prompts and on one system prompt."""
    texts = own.filter(own.has_text.notnull())
    for column, feature in (("template_id", "top_template"), ("system_id", "one_system")):
        counted = texts.group_by("group_id", column).agg(count=texts.count())
        for name, counts in _by_group(engine, counted, column).items():
            total = sum(counts.values())
            known = [count for family, count in counts.items() if family is not None]
            groups[name].features[feature] = max(known, default=0) / total
            if column == "template_id":
                groups[name].features["templated"] = sum(known) / total
    asked = own.filter(own.capability.notnull())
    counted = asked.group_by("group_id", "capability").agg(count=asked.count())
    for name, counts in _by_group(engine, counted, "capability").items():
        total = sum(counts.values())
        groups[name].capabilities = sorted(((str(what), count / total) for what, count in counts.items()),
                                           key=lambda pair: (-pair[1], pair[0]))


def _by_group(engine: Engine, counted: Relation, column: str) -> dict[str, dict[Any, int]]:
    found: dict[str, dict[Any, int]] = {}
    for row in _rows(engine, counted):
        found.setdefault(row["group_id"], {})[row[column]] = row["count"]
    return found


def _repetition(engine: Engine, own: Relation, groups: dict[str, Measured]) -> None:
    """A load balancer deals each item to one account once; benchmarks and classes repeat items."""
    texts = own.filter(own.prompt_digest.notnull())
    items = texts.group_by("group_id", "prompt_digest").agg(
        sent=texts.count(), accounts=texts.account_id.nunique(), models=texts.model.nunique()
    )
    total = items.group_by("group_id").agg(
        sent=items.sent.sum(),
        distinct=items.count(),
        shared=(items.accounts > 1).ifelse(items.sent, 0).sum(),
        across=(items.models > 1).ifelse(items.sent, 0).sum(),
    )
    for row in _rows(engine, total):
        features = groups[row["group_id"]].features
        features["repeated_items"] = 1.0 - row["distinct"] / row["sent"]
        features["shared_items"] = row["shared"] / row["sent"]
        features["across_models"] = row["across"] / row["sent"]


def _timing(engine: Engine, own: Relation, groups: dict[str, Measured]) -> None:
    for feature, unit, parts in (("round_the_clock", _HOUR_US, 24), ("every_day", _DAY_US, 7)):
        placed = own.mutate(part=(own.ts_us // unit) % parts)
        counted = placed.group_by("group_id", "part").agg(count=placed.count())
        for name, counts in _by_group(engine, counted, "part").items():
            share = np.array(list(counts.values()), dtype=np.float64)
            share /= share.sum()
            # What has run for three days has had three days of the week to use.
            most = parts if unit == _HOUR_US else min(parts, _days(groups[name]))
            if most > 1:
                groups[name].features[feature] = min(1.0, float(-(share * np.log(share)).sum() / np.log(most)))
    counted = own.group_by("group_id", "account_id").agg(count=own.count())
    for name, counts in _by_group(engine, counted, "account_id").items():
        volume = np.sort(np.array(list(counts.values()), dtype=np.float64))
        rank = np.arange(1, len(volume) + 1)
        gini = float(((2 * rank - len(volume) - 1) * volume).sum() / (len(volume) * volume.sum()))
        groups[name].features["equal_volumes"] = 1.0 - gini


def _days(it: Measured) -> int:
    """Days (UTC) from a group's first exchange to its last, both counted."""
    return int((it.last_seen.date() - it.first_seen.date()).days) + 1


def _origins(members: pa.Table, blocks: pa.Table, groups: dict[str, Measured]) -> None:
    known = blocks.filter(pc.is_valid(blocks["network_kind"]))
    seen = set(known["account_id"].to_pylist())
    hosted = set(known.filter(pc.equal(known["network_kind"], "hosting"))["account_id"].to_pylist())
    for name, accounts in _members(members).items():
        placed = [account for account in accounts if account in seen]
        if placed:
            groups[name].features["hosted"] = sum(account in hosted for account in placed) / len(placed)


def _members(members: pa.Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group, account in zip(members["group_id"].to_pylist(), members["account_id"].to_pylist(), strict=True):
        found.setdefault(group, []).append(account)
    return found


def _sign_ups(members: pa.Table, accounts: pa.Table, groups: dict[str, Measured]) -> None:
    """Payers, organisations, programmes and sign-up times, as far as the accounts table has them."""
    columns = ["account_id", "payment_fingerprint", "organization", "verified", "kind", "created_at"]
    joined = members.select(["group_id", "account_id"]).join(accounts.select(columns), "account_id", join_type="inner")
    created = pc.cast(joined["created_at"], pa.int64())
    joined = joined.set_column(joined.schema.get_field_index("created_at"), "created_at", created)
    known: dict[str, list[dict[str, Any]]] = {}
    for row in joined.to_pylist():
        known.setdefault(row["group_id"], []).append(row)
    for name, rows in known.items():
        features = groups[name].features
        payers = [row["payment_fingerprint"] for row in rows if row["payment_fingerprint"] is not None]
        if payers:
            features["own_payer"] = len(set(payers)) / len(payers)
        verified = [row["organization"] for row in rows if row["organization"] is not None and row["verified"]]
        features["one_organisation"] = max((verified.count(org) for org in set(verified)), default=0) / len(rows)
        kinds = [row["kind"] for row in rows if row["kind"] is not None]
        if kinds:
            # Campaigns open education and research accounts too: only what was verified speaks for a programme.
            proven = sum(row["kind"] in ("education", "research") and bool(row["verified"]) for row in rows)
            # A few of them in a group say nothing of it, and shall never count against those few.
            features["programme"] = max(0.0, 2.0 * proven / len(kinds) - 1.0)
        times = np.sort(np.array([row["created_at"] for row in rows if row["created_at"] is not None]))
        if len(times):
            within = np.searchsorted(times, times + _WEEK_US, side="right") - np.arange(len(times))
            features["sign_up_burst"] = float(within.max() / len(times))


def _ages(engine: Engine, own: Relation, accounts: pa.Table, groups: dict[str, Measured]) -> None:
    """How new accounts are when they begin on the group's work."""
    opened = accounts.select(["account_id", "created_at"]).filter(pc.is_valid(accounts["created_at"]))
    began = engine.arrow(own.group_by("group_id", "account_id").agg(first=own.ts_us.min()))
    joined = began.join(opened, "account_id", join_type="inner").sort_by([("group_id", "ascending"),
                                                                          ("account_id", "ascending")])
    age = (joined["first"].to_numpy() - pc.cast(joined["created_at"], pa.int64()).to_numpy()) / _DAY_US
    new = pa.array(_NEW_DAYS / (_NEW_DAYS + np.maximum(age, 0.0)))
    meant = joined.append_column("new", new).group_by("group_id", use_threads=False).aggregate([("new", "mean")])
    for row in meant.to_pylist():
        groups[row["group_id"]].features["new_accounts"] = row["new_mean"]
