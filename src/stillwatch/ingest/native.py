"""The contract's own table `exchanges`, as JSON, CSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.ingest.batches import as_extra
from stillwatch.ingest.model import Example, OutOfScope, Row
from stillwatch.schema import EXCHANGES
from stillwatch.settings import DeploymentKey

__all__ = ["NativeFormat"]

_NAMES = frozenset(EXCHANGES.names)


class NativeFormat:
    """Records whose fields have the names of the columns of `input.exchanges`."""

    name = "native"
    looks_like = "the contract's columns by name, `ts` above all"

    def recognises(self, record: Mapping[str, Any]) -> int:
        """`ts` decides; other columns make it surer, or stand in for a missing one."""
        known = len(_NAMES & record.keys())
        if "ts" in record:
            return min(50 + 10 * (known - 1), 90)
        return min(10 * known, 50) if known >= 3 else 0

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """Columns as they are; fields of other names go into ``extra``."""
        row = {name: value for name, value in record.items() if name in _NAMES}
        if len(row) < len(record) or "extra" in row:
            extra = as_extra(row.get("extra"))
            extra.update((name, value) for name, value in record.items()
                         if name not in _NAMES and value is not None)
            row["extra"] = extra
        return row

    def examples(self) -> Sequence[Example]:
        """A full record, and one in the types that careless writers use."""
        from stillwatch.ingest.examples import NATIVE

        return NATIVE
