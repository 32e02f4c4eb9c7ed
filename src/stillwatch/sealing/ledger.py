"""The ledger of seals: an append-only file of JSON lines, each with the SHA-256 of the line before it.

An entry is ``n`` (from 1), ``previous`` (the digest of the line before; zeros for the first), ``at``, ``manifest`` (the
digest of what was sealed), ``public_key`` and ``signature``. A line is its entry in canonical form
(``digests.canonical``), so each of its bytes counts. Whoever holds a later line can tell whether anything before it was
changed or taken out; that the newest lines were taken out only shows to somebody who holds one of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stillwatch.digests import canonical
from stillwatch.errors import InputError
from stillwatch.sealing.keys import SigningKey, is_signed

__all__ = ["Appended", "append", "check_entry", "check_ledger"]

_FIRST = "0" * 64
_DOMAIN = b"stillwatch ledger entry 1"
_NAMES = {"n", "previous", "at", "manifest", "public_key", "signature"}
_BEGINS = b'{"at":"'
_LONGEST = 1 << 16


@dataclass(frozen=True)
class Appended:
    """An entry as it stands in the ledger, and where what an interruption left at the end was put, or ``None``."""

    entry: dict[str, Any]
    set_aside: Path | None


def append(path: Path, manifest: str, key: SigningKey) -> Appended:
    """Add an entry for a manifest's digest and wait until it is on the disk; of two processes one waits.

    What stands at the end without being a whole line (power failed during an append) is moved to a file beside the
    ledger: nothing is ever thrown away. Raises ``InputError`` where the last whole line is no entry of a ledger.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(path) as descriptor:
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, min(size, _LONGEST), max(0, size - _LONGEST))
        whole, newline, rest = tail.rpartition(b"\n")
        if rest and _parsed(rest) is not None:
            # All of an entry but its end: somebody may hold that seal.
            os.write(descriptor, b"\n")
            whole, newline, rest = tail, b"\n", b""
        line = whole.rpartition(b"\n")[2] if newline else b""
        last = _parsed(line)
        if (newline and last is None) or (not newline and rest and not rest.startswith(_BEGINS)):
            raise InputError(f"the last line of the ledger {path} is no entry",
                             remedy="`stillwatch verify` names what is wrong; keep the file and restore it from a"
                             " backup, or name a new one with --ledger")
        aside = _set_aside(path, rest) if rest else None
        if rest:
            os.ftruncate(descriptor, size - len(rest))
        entry: dict[str, Any] = {
            "n": 1 if last is None else int(last["n"]) + 1,
            "previous": _FIRST if last is None else hashlib.sha256(line).hexdigest(),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"), "manifest": manifest, "public_key": key.public}
        entry["signature"] = key.sign(_DOMAIN, canonical(entry))
        # One write: a killed process leaves all of the line or none of it; a full disk leaves a part, taken back here.
        line = canonical(entry) + b"\n"
        start = os.fstat(descriptor).st_size
        if os.write(descriptor, line) != len(line):
            os.ftruncate(descriptor, start)
            raise InputError(f"the ledger {path} could not be written", remedy="check free space, and seal again")
        os.fsync(descriptor)
    return Appended(entry, aside)


def _set_aside(path: Path, rest: bytes) -> Path:
    aside = path.with_name(f"{path.name}.torn-{hashlib.sha256(rest).hexdigest()[:12]}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(rest)
        stream.flush()
        os.fsync(stream.fileno())
    return aside


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """An entry, or ``None`` for what is no entry or not written as one."""
    try:
        entry = json.loads(line)
        if not isinstance(entry, dict) or set(entry) != _NAMES or canonical(entry) != line:
            return None
    except (ValueError, TypeError, RecursionError):
        return None
    texts = all(isinstance(entry[name], str) for name in _NAMES - {"n"})
    return entry if texts and isinstance(entry["n"], int) and not isinstance(entry["n"], bool) else None


def check_entry(entry: Any) -> bool:
    """Whether an entry is one, and signed by the key that it names."""
    try:
        parsed = _parsed(canonical(entry))
    except (TypeError, RecursionError):
        return False
    if parsed is None:
        return False
    unsigned = {name: value for name, value in parsed.items() if name != "signature"}
    return is_signed(parsed["public_key"], parsed["signature"], _DOMAIN, canonical(unsigned))


def check_ledger(path: Path, sought: Any) -> tuple[list[str], bool]:
    """What is wrong with the chain, a sentence with its line a fault, and whether ``sought`` is one of its entries."""
    problems, found, previous, number = [], False, _FIRST, 0
    wanted = canonical(sought) if check_entry(sought) else None
    with path.open("rb") as lines:
        for number, raw in enumerate(iter(lambda: lines.readline(_LONGEST), b""), start=1):
            line = raw.removesuffix(b"\n")
            entry = _parsed(line)
            if line == raw:
                problems.append(f"line {number} has no end: it was cut off, or an append was interrupted")
            elif entry is None:
                problems.append(f"line {number} is no entry, or was changed")
            elif entry["n"] != number:
                problems.append(f"line {number} says that it is entry {entry['n']}")
            elif entry["previous"] != previous:
                problems.append(f"line {number} does not follow from line {number - 1}: one of the two was changed")
            elif not check_entry(entry):
                problems.append(f"line {number} is not signed by the key that it names")
            found = found or (line == wanted and line != raw)
            previous = hashlib.sha256(line).hexdigest()
    return problems, found
