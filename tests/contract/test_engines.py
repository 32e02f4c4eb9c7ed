"""Engines give the same values, and every expression can be written in the SQL of the warehouses."""

from __future__ import annotations

import ast
import math
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engine_cases import CASES
from engine_world import world as make_world

import stillwatch
from stillwatch.engine import DIALECTS, Engine, connect, mean_share, sql_of, token_sum
from stillwatch.errors import UsageError
from stillwatch.judge.measure import _deciles

SOURCE = Path(stillwatch.__file__).parent
ROOMS = ("observe", "link", "judge", "ingest", "pipeline")

# Questions whose expressions are asked through these, or which are no questions of their own: not run here, and why.
ELSEWHERE = {
    "ingest.run.ingest": "reads logs; tests/contract/test_spread.py",
    "ingest.run.settle": "drop_repeats is asked here",
    "ingest.run.read": "reads logs; tests/contract/test_spread.py",
    "ingest.run._read_apart": "reads logs; tests/contract/test_spread.py",
    "pipeline.assess.claims_of": "links the reduced tables and calls work_of",
    "pipeline.assess.work_of": "attribute and measure are asked here",
    "pipeline.assess.claims": "calls claims_of",
    "pipeline.folds.folds": "its halves are asked here; the whole in tests/e2e/test_spark.py",
    "pipeline.folds._confirmed": "calls work_of",
    "pipeline.lifecycle.lifecycle": "calls lives and life_tables",
    "pipeline.looking.look_back": "asks span_of, and as_of of each day",
    "pipeline.looking._look": "as_of is asked here",
    "pipeline.observing.read_logs": "reads logs; tests/contract/test_spread.py",
    "pipeline.stages.observe": "calls collect, or reads what is kept",
    "pipeline.stages._read_anew": "calls read_logs",
    "pipeline.stages.claims": "calls claims_of",
    "pipeline.stages.doubts": "calls folds",
    "pipeline.stages.looks": "calls look_back",
    "pipeline.observing.observe": "calls read_logs and collect",
    "pipeline.scan._write_tables": "findings_tables are asked here",
}
# What cannot be written in a warehouse's SQL, by case and dialect, and why.
NOT_WRITTEN: dict[tuple[str, str], str] = {}
# What is written, but as something else than we mean, and how that is seen in the SQL.
NEARLY = {("clickhouse", "uniq("): "distinct values are counted approximately: uniqExact is not what Ibis writes"}


class Recording(Engine):
    """An engine of this process that remembers what it was asked, and by whom."""

    def __init__(self, inner: Engine) -> None:
        self.__dict__.update(inner.__dict__)
        self.asked: list[Any] = []
        self.askers: set[str] = set()

    def _note(self, *relations: Any) -> None:
        self.asked += [relation.as_table() for relation in relations]
        frame = sys._getframe(2)
        while frame is not None:
            place = Path(frame.f_code.co_filename)
            if place.is_relative_to(SOURCE):
                module = ".".join(place.relative_to(SOURCE).with_suffix("").parts)
                self.askers.add(f"{module}.{frame.f_code.co_name}")
            frame = frame.f_back

    def table(self, data):
        self._note()
        return super().table(data)

    def arrow(self, relation):
        self._note(relation)
        return super().arrow(relation)

    def keep(self, relation):
        self._note(relation)
        return super().keep(relation)

    def write(self, relation, path):
        self._note(relation)
        super().write(relation, path)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("engines [x]* {a,b}"))


@pytest.fixture(scope="module")
def duckdb():
    with connect("duckdb", threads=2) as engine:
        yield engine


@pytest.fixture(scope="module")
def expected(duckdb, world):
    known: dict[str, Any] = {}

    def of(case):
        if case not in known:
            known[case] = plain(CASES[case](duckdb, world))
        return known[case]

    return of


