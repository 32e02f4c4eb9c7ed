"""What verifying a seal found, in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from stillwatch.report.clean import cut

__all__ = ["render_verification"]

_LONG = 300


def render_verification(told: Mapping[str, Any]) -> list[RenderableType]:
    """The conclusion first, then what is wrong and where, what held, and what was not checked."""
    wrong = told["problems"]
    head = "AS IT WAS SEALED" if told["ok"] else f"NOT AS IT WAS SEALED: {len(wrong)} problem{'s' * (len(wrong) != 1)}"
    parts: list[RenderableType] = [Text(head, style="bold" if told["ok"] else "bold red")]
    parts += [Text(f"- {cut(row['where'], _LONG)} {cut(row['what'], _LONG)}") for row in wrong]
    for title, texts in (("Checked, and it holds:", told["held"]), ("Not checked:", told["unchecked"])):
        if texts:
            parts += [Text(title, style="bold"), *(Text(f"- {cut(text, _LONG)}") for text in texts)]
    if told["rerun"] is not None:
        parts += _rerun(told["rerun"])
    return parts


def _rerun(told: Mapping[str, Any]) -> list[RenderableType]:
    head = "Scanned again: every table is the same." if told["same"] else "Scanned again: it differs."
    parts: list[RenderableType] = [Text(head, style="bold" if told["same"] else "bold red")]
    parts += [Text(f"- {cut(text, _LONG)}") for text in told["inputs"]]
    parts += [Text(f"- {_table(table)}") for table in told["tables"] if not table["same"]]
    if told["other"]:
        parts.append(Text(f"Not as it was then: {'; '.join(cut(text, _LONG) for text in told['other'])}."))
    return parts


def _table(table: Mapping[str, Any]) -> str:
    name = cut(table["table"], 40)
    if "missing" in table:
        return f"{name}: not in what was {table['missing']}"
    if "columns" in table:
        return f"{name}: without the columns {', '.join(cut(column, 40) for column in table['columns'])}"
    if "rows_sealed" not in table:
        return f"{name}: other content"
    said = [f"{table[side]:,} rows only {words}" for side, words in (("only_sealed", "as sealed"),
                                                                      ("only_rerun", "in the rerun")) if table[side]]
    for column, change in table["changed"].items():
        largest = f", by at most {change['largest']:.1g}" if change["largest"] else ""
        said.append(f"{cut(column, 40)} differs in {change['rows']:,} rows{largest}")
    return f"{name}: {'; '.join(said)}"
