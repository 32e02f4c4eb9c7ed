"""Headers of a request: whatever shape they were logged in, and what they say about the client."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from stillwatch.ingest.credentials import is_secret_name
from stillwatch.ingest.extras import hide_addresses
from stillwatch.settings import DeploymentKey

__all__ = ["client_address", "fingerprint", "headers_of", "kept_headers"]

# Headers in which proxies name the client, in the order in which they are believed: those that the
# nearest proxy sets itself come before the chain, whose left part the client can write as it likes.
_SINGLE = ("x-real-ip", "cf-connecting-ip", "true-client-ip", "fastly-client-ip", "fly-client-ip", "x-azure-clientip",
           "x-envoy-external-address", "x-client-ip")
_CHAIN = "x-forwarded-for"
_ADDRESSES = frozenset({*_SINGLE, _CHAIN, "forwarded", "via", "host", "x-forwarded-host", "x-original-forwarded-for",
                        "cf-connecting-ipv6", "x-cluster-client-ip", "x-remote-addr", "remote-addr"})

_EXAMPLES = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
_FORWARDED_FOR = re.compile(r'(?i)(?:^|[;,])\s*for\s*=\s*("[^"]*"|[^;,\s]+)')

_STAINLESS = "x-stainless-"
# These change from call to call of one client.
_VOLATILE = frozenset(_STAINLESS + name for name in ("retry-count", "read-timeout", "timeout", "poll-helper",
                                                     "custom-poll-interval", "helper-method", "helper"))
_LIBRARY = frozenset({"x-goog-api-client", "x-amz-user-agent", "anthropic-version", "x-ms-useragent"})


def headers_of(value: Any) -> tuple[dict[str, str], list[str]]:
    """Headers by lower-case name, and the names as they were sent, from a dict, a list of pairs, a list of
    ``{"name": …, "value": …}``, a dict of lists or the raw text. Anything else is no header."""
    pairs = [(name, text) for name, text in _pairs(value) if isinstance(name, str)]
    headers: dict[str, str] = {}
    for name, text in pairs:
        name = name.strip().lower()
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers, [name for name, _ in pairs]


def _pairs(value: Any) -> Iterable[tuple[Any, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name, _text(item)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            yield from _pairs(orjson.loads(value))
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return
    elif isinstance(value, str):
        yield from map(_line, value.splitlines())
    elif isinstance(value, (list, tuple)):
        for item in value:
            if isinstance(item, dict):
                yield item.get("name", item.get("key")), _text(item.get("value"))
            elif isinstance(item, (list, tuple)) and len(item) == 2:
                yield item[0], _text(item[1])
            elif isinstance(item, str):
                yield _line(item)


def _line(line: str) -> tuple[str | None, str]:
    name, colon, text = line.partition(":")
    return (name, text.strip()) if colon else (None, "")


def _text(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, (list, tuple)):
        return ", ".join(_text(part) for part in item)
    return "" if item is None else str(item)[:10_000]


def fingerprint(headers: Mapping[str, str]) -> str | None:
    """The client library's own headers, ``name=value`` sorted and joined by ``;``."""
    named = [f"{name}={headers[name]}" for name in sorted(headers) if _is_library(name)]
    return ";".join(named) or None


def _is_library(name: str) -> bool:
    return name in _LIBRARY or (name.startswith(_STAINLESS) and name not in _VOLATILE)


def kept_headers(headers: Mapping[str, str], key: DeploymentKey) -> dict[str, str]:
    """The headers that no column holds, without secrets, and with digests in place of addresses."""
    return {
        name: hide_addresses(text, key) if name in _ADDRESSES else text
        for name, text in headers.items()
        if name != "user-agent" and not _dropped(name)
    }


@lru_cache(maxsize=8192)
def _dropped(name: str) -> bool:
    return _is_library(name) or is_secret_name(name[:200])


def client_address(logged: Any, headers: Mapping[str, str]) -> str | None:
    """The client's address.

    A public address that the log itself names comes first; then what the nearest proxy says; then the
    right-most public one of ``X-Forwarded-For`` or ``Forwarded``, since clients can write the left part
    themselves; then whatever address there is.
    """
    named = _address(logged) if isinstance(logged, str) else None
    if named is not None and _is_public(named):
        return named
    candidates = [_address(headers[name]) for name in _SINGLE if name in headers]
    candidates += [_address(part) for part in reversed(headers.get(_CHAIN, "").split(","))]
    candidates += [_address(part) for part in reversed(_FORWARDED_FOR.findall(headers.get("forwarded", "")[:10_000]))]
    known = [address for address in candidates if address is not None]
    for address in known:
        if _is_public(address):
            return address
    return named or (known[0] if known else None)


@lru_cache(maxsize=65_536)
def _address(text: str) -> str | None:
    """An address as text, without port and brackets; ``None`` where it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


@lru_cache(maxsize=65_536)
def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address)
    # Documentation ranges stand for public addresses in examples, and no proxy of anybody's has one.
    return found.is_global or any(found in block for block in _EXAMPLES if block.version == found.version)
