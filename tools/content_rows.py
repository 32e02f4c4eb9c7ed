"""The labelled texts that the content model is trained on: public prompts, and texts written for it."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from content_labels import label

from stillwatch.proof.draws import mix
from stillwatch.proof.prompts import library

# What fills the slots of templates, by kind of slot.
_QUESTIONS = ("hard_negative/gsm8k_test", "hard_negative/alpaca_eval", "hard_negative/math_eval_simplerl",
              "hard_negative/self_instruct_user_oriented_eval", "positive/rllm_reasoning_seeds",
              "positive/toolbench_queries", "hard_negative/mt_bench")
# A name in braces; after a letter, a backslash or a power it is LaTeX.
_SLOT = re.compile(r"(?<![\w\\^}])\$?\{\{?-?\s*([A-Za-z_][\w.\[\]'\"|() :-]{0,59}?)\s*-?\}\}?")
# What stands in a slot, by the slot's name: the first that fits.
_NAMED = (("n", r"^n$|num|count|top_k|max|min_|length|limit|timeout|percent|score|index|^\d"),
          ("p", r"dir|path|file(?!s?_?(content|src))|^repo|url"),
          ("c", r"code|diff|patch|src|snippet|test_list|submission|program|function_sig|starter"),
          ("o", r"observation|log\b|error|traceback|stdout|execution|result"),
          ("f", r"tool|apis?\b|func|command_docs|action"),
          ("r", r"answer|response|output|completion|solution|generation|candidate|prediction|reply|ref\b|target"),
          ("d", r"context|document|passage|text|content|article|summar|source|paragraph|doc\b|story|premise|sentence"
                r"|history|excerpt|conversation|hypothesis|ctx"),
          ("k", r"^[a-z]$|choice|option|lang|label|word|name|topic|subject|category|title|type|role|model|date|unit"
                r"|persona|criteri|fence|letter|person"))
_CHINESE = {"r": "y", "d": "w", "q": "z"}
_JINJA = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.S)
_PROGRAMS = re.compile(r"Python|JavaScript|TypeScript|Rust|\bGo\b|Java|C#|SQL|Kotlin|PHP|bash|\$|\bstep|grammar"
                       r"|translate", re.I)
_PEOPLE = 60
_MOST = 120
_FILLS = 4
_FRAMED = 0.5
# How often a template is filled with a question of its own capability.
_COHERENT = 0.8


@dataclass(frozen=True)
class Row:
    """One text: where it is from, what fills its slots, and its labels (``None`` where it has none)."""

    source: str
    group: str
    text: str
    system: str
    capability: str | None
    harvest: int | None
    filler: str = ""
    copy: bool = False

    @property
    def language(self) -> str:
        """``zh`` where a fifth of the letters are Han characters, else ``en``, which stands for all others."""
        letters = [c for c in self.system + self.text if c.isalpha()]
        return "zh" if sum("\u4e00" <= c <= "\u9fff" for c in letters) > len(letters) / 5 else "en"


def read_open(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of the folder by file; rows under licences that forbid training are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*/*.jsonl")):
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        found[f"{path.parent.name}/{path.stem}"] = [r for r in rows if "per-dataset" not in r["licence"]]
    return found


Pools = dict[str, list[tuple[str, str]]]


class Slots:
    """What fills the slots of templates: questions of public sources, and texts written for the purpose."""

    def __init__(self, found: dict[str, list[dict[str, Any]]], written: list[dict[str, Any]],
                 draw: random.Random) -> None:
        self.draw = draw
        self.pools: Pools = defaultdict(list)
        for row in written:
            if row["use"] == "fill":
                self.pools[row["slot"]].append(("", row["text"]))
        for name in _QUESTIONS:
            for row in found.get(name, ()):
                if "template" not in row["kind"]:
                    asked = "agentic_tool_use" if row["kind"] == "tool_query" else label(name, row)[0]
                    self.pools[f"q {asked}"].append((name, row["text"]))
        self.questions = [pair for kind in sorted(self.pools) if kind.startswith("q ") for pair in self.pools[kind]]

    def question(self, capability: str | None) -> tuple[str, str]:
        """A question and its source: mostly one that a template of the capability is given."""
        own = self.pools.get(f"q {capability}")
        some = own if own and self.draw.random() < _COHERENT else self.questions
        return self.draw.choice(some) if some else ("", "")

    def fill(self, row: Row) -> Row:
        """The row with its slots filled; one question at most, whose source is the row's ``filler``."""
        if not (_SLOT.search(row.text) or _JINJA.search(row.text)):
            return row
        chinese = row.language == "zh"
        source, question = ("", "") if chinese else self.question(row.capability)

        def put(match: re.Match[str]) -> str:
            kind = next((kind for kind, words in _NAMED if re.search(words, match[1].lower())), "q")
            if kind == "q" and not chinese:
                return question
            pool = self.pools[_CHINESE.get(kind, kind) if chinese else kind]
            return self.draw.choice(pool)[1] if pool else match[0]

        text = _SLOT.sub(put, _JINJA.sub(" ", row.text))
        return replace(row, text=text, filler=source if question and question in text else "")


