"""Mail domains that hand out addresses to throw away, from a list that comes with the package.

Not on the list: forwarding and privacy relays of mail providers, which people with ordinary accounts use. Being on
it is a trait like any other, and as common as the user's own logs say.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources

from stillwatch.errors import StillwatchError

__all__ = ["is_disposable"]

_LONGEST = 253  # RFC 1035: a domain name


@cache
def _listed() -> frozenset[str]:
    file = resources.files("stillwatch") / "data" / "identity" / "disposable.txt.gz"
    try:
        return frozenset(gzip.decompress(file.read_bytes()).decode("ascii").split())
    except (OSError, ValueError, EOFError) as error:
        raise StillwatchError(f"the list of mail domains in the package cannot be read: {type(error).__name__}",
                              remedy="reinstall stillwatch") from error


def is_disposable(domain: str) -> bool:
    """Whether a mail domain, or a domain above it, is listed. Never raises on any text."""
    name = domain.strip().rstrip(".").lower()
    if len(name) > _LONGEST:
        return False
    listed = _listed()
    while "." in name:
        if name in listed:
            return True
        name = name.partition(".")[2]
    return False
