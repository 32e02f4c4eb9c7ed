"""Logs of any known format in, the contract's `exchanges` out: nothing lost, everything accounted for."""

from stillwatch.ingest.model import (
    OUT_OF_SCOPE,
    BadRecord,
    Counts,
    Example,
    FileReport,
    Format,
    Ingested,
    Joins,
    OutOfScope,
    Row,
    Unpacks,
)
from stillwatch.ingest.registry import formats
from stillwatch.ingest.run import ingest
from stillwatch.ingest.side import read_accounts, read_agreements, read_launches

__all__ = [
    "OUT_OF_SCOPE",
    "BadRecord",
    "Counts",
    "Example",
    "FileReport",
    "Format",
    "Ingested",
    "Joins",
    "OutOfScope",
    "Row",
    "Unpacks",
    "formats",
    "ingest",
    "read_accounts",
    "read_agreements",
    "read_launches",
]
