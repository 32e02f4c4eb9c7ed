"""Content alone: logs in, one row an exchange out that says what it asks for."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.engine import Engine, Relation, connect_as
from stillwatch.errors import UsageError
from stillwatch.pipeline.observing import ScanInputs, read_logs
from stillwatch.pipeline.watch import Clock, Quiet, Watcher
from stillwatch.schema import CLASSIFIED, conform
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["classify"]

_SLICE = 1 << 16


def classify(inputs: ScanInputs, out: Path, *, settings: Settings, key: DeploymentKey,
             watcher: Watcher | None = None) -> dict[str, Any]:
    """Judge every exchange by its content and write the table ``schema.CLASSIFIED``; returns a summary.

    Logs are read, and texts are reduced to families, as a scan does it. The file appears whole or not at all, for its
    owner alone; its extension says the format. Raises ``UsageError`` where ``out`` cannot be written, and as
    ``ingest`` does.
    """
    write = _writer(out)
    clock = Clock(watcher or Quiet())
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".classify-", dir=out.parent) as work, \
            connect_as(settings, scratch=Path(work)) as engine:
        logs = read_logs(engine, inputs, Path(work) / "staged", settings=settings, key=key, clock=clock)
        with clock.stage("comparing texts"):
            texts = logs.reducer.texts(patterns=False)
        with clock.stage("writing"):
            rows = _rows(engine, engine.parquet(logs.ingested.parts), engine.table(texts))
            draft = Path(work) / out.name
            draft.touch(mode=0o600)
            write(rows, draft)
            draft.replace(out)
    counted = Counter(rows["capability"].to_pylist())
    known = rows["benchmark"].drop_null()
    return {"version": __version__, "command": "classify", "out": str(out), "exchanges": rows.num_rows,
            "texts": texts.num_rows, "without_text": pc.sum(pc.is_null(rows["harvest"])).as_py() or 0,
            "capabilities": dict(sorted(counted.items())),
            "benchmarks": dict(sorted(Counter(known.to_pylist()).items())),
            "counts": logs.ingested.counts.as_dict(), "key_fingerprint": key.fingerprint, "timings": clock.seconds}


def _rows(engine: Engine, staged: Relation, texts: Relation) -> pa.Table:
    """Every exchange with what its text says, or else its structure; in reading order."""
    said = texts.select("text_digest", "template_id", "benchmark", "harvest", said=texts.capability,
                        surely=texts.probability)
    sent = staged.select("exchange_id", "text_digest", "source_file", "source_row", "structure_capability",
                         "structure_probability")
    rows = sent.left_join(said, "text_digest")
    rows = rows.mutate(capability=rows.said.fill_null(rows.structure_capability),
                       probability=rows.surely.fill_null(rows.structure_probability))
    found = engine.arrow(rows.select("source_file", "source_row", *CLASSIFIED.names))
    found = found.sort_by([("source_file", "ascending"), ("source_row", "ascending")])
    return conform(found.select(list(CLASSIFIED.names)), CLASSIFIED)


def _writer(out: Path) -> Callable[[pa.Table, Path], None]:
    """How a file of this extension is written; nothing that exists is overwritten."""
    formats: dict[str, Callable[[pa.Table, Path], None]] = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}
    if out.suffix.lower() not in formats:
        raise UsageError(f"{out} is neither .parquet, .csv nor .jsonl",
                         remedy="let the file's extension say the format, such as --out classified.parquet")
    if out.exists():
        raise UsageError(f"{out} exists already", remedy="name another file or remove it: nothing is overwritten")
    return formats[out.suffix.lower()]


def _parquet(rows: pa.Table, path: Path) -> None:
    pq.write_table(rows, path, compression="zstd")


def _csv(rows: pa.Table, path: Path) -> None:
    pacsv.write_csv(rows, path)


def _jsonl(rows: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for at in range(0, rows.num_rows, _SLICE):
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows.slice(at, _SLICE).to_pylist())
