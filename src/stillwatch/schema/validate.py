"""Checks that a table is what its declaration says."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.schema.model import SchemaError, Table

__all__ = ["conform", "empty"]


def empty(table: Table) -> pa.Table:
    """A table of no rows with the declared schema."""
    return table.arrow.empty_table()


def conform(data: pa.Table, table: Table) -> pa.Table:
    """Return ``data`` with exactly the declared columns, in order and type.

    Missing optional columns become null; undeclared columns, missing required ones, nulls in required
    ones and terms outside a closed vocabulary raise ``SchemaError``.
    """
    unknown = sorted(set(data.column_names) - set(table.names))
    if unknown:
        raise SchemaError(
            f"{table.name}: undeclared column{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}",
            remedy="declare it in stillwatch/schema, or drop it before the table is written",
        )
    columns = []
    for column in table.columns:
        if column.name in data.column_names:
            try:
                values = data.column(column.name).cast(column.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise SchemaError(
                    f"{table.name}.{column.name}: {data.schema.field(column.name).type} does not fit"
                    f" {column.type}",
                    remedy="convert the column to the type that docs/reference gives",
                ) from error
        else:
            values = pa.nulls(data.num_rows, column.type)
        if column.required and values.null_count:
            raise SchemaError(
                f"{table.name}.{column.name}: {values.null_count} of {data.num_rows} rows have no value",
                remedy="the column is required: fill it or remove the rows",
            )
        vocabulary = column.vocabulary
        if vocabulary is not None and vocabulary.closed and pa.types.is_string(column.type):
            strange = sorted(set(pc.unique(values).drop_null().to_pylist()) - set(vocabulary.terms))
            if strange:
                raise SchemaError(
                    f"{table.name}.{column.name}: {strange[0]!r} is no {vocabulary.name}",
                    remedy=f"use one of: {', '.join(vocabulary.terms)}",
                )
        columns.append(values)
    return pa.Table.from_arrays(columns, schema=table.arrow)
