"""A page in headless Chromium, over the DevTools protocol on a pipe: no library, no port, no network.

``open_browser`` skips a test where no Chromium is there: it is a program of the system, which `make` does not install.
With ``STILLWATCH_REQUIRE_BROWSER=1``, as in CI, the test fails instead. ``STILLWATCH_CHROMIUM`` names another one than
those on the path.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
          "--disable-extensions", "--disable-background-networking", "--disable-sync", "--mute-audio",
          "--hide-scrollbars", "--remote-debugging-pipe")
_SECONDS = 120.0
# The protocol is spoken on descriptors 3 and 4: both are first moved away, since either may have the other's number.
_PLACE = """
import fcntl, os, sys
into, out = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3])
os.dup2(into, 3)
os.dup2(out, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page. ``events`` is everything that the browser told since the page was opened."""

    def __init__(self, process: subprocess.Popen[bytes], write: int, read: int) -> None:
        self._process, self._write, self._read = process, write, read
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Run a command of the protocol and return its result; what happens meanwhile goes to ``events``."""
        self._number += 1
        wanted = self._number
        message: dict[str, Any] = {"id": wanted, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data):]
        while True:
            got = self._next()
            if got.get("id") == wanted:
                assert "error" not in got, (method, got)
                return got["result"]
            self._heard(got)

    def _heard(self, message: dict[str, Any]) -> None:
        self.events.append(message)
        if message.get("method") == "Page.javascriptDialogOpening":
            # Nobody is there to close it, and until then nothing goes on.
            self._number += 1
            os.write(self._write, json.dumps({"id": self._number, "method": "Page.handleJavaScriptDialog", "params": {
                "accept": False}, "sessionId": self._session}).encode() + b"\0")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._read, 1 << 20)
            assert more, "the browser has gone"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def wait(self, method: str) -> dict[str, Any]:
        """The next event of this name, one that came already included."""
        until = time.monotonic() + _SECONDS
        seen = 0
        while time.monotonic() < until:
            for event in self.events[seen:]:
                if event.get("method") == method:
                    return event
            seen = len(self.events)
            self._heard(self._next())
        raise AssertionError(f"no {method} within {_SECONDS:.0f} seconds")

    def open(self, page: Path) -> None:
        """Load a file, and forget what was told before."""
        for url in ("about:blank", page.absolute().as_uri()):
            # By way of an empty page, so that nothing of the last one is taken for this one's.
            self.events = []
            self._load(url)

    def _load(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def look(self, width: int, height: int, *, dark: bool = False, mobile: bool = False, media: str = "") -> None:
        """As a screen of this size shows pages, light or dark; ``media`` may be ``print``."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def run(self, script: str) -> Any:
        """The value of an expression on the page; a promise is waited for. The page's own policy does not apply."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def picture(self, to: Path, *, whole: bool = False) -> Path:
        """A screenshot as PNG, of the whole page where that is asked for."""
        made = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        to.write_bytes(base64.b64decode(made["data"]))
        return to

    def paper(self, to: Path) -> Path:
        """The page printed on A4, as PDF."""
        made = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True, paperWidth=8.27,
                         paperHeight=11.69)
        to.write_bytes(base64.b64decode(made["data"]))
        return to


def program() -> str | None:
    """The Chromium that is there."""
    named = os.environ.get("STILLWATCH_CHROMIUM")
    return named or next((found for name in _NAMES if (found := shutil.which(name))), None)


def absent(what: str) -> NoReturn:
    """Skip the test for what is not there, or fail it where it has to be."""
    if os.environ.get("STILLWATCH_REQUIRE_BROWSER", "0") not in ("", "0"):
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in ``folder``."""
    found = program()
    if found is None:
        absent("no Chromium is installed (apt-get install chromium, or name one in STILLWATCH_CHROMIUM)")
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    command = [found, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    process = subprocess.Popen([sys.executable, "-c", _PLACE, str(in_read), str(out_write), *command],
                               pass_fds=(in_read, out_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(in_read)
    os.close(out_write)
    try:
        yield Browser(process, in_write, out_read)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        os.close(in_write)
        os.close(out_read)


def ran(browser: Browser, page: Path) -> list[str]:
    """What the page did that a page of text does not do."""
    title = re.search(r"<title>(.*?)</title>", page.read_text("utf-8"))
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    told = browser.run("({owned: typeof window.owned, title: document.title, at: location.href,"
                       " frames: window.length, scripts: document.scripts.length})")
    did = [name for name, usual in (("owned", "undefined"), ("title", title[1] if title else ""), ("frames", 0),
                                    ("scripts", 0), ("at", page.absolute().as_uri())) if told[name] != usual]
    for event in browser.events:
        method, about = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent" and about["request"]["url"] == page.absolute().as_uri():
            continue
        if method in ("Network.requestWillBeSent", "Page.javascriptDialogOpening", "Runtime.exceptionThrown",
                      "Runtime.consoleAPICalled", "Log.entryAdded", "Page.frameAttached"):
            did.append(f"{method} {str(about)[:200]}")
    return did
