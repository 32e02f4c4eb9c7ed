"""The settings of a Spark session of our own."""

from __future__ import annotations

import os
import re
from pathlib import Path

from stillwatch.errors import UsageError

__all__ = ["JAVA_QUIET", "LOCAL_MASTER", "SAME_VALUES", "spark_options"]

LOCAL_MASTER = "local[*]"
SAME_VALUES = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
"""What makes values those of other engines, in whatever session; what overflows is an error and no other number."""
_UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}  # in MiB
JAVA_QUIET = """rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
"""
"""How Java is to log: errors alone, in one line each."""


def spark_options(master: str, threads: int, memory: str | None, scratch: Path) -> dict[str, str]:
    """Settings of a session of our own; what a cluster decides for itself is set for a local one alone."""
    options = SAME_VALUES | {
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.app.name": "stillwatch",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.maxResultSize": "0",
        "spark.master": master,
    }
    if memory:
        options["spark.driver.memory"] = _mebibytes(memory)
    if master.startswith("local"):
        if threads and master == LOCAL_MASTER:
            options["spark.master"] = f"local[{threads}]"
        options |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # The default of 200 is for clusters; merely to begin as many tasks takes a second a query.
            "spark.sql.shuffle.partitions": str(2 * (threads or os.cpu_count() or 1)),
        }
        if "," not in str(scratch):  # which Spark reads as several folders
            options["spark.local.dir"] = str(scratch)
    return options


def _mebibytes(memory: str) -> str:
    """``4GB`` as Java says it; at least the 512 MiB that Spark wants to start at all."""
    found = re.fullmatch(r"([0-9.]+)\s*([KMGT])i?B", memory)
    if found is None:
        raise UsageError(f"{memory!r} is no amount of memory", remedy="give it as 4GB or 512MB")
    return f"{max(512, int(float(found.group(1)) * _UNITS[found.group(2)]))}m"
