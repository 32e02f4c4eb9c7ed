"""Kong's log entries (file-log, http-log and their like) with the block `ai` of its AI plugins.

Statistics and payloads are there where the plugin was told to log them. An entry without that block is read as any
raw HTTP record. The account is the consumer, the key its credential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.ingest.answers import answer_of, usage_of
from stillwatch.ingest.bodies import body_columns
from stillwatch.ingest.credentials import REMOVED, credential_digest, find_credential, split_path
from stillwatch.ingest.extras import filled, without_addresses
from stillwatch.ingest.headers import client_address, fingerprint, headers_of, kept_headers
from stillwatch.ingest.http import SOME_CALL, HttpFormat, operation_of
from stillwatch.ingest.jsontext import json_of
from stillwatch.ingest.model import OUT_OF_SCOPE, Example, OutOfScope, Row
from stillwatch.ingest.otel import channel_of
from stillwatch.settings import DeploymentKey

__all__ = ["KongFormat"]

_ENTRY = frozenset({"latencies", "started_at", "client_ip", "request", "response", "service", "route", "tries",
                    "upstream_uri", "workspace", "consumer", "authenticated_entity"})
# The plugin that talks to the model: by its present name, by its former ones, else whichever has figures.
_PLUGINS = ("proxy", "ai-proxy", "ai-proxy-advanced")
_HTTP = HttpFormat()


class KongFormat:
    """One JSON object a request."""

    name = "kong"
    looks_like = "`latencies`, `started_at` and `request`, with `ai` where an AI plugin ran"

    def recognises(self, record: Mapping[str, Any]) -> int:
        """Surer than a raw HTTP record, which such an entry also is."""
        known = len(_ENTRY & record.keys())
        if not isinstance(record.get("latencies", record.get("ai")), dict):
            return 0
        if isinstance(record.get("ai"), dict) and _plugin(record["ai"])[1]:
            return 98 if known >= 2 else 60
        return 97 if known >= 5 and "latencies" in record else 0

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """See the module."""
        block = record.get("ai")
        block = dict(block) if isinstance(block, dict) else {}
        name, plugin = _plugin(block)
        if not plugin:
            return OUT_OF_SCOPE if "mcp" in block or "a2a" in block else _as_http(record, key)
        rest = dict(record)
        row: Row = {"ts": rest.pop("started_at", None)}
        payload = _payload(block, plugin)
        sent, kept = _request(rest, json_of(payload.get("request")), row, key)
        _answer(rest, json_of(payload.get("response")), plugin, row)
        _caller(rest, row)
        row["latency_ms"] = _duration(rest)
        block.pop("payload", None)
        rest["ai"] = {**_without_originals(block), name: plugin, **({"request": sent} if sent else {})}
        if kept:
            rest["request"] = kept
        row["extra"] = without_addresses(filled(rest), key)
        return row

    def examples(self) -> Sequence[Example]:
        """An entry of today's shape, one with the older names, one of no model."""
        from stillwatch.ingest.examples_gateways import KONG

        return KONG


