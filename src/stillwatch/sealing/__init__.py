"""Sealed evidence: findings signed, entered in a chain, and checked again by anybody."""

from stillwatch.sealing.keys import fingerprint, signing_key
from stillwatch.sealing.rerun import Given, rerun
from stillwatch.sealing.seal import Sealed, seal
from stillwatch.sealing.verify import Verification, verify

__all__ = ["Given", "Sealed", "Verification", "fingerprint", "rerun", "seal", "signing_key", "verify"]
