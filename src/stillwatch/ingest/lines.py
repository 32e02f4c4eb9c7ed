"""Lines of a stream, in bounded memory however long a line is."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["BLANK", "TOO_LONG", "lines"]

BLANK = b" \t\r\n"


class _TooLong:
    """Stands for a line longer than the limit, which was skipped without being kept."""


TOO_LONG = _TooLong()


def lines(chunks: Iterator[bytes], limit: int, *, empty: bool = False) -> Iterator[tuple[int, bytes | _TooLong]]:
    """The lines of a stream with their numbers from 1 and without their line feeds, the empty ones only on
    demand. A line longer than ``limit`` bytes is ``TOO_LONG``.
    """
    pieces: list[bytes] = []
    held = number = 0
    skipping = False
    for chunk in chunks:
        if not empty and not held and not skipping and not chunk.strip(BLANK):
            # Gigabytes of empty lines compress to nothing; they must not be gone through one by one.
            number += chunk.count(b"\n")
            continue
        parts = chunk.split(b"\n")
        last = parts.pop()
        for part in parts:
            number += 1
            if skipping or held + len(part) > limit:
                yield number, TOO_LONG
            elif pieces:
                pieces.append(part)
                yield number, b"".join(pieces)
            elif part or empty:
                yield number, part
            else:
                continue
            pieces, held, skipping = [], 0, False
        if not skipping and last:
            held += len(last)
            if held > limit:
                pieces, skipping = [], True
            else:
                pieces.append(last)
    if skipping:
        yield number + 1, TOO_LONG
    elif pieces:
        yield number + 1, b"".join(pieces)
