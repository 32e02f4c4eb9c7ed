"""The dear stages of a scan: each is made, or taken from what an unfinished scan kept (see ``kept``).

Every stage has a key: the digest of its own settings and of the key of what it is made from. What changes no result is
in none: threads, memory, how many records are read at a time, how long something may take.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import scipy
import sklearn

from stillwatch.digests import code_digest, file_digest
from stillwatch.engine import Engine, engine_versions
from stillwatch.ingest.registry import GROUP
from stillwatch.ingest.sources import find
from stillwatch.judge import Candidate, Judged
from stillwatch.observe import Networks
from stillwatch.pipeline.assess import Claims, Rules, candidates_in, work_of
from stillwatch.pipeline.decided import rulings_digest
from stillwatch.pipeline.decoys import Decoys, make_decoys
from stillwatch.pipeline.folds import Fold, folds
from stillwatch.pipeline.kept import Kept, digest_of
from stillwatch.pipeline.looking import Looks, look_back, reported
from stillwatch.pipeline.observing import Logs, Reduced, ScanInputs, collect, missing, read_beside, read_logs
from stillwatch.pipeline.standing import standing
from stillwatch.pipeline.watch import Clock
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["Stages"]

_READ, _COMPARED, _COLLECTED, _LINKED = "reading logs", "comparing texts", "collecting sightings", "linking accounts"
_TABLES = ("known_addresses", "blocks", "content", "profiles", "sightings_fixed", "sightings")


@dataclass
class Stages:
    """A scan's inputs and rules, with what is kept of it."""

    inputs: ScanInputs
    rules: Rules
    clock: Clock
    kept: Kept

    def observe(self, engine: Engine, staged_at: Path) -> Reduced:
        """Logs in, the reduced tables out; staged exchanges go to ``staged_at``, a folder that is not there."""
        networks = Networks.load(self.inputs.networks)
        with self.clock.stage("checking inputs"):
            seen_as, key = _stats(self.inputs), _logs_key(self.inputs, self.rules.settings, self.rules.key)
        logs, texts = self._read_before(key, staged_at)
        if logs is None:
            logs = self._read_anew(engine, key, staged_at)
            if _stats(self.inputs) != seen_as:
                # What was read is not what was digested: it must not be taken for it later.
                self.kept.remove()
        texts = self._compared(key, logs, texts)
        self._key = digest_of(key, _digests(self.inputs.accounts, *self.inputs.networks))
        staged = engine.parquet(logs.ingested.parts)
        held = self.kept.get(_COLLECTED, self._key)
        if held is not None:
            self.clock.kept(_COLLECTED)
            return Reduced(logs, networks, logs.ingested, staged, engine.table(texts), texts, logs.accounts,
                           logs.agreements, **held, missing=missing(logs.ingested, logs.accounts),
                           launches=logs.launches)
        with self.clock.stage(_COLLECTED):
            reduced = collect(engine, logs, staged, texts, networks, self.rules.key)
            self.kept.put(_COLLECTED, self._key, {name: getattr(reduced, name) for name in _TABLES})
        return reduced

    def claims(self, engine: Engine, reduced: Reduced) -> Claims:
        """Who is linked, and what the groups did."""
        self._key = digest_of(self._key, rulings_digest(self.rules.rulings, self.rules.key))
        linked, found = self.kept.made(
            self.clock, _LINKED, self._key,
            lambda: candidates_in(reduced, settings=self.rules.settings, key=self.rules.key,
                                  rulings=self.rules.rulings))
        with self.clock.stage("attributing exchanges"):
            return work_of(engine, reduced, linked, found)

    def decoys(self, reduced: Reduced, claims: Claims, likely: Collection[str]) -> Decoys:
        """Decoys, each kept as soon as it is made: more of them go on from there."""
        before = self.kept.items("making decoys", digest_of(self._key, sorted(likely)))
        return make_decoys(reduced, claims.scores, claims.groups, likely, self.rules.settings, self.clock,
                           before=before)

    def doubts(self, engine: Engine, reduced: Reduced, candidates: Sequence[Candidate]
               ) -> tuple[dict[str, tuple[str, float]], dict[str, Fold]]:
        """Whether candidates stand without their strongest family, and with nothing used twice."""
        key = digest_of(self._key, [candidate.group_id for candidate in candidates], self.rules.settings.prior)

        def doubted() -> tuple[dict[str, tuple[str, float]], dict[str, Fold]]:
            return (standing(candidates, reduced.sightings, self.rules.settings.seed),
                    folds(engine, reduced, candidates, self.rules))

        return self.kept.made(self.clock, "doubting", key, doubted)

    def looks(self, engine: Engine, reduced: Reduced, judged: Judged) -> Looks:
        """Since when each detection could have been reported; every look is kept as soon as it is taken."""
        found = sorted((name, sorted(accused), q) for name, (accused, q) in reported(judged).items())
        key = digest_of(self._key, found, _digests(self.inputs.agreements),
                        self.rules.settings.model_dump(mode="json", include={"prior", "decoys", "decoy_seconds"}))
        return look_back(engine, reduced, judged, self.rules, self.clock, self.kept.items("looking back", key))

    def _read_before(self, key: str, staged_at: Path) -> tuple[Logs | None, pa.Table | None]:
        """The logs as they were read before, if all that is needed of them is there, and their texts as compared."""
        ingested, reducer = (self.kept.get(_READ, key, item) for item in ("counts", "texts"))
        if ingested is None or reducer is None:
            return None, None
        texts = self.kept.get(_COMPARED, key)
        if texts is None:
            excerpts = self.kept.get(_READ, key, "excerpts")
            if excerpts is None:
                return None, None
            reducer.give_back(excerpts)
        staged_at.mkdir()
        files = (*ingested.parts, ingested.quarantine)
        if not all(self.kept.get_file(_READ, key, file.name, staged_at / file.name) for file in files):
            shutil.rmtree(staged_at)
            return None, None
        self.clock.kept(_READ)
        ingested = replace(ingested, parts=tuple(staged_at / part.name for part in ingested.parts),
                           quarantine=staged_at / ingested.quarantine.name)
        return Logs(ingested, reducer, *read_beside(self.inputs, self.rules.key)), texts

    def _read_anew(self, engine: Engine, key: str, staged_at: Path) -> Logs:
        logs = read_logs(engine, self.inputs, staged_at, settings=self.rules.settings, key=self.rules.key,
                         clock=self.clock)
        ingested = logs.ingested
        for file in (*ingested.parts, ingested.quarantine):
            self.kept.put_file(_READ, key, file.name, file)
        self.kept.put(_READ, key, logs.reducer.excerpts, "excerpts")
        self.kept.put(_READ, key, logs.reducer.without_excerpts(), "texts")
        # Last: with it the stage is finished.
        self.kept.put(_READ, key, replace(ingested, parts=tuple(Path(part.name) for part in ingested.parts),
                                          quarantine=Path(ingested.quarantine.name)), "counts")
        return logs

    def _compared(self, key: str, logs: Logs, texts: pa.Table | None) -> pa.Table:
        if texts is None:
            with self.clock.stage(_COMPARED):
                texts = logs.reducer.texts()
                self.kept.put(_COMPARED, key, texts)
        else:
            self.clock.kept(_COMPARED)
            logs.reducer.recall(texts)
        # Parts of texts are kept no longer than they are needed for.
        self.kept.drop(_READ, key, "excerpts")
        return texts


def _logs_key(inputs: ScanInputs, settings: Settings, key: DeploymentKey) -> str:
    """The digest of all that staged exchanges and texts depend on: what is read, by which code, under which key.

    The seed is in it since patterns depend on it, and what they are made of is not kept.
    """
    logs = [[file.name, file.given, sorted(file.partition.items()), *_digests(file.path if file.regular else None)]
            for file in find(inputs.logs)]
    return digest_of(
        logs, inputs.format, _digests(inputs.mapping), key.fingerprint,
        settings.model_dump(mode="json", include={"engine", "seed", "max_record_bytes", "max_expansion"}),
        code_digest(), engine_versions(), [module.__version__ for module in (np, pa, scipy, sklearn)],
        platform.python_version(),
        sorted((entry.name, entry.value, entry.dist.version if entry.dist else "")
               for entry in entry_points(group=GROUP)))


def _digests(*paths: Path | None) -> list[str | None]:
    return [None if path is None else file_digest(path) for path in paths]


def _stats(inputs: ScanInputs) -> list[Any]:
    """Path, size and time of the logs' files, by which a change meanwhile is noticed."""
    return [(str(file.path), stat.st_size, stat.st_mtime_ns) for file in find(inputs.logs)
            if (stat := file.path.stat())]
