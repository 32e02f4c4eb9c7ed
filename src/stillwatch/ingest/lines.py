"""Lines of a stream, in bounded memory however long a line is."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["TOO_LONG", "lines"]


class _TooLong:
    """Stands for a line longer than the limit, which was skipped without being kept."""


TOO_LONG = _TooLong()


def lines(chunks: Iterator[bytes], limit: int) -> Iterator[bytes | _TooLong]:
    """The lines of a stream without their line feeds; one longer than ``limit`` bytes is ``TOO_LONG``."""
    pieces: list[bytes] = []
    held = 0
    skipping = False
    for chunk in chunks:
        parts = chunk.split(b"\n")
        last = parts.pop()
        for part in parts:
            if skipping or held + len(part) > limit:
                yield TOO_LONG
            elif pieces:
                pieces.append(part)
                yield b"".join(pieces)
            else:
                yield part
            pieces, held, skipping = [], 0, False
        if not skipping and last:
            held += len(last)
            if held > limit:
                pieces, skipping = [], True
            else:
                pieces.append(last)
    if skipping:
        yield TOO_LONG
    elif pieces:
        yield b"".join(pieces)
