"""Sealed evidence: findings signed, entered in a chain, and checked again by anybody.

``rerun``, which scans again, is a module of its own: sealing and checking need none of what a scan needs.
"""

from stillwatch.sealing.keys import find_signing_key, fingerprint, signing_key
from stillwatch.sealing.seal import Sealed, seal
from stillwatch.sealing.verify import Verification, verify

__all__ = ["Sealed", "Verification", "find_signing_key", "fingerprint", "seal", "signing_key", "verify"]
