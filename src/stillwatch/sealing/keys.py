"""The key that signs seals: Ed25519, of this deployment, readable by its owner only."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from stillwatch.errors import InputError
from stillwatch.settings import is_exposed, write_private

__all__ = ["SigningKey", "find_signing_key", "fingerprint", "is_signed", "signing_key"]


class SigningKey:
    """A private key; it is never printed."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @property
    def public(self) -> str:
        """The public key, 32 bytes as 64 hex digits."""
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def sign(self, domain: bytes, message: bytes) -> str:
        """Ed25519 signature (RFC 8032) of ``domain``, a zero byte and ``message``, as 128 hex digits."""
        return self._private.sign(domain + b"\0" + message).hex()


def is_signed(public: str, signature: str, domain: bytes, message: bytes) -> bool:
    """Whether a signature is the key's; neither may be written in any other way than ``SigningKey`` writes it."""
    try:
        key, sign = bytes.fromhex(public), bytes.fromhex(signature)
        # Capitals or blanks would be other bytes with the same meaning, and every byte counts.
        if key.hex() != public or sign.hex() != signature:
            return False
        Ed25519PublicKey.from_public_bytes(key).verify(sign, domain + b"\0" + message)
    except (ValueError, InvalidSignature):
        return False
    return True


def fingerprint(public: str) -> str:
    """What people compare over another channel: half of the SHA-256 of a public key, in groups of four digits."""
    digits = hashlib.sha256(bytes.fromhex(public)).hexdigest()[:32]
    return " ".join(digits[place:place + 4] for place in range(0, 32, 4))


def signing_key(path: Path) -> SigningKey:
    """The key, made where there is none. Raises as ``find_signing_key``."""
    return find_signing_key(path) or _make(path)


def find_signing_key(path: Path) -> SigningKey | None:
    """The key, or ``None`` where there is none. Raises ``InputError`` for one that is damaged or exposed."""
    try:
        if is_exposed(path):
            raise InputError(f"the signing key {path} can be read by others",
                             remedy=f"chmod 600 {path}; where somebody may have read it, remove it: the next seal makes"
                             " a new one")
        private = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"the signing key {path} cannot be read", remedy="restore it from your backup, or remove it:"
                         " the next seal makes a new one, with another fingerprint") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"the signing key {path} is of another kind", remedy="restore it from your backup")
    return SigningKey(private)


def _make(path: Path) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    if write_private(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())):
        return SigningKey(private)
    # Another process made a key meanwhile: the first one made is the key.
    found = find_signing_key(path)
    if found is None:
        raise InputError(f"the signing key {path} was made and removed by another process",
                         remedy="run the command again")
    return found
