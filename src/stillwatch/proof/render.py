"""Rows into exchanges: identifiers, traits, text, tokens and outcome, column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.proof.actors import Actor
from stillwatch.proof.actors.base import Speech
from stillwatch.proof.draws import Floats, Ints, hexes, integers, mix, normals, sub, uniforms
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import CHANNELS, REGIONS, World, parameters
from stillwatch.schema import EXCHANGES, conform

__all__ = ["exchanges"]

_EFFORTS = pa.array(["low", "medium", "high"])
_CHANNELS = pa.array(list(CHANNELS))
_OPERATIONS = pa.array(["chat", "batch"])
_REGIONS = pa.array(list(REGIONS))
_MODALITIES = pa.array([["text"], ["text", "image"]], pa.list_(pa.string()))


def exchanges(world: World, actor: Actor[Any], rows: Rows, numbers: Ints) -> tuple[pa.Table, np.ndarray[Any, Any]]:
    """The rows of one actor as exchanges, and the capability of each.

    ``numbers`` is each row's place in the whole output: identifiers are made from it by a bijection.
    """
    accounts, who = actor.accounts, rows.account
    spoken = actor.speech(rows)
    model = actor.models(rows)
    index = pa.array(who)
    app = accounts.app[who]
    _through_application(spoken, app)
    columns: dict[str, Any] = {
        "exchange_id": hexes(mix(world.key("exchange ids"), 0) ^ _bijection(world, numbers), "req_", 16),
        "ts": pa.array(rows.ts, pa.timestamp("us", tz="UTC")),
        "account_id": accounts.ids.take(index),
        "api_key_id": _where(~app, hexes(_key(world, actor, rows), "key_", 12)),
        "end_user_id": actor.end_users(rows),
        "channel": _CHANNELS.take(pa.array(accounts.channel[who])),
        "region": _REGIONS.take(pa.array(accounts.region[who])),
        "ip": world.networks.text(actor.addresses(rows)),
        "user_agent": world.clients.agents.take(pa.array(accounts.client[who])),
        "sdk": world.clients.sdks.take(pa.array(accounts.client[who])),
        "ja4": world.clients.tls.take(pa.array(accounts.client[who])),
        "model": world.model_names.take(pa.array(model)),
        "operation": _OPERATIONS.take(pa.array(np.where(app, 0, actor.operations(rows)))),
        "stream": pa.array(uniforms(sub(actor.key, "stream"), rows.conv) < np.where(app, 1.0, accounts.streaming[who])),
        "modalities": _MODALITIES.take(pa.array(spoken.images.astype(np.int64))),
        "tools": spoken.tools,
        "turn": pa.array(2 * rows.turn + 1),
        "conversation_id": _where(app, hexes(mix(sub(actor.key, "conversation"), rows.conv), "conv_", 16)),
        "system_prompt": spoken.system,
        "prompt": spoken.prompt,
    }
    columns.update(_sampling(actor, rows, app, spoken.json_format))
    columns.update(_usage(world, actor, rows, model, spoken.prompt, spoken.system))
    held = {name: column for name, column in columns.items() if name not in world.scenario.withhold}
    return conform(pa.table(held), EXCHANGES), spoken.capability


def _through_application(spoken: Speech, app: Any) -> None:
    """The provider's own application takes neither system prompts nor tools: what there is goes into the prompt."""
    there = pa.array(app)
    both = pc.and_(there, pc.is_valid(spoken.system))
    whole = pc.binary_join_element_wise(spoken.system, spoken.prompt, pa.scalar("\n\n", pa.string()))
    spoken.prompt = pc.if_else(both, whole, spoken.prompt)
    spoken.system = pc.if_else(there, pa.scalar(None, pa.string()), spoken.system)
    spoken.tools = pc.if_else(there, pa.scalar(None, spoken.tools.type), spoken.tools)


def _bijection(world: World, numbers: Ints) -> Any:
    """SplitMix64 of the number: distinct in, distinct out."""
    return mix(world.key("exchanges"), numbers)


def _key(world: World, actor: Actor[Any], rows: Rows) -> Any:
    keys = actor.accounts.keys[rows.account]
    key, who = actor.identity(rows)
    return mix(sub(key, "api key"), who, integers(keys, sub(actor.key, "which key"), rows.conv))


