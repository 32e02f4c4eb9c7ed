"""OCSF API Activity (class 6003) with the AI-operation profile: how security data lakes hold calls to models.

Events of the class without a model in them, and those of tools and retrievers, call no model. Other classes are out of
scope: where a lake holds one call as several classes, it would count more than once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.ingest.credentials import credential_digest, find_credential, split_path
from stillwatch.ingest.extras import filled, without_addresses
from stillwatch.ingest.headers import client_address, fingerprint, headers_of, kept_headers
from stillwatch.ingest.http import SOME_CALL, operation_of
from stillwatch.ingest.jsontext import json_of
from stillwatch.ingest.model import OUT_OF_SCOPE, Example, OutOfScope, Row
from stillwatch.settings import DeploymentKey

__all__ = ["OcsfFormat"]

_API_ACTIVITY = 6003
_BASE = frozenset({"class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "metadata", "time"})
_NO_MODEL = (3, 6)  # ai_role_id of a tool, of a retriever
# Paths by column; the first that holds something counts, and is taken out of the rest.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "ts": ("start_time", "time", "start_time_dt", "time_dt"),
    "exchange_id": ("api.request.uid", "http_request.uid", "metadata.uid"),
    "account_id": ("actor.user.account.uid", "actor.user.org.uid", "metadata.tenant_uid", "cloud.account.uid",
                   "actor.user.uid"),
    "api_key_id": ("actor.user.credential_uid", "actor.session.credential_uid"),
    "end_user_id": ("actor.user.uid",),
    "channel": ("ai_model.ai_provider", "ai_agent.ai_model.ai_provider"),
    "region": ("cloud.region",),
    "user_agent": ("http_request.user_agent",),
    "model": ("ai_model.name", "ai_agent.ai_model.name", "ai_model.uid"),
    "conversation_id": ("message_context.uid", "message_context.name"),
    "prompt": ("message_context.prompt_text",),
    "response": ("message_context.response_text",),
    "input_tokens": ("message_context.prompt_tokens",),
    "output_tokens": ("message_context.completion_tokens",),
    "status": ("http_response.code",),
    "latency_ms": ("duration", "http_response.latency"),
}
_MODEL = ("model", "prompt", "response", "input_tokens", "output_tokens")
_OPERATIONS = (
    (re.compile(r"embed", re.IGNORECASE), "embeddings"),
    (re.compile(r"chat|converse|message|respons|invokemodel", re.IGNORECASE), "chat"),
    (re.compile(r"completion", re.IGNORECASE), "text_completion"),
    (re.compile(r"generate", re.IGNORECASE), "generate_content"),
)


class OcsfFormat:
    """One event a record, as JSON or as rows of Parquet."""

    name = "ocsf"
    looks_like = "`class_uid` 6003 with `metadata`, `actor` and `ai_model` or `message_context`"

    def recognises(self, record: Mapping[str, Any]) -> int:
        """Every class of OCSF is recognised, so that a lake's folder is read; only one holds calls to models."""
        known = len(_BASE & record.keys())
        return 96 if "class_uid" in record and known >= 4 else 0

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """See the module."""
        if record.get("class_uid") not in (_API_ACTIVITY, str(_API_ACTIVITY)):
            return OUT_OF_SCOPE
        rest: dict[str, Any] = {name: json_of(value) for name, value in record.items()}
        row: Row = {}
        for column, paths in _COLUMNS.items():
            row[column] = next((found for path in paths if (found := _take(rest, path)) is not None), None)
        role = _look(rest, "message_context.ai_role_id")
        if role in _NO_MODEL or all(row[column] in (None, "") for column in _MODEL):
            return OUT_OF_SCOPE
        _request(rest, row, key)
        if row["status"] in (None, 0, "0"):
            row["status"] = None
        row["extra"] = without_addresses(filled(rest), key)
        return row

    def examples(self) -> Sequence[Example]:
        """A call with all of it, one by an agent, an event of a tool, one of another API."""
        from stillwatch.ingest.examples_gateways import OCSF

        return OCSF


def _look(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = json_of(value.get(name)) if isinstance(value, dict) else None
    return value


def _take(rest: dict[str, Any], path: str) -> Any:
    """What stands at the path, taken out; nothing that is itself a structure or empty."""
    *outer, last = path.split(".")
    holder: dict[str, Any] = rest
    for name in outer:
        inner = json_of(holder.get(name))
        if not isinstance(inner, dict):
            return None
        holder[name] = inner = dict(inner)
        holder = inner
    found = holder.get(last)
    if found in (None, "") or isinstance(found, (dict, list)):
        return None
    del holder[last]
    return found


def _request(rest: dict[str, Any], row: Row, key: DeploymentKey) -> None:
    """The HTTP request under the event: the client's library, address and key, and what kind of call it is."""
    request = rest.get("http_request")
    request = dict(request) if isinstance(request, dict) else {}
    headers, _ = headers_of(request.pop("http_headers", None))
    forwarded = request.pop("x_forwarded_for", None)
    if isinstance(forwarded, list):
        headers.setdefault("x-forwarded-for", ", ".join(str(part) for part in forwarded[:100]))
    row["ip"] = client_address(_take(rest, "src_endpoint.ip"), headers)
    row["sdk"] = fingerprint(headers)
    row["user_agent"] = row["user_agent"] or headers.get("user-agent")
    url = request.get("url")
    text = _look({"url": url}, "url.url_string") or _look({"url": url}, "url.path")
    path, shown, parameters = split_path(text) if isinstance(text, str) else ("", "", [])
    credential = find_credential(headers, parameters)
    if credential is not None and row["api_key_id"] is None:
        row["api_key_id"] = credential_digest(key, credential)
    if isinstance(url, dict):
        # The query again, in fields of its own.
        request["url"] = {**{name: value for name, value in url.items() if name not in ("query_string", "path")},
                          "url_string": shown}
    request["http_headers"] = kept_headers(headers, key)
    rest["http_request"] = filled(request)
    named = _look(rest, "api.operation")
    found = operation_of(request.get("http_method"), path, None) if path else None
    if found in (None, SOME_CALL) and isinstance(named, str):
        found = next((operation for pattern, operation in _OPERATIONS if pattern.search(named)), None)
    row["operation"] = found
