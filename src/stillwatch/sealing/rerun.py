"""The scan again, from the inputs and with the sealed settings, compared with what was sealed."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillwatch import __version__
from stillwatch.digests import code_digest, file_digest
from stillwatch.errors import InputError, UsageError
from stillwatch.pipeline import ScanInputs, Watcher, scan
from stillwatch.sealing.compare import compare_findings
from stillwatch.settings import DeploymentKey, Settings, load_settings

__all__ = ["Given", "rerun"]

# What a machine may set for itself: no result depends on it.
_OF_THE_MACHINE = ("threads", "memory")
_LONG_ENOUGH = 7 * 86_400.0


@dataclass(frozen=True)
class Given:
    """The inputs of a scan, as they are given again."""

    logs: Sequence[str]
    accounts: Path | None = None
    launches: Path | None = None
    agreements: Path | None = None
    networks: Sequence[Path] = ()
    mapping: Path | None = None
    cases: Path | None = None


def rerun(findings: Path, manifest: Mapping[str, Any], given: Given, key: DeploymentKey,
          watcher: Watcher | None = None) -> dict[str, Any]:
    """Scan again and compare: ``inputs`` that differ (sentences), ``tables`` one by one, ``other`` causes of a
    difference, and whether all is the ``same``.

    Raises ``UsageError`` where the key is another one or an input that was sealed is not given.
    """
    sealed = manifest.get("scan")
    if not isinstance(sealed, dict) or not isinstance(sealed.get("settings"), dict):
        raise InputError("the seal does not say with what settings the scan was made", remedy="it cannot be rerun")
    if sealed.get("key_fingerprint") != key.fingerprint:
        raise UsageError(f"the findings were made under the deployment key {str(sealed.get('key_fingerprint'))[:16]},"
                         f" this one is {key.fingerprint}: their digests cannot be compared",
                         remedy="name the key's file with STILLWATCH_KEY_FILE")
    beside = _beside(sealed, given)
    inputs = ScanInputs(given.logs, given.accounts, given.launches, given.agreements, given.networks,
                        sealed.get("format") or None, given.mapping, given.cases)
    folder = Path(tempfile.mkdtemp(prefix="stillwatch-verify-"))
    try:
        summary = scan(inputs, folder / "findings", settings=_settings(sealed), key=key, watcher=watcher)
        different = [*beside, *_inputs(sealed, summary)]
        tables = compare_findings(findings, folder / "findings")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    same = not different and all(table["same"] for table in tables)
    return {"same": same, "inputs": different, "tables": tables, "other": _other(sealed, summary)}


def _settings(sealed: Mapping[str, Any]) -> Settings:
    told = {name: value for name, value in sealed["settings"].items() if name not in _OF_THE_MACHINE}
    made = sealed.get("decoys") or {}
    if isinstance(made, dict) and made.get("made") == made.get("wanted"):
        # The time was enough there; it must not be too short on a slower machine.
        told["decoy_seconds"] = _LONG_ENOUGH
    looks = sealed.get("looks") or {}
    if isinstance(looks, dict) and looks.get("ended") is None and told.get("look_seconds"):
        told["look_seconds"] = _LONG_ENOUGH
    return load_settings(**told)


def _beside(sealed: Mapping[str, Any], given: Given) -> list[str]:
    """What is not as it was of the files beside the logs; raises where one is not given."""
    here = Counter((role, file_digest(path)) for role, path in (
        ("accounts", given.accounts), ("launches", given.launches), ("agreements", given.agreements),
        ("mapping", given.mapping), *(("networks", path) for path in given.networks)) if path is not None)
    then = [row for row in sealed.get("beside") or () if isinstance(row, dict)]
    roles = {role for role, _ in here}
    for row in then:
        if row.get("role") not in roles:
            raise UsageError(f"the sealed scan was given {str(row.get('path'))[:80]!r} as --{row.get('role')}",
                             remedy=f"give it again with --{row.get('role')}")
    if sealed.get("decisions") and given.cases is None:
        raise UsageError("the sealed scan honoured the decisions of a case store", remedy="give it with --cases")
    before = Counter((str(row.get("role")), str(row.get("digest"))) for row in then)
    return [f"--{role} is another file than the one that was sealed" for role, _ in sorted((before - here).keys())] + [
        f"--{role} was not given then" for role in sorted(roles - {role for role, _ in before})]


def _inputs(sealed: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """Logs that are not the sealed ones, by digest; names may differ, since logs may have been moved."""
    then = {str(row.get("digest")): str(row.get("path")) for row in sealed.get("inputs") or () if isinstance(row, dict)}
    now = {str(row["digest"]): str(row["path"]) for row in summary["inputs"]}
    return [*(f"input {name!r} was sealed, and is not given as it was" for digest, name in sorted(then.items())
              if digest not in now),
            *(f"input {name!r} is given, and was not sealed" for digest, name in sorted(now.items())
              if digest not in then)]


def _other(sealed: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """What else is not as it was, and could explain a difference."""
    found = []
    if sealed.get("code") != code_digest():
        found.append(f"the program: sealed by version {str(sealed.get('version'))[:40]}, this is {__version__}"
                     f"{' with other code' if sealed.get('version') == __version__ else ''}")
    told = sealed.get("versions")
    then = told if isinstance(told, dict) else {}
    found += [f"{name} {str(then.get(name))[:40]} then, {version} now"
              for name, version in sorted(summary["versions"].items()) if then.get(name) != version]
    digests = [(part or {}).get("digest") for part in (sealed.get("decisions"), summary["decisions"])]
    if digests[0] != digests[1]:
        found.append("the decisions in the case store")
    counts = [part.get("decoys") or {} for part in (sealed, summary)]
    if counts[0].get("made") != counts[1].get("made"):
        found.append(f"decoys: {counts[0].get('made')} then, {counts[1].get('made')} now")
    return found
