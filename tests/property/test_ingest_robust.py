"""Made-up bad input: nothing crashes, everything is accounted for."""

from __future__ import annotations

import json
import random
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_builders import KEY, TS, run
from stillwatch.engine import connect
from stillwatch.ingest import formats, ingest
from stillwatch.ingest.checks import check_robustness
from stillwatch.ingest.jsontext import loads
from stillwatch.ingest.model import BadRecord, Unpacks
from stillwatch.ingest.values import to_bool, to_float, to_int, to_list, to_micros, to_text
from stillwatch.schema import EXCHANGES
from stillwatch.settings import Settings

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.text(st.characters(), max_size=30),
    st.sampled_from(["NaN", "", "9" * 400, "2026-02-30", "\ud800", "Bearer x", "[", "{"]),
)
NAMES = st.one_of(
    st.sampled_from([*EXCHANGES.names, "method", "path", "headers", "body", "startTime", "request_id", "messages"]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
RECORDS = st.dictionaries(NAMES, VALUES, max_size=6)


def line(record):
    return json.dumps(record).encode()


@settings(QUICK, max_examples=25)
@given(st.lists(st.one_of(RECORDS.map(line), st.binary(max_size=60), VALUES.map(line)), min_size=10, max_size=20))
def test_made_up_records_beside_a_good_one(lines):
    lines = [text.replace(b"\n", b"") for text in lines]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        good = line({"ts": TS, "account_id": "good", "model": "m", "prompt": "p"})
        path.write_bytes(b"\n".join([good, *lines]))
        outcome = run(path, into=Path(folder) / "o", format="native")
        assert outcome.counts.records_in == 1 + sum(bool(text.strip(b" \t\r")) for text in lines)
        assert outcome.rows[0]["account_id"] == "good"


def test_ten_thousand_damaged_records(tmp_path):
    """Documented records of every format, each with bytes changed, lost or doubled, in one folder."""
    dice = random.Random(7)
    logs = tmp_path / "logs"
    logs.mkdir()
    whole = {}
    for format in formats().values():
        records = [line(dict(example.record)) for example in format.examples()]
        lines = [*records, *(_damaged(dice.choice(records), dice) for _ in range(3_400))]
        (logs / f"{format.name}.jsonl").write_bytes(b"\n".join(lines))
        whole[f"{format.name}.jsonl"] = sum(_records(format, text) for text in lines if text.strip(b" \t\r"))
    outcome = run(logs, into=tmp_path / "o")
    assert {report.path: report.counts.records_in for report in outcome.result.files} == whole
    assert {report.path: report.format for report in outcome.result.files} == {name: name[:-6] for name in whole}
    assert "connector_failure" not in outcome.reasons


def _records(format, text):
    """How many records a line is: one, unless the format says that it holds several."""
    try:
        value = loads(text)
    except BadRecord:
        return 1
    return max(1, len(list(format.unpack(value)))) if isinstance(value, dict) and isinstance(format, Unpacks) else 1


def _damaged(text, dice):
    content = bytearray(text)
    for _ in range(dice.choice((0, 1, 1, 2, 5))):
        at = dice.randrange(len(content))
        kind = dice.randrange(4)
        if kind == 0:
            content[at] = dice.randrange(256)
        elif kind == 1:
            del content[at : at + dice.randrange(20)]
        elif kind == 2:
            content[at:at] = content[at : at + dice.randrange(20)]
        else:
            content[at:at] = dice.choice(
                (b"null", b"[]", b"{}", b"1e999", b"-", b'"', b"\\u0000", b"9" * 40, b"true")
            )
        content = content or bytearray(b"x")
    return bytes(content).replace(b"\n", b" ")


@QUICK
@given(st.binary(max_size=400))
def test_any_bytes_at_all(content):
    """A folder with any file beside a good one: an exit in good order, the good record kept."""
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        logs.mkdir()
        (logs / "a.jsonl").write_bytes(line({"ts": TS, "account_id": "good"}))
        (logs / "b").write_bytes(content)
        outcome = run(logs, into=Path(folder) / "o")
        assert outcome.rows[0]["account_id"] == "good"


@QUICK
@given(
    st.sampled_from([b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"PAR1", b"\xef\xbb\xbf[", b"[{", b'a,b\n"']),
    st.binary(max_size=200),
)
def test_files_that_only_begin_well(head, rest):
    test_any_bytes_at_all.hypothesis.inner_test(head + rest)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_values_convert_or_refuse(value):
    for convert in (to_bool, to_float, to_int, to_list, to_micros, to_text):
        with suppress(BadRecord, ValueError):
            convert(value)


@given(st.integers(1, 10**6))
@settings(max_examples=3, deadline=None)
def test_documented_records_damaged_at_random(seed):
    for format in formats().values():
        check_robustness(format, format.examples(), rounds=150, seed=seed)


@QUICK
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.integers(1, 5))
def test_batches_change_nothing(ids, rows):
    """Repeats are found wherever batches end, and the first of each id stays."""
    records = [{"ts": TS, "exchange_id": name, "n": place % 2} for place, name in enumerate(ids)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(b"\n".join(map(line, records)))
        outcome = run(path, into=Path(folder) / "o", settings=Settings(batch_rows=rows))
    first = {}
    for record in records:
        first.setdefault(record["exchange_id"], record["n"])
    assert {row["exchange_id"]: row["n"] for row in outcome.rows} == first
    conflicts = sum(record["n"] != first[record["exchange_id"]] for record in records)
    assert (outcome.counts.quarantined, outcome.counts.duplicates) == (conflicts, len(ids) - len(first) - conflicts)


def test_the_engine_is_left_as_it_was(tmp_path):
    """One engine serves several runs."""
    (tmp_path / "x.jsonl").write_bytes(line({"ts": TS, "exchange_id": "a"}))
    with connect(threads=1) as engine:
        for name in ("one", "two"):
            result = ingest(
                [tmp_path / "x.jsonl"], tmp_path / name, settings=Settings(), key=KEY, engine=engine, format="native"
            )
            assert result.counts.kept == 1
