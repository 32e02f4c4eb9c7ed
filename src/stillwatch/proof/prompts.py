"""What simulated requests say: shipped pools of public prompts, families of frames, and how people write.

Everything shipped is split in two halves by the hash of its text, so that what is developed on one half can
be reported on the other (scenario parameter ``prompts``).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from stillwatch.proof.draws import Ints, Keys, mix
from stillwatch.proof.texts import Composer, Filler, MuteComposer, joined, salted

__all__ = ["HALVES", "Family", "Library", "MuteLibrary", "half_of", "library", "mute_library"]

HALVES = ("A", "B")
_POOLS = ("seed_problems", "tool_queries", "instructions", "benchmarks", "support", "chat", "issues")
# Whole numbers that can be changed; exponents, indices, decimals, dates and names are left alone.
_NUMBER = re.compile(r"(?<![\w\\^_.,/:])\d{1,4}(?![.,]\d|\w{2}|[\d/:])")
_VARIED = 4
_FRAME = "Please solve the programming task below using a self-contained code snippet in a markdown code block."
# Lists whose phrases identify a text are split; function words and numbers are common to both halves.
_SPLIT = frozenset({"core", "followup", "thing", "concept", "occasion", "plan", "saying", "answer_part", "rubric",
                    "constraint", "passage_part", "desktop_task", "screen", "table_question", "sensitive",
                    "math_zh", "issue_part", "chat_code", "role", "business", "rule", "injection", "launch_try"})


def half_of(text: str) -> str:
    """Which half a text belongs to."""
    return HALVES[hashlib.sha256(text.encode()).digest()[0] & 1]


@dataclass(frozen=True)
class Family:
    """A family of prompts: a frame with slots, in several wordings."""

    name: str
    use: str
    capability: str
    tools: bool
    tool_names: tuple[str, ...]
    system: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    loose: bool = False
    images: bool = False

    def wordings(self, variants: Ints, part: int, choices: int) -> Ints:
        """Which alternative of a part each wording (0, 1, …) uses."""
        return (mix(salted(f"{self.name}/{part}"), variants) % np.uint64(choices)).astype(np.int64)


def _read(name: str) -> list[dict[str, Any]]:
    data = (resources.files("stillwatch") / f"data/prompts/{name}.jsonl.gz").read_bytes()
    return [json.loads(line) for line in gzip.decompress(data).splitlines()]


def _stripped(text: str) -> str:
    """An item without the frame that its collection put around it, and without its typesetting."""
    return text.replace("\u00a0", " ").removeprefix(_FRAME).strip()


def _yaml(name: str) -> dict[str, Any]:
    # The parser in C, where PyYAML was built with it, saves every process a second.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read: dict[str, Any] = yaml.load(
        (resources.files("stillwatch") / f"data/prompts/{name}.yaml").read_text("utf-8"), loader)  # noqa: S506 - safe
    return read


def _halved(lists: dict[str, list[str]], half: str) -> dict[str, list[str]]:
    """Each list's own half, where enough of it is left to write with."""
    out = {}
    for name, items in lists.items():
        own = [item for place, item in enumerate(items) if (place % 2 == 0) == (half == "A")]
        out[name] = own if name in _SPLIT and len(own) >= 2 else items
    return out


