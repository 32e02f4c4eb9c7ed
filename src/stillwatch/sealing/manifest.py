"""What a seal says: every file of the findings by digest, and what they were made from, with what."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stillwatch import __version__
from stillwatch.digests import canonical, stream_digest
from stillwatch.errors import InputError, UsageError

__all__ = ["DOMAIN", "SEAL_NAME", "files_of", "manifest_of", "read_json", "shown", "texts"]

SEAL_NAME = "seal.json"
DOMAIN = b"stillwatch manifest 1"
_FORM = "stillwatch-manifest-1"
_FROM_SUMMARY = ("version", "code", "versions", "created_at", "seed", "engine", "format", "key_fingerprint", "settings",
                 "inputs", "beside", "decisions", "counts", "decoys", "conditional_on")
_LONGEST = 64 << 20


def texts(data: Any) -> Any:
    """``data`` with what has no canonical form (fractions, whole numbers of 2^53 and more) written as text."""
    if isinstance(data, Mapping):
        return {str(name): texts(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [texts(value) for value in data]
    if isinstance(data, float) or (isinstance(data, int) and abs(data) >= 2**53):
        return repr(data)
    return data


def shown(seal: Any) -> bytes:
    """A seal as its file holds it, for people to read; each of its bytes follows from what it says."""
    return json.dumps(seal, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def read_json(path: Path, what: str) -> tuple[bytes, Any]:
    """A JSON file's bytes and content. Raises ``InputError`` for what cannot be read as JSON."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LONGEST + 1)
        if len(raw) > _LONGEST:
            raise ValueError
        return raw, json.loads(raw)
    except FileNotFoundError as error:
        raise UsageError(f"there is no {what} {path}", remedy="name it, or make it first") from error
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path} cannot be read as a {what}",
                         remedy="it was changed or cut off: restore it") from error


def files_of(folder: Path, but: Path | None = None) -> dict[str, dict[str, Any]]:
    """Every file below a folder, ``sha256`` and ``bytes`` by path, without the seal itself (and ``but``).

    Raises ``InputError`` for what is no regular file: what a link leads to is not in the folder, and cannot be sealed.
    """
    found = {}
    for inside, folders, names in os.walk(folder):
        linked = [name for name in folders if (Path(inside) / name).is_symlink()]
        for name in sorted([*names, *linked]):
            path = Path(inside) / name
            place = path.relative_to(folder).as_posix()
            if place == SEAL_NAME or (but is not None and path.resolve() == but.resolve()):
                continue
            digest, size = _regular(path, place)
            found[place] = {"sha256": digest, "bytes": size}
        folders[:] = sorted(name for name in folders if name not in linked)
    return found


def _regular(path: Path, place: str) -> tuple[str, int]:
    try:
        # NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"{place} cannot be read: it is a link, or not yours to read",
                         remedy="remove it from the findings, or put a copy in its place") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{place} is no regular file", remedy="remove it from the findings")
        return stream_digest(stream)


def manifest_of(folder: Path, public_key: str, but: Path | None) -> dict[str, Any]:
    """What is to be signed. Raises ``UsageError`` where ``folder`` holds no findings of a scan."""
    if not (folder / "summary.json").is_file() or not (folder / "campaigns.parquet").is_file():
        raise UsageError(f"{folder} holds no findings", remedy="name the folder that `stillwatch scan --out` wrote")
    before = folder.stat().st_ino
    _, summary = read_json(folder / "summary.json", "summary")
    if not isinstance(summary, dict):
        raise InputError(f"{folder / 'summary.json'} is no summary of a scan", remedy="scan again")
    made = {"form": _FORM, "sealed_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "sealed_by": __version__, "public_key": public_key, "files": files_of(folder, but),
            "scan": {name: texts(summary.get(name)) for name in _FROM_SUMMARY}}
    if folder.stat().st_ino != before:
        raise InputError(f"{folder} was replaced while it was being sealed", remedy="seal it again")
    canonical(made)  # raises for what has no form, before anything is signed
    return made
