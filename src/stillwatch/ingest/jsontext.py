"""JSON: one value from bytes, and the elements of a document that is one object, or an array of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from stillwatch.ingest.model import BadRecord

__all__ = ["document", "json_of", "loads"]

_ODD_NUMBER = re.compile(rb"\bNaN\b|\bInfinity\b")
_EDGE = re.compile(rb'["{}\[\]]')
_STRING_EDGE = re.compile(rb'["\\]')
_OPEN = b"{["
# Deeper than the parser goes; where such a document ends again could take for ever to find out.
_MAX_DEPTH = 1024


def loads(text: bytes) -> Any:
    """One JSON value. Raises ``BadRecord``.

    NaN and Infinity, which are no JSON but which Python writes, are read; a column then refuses them.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = error.msg
    if "depth" in problem or "recursion" in problem.lower():
        raise BadRecord("too_deep")
    if "surrogate" in problem:
        raise BadRecord("not_unicode")
    try:
        plain = text.decode()
    except UnicodeDecodeError:
        raise BadRecord("not_unicode") from None
    if "infinity" in problem or _ODD_NUMBER.search(text):
        return _lenient(plain)
    raise BadRecord("unparsable")


def _lenient(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise BadRecord("too_deep") from None
    except ValueError:
        raise BadRecord("unparsable") from None


def json_of(value: Any) -> Any:
    """What JSON text says; anything else, and text that is no JSON, as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return value
    return value


def document(chunks: Iterator[bytes], limit: int) -> Iterator[bytes | BadRecord]:
    """The elements of a JSON document, as bytes, one at a time in bounded memory.

    A document is one or several values after each other; the elements of a top-level array are handed
    out singly. An element longer than ``limit`` bytes comes as ``too_large``; one that the end of the
    file cuts off, and text between elements that is no JSON, as ``unparsable``.
    """
    return _Splitter(limit).split(chunks)


class _Splitter:
    """Finds where elements begin and end, looking only at quotes, braces and brackets."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.depth = 0  # open braces and brackets inside the current element
        self.in_array = False  # inside the top-level array
        self.in_string = False
        self.escaped = False  # a backslash ended the last chunk
        self.pieces: list[bytes] = []
        self.held = 0
        self.too_large = False
        self.stray = bytearray()  # text between elements

    def split(self, chunks: Iterator[bytes]) -> Iterator[bytes | BadRecord]:
        for chunk in chunks:
            yield from self._feed(chunk)
        if self.depth or self.in_string:
            yield BadRecord("too_large") if self.too_large else BadRecord("unparsable", "the document breaks off")
        else:
            yield from self._scalars()
            if self.in_array:
                yield BadRecord("unparsable", "the document breaks off")

    def _keep(self, piece: bytes) -> None:
        self.held += len(piece)
        if self.held > self.limit:
            self.pieces, self.too_large = [], True
        elif not self.too_large:
            self.pieces.append(piece)

    def _finish(self) -> bytes | BadRecord:
        done: bytes | BadRecord = BadRecord("too_large") if self.too_large else b"".join(self.pieces)
        self.pieces, self.held, self.too_large = [], 0, False
        return done

    def _scalars(self) -> Iterator[bytes | BadRecord]:
        """Numbers, strings and words between objects: each is a record, and a bad one."""
        text = bytes(self.stray)
        self.stray.clear()
        parts = text.split(b",") if self.in_array else text.split()
        for part in parts:
            part = part.strip()
            if part:
                yield part[: self.limit]

    def _stray(self, piece: bytes) -> None:
        # Bounded: what goes on without an end is one bad record, whatever its length.
        if len(self.stray) <= self.limit:
            self.stray += piece

    def _string(self, chunk: bytes, at: int) -> int:
        """Go on inside a string, to behind its next backslash sequence or its end."""
        found = _STRING_EDGE.search(chunk, at)
        if found is None:
            return len(chunk)
        if chunk[found.start()] == 0x5C:
            self.escaped = found.end() == len(chunk)
            return found.end() + 1
        self.in_string = False
        return found.end()

    def _opens(self, edge: int) -> bool:
        """Whether an element begins here."""
        if edge == 0x7B or (edge == 0x5B and self.in_array):
            self.depth = 1
        return self.depth == 1

    def _brackets(self, edge: int) -> bool:
        """Whether the top-level array opens or closes here."""
        if edge == 0x5B or (edge == 0x5D and self.in_array):
            self.in_array = edge == 0x5B
            return True
        return False

    def _feed(self, chunk: bytes) -> Iterator[bytes | BadRecord]:
        start = at = 0
        if self.escaped:
            self.escaped = False
            at = 1
        size = len(chunk)
        while at < size:
            if self.in_string:
                at = self._string(chunk, at)
                continue
            if self.depth > _MAX_DEPTH:
                raise BadRecord("too_deep", "the rest of the document is not read")
            found = _EDGE.search(chunk, at)
            if found is None:
                break
            edge, place, at = chunk[found.start()], found.start(), found.end()
            if edge == 0x22:
                self.in_string = True
            elif self.depth:
                self.depth += 1 if edge in _OPEN else -1
                if not self.depth:
                    self._keep(chunk[start:at])
                    start = at
                    yield self._finish()
            else:
                self._stray(chunk[start:place])
                yield from self._scalars()
                start = place if self._opens(edge) else at
                if start == at and not self._brackets(edge):
                    yield BadRecord("unparsable", "a bracket too many")
        rest = chunk[start:]
        if self.depth:
            self._keep(rest)
        else:
            self._stray(rest)
