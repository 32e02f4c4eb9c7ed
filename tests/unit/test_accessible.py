"""The report in a browser: axe-core finds nothing on a screen or a phone, light or dark; nothing is wider than either.

axe-core (MPL-2.0) is not ours and not in this repository: a package of the development group brings it, and
``STILLWATCH_AXE`` names another ``axe.min.js``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import findings_fixture as fixture
from browser import Browser, absent, open_browser
from stillwatch.cases.calibrating import Drawn, reliability
from stillwatch.report import disclosure, render_html
from stillwatch.report.prices import Price, Prices

SCREENS = {"screen": (1280, 900, False), "phone": (390, 844, False), "dark": (1280, 900, True),
           "dark phone": (390, 844, True)}
DECIDED = {**reliability([Drawn(n, n / 20, 2.0, n > 9) for n in range(20)]), "chosen": {"confirmed": 3, "dismissed": 1}}
PRICES = Prices("USD", (Price("example-large", 3.0, 15.0),))


def axe() -> str:
    named = os.environ.get("STILLWATCH_AXE")
    if named:
        return Path(named).read_text("utf-8")
    found = find_spec("axe_core_python")
    if found is None or found.origin is None:
        absent("axe-core is not installed (development group: axe-core-python)")
    return (Path(found.origin).parent / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def pages(folder: Path) -> list[Path]:
    """The page at every level, and one with nothing found."""
    made = fixture.typical(folder / "typical")
    shared = [disclosure(level, "joint defence", "2999-12-31") for level in ("partner", "public")]
    return [render_html(made, prices=PRICES, decided=DECIDED),
            *(render_html(made, None, terms, prices=PRICES) for terms in shared),
            render_html(fixture.nameless(folder / "nameless"))]


@pytest.mark.parametrize(("required", "outcome"), [("1", "Failed"), ("0", "Skipped"), (None, "Skipped")])
def test_without_a_browser_a_test_is_skipped_or_fails_as_the_environment_says(
        required: str | None, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("STILLWATCH_CHROMIUM", raising=False)
    monkeypatch.delenv("STILLWATCH_REQUIRE_BROWSER", raising=False)
    if required is not None:
        monkeypatch.setenv("STILLWATCH_REQUIRE_BROWSER", required)
    # Both are no `Exception`, so that no test takes them for its own.
    with pytest.raises(BaseException, match="no Chromium is installed") as told, open_browser(tmp_path):
        pass
    assert type(told.value).__name__ == outcome


@pytest.mark.slow
@pytest.mark.parametrize("screen", list(SCREENS))
def test_axe_finds_nothing(screen: str, browser: Browser, tmp_path: Path) -> None:
    width, height, dark = SCREENS[screen]
    source = axe()
    for page in pages(tmp_path):
        browser.look(width, height, dark=dark, mobile=width < 500)
        browser.open(page)
        browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        browser.run(f"{source};0")
        told = browser.run("axe.run(document).then(found => ({passes: found.passes.length,"
                           " violations: found.violations.map(one => [one.id, one.help,"
                           " one.nodes.slice(0, 3).map(n => n.html)])}))")
        assert told["violations"] == [], page.name
        assert told["passes"] > 20, "it looked"
        assert browser.run("document.documentElement.scrollWidth") <= width, page.name


@pytest.mark.slow
def test_axe_finds_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    browser.look(1280, 900)
    (tmp_path / "bad.html").write_text("<html><body><img src='data:,'><p style='color:#aaa;background:#fff'>some text"
                                       "</p><button></button>")
    browser.open(tmp_path / "bad.html")
    browser.run(f"{axe()};0")
    found = browser.run("axe.run(document).then(found => found.violations.map(one => one.id))")
    assert {"image-alt", "color-contrast", "html-has-lang", "document-title", "button-name"} <= set(found)


@pytest.mark.slow
def test_paper_holds_what_is_folded_on_the_screen(browser: Browser, tmp_path: Path) -> None:
    page = render_html(fixture.typical(tmp_path / "f"))
    browser.look(1280, 900, media="print")
    browser.open(page)
    heights = browser.run("[...document.querySelectorAll('details:not(.bulk) > table, .dossier > .inside')].map(one =>"
                          " one.getBoundingClientRect().height)")
    assert len(heights) > 5
    assert min(heights) > 10
    # Of groups that nobody accuses single accounts are not printed, and that is said, unless the page is of one.
    assert browser.run("document.querySelectorAll('.dossier:not(.detected) .members').length") > 2
    shown = "[...document.querySelectorAll('.members')].filter(one => one.getBoundingClientRect().height > 10).length"
    assert browser.run(shown) == browser.run("document.querySelectorAll('.detected .members').length")
    assert "On paper, the shared traits and members" in browser.run("document.body.innerText")
    browser.open(render_html(tmp_path / "f", tmp_path / "one.html", campaign="c1177f02ab9d"))
    assert browser.run(shown) >= 1
    assert browser.paper(tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.slow
def test_a_page_of_24000_accounts_opens(browser: Browser, tmp_path: Path) -> None:
    page = render_html(fixture.large(tmp_path / "f"))
    assert page.stat().st_size < 8_000_000
    browser.look(1280, 900)
    browser.open(page)
    # What it takes is measured by benchmarks/report_speed.py: a machine at work says little of two seconds.
    assert browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd") < 20_000
    assert browser.run("document.body.innerText").count("further members in members.parquet") == 1
