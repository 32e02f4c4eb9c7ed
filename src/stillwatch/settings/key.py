"""The deployment key, under which low-entropy values leave memory only as HMACs.

A plain hash of an address, an e-mail or a phone number can be reversed by hashing all of them; a
keyed one cannot, by anyone without the key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from stillwatch.errors import InputError, UsageError
from stillwatch.settings.private import is_exposed, write_private

__all__ = ["DeploymentKey", "create_key", "key_path", "load_key"]

_BYTES = 32
_BLOCK = 64
"""Bytes of a block of SHA-256."""


@dataclass(frozen=True)
class DeploymentKey:
    """A secret of this deployment; it is never printed."""

    secret: bytes = field(repr=False)

    def digest(self, domain: str, value: str) -> str:
        """HMAC-SHA256 of ``value``, 128 bits as 32 hex digits.

        ``domain`` keeps digests of different kinds apart: the same text as an address and as a
        referral code has unrelated digests. Lone surrogates are digested as they are.
        """
        message = domain.encode() + b"\x00" + value.encode("utf-8", "surrogatepass")
        return hmac.digest(self.secret, message, "sha256").hex()[:32]

    def digests(self, domain: str, values: Iterable[str]) -> list[str]:
        """``digest`` of many values, in less than half the time: what all have in common is hashed once (RFC 2104)."""
        secret = self.secret if len(self.secret) <= _BLOCK else hashlib.sha256(self.secret).digest()
        padded = secret.ljust(_BLOCK, b"\x00")
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + domain.encode() + b"\x00")
        outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))
        made = []
        for value in values:
            inside, outside = inner.copy(), outer.copy()
            inside.update(value.encode("utf-8", "surrogatepass"))
            outside.update(inside.digest())
            made.append(outside.hexdigest()[:32])
        return made

    def subkey(self, domain: str) -> bytes:
        """A 32-byte key for one purpose, for example as the key of a fast keyed hash (BLAKE2)."""
        return hmac.new(self.secret, b"subkey\x00" + domain.encode(), hashlib.sha256).digest()

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that tell two keys apart and reveal neither."""
        return self.digest("fingerprint", "")[:8]


def key_path() -> Path:
    """Where the key is: ``STILLWATCH_KEY_FILE``, or ``stillwatch/key`` in the user's configuration."""
    named = os.environ.get("STILLWATCH_KEY_FILE")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "stillwatch" / "key"


def load_key(path: Path | None = None) -> DeploymentKey | None:
    """Read the key; ``None`` where there is none yet. Raises ``InputError`` for one that is damaged or exposed.

    A key that others can read makes every digest guessable, and nothing shows it: a warning in a log of a scheduler
    would be read by nobody, so it is refused where the user can mend it (see ``is_exposed``).
    """
    path = path or key_path()
    try:
        if is_exposed(path):
            raise InputError(f"the deployment key {path} can be read by others",
                             remedy=f"chmod 600 {path}; where somebody may have read it, make a new one with"
                             " `stillwatch key --replace`, which changes every digest")
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the deployment key {path} cannot be read: {type(error).__name__}",
                         remedy="check its permissions, or name another with STILLWATCH_KEY_FILE") from error
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != _BYTES:
        raise InputError(f"the deployment key {path} is damaged",
                         remedy="restore it from your backup; a new key changes every digest")
    return DeploymentKey(secret)


def create_key(path: Path | None = None, *, replace: bool = False) -> DeploymentKey:
    """Make a key, readable by its owner only. Raises ``UsageError`` rather than overwrite one."""
    path = path or key_path()
    if path.exists() and not replace:
        raise UsageError(f"there is a deployment key already: {path}",
                         remedy="use it; or replace it with --replace, which changes every digest")
    secret = secrets.token_bytes(_BYTES)
    if not write_private(path, f"{secret.hex()}\n".encode(), replace=replace):
        # Another process made a key meanwhile: the first one made is the key.
        found = load_key(path)
        if found is None:
            raise InputError(f"the deployment key {path} was made and removed by another process",
                             remedy="run the command again")
        return found
    return DeploymentKey(secret)
