"""How long texts are: what token counts are made of, and what they are drawn from where no text is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.proof.actors import Actor
from stillwatch.proof.actors.base import Speech
from stillwatch.proof.draws import Floats, Ints, Keys, mix, sub
from stillwatch.proof.rows import Rows

__all__ = ["SAMPLE", "Lengths", "text_tokens", "through_application"]

SAMPLE = 512  # rows of each actor, stream and part of a conversation
_SALT = np.uint64(0x6C656E67746873)


def through_application(spoken: Speech, app: Any) -> None:
    """The provider's own application takes neither system prompts nor tools: what there is goes into the prompt."""
    there = pa.array(app)
    both = pc.and_(there, pc.is_valid(spoken.system))
    if pc.any(both).as_py():
        whole = pc.binary_join_element_wise(spoken.system, spoken.prompt, pa.scalar("\n\n", pa.string()))
        spoken.prompt = pc.if_else(both, whole, spoken.prompt)
        spoken.system = pc.if_else(there, pa.scalar(None, pa.string()), spoken.system)
    spoken.tools = pc.if_else(there, pa.scalar(None, spoken.tools.type), spoken.tools)


def text_tokens(spoken: Speech) -> Floats:
    """Tokens of each row's prompt and system text: ASCII holds about four characters a token, other scripts 1.5."""
    characters = pc.utf8_length(spoken.prompt).to_numpy(zero_copy_only=False).astype(np.float64)
    size = pc.binary_length(spoken.prompt).to_numpy(zero_copy_only=False).astype(np.float64)
    told = pc.fill_null(pc.utf8_length(spoken.system), 0).to_numpy(zero_copy_only=False) / 4.0
    tokens: Floats = np.where(size > characters * 1.3, characters / 1.5, characters / 4.0) + told
    return tokens


@dataclass(frozen=True)
class Lengths:
    """Tokens of the texts of a sample of rows, by actor, stream and whether the row opens a conversation.

    A row's length is that of a row of the sample with the same item, where there is one (an exercise is as long
    for everybody who does it), and else of any row of its kind.
    """

    actors: _Groups
    kinds: _Groups
    items: _Groups

    @classmethod
    def measured(cls, actors: Sequence[Actor[Any]], several: Sequence[Rows]) -> Lengths:
        """The lengths that at most ``SAMPLE`` of each kind of the actors' rows really have."""
        found = [(number, rows, tokens) for number, (actor, rows) in enumerate(zip(actors, several, strict=True))
                 for rows, tokens in _sampled(actor, rows)]
        owner = np.concatenate([np.full(len(rows), number) for number, rows, _ in found])
        rows = Rows.joined([rows for _, rows, _ in found])
        tokens = np.concatenate([tokens for _, _, tokens in found])
        return cls(*(_Groups.of(numbers, tokens) for numbers in (mix(_SALT, owner), _kind(owner, rows),
                                                                 mix(_kind(owner, rows), rows.item))))

    def drawn(self, owner: Ints, rows: Rows, bits: Keys) -> Floats:
        """Tokens of each row's texts, chosen by its random bits."""
        # An actor that the sample has nothing of speaks like all.
        everybody = self.actors.tokens[(bits % np.uint64(len(self.actors.tokens))).astype(np.int64)]
        kind = _kind(owner, rows)
        out = self.actors.drawn(mix(_SALT, owner), bits, everybody)
        return self.items.drawn(mix(kind, rows.item), bits, self.kinds.drawn(kind, bits, out))


@dataclass(frozen=True)
class _Groups:
    """Numbers of tokens in groups: sorted names of the groups, where each begins (and the last ends), tokens."""

    names: Keys
    starts: Ints
    tokens: Floats

    @classmethod
    def of(cls, names: Keys, tokens: Floats) -> _Groups:
        order = np.argsort(names, kind="stable")
        distinct, starts = np.unique(names[order], return_index=True)
        return cls(distinct, np.append(starts, len(names)).astype(np.int64), tokens[order])

    def drawn(self, names: Keys, bits: Keys, otherwise: Floats) -> Floats:
        """A number of each row's group, ``otherwise`` where there is no such group."""
        place = np.minimum(np.searchsorted(self.names, names), len(self.names) - 1)
        size = (self.starts[place + 1] - self.starts[place]).astype(np.uint64)
        chosen = self.tokens[self.starts[place] + (bits % size).astype(np.int64)]
        return np.where(self.names[place] == names, chosen, otherwise)


def _sampled(actor: Actor[Any], rows: Rows) -> Iterator[tuple[Rows, Floats]]:
    """Rows of each kind, chosen without regard to time or account, and the tokens of their texts."""
    kind = _kind(np.zeros(len(rows), dtype=np.int64), rows)
    chance = mix(sub(actor.key, "sample"), rows.conv, rows.turn, rows.ts)
    for value in np.unique(kind):
        places = np.flatnonzero(kind == value)
        chosen = np.sort(places[np.argsort(chance[places], kind="stable")[:SAMPLE]])
        sample = rows.take(chosen)
        spoken = actor.speech(sample)
        through_application(spoken, actor.accounts.app[sample.account])
        yield sample, text_tokens(spoken)


def _kind(owner: Ints, rows: Rows) -> Keys:
    """A number for each actor, stream and part of a conversation."""
    return mix(_SALT, owner, rows.stream * 2 + (rows.turn > 0))
