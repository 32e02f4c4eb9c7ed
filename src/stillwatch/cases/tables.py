"""The declared tables of a case store as SQLAlchemy sees them; migrations make them, a test holds both together."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from stillwatch.schema import CASE_TABLES, Table

__all__ = ["accounts", "audit", "cases", "evidence", "members", "metadata", "snapshots", "texts"]

metadata = sa.MetaData()
_TYPES: dict[pa.DataType, Any] = {
    pa.string(): sa.Text, pa.int64(): sa.Integer, pa.float64(): sa.Float, pa.bool_(): sa.Boolean}


def _table(declared: Table) -> sa.Table:
    columns = [sa.Column(column.name, _TYPES[column.type], primary_key=column.name in declared.key,
                         nullable=not column.required) for column in declared.columns]
    return sa.Table(declared.name.partition(".")[2], metadata, *columns)


cases, snapshots, evidence, accounts, members, texts, audit = map(_table, CASE_TABLES)
