"""What an actor is: it has accounts, makes the rows of a day, and says what a row's request holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pyarrow as pa

from stillwatch.proof.accounts import LANGUAGES, Accounts, settle
from stillwatch.proof.draws import Floats, Ints, Key, Keys, hexes, mix, normals, sub, uniforms
from stillwatch.proof.parameters import ActorParameters
from stillwatch.proof.rows import Rows
from stillwatch.proof.texts import by_group
from stillwatch.proof.world import CHANNELS, DAY, HOUR, SECOND, World, parameters

__all__ = ["Actor", "Speech", "hour_of_day", "scatter"]

P = TypeVar("P", bound=ActorParameters)


@dataclass
class Speech:
    """What requests hold: texts, tools and, where the actor is a labelled group, the capability."""

    prompt: pa.Array
    system: pa.Array
    tools: pa.Array
    capability: np.ndarray[Any, Any]
    json_format: np.ndarray[Any, Any]
    images: np.ndarray[Any, Any]

    @classmethod
    def plain(cls, prompt: pa.Array, system: pa.Array | None = None) -> Speech:
        """Requests without tools."""
        rows = len(prompt)
        return cls(prompt, system if system is not None else pa.nulls(rows, pa.string()),
                   pa.nulls(rows, pa.list_(pa.string())), np.array(["other"] * rows, dtype=object),
                   np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool))


def scatter(pieces: list[tuple[Ints, Speech]], rows: int) -> Speech:
    """Put pieces that cover all rows together in row order."""
    if len(pieces) == 1:
        return pieces[0][1]
    order = np.concatenate([place for place, _ in pieces])
    back = np.empty(rows, dtype=np.int64)
    back[order] = np.arange(rows)
    index = pa.array(back)

    def arrow(name: str) -> pa.Array:
        return pa.concat_arrays([getattr(piece, name) for _, piece in pieces]).take(index)

    return Speech(arrow("prompt"), arrow("system"), arrow("tools"),
                  np.concatenate([piece.capability for _, piece in pieces])[back],
                  np.concatenate([piece.json_format for _, piece in pieces])[back],
                  np.concatenate([piece.images for _, piece in pieces])[back])


def hour_of_day(key: np.uint64, *counters: Any) -> Floats:
    """A local hour of day (0 to 24) by the fitted profile."""
    share = np.array(parameters()["hours"]["share"])
    edges = np.r_[0.0, np.cumsum(share / share.sum())]
    hours: Floats = np.interp(uniforms(key, *counters), edges, np.arange(25.0))
    return hours


class Actor(ABC, Generic[P]):
    """Base of all actors; subclasses say how many rows a day has, and what they hold."""

    Parameters: ClassVar[type[ActorParameters]] = ActorParameters
    label: ClassVar[str | None] = None
    summary: ClassVar[str] = ""

    def __init__(self, world: World, parameters: P, first: int) -> None:
        self.world = world
        self.parameters: P = parameters
        self.name = parameters.name
        self.key = world.key("actor", self.name)
        self.count = self.scaled(parameters.accounts, self.least())
        self.total = self.scaled(parameters.exchanges, self.count)
        self.accounts: Accounts = self.settled(first)
        self.model_weights = np.array([model.weight for model in world.scenario.models])
        self.first_day = min(parameters.active.first, world.days)
        self.last_day = min(world.days if parameters.active.last is None else parameters.active.last, world.days)
        self.prepare(world.rng(self.name, "prepare"))
        world.actors[self.name] = self

    @property
    def owned(self) -> int:
        """How many of its accounts are this actor's own: an actor that uses another's accounts has none."""
        return self.count

    def scaled(self, number: float, least: int = 1) -> int:
        """A count at this simulation's scale; that of a group that comes in copies is not scaled."""
        return self.world.scaled(number, least) if self.parameters.copies is None else max(least, round(number))

    def settled(self, first: int) -> Accounts:
        """The actor's accounts; ``first`` is the number of the first among all of the simulation."""
        return settle(self.world, self.name, self.count, first, self.parameters.app_share)

    def agreement(self) -> str | None:
        """What an agreement on file permits the actor's organisation, if there is one."""
        return None

    def least(self) -> int:
        """The fewest accounts that this actor makes sense with, at any scale."""
        return 1

    def prepare(self, rng: np.random.Generator) -> None:
        """Change what sets this actor's accounts apart, and settle what lasts."""

    @abstractmethod
    def day(self, day: int) -> Rows:
        """The rows that begin on a day."""

    @abstractmethod
    def speech(self, rows: Rows) -> Speech:
        """What the rows' requests hold."""

    def operations(self, rows: Rows) -> Ints:
        """Whether each row is an element of a batch job: single requests of the accounts that use them."""
        batched: Ints = (self.accounts.batches[rows.account] & self.programmed(rows)).astype(np.int64)
        return batched

    def programmed(self, rows: Rows) -> np.ndarray[Any, Any]:
        """Whether each row is a program's single request, which could as well be in a batch: by default none is."""
        return np.zeros(len(rows), dtype=bool)

    def own(self, rows: Rows) -> np.ndarray[Any, Any]:
        """Whether each row is the actor's own, for the labels."""
        return rows.stream >= 0

    def models(self, rows: Rows) -> Ints:
        """Model of each row."""
        return self.world.pick_models(self.key, rows.account, rows.conv, rows.ts, self.model_weights)

    def identity(self, rows: Rows) -> tuple[Key, Ints]:
        """What makes the rows' accounts themselves: a key and a number, from which lasting traits are drawn."""
        return self.key, rows.account

    def end_users(self, rows: Rows) -> pa.Array:
        """The account's own end user, for accounts that pass one: by default the account itself."""
        key, who = self.identity(rows)
        passed = hexes(mix(sub(key, "user"), who, 0), "user_", 10)
        return pa.compute.if_else(pa.array(self.accounts.passes_user[rows.account]), passed,
                                  pa.scalar(None, pa.string()))

    def addresses(self, rows: Rows) -> Ints:
        """Address codes: at home, where the address changes with the lease, or on a mobile network."""
        accounts, who = self.accounts, rows.account
        phase = uniforms(sub(self.key, "phase"), who)
        elapsed = (rows.ts - self.world.start) / DAY
        lease = np.floor(elapsed / accounts.lease[who] + phase).astype(np.int64)
        home = self.world.networks.hosts(accounts.home[who], mix(sub(self.key, "home"), who, lease))
        away = uniforms(sub(self.key, "away"), rows.conv) < accounts.mobile_share[who] * 0.4
        roaming = self.world.networks.hosts(
            accounts.mobile[who], mix(sub(self.key, "mobile"), who, np.floor(elapsed * 3).astype(np.int64)))
        return np.where(away, roaming, home)

    # Building blocks.

    def one_payer(self) -> None:
        """All accounts are paid for by one instrument."""
        self.accounts.payment[:] = np.int64(int(self.key) >> 2)

    def interface_only(self) -> None:
        """No account uses the provider's own application."""
        self.accounts.app[:] = False
        self.accounts.channel = np.where(self.accounts.channel == CHANNELS.index("app"), 0, self.accounts.channel)

    def one_program(self, rng: np.random.Generator) -> None:
        """All accounts are used by one program, through the interface."""
        self.interface_only()
        self.accounts.client[:] = int(self.world.clients.draw(np.array([False]), rng)[0])

    def established(self, rng: np.random.Generator) -> None:
        """The accounts have been there for a while."""
        age = rng.uniform(25, 500) + rng.exponential(8.0, self.count)
        self.accounts.created = self.world.start - (age * DAY).astype(np.int64)

    def common_system(self, rows: Rows) -> pa.Array:
        """The system prompt that clients send by default, for accounts that have that habit."""
        key, who = self.identity(rows)
        text = self.world.prompts.common.slot("default_system", mix(sub(key, "default"), who))
        return pa.compute.if_else(pa.array(self.sends_system(rows)), text, pa.scalar(None, pa.string()))

    def sends_system(self, rows: Rows) -> np.ndarray[Any, Any]:
        """Whether each row's client has the habit of a system prompt; the provider's own application has none."""
        sends: np.ndarray[Any, Any] = self.accounts.own_system[rows.account] & ~self.accounts.app[rows.account]
        return sends

    def ordinary_system(self, rows: Rows) -> pa.Array:
        """What people's clients send: two in five the default, the others a text of their owner's."""
        key, who = self.identity(rows)
        own = self.world.prompts.own_system(mix(sub(key, "system"), who))
        default = uniforms(sub(key, "default system"), who) < 0.4
        text = pa.compute.if_else(pa.array(default), self.common_system(rows), own)
        return pa.compute.if_else(pa.array(self.sends_system(rows)), text, pa.scalar(None, pa.string()))

    def tooled(self, rows: Rows) -> pa.Array:
        """Tools of the accounts that offer any: each its own set, in every request."""
        key, who = self.identity(rows)
        return self.world.prompts.tools(mix(sub(key, "own tools"), who), self.accounts.offers_tools[rows.account])

    def alive(self, day: int) -> bool:
        """Whether the actor is active on a day."""
        return self.first_day <= day < self.last_day

    def conversation_ids(self, day: int, count: int) -> Ints:
        """Numbers of a day's conversations, distinct over all days."""
        return (np.int64(day) << np.int64(36)) + np.arange(count, dtype=np.int64)

    def local_start(self, day: int, account: Ints, hour: Floats) -> Ints:
        """Time of a local hour of a day, for accounts in their own time zones."""
        shifted = np.mod(hour - self.accounts.offset[account], 24.0)
        return self.world.start + day * DAY + (shifted * HOUR).astype(np.int64)

    def conversations(self, day: int, account: Ints, start: Ints, turns: Ints, stream: Ints | int = 0) -> Rows:
        """Rows of conversations: each of ``turns`` requests with a person's pauses between them."""
        conv = self.conversation_ids(day, len(account))
        which = np.repeat(np.arange(len(account)), turns)
        turn = np.arange(len(which)) - np.repeat(np.cumsum(turns) - turns, turns)
        pause = np.exp(4.2 + 1.0 * normals(sub(self.key, "pause"), conv[which], turn)) * SECOND
        elapsed = np.cumsum(np.where(turn == 0, 0.0, pause))
        elapsed -= elapsed[np.maximum.accumulate(np.where(turn == 0, np.arange(len(turn)), 0))] if len(turn) else 0.0
        spread = np.broadcast_to(np.asarray(stream, dtype=np.int64), (len(account),))
        return Rows.make(start[which] + elapsed.astype(np.int64), account[which], conv[which], turn=turn,
                         stream=spread[which])

    def chat(self, rows: Rows, language: Ints | None = None) -> Speech:
        """Ordinary talk in each account's language: an opening, then follow-ups."""
        library = self.world.prompts
        keys = mix(sub(self.key, "chat"), rows.conv, rows.turn)
        spoken = self.accounts.language[rows.account] if language is None else language

        def write(group: int, places: Ints) -> pa.Array:
            name, kind = LANGUAGES[group // 3], group % 3
            if kind == 0:
                return library.opening(name, keys[places])
            if kind == 1:
                return library.followup(name, keys[places])
            return library.picked("role_prompt", keys[places])

        role = (rows.turn == 0) & (uniforms(sub(self.key, "role"), rows.conv) < 0.06)
        kind = np.where(role, 2, np.where(rows.turn > 0, 1, 0))
        said = Speech.plain(by_group(spoken * 3 + kind, write))
        # Now and then a picture comes with the first message.
        said.images = (rows.turn == 0) & (uniforms(sub(self.key, "picture"), rows.conv) < 0.05)
        return said

    def keys_of(self, purpose: str, *counters: Any) -> Keys:
        """Random bits of this actor for a purpose."""
        return mix(sub(self.key, purpose), *counters)
