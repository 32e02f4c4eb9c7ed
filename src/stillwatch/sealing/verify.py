"""Re-checking a seal: form, signature, every file, the ledger. Whatever is wrong is named."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillwatch.digests import canonical
from stillwatch.errors import UsageError
from stillwatch.sealing.keys import fingerprint, is_signed
from stillwatch.sealing.ledger import check_entry, check_ledger
from stillwatch.sealing.manifest import DOMAIN, SEAL_NAME, files_of, read_json, shown

__all__ = ["Verification", "verify"]


@dataclass
class Verification:
    """What was checked and held, what did not (each with its place), and what could not be checked."""

    held: list[str] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    fingerprint: str | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def wrong(self, place: str, what: str) -> None:
        """Something does not hold."""
        self.problems.append({"where": place, "what": what})


def verify(findings: Path, *, seal: Path | None = None, ledger: Path | None = None, theirs: bool = False,
           own_key: str | None = None, expected: str | None = None) -> Verification:
    """Check findings against their seal.

    ``ledger`` is looked at where it exists and is the sealer's: ``theirs`` says that it is, and it is for a seal made
    with ``own_key``, this deployment's public key. ``expected`` is the fingerprint that the sealer told over another
    channel. Raises ``UsageError`` where there is no seal or no folder.
    """
    if not findings.is_dir():
        raise UsageError(f"there is no findings folder {findings}", remedy="name the folder that was sealed")
    path = seal or findings / SEAL_NAME
    raw, data = read_json(path, "seal")
    found = Verification()
    if not _check_form(path.name, raw, data, found):
        return found
    found.manifest = data["manifest"]
    _check_signature(path.name, data, found, own_key, expected)
    _check_files(findings, data["manifest"].get("files"), path, found)
    _check_chain(data, ledger, found, own_key, theirs=theirs)
    return found


def _check_form(name: str, raw: bytes, data: Any, found: Verification) -> bool:
    try:
        whole = (isinstance(data, dict) and set(data) == {"manifest", "signature", "entry"}
                 and isinstance(data["manifest"], dict) and isinstance(data["signature"], str)
                 and isinstance(data["manifest"].get("public_key"), str))
        if whole:
            canonical(data)
    except (TypeError, RecursionError):
        whole = False
    if not whole:
        found.wrong(name, "is no seal: a part of it is missing or of another kind")
        return False
    if shown(data) != raw:
        other = next((place for place, (a, b) in enumerate(zip(raw, shown(data), strict=False)) if a != b),
                     min(len(raw), len(shown(data))))
        found.wrong(name, f"is not written as sealing writes it, from byte {other + 1} on")
    return True


def _check_signature(name: str, data: Mapping[str, Any], found: Verification, own_key: str | None,
                     expected: str | None) -> None:
    public = data["manifest"]["public_key"]
    if not is_signed(public, data["signature"], DOMAIN, canonical(data["manifest"])):
        found.wrong(name, "the signature is not that of what it says: manifest, key or signature was changed")
        return
    found.fingerprint = fingerprint(public)
    found.held.append(f"the manifest is signed by the key {found.fingerprint}")
    if expected is not None:
        if "".join(expected.split()).lower() == found.fingerprint.replace(" ", ""):
            found.held.append("that is the key whose fingerprint you gave")
        else:
            found.wrong(name, f"it was sealed with the key {found.fingerprint}, not the one whose fingerprint you gave")
    elif public == own_key:
        found.held.append("that is this deployment's own key")
    else:
        found.unchecked.append("whose key that is: compare its fingerprint with what the sealer tells you over another"
                               " channel, and give it with --fingerprint")


def _check_files(findings: Path, sealed: Any, seal: Path, found: Verification) -> None:
    sealed = sealed if isinstance(sealed, dict) else {}
    here, wrong = files_of(findings, seal), len(found.problems)
    for place in sorted({*sealed, *here}):
        if place not in here:
            found.wrong(place, "was sealed and is missing")
        elif place not in sealed:
            found.wrong(place, "was not there when the findings were sealed")
        elif here[place] != sealed[place]:
            sizes = (here[place]["bytes"], sealed[place].get("bytes") if isinstance(sealed[place], dict) else None)
            changed = "" if sizes[0] == sizes[1] else f": {sizes[0]:,} bytes, sealed were {sizes[1]}"
            found.wrong(place, f"was changed{changed}")
    if len(found.problems) == wrong:
        found.held.append(f"all {len(sealed):,} files are as they were sealed")


def _check_chain(data: Mapping[str, Any], ledger: Path | None, found: Verification, own_key: str | None, *,
                 theirs: bool) -> None:
    entry = data["entry"]
    digest = hashlib.sha256(canonical(data["manifest"])).hexdigest()
    if not check_entry(entry):
        found.wrong("seal.json", "its ledger entry is no entry, or not signed by the key that it names")
        return
    if entry["manifest"] != digest:
        found.wrong("seal.json", "its ledger entry is of another manifest")
    if entry["public_key"] != data["manifest"]["public_key"]:
        found.wrong("seal.json", "its ledger entry is signed by another key")
    if ledger is None or not ledger.is_file():
        found.unchecked.append("the ledger: none is here; ask the sealer for it, and give it with --ledger")
        return
    if not (theirs or entry["public_key"] == own_key):
        # The user's own ledger, where this seal was never meant to be.
        found.unchecked.append("the sealer's ledger: the one here is not theirs; give it with --ledger")
        return
    problems, listed = check_ledger(ledger, entry)
    for problem in problems:
        found.wrong(ledger.name, problem)
    if not listed:
        found.wrong(ledger.name, f"holds no entry {entry['n']} of this seal: it was changed or cut off")
    elif not problems:
        found.held.append(f"it is entry {entry['n']} of the ledger, whose chain is whole")
