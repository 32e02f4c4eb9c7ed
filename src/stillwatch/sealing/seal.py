"""Sealing: sign what the findings are, and enter it in the ledger."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillwatch.digests import canonical
from stillwatch.sealing.keys import fingerprint, signing_key
from stillwatch.sealing.ledger import append
from stillwatch.sealing.manifest import DOMAIN, SEAL_NAME, manifest_of, shown

__all__ = ["Sealed", "seal"]


@dataclass(frozen=True)
class Sealed:
    """Where the seal is, its ledger entry, the fingerprint to tell others, how many files it covers, and where the
    torn end of the ledger was put, if there was one."""

    path: Path
    entry: dict[str, Any]
    fingerprint: str
    files: int
    set_aside: Path | None


def seal(findings: Path, *, ledger: Path, key: Path, out: Path | None = None) -> Sealed:
    """Seal a findings folder; the seal is in the folder (``seal.json``) unless ``out`` names another place.

    First the ledger, then the seal, each whole or not at all: a process that is killed in between leaves an entry
    without a seal, which binds nobody, and the folder as it was. The key is made on first use.
    """
    signer = signing_key(key)
    target = out or findings / SEAL_NAME
    if out is not None and out.is_dir():
        target = out / SEAL_NAME
    manifest = manifest_of(findings, signer.public, target)
    signed = canonical(manifest)
    appended = append(ledger, hashlib.sha256(signed).hexdigest(), signer)
    _write(target, shown({"manifest": manifest, "signature": signer.sign(DOMAIN, signed), "entry": appended.entry}))
    return Sealed(target, appended.entry, fingerprint(signer.public), len(manifest["files"]), appended.set_aside)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder's own files a leftover would count as one of them: drafts are where nobody looks.
    path = path.absolute()
    draft = path.parent.parent / f".{path.parent.name}.{path.name}.{os.getpid()}.tmp"
    try:
        with draft.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