def _as_http(record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
    row = _HTTP.parse(record, key)
    if isinstance(row, dict):
        row["extra"] = without_addresses(row.get("extra"), key)
        row["latency_ms"] = row.get("latency_ms") or _duration(record)
    return row


def _duration(record: Mapping[str, Any]) -> Any:
    """Milliseconds from the first byte of the request to the last of the answer."""
    latencies = record.get("latencies")
    return latencies.get("request") if isinstance(latencies, dict) else None


def _plugin(block: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and figures of the plugin that called the model; an empty dict where none did."""
    for name in (*_PLUGINS, *block):
        inner = block.get(name)
        if isinstance(inner, dict) and (name in _PLUGINS or not {"meta", "usage"}.isdisjoint(inner)) and inner:
            return name, dict(inner)
    return "", {}


def _payload(block: Mapping[str, Any], plugin: dict[str, Any]) -> dict[str, Any]:
    """The logged bodies: the request's has moved from the plugin up to the block."""
    found: dict[str, Any] = {}
    for holder in (plugin.pop("payload", None), block.get("payload")):
        if isinstance(holder, dict):
            found.update((name, value) for name, value in holder.items() if value not in (None, ""))
    return found


def _request(rest: dict[str, Any], body: Any, row: Row, key: DeploymentKey) -> tuple[Any, dict[str, Any]]:
    """What was sent, from where and by which client; what no column holds of the body and of the HTTP request."""
    request = rest.pop("request", None)
    request = dict(request) if isinstance(request, dict) else {}
    headers, order = headers_of(request.pop("headers", None))
    target = next((request.pop(name) for name in ("url", "uri") if isinstance(request.get(name), str)), "")
    path, shown, parameters = split_path(target)
    left: Any = body
    if isinstance(body, dict):
        columns, left = body_columns(body, key)
        row.update((name, value) for name, value in columns.items() if value is not None)
    operation = operation_of(request.get("method"), path, body)
    row["operation"] = operation if operation not in (None, SOME_CALL) else "chat" if row.get("turn") else None
    credential = find_credential(headers, parameters)
    if credential is not None:
        row["api_key_id"] = credential_digest(key, credential)
    row["exchange_id"] = request.pop("id", None)
    row["user_agent"], row["sdk"] = headers.get("user-agent"), fingerprint(headers)
    address = rest.pop("client_ip", None)
    row["ip"] = client_address(address, headers)
    # The same target again, and the query as a table: both may hold a key.
    for name in ("uri", "url", "querystring"):
        request.pop(name, None)
    kept = {"url": shown, "headers": kept_headers(headers, key), "header_order": list(order), **request}
    return left, filled(kept)


def _answer(rest: dict[str, Any], body: Any, plugin: dict[str, Any], row: Row) -> None:
    response = rest.get("response")
    if isinstance(response, dict):
        response = dict(response)
        row["status"] = response.pop("status", None)
        headers, _ = headers_of(response.pop("headers", None))
        row["exchange_id"] = row.get("exchange_id") or headers.get("x-kong-request-id")
        rest["response"] = {**response, "headers": {name: text for name, text in headers.items()
                                                    if name != "set-cookie"}}
    found = answer_of(body)
    usage = plugin.get("usage")
    if isinstance(usage, dict):
        counted = usage_of(usage)
        for column, older in (("input_tokens", "prompt_token"), ("output_tokens", "completion_token")):
            if counted.get(column) is None and usage.get(older) is not None:
                counted[column] = usage[older]
        found.update(counted)
    row.update(found)
    meta = plugin.get("meta")
    if isinstance(meta, dict):
        row["model"] = meta.get("request_model") or row.get("model") or meta.get("response_model")
        row["channel"] = channel_of(meta.get("provider_name"))
        mode = meta.get("request_mode")
        if mode in ("stream", "oneshot"):
            row["stream"] = mode == "stream"


def _caller(rest: dict[str, Any], row: Row) -> None:
    """The consumer that was authenticated, and with which of its credentials."""
    consumer = rest.get("consumer")
    if isinstance(consumer, dict):
        row["account_id"] = next((consumer[name] for name in ("custom_id", "id", "username")
                                  if isinstance(consumer.get(name), (str, int)) and consumer[name] != ""), None)
    entity = rest.get("authenticated_entity")
    if isinstance(entity, dict) and isinstance(entity.get("id"), str) and entity["id"]:
        row["api_key_id"] = entity["id"]


def _without_originals(block: Mapping[str, Any]) -> dict[str, Any]:
    """The block without the personal data that the sanitizer took out of a prompt and then logged."""
    done = dict(block)
    sanitizer = done.get("sanitizer")
    items = sanitizer.get("sanitized_items") if isinstance(sanitizer, dict) else None
    if isinstance(sanitizer, dict) and isinstance(items, list):
        done["sanitizer"] = {**sanitizer, "sanitized_items": [
            {**item, "original": REMOVED} if isinstance(item, dict) else REMOVED for item in items]}
    return done
