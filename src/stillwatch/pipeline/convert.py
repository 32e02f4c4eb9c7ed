"""Logs in, the canonical exchanges table out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.engine import connect_as
from stillwatch.folders import new_folder
from stillwatch.ingest import ingest
from stillwatch.pipeline.watch import Quiet, Watcher
from stillwatch.schema import EXCHANGES
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["convert"]


def convert(inputs: Sequence[str], out: Path, *, settings: Settings, key: DeploymentKey,
            format_name: str | None = None, mapping: Path | None = None,
            watcher: Watcher | None = None) -> dict[str, Any]:
    """Read logs and write ``exchanges/*.parquet``, ``quarantine.jsonl`` and ``summary.json``; returns the summary."""
    watcher = watcher or Quiet()
    watcher.stage("reading logs")
    read = 0

    def tick(_: str, records: int) -> None:
        nonlocal read
        read += records
        watcher.tick(read)

    with new_folder(out, _is_ours, "folder of exchanges") as draft, \
            connect_as(settings, scratch=draft) as engine:
        found = ingest(inputs, draft / "read", settings=settings, key=key, engine=engine, format=format_name,
                       mapping=mapping, tick=tick)
        (draft / "exchanges").mkdir()
        for number, part in enumerate(found.parts):
            _without_places(part, draft / "exchanges" / f"part-{number:05d}.parquet")
        found.quarantine.rename(draft / "quarantine.jsonl")
        shutil.rmtree(draft / "read")
        summary = {"version": __version__, "command": "ingest", "counts": found.counts.as_dict(),
                   "set_aside": found.set_aside, "text_elsewhere": found.elsewhere,
                   "exchanges_without_account": found.unknown_accounts,
                   "inputs": [{"path": f.path, "format": f.format, "digest": f.digest, **f.counts.as_dict()}
                              for f in found.files]}
        (draft / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", "utf-8")
    return summary


def _without_places(part: Path, target: Path) -> None:
    """Copy a part without the columns that only say where in the inputs a record stood."""
    with pq.ParquetFile(part) as source, pq.ParquetWriter(target, EXCHANGES.arrow, compression="zstd") as writer:
        for batch in source.iter_batches(columns=list(EXCHANGES.names)):
            writer.write_batch(batch.cast(EXCHANGES.arrow))
    part.unlink()


def _is_ours(folder: Path) -> bool:
    return (folder / "summary.json").is_file() and (folder / "exchanges").is_dir()
