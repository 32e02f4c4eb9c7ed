"""What the tests of ingest share: one call that reads files, and what came of it as plain rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

import stillwatch
from stillwatch.engine import connect
from stillwatch.ingest import Ingested, ingest
from stillwatch.settings import DeploymentKey, Settings

KEY = DeploymentKey(b"a deployment key of the tests...")
CAPTURES = Path(stillwatch.__file__).parent / "data" / "captures"
TS = 1_767_323_045


@dataclass
class Outcome:
    result: Ingested
    rows: list[dict]
    quarantine: list[dict]

    @property
    def counts(self):
        return self.result.counts

    @property
    def reasons(self):
        return [line["reason"] for line in self.quarantine]


def run(*inputs, into: Path, reduce=None, settings=None, **options) -> Outcome:
    """Ingest and read back everything."""
    with connect(threads=1) as engine:
        result = ingest(
            inputs, into, settings=settings or Settings(), key=KEY, engine=engine, reduce=reduce, **options
        )
    assert result.counts.balanced
    assert all(report.counts.balanced for report in result.files)
    rows = [row for part in result.parts for row in pq.read_table(part).to_pylist()]
    lines = [json.loads(line) for line in result.quarantine.read_text("utf-8").splitlines()]
    assert len(rows) == result.counts.kept
    assert len(lines) == result.counts.quarantined
    assert {row["account_id"] for row in rows} >= ({"unknown"} if result.unknown_accounts else set())
    return Outcome(result, rows, lines)


def jsonl(path: Path, *records) -> Path:
    """Write records, or raw bytes, as lines."""
    lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path
