"""Text of exchanges, reduced once per distinct text to digests, families and what it asks for.

Raw text goes in and does not come out: a batch leaves with keyed digests and lengths, and what is kept
between batches is, per distinct masked text, a sketch of fixed size and two short masked excerpts.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.observe.capability import load_model
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
        self._prompts = TextSide(self._key)
        self._systems = TextSide(self._key)
        self._digest_of: dict[tuple[int | None, int | None], int] = {}
        self._parts: dict[int, tuple[int | None, int | None]] = {}
        self._exchanges: dict[int, int] = {}

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

    def texts(self) -> pa.Table:
        """One row a distinct masked text seen so far (``schema.TEXTS``), ordered by digest."""
        order = sorted(self._parts)
        parts = [self._parts[digest] for digest in order]
        exchanges = [self._exchanges[digest] for digest in order]
        template, prompt_pattern = self._families(self._prompts, [p for _, p in parts], exchanges, "template", 2)
        system, system_pattern = self._families(self._systems, [s for s, _ in parts], exchanges, "system", 1)
        pattern = [p or s for p, s in zip(prompt_pattern, system_pattern, strict=True)]
        prompt_row = self._prompts.rows([prompt for _, prompt in parts])
        capability, probability, harvest = self._judge(self._systems.rows([s for s, _ in parts]), prompt_row)
        known = benchmark_names()
        benchmark = [known[at] if at >= 0 else None for at in self._prompts.benchmarks(prompt_row).tolist()]
        columns = {"text_digest": order, "template_id": template, "system_id": system, "pattern": pattern,
                   "exchanges": exchanges, "capability": capability, "probability": probability,
                   "harvest": harvest, "benchmark": benchmark}
        return pa.Table.from_arrays(
            [pa.array(columns[c.name], c.type) if c.name in columns else pa.nulls(len(order), c.type)
             for c in TEXTS.columns],
            schema=TEXTS.arrow,
        )

    def _judge(self, systems: I64, prompts: I64) -> tuple[list[str], F64, F64]:
        """Per row the likeliest capability, its probability and that of ``harvest``."""
        model = load_model()
        system, prompt = self._systems.parts(systems), self._prompts.parts(prompts)
        shares, harvest = model.probabilities(system[0] + prompt[0], system[1] + prompt[1], system[2] | prompt[2])
        best = shares.argmax(axis=1).tolist()
        return [model.classes[at] for at in best], np.round(shares.max(axis=1), 6), np.round(harvest, 6)

    def _families(self, side: TextSide, masked: list[int | None], exchanges: list[int], kind: str,
                  repeats: int) -> tuple[list[str | None], list[str | None]]:
        """Per row the family's name and the pattern; a text in ``repeats`` exchanges is its own family."""
        cores = side.cores(self._seed)
        seen = dict.fromkeys(side.index, 0)
        for digest, count in zip(masked, exchanges, strict=True):
            if digest is not None:
                seen[digest] += count
        often = [count >= RECURS for count in seen.values()]
        pattern = patterns(side.excerpts, list(side.index), cores, often)
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
