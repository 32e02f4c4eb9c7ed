"""What an exchange asks for where its text is not kept."""

from __future__ import annotations

import itertools
from importlib.resources import files

import numpy as np
import pyarrow as pa
from tests.unit.text_batches import KEY, batch

from stillwatch.observe.structure import AXES, cells, structural
from stillwatch.observe.text import TextReducer
from stillwatch.schema import CAPABILITY

CONTENT = files("stillwatch.data").joinpath("content")


def sent(*rows: dict[str, object]) -> pa.RecordBatch:
    names = {"tools": pa.list_(pa.string()), "turn": pa.int32(), "modalities": pa.list_(pa.string()),
             "input_tokens": pa.int64()}
    return pa.RecordBatch.from_arrays([pa.array([row.get(name) for row in rows], of) for name, of in names.items()],
                                      names=list(names))


def test_cells_tell_apart_what_they_should_and_nothing_else() -> None:
    values = ((None, [], ["lookup_order"], ["bash"], ["computer_click"], ["run_sql"]), (None, 1, 2),
              (["text"], ["text", "image"]), (None, 40, 300, 5_000))
    rows = [dict(zip(("tools", "turn", "modalities", "input_tokens"), each, strict=True))
            for each in itertools.product(*values)]
    found = cells(sent(*rows))
    assert len(set(found.tolist())) == len(rows)
    assert found.min() >= 0
    assert found.max() < np.prod(list(AXES.values()))
    same = cells(sent({"turn": 2, "input_tokens": 300}, {"turn": 9, "input_tokens": 290}, {"turn": 2, "modalities": [],
                                                                                      "input_tokens": 300}))
    assert len(set(same.tolist())) == 1


def test_null_lists_between_others_do_not_shift_them() -> None:
    rows = [{"tools": None}, {"tools": ["bash"]}, {"tools": None}, {"tools": []}, {"tools": ["lookup_order"]}]
    alone = [int(cells(sent(row))[0]) for row in rows]
    assert cells(sent(*rows)).tolist() == alone
    assert cells(sent(*rows).slice(1)).tolist() == alone[1:]


def test_tools_for_programs_say_coding_and_other_tools_agents() -> None:
    size = {"turn": 1, "input_tokens": 200}
    rows = sent(size | {"tools": ["bash", "edit_file"]}, size | {"tools": ["lookup_order", "refund"]}, size)
    said, surely = structural(rows, np.array([True, True, False]))
    assert said.to_pylist() == ["coding", "agentic_tool_use", None]
    assert all(0 < value < 1 for value in surely.to_pylist()[:2])
    assert surely[2].as_py() is None


def test_only_exchanges_without_text_are_judged_by_structure() -> None:
    items = [(None, "Write a poem about tea."), (None, None), ("Be brief.", None), (None, " ")]
    staged = TextReducer(KEY)(batch(items))
    assert [value is None for value in staged.column("structure_capability").to_pylist()] == [True, False, True, False]
    assert set(staged.column("structure_capability").drop_null().to_pylist()) <= set(CAPABILITY)


def test_the_shipped_table_holds_probabilities() -> None:
    with CONTENT.joinpath("structure.npz").open("rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        assert stored["share"].shape == (np.prod(list(AXES.values())), len(tuple(CAPABILITY)))
        assert np.abs(stored["share"].astype(int).sum(axis=1) - 10_000).max() <= 10
