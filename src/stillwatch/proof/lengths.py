"""How long texts are: what token counts are made of, and what they are drawn from where no text is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.proof.actors import Actor
from stillwatch.proof.actors.base import Speech
from stillwatch.proof.draws import Floats, Ints, Keys, mix, sub
from stillwatch.proof.rows import Rows

__all__ = ["SAMPLE", "Lengths", "text_tokens", "through_application"]

SAMPLE = 512  # rows of each actor, stream and part of a conversation
_RENDERED = 65_536
_SALT = np.uint64(0x6C656E67746873)


def through_application(spoken: Speech, app: Any, opens: Any) -> None:
    """The provider's own application takes no system prompts: what there is opens the conversation's first message."""
    there = pa.array(app)
    both = pc.and_(there, pc.is_valid(spoken.system))
    if pc.any(both).as_py():
        whole = pc.binary_join_element_wise(spoken.system, spoken.prompt, pa.scalar("\n\n", pa.string()))
        spoken.prompt = pc.if_else(pc.and_(both, pa.array(opens)), whole, spoken.prompt)
        spoken.system = pc.if_else(there, pa.scalar(None, pa.string()), spoken.system)


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
    for everybody who does it), else of any row of its kind; failing that, of any of its actor's, of any at all.
    """

    levels: tuple[_Groups, ...]

    @classmethod
    def measured(cls, actors: Sequence[Actor[Any]], several: Sequence[Rows]) -> Lengths:
        """The lengths that some of each kind of the actors' rows, ``SAMPLE`` at most, really have."""
        kinds = [(number, actor, rows.take(places)) for number, (actor, rows)
                 in enumerate(zip(actors, several, strict=True)) for places in _kinds(rows)]
        if not kinds:
            return cls(())
        # Where there are a great many kinds, fewer rows of each do.
        size = int(np.clip(_RENDERED // len(kinds), SAMPLE // 8, SAMPLE))
        sampled = [_sampled(actor, rows, size) for _, actor, rows in kinds]
        owner = np.repeat([number for number, _, _ in kinds], [len(rows) for rows in sampled])
        tokens = np.concatenate([_tokens(actor, rows) for (_, actor, _), rows in zip(kinds, sampled, strict=True)])
        return cls(tuple(_Groups.of(names, tokens) for names in _names(owner, Rows.joined(sampled))))

    def drawn(self, owner: Ints, rows: Rows, bits: Keys) -> Floats:
        """Tokens of each row's texts, chosen by its random bits; ``owner`` is the number of its actor."""
        out = np.zeros(len(rows))
        left = np.arange(len(rows))
        for level, names in zip(reversed(self.levels), reversed(list(_names(owner, rows))), strict=bool(self.levels)):
            place, known = level.found(names[left])
            out[left[known]] = level.drawn(place[known], bits[left[known]])
            left = left[~known]
        if len(left) and self.levels:
            every = self.levels[0].tokens
            out[left] = every[(bits[left] % np.uint64(len(every))).astype(np.int64)]
        return out


def _names(owner: Ints, rows: Rows) -> Iterator[Keys]:
    """What each row has in common with others, from the loosest to the closest."""
    actor = mix(_SALT, owner)
    kind = mix(actor, _place(rows))
    yield from (actor, kind, mix(kind, rows.item))


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

    def found(self, names: Keys) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """The place of each row's group, and whether there is one."""
        place = np.minimum(np.searchsorted(self.names, names), len(self.names) - 1)
        return place, self.names[place] == names

    def drawn(self, place: Ints, bits: Keys) -> Floats:
        """A number of tokens out of the group at each place."""
        size = (self.starts[place + 1] - self.starts[place]).astype(np.uint64)
        chosen: Floats = self.tokens[self.starts[place] + (bits % size).astype(np.int64)]
        return chosen


def _place(rows: Rows) -> Ints:
    """The kind of traffic that each row is of, and whether it opens a conversation."""
    return rows.stream * 2 + (rows.turn > 0)


def _kinds(rows: Rows) -> Iterator[Ints]:
    place = _place(rows)
    for value in np.unique(place):
        yield np.flatnonzero(place == value)


def _sampled(actor: Actor[Any], rows: Rows, size: int) -> Rows:
    """Rows that are chosen without regard to time or account."""
    chance = mix(sub(actor.key, "sample"), rows.conv, rows.turn, rows.ts)
    return rows.take(np.sort(np.argsort(chance, kind="stable")[:size]))


def _tokens(actor: Actor[Any], rows: Rows) -> Floats:
    spoken = actor.speech(rows)
    through_application(spoken, actor.accounts.app[rows.account], rows.turn == 0)
    return text_tokens(spoken)
