"""Logs of any known format in, the contract's `exchanges` out: nothing lost, everything accounted for."""

from stillwatch.ingest.model import (
    OUT_OF_SCOPE,
    BadRecord,
    Counts,
    Example,
    FileReport,
    Format,
    Ingested,
    OutOfScope,
    Row,
)
from stillwatch.ingest.registry import formats
from stillwatch.ingest.run import ingest

__all__ = [
    "OUT_OF_SCOPE",
    "BadRecord",
    "Counts",
    "Example",
    "FileReport",
    "Format",
    "Ingested",
    "OutOfScope",
    "Row",
    "formats",
    "ingest",
]