def open_rows(found: dict[str, list[dict[str, Any]]], written: Path, seed: int) -> list[Row]:
    """Labelled rows: at most 120 a file and kind, templates filled four times over."""
    draw = random.Random(seed)
    slots = Slots(found, read_written(written), draw)
    made: list[Row] = []
    for source, rows in found.items():
        by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            by_kind[row["kind"]].append(row)
        for kind, some in sorted(by_kind.items()):
            for row in draw.sample(some, min(len(some), _MOST)):
                capability, harvest = label(source, row)
                if capability is None and harvest is None:
                    continue
                base = Row(source, f"{source}/{kind}", row["text"], row.get("system") or "", capability, harvest)
                # Only templates have slots: braces of a problem are its own.
                if "template" not in kind or not _SLOT.search(row["text"]):
                    made.append(base)
                else:
                    made += [slots.fill(base) for _ in range(_FILLS if len(some) <= _MOST else 1)]
    return made


def read_written(path: Path) -> list[dict[str, Any]]:
    """The texts written for the model."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def written_rows(path: Path, found: dict[str, list[dict[str, Any]]], use: str, seed: int) -> list[Row]:
    """Rows from the texts written for the model, their slots filled four times over."""
    draw = random.Random(seed)
    rows = read_written(path)
    slots = Slots(found, rows, draw)
    pools = {name: [text for _, text in some] for name, some in slots.pools.items()}
    pools["a"] = pools["b"] = pools["r"]
    made = []
    for row in rows:
        if row["use"] != use:
            continue
        author = f"written/{row.get('author', 'first')}"
        base = Row(author, f"{author}/{row['language']}/{row['capability']}/{row['harvest']}",
                   row["text"], "", row["capability"], row["harvest"])
        names = sorted(name for name in set(re.findall(r"\{([a-z])\}", row["text"])) if name == "q" or pools.get(name))
        for _ in range(_FILLS if names and use == "train" else 1):
            text, filler = row["text"], ""
            for name in names:
                filler, value = slots.question(row["capability"]) if name == "q" else (filler, draw.choice(pools[name]))
                text = text.replace(f"{{{name}}}", value[:800])
            made.append(replace(base, text=text, filler=filler))
    if use == "train":
        # Bare problems are what benchmarks and people send too, in Chinese as well.
        made += [Row("written/first", "written/first/zh/bare", text, "", None, 0) for text in pools["z"]]
    return made


def framed(rows: list[Row], path: Path, seed: int) -> list[Row]:
    """Copies of some rows between blocks that say nothing of what is asked: formats, rules, examples.

    Without them the model would take the longer prompts' boilerplate for what it stands beside in the sample. What
    people write has none.
    """
    draw = random.Random(seed)
    blocks: dict[str, list[str]] = {"en": [], "zh": []}
    for row in read_written(path):
        if row["use"] == "frame":
            blocks[row["language"]].append(row["text"])
    made = []
    for row in rows:
        have = blocks[row.language]
        if not have or row.capability in (None, "other") or draw.random() > _FRAMED:
            continue
        before, after = draw.sample(have, draw.randint(0, 2)), draw.sample(have, draw.randint(1, 4))
        made.append(replace(row, text="\n\n".join([*before, row.text, *after]), copy=True))
    return made


def bare_problems(found: dict[str, list[dict[str, Any]]], seed: int) -> list[Row]:
    """Bare problems, which benchmarks and people send too: what fills a template must not look like one."""
    draw = random.Random(seed)
    made = []
    for name in _QUESTIONS:
        rows = [r for r in found.get(name, ()) if "template" not in r["kind"]]
        made += [Row(name, f"{name}/bare", row["text"], "", None, 0)
                 for row in draw.sample(rows, min(len(rows), _MOST))]
    return made


def people_rows(seed: int) -> list[Row]:
    """How people write in eight languages, as the simulator's half A has it: pipelines send none of it.

    Questions about programs and sums have no certain capability: people ask those too.
    """
    said = library("A")
    keys = mix(np.uint64(seed), np.arange(_PEOPLE, dtype=np.uint64))
    made = []
    for language in sorted(said.languages):
        for text in said.opening(language, keys).to_pylist():
            of = None if _PROGRAMS.search(text) else "other"
            made.append(Row("simulated/people", f"simulated/people/{language}", text, "", of, 0))
    return made
