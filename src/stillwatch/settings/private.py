"""Files that hold a secret: readable by their owner only, whole or not at all, and never written over by accident."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["is_exposed", "write_private"]


def is_exposed(path: Path) -> bool:
    """Whether group or others may read, change or run a file that this user could make private.

    As OpenSSH has it, only a file of the user's own counts. A secret that an orchestrator mounts belongs to root, or is
    on a read-only filesystem with the mode that it chose (Kubernetes: 0644, or 0440 with ``fsGroup``): nobody in the
    container can change that, and who may enter the container was decided elsewhere. A link is judged by where it
    leads. Raises ``OSError`` where there is no file.
    """
    found = path.stat()
    if not hasattr(os, "geteuid") or found.st_uid != os.geteuid():
        return False
    return bool(found.st_mode & 0o077) and not os.statvfs(path).f_flag & os.ST_RDONLY


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
