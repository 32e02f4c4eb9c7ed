"""Files that hold a secret: readable by their owner only, whole or not at all, and never written over by accident."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_private"]


def write_private(path: Path, content: bytes, *, replace: bool = False) -> bool:
    """Write a file with mode 600; returns whether it is now this content.

    Without ``replace`` the first of several processes wins, and the others are told ``False``.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if replace:
        draft.replace(path)
        return True
    try:
        # A hard link fails where another process made the file meanwhile.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True
