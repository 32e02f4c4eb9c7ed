"""Exchanges → the reduced tables that everything after reads, as expressions that every engine runs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engine import Engine, Relation, literal, mean_share, token_sum
from stillwatch.observe.sightings.shape import digests
from stillwatch.schema import ACCOUNTS, BLOCKS, PROFILES, conform
from stillwatch.settings import DeploymentKey

__all__ = ["UNKNOWN_ACCOUNT", "addresses", "blocks", "content", "profiles"]

UNKNOWN_ACCOUNT = "unknown"
_DAY_US = 86_400_000_000


def addresses(engine: Engine, staged: Relation, accounts: pa.Table | None) -> pa.Array:
    """Distinct addresses in the exchanges and at sign-up, as strings, sorted."""
    seen = engine.arrow(staged.filter(staged.ip.notnull()).select("ip").distinct())["ip"]
    if accounts is not None:
        conform(accounts, ACCOUNTS)
        seen = pa.chunked_array([*seen.chunks, *accounts["signup_ip"].drop_null().chunks], pa.string())
    distinct = pc.unique(seen)
    return distinct.take(pc.sort_indices(distinct))


def blocks(engine: Engine, staged: Relation, known: pa.Table, key: DeploymentKey) -> pa.Table:
    """Where and with what each account was seen, together (schema ``BLOCKS``).

    ``known`` describes addresses (schema ``ADDRESSES``). Addresses and prefixes come out as keyed
    digests. Exchanges without an account are left out: they are never linked.
    """
    named = staged.filter(staged.account_id != UNKNOWN_ACCOUNT)
    grouped = engine.arrow(
        named.group_by("account_id", "ip", "ja4", "sdk", "user_agent").agg(
            days=(named.ts_us // _DAY_US).cast("int32").collect(distinct=True),
            first_seen=named.ts.min(), last_seen=named.ts.max(), count=named.count(),
        )
    )
    place = pc.index_in(grouped["ip"], value_set=known["ip"])
    prefix = known["prefix"].dictionary_encode().combine_chunks()
    described = {
        "ip": digests(known["address"], "ip", key),
        "prefix": digests(prefix.dictionary, "prefix", key).take(prefix.indices),
        "asn": pc.cast(known["asn"], pa.string()),
        "network_kind": known["network_kind"],
    }
    columns = {name: grouped[name] for name in grouped.column_names if name != "ip"}
    columns |= {name: pc.take(values, place) for name, values in described.items()}
    columns["days"] = _ascending(grouped["days"].combine_chunks())
    return conform(pa.table(columns), BLOCKS)


def _ascending(lists: pa.ListArray) -> pa.ListArray:
    """Lists with their items in order: engines collect in whatever order they read."""
    parent, items = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists).to_numpy(zero_copy_only=False)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(items[np.lexsort((items, parent))], pa.int32()))


def content(engine: Engine, staged: Relation, texts: Relation) -> pa.Table:
    """How often each account sent each family of prompts with each family of system prompts.

    Returns ``account_id, template_id, system_id, first_seen, last_seen, count, harvest``; one row a combination,
    ``harvest`` the mean of its texts'.
    """
    named = staged.filter((staged.account_id != UNKNOWN_ACCOUNT) & staged.text_digest.notnull())
    families = texts.select("text_digest", "template_id", "system_id", "harvest")
    joined = named.select("account_id", "text_digest", "ts").inner_join(families, "text_digest")
    return engine.arrow(
        joined.group_by("account_id", "template_id", "system_id").agg(
            first_seen=joined.ts.min(), last_seen=joined.ts.max(), count=joined.count(),
            harvest=mean_share(joined.harvest),
        )
    )


def profiles(engine: Engine, staged: Relation) -> pa.Table:
    """What each account did, in total (schema ``PROFILES``)."""
    named = staged.filter(staged.account_id != UNKNOWN_ACCOUNT)
    known = named.turn.notnull()
    one = literal(1, type="int64")
    return conform(
        engine.arrow(
            named.group_by("account_id").agg(
                exchanges=named.count(),
                first_seen=named.ts.min(),
                last_seen=named.ts.max(),
                days=(named.ts_us // _DAY_US).nunique(),
                input_tokens=token_sum(named.input_tokens),
                output_tokens=token_sum(named.output_tokens),
                single_turn=(known & (named.turn == 1)).cast("int64").sum(),
                turn_known=known.cast("int64").sum(),
                end_users=named.end_user_id.nunique(),
                models=named.model.nunique(),
                prompts=named.prompt_digest.nunique(),
                text_known=named.text_digest.notnull().ifelse(one, one - one).sum(),
            )
        ),
        PROFILES,
    )
