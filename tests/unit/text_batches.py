"""Batches of exchanges for the tests of text, and texts to fill them with."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pyarrow as pa

from stillwatch.observe.text import TextReducer
from stillwatch.schema import INGESTED
from stillwatch.settings import DeploymentKey

KEY = DeploymentKey(bytes(range(32)))
Item = tuple[str | None, str | None]

NOUNS = (  # noqa: SIM905
    "train baker river garden ladder engine violin castle lantern pencil market harbour tunnel "
    "blanket orchard kettle sailor meadow wagon mirror tower button forest candle bottle window "
    "pocket needle planet circle number triangle matrix integer fraction polygon sequence vector "
    "cube angle"
).split()
VERBS = (  # noqa: SIM905
    "carries counts paints measures sells divides builds follows repairs gathers doubles hides "
    "weighs throws borrows plants sorts crosses drops fills"
).split()
HAN = "山河城市学生老师苹果火车花园数字三角形书店朋友时间问题计算长度面积速度工人房间窗户桌子船水树马牛羊鱼"


def problem(seed: int, sentences: int = 4) -> str:
    """A made-up problem: grammatical, long, and like no other."""
    draw = random.Random(seed)
    made = []
    for _ in range(sentences):
        words = [draw.choice(NOUNS) if at % 2 else draw.choice(VERBS) for at in range(draw.randint(6, 14))]
        made.append(f"The {draw.choice(NOUNS)} {' '.join(words)} {draw.randint(2, 999)} times.")
    return " ".join(made)


def chinese(seed: int, characters: int = 60) -> str:
    """A made-up text in Chinese characters, like no other."""
    draw = random.Random(seed)
    return "".join(draw.choice(HAN) for _ in range(characters)) + "。"


def batch(items: Sequence[Item]) -> pa.RecordBatch:
    """One batch of (system prompt, prompt) pairs."""
    count = len(items)
    given = {
        "prompt": [prompt for _, prompt in items],
        "system_prompt": [system for system, _ in items],
        "exchange_id": [f"exchange-{at}" for at in range(count)],
        "ts": [1_700_000_000_000_000 + at for at in range(count)],
        "response": ["yes" for _ in items],
        "extra": ["{}" for _ in items],
    }
    columns = [
        pa.array(given[c.name], pa.int64()).cast(c.type) if c.name == "ts"
        else pa.array(given[c.name], c.type) if c.name in given
        else pa.array(range(count), c.type) if c.required
        else pa.nulls(count, c.type)
        for c in INGESTED.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=INGESTED.arrow)


def reduce(items: Sequence[Item], *, rows: int = 1000) -> tuple[pa.Table, pa.Table]:
    """The staged exchanges and the texts of ``items``, reduced ``rows`` at a time."""
    reducer = TextReducer(KEY)
    staged = [reducer(batch(items[at : at + rows])) for at in range(0, len(items), rows)]
    return pa.Table.from_batches(staged), reducer.texts()


def per_item(items: Sequence[Item], column: str, *, rows: int = 1000) -> list[object]:
    """A column of the texts table for each item."""
    staged, texts = reduce(items, rows=rows)
    of = dict(zip(texts["text_digest"].to_pylist(), texts[column].to_pylist(), strict=True))
    return [of.get(digest) for digest in staged["text_digest"].to_pylist()]
