"""What leaves the text reducer: digests, lengths, families and patterns, and no text."""

from __future__ import annotations

import subprocess
import sys
import time

import pyarrow as pa
import pytest
from tests.unit.text_batches import batch, chinese, per_item, problem, reduce

from stillwatch.observe.masking import mask
from stillwatch.observe.text import TextReducer
from stillwatch.schema import STAGED, TEXTS, conform
from stillwatch.settings import DeploymentKey

SECRETS = {
    "bob.miller@example.com": "mail bob.miller@example.com today",
    "sk-proj-abcDEF1234567890xyz": "use sk-proj-abcDEF1234567890xyz as the key",
    "AKIAIOSFODNN7EXAMPLE": "use AKIAIOSFODNN7EXAMPLE as the key",
    "555": "call +1 (555) 123-4567 now",
    "4111": "charge 4111 1111 1111 1111 now",
    "/srv/private": "open /srv/private/ledger.csv now",
    "intranet": "see https://intranet.example.org/x?y=1 for more",
    "Smith": "please ask Dr. Alice Smith about it",
    "Natalia": "yesterday my sister Natalia called",
    "hunter2": 'the password is "hunter2" by now',
    "d41d8cd9": "hash d41d8cd98f00b204e9800998ecf8427e here",
    "\u202e": "text \u202ereversed\u202c here",
    "\x07": "a bell \x07 rings",
}


def test_text_leaves_as_digests_and_lengths() -> None:
    staged, texts = reduce([("Be brief.", "How tall is the tower?"), (None, None), (None, "  \n ")])
    assert staged.schema == STAGED.arrow
    assert conform(texts, TEXTS).num_rows == 1
    assert staged["prompt_digest"].null_count == 2
    assert staged["text_digest"].null_count == 2
    assert staged["prompt_chars"].to_pylist() == [22, None, 4]
    assert staged["response_chars"].to_pylist() == [3, 3, 3]
    assert "tower" not in str(staged.to_pylist())


def test_white_space_and_unicode_form_do_not_change_the_prompt_digest() -> None:
    staged, _ = reduce([(None, "Caf\u00e9  au\nlait"), (None, " Cafe\u0301 au lait "), (None, "Cafe au lait")])
    first, second, third = staged["prompt_digest"].to_pylist()
    assert first == second != third


def test_prompts_that_differ_in_what_is_masked_are_one_text() -> None:
    staged, texts = reduce([(None, "Add 12 and 7 please."), (None, "add 3 and 99 PLEASE."), (None, "Add up.")])
    assert texts["exchanges"].to_pylist().count(2) == 1
    assert len(set(staged["prompt_digest"].to_pylist())) == 3
    assert len(set(staged["text_digest"].to_pylist())) == 2


def test_system_text_alone_and_prompt_alone_are_different_texts() -> None:
    _, texts = reduce([("Count the boats.", None), (None, "Count the boats."), ("Count the boats.", "Go.")])
    assert texts.num_rows == 3
    assert texts["system_id"].null_count == 1


@pytest.mark.parametrize("secret", SECRETS)
def test_masking_removes_what_identifies(secret: str) -> None:
    assert secret not in mask([SECRETS[secret]])[0]


def test_patterns_never_show_what_was_written_once() -> None:
    items = [(None, f"Please rate this answer for helpfulness and for honesty on a scale of one to ten. {problem(at)}"
              f" Written by Wolfgang at 12 Elm Street.") for at in range(30)]
    items += [(None, "Natalia from Elm Street asks about her divorce and her debts.")]
    _, texts = reduce(items)
    shown = [pattern for pattern in texts["pattern"].to_pylist() if pattern]
    assert any("rate this answer for helpfulness" in pattern for pattern in shown)
    assert all(len(pattern) <= 120 for pattern in shown)
    assert not any(word in " ".join(shown) for word in ("Natalia", "divorce", "Wolfgang"))


def test_repeated_texts_are_their_own_family_and_show_no_names() -> None:
    items = [(None, "Natalia wants the weather for Paris.")] * 3 + [(None, "A question asked once only.")]
    families = per_item(items, "template_id")
    assert families[0] is not None
    assert families[3] is None
    pattern = per_item(items, "pattern")[0]
    assert pattern == "‹name› wants the weather for ‹name›."


def test_ten_megabytes_cost_less_than_a_second() -> None:
    for unit in ("a ", '"', "`$", "/a", "\u0301\u0316", "字", "\x00", "x" * 50 + "\n", "{", "‹num› "):
        text = unit * (10_000_000 // len(unit))
        start = time.process_time()
        staged, _ = reduce([(None, text)])
        assert time.process_time() - start < 1.0, repr(unit)
        assert staged["prompt_chars"].to_pylist() == [len(text)]


def test_combining_marks_without_end_do_not_take_quadratic_time() -> None:
    start = time.process_time()
    staged, _ = reduce([(None, "a" + "\u0301\u0316" * 30_000), (None, "a" + "\u0316\u0301" * 30_000)])
    assert time.process_time() - start < 2.0
    assert staged["prompt_digest"].null_count == 0


def test_the_same_in_every_process() -> None:
    code = ("from tests.unit.text_batches import *\n"
            "print(reduce([(None, problem(1)), ('系统', chinese(2)), (None, 'x')] * 3)[1].to_pylist())")
    outputs = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
                       capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_another_key_gives_unrelated_digests() -> None:
    given = batch([("Be brief.", "How tall is it?")] * 2)
    found = []
    for secret in (b"a" * 32, b"b" * 32):
        reducer = TextReducer(DeploymentKey(secret))
        staged = pa.Table.from_batches([reducer(given)])
        row = reducer.texts().to_pylist()[0]
        found.append({staged["prompt_digest"][0].as_py(), row["text_digest"], row["template_id"], row["system_id"]})
    assert found[0].isdisjoint(found[1])


def test_long_texts_are_told_apart_beyond_what_is_looked_at() -> None:
    filler = "word " * 20_000
    staged, texts = reduce([(None, filler + "one" + filler), (None, filler + "two" + filler)])
    assert len(set(staged["prompt_digest"].to_pylist())) == 2
    assert texts.num_rows == 1


def test_long_texts_fold_white_space_as_short_ones_do() -> None:
    words = [chinese(at, 40) for at in range(3000)]
    staged, _ = reduce([(None, " ".join(words)), (None, " \n\t" + "  \r\n ".join(words) + "\n" * 70_000)])
    assert len(set(staged["prompt_digest"].to_pylist())) == 1
    start = "a" * 65_535
    staged, _ = reduce([(None, f"{start}{gap}{'b' * 100}") for gap in (" ", "\n\n", " " * 70_000, "")])
    assert len(set(staged["prompt_digest"].to_pylist()[:3])) == 1
    assert len(set(staged["prompt_digest"].to_pylist())) == 2
