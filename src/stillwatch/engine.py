"""The only module that imports an engine: an Ibis connection by name.

Stages describe what they want as expressions on ``Relation``; they use only what Ibis offers on every
engine (no ordered collect, no ASOF join, no ``mode``, no pandas or pyarrow functions inside a query).
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.errors import UsageError
from stillwatch.settings import Settings
from stillwatch.settings.spark import JAVA_QUIET, LOCAL_MASTER, SAME_VALUES, spark_options

__all__ = ["DIALECTS", "ENGINES", "Engine", "Relation", "connect", "connect_as", "engine_errors", "engine_trouble",
           "engine_versions", "literal", "mean_share", "row_lag", "running_total", "sql_of", "token_sum"]

# Ibis ships no types: a relation is an ibis.expr.types.Table.
Relation: TypeAlias = Any
ENGINES = ("duckdb", "spark")
DIALECTS = ("bigquery", "clickhouse", "snowflake", "trino")
"""Warehouses whose SQL every expression can be written in; no engine connects to them."""

_SPARK_REMEDY = "install it with pip install 'stillwatch[spark]', and a Java runtime of version 17"

literal = ibis.literal


def row_lag(relation: Relation, column: str, *, within: Sequence[str]) -> Any:
    """The value of ``column`` in the row before, in its own order, among rows alike in ``within``."""
    return relation[column].lag().over(group_by=[relation[name] for name in within], order_by=relation[column])


def running_total(relation: Relation, column: str, *, by: str) -> Any:
    """The sum of ``column`` over this row and those before it in the order of ``by``, which no two rows share."""
    return relation[column].sum().over(ibis.cumulative_window(order_by=relation[by]))


def token_sum(column: Any) -> Any:
    """The sum of tokens. A log may claim any number: one of a record counts as at most 2^30, so no sum overflows."""
    return column.clip(0, 1 << 30).sum()


def mean_share(column: Any) -> Any:
    """The mean of shares of at most six digits: added up as whole millionths, in which no order of rows shows."""
    return (column * 1e6).round().cast("int64").mean() / 1e6


def sql_of(relation: Relation, dialect: str) -> str:
    """The SQL of a relation for a warehouse of ``DIALECTS``; raises Ibis's error where it has no way to say it."""
    compiler = importlib.import_module(f"ibis.backends.sql.compilers.{dialect}").compiler
    return str(compiler.to_sqlglot(relation.unbind()).sql(dialect=compiler.dialect))


def engine_versions(name: str = "duckdb") -> dict[str, str]:
    """Versions of the libraries behind an engine, for the findings' record of how they were made."""
    import duckdb

    versions = {"ibis": ibis.__version__, "duckdb": duckdb.__version__}
    if name == "spark":
        versions["pyspark"] = importlib.import_module("pyspark").__version__
    return versions


def engine_errors() -> tuple[type[Exception], ...]:
    """What engines raise for data that they cannot read; their texts may quote values, so they are not shown."""
    import duckdb

    known: tuple[type[Exception], ...] = (duckdb.Error, ibis.common.exceptions.IbisError)
    if "pyspark" in sys.modules:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        known += (PySparkException, Py4JError)
    return known


def engine_trouble(error: BaseException) -> str | None:
    """Whether an engine failed for want of ``disk`` or ``memory``: the machine's trouble, no fault of ours."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return "disk" if "max_temp_directory_size" in str(error) else "memory"
    full = ("No space left on device", "File too large", "Disk quota exceeded")
    return "disk" if isinstance(error, duckdb.IOException) and any(text in str(error) for text in full) else None


class Engine:
    """A connection with the few operations that stages need."""

    spreads = False
    """Whether tasks can be handed out to other processes than this one (``spread``)."""

    def __init__(self, name: str, backend: Any, scratch: tempfile.TemporaryDirectory[str]) -> None:
        self.name = name
        self._backend = backend
        self._scratch = scratch
        self._made = 0
        self._held: list[str] = []

    def parquet(self, paths: Sequence[Path]) -> Relation:
        """A relation over Parquet files of one schema."""
        # Names are names: DuckDB reads these characters as patterns, but for each alone in brackets.
        return self._backend.read_parquet([re.sub(r"([\[*?])", r"[\1]", str(path)) for path in paths])

    def table(self, data: pa.Table) -> Relation:
        """A relation over an Arrow table, copied in (joins over registered Arrow data can hang)."""
        return self._backend.create_table(self._own("given"), data, temp=True)

    def keep(self, relation: Relation) -> Relation:
        """Compute the relation once and hold it in the engine (spilling to disk), for several readers."""
        return self._backend.create_table(self._own("kept"), relation, temp=True)

    def _own(self, kind: str) -> str:
        self._made += 1
        name = f"{kind}_{self._made}"
        self._held.append(name)
        return name

    @contextmanager
    def passing(self) -> Iterator[None]:
        """What is copied in or kept meanwhile is dropped at the end: work that is done many times holds one's space."""
        before = len(self._held)
        try:
            yield
        finally:
            for name in self._held[before:]:
                self._drop(name)
            del self._held[before:]

    def _drop(self, name: str) -> None:
        self._backend.drop_table(name, force=True)

    def spread(self, task: Callable[[int], bytes], count: int) -> list[bytes]:
        """What ``task`` gives for 0, 1, …, ``count`` − 1, each run in one of the engine's processes, maybe twice."""
        return [task(number) for number in range(count)]

    @property
    def parallel(self) -> int:
        """How many tasks are run at a time."""
        return 1

    def arrow(self, relation: Any) -> pa.Table:
        """The relation's rows, in no particular order."""
        return relation.to_pyarrow()

    def write(self, relation: Relation, path: Path) -> None:
        """Write the relation to one Parquet file."""
        relation.to_parquet(str(path), compression="zstd")

    def close(self) -> None:
        """Close the connection and remove what it spilled."""
        self._backend.disconnect()
        self._scratch.cleanup()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


