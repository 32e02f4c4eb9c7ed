"""Write ``docs/reference`` from the declarations; with ``--check``, only say whether it is up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from stillwatch.proof import scenarios
from stillwatch.proof.actors import ACTORS
from stillwatch.proof.parameters import ActorParameters
from stillwatch.proof.scenario import Model, Scenario
from stillwatch.schema import TABLES, VOCABULARIES
from stillwatch.schema.render import ddl, markdown_table, tables_page, vocabularies_page
from stillwatch.settings import Settings

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reference"
NOTE = "<!-- Written by tools/render_docs.py from the declarations in the code; do not edit. -->\n\n"
BOUNDS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}", "pattern": "matches `{}`"}


def settings_page() -> str:
    """Every setting with its type, default, range and meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        kinds = [kind.__name__ for kind in get_args(field.annotation) or (field.annotation,) if kind is not NoneType]
        bounds = [shape.format(getattr(limit, bound)) for limit in field.metadata for bound, shape in BOUNDS.items()
                  if getattr(limit, bound, None) is not None]
        default = "" if field.default is None else f"`{field.default}`"
        rows.append((f"`{name}`", " or ".join(kinds), default, ", ".join(bounds), field.description or ""))
    prefix = Settings.model_config["env_prefix"]
    return "\n\n".join([
        "# Settings",
        "Each is read from the command line where a command has a flag of its name, then from the environment variable"
        f" `{prefix}` plus its name in capitals, then from `stillwatch.toml` in the working directory (or the file that"
        f" `{prefix}CONFIG` names), and else has its default.",
        markdown_table(("setting", "type", "default", "range", "meaning"), rows),
    ]) + "\n"


EXAMPLE = """name: mine
summary: one careful campaign in a small town
start: 2026-03-02
days: 14
models:
- {name: first, reasoning: true}
- {name: second, released_on_day: 6.5}
casts: {town: 0.5}          # ordinary customers and look-alikes of every kind
withhold: [ja4]             # these logs have no TLS fingerprints
actors:
- actor: campaign
  name: Grey Rook           # invented names only
  accounts: 50
  exchanges: 4000
  capabilities: {reasoning_trace: 3, coding: 1}
  evasion: {address_sharing: 0.8, wording: 0.5}
"""


ANCHORS = {"ActorParameters": "every-actor"}
"""Where a block stands that has no heading of its name."""


def shown_type(kind: Any) -> str:
    """A type as a person says it."""
    if kind is None or kind is NoneType:
        return "nothing"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"[{kind.__name__}](#{ANCHORS.get(kind.__name__, kind.__name__.lower())})"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return f"list of {shown_type(arguments[0])}"
    if origin is dict:
        return f"{shown_type(arguments[0])} → {shown_type(arguments[1])}"
    if origin is not None and origin.__class__.__name__ == "_SpecialForm" and origin.__name__ == "Literal":
        return ", ".join(f"`{value}`" for value in arguments)
    if hasattr(kind, "__metadata__"):
        return shown_type(kind.__origin__)
    if arguments:
        return " or ".join(shown_type(part) for part in arguments if part is not NoneType)
    return {"str": "text", "int": "whole number", "float": "number", "bool": "yes or no"}.get(
        getattr(kind, "__name__", str(kind)), getattr(kind, "__name__", str(kind)))


def fields_of(model: type[BaseModel], but: type[BaseModel] | None = None) -> str:
    """A model's parameters that another does not have as well, as a table."""
    rows = []
    for name, field in model.model_fields.items():
        if but is not None and name in but.model_fields and but.model_fields[name].default == field.default:
            continue
        default = "" if field.default in (PydanticUndefined, None) or isinstance(field.default, BaseModel) else (
            f"`{field.default}`" if field.default not in ((), {}) else "")
        must = "required" if field.is_required() else default
        rows.append((f"`{name}`", shown_type(field.annotation), must, field.description or ""))
    return markdown_table(("parameter", "value", "default", "meaning"), rows) if rows else "Nothing beyond those."


def nested(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The blocks that a model's parameters are made of, in order."""
    found: list[type[BaseModel]] = []

    def look(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
            found.append(kind)
        for part in get_args(kind):
            look(part)

    for field in model.model_fields.values():
        look(field.annotation)
    return found


def scenarios_page() -> str:
    """What a scenario file may say."""
    parts = [
        "# Scenarios",
        "`stillwatch simulate SCENARIO --out DIR` writes labelled traffic: `exchanges/`, `accounts.parquet`,"
        " `launches.parquet`, `agreements.parquet` and `truth/`. SCENARIO is a shipped name or your own YAML file:",
        f"```yaml\n{EXAMPLE}```",
        markdown_table(("shipped", "what it is"), [(f"`{name}`", line) for name, line in scenarios().items()]),
        "## A scenario", fields_of(Scenario), "### Model", fields_of(Model),
        "## Every actor", fields_of(ActorParameters),
    ]
    blocks: list[type[BaseModel]] = []
    for name, actor in sorted(ACTORS.items()):
        label = f"labelled `{actor.label}`" if actor.label else "without a label"
        parts += [f"## {name}", f"{actor.summary[:1].upper()}{actor.summary[1:]}; {label}.",
                  fields_of(actor.Parameters, ActorParameters)]
        blocks += [block for block in nested(actor.Parameters) if block not in blocks and block.__name__ != "Span"]
    for block in [*nested(ActorParameters), *blocks]:
        parts += [f"### {block.__name__}", (block.__doc__ or "").split("\n")[0], fields_of(block)]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    """The reference pages by file name."""
    return {
        "tables.md": NOTE + tables_page(TABLES),
        "vocabularies.md": NOTE + vocabularies_page(VOCABULARIES),
        "settings.md": NOTE + settings_page(),
        "scenarios.md": NOTE + scenarios_page(),
        "tables.sql": "-- Written by tools/render_docs.py from the declarations in the code; do not edit.\n\n"
        + "\n".join(ddl(table) for table in TABLES),
    }


def stale(folder: Path, wanted: dict[str, str]) -> list[str]:
    """Names of the pages in ``folder`` that are not what the declarations say."""
    def held(name: str) -> str | None:
        path = folder / name
        return path.read_text("utf-8") if path.exists() else None

    return [name for name, text in wanted.items() if held(name) != text]


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit 1 where a page is out of date; write nothing")
    parser.add_argument("--out", type=Path, default=TARGET, help="folder of the pages")
    given = parser.parse_args()
    changed = stale(given.out, pages())
    if given.check:
        for name in changed:
            print(f"{given.out / name} is out of date: run make docs", file=sys.stderr)
        return int(bool(changed))
    given.out.mkdir(parents=True, exist_ok=True)
    for name in changed:
        (given.out / name).write_text(pages()[name], "utf-8")
        print(f"wrote {given.out / name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
