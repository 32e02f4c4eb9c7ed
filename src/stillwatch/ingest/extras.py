"""The column ``extra``: whatever a source held beyond the contract's columns, without credentials.

Addresses, e-mails and telephone numbers in it are replaced by keyed digests, since the contract names
no raw column for them here.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import orjson

from stillwatch.ingest.credentials import REMOVED, is_guarded, scrub_text
from stillwatch.ingest.model import BadRecord
from stillwatch.settings import DeploymentKey

__all__ = ["dump", "encode", "filled", "hide_addresses", "without_addresses", "without_emails"]

_EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.)+[A-Za-z]{2,24}")
_ADDRESS = re.compile(r"(?<![0-9A-Fa-f:.\-])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
                      r"|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?)"
                      r"(?![0-9A-Fa-f.\-])")
_PHONE_NAME = re.compile(r"phone|msisdn|mobile", re.IGNORECASE)
# Whether encoded text may hold anything to hide: plain searches, since most records hold nothing, and wrong
# only by finding too much.
_SHAPE_NEEDLES = ("@", "sk-", "sk_", "aiza", "ya29.", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_",
                  "github_pat_", "hf_", "xox", "gsk_", "xai-", "pplx-", "r8_", "eyj", "bearer", "basic")
_NAME_NEEDLES = ("authori", "auth", "cookie", "apikey", "api-key", "api_key", "secret", "passw", "passphrase",
                 "credential", "key\"", "key_", "key-", "token", "csrf", "xsrf", "jwt", "signature", "client-cert",
                 "client_cert", "privatekey", "accesskey", "phone", "msisdn", "mobile")


def encode(extra: Mapping[str, Any], key: DeploymentKey) -> str | None:
    """One JSON object with sorted keys; ``None`` for an empty one. Raises ``BadRecord``."""
    if not extra:
        return None
    if not _suspicious(extra):
        return dump(extra)
    try:
        return dump(_clean(extra, key, phone=False))
    except RecursionError:
        raise BadRecord("too_deep") from None


def _suspicious(extra: Mapping[str, Any]) -> bool:
    text = dump(extra).lower()
    if any(needle in text for needle in _SHAPE_NEEDLES):
        return True
    if "header_order" in extra:
        # Names of headers stand here as values; they say which headers there were, not what they held.
        text = dump({name: value for name, value in extra.items() if name != "header_order"}).lower()
    return any(needle in text for needle in _NAME_NEEDLES)


def _clean(value: Any, key: DeploymentKey, *, phone: bool) -> Any:
    """A copy without credentials, and with digests in place of e-mails and telephone numbers."""
    if isinstance(value, Mapping):
        return {
            name: REMOVED if is_guarded(name, item) else _clean(item, key, phone=phone or _names_phone(name))
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_clean(item, key, phone=phone) for item in value]
    if phone and isinstance(value, (str, int)) and not isinstance(value, bool):
        digits = re.sub(r"[^0-9]", "", value) if isinstance(value, str) else str(value)
        if 7 <= len(digits) <= 15:
            return "phone:" + _digest(key, "phone", digits)
    if isinstance(value, str):
        value = scrub_text(value)
        value = without_emails(value, key)
    return value


def without_emails(text: str, key: DeploymentKey) -> str:
    """The text with every e-mail address in it replaced by its keyed digest."""
    if "@" not in text:
        return text
    return _EMAIL.sub(lambda found: "email:" + _digest(key, "email", found.group().lower()), text)


def _names_phone(name: Any) -> bool:
    return isinstance(name, str) and bool(_PHONE_NAME.search(name))


def dump(value: Any) -> str:
    """JSON text with sorted keys of whatever a parser yields. Raises ``BadRecord``."""
    try:
        return orjson.dumps(value, default=_other, option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONEncodeError, TypeError) as error:
        problem = str(error)
    if "surrogates" in problem or "UTF-8" in problem:
        raise BadRecord("not_unicode")
    if "recursion" in problem.lower():
        raise BadRecord("too_deep")
    # Integers beyond 64 bits: the standard library writes them.
    try:
        text = json.dumps(value, default=_other, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        text.encode()  # unlike orjson, the standard library lets lone surrogates through
    except RecursionError:
        raise BadRecord("too_deep") from None
    except UnicodeEncodeError:
        raise BadRecord("not_unicode") from None
    except (ValueError, TypeError):
        raise BadRecord("number_out_of_range", "extra") from None
    return text


def _other(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, float):
        return None if not math.isfinite(value) else float(value)
    return str(value)[:1000]


@lru_cache(maxsize=65_536)
def _digest(key: DeploymentKey, domain: str, value: str) -> str:
    return key.digest(domain, value)


@lru_cache(maxsize=16_384)
def hide_addresses(text: str, key: DeploymentKey) -> str:
    """The text with every IP address in it replaced by its keyed digest."""

    def hidden(found: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(found.group())
        except ValueError:
            return found.group()
        return "ip:" + _digest(key, "ip", str(address))

    return _ADDRESS.sub(hidden, text)


def filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that hold something."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}


def without_addresses(value: Any, key: DeploymentKey) -> Any:
    """A copy in which every IP address in any text is replaced by its keyed digest."""
    if isinstance(value, Mapping):
        return {name: without_addresses(item, key) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_addresses(item, key) for item in value]
    if isinstance(value, str) and ("." in value or ":" in value):
        # Long texts are not worth remembering.
        return hide_addresses(value, key) if len(value) <= 500 else hide_addresses.__wrapped__(value, key)
    return value
