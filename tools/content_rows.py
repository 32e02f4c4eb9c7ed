"""The labelled texts that the content model is trained on: public prompts, and texts written for it."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Per file and kind: capability (None: the label says nothing certain of it) and whether pipelines send it
# (None: they and benchmarks both do, as with a bare problem). The first entry that fits counts.
_ANY = "*"
LABELS: dict[str, dict[str, tuple[str | None, int | None]]] = {
    "positive/alpacafarm_annotator_templates": {_ANY: ("reward_grading", 1)},
    "positive/bespoke_curator": {"template": (None, 1), "seed_problem": (None, None)},
    "positive/distilabel_templates": {"rubric_template": ("reward_grading", 1),
                                      "cot_system_or_template": ("reasoning_trace", 1), _ANY: ("?", 1)},
    "positive/glaive_tool_trajectories": {_ANY: (None, None)},
    "positive/magpie": {"pre_query_template": (None, None), "template": ("?", 1),
                        _ANY: ("instruction_following", None)},
    "positive/rllm_reasoning_seeds": {_ANY: ("problem", None)},
    "positive/self_instruct": {"seed_prompt": ("instruction_following", None),
                               _ANY: ("instruction_following", 1)},
    "positive/skythought": {_ANY: ("reasoning_trace", 1)},
    "positive/stanford_alpaca_templates": {_ANY: ("instruction_following", 1)},
    "positive/swe_smith": {_ANY: ("coding", 1)},
    "positive/toolbench_queries": {"tool_query": (None, None), "template": ("agentic_tool_use", 1),
                                   "rubric_template": ("reward_grading", 1)},
    "positive/toolbench_trajectories": {_ANY: ("agentic_tool_use", 1)},
    "positive/ultrafeedback_rubrics": {"rubric_template": ("reward_grading", 1),
                                       _ANY: ("instruction_following", 1)},
    "hard_negative/aider_prompts": {_ANY: ("coding", 0)},
    "hard_negative/alpaca_eval": {"judge_template": ("reward_grading", 0), _ANY: ("instruction_following", 0)},
    "hard_negative/banking77_support_utterances": {_ANY: ("other", 0)},
    "hard_negative/gsm8k_test": {_ANY: ("reasoning_trace", 0)},
    "hard_negative/inspect_ai": {"benchmark_question": ("other", 0), _ANY: (None, 0)},
    "hard_negative/langchain_templates": {_ANY: ("?", 0)},
    "hard_negative/lighteval_templates": {_ANY: (None, 0)},
    "hard_negative/lm_eval_templates": {_ANY: (None, 0)},
    "hard_negative/math_eval_simplerl": {"benchmark_question": ("reasoning_trace", 0), _ANY: (None, None)},
    "hard_negative/mt_bench": {"judge_template": ("reward_grading", 0), _ANY: ("instruction_following", 0)},
    "hard_negative/opencompass_templates": {_ANY: (None, 0)},
    "hard_negative/ragas_templates": {_ANY: ("?", 0)},
    "hard_negative/self_instruct_user_oriented_eval": {_ANY: ("instruction_following", 0)},
    "hard_negative/simple_evals_templates": {_ANY: (None, 0)},
    "hard_negative/swe_agent": {_ANY: ("coding", 0)},
    "benign_chat/awesome_chatgpt_prompts": {_ANY: (None, 0)},
    "benign_chat/fastchat_dummy": {_ANY: ("other", 0)},
    "benign_chat/hh_rlhf_harmless_humans": {_ANY: ("other", 0)},
}
# What fills the slots of templates, by kind of slot.
_FILLERS = {"q": ("hard_negative/gsm8k_test", "hard_negative/alpaca_eval", "hard_negative/math_eval_simplerl",
                  "hard_negative/self_instruct_user_oriented_eval", "positive/rllm_reasoning_seeds",
                  "positive/toolbench_queries", "hard_negative/mt_bench"),
            "a": ("hard_negative/lm_eval_templates", "hard_negative/t0_p3_batch_nlp")}
_SLOT = re.compile(r"\$?\{\{?-?\s*[\w.\[\]'\"|() :-]{1,60}?\s*-?\}\}?")
_JINJA = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.S)
_ANSWER = re.compile(r"answer|response|output|completion|solution|generation|candidate|context|document|passage")
_CODE = re.compile(r"def \w+\(|programming|python|code|function|algorithm", re.I)
_GRADES = re.compile(r"\b(rat(e|ing)|scor(e|ing)|grad(e|ing)|rank(ing)?|evaluat\w+|judge|verdict|critique"
                     r"|faithful\w*)\b", re.I)
_CALLS = re.compile(r"\b(tools?|functions?|api|agent|action)\b", re.I)
_TABLES = re.compile(r"\b(sql|table|dataframe|database|csv)\b", re.I)
_MOST = 120
_FILLS = 4


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

    @property
    def language(self) -> str:
        """``zh`` where a fifth of the letters are Han characters, else ``en``, which stands for all others."""
        letters = [c for c in self.system + self.text if c.isalpha()]
        return "zh" if sum("\u4e00" <= c <= "\u9fff" for c in letters) > len(letters) / 5 else "en"


def _guess(text: str) -> str | None:
    """Capability of a template whose kind does not say, by its words; unlabelled where they do not."""
    if _GRADES.search(text):
        return "reward_grading"
    if _TABLES.search(text):
        return "data_analysis"
    if _CALLS.search(text):
        return "agentic_tool_use"
    return "instruction_following" if len(text) > 80 else None


def _label(source: str, row: dict[str, Any]) -> tuple[str | None, int | None]:
    kinds = LABELS.get(source, {})
    capability, harvest = kinds.get(row["kind"], kinds.get(_ANY, (None, None)))
    if capability == "?":
        capability = _guess(row["text"])
    elif capability == "problem":
        capability = "coding" if _CODE.search(row["text"]) else "reasoning_trace"
    # The harder a fragment of source code is to tell from a prompt, the less its label means.
    if "template" in row["kind"] and len(row["text"]) < 40:
        return None, None
    return capability, harvest


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
                capability, harvest = _label(source, row)
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
        base = Row(f"written/{row['language']}", f"written/{row['language']}/{row['capability']}/{row['harvest']}",
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
        made += [Row("written/zh", "written/zh/bare", text, "", None, 0) for _, text in slots["z"]]
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