class _Spark(Engine):
    """The same operations on Spark: relations are temporary views, and only what is asked for comes to this process."""

    spreads = True

    def __init__(self, session: Any, scratch: tempfile.TemporaryDirectory[str], *, own: bool) -> None:
        super().__init__("spark", ibis.pyspark.connect(session), scratch)
        self._session = session
        self._own_session = own
        self._cached: dict[str, Any] = {}

    def parquet(self, paths: Sequence[Path]) -> Relation:
        # Names are names: Spark reads these characters as patterns, but for each after a backslash. (Its own option to
        # turn patterns off finds each of two files in such a folder twice.)
        named = [re.sub(r"([\\\[\]{}*?])", r"\\\1", str(path.absolute())) for path in paths]
        return self._view("parquet", self._session.read.parquet(*(f"file://{name}" for name in named)))

    def table(self, data: pa.Table) -> Relation:
        return self._view("given", self._session.createDataFrame(data))

    def keep(self, relation: Relation) -> Relation:
        rows = self._rows(relation).persist()
        rows.count()
        view = self._view("kept", rows)
        self._cached[self._held[-1]] = rows
        return view

    def _rows(self, relation: Relation) -> Any:
        return self._session.sql(self._backend.compile(relation))

    def _view(self, kind: str, rows: Any) -> Relation:
        name = self._own(kind)
        rows.createOrReplaceTempView(name)
        return self._backend.table(name)

    def _drop(self, name: str) -> None:
        self._session.catalog.dropTempView(name)
        if name in self._cached:
            self._cached.pop(name).unpersist()

    def arrow(self, relation: Any) -> pa.Table:
        # Not Ibis's way, which goes through pandas: there integers beside nulls turn into floating-point numbers.
        found = self._rows(relation.as_table()).toArrow()
        return found.cast(pa.table({name: pa.array([], _nullable(kind)) for name, kind in zip(
            found.schema.names, found.schema.types, strict=True)}).schema)

    def write(self, relation: Relation, path: Path) -> None:
        # Spark writes a file a partition, in their order; they are put together a batch at a time.
        drafts = path.with_name(f"{path.name}.drafts")
        self._rows(relation).write.parquet(f"file://{drafts.absolute()}", compression="zstd")
        files = sorted(drafts.glob("part-*.parquet"))
        with pq.ParquetWriter(path, pq.read_schema(files[0]), compression="zstd") as writer:
            for file in files:
                with pq.ParquetFile(file) as source:
                    for batch in source.iter_batches():
                        writer.write_batch(batch)
        shutil.rmtree(drafts)

    def spread(self, task: Callable[[int], bytes], count: int) -> list[bytes]:
        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for number in batch.column("id").to_pylist():
                    yield pa.RecordBatch.from_pydict({"id": [number], "said": [task(number)]})

        numbers = self._session.range(0, count, 1, count)
        found = numbers.mapInArrow(run, "id long, said binary").toArrow()
        return list(found.sort_by("id")["said"].to_pylist())

    @property
    def parallel(self) -> int:
        return int(self._session.sparkContext.defaultParallelism)

    def close(self) -> None:
        for name in self._held:
            self._drop(name)
        if self._own_session:
            self._session.stop()
            _end_java()
        self._scratch.cleanup()


