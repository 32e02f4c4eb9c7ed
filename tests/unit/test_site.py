"""The documentation as a site: it builds without a warning, loads nothing from elsewhere, and names what exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LOADING = {"src", "srcset", "poster", "data", "action", "background"}
LINKS_THAT_LOAD_NOTHING = {"canonical", "prev", "next", "alternate", "license", "author"}
ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:[a-z][a-z0-9+.-]*:)?//[^"')\s]+)""", re.IGNORECASE)


class Loads(HTMLParser):
    """What a page fetches by itself when it is opened (a link that a reader follows is none of it)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)
        self.found += IN_STYLE.findall(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        loading = [said[name] for name in LOADING & said.keys()]
        if tag == "link" and not set(said.get("rel", "").split()) & LINKS_THAT_LOAD_NOTHING:
            loading.append(said.get("href", ""))
        if "mermaid" in said.get("class", "").split():
            loading.append("//the drawing library that the theme fetches for diagrams")
        self.found += [value for value in loading if ELSEWHERE.match(value.strip())]


@pytest.mark.parametrize(("page", "loads"), [
    ('<script src="assets/a.js"></script><a href="https://x.example/">x</a>', 0),
    ('<link rel="canonical" href="https://x.example/"><img src="data:image/png;base64,AA==">', 0),
    ('<script src="https://x.example/a.js"></script>', 1),
    ('<link rel="stylesheet" href="//x.example/a.css">', 1),
    ('<link rel="preconnect" href="https://x.example">', 1),
    ("<style>a{background:url( 'https://x.example/a.png')}</style>", 1),
    ('<style>@import "https://x.example/a.css";</style>', 1),
    ('<pre class="mermaid"><code>graph LR</code></pre>', 1),
])
def test_what_a_page_loads_is_seen(page, loads):
    assert len(Loads(page).found) == loads


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)], cwd=ROOT,
                          capture_output=True, text=True, check=False, timeout=300,
                          env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_the_site_builds_with_every_page_and_no_broken_link(site):
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    for source in DOCS.rglob("*.md"):
        assert source.relative_to(DOCS).with_suffix(".html").as_posix() in pages
    assert {"cards/content.html", "cards/structure.html", "decisions/index.html"} <= pages
    listed = (site / "decisions" / "index.html").read_text("utf-8")
    assert all(f'href="{path.stem}.html"' in listed for path in (DOCS / "decisions").glob("*.md"))


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    loads = {path.name: found for path in pages if (found := Loads(path.read_text("utf-8")).found)}
    assert loads == {}
    styles = sorted(site.rglob("*.css"))
    assert styles
    assert [found for path in styles for found in IN_STYLE.findall(path.read_text("utf-8"))] == []


def test_what_pages_name_as_a_test_exists():
    named = {word for path in (DOCS / "threat-model.md", *sorted((DOCS / "concepts").glob("*.md")))
             for word in re.findall(r"`(?:tests/\w+/)?(test_\w+)(?:\.py)?`", path.read_text("utf-8"))}
    assert len(named) > 30
    sources = {path.stem: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    functions = {name for text in sources.values() for name in re.findall(r"^\s*def (test_\w+)", text, re.MULTILINE)}
    assert named - functions - sources.keys() == set()


def test_rates_of_wrongly_accused_are_the_scoreboards():
    board = (DOCS / "scoreboard.md").read_text("utf-8")
    wanted = next(re.finditer(r"\*\*all\*\* \| (\d+ of [\d,]+) \(", board))[1]
    pages = [DOCS / "tutorial.md", ROOT / "README.md", *sorted((DOCS / "concepts").glob("*.md"))]
    quoted = {(path.name, " ".join(found.split())) for path in pages
              for found in re.findall(r"(\d+\s+of\s+\d{2},\d{3})\s+(?:ordinary|innocent|benign)",
                                      path.read_text("utf-8"))}
    assert {name for name, _ in quoted} >= {"tutorial.md", "README.md", "explanations.md"}
    assert {figure for _, figure in quoted} == {wanted}
