"""What the machine cannot give, said so that it can be mended: room on the disk, memory, files that may be read."""

from __future__ import annotations

import errno
import os

from stillwatch.engine import engine_trouble

__all__ = ["machine_trouble"]

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
_ROOM = "make room, or name another place with --out; what was there before is unchanged"


def machine_trouble(error: Exception) -> tuple[str, str] | None:
    """What happened and what to do about it; ``None`` for an error that is not the machine's.

    Texts of engines and of Arrow are not shown: they may quote values.
    """
    if isinstance(error, OSError) and error.strerror:
        if error.errno in _FULL:
            return _told(os.strerror(error.errno), error), _ROOM
        return _told(error.strerror, error), "check free space and permissions; what was there before is unchanged"
    kind = "memory" if isinstance(error, MemoryError) else engine_trouble(error)
    if kind == "disk":
        return "No space left for what the engine sets aside", _ROOM
    if kind == "memory":
        return "memory ran out", "raise --memory, give fewer --threads, or read less at a time (STILLWATCH_BATCH_ROWS)"
    return None


def _told(what: str, error: OSError) -> str:
    return f"{what}: {error.filename or 'a file'}"
