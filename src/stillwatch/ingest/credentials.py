"""Credentials: found in requests, digested as what tells accounts apart, and removed everywhere else."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import orjson

from stillwatch.settings import DeploymentKey

__all__ = [
    "CREDENTIAL_PREFIX",
    "GUARDED_NAMES",
    "REMOVED",
    "SHAPES",
    "credential_digest",
    "find_credential",
    "is_guarded",
    "is_secret_name",
    "looks_like_credential",
    "scrub_text",
    "split_path",
]

REMOVED = "<removed>"
CREDENTIAL_PREFIX = "key:"

# Headers that carry the caller's key, in the order in which they are believed.
_KEY_HEADERS = (
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-litellm-api-key",
    "ocp-apim-subscription-key",
    "x-auth-token",
    "x-access-token",
    "proxy-authorization",
)
_KEY_PARAMETERS = frozenset({"key", "api_key", "apikey", "api-key", "access_token", "token", "auth", "sig",
                             "signature", "x-amz-credential", "x-amz-signature", "x-amz-security-token",
                             "subscription-key", "code", "password", "secret", "client_secret"})

# Names whose values are secrets wherever they appear. `max_tokens` and `x-ratelimit-limit-tokens` count
# tokens, hence the singular.
GUARDED_NAMES = (
    r"authori[sz]ation|(^|[-_.\"])auth(?=$|[-_.\"])|cookie|api[-_]?key|apikey|secret|passw(or)?d|passphrase|credential"
    r"|subscription[-_]key|private[-_]?key|access[-_]?key|security[-_]token|access[-_]?token|refresh[-_]?token"
    r"|id[-_]?token|bearer|session[-_]?token|csrf|xsrf|(^|[-_.\"])token(?=$|\")|[-_]key(?=$|\")|signature(?=$|\")"
    r"|client[-_]cert|\bjwt(?=$|\")"
)
_SECRET_NAME = re.compile(GUARDED_NAMES, re.IGNORECASE)
# Names that match the above and hold no secret: digests, aliases, cache and idempotency keys.
_NOT_SECRET = re.compile(
    r"(cache|idempotency|prompt_cache|object|model_map|sec-websocket|storage_object|sort|primary|partition)[-_]key$"
    r"|(hash|alias|id|spend|budget|reset_at|count|metadata|route|email)$|used_client_oauth_token|^api_key_id$"
    r"|websocket|public[-_]key|(eos|bos|pad|stop|unk|mask|sep|cls|image|per|next_page|page|continuation)[-_]token$",
    re.IGNORECASE,
)

# Well-known shapes of keys. Only characters that JSON never escapes, so that text may be JSON.
SHAPES = (
    r"sk-[A-Za-z0-9_\-]{8,}|sk_(?:live|test)_[A-Za-z0-9]{8,}|AIza[A-Za-z0-9_\-]{20,}|ya29\.[A-Za-z0-9_\-.]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|hf_[A-Za-z0-9]{16,}"
    r"|xox[abprs]-[A-Za-z0-9\-]{10,}|gsk_[A-Za-z0-9]{16,}|xai-[A-Za-z0-9]{16,}|pplx-[A-Za-z0-9]{16,}"
    r"|r8_[A-Za-z0-9]{16,}|eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?"
)
_SHAPE = re.compile(rf"(?<![A-Za-z0-9])(?:{SHAPES})")
_WHOLE = re.compile(rf"(?:{SHAPES})\Z")
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+(?!<removed>)[A-Za-z0-9_\-.~+/]{6,}=*")

_MASK = re.compile(
    r"[\W_]*(redacted|redact|filtered|masked|removed|hidden|scrubbed|sanitized|sanitised|omitted|secret|censored"
    r"|none|null|undefined|nil|empty|dummy|fake|test|placeholder|unused|not[-_ ]?needed|no[-_ ]?key"
    r"(?:[-_ ]?required)?|your[-_ ]?(?:api[-_ ]?)?key(?:[-_ ]?here)?|na|n/a|bearer|basic"
    r"|token|key|api[-_]?key|stub)[\W_]*\Z",
    re.IGNORECASE,
)
_MASKED_MIDDLE = re.compile(r"\*{2,}|•{2,}|\.{3}|…|[xX]{6,}|#{3,}|<[^>]*>|\[[^\]]*\]")
_PREFIX = re.compile(r"(?i)sk-(?:ant-|proj-|or-)?")
_AWS = re.compile(r"Credential=([^/,\s]+)")


def is_secret_name(name: str) -> bool:
    """Whether a field or header of that name holds a secret."""
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET.search(name)


def looks_like_credential(text: str) -> bool:
    """Whether the whole text has the well-known shape of a key."""
    return bool(_WHOLE.match(text))


def _is_masked(value: str) -> bool:
    """Whether a logger replaced the key: such a value is the same for everybody and names nobody."""
    bare = _PREFIX.sub("", value, count=1)
    return len(set(bare)) <= 1 or bool(_MASK.match(bare)) or bool(_MASKED_MIDDLE.search(value))


def _identity(value: str) -> str | None:
    """The part of an Authorization value (or a bare key) that stays the same from call to call."""
    value = value.strip()
    scheme, _, rest = value.partition(" ")
    rest = rest.strip()
    if scheme.upper().startswith("AWS4-"):
        found = _AWS.search(rest)
        value = found.group(1) if found else ""
    elif rest and scheme.lower() == "basic":
        # The user part: a changed password is still the same account.
        try:
            value = base64.b64decode(rest, validate=True).decode("utf-8", "replace").partition(":")[0]
        except (binascii.Error, ValueError):
            value = rest
    elif rest and scheme.lower() in ("bearer", "token", "apikey", "key", "api-key"):
        value = _subject(rest)
    return value if value and not _is_masked(value) else None


def _subject(token: str) -> str:
    """Of a JSON Web Token, which is renewed hourly: issuer and subject; of any other token: itself."""
    parts = token.split(".")
    if len(parts) != 3 or not token.startswith("eyJ"):
        return token
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        subject = claims.get("sub") or claims.get("appid") or claims.get("azp") or claims.get("email")
        return f"{claims.get('iss', '')}\n{subject}" if isinstance(subject, str) else token
    except (ValueError, AttributeError):
        return token


def find_credential(headers: Mapping[str, str], parameters: Iterable[tuple[str, str]] = ()) -> str | None:
    """What identifies the key that a request came with, or ``None`` where there is none or it is masked.

    ``headers`` have lower-case names; ``parameters`` are those of the query.
    """
    for name in _KEY_HEADERS:
        value = headers.get(name)
        identity = _identity(value) if value else None
        if identity:
            return identity
    for name, value in parameters:
        if name.lower() in ("key", "api_key", "api-key", "apikey", "subscription-key", "access_token"):
            identity = _identity(value)
            if identity:
                return identity
    return None


@lru_cache(maxsize=65_536)
def credential_digest(key: DeploymentKey, value: str) -> str:
    """The keyed digest that stands for a credential."""
    return CREDENTIAL_PREFIX + key.digest("credential", value)


def split_path(target: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Path, the whole target with secrets removed, and the query's parameters, of a path or URL."""
    if "://" in target[:12]:
        scheme, _, rest = target.partition("://")
        host, slash, tail = rest.partition("/")
        # A user and password before the host are a credential.
        shown = f"{scheme}://{host.rpartition('@')[2]}"
        target = slash + tail
    else:
        shown = ""
    path, mark, query = target.partition("?")
    if not mark:
        return path, scrub_text(shown + path), []
    parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=None)
    kept = "&".join(
        f"{quote(name)}={REMOVED if _secret_parameter(name) else quote(value)}" for name, value in parameters
    )
    return path, scrub_text(f"{shown}{path}?{kept}"), parameters


def _secret_parameter(name: str) -> bool:
    name = unquote(name).lower()
    return name in _KEY_PARAMETERS or is_secret_name(name)


def scrub_text(text: str) -> str:
    """Remove what has the shape of a credential; JSON text stays valid."""
    if _SHAPE.search(text):
        text = _SHAPE.sub(REMOVED, text)
    if _SCHEME.search(text):
        text = _SCHEME.sub(lambda found: f"{found.group(1)} {REMOVED}", text)
    return text


@lru_cache(maxsize=4096)
def _secret_name(name: str) -> bool:
    return is_secret_name(name)


def is_guarded(name: Any, item: Any) -> bool:
    """Whether a field's value must not survive because of the field's name."""
    # Numbers, truth values and null are counts and switches, such as `"logit_key": 5`.
    return isinstance(name, str) and not (item is None or isinstance(item, (bool, int, float))) and _secret_name(
        name[:200])
