"""A scan on Spark finds what a scan on DuckDB finds."""

from __future__ import annotations

import math

import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.spark, pytest.mark.slow]
TABLES = ("campaigns", "members", "evidence", "exchanges", "edges", "groups", "sightings", "activity", "hours",
          "samples", "phases", "moves", "pools")


def assert_close(one, other, at):
    """The same, floating-point numbers within 1e-9."""
    if isinstance(one, float) and isinstance(other, float):
        assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9), at
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), at
        for pair in zip(one, other, strict=True):
            assert_close(*pair, at)
    elif isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), at
        for name in one:
            assert_close(one[name], other[name], f"{at}/{name}")
    else:
        assert one == other, at


def test_engines_find_the_same(stillwatch, tmp_path):
    pytest.importorskip("pyspark", reason="the extra stillwatch[spark] is not installed: make spark")
    made = stillwatch("simulate", "demo", "--out", tmp_path / "traffic", "--seed", 4711, "--scale", 0.3)
    assert made.code == 0, made.err
    summaries = {}
    for engine in ("duckdb", "spark"):
        done = stillwatch("scan", tmp_path / "traffic" / "exchanges", "--accounts",
                          tmp_path / "traffic" / "accounts.parquet", "--out", tmp_path / engine, "--engine", engine,
                          "--spark-master", "local[2]", "--decoys", 20, "--look-seconds", 0, "--json")
        assert done.code == 0, done.err
        assert "WARN" not in done.err
        assert "log4j" not in done.err
        summaries[engine] = done.json
    one, other = summaries["duckdb"], summaries["spark"]
    assert other["engine"] == "spark"
    assert other["versions"]["pyspark"].startswith("4.0.")
    assert one["campaigns"] >= 5
    for name in ("counts", "accounts", "campaigns", "accused", "detections", "inputs", "missing", "links"):
        assert_close(other[name], one[name], name)
    for name in TABLES:
        tables = [pq.read_table(tmp_path / engine / f"{name}.parquet") for engine in ("duckdb", "spark")]
        assert tables[0].schema.equals(tables[1].schema), name
        assert_close(tables[1].to_pylist(), tables[0].to_pylist(), name)
    assert not list((tmp_path / "spark").glob(".*"))
