"""Write ``docs/reference`` from the declarations; with ``--check``, only say whether it is up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import NoneType
from typing import get_args

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


def pages() -> dict[str, str]:
    """The reference pages by file name."""
    return {
        "tables.md": NOTE + tables_page(TABLES),
        "vocabularies.md": NOTE + vocabularies_page(VOCABULARIES),
        "settings.md": NOTE + settings_page(),
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
