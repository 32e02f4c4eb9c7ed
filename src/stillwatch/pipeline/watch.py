"""Telling somebody how a long run goes, and how long its stages took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Clock", "Quiet", "Watcher"]


class Watcher(Protocol):
    """Somebody who watches a long run. Calls come often and must be cheap."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A stage begins; ``total`` is its number of steps where it is known beforehand."""

    def tick(self, done: int) -> None:
        """The stage has done ``done`` steps so far."""


class Quiet:
    """Watches nothing."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Ignore it."""

    def tick(self, done: int) -> None:
        """Ignore it."""


class Clock:
    """Seconds a stage."""

    def __init__(self, watcher: Watcher) -> None:
        self.seconds: dict[str, float] = {}
        self.watcher = watcher
        self.resumed: list[str] = []

    def kept(self, name: str, steps: int | None = None) -> None:
        """A stage, or so many steps of it, need not be done: an earlier run did, and kept it."""
        self.resumed.append(name)
        self.watcher.stage(f"{name}: {'' if steps is None else f'{steps:,} '}kept from before")

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Time a stage, and announce it."""
        self.watcher.stage(name, total)
        start = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)
