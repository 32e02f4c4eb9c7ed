"""Families: what recurs across distinct texts is template, whatever fills the slots."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson
from sklearn.metrics import adjusted_rand_score
from tests.unit.text_batches import Item, chinese, per_item, problem, reduce

from stillwatch.observe.templates import needed

TEMPLATES = {
    "before": "Solve the following task. Think step by step and write your reasoning between tags first. {x}",
    "after": "{x} Explain every intermediate step in detail, then state the final answer on its own line.",
    "around": "You will be shown a question. {x} Rate how difficult it is for a student and justify the rating.",
    "chinese": "请一步一步地思考下面的问题，把完整的推理过程写在标签里，最后给出答案。{z}",
    "chinese after": "{z}以上是用户的问题，请根据评分标准对回答进行打分，满分十分，并说明理由。",
    "mixed": "请把下面的英文题目改写成更难的版本，并给出 step by step reasoning 和完整解答。{x}",
}
CHATS = (
    "what is the best {} for a {}", "can you help me with {} and the {}", "how do i get rid of {} {}",
    "i want to know about {} and {}", "do you know how to {} the {}", "what do you think of {} or {}",
    "could you please tell me about {} in {}", "is it true that a {} can be a {}",
)


def texts_of(template: str, count: int, start: int) -> list[Item]:
    return [(None, template.format(x=problem(start + at, 6), z=chinese(start + at, 150))) for at in range(count)]


def chats(count: int) -> list[Item]:
    draw = np.random.default_rng(5)
    return [(None, draw.choice(CHATS).format(problem(9_000_000 + at, 1)[4:30], chinese(at, 4)))
            for at in range(count)]


def test_templates_are_recovered_and_chats_left_alone() -> None:
    items, truth = [], []
    for number, template in enumerate(TEMPLATES.values()):
        items += texts_of(template, 80, 1000 * number)
        truth += [number] * 80
    families = per_item(items + chats(800), "template_id")
    labels = {family: at for at, family in enumerate(dict.fromkeys(families))}
    assert adjusted_rand_score(truth, [labels[family] for family in families[: len(truth)]]) > 0.95
    joined = sum(family is not None for family in families[len(truth) :])
    assert joined <= 8


def test_a_template_in_the_system_prompt_is_a_family_of_systems() -> None:
    items: list[Item] = [("Answer as a careful tutor who writes every step of the solution down. " + problem(at),
                          problem(500 + at)) for at in range(20)]
    items += [(problem(2000 + at), problem(3000 + at)) for at in range(20)]
    systems = per_item(items, "system_id")
    assert len(set(systems[:20])) == 1
    assert len(set(systems[20:])) == 20
    assert set(per_item(items, "template_id")) == {None}


def test_the_pattern_shows_the_template_and_hides_the_slot() -> None:
    pattern = per_item(texts_of(TEMPLATES["around"], 40, 0), "pattern")[0]
    assert isinstance(pattern, str)
    assert pattern.startswith("You will be shown a question.")
    assert "‹…›" in pattern


def test_an_item_asked_under_several_templates_does_not_split_them() -> None:
    items: list[Item] = []
    shared = [problem(at, 6) for at in range(4)]
    for number, name in enumerate(("before", "after", "around")):
        items += [(None, TEMPLATES[name].format(x=text, z="")) for text in shared]
        items += texts_of(TEMPLATES[name], 100, 1000 * (number + 1))
    families = per_item(items, "template_id")
    assert len(set(families)) == 3
    assert [len(set(families[start : start + 104])) for start in (0, 104, 208)] == [1, 1, 1]


def test_families_do_not_depend_on_order_or_batches() -> None:
    items = [item for number, name in enumerate(TEMPLATES) for item in texts_of(TEMPLATES[name], 25, 100 * number)]
    items += chats(100)
    # Boilerplate that comes and goes makes sets of texts that are nearly, but not quite, alike.
    draw = np.random.default_rng(8)
    clauses = [problem(800_000 + at, 1) for at in range(12)]
    items += [(None, " ".join(c for c in clauses if draw.random() < 0.85) + problem(810_000 + at))
              for at in range(60)]
    _, texts = reduce(items)
    order = np.random.default_rng(3).permutation(len(items)).tolist()
    _, again = reduce([items[at] for at in order], rows=17)
    assert texts.equals(again)
    assert len(set(texts["template_id"].to_pylist())) > len(TEMPLATES)


def test_names_of_families_depend_on_content_only() -> None:
    few = per_item(texts_of(TEMPLATES["before"], 30, 0), "template_id")
    more = per_item(texts_of(TEMPLATES["before"], 60, 70_000) + chats(100), "template_id")
    assert few[0] == more[0] is not None


@pytest.mark.parametrize(("texts", "tokens"), [(3, 10**5), (10, 10**6), (50, 10**8)])
def test_the_words_that_a_family_must_share_rule_out_chance(texts: int, tokens: int) -> None:
    words = needed(np.array([float(texts)]), tokens)[0]
    tails = [poisson.sf(texts - 2, tokens * 2.0 ** (-3.0 * at)) for at in (words, words - 3)]
    assert tokens * tails[0] < 2.0**-10 < tokens * tails[1]
