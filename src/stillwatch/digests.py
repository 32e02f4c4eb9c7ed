"""Digests that anybody can recompute: of files, of this program's code, and of data in one canonical form."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any

__all__ = ["canonical", "code_digest", "file_digest", "stream_digest"]

_CHUNK = 1 << 20


def canonical(data: Any) -> bytes:
    """``data`` as the one sequence of bytes that stands for it.

    JSON with keys sorted by code point, no blanks, and ASCII only: every other character is a ``\\u`` escape, so lone
    surrogates (file names that are not UTF-8) have a form too. On texts, whole numbers below 2^53, true, false, null,
    lists and objects with ASCII keys this is RFC 8785 but for the escapes. Fractions have no form here, since their
    shortest writing is where implementations differ: raises ``TypeError`` for one, and for a whole number beyond.
    """
    _check(data)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _check(data: Any) -> None:
    if isinstance(data, dict):
        for name, value in data.items():
            if not isinstance(name, str):
                raise TypeError("a key that is no text has no canonical form")
            _check(value)
    elif isinstance(data, list | tuple):
        for value in data:
            _check(value)
    elif isinstance(data, int):
        if abs(data) >= 2**53:
            raise TypeError("a whole number of 2^53 or more has no canonical form: write it as text")
    elif data is not None and not isinstance(data, str):
        raise TypeError(f"a {type(data).__name__} has no canonical form: write it as text")


def stream_digest(stream: IO[bytes]) -> tuple[str, int]:
    """SHA-256 of what is left of an open file, in hex, and how many bytes that is."""
    state, size = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        state.update(chunk)
        size += len(chunk)
    return state.hexdigest(), size


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return stream_digest(stream)[0]


@cache
def code_digest() -> str:
    """SHA-256 over every module and data file of this program: what a version number cannot tell apart.

    Compiled files are left out. Takes some tens of milliseconds, once a process.
    """
    state = hashlib.sha256()
    for name, part in sorted(_parts(resources.files("stillwatch"), "")):
        content = part.read_bytes()
        state.update(f"{len(name)}:{name}:{len(content)}:".encode())
        state.update(content)
    return state.hexdigest()


def _parts(folder: Traversable, inside: str) -> list[tuple[str, Traversable]]:
    found = []
    for part in folder.iterdir():
        if part.is_dir():
            if part.name != "__pycache__":
                found += _parts(part, f"{inside}{part.name}/")
        elif not part.name.endswith(".pyc"):
            found.append((inside + part.name, part))
    return found
