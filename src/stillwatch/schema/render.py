"""The declarations as reference pages and as SQL: nothing in `docs/reference` about them is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from stillwatch.schema.model import Column, Sensitivity, Table, Vocabulary

__all__ = ["GROUPS_OF_TABLES", "ddl", "markdown_table", "tables_page", "type_name", "vocabularies_page"]

GROUPS_OF_TABLES = {
    "input": ("Input", "What users bring. Only what is marked as required must be there."),
    "findings": ("Findings", "What a findings folder holds, one Parquet file a table unless said otherwise."),
    "content": ("Content", "What `classify` writes, one file of the format that its name says."),
    "truth": ("Truth", "Labels: what `simulate` writes below `truth/` and `evaluate` reads. No scan sees them."),
    "power": ("Power", "What `power` writes about what would be found. Internal: not for sharing."),
    "cases": ("Cases", "What a case store holds, an SQLite file; change it through `stillwatch case` only."),
    "window_test": ("Window test", "What `window-test --out` writes, and `--json` prints."),
    "work": ("Working tables", "What the stages hand to each other. None of them is a promise to users."),
}
_LEVELS = {
    Sensitivity.PUBLIC: "may be seen by whoever sees the findings",
    Sensitivity.PSEUDONYMOUS: "stands for a person or an organisation without naming it",
    Sensitivity.SECRET: "low in entropy, so guessable: leaves memory only as a keyed digest, except in the table"
    " that the contract names",
    Sensitivity.CONTENT: "what people wrote or were answered: never in logs, errors, quarantine or caches",
}
_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE PRECISION",
    pa.bool_(): "BOOLEAN",
}
_NAMES = {pa.string(): "string", pa.int32(): "int", pa.int64(): "bigint", pa.float64(): "double", pa.bool_(): "bool"}


def type_name(kind: pa.DataType) -> str:
    """The type in the contract's words, such as ``list of struct(capability string, share double)``."""
    if kind in _NAMES:
        return _NAMES[kind]
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"struct({', '.join(f'{field.name} {type_name(field.type)}' for field in kind)})"
    raise ValueError(f"no name is known for the type {kind}")


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars and line ends in cells are made harmless."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def tables_page(tables: Sequence[Table]) -> str:
    """Every table with its columns, as one Markdown page; raises ``ValueError`` for a table of no known group."""
    strange = sorted({table.name for table in tables if _group(table) not in GROUPS_OF_TABLES})
    if strange:
        raise ValueError(f"{strange[0]} belongs to none of the groups {', '.join(GROUPS_OF_TABLES)}")
    parts = [
        "# Tables",
        "Columns that a source lacks are null unless they are required.",
        "Sensitivity says who may see a column:",
        "\n".join(f"- **{level}**: {_LEVELS[level]}" for level in Sensitivity),
    ]
    for group, (title, meaning) in GROUPS_OF_TABLES.items():
        parts += [f"## {title}", meaning]
        for table in tables:
            if _group(table) == group:
                parts += _described(table)
    return "\n\n".join(parts) + "\n"


def _described(table: Table) -> list[str]:
    parts = [f"### `{table.name}`", table.meaning]
    if table.key:
        parts.append(f"Key: {', '.join(f'`{name}`' for name in table.key)}.")
    head = ("column", "type", "unit", "required", "sensitivity", "meaning")
    return [*parts, markdown_table(head, (_row(column) for column in table.columns))]


def _row(column: Column) -> tuple[str, ...]:
    meaning = column.meaning
    if column.vocabulary is not None:
        meaning += f"; see [{column.vocabulary.name}](vocabularies.md#{column.vocabulary.name})"
    return (f"`{column.name}`", type_name(column.type), column.unit, "yes" if column.required else "",
            str(column.sensitivity), meaning)


def _group(table: Table) -> str:
    return table.name.partition(".")[0]


def vocabularies_page(vocabularies: Sequence[Vocabulary]) -> str:
    """Every vocabulary with its terms, as one Markdown page."""
    parts = [
        "# Vocabularies",
        "A closed vocabulary admits no other term; an open one names what Stillwatch uses itself.",
    ]
    for vocabulary in vocabularies:
        parts += [
            f"## {vocabulary.name}",
            f"{vocabulary.meaning} ({'Closed' if vocabulary.closed else 'Open'}.)",
            markdown_table(("term", "meaning"), ((f"`{term}`", text) for term, text in vocabulary.terms.items())),
        ]
    return "\n\n".join(parts) + "\n"


def ddl(table: Table) -> str:
    """``CREATE TABLE`` in standard SQL, identifiers quoted, closed vocabularies as checks.

    Lists are written as SQL:1999 arrays and structs as row types. A key whose columns may be null becomes a
    ``UNIQUE`` constraint, since a primary key would forbid what the table allows.
    """
    lines = []
    for column in table.columns:
        line = f"{_quoted(column.name)} {_sql_type(column.type)}"
        if column.required:
            line += " NOT NULL"
        if column.vocabulary is not None and column.vocabulary.closed and column.type == pa.string():
            terms = ", ".join("'" + term.replace("'", "''") + "'" for term in column.vocabulary)
            line += f" CHECK ({_quoted(column.name)} IN ({terms}))"
        lines.append(line)
    if table.key:
        constraint = "PRIMARY KEY" if all(table.by_name[name].required for name in table.key) else "UNIQUE"
        lines.append(f"{constraint} ({', '.join(map(_quoted, table.key))})")
    name = ".".join(map(_quoted, table.name.split(".")))
    return f"CREATE TABLE {name} (\n  " + ",\n  ".join(lines) + "\n);\n"


def _sql_type(kind: pa.DataType) -> str:
    if kind in _SQL_TYPES:
        return _SQL_TYPES[kind]
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE"
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)} ARRAY"
    if pa.types.is_struct(kind):
        return f"ROW({', '.join(f'{_quoted(field.name)} {_sql_type(field.type)}' for field in kind)})"
    raise ValueError(f"no SQL type is known for {kind}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
