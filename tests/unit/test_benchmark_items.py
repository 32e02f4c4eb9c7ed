"""Public benchmark items are recognised as they are, lightly altered, and never where there are none."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import re
from collections.abc import Callable
from importlib.resources import files

import numpy as np
import pytest
from tests.unit.text_batches import per_item, problem

SYNONYMS = {"the": "a", "how": "so how", "many": "many in all", "find": "determine", "what": "what then",
            "each": "every", "and": "as well as", "than": "then", "buys": "gets", "total": "whole"}
WRAPPERS = ("Solve this carefully.\n\nQ: {}\nA:", "<problem>{}</problem>\nThink step by step and box the answer.",
            "### Instruction:\n{}\n\n### Response:\n", "You will get one question. Reply in JSON.\nQuestion 17: {}")


def _punctuation(text: str, draw: random.Random) -> str:
    return re.sub(r"[,;:]", "", text).replace("?", "").replace(".", " .")


def _words(text: str, draw: random.Random) -> str:
    """One word in twelve replaced, dropped or doubled."""
    words = text.split(" ")
    for at, word in enumerate(words):
        if draw.random() < 1 / 12:
            words[at] = draw.choice([SYNONYMS.get(word.lower(), ""), "", f"{word} {word}"])
    return " ".join(words)


ALTERED: dict[str, tuple[Callable[[str, random.Random], str], float]] = {
    "as it is": (lambda text, draw: text, 0.97),
    "case": (lambda text, draw: text.upper() if draw.random() < 0.5 else text.lower(), 0.9),
    "punctuation": (_punctuation, 0.9),
    "numbering": (lambda text, draw: f"{draw.randint(1, 99)}) {text}", 0.95),
    "numbers": (lambda text, draw: re.sub(r"\d+", lambda m: str(draw.randint(2, 99)), text), 0.9),
    "wrapper": (lambda text, draw: draw.choice(WRAPPERS).replace("{}", text), 0.97),
    "words": (_words, 0.85),
}


@pytest.fixture(scope="module")
def items() -> list[str]:
    """Shipped items of at least twenty words, two hundred of them."""
    raw = files("stillwatch.data").joinpath("prompts", "benchmarks.jsonl.gz").read_bytes()
    texts = [json.loads(line)["text"] for line in gzip.decompress(raw).splitlines()]
    return random.Random(5).sample([text for text in texts if len(text.split()) >= 20], 200)


@pytest.mark.parametrize("how", ALTERED)
def test_items_are_recognised_when_lightly_altered(items: list[str], how: str) -> None:
    alter, least = ALTERED[how]
    draw = random.Random(7)
    found = per_item([(None, alter(text, draw)) for text in items], "benchmark")
    assert np.mean([name is not None for name in found]) >= least


def test_texts_of_like_words_are_no_items(items: list[str]) -> None:
    draw = random.Random(9)
    words = [word for text in items for word in text.split()]
    mixed = [" ".join(draw.sample(words, 60)) for _ in range(300)]
    assert set(per_item([(None, text) for text in [*mixed, *map(problem, range(300))]], "benchmark")) == {None}


def test_halves_of_two_items_are_one_of_them_or_none(items: list[str]) -> None:
    names = per_item([(None, text) for text in items[:40]], "benchmark")
    pairs = [f"{one[: len(one) // 5]} {other}" for one, other in itertools.pairwise(items[:41])]
    found = per_item([(None, text) for text in pairs], "benchmark")
    own = per_item([(None, text) for text in items[1:41]], "benchmark")
    assert len(names) == len(found)
    assert np.mean([mine in (None, theirs) for mine, theirs in zip(found, own, strict=True)]) > 0.95
