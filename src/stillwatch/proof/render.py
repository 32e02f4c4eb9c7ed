"""Rows into exchanges: identifiers, traits, text, tokens and outcome, column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.proof.actors import Actor
from stillwatch.proof.actors.base import Speech, scatter
from stillwatch.proof.draws import Floats, Ints, Keys, again, as_normal, as_uniform, hexes, mix, sub
from stillwatch.proof.lengths import Lengths, text_tokens, through_application
from stillwatch.proof.rows import Merged, Rows
from stillwatch.proof.world import CHANNELS, REGIONS, World, parameters
from stillwatch.schema import CAPABILITY, EXCHANGES, TRUE_EXCHANGES

__all__ = ["TRUTH_SCHEMA", "Renderer", "label_name"]

_TEXT = pa.string()
_LIST = pa.list_(_TEXT)
_ENCODED = pa.dictionary(pa.int32(), _TEXT)
# Columns with few distinct values: handed to the writer as numbers of those, which spares it the comparing.
_FEW = ("account_id", "api_key_id", "end_user_id", "channel", "region", "ip", "user_agent", "sdk", "ja4", "model",
        "operation", "reasoning_effort", "response_format")
_USAGE = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "status", "latency_ms")
_EFFORTS = pa.array(["low", "medium", "high"])
_OPERATIONS = pa.array(["chat", "batch"])
_FORMATS = pa.array(["text", "json_object"])
_MODALITIES = pa.array([["text"], ["text", "image"]], pa.list_(pa.string()))
_SAID = ("tools", "response_format", "modalities")
_CAPABILITIES = pa.array(list(CAPABILITY))


def label_name(actor: Actor[Any]) -> str:
    """The name of the group in the labels."""
    return actor.name.lower().replace(" ", "-")


class Renderer:
    """Renders rows of a simulation's actors: a pure function of the rows and of their places in the output.

    With ``lengths`` (of a mute world) token counts are drawn from those instead of made from texts.
    """

    def __init__(self, world: World, actors: Sequence[Actor[Any]], lengths: Lengths | None = None) -> None:
        self.world, self.actors, self.lengths = world, actors, lengths
        withheld = set(world.scenario.withhold)
        self.wanted = {name for name in EXCHANGES.names if name not in withheld}
        self.schema = _encoded(EXCHANGES.arrow, self.wanted & set(_FEW))
        self.everyone = _Everyone(world, actors)
        self.labels = pa.array([None if actor.label is None else label_name(actor) for actor in actors], _TEXT)
        self.row_keys = np.array([sub(actor.key, "row") for actor in actors])
        self.talk_keys = np.array([sub(actor.key, "conversation") for actor in actors])
        self.item_keys = np.array([sub(actor.key, "length") for actor in actors])
        self.id_mask, self.id_key = mix(world.key("exchange ids"), 0), world.key("exchanges")

    def exchanges(self, rows: Merged, first: int) -> tuple[pa.Table, pa.Table]:
        """The rows as exchanges (``schema``), and the labels of those that are a labelled group's own.

        ``first`` is the first row's place in the whole output.
        """
        chunk = _Chunk(self, rows, first)
        made = chunk.columns()
        columns = [made[field.name]() if field.name in self.wanted and field.name in made
                   else pa.nulls(len(rows), field.type) for field in self.schema]
        return pa.Table.from_arrays(columns, schema=self.schema), chunk.labels()


def _encoded(schema: pa.Schema, names: set[str]) -> pa.Schema:
    for place, field in enumerate(schema):
        if field.name in names:
            schema = schema.set(place, field.with_type(_ENCODED))
    return schema


TRUTH_SCHEMA = _encoded(TRUE_EXCHANGES.arrow, {"campaign", "capability", "account_id"})


class _Everyone:
    """All actors' accounts in one, by a number of their own; and every one of their keys."""

    def __init__(self, world: World, actors: Sequence[Actor[Any]]) -> None:
        self._accounts = [actor.accounts for actor in actors]
        counts = [len(accounts) for accounts in self._accounts]
        self.first = np.cumsum([0, *counts])[:-1].astype(np.int64)
        self.ids = pa.concat_arrays([accounts.ids for accounts in self._accounts])
        keys = self.of("keys")
        self.first_key = np.cumsum(keys) - keys
        which = np.arange(int(keys.sum())) - np.repeat(self.first_key, keys)
        purpose, number = zip(*(_identities(actor) for actor in actors), strict=True)
        holder = mix(np.concatenate(purpose), np.concatenate(number))
        self.key_ids = hexes(mix(np.repeat(holder, keys), which), "key_", 12)

    def of(self, field: str) -> Any:
        """One property of all accounts."""
        return np.concatenate([getattr(accounts, field) for accounts in self._accounts])

    @cached_property
    def habits(self) -> dict[str, Any]:
        """What is looked up for each row."""
        return {name: self.of(name) for name in (
            "app", "channel", "region", "client", "temperature", "top_p", "n", "max_tokens", "effort", "logprobs",
            "streaming", "keys", "output_bias")}


