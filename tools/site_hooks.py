"""What the documentation site has beyond the files of ``docs``: MkDocs calls these while it builds.

Every decision is in the menu by itself, in the order of its number. Cards of shipped data lie beside the data, where
who changes it sees them; the site shows them as pages of its own.
"""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = "decisions"
INDEX = f"{DECISIONS}/index.md"
CARDS = {
    "src/stillwatch/data/content/DATA_CARD.md": "cards/content.md",
    "src/stillwatch/data/content/STRUCTURE_CARD.md": "cards/structure.md",
}
INTRODUCTION = """# Decisions

What somebody will ask about: the question, what was chosen, what was rejected, and the figures that decided.
"""


def _decisions(folder: Path) -> list[Path]:
    return sorted((folder / DECISIONS).glob("[0-9]*.md"))


def _title(path: Path) -> str:
    first = path.read_text("utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip()


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the menu."""
    folder = Path(config.docs_dir)
    entries = [INDEX, *(f"{DECISIONS}/{path.name}" for path in _decisions(folder))]
    config.nav = [{name: entries} if name == "Decisions" else {name: there}
                  for item in config.nav or [] for name, there in item.items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the list of decisions and the cards."""
    listed = "".join(f"- [{_title(path)}]({path.name})\n" for path in _decisions(Path(config.docs_dir)))
    files.append(File.generated(config, INDEX, content=f"{INTRODUCTION}\n{listed}"))
    for source, page in CARDS.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead from a card's place in the source to its page."""
    up = "../" * page.file.src_uri.count("/")
    for source, card in CARDS.items():
        markdown = markdown.replace(f"]({up}../{source})", f"]({up}{card})")
    return markdown
