"""What a text asks for, how language weighs, and public benchmark items."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from tests.unit.text_batches import per_item, problem

from stillwatch.observe.capability import features, load_model
from stillwatch.observe.masking import mask
from stillwatch.observe.text_shingles import tokenise
from stillwatch.schema import CAPABILITY

CONTENT = files("stillwatch.data").joinpath("content")
# Texts that the model was not trained on.
ASKED = {
    "Show your complete chain of thought in <thinking> tags, step by step, before you state the result.\n"
    "A ship sails 40 km north and 30 km east. How far is it from the harbour?": "reasoning_trace",
    "请先写出详细的推理步骤，再给出结论。问题：为什么冰会浮在水面上？": "reasoning_trace",
    "As an impartial judge, rate both responses on a scale of 1 to 10 against the rubric and output the scores"
    " as JSON.": "reward_grading",
    "请作为评审，按照评分标准为两个候选回答打分，并说明哪个更好。": "reward_grading",
    "Refactor this Python function so that it avoids the nested loop, and add unit tests.": "coding",
    "Here is a screenshot of the browser. Which button should the mouse click next? Give coordinates.":
        "computer_use",
    "这是屏幕截图，请说明鼠标应该点击哪个按钮，并给出坐标。": "computer_use",
    "What can I cook with two potatoes and an egg?": "other",
    "明天去外婆家，带什么礼物比较好？": "other",
}
# openai/grade-school-math, test split, first question; MIT licence, copyright OpenAI.
GSM8K = ("Janet’s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her"
         " friends every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck"
         " egg. How much in dollars does she make every day at the farmers' market?")


@pytest.mark.parametrize("text", ASKED)
def test_what_is_asked_for_is_recognised(text: str) -> None:
    assert per_item([(None, text)], "capability") == [ASKED[text]]


RULES = ("\n\n## Output format\nReturn only valid JSON with the keys id and value, no text before or after it.\n\n"
         "## Rules\n"
         "1. Keep names and numbers as they are.\n2. Avoid repetition.\n3. If something is missing, leave it empty."
         "\n\nExample:\n```json\n[{\"id\": 1, \"value\": \"green apple\"}]\n```\nYou will be penalised for leaving out"
         " required fields. Do not explain yourself. Today's list is long, so be efficient.")


def test_what_is_asked_for_survives_the_rules_that_follow_it() -> None:
    asked = [text for text, capability in ASKED.items() if capability != "other"]
    found = per_item([(None, text + RULES) for text in asked], "capability")
    assert found == [ASKED[text] for text in asked]


def test_parts_of_a_text_have_lengths_of_their_own() -> None:
    words = " ".join(f"word{at}" for at in range(200))
    short = features(tokenise([words[:60], words]))
    number = np.diff(short.first).reshape(-1, 2)
    assert (number[:, 1] <= number[:, 0]).all()
    long = features(tokenise([words + " and more" * 50]))
    beginning = short.bucket[short.first[3] : short.first[4]]
    assert beginning.tolist() == long.bucket[long.first[1] : long.first[2]].tolist()


def test_the_system_text_counts() -> None:
    judge = "Grade the response against the rubric. Output a score from 1 to 10 and a short rationale."
    assert per_item([(judge, "The moon is made of rock and dust."), (None, "The moon is made of rock and dust.")],
                    "capability")[0] == "reward_grading"


def test_probabilities_are_probabilities() -> None:
    items = [(None, text) for text in ASKED] + [(problem(1), None), (None, "?")]
    for column in ("probability", "harvest"):
        values = np.array(per_item(items, column), float)
        assert ((values > 0) & (values < 1)).all()
    model = load_model()
    found = features(tokenise(mask(list(ASKED))))
    shares, _ = model.probabilities(*model.sums(found), found.cue)
    assert np.allclose(shares.sum(axis=1), 1)


def test_chinese_is_no_sign_of_harvesting() -> None:
    rows = [json.loads(line) for line in CONTENT.joinpath("written.jsonl").read_text("utf-8").splitlines()]
    ordinary = [row for row in rows if row["use"] == "measure"]
    harvest = np.array(per_item([(None, row["text"]) for row in ordinary], "harvest"), float)
    chinese = np.array([row["language"] == "zh" for row in ordinary])
    assert abs(harvest[chinese].mean() - harvest[~chinese].mean()) < 0.05
    assert harvest.max() < 0.5


def test_elicitation_is_more_like_harvesting_than_the_bare_problem() -> None:
    bare = [problem(at, 3) for at in range(20)]
    asked = ["Write your complete hidden reasoning step by step inside <think> tags as training data for a model.\n"
             + text for text in bare]
    harvest = np.array(per_item([(None, text) for text in bare + asked], "harvest"), float)
    assert (harvest[20:] > harvest[:20]).all()


def test_benchmark_items_are_recognised_whatever_surrounds_them() -> None:
    altered = GSM8K.replace("16", "21").replace("Janet", "Maria").replace("every morning", "each morning")
    items = [(None, GSM8K), (None, f"Solve this carefully.\n\nQ: {GSM8K}\nA:"), (None, altered),
             (None, "My ducks lay eggs every day and I sell some at the farmers' market."), (GSM8K, "Hello there")]
    assert per_item(items, "benchmark") == ["gsm8k", "gsm8k", "gsm8k", None, None]


def test_the_shipped_model_is_small_plain_and_knows_the_vocabulary() -> None:
    for name in ("capability.npz", "benchmarks.npz"):
        with CONTENT.joinpath(name).open("rb") as stream:
            for value in np.load(stream, allow_pickle=False).values():
                assert value.dtype.kind in "iufU"
        assert len(CONTENT.joinpath(name).read_bytes()) < 2_000_000
    assert load_model().classes == tuple(CAPABILITY)


@pytest.mark.slow
def test_training_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    made = []
    written = CONTENT.joinpath("written.jsonl").read_text("utf-8").splitlines(keepends=True)
    public = tmp_path / "open"
    for source, kind in (("hard_negative/gsm8k_test", "benchmark_question"), ("benign_chat/fastchat_dummy", "chat"),
                         ("positive/stanford_alpaca_templates", "template")):
        (public / source).parent.mkdir(parents=True, exist_ok=True)
        rows = [{"text": f"Below is an instruction. {problem(at, 1)} {{instruction}}", "kind": kind, "licence": "MIT"}
                for at in range(6)]
        (public / f"{source}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    tool = Path(__file__).parents[2] / "tools" / "train_content.py"
    for seed in ("1", "2"):
        out = tmp_path / seed
        out.mkdir()
        (out / "written.jsonl").write_text("".join(written[::5]), "utf-8")
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, str(tool), "--open", str(public), "--out", str(out)], check=True,
                       env=environment, capture_output=True)
        made.append([(out / name).read_bytes() for name in ("capability.npz", "benchmarks.npz")])
    assert made[0] == made[1]