def _where(keep: Any, values: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(keep), values, pa.scalar(None, values.type))


def _sampling(actor: Actor[Any], rows: Rows, app: Any, json_format: Any) -> dict[str, pa.Array]:
    """Parameters as the account's client sends them; the provider's own application sends none."""
    accounts, who = actor.accounts, rows.account

    def sent(values: Any, missing: Any) -> pa.Array:
        return pa.array(values, mask=missing | app)

    temperature, top_p = accounts.temperature[who], accounts.top_p[who]
    effort = accounts.effort[who]
    return {
        "temperature": sent(np.nan_to_num(temperature), np.isnan(temperature)),
        "top_p": sent(np.nan_to_num(top_p), np.isnan(top_p)),
        "n": sent(accounts.n[who], accounts.n[who] < 0),
        "max_tokens": sent(accounts.max_tokens[who], accounts.max_tokens[who] < 0),
        "logprobs": sent(accounts.logprobs[who] == 1, accounts.logprobs[who] < 0),
        "reasoning_effort": _where((effort >= 0) & ~app, _EFFORTS.take(pa.array(np.maximum(effort, 0)))),
        "response_format": pa.array(np.where(json_format, "json_object", "text").astype(object), pa.string()),
    }


def _usage(world: World, actor: Actor[Any], rows: Rows, model: Ints, prompt: pa.Array,
           system: pa.Array) -> dict[str, pa.Array]:
    """Tokens: input from the text and the conversation so far, output by the fitted distributions."""
    accounts, who, key = actor.accounts, rows.account, actor.key
    reasons = np.array([m.reasoning for m in world.scenario.models])[model]
    fitted = parameters()["tokens"]
    # ASCII holds about four characters a token, other scripts about one and a half.
    characters = pc.utf8_length(prompt).to_numpy(zero_copy_only=False).astype(np.float64)
    size = pc.binary_length(prompt).to_numpy(zero_copy_only=False).astype(np.float64)
    told = pc.fill_null(pc.utf8_length(system), 0).to_numpy(zero_copy_only=False) / 4.0
    text = np.where(size > characters * 1.3, characters / 1.5, characters / 4.0)
    history = rows.turn * np.exp(5.6 + 0.5 * normals(sub(key, "history"), rows.conv))
    given = np.maximum(1, text + told + history + 7).astype(np.int64)
    chat, deep = fitted["chat"], fitted["reasoning"]
    mean = np.where(reasons, deep["output_mean"], 0.5 * (chat["output_mean"] + deep["output_mean"]))
    within = np.where(reasons, deep["output_within"], chat["output_within"])
    noise = normals(sub(key, "output"), rows.conv, rows.turn)
    output: Floats = np.exp(mean + accounts.output_bias[who] + within * noise)
    cap = accounts.max_tokens[who]
    produced = np.maximum(1, np.where(cap > 0, np.minimum(output, cap), output)).astype(np.int64)
    thought = (produced * np.clip(deep["reasoning_share"] + 0.12 * normals(sub(key, "thought"), rows.conv, rows.turn),
                                  0.05, 0.97)).astype(np.int64)
    fate = uniforms(sub(key, "fate"), rows.conv, rows.turn, rows.ts)
    status = np.where(fate < 0.006, 429, np.where(fate < 0.009, 400, np.where(fate < 0.011, 529, 200)))
    failed = status != 200
    speed = 14.0 * np.exp(0.35 * normals(sub(key, "speed"), rows.conv, rows.turn))
    latency = np.where(failed, 40.0 + 60.0 * fate, 250.0 + speed * produced) + fate
    reused = np.where(rows.turn > 0, history * 0.8, 0.0).astype(np.int64)
    return {
        "input_tokens": pa.array(given),
        "output_tokens": pa.array(np.where(failed, 0, produced)),
        "cached_tokens": pa.array(np.where(failed, 0, np.minimum(reused, given))),
        "reasoning_tokens": pa.array(np.where(failed | ~reasons, 0, thought)),
        "status": pa.array(status.astype(np.int64)),
        "latency_ms": pa.array(np.round(latency, 3)),
    }
