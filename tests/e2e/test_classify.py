"""``stillwatch classify``: content alone, from logs to a table."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from stillwatch.schema import CLASSIFIED, conform

# openai/grade-school-math, test split; MIT licence, copyright OpenAI.
GSM8K = ("Janet’s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her"
         " friends every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck"
         " egg. How much in dollars does she make every day at the farmers' market?")


def row(number: int, **given: object) -> dict[str, object]:
    return {"exchange_id": f"x{number}", "ts": f"2026-03-02T10:{number:02d}:00Z", **given}


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Exchanges without accounts: with text, a benchmark item in a wrapper, and without text."""
    folder = tmp_path_factory.mktemp("logs")
    rows = [row(0, prompt="Score the response from 1 to 10 against the rubric. Output JSON. Response: The moon is"
                          " dust."),
            row(1, prompt=f"SOLVE.\n3) {GSM8K.lower()}\nAnswer:"),
            row(2, tools=["bash", "edit_file"], turn=1, input_tokens=220),
            row(3, prompt="hi, what can I cook with two potatoes and an egg?"),
            row(4, prompt="hi, what can I cook with two potatoes and an egg?")]
    (folder / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows) + "not json\n", "utf-8")
    return folder


@pytest.mark.parametrize("extension", ["parquet", "csv", "jsonl"])
def test_one_row_an_exchange_in_every_format(stillwatch, logs, tmp_path, extension):
    out = tmp_path / f"classified.{extension}"
    done = stillwatch("classify", logs, "--out", out, "--json")
    assert done.code == 0, done.err
    found = {"parquet": pq.read_table, "csv": pacsv.read_csv,
             "jsonl": lambda path: pa.Table.from_pylist([json.loads(line) for line in path.read_text().splitlines()])}
    table = conform(found[extension](out), CLASSIFIED)
    assert table["exchange_id"].to_pylist() == [f"x{number}" for number in range(5)]
    assert table["capability"].to_pylist()[0] == "reward_grading"
    assert table["capability"].to_pylist()[2:] == ["coding", "other", "other"]
    assert [name or None for name in table["benchmark"].to_pylist()] == [None, "gsm8k", None, None, None]
    said = done.json
    assert (said["exchanges"], said["without_text"], said["counts"]["quarantined"]) == (5, 1, 1)
    assert sum(said["capabilities"].values()) == 5
    assert said["benchmarks"] == {"gsm8k": 1}
    assert table["template_id"].to_pylist()[3] == table["template_id"].to_pylist()[4] is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name]


def test_wrong_calls_say_what_to_do(stillwatch, logs, tmp_path):
    (tmp_path / "there.csv").write_text("mine")
    hints = {"x.txt": "--out classified.parquet", "there.csv": "nothing is overwritten"}
    for name, hint in hints.items():
        done = stillwatch("classify", logs, "--out", tmp_path / name)
        assert done.code == 2
        assert hint in done.err.replace("\n", " ")
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert stillwatch("classify", logs / "absent", "--out", tmp_path / "y.csv").code == 2


def test_the_same_families_as_in_a_scan(stillwatch, tmp_path):
    """A template has one name whichever command reads the logs."""
    made = stillwatch("simulate", "demo", "--out", tmp_path / "traffic", "--scale", "0.05", "--seed", "5")
    assert made.code == 0, made.err
    for name in ("one", "two"):
        done = stillwatch("classify", tmp_path / "traffic" / "exchanges", "--out", tmp_path / f"{name}.parquet", "-q")
        assert done.code == 0, done.err
    assert pq.read_table(tmp_path / "one.parquet").equals(pq.read_table(tmp_path / "two.parquet"))
    scanned = stillwatch("scan", tmp_path / "traffic" / "exchanges", "--out", tmp_path / "findings", "--decoys", "1",
                         "--quiet")
    assert scanned.code == 0, scanned.err
    named = set(pq.read_table(tmp_path / "one.parquet")["template_id"].to_pylist())
    samples = pq.read_table(tmp_path / "findings" / "samples.parquet")
    assert set(samples["template_id"].to_pylist()) <= named
