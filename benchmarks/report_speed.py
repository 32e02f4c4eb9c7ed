"""What the dossier of a campaign of 24,000 accounts takes: to make, in bytes, and to open in headless Chromium.

    python benchmarks/report_speed.py [--accounts 24000] [--times 5]

Opening is from the start of the navigation to the end of its load event, the page laid out and painted once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import findings_fixture as fixture
from browser import open_browser, program
from stillwatch.report import render_html

_PAINTED = ("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(Math.max("
            "performance.now(), performance.getEntriesByType('navigation')[0].loadEventEnd)))))")


def main() -> None:
    """Make the page, open it several times, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=24_000, help="members (default 24000)")
    parser.add_argument("--times", type=int, default=5, help="how often it is opened (default 5)")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = fixture.large(Path(scratch) / "findings", wanted.accounts)
        start = time.perf_counter()
        page = render_html(folder)
        print(f"accounts            {wanted.accounts:>10,}")
        print(f"made in, seconds    {time.perf_counter() - start:>10.2f}")
        print(f"size, MB            {page.stat().st_size / 1e6:>10.2f}")
        if program() is None:
            print("no Chromium is installed, so how long it takes to open is not known", file=sys.stderr)
            return
        with open_browser(Path(scratch)) as browser:
            took = []
            for _ in range(wanted.times):
                browser.look(1280, 900)
                browser.open(page)
                took.append(browser.run(_PAINTED) / 1000)
        print(f"opened in, seconds  {median(took):>10.2f}  (of {wanted.times}: {min(took):.2f} to {max(took):.2f})")


if __name__ == "__main__":
    main()
