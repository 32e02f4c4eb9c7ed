"""The folder that `power` writes: every scan's outcome as soon as it is there, under the digest of all it came from."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch import __version__
from stillwatch.digests import code_digest, file_digest
from stillwatch.engine import engine_versions
from stillwatch.errors import UsageError
from stillwatch.ingest.sources import find
from stillwatch.pipeline import ScanInputs
from stillwatch.proof.power.grid import Point
from stillwatch.proof.power.trial import Outcome
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["NOTICE", "Store", "sources_of", "stats_of"]

NOTICE = "INTERNAL: not for sharing: it tells an adversary what is not found"
_MARKER = "INTERNAL.txt"
_LOCK = ".lock"
_WORK = ".work-"
# Settings that change no result.
_WITHOUT_EFFECT = frozenset({"spark_master", "threads", "memory", "batch_rows", "decoy_seconds", "look_seconds"})


class Store:
    """The folder, held by one run at a time; made if it is not there, readable by its owner alone."""

    def __init__(self, folder: Path, source: Mapping[str, Any]) -> None:
        self.folder = folder
        self.points = folder / "points"
        self._source = json.dumps(source, sort_keys=True)

    @classmethod
    @contextmanager
    def open(cls, folder: Path, source: Mapping[str, Any]) -> Iterator[Store]:
        """Hold the folder. ``source`` is all that outcomes depend on beside their point.

        Raises ``UsageError`` for a folder that is somebody else's or that another run holds.
        """
        claim(folder)
        with (folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UsageError(f"another run is writing {folder}", remedy="wait for it, or name another folder"
                                 ) from error
            store = cls(folder, source)
            store.points.mkdir(mode=0o700, exist_ok=True)
            store.sweep()
            yield store

    def sweep(self) -> None:
        """Remove what a killed run left: this one holds the folder, so nothing there is in use."""
        for left in self.folder.glob(f"{_WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in (*self.folder.glob(".*.draft"), *self.points.glob(".*.draft")):
            left.unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for what must not outlive the run."""
        made = Path(tempfile.mkdtemp(prefix=_WORK, dir=self.folder))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _path(self, point: Point, repeat: int) -> Path:
        told = f"{self._source}\n{json.dumps(asdict(point), sort_keys=True)}\n{repeat}"
        return self.points / f"{hashlib.sha256(told.encode()).hexdigest()}.json"

    def get(self, point: Point, repeat: int) -> Outcome | None:
        """The outcome of a scan that was made before, of the same logs by the same code; else ``None``."""
        try:
            return Outcome.read(json.loads(self._path(point, repeat).read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            # Absent, or damaged: then it is made again.
            return None

    def facts(self) -> dict[str, Any] | None:
        """What an earlier run learnt of these logs, if there was one."""
        try:
            held: dict[str, Any] = json.loads(self._facts.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return held

    def put_facts(self, facts: Mapping[str, Any]) -> None:
        """Keep what was learnt of the logs, so that a finished run need not read them again."""
        self.write(self._facts, json.dumps(facts, sort_keys=True).encode() + b"\n")

    @property
    def _facts(self) -> Path:
        return self.points / f"logs-{hashlib.sha256(self._source.encode()).hexdigest()}.json"

    def put(self, point: Point, repeat: int, outcome: Outcome) -> None:
        """Keep an outcome, whole or not at all."""
        self.write(self._path(point, repeat), json.dumps(outcome.as_dict(), sort_keys=True).encode() + b"\n")

    def write(self, path: Path, content: bytes) -> None:
        """Write a file of the folder so that a reader sees the old one or the new one."""
        draft = path.with_name(f".{path.name}.draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)


def claim(folder: Path) -> None:
    """Make the folder ours; raises ``UsageError`` where it is a file or holds what is not."""
    if folder.is_file():
        raise UsageError(f"{folder} is a file", remedy="name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARKER).is_file():
        raise UsageError(f"{folder} exists already and was not made by stillwatch power",
                         remedy="name another folder, or empty this one: nothing of yours is overwritten")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    (folder / _MARKER).write_text(f"{NOTICE}.\n\nMade by stillwatch power: what a campaign must be like to be found in"
                                  " these logs.\n", "utf-8")


def sources_of(inputs: ScanInputs, settings: Settings, key: DeploymentKey, seed: int) -> dict[str, Any]:
    """All that outcomes depend on beside their points: what is read, settings, key, versions, the code itself.

    Files are digested as they lie there, so that a finished run is recognised without reading any log.
    """
    beside: Sequence[Path | None] = (inputs.accounts, inputs.launches, inputs.agreements, inputs.mapping,
                                     *inputs.networks)
    return {
        "logs": [file_digest(file.path) for file in find(inputs.logs) if file.regular],
        "beside": [None if path is None else file_digest(path) for path in beside],
        "format": inputs.format,
        "key": key.fingerprint,
        "seed": seed,
        "settings": {name: value for name, value in settings.model_dump(mode="json").items()
                     if name not in _WITHOUT_EFFECT},
        "version": __version__,
        "versions": engine_versions(settings.engine) | {"pyarrow": pa.__version__},
        "code": code_digest(),
    }


def stats_of(inputs: ScanInputs) -> list[tuple[str, int, int]]:
    """Path, size and time of the logs' files, by which a change meanwhile is noticed."""
    return [(str(file.path), stat.st_size, stat.st_mtime_ns) for file in find(inputs.logs)
            if (stat := file.path.stat())]