def _nullable(kind: pa.DataType) -> pa.DataType:
    """The type with items that may be null, as other engines have it; Spark says of each whether it may."""
    return pa.list_(_nullable(kind.value_type)) if pa.types.is_list(kind) else kind


def connect_as(settings: Settings, *, scratch: Path | None = None) -> Engine:
    """The engine that the settings ask for; see ``connect``."""
    return connect(settings.engine, threads=settings.threads, memory=settings.memory, scratch=scratch,
                   master=settings.spark_master)


def connect(name: str = "duckdb", *, threads: int = 0, memory: str | None = None,
            scratch: Path | None = None, master: str = LOCAL_MASTER) -> Engine:
    """Connect to an engine.

    ``memory`` such as ``4GB`` bounds it; what does not fit spills to ``scratch`` (the system's
    temporary folder by default). ``master`` is where Spark runs; where this process has a Spark session already, that
    one is used as it is. Raises ``UsageError`` for an engine that is not known, not installed or does not start.
    """
    if name not in ENGINES:
        raise UsageError(f"no engine is called {name!r}", remedy=f"use one of: {', '.join(ENGINES)}")
    spill = tempfile.TemporaryDirectory(prefix="stillwatch-", dir=scratch)
    if name == "spark":
        try:
            return _spark(master, threads, memory, spill)
        except BaseException:
            spill.cleanup()
            raise
    options: dict[str, Any] = {"temp_directory": spill.name, "preserve_insertion_order": False}
    if threads:
        options["threads"] = threads
    if memory:
        options["memory_limit"] = memory
    backend = ibis.duckdb.connect(**options)
    backend.raw_sql("SET TimeZone = 'UTC'")
    return Engine(name, backend, spill)


def _spark(master: str, threads: int, memory: str | None, spill: tempfile.TemporaryDirectory[str]) -> Engine:
    """Spark in this process's session where it has one, else in a session of its own, which ends with the engine."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise UsageError("engine spark is not installed", remedy=_SPARK_REMEDY) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        session = running.newSession()
        for option, value in SAME_VALUES.items():
            session.conf.set(option, value)
        return _Spark(session, spill, own=False)
    home = os.environ.get("JAVA_HOME")
    if not (Path(home) / "bin" / "java").exists() if home else shutil.which("java") is None:
        raise UsageError("engine spark runs on Java, and there is none " + ("at JAVA_HOME" if home else "on the PATH"),
                         remedy="install a Java runtime of version 17, or say with JAVA_HOME where it is")
    return _Spark(_session(master, threads, memory, Path(spill.name)), spill, own=True)


def _session(master: str, threads: int, memory: str | None, scratch: Path) -> Any:
    """A new session. Java's messages go to a file in ``scratch``; of them only errors are written."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    quiet = scratch / "log4j2.properties"
    quiet.write_text(JAVA_QUIET, "utf-8")
    conf = SparkConf().setAll(list(spark_options(master, threads, memory, scratch).items()))
    conf.set("spark.driver.extraJavaOptions", f"-Dlog4j2.configurationFile={quiet.absolute().as_uri()}")
    log = (scratch / "spark.log").open("wb")
    try:
        gateway = launch_gateway(conf, popen_kwargs={"stdin": subprocess.PIPE, "stdout": log, "stderr": log})
        context = SparkContext(conf=conf, gateway=gateway)
    except Exception as error:  # pyspark raises what it likes, Java's text and all
        _end_java()
        raise UsageError(f"Spark does not start at {master}: {type(error).__name__}{_last_error(scratch)}",
                         remedy="check --spark-master and --memory, and that java --version says 17 or newer") from None
    finally:
        log.close()
    if master.startswith("local"):
        context.pythonExec = sys.executable  # not the first python3 on the PATH, which may know nothing of us
    return SparkSession(context)


def _last_error(scratch: Path) -> str:
    """Java's last word of an error, on one line, for an error message: before any data is read it can quote none."""
    said = (scratch / "spark.log").read_text("utf-8", "replace").splitlines()
    errors = [line for line in said if " ERROR " in line or line.startswith(("Error", "Exception"))]
    return f" ({errors[-1][:200]})" if errors else ""


def _end_java() -> None:
    """End the Java process behind a session, which otherwise stays for the life of this one."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is None:
        return
    with suppress(Exception):
        gateway.shutdown()
    process = getattr(gateway, "proc", None)
    if process is not None:
        process.stdin.close()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
    SparkContext._gateway = SparkContext._jvm = None
