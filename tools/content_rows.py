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
_FILLERS = {"q": ("hard_negative/gsm8k_test", "hard_negative/alpaca_eval", "hard_negative/math_eval_simplerl",
                  "hard_negative/self_instruct_user_oriented_eval", "positive/rllm_reasoning_seeds",
                  "positive/toolbench_queries", "hard_negative/mt_bench"),
            "a": ("hard_negative/lm_eval_templates", "hard_negative/t0_p3_batch_nlp")}
_SLOT = re.compile(r"\$?\{\{?-?\s*[\w.\[\]'\"|() :-]{1,60}?\s*-?\}\}?")
_JINJA = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.S)
_ANSWER = re.compile(r"answer|response|output|completion|solution|generation|candidate|context|document|passage")
_PROGRAMS = re.compile(r"Python|JavaScript|TypeScript|Rust|\bGo\b|Java|C#|SQL|Kotlin|PHP|bash|\$|\bstep|grammar"
                       r"|translate", re.I)
_PEOPLE = 60
_MOST = 120
_FILLS = 4
_FRAMED = 0.5


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


def _fill(text: str, draw: random.Random, pools: dict[str, list[tuple[str, str]]]) -> tuple[str, str]:
    """The text with its slots filled, and the one file that all fillers come from."""
    if not (_SLOT.search(text) or _JINJA.search(text)) or not (pools["q"] and pools["a"]):
        return text, ""
    source, question = draw.choice(pools["q"])
    _, answer = draw.choice(pools["a"])

    def put(match: re.Match[str]) -> str:
        return answer[:600] if _ANSWER.search(match[0].lower()) else question

    return _SLOT.sub(put, _JINJA.sub(" ", text)), source


def open_rows(found: dict[str, list[dict[str, Any]]], seed: int) -> list[Row]:
    """Labelled rows: at most 120 a file and kind, templates filled four times over."""
    draw = random.Random(seed)
    pools = {slot: [(name, row["text"]) for name in names for row in found.get(name, ())
                    if "template" not in row["kind"]]
             for slot, names in _FILLERS.items()}
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
                slots = _SLOT.search(row["text"])
                for _ in range(_FILLS if slots and len(some) <= 120 else 1):
                    text, filler = _fill(row["text"], draw, pools)
                    made.append(replace(base, text=text, filler=filler))
    return made


def written_rows(path: Path, found: dict[str, list[dict[str, Any]]], use: str, seed: int) -> list[Row]:
    """Rows from the texts written for the model, their slots filled four times over."""
    draw = random.Random(seed)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    slots: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        if row["use"] == "fill":
            slots[row["slot"]].append(("", row["text"]))
    for slot, names in _FILLERS.items():
        slots[slot] = [(name, row["text"][:800]) for name in names for row in found.get(name, ())
                       if "template" not in row["kind"]]
    slots["b"] = slots["a"]
    made = []
    for row in rows:
        if row["use"] != use:
            continue
        source = f"written/{row.get('author', 'first')}"
        base = Row(source, f"{source}/{row['language']}/{row['capability']}/{row['harvest']}",
                   row["text"], "", row["capability"], row["harvest"])
        names = sorted(name for name in set(re.findall(r"\{([a-z])\}", row["text"])) if slots[name])
        for _ in range(_FILLS if names and use == "train" else 1):
            text, filler = row["text"], ""
            for name in names:
                source, value = draw.choice(slots[name])
                text, filler = text.replace(f"{{{name}}}", value), source or filler
            made.append(replace(base, text=text, filler=filler))
    if use == "train":
        # Bare problems are what benchmarks and people send too, in Chinese as well.
        made += [Row("written/first", "written/first/zh/bare", text, "", None, 0) for _, text in slots["z"]]
    return made


def framed(rows: list[Row], path: Path, seed: int) -> list[Row]:
    """Copies of some rows between blocks that say nothing of what is asked: formats, rules, examples.

    Without them the model would take the longer prompts' boilerplate for what it stands beside in the sample. What
    people write has none.
    """
    draw = random.Random(seed)
    blocks: dict[str, list[str]] = {"en": [], "zh": []}
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
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
    for name in _FILLERS["q"]:
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