class Library:
    """One half of everything that can be said."""

    def __init__(self, half: str) -> None:
        self.half = half
        self._pools: dict[str, pa.Array] = {}
        grouped: dict[str, list[dict[str, Any]]] = {}
        for pool in _POOLS:
            for row in _read(pool):
                if half_of(row["text"]) == half:
                    grouped.setdefault(row["kind"], []).append(row)
        for kind, rows in grouped.items():
            self._pools[kind] = pa.array([_stripped(row["text"]) for row in rows], pa.string())
        self._segments = _segments([row["text"] for row in grouped["math_problem"]])
        # Seeds that hold numbers enough to be varied.
        self._varied = np.flatnonzero((self._segments[1] >= 2).sum(axis=1) >= 2)
        self.families = tuple(
            Family(row["name"], row["use"], row["capability"], bool(row.get("tools")),
                   tuple(row["tools"]) if isinstance(row.get("tools"), list) else (),
                   tuple(row.get("system", ())),
                   tuple((part,) if isinstance(part, str) else tuple(part) for part in row["parts"]),
                   bool(row.get("loose")), bool(row.get("images")))
            for row in _yaml("families")["families"] if row["half"] == half
        )
        self._numbers = pa.array([str(n) for n in range(10_000)], pa.string())
        people = _yaml("people")
        self.common = Composer(_halved(_yaml("slots"), half), self._fillers())
        english = Composer(_halved(people.pop("en"), half), parent=self.common)
        self.languages = {"en": english}
        for name in sorted(people):
            self.languages[name] = Composer(_halved(people[name], half), parent=english)
        self.things = english
        self._by_name = {family.name: family for family in self.families}

    def family(self, name: str) -> Family:
        """A family by name."""
        return self._by_name[name]

    def named(self, use: str, capability: str | None = None) -> list[Family]:
        """The families for a use, in declared order."""
        return [f for f in self.families if f.use == use and capability in (None, f.capability)]

    def pool(self, kind: str) -> pa.Array:
        """The texts of a pool."""
        return self._pools[kind]

    def picked(self, kind: str, numbers: Ints | Keys) -> pa.Array:
        """Texts of a pool by number, modulo its size."""
        pool = self._pools[kind]
        return pool.take(pa.array((numbers % numbers.dtype.type(len(pool))).astype(np.int64)))

    def render(self, family: Family, keys: Keys, variants: Ints) -> tuple[pa.Array | None, pa.Array]:
        """System text (or none) and prompt of each row of one family."""
        columns: list[pa.Array | str] = []
        for place, alternatives in enumerate(family.parts):
            chosen = family.wordings(variants, place, len(alternatives))
            if len(alternatives) == 1:
                columns.append(self.things.fill(alternatives[0], keys))
                continue
            filled = [self.things.fill(text, keys) for text in alternatives]
            columns.append(_select(filled, chosen))
        prompt = joined(columns, len(keys))
        if not family.system:
            return None, prompt
        systems = pa.array([text.replace("{{", "{").replace("}}", "}") for text in family.system], pa.string())
        return systems.take(pa.array(family.wordings(variants, -1, len(systems)))), prompt

    def family_tools(self, family: Family, keys: Keys) -> pa.Array:
        """Names of the tools that each row of a family offers: always the same, or a set for each key."""
        if family.tool_names:
            return pa.array([list(family.tool_names)] * len(keys), pa.list_(pa.string()))
        return self.tools(keys)

    def tools(self, keys: Keys, where: Any = None) -> pa.Array:
        """Names of the tools that each row offers, three to six of the pool; null where not ``where``."""
        offered = self._tool_lists
        chosen = (mix(salted("toolset"), keys) % np.uint64(len(offered))).astype(np.int64)
        return offered.take(pa.array(chosen, mask=None if where is None else ~where))

    @cached_property
    def _tool_lists(self) -> pa.Array:
        names = self._pools["tool_name"].to_pylist()
        lists = []
        for number in range(64):
            size = 3 + number % 4
            first = (number * 7) % len(names)
            lists.append([names[(first + step * 3) % len(names)] for step in range(size)])
        return pa.array(lists, pa.list_(pa.string()))

    def _fillers(self) -> dict[str, Filler]:
        def number(low: int, high: int) -> Filler:
            span = np.uint64(high - low)
            return lambda keys: self._numbers.take(pa.array((keys % span).astype(np.int64) + low))

        def several(slot: str, count: int, separator: str) -> Filler:
            def fill(keys: Keys) -> pa.Array:
                parts = [self.things.slot(slot, keys, f"{place}") for place in range(count)]
                # A third of the texts is one part shorter.
                shorter = pa.array(mix(salted("shorter"), keys) % np.uint64(3) == 0)
                parts[-1] = pc.if_else(shorter, pa.scalar("", pa.string()), parts[-1])
                return joined(parts, len(keys), separator)
            return fill

        return {
            "number": number(11, 998),
            "small": number(2, 10),
            "math": lambda keys: self.picked("math_problem", keys),
            "math_fresh": self._fresh_problem,
            "code_problem": lambda keys: self.picked("code_problem", keys),
            "tool_query": lambda keys: self.picked("tool_query", keys),
            "tools_json": self._tools_json,
            "instruction": lambda keys: self.picked("instruction", keys),
            "instruction_fresh": lambda keys: joined(
                [self.picked("instruction", keys), self.things.slot("constraint", keys, "c")], len(keys), " "),
            "support": lambda keys: self.picked("support_message", keys),
            "benchmark": lambda keys: self.picked("mt_bench", keys),
            "answer": several("answer_part", 4, " "),
            "passage": several("passage_part", 4, " "),
            "issue": several("issue_part", 4, "\n"),
            "chat": lambda keys: self.opening("en", keys),
        }

    def _fresh_problem(self, keys: Keys) -> pa.Array:
        """A seed problem with its whole numbers changed, as pipelines augment their seeds."""
        texts, values = self._segments
        rows = self._varied[(keys % np.uint64(len(self._varied))).astype(np.int64)]
        index = pa.array(rows)
        columns: list[pa.Array | str] = [texts[0].take(index)]
        for place in range(_VARIED):
            base = values[rows, place]
            span = np.maximum(base, 8)
            drawn = (mix(salted("vary"), keys, place) % np.uint64(1 << 31)).astype(np.int64)
            changed = np.where(base < 2, base, np.maximum(2, base - span // 2) + drawn % (span + 1))
            text = self._numbers.take(pa.array(np.clip(changed, 0, 9_999)))
            columns.append(pc.if_else(pa.array(base < 0), pa.scalar("", pa.string()), text))
            columns.append(texts[place + 1].take(index))
        return joined(columns, len(keys))

    def _tools_json(self, keys: Keys) -> pa.Array:
        written = pa.array([json.dumps([{"name": name, "parameters": {}} for name in names])
                            for names in self._tool_lists.to_pylist()], pa.string())
        return written.take(pa.array((mix(salted("toolset"), keys) % np.uint64(len(written))).astype(np.int64)))

    def opening(self, language: str, keys: Keys) -> pa.Array:
        """How a person opens a conversation."""
        writer = self.languages[language]
        parts = [writer.slot("opener", keys), writer.slot("core", keys)]
        first = joined(parts, len(keys))
        details = [writer.slot("detail", keys, "1"), writer.slot("detail", keys, "2"),
                   writer.slot("closer", keys)]
        whole = joined([first, *details], len(keys), " ")
        return pc.utf8_trim_whitespace(pc.replace_substring_regex(whole, "  +", " "))

    def followup(self, language: str, keys: Keys) -> pa.Array:
        """How a person goes on."""
        writer = self.languages[language]
        whole = joined([writer.slot("followup", keys), writer.slot("detail", keys, "f")], len(keys), " ")
        return pc.utf8_trim_whitespace(whole)

    def own_system(self, keys: Keys) -> pa.Array:
        """A system prompt that some customer wrote for an application of their own."""
        fill = self.things.slot
        rows = len(keys)
        return joined(["You are the ", fill("role", keys), " of ", fill("business", keys), ". ",
                       fill("rule", keys, "1"), " ", fill("rule", keys, "2"), " ", fill("rule", keys, "3")], rows)


class MuteLibrary(Library):
    """A library that says nothing: every text is null; families, pools and tools are as they are.

    For logs that hold no text: what their requests are about stays, and nothing is written to be thrown away.
    """

    def __init__(self, half: str) -> None:
        vars(self).update(vars(library(half)))
        mute = MuteComposer()
        self.common = self.things = mute
        self.languages = dict.fromkeys(self.languages, mute)

    def picked(self, kind: str, numbers: Ints | Keys) -> pa.Array:
        """Nulls."""
        return pa.nulls(len(numbers), pa.string())

    def render(self, family: Family, keys: Keys, variants: Ints) -> tuple[pa.Array | None, pa.Array]:
        """Nulls; no system text where the family has none."""
        silence = pa.nulls(len(keys), pa.string())
        return silence if family.system else None, silence

    def opening(self, language: str, keys: Keys) -> pa.Array:
        """Nulls."""
        return pa.nulls(len(keys), pa.string())

    def followup(self, language: str, keys: Keys) -> pa.Array:
        """Nulls."""
        return pa.nulls(len(keys), pa.string())

    def own_system(self, keys: Keys) -> pa.Array:
        """Nulls."""
        return pa.nulls(len(keys), pa.string())


def _select(options: list[pa.Array], chosen: Ints) -> pa.Array:
    """Row by row the chosen one of equally long arrays."""
    if len(options) == 1:
        return options[0]
    size = len(chosen)
    return pa.concat_arrays(options).take(pa.array(chosen * size + np.arange(size)))


def _segments(problems: list[str]) -> tuple[list[pa.Array], Ints]:
    """Problems cut at their first whole numbers: the text around, and the numbers (-1 where there are fewer)."""
    texts: list[list[str]] = [[] for _ in range(_VARIED + 1)]
    values = np.full((len(problems), _VARIED), -1, dtype=np.int64)
    for row, problem in enumerate(problems):
        start = 0
        found = list(_NUMBER.finditer(problem))[:_VARIED]
        for place in range(_VARIED):
            if place < len(found):
                texts[place].append(problem[start:found[place].start()])
                values[row, place] = int(found[place][0])
                start = found[place].end()
            else:
                texts[place].append(problem[start:])
                start = len(problem)
        texts[_VARIED].append(problem[start:])
    return [pa.array(column, pa.string()) for column in texts], values


@cache
def library(half: str) -> Library:
    """The half of the shipped prompts that is called ``A`` or ``B``."""
    return Library(half)


@cache
def mute_library(half: str) -> MuteLibrary:
    """The same half without its words."""
    return MuteLibrary(half)