def _identities(actor: Actor[Any]) -> tuple[Keys, Ints]:
    """A key and a number of each account, the same for every actor that uses the account."""
    places = np.arange(actor.count)
    none = np.zeros(actor.count, dtype=np.int64)
    key, number = actor.identity(Rows.make(none, places, none))
    return np.full(actor.count, sub(key, "api key")), number


class _Chunk:
    """Some rows while they are rendered; what several columns need is made once."""

    def __init__(self, renderer: Renderer, merged: Merged, first: int) -> None:
        self.on, self.world = renderer, renderer.world
        self.owner = merged.owner.astype(np.int64)
        self.rows = merged.rows()
        self.numbers = first + np.arange(len(merged))
        self.who = renderer.everyone.first[self.owner] + self.rows.account
        order = np.argsort(merged.owner, kind="stable")
        ends = np.cumsum(np.bincount(self.owner, minlength=len(renderer.actors)))
        self.parts = [(actor, order[end - count:end], self.rows.take(order[end - count:end]))
                      for actor, end, count in zip(renderer.actors, ends, np.diff(ends, prepend=0), strict=True)
                      if count]
        self.app = self.habit("app")
        self.bits = mix(renderer.row_keys[self.owner], self.rows.conv, self.rows.turn)
        self.talk = mix(renderer.talk_keys[self.owner], self.rows.conv)

    def habit(self, name: str) -> Any:
        """A property of each row's account."""
        return self.on.everyone.habits[name][self.who]

    def by_actor(self, make: Callable[[Actor[Any], Rows], Any]) -> Any:
        """What each actor says of its rows, in order of rows: arrays of numbers or of Arrow."""
        pieces = [make(actor, rows) for actor, _, rows in self.parts]
        if isinstance(pieces[0], np.ndarray):
            out = np.empty(len(self.owner), dtype=pieces[0].dtype)
            for (_, at, _), piece in zip(self.parts, pieces, strict=True):
                out[at] = piece
            return out
        return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces).take(pa.array(self._back()))

    def _back(self) -> Ints:
        """Where each row is among the actors' parts."""
        back = np.empty(len(self.owner), dtype=np.int64)
        back[np.concatenate([at for _, at, _ in self.parts])] = np.arange(len(self.owner))
        return back

    @cached_property
    def own(self) -> Any:
        """Whether each row is a labelled group's own."""
        return self.by_actor(lambda actor, rows: actor.own(rows) & (actor.label is not None))

    @cached_property
    def model(self) -> Ints:
        """Number of each row's model."""
        models: Ints = self.by_actor(lambda actor, rows: actor.models(rows))
        return models

    @cached_property
    def batched(self) -> Ints:
        """Whether each row is in a batch job, which nothing streams."""
        return np.where(self.app, 0, self.by_actor(lambda actor, part: actor.operations(part)))

    @cached_property
    def speech(self) -> Speech:
        """What the requests hold; of a mute simulation without its texts."""
        pieces = [(at, self._said(actor, rows)) for actor, at, rows in self.parts]
        tools = [said.tools for _, said in pieces]
        for _, said in pieces:
            # Lists are slow to move: they are put in order below, once.
            said.tools = pa.nulls(len(said.tools))
        said = scatter(pieces, len(self.owner))
        through_application(said, self.app, self.rows.turn == 0)
        if "tools" in self.on.wanted:
            said.tools = self._offered(tools)
        return said

    def _offered(self, tools: list[pa.Array]) -> pa.Array:
        """Tools in order of rows. An empty list says that the request offered none; null says that the provider's own
        application records nothing of the kind."""
        every = pa.concat_arrays([*tools, pa.array([[]], _LIST)])
        index = self._back()
        index[~pc.is_valid(every).to_numpy(zero_copy_only=False)[index]] = len(index)
        return every.take(pa.array(index, mask=self.app))

    def _said(self, actor: Actor[Any], rows: Rows) -> Speech:
        silent = self.on.lengths is not None and actor.label is None
        if silent and not self.on.wanted.intersection(_SAID):
            return Speech.plain(pa.nulls(len(rows), _TEXT))
        return actor.speech(rows)

    @cached_property
    def ids(self) -> pa.Array:
        """Identifiers, made from places in the output by a bijection: distinct, and in no order."""
        return hexes(self.on.id_mask ^ mix(self.on.id_key, self.numbers), "req_", 16)

    def columns(self) -> dict[str, Callable[[], Any]]:
        """How each column is made."""
        world, rows, app, look = self.world, self.rows, self.app, _looked_up
        sent = {name: lambda name=name: self._sent(name) for name in ("temperature", "top_p", "n", "max_tokens")}
        usage = {name: lambda name=name: pa.array(self.usage[name]) for name in _USAGE}
        return sent | usage | {
            "exchange_id": lambda: self.ids,
            "ts": lambda: pa.array(rows.ts, pa.timestamp("us", tz="UTC")),
            "account_id": lambda: look(self.on.everyone.ids, self.who),
            "api_key_id": lambda: look(self.on.everyone.key_ids, self._key(), app),
            "end_user_id": lambda: self.by_actor(lambda actor, part: actor.end_users(part)).dictionary_encode(),
            "channel": lambda: look(pa.array(list(CHANNELS)), self.habit("channel")),
            "region": lambda: look(pa.array(list(REGIONS)), self.habit("region")),
            "ip": lambda: world.networks.encoded(self.by_actor(lambda actor, part: actor.addresses(part))),
            "user_agent": lambda: look(world.clients.agents, self.habit("client")),
            "sdk": lambda: look(world.clients.sdks, self.habit("client")),
            "ja4": lambda: look(world.clients.tls, self.habit("client")),
            "model": lambda: look(world.model_names, self.model),
            "operation": lambda: look(_OPERATIONS, self.batched),
            "stream": lambda: pa.array((self.batched == 0) & (
                as_uniform(again(self.talk, "stream")) < np.where(app, 1.0, self.habit("streaming")))),
            "logprobs": lambda: pa.array(self.habit("logprobs") == 1, mask=(self.habit("logprobs") < 0) | app),
            "reasoning_effort": lambda: look(_EFFORTS, np.maximum(self.habit("effort"), 0),
                                             (self.habit("effort") < 0) | app),
            "response_format": lambda: look(_FORMATS, self.speech.json_format.astype(np.int64)),
            "modalities": lambda: _MODALITIES.take(pa.array(self.speech.images.astype(np.int64))),
            "tools": lambda: self.speech.tools,
            "turn": lambda: pa.array(2 * rows.turn + 1),
            "conversation_id": lambda: _where(app, lambda chosen: hexes(
                again(self.talk[chosen], "conversation id"), "conv_", 16)),
            "system_prompt": lambda: self.speech.system,
            "prompt": lambda: self.speech.prompt,
        }

    def _key(self) -> Ints:
        which = np.floor(as_uniform(again(self.talk, "which key")) * self.habit("keys")).astype(np.int64)
        held: Ints = self.on.everyone.first_key[self.who] + which
        return held

    def _sent(self, name: str) -> pa.Array:
        """A parameter as the account's client sends it; the provider's own application sends none."""
        values = self.habit(name)
        missing = np.isnan(values) if values.dtype.kind == "f" else values < 0
        return pa.array(values, mask=missing | self.app)

    def _text(self) -> Floats:
        """Tokens of prompt and system text."""
        if self.on.lengths is None:
            return text_tokens(self.speech)
        return self.on.lengths.drawn(self.owner, self.rows, mix(
            self.on.item_keys[self.owner], self.rows.item, self.rows.turn))

    @cached_property
    def usage(self) -> dict[str, Any]:
        """Tokens: input from the text and the conversation so far, output by the fitted distributions."""
        rows, fitted = self.rows, parameters()["tokens"]
        chat, deep = fitted["chat"], fitted["reasoning"]
        reasons = np.array([model.reasoning for model in self.world.scenario.models])[self.model]

        def normal(bits: Keys, purpose: str) -> Floats:
            return as_normal(again(bits, purpose))

        history = rows.turn * np.exp(5.6 + 0.5 * normal(self.talk, "history"))
        given = np.maximum(1, self._text() + history + 7).astype(np.int64)
        mean = np.where(reasons, deep["output_mean"], 0.5 * (chat["output_mean"] + deep["output_mean"]))
        within = np.where(reasons, deep["output_within"], chat["output_within"])
        output = np.exp(mean + self.habit("output_bias") + within * normal(self.bits, "output"))
        cap = self.habit("max_tokens")
        produced = np.maximum(1, np.where(cap > 0, np.minimum(output, cap), output)).astype(np.int64)
        share = np.clip(deep["reasoning_share"] + 0.12 * normal(self.bits, "thought"), 0.05, 0.97)
        fate = as_uniform(mix(again(self.bits, "fate"), rows.ts))
        status = np.where(fate < 0.006, 429, np.where(fate < 0.009, 400, np.where(fate < 0.011, 529, 200)))
        failed = status != 200
        speed = 14.0 * np.exp(0.35 * normal(self.bits, "speed"))
        latency = np.where(failed, 40.0 + 60.0 * fate, 250.0 + speed * produced) + fate
        reused = np.where(rows.turn > 0, history * 0.8, 0.0).astype(np.int64)
        return {
            "input_tokens": given,
            "output_tokens": np.where(failed, 0, produced),
            "cached_tokens": np.where(failed, 0, np.minimum(reused, given)),
            "reasoning_tokens": np.where(failed | ~reasons, 0, (produced * share).astype(np.int64)),
            "status": status.astype(np.int64),
            "latency_ms": np.round(latency, 3),
        }

    def labels(self) -> pa.Table:
        """The labels of the rows that are a labelled group's own (``TRUTH_SCHEMA``)."""
        at = np.flatnonzero(self.own)
        if len(at) == 0:
            return TRUTH_SCHEMA.empty_table()
        said = pa.array(self.speech.capability[at], _TEXT).dictionary_encode()
        return pa.table({
            "exchange_id": self.ids.take(pa.array(at)),
            "campaign": _looked_up(self.on.labels, self.owner[at]),
            "capability": said,
            "ts": pa.array(self.rows.ts[at], pa.timestamp("us", tz="UTC")),
            "account_id": _looked_up(self.on.everyone.ids, self.who[at]),
        }).cast(TRUTH_SCHEMA)


def _looked_up(values: pa.Array, index: Ints, missing: Any = None) -> pa.DictionaryArray:
    """Values by number, null where ``missing``; the dictionary holds what occurs, each value once."""
    used = np.zeros(len(values), dtype=bool)
    used[index] = True
    held = np.flatnonzero(used)
    several = values.take(pa.array(held)).dictionary_encode()
    # Nulls among the values have no place in a dictionary: their rows are null.
    code = pc.fill_null(several.indices, -1).to_numpy()
    place = np.empty(len(values), dtype=np.int32)
    place[held] = code
    rows = place[index]
    absent = rows < 0 if missing is None else (rows < 0) | missing
    return pa.DictionaryArray.from_arrays(pa.array(rows, mask=absent if absent.any() else None), several.dictionary)


def _where(chosen: Any, make: Callable[[Any], pa.Array]) -> pa.Array:
    """``make(places)`` at the chosen rows, null at the others."""
    places = np.flatnonzero(chosen)
    index = np.cumsum(chosen) - 1
    return make(places).take(pa.array(index, mask=~chosen)) if len(places) else pa.nulls(len(chosen), _TEXT)

