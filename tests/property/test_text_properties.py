"""The reduction of text does not depend on order, batches or what hostile text holds."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.text_batches import Item, chinese, problem, reduce

from stillwatch.observe.masking import mask
from stillwatch.observe.text_shingles import shingles, tokenise

WORDS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["Grade the answer below on a scale from one to ten and explain why you did so. ",
                     "请一步一步地思考下面的问题，把完整的推理过程写在标签里。", "", "12", " "]),
    st.integers(0, 5).map(problem),
    st.integers(0, 5).map(chinese),
)
TEXTS = st.none() | st.lists(WORDS, max_size=3).map("".join)
ITEMS = st.lists(st.tuples(TEXTS, TEXTS), max_size=40)
GENTLE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@GENTLE
@given(items=ITEMS, rows=st.integers(1, 50), shuffled=st.randoms(use_true_random=False))
def test_order_and_batches_do_not_matter(items: list[Item], rows: int, shuffled: object) -> None:
    staged, texts = reduce(items or [(None, None)])
    order = list(range(len(items)))
    shuffled.shuffle(order)  # type: ignore[attr-defined]
    again, texts_again = reduce([items[at] for at in order] or [(None, None)], rows=rows)
    assert texts.equals(texts_again)
    for column in ("prompt_digest", "text_digest"):
        first = staged[column].to_pylist()
        assert [first[at] for at in order] == again[column].to_pylist()[: len(order)]


@GENTLE
@given(st.lists(st.text(max_size=80), min_size=1, max_size=10))
def test_a_text_is_masked_and_cut_up_alone_as_in_company(texts: list[str]) -> None:
    together = mask(texts)
    assert together == [mask([text])[0] for text in texts]
    found = shingles(tokenise(together))
    for at, text in enumerate(together):
        alone = shingles(tokenise([text]))
        assert found.hash[found.text == at].tolist() == alone.hash.tolist()


@GENTLE
@given(st.text(max_size=200))
def test_masked_text_has_no_line_breaks_and_no_invisible_characters(text: str) -> None:
    masked = mask([text])[0]
    assert masked == " ".join(masked.split())
    assert not any(c in masked for c in "\u202a\u202e\u2066\u200b\x00\x1b\n")