def plain(found: Any) -> Any:
    """Values that can be compared, rows in an order of their own; types are part of them."""
    if isinstance(found, pa.Table):
        rows = [tuple(plain(value) for value in row.values()) for row in found.to_pylist()]
        # What a list calls its items is an engine's own affair.
        kinds = [str(kind).replace("list<l:", "list<item:") for kind in found.schema.types]
        return [dict(zip(found.column_names, kinds, strict=True)), sorted(rows, key=repr)]
    if isinstance(found, pa.Array | pa.ChunkedArray):
        return plain(found.to_pylist())
    if isinstance(found, np.ndarray):
        return plain(found.tolist())
    if isinstance(found, dict):
        return {key: plain(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [plain(value) for value in found]
    # Engines may group -0.0 with 0.0 under either name; nobody asks which.
    return found + 0.0 if isinstance(found, float) else found


def assert_same(one: Any, other: Any, at: str = "") -> None:
    """Equal, floating-point numbers within 10 digits: a standard deviation is added up in some order."""
    if isinstance(one, float) and isinstance(other, float):
        assert math.isclose(one, other, rel_tol=1e-10) or (math.isnan(one) and math.isnan(other)), at
    elif isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            assert_same(one[key], other[key], f"{at}/{key}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        assert len(one) == len(other), at
        for place, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{at}/{place}")
    else:
        assert one == other, at


@pytest.mark.spark
@pytest.mark.parametrize("case", CASES)
def test_engines_give_the_same_values(case, spark, world, expected):
    with spark.passing():
        found = plain(CASES[case](spark, world))
    assert_same(found, expected(case), case)


@pytest.fixture(scope="module")
def recorded(world):
    """What each case asks, and who asked anything."""
    asked, askers = {}, set()
    for case, run in CASES.items():
        with Recording(connect("duckdb", threads=1)) as engine:
            run(engine, world)
            asked[case], askers = engine.asked, askers | engine.askers
    return asked, askers


def test_every_function_that_asks_an_engine_is_asked_here(recorded):
    known = set()
    for room in ROOMS:
        for path in (SOURCE / room).rglob("*.py"):
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            known |= {f"{module}.{node.name}" for node in ast.walk(ast.parse(path.read_text("utf-8")))
                      if isinstance(node, ast.FunctionDef) and any(
                          argument.annotation is not None and ast.unparse(argument.annotation) == "Engine"
                          for argument in (*node.args.args, *node.args.kwonlyargs))}
    _, askers = recorded
    assert known - askers == set(ELSEWHERE)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_expression_is_written_in_the_warehouses_sql(dialect, recorded):
    asked, _ = recorded
    nearly, written = set(), []
    for case, relations in asked.items():
        if (case, dialect) in NOT_WRITTEN:
            # A mark that is no longer true fails here.
            with pytest.raises(Exception, match="not"):
                [sql_of(relation, dialect) for relation in relations]
            continue
        sql = [sql_of(relation, dialect) for relation in relations]
        assert sql
        assert all(text.lstrip().upper().startswith(("SELECT", "WITH")) for text in sql)
        written += sql
        nearly |= {mark for mark in NEARLY if mark[0] == dialect and any(mark[1] in text for text in sql)}
    assert nearly == {mark for mark in NEARLY if mark[0] == dialect}
    assert len(written) > 40


@pytest.mark.parametrize("values", [[7], [1, 2], [0, 10, 10, 10, 40], list(range(0, 1003, 17)), [5] * 30,
                                    [2**62, 3, 3, 9, 2**62, 1]], ids=len)
def test_deciles_are_the_usual_ones(duckdb, values):
    rows = duckdb.table(pa.table({"tokens": pa.array(values, pa.int64())}))
    expected = np.quantile(np.array(values, dtype=np.float64), [i / 10 for i in range(1, 10)], method="linear")
    assert _deciles(duckdb, rows, "tokens") == pytest.approx(expected.tolist(), rel=1e-12)
    assert _deciles(duckdb, rows.filter(rows.tokens < 0), "tokens") == []


def test_sums_and_means_are_right_and_know_no_order(duckdb):
    draw = np.random.default_rng(8)
    shares = np.round(draw.random(5000), 6)
    truth = sum(Fraction(round(share * 10**6), 10**6) for share in shares.tolist()) / len(shares)
    tokens = [None, 5, 2**63 - 1, 2**63 - 1, -7]
    found = set()
    for order in (shares, shares[::-1], draw.permutation(shares)):
        rows = duckdb.table(pa.table({"share": order}))
        found.add(duckdb.arrow(rows.aggregate(mean=mean_share(rows.share)))["mean"][0].as_py())
    assert len(found) == 1
    assert found.pop() == pytest.approx(float(truth), rel=1e-15)
    rows = duckdb.table(pa.table({"tokens": pa.array(tokens, pa.int64())}))
    assert duckdb.arrow(rows.aggregate(sum=token_sum(rows.tokens))).to_pylist() == [{"sum": 5 + 2 * 2**30}]


def test_an_engine_that_is_not_known_is_refused():
    with pytest.raises(UsageError, match="no engine is called 'flink'") as caught:
        connect("flink")
    assert "duckdb, spark" in caught.value.remedy


def test_without_the_extra_spark_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        connect("spark")
    assert "stillwatch[spark]" in caught.value.remedy
    assert "Java" in caught.value.remedy


@pytest.mark.spark
def test_without_java_spark_says_so(monkeypatch, tmp_path):
    pytest.importorskip("pyspark")
    session = pytest.importorskip("pyspark.sql").SparkSession
    monkeypatch.setattr(session, "getActiveSession", lambda: None)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="none at JAVA_HOME"):
        connect("spark")
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="none on the PATH") as caught:
        connect("spark")
    assert "17" in caught.value.remedy


@pytest.mark.spark
def test_what_a_session_holds_is_let_go(spark, tmp_path):
    before = {view.name for view in spark._session.catalog.listTables()}
    with spark.passing():
        for values in ([1, 2, None], []):
            rows = spark.keep(spark.table(pa.table({"a": pa.array(values, pa.int64())})))
            assert spark.arrow(rows.aggregate(n=rows.count())).to_pylist() == [{"n": len(values)}]
            spark.write(rows.order_by("a"), tmp_path / "rows.parquet")
            assert pq.read_table(tmp_path / "rows.parquet")["a"].to_pylist() == values
        assert {view.name for view in spark._session.catalog.listTables()} > before
    assert {view.name for view in spark._session.catalog.listTables()} == before


@pytest.mark.spark
def test_tasks_are_run_elsewhere_and_answers_come_in_their_order(spark):
    import os

    answers = spark.spread(lambda number: f"{number} {os.getpid()}".encode(), 5)
    assert [int(answer.split()[0]) for answer in answers] == [0, 1, 2, 3, 4]
    assert str(os.getpid()).encode() not in {answer.split()[1] for answer in answers}
