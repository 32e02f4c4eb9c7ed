"""Text of exchanges, reduced once per distinct text to digests, families and what it asks for.

Raw text goes in and does not come out: a batch leaves with keyed digests and lengths, and what is kept
between batches is, per distinct masked text, a sketch of fixed size and two short masked excerpts.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.observe.capability import load_model
from stillwatch.observe.structure import structural
from stillwatch.observe.templates import RECURS
from stillwatch.observe.text_benchmarks import benchmark_names
from stillwatch.observe.text_fold import Folded, fold, signed_digest
from stillwatch.observe.text_pattern import patterns
from stillwatch.observe.text_side import TextSide
from stillwatch.schema import STAGED, TEXTS
from stillwatch.settings import DeploymentKey

__all__ = ["TextReducer"]

_SEPARATOR = b"\x1f"
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


class TextReducer:
    """Reduces batches of exchanges, then gives the table of distinct masked texts.

    The result does not depend on the order of exchanges or on how they were batched.
    """

    def __init__(self, key: DeploymentKey, *, seed: int = 0) -> None:
        self._key = key.subkey("text")
        self._seed = seed
        self._forget()

    def _forget(self) -> None:
        self._prompts = TextSide(self._key)
        self._systems = TextSide(self._key)
        self._digest_of: dict[tuple[int | None, int | None], int] = {}
        self._parts: dict[int, tuple[int | None, int | None]] = {}
        self._exchanges: dict[int, int] = {}
        self._judged: pa.Table | None = None

    def copy(self) -> TextReducer:
        """A copy that can be given more exchanges; this one stays as it is."""
        other = copy(self)
        other._prompts, other._systems = self._prompts.copy(), self._systems.copy()
        for name in ("_digest_of", "_parts", "_exchanges"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Numbers as arrays, and nothing twice; see ``TextSide``."""
        state = vars(self).copy()
        del state["_digest_of"]
        sides = zip(*self._parts.values(), strict=True) if self._parts else ((), ())
        state["_parts"] = tuple(pa.array(numbers, pa.int64()) for numbers in (list(self._parts), *map(list, sides)))
        state["_exchanges"] = tuple(pa.array(list(numbers), pa.int64())
                                    for numbers in (self._exchanges, self._exchanges.values()))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Undo ``__getstate__``."""
        vars(self).update(state)
        digests, *sides = (numbers.to_pylist() for numbers in state["_parts"])
        self._parts = dict(zip(digests, zip(*sides, strict=True), strict=True))
        self._digest_of = {parts: digest for digest, parts in self._parts.items()}
        self._exchanges = dict(zip(*(numbers.to_pylist() for numbers in state["_exchanges"]), strict=True))

    def without_excerpts(self) -> TextReducer:
        """This, but without a part of any text, and so without patterns; neither is to be given more afterwards."""
        other = copy(self)
        other._prompts, other._systems = copy(self._prompts), copy(self._systems)
        other._prompts.excerpts, other._systems.excerpts = [], []
        return other

    @property
    def excerpts(self) -> tuple[pa.Array, pa.Array]:
        """The masked excerpts of prompts and of system prompts, in order of arrival."""
        prompts, systems = (pa.array(side.excerpts, pa.large_string()) for side in (self._prompts, self._systems))
        return prompts, systems

    def give_back(self, excerpts: tuple[pa.Array, pa.Array]) -> None:
        """Put back the excerpts of the reducer that this is a copy of."""
        self._prompts.excerpts, self._systems.excerpts = (side.to_pylist() for side in excerpts)

    def recall(self, texts: pa.Table) -> None:
        """Take from a table of all texts so far what each asks for, so that it is not judged again."""
        self._judged = pa.table({name: texts[name] for name in ("text_digest", "capability", "probability", "harvest",
                                                                "benchmark")})

    def fresh(self) -> TextReducer:
        """One of the same key and seed that has seen nothing, for a part of the logs (see ``take_over``)."""
        other = copy(self)
        other._forget()
        return other

    def save(self, path: Path) -> None:
        """Write what is known to a file: digests, sketches and excerpts, as ``texts`` is made of."""
        pairs = list(self._parts.values())
        known: dict[str, Any] = {f"pair_{at}": np.array([pair[at] or 0 for pair in pairs], np.int64) for at in (0, 1)}
        known |= {f"known_{at}": np.array([pair[at] is not None for pair in pairs], np.bool_) for at in (0, 1)}
        known["exchanges"] = np.array([self._exchanges[digest] for digest in self._parts], np.int64)
        for name, side in (("prompts", self._prompts), ("systems", self._systems)):
            known |= {f"{name}.{what}": array for what, array in side.state().items()}
        with path.open("wb") as file:
            np.savez(file, **known)

    def take_over(self, path: Path) -> None:
        """Add what another of the same key saved, as if its batches had been given here, after one's own.

        Files taken over in the order of the logs leave just what one reducer of all of the logs holds.
        """
        with np.load(path, allow_pickle=False) as known:
            for name, side in (("prompts", self._prompts), ("systems", self._systems)):
                side.take_over({what.removeprefix(f"{name}."): known[what] for what in known.files
                                if what.startswith(f"{name}.")})
            system, prompt = ([value if there else None for value, there in zip(
                known[f"pair_{at}"].tolist(), known[f"known_{at}"].tolist(), strict=True)] for at in (0, 1))
            for pair in zip(system, prompt, known["exchanges"].tolist(), strict=True):
                self._count(*pair)

    def restricted(self, exchanges: Mapping[int, int]) -> TextReducer:
        """What this would be had it seen only so many exchanges of each distinct text (by ``text_digest``)."""
        other = copy(self)
        other._exchanges = {digest: count for digest, count in exchanges.items() if count}
        other._parts = {digest: self._parts[digest] for digest in other._exchanges}
        other._digest_of = {parts: digest for digest, parts in other._parts.items()}
        other._systems = self._systems.restricted({system for system, _ in other._parts.values() if system is not None})
        other._prompts = self._prompts.restricted({prompt for _, prompt in other._parts.values() if prompt is not None})
        return other

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Replace the text of a batch of ``schema.INGESTED`` by digests and lengths (``schema.STAGED``)."""
        prompt_row, prompts = self._fold(batch.column("prompt"))
        system_row, systems = self._fold(batch.column("system_prompt"))
        self._prompts.add([text for text in prompts if text is not None])
        self._systems.add([text for text in systems if text is not None])
        masked_prompt = [None if text is None else self._prompts.masked_of[text.digest] for text in prompts]
        masked_system = [None if text is None else self._systems.masked_of[text.digest] for text in systems]

        # One pass over distinct (system, prompt) pairs, not over rows.
        pair = system_row * (len(prompts) + 1) + prompt_row
        pairs, row_of, count = np.unique(pair, return_inverse=True, return_counts=True)
        text_digest = [
            self._count(masked_system[code // (len(prompts) + 1)], masked_prompt[code % (len(prompts) + 1)], n)
            for code, n in zip(pairs.tolist(), count.tolist(), strict=True)
        ]
        digests = [None if text is None else text.digest for text in prompts]
        added = {
            "ts_us": batch.column("ts").cast(pa.int64()),
            "prompt_digest": pa.array(digests, pa.int64()).take(pa.array(prompt_row)),
            "text_digest": pa.array(text_digest, pa.int64()).take(pa.array(row_of)),
            "prompt_chars": pc.utf8_length(batch.column("prompt")).cast(pa.int64()),
            "response_chars": pc.utf8_length(batch.column("response")).cast(pa.int64()),
        }
        added["structure_capability"], added["structure_probability"] = structural(
            batch, pc.is_null(added["text_digest"]).to_numpy(zero_copy_only=False))
        columns = [added[name] if name in added else batch.column(name) for name in STAGED.names]
        return pa.RecordBatch.from_arrays(columns, schema=STAGED.arrow)

    def _fold(self, column: pa.Array) -> tuple[I64, list[Folded | None]]:
        """Per row the number of its distinct text; per distinct text its folded form. The last is null."""
        encoded = column.dictionary_encode()
        texts = [fold(text, self._key) for text in encoded.dictionary.to_pylist()]
        rows = pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False).astype(np.int64)
        return rows, [*texts, None]

    def _count(self, system: int | None, prompt: int | None, exchanges: int) -> int | None:
        """The digest of a pair of masked texts, which gains ``exchanges``."""
        if system is None and prompt is None:
            return None
        digest = self._digest_of.get((system, prompt))
        if digest is None:
            parts = (b"" if part is None else part.to_bytes(8, "big", signed=True) for part in (system, prompt))
            digest = signed_digest(self._key, _SEPARATOR.join(parts))
            self._digest_of[system, prompt] = digest
            self._parts[digest] = (system, prompt)
        self._exchanges[digest] = self._exchanges.get(digest, 0) + exchanges
        return digest

    def texts(self, *, patterns: bool = True) -> pa.Table:
        """One row a distinct masked text seen so far (``schema.TEXTS``), ordered by digest.

        Families depend on all texts together and are found anew each time; what a text asks for depends on it alone
        and is judged once. Without ``patterns``, which only readers need, that column is null.
        """
        order = sorted(self._parts)
        parts = [self._parts[digest] for digest in order]
        exchanges = [self._exchanges[digest] for digest in order]
        template, prompt_pattern = self._families(self._prompts, [p for _, p in parts], exchanges, "template", 2,
                                                  patterns)
        system, system_pattern = self._families(self._systems, [s for s, _ in parts], exchanges, "system", 1, patterns)
        pattern = [p or s for p, s in zip(prompt_pattern, system_pattern, strict=True)]
        columns = {"text_digest": order, "template_id": template, "system_id": system, "pattern": pattern,
                   "exchanges": exchanges}
        judged = self._judge_all(order)
        return pa.Table.from_arrays(
            [pa.array(columns[c.name], c.type) if c.name in columns else judged[c.name].combine_chunks()
             for c in TEXTS.columns],
            schema=TEXTS.arrow,
        )

    def _judge_all(self, order: list[int]) -> pa.Table:
        """What the texts with these (sorted) digests ask for: what was judged before is looked up."""
        digests = pa.array(order, pa.int64())
        known = self._judged
        fresh = order
        if known is not None:
            fresh = digests.filter(pc.invert(pc.is_in(digests, value_set=known["text_digest"]))).to_pylist()
        if known is None or fresh:
            new = self._judge(fresh)
            known = new if known is None else pa.concat_tables([known, new]).combine_chunks()
            self._judged = known
        return known.take(pc.index_in(digests, value_set=known["text_digest"]))

    def _judge(self, digests: list[int]) -> pa.Table:
        """The likeliest capability of each text, its probability, that of ``harvest``, and the benchmark."""
        model = load_model()
        parts = [self._parts[digest] for digest in digests]
        rows = self._prompts.rows([prompt for _, prompt in parts])
        system, prompt = self._systems.parts(self._systems.rows([s for s, _ in parts])), self._prompts.parts(rows)
        shares, harvest = model.probabilities(system[0] + prompt[0], system[1] + prompt[1], system[2] | prompt[2])
        best = shares.argmax(axis=1).tolist()
        names = benchmark_names()
        return pa.table({
            "text_digest": pa.array(digests, pa.int64()),
            "capability": pa.array([model.classes[at] for at in best], pa.string()),
            "probability": pa.array(np.round(shares.max(axis=1), 6), pa.float64()),
            "harvest": pa.array(np.round(harvest, 6), pa.float64()),
            "benchmark": pa.array([names[at] if at >= 0 else None for at in self._prompts.benchmarks(rows).tolist()],
                                  pa.string()),
        })

    def _families(self, side: TextSide, masked: list[int | None], exchanges: list[int], kind: str,
                  repeats: int, with_patterns: bool) -> tuple[list[str | None], list[str | None]]:
        """Per row the family's name and the pattern; a text in ``repeats`` exchanges is its own family."""
        cores = side.cores(self._seed)
        seen = dict.fromkeys(side.index, 0)
        for digest, count in zip(masked, exchanges, strict=True):
            if digest is not None:
                seen[digest] += count
        often = [count >= RECURS for count in seen.values()]
        pattern = patterns(side.excerpts, list(side.index), cores, often) if with_patterns else [None] * len(often)
        names = [self._name(kind, name) for name in cores.names]
        of_text: list[int] = cores.of_text.tolist()
        family: dict[int, str | None] = {}
        for digest, count in seen.items():
            core = of_text[side.index[digest]]
            if core >= 0:
                family[digest] = names[core]
            else:
                own = digest.to_bytes(8, "big", signed=True)
                family[digest] = self._name(kind + " alone", own) if count >= repeats else None
        return (
            [None if digest is None else family[digest] for digest in masked],
            [None if digest is None else pattern[side.index[digest]] for digest in masked],
        )

    def _name(self, kind: str, content: bytes) -> str:
        return format(signed_digest(self._key, kind.encode() + b"\x00" + content) & (2**64 - 1), "016x")
