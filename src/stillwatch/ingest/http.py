"""Raw HTTP records: method, path, headers and body of each request, as a gateway or capture writes them.

The fields are those of `ts`, `method`, `path`, `headers`, `body` and the usual variants (`url`, a nested
`request` and `response`, `status`, a client address). Ids that the client sends itself are not
believed; the log's own id, or the answer's, is the exchange's.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import orjson

from stillwatch.ingest.answers import answer_of
from stillwatch.ingest.bodies import body_columns, holds_request
from stillwatch.ingest.credentials import credential_digest, find_credential, split_path
from stillwatch.ingest.headers import client_address, fingerprint, headers_of, kept_headers
from stillwatch.ingest.model import OUT_OF_SCOPE, Example, OutOfScope, Row
from stillwatch.settings import DeploymentKey

__all__ = ["SOME_CALL", "HttpFormat", "operation_of"]

_TIMES = ("ts", "timestamp", "time", "@timestamp", "start_time", "startTime", "started_at", "request_time",
          "datetime", "date")
_IPS = ("ip", "client_ip", "remote_addr", "remote_ip", "remote_address", "client_address", "source_ip", "peer",
        "remote")
_SAME_NAME = ("account_id", "api_key_id", "end_user_id", "channel", "region", "ja4", "conversation_id",
              "model", "operation")
_TAKEN = frozenset({"method", "path", "url", "uri", "target", "headers", "header_order", "body", "request",
                    "response", "status", "status_code", "latency_ms", "duration_ms", "id", "request_id",
                    "exchange_id", "response_body", "response_headers", "user_agent", *_SAME_NAME, *_IPS})

# Ends of paths that run a model, with the operation they are.
_OPERATIONS = (
    (re.compile(r"/chat/completions/?$|/threads(/[^/]+)?/runs/?$|/messages/?$|/responses/?$|/api/chat/?$|/converse(-stream)?/?$"
                r"|/invoke(-with-response-stream)?/?$|:(streamR|r)awPredict$|/v\d+/chat/?$|/chats?/?$"), "chat"),
    (re.compile(r"(?<!/chat)/completions?/?$|/api/generate/?$|/complete/?$|/generate(_stream)?/?$"),
     "text_completion"),
    (re.compile(r"/embeddings?/?$|/api/embed/?$|:(batchE|e)mbedContents?$"), "embeddings"),
    (re.compile(r":(streamG|g)enerateContent$|/images/(generations|edits|variations)/?$|/audio/(speech|"
                r"transcriptions|translations)/?$|/videos/?$"), "generate_content"),
    (re.compile(r"/messages/batches/?$|:batchGenerateContent$"), "batch"),
    (re.compile(r"/moderations/?$"), "moderation"),
    (re.compile(r"/rerank/?$"), "rerank"),
)
# Calls that run no model although they may name one.
_NO_CALL = re.compile(
    r"count_tokens|input_tokens|:countTokens|/tokenize|/detokenize|/fine[-_]tun|/files(/|$)|/uploads(/|$)"
    r"|(?<!messages)/batches(/|$)|/batches/.|/assistants(/|$)|/threads(/|$)|/vector_stores|/evals(/|$)"
    r"|/responses/(?!compact).|/api/(show|pull|push|create|copy|delete|tags|ps|version)/?$|/models(/[^:]*)?$|/telemetry"
    r"|/healthz?(/|$)|/ping/?$|/metrics/?$|/key/|/organizations?/|/usage(/|$)|/event_logging|/realtime/"
    r"(client_secrets|sessions)|/conversations(/|$)|/containers(/|$)|/cachedContents")
_DEPLOYMENT = re.compile(r"/(?:openai/)?deployments/([^/]+)/|/engines/([^/]+)/")
_BEDROCK = re.compile(r"^/model/([^/]+)/(?:invoke|converse)")
_VERTEX = re.compile(r"/projects/[^/]+/locations/([^/]+)/(?:publishers/[^/]+/models/([^/:]+)|endpoints/)")
_GEMINI = re.compile(r"/models/([^/:]+):")


SOME_CALL = "?"
"""What ``operation_of`` says of a call to a model whose kind its path and body do not tell."""


class HttpFormat:
    """One JSON object a request."""

    name = "http"
    looks_like = "`method` and `path` (or `url`) with `headers` or `body`, or both nested in `request`"

    def recognises(self, record: Mapping[str, Any]) -> int:
        """A method with a path and headers or a body is what no other format has."""
        request = record.get("request")
        inner = {**record, **request} if isinstance(request, dict) else record
        target = any(isinstance(inner.get(name), str) for name in ("path", "url", "uri", "target"))
        about = sum(name in inner for name in ("method", "headers", "body"))
        return 95 if target and about >= 2 else 60 if target and about else 0

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """See the module."""
        request = record.get("request") if isinstance(record.get("request"), dict) else {}
        assert isinstance(request, dict)
        inner = {**record, **request}
        headers, order = headers_of(inner.get("headers"))
        target = next((inner[name] for name in ("path", "url", "uri", "target")
                       if isinstance(inner.get(name), str)), "")
        path, shown, parameters = split_path(target)
        body = _body(inner)
        operation = operation_of(inner.get("method"), path, body)
        if operation is None:
            return OUT_OF_SCOPE
        row: Row = {}
        rest: Any = body
        if isinstance(body, dict):
            row, rest = body_columns(body, key)
        _from_path(path, row)
        row["operation"] = None if operation == SOME_CALL else operation
        _identity(record, inner, headers, parameters, row, key)
        answer = _answer(record, row)
        row["extra"] = _extra(record, request, rest, shown, kept_headers(headers, key), order, answer)
        return row

    def examples(self) -> Sequence[Example]:
        """Records as a capture writes them."""
        from stillwatch.ingest.examples import HTTP

        return HTTP


def _body(inner: Mapping[str, Any]) -> Any:
    body = inner.get("body", inner.get("request_body"))
    if not isinstance(body, str) or not body:
        return body
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        pass
    try:
        return orjson.loads(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError):
        return body


def operation_of(method: Any, path: str, body: Any) -> str | None:
    """What kind of call it is; ``None`` for one to no model."""
    if isinstance(method, str) and method.upper() not in ("POST", "PUT", "PATCH", ""):
        return None
    for pattern, operation in _OPERATIONS:
        if pattern.search(path):
            return operation
    if _NO_CALL.search(path) or not holds_request(body):
        return None
    if "messages" in body or "contents" in body:
        return "chat"
    return "text_completion" if "prompt" in body else SOME_CALL


def _from_path(path: str, row: Row) -> None:
    """Pathway, region and model, where the path names them."""
    row["channel"] = "api"
    vertex = _VERTEX.search(path)
    found = _BEDROCK.search(path)
    model: str | None = None
    if vertex:
        row["channel"], row["region"], model = "vertex", vertex.group(1), vertex.group(2)
    elif found:
        row["channel"], model = "bedrock", unquote(found.group(1))
    elif _DEPLOYMENT.search(path):
        deployment = _DEPLOYMENT.search(path)
        assert deployment is not None
        model = deployment.group(1) or deployment.group(2)
        row["channel"] = "azure" if deployment.group(1) else "api"
    elif _GEMINI.search(path):
        gemini = _GEMINI.search(path)
        assert gemini is not None
        model = gemini.group(1)
    if row.get("model") is None and model:
        row["model"] = model
    if "stream" not in row and re.search(r":stream[A-Z]|-stream/?$|_stream/?$", path):
        row["stream"] = True


def _identity(record: Mapping[str, Any], inner: Mapping[str, Any], headers: Mapping[str, str],
              parameters: Sequence[tuple[str, str]], row: Row, key: DeploymentKey) -> None:
    """Who asked, when and from where."""
    row["ts"] = next((inner[name] for name in _TIMES if inner.get(name) is not None), None)
    for name in _SAME_NAME:
        if isinstance(inner.get(name), (str, int)) and not isinstance(inner[name], bool) and (
                name not in ("model", "operation") or row.get(name) is None):
            row[name] = inner[name]
    credential = find_credential(headers, parameters)
    if credential is not None and row.get("api_key_id") is None:
        row["api_key_id"] = credential_digest(key, credential)
    row["user_agent"] = headers.get("user-agent") or inner.get("user_agent")
    row["sdk"] = fingerprint(headers)
    row["ip"] = client_address(next((inner[name] for name in _IPS if isinstance(inner.get(name), str)), None),
                               headers)
    row.setdefault("region", inner.get("region"))
    row["exchange_id"] = next((record[name] for name in ("exchange_id", "request_id", "id")
                               if isinstance(record.get(name), (str, int)) and record[name] != ""), None)
    latency = inner.get("latency_ms")
    row["latency_ms"] = inner.get("duration_ms") if latency is None else latency


def _answer(record: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """Columns of the answer, where the record has one; returns what no column holds."""
    response = record.get("response")
    whole = response if isinstance(response, dict) and not _is_model_body(response) else {}
    body = whole.get("body", record.get("response_body"))
    if not whole and body is None:
        body = response
    status = next((holder[name] for holder in (record, whole) for name in ("status", "status_code")
                   if holder.get(name) is not None), None)
    row["status"] = status
    headers, _ = headers_of(whole.get("headers", record.get("response_headers")))
    for name, value in answer_of(body).items():
        row.setdefault(name, value)
    if row.get("exchange_id") is None:
        row["exchange_id"] = _answer_id(headers, body)
    if row.get("account_id") is None:
        # What the provider answers is its own statement; the request's header of that name is a claim.
        row["account_id"] = headers.get("openai-organization") or headers.get("anthropic-organization-id")
    left: dict[str, Any] = {name: value for name, value in whole.items()
                            if name not in ("status", "status_code", "headers", "body")}
    if headers:
        from_answer = {name: text for name, text in headers.items() if name != "set-cookie"}
        left["headers"] = from_answer
    parsed = _json(body)
    if isinstance(parsed, dict):
        held = {"choices", "output", "content", "usage", "id", "candidates", "usageMetadata"}
        left["body"] = {name: value for name, value in parsed.items() if name not in held}
    return left


def _json(body: Any) -> Any:
    if isinstance(body, str) and body.lstrip()[:1] == "{":
        try:
            return orjson.loads(body)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return None
    return body


def _json_list(value: Any) -> Any:
    """A list that a CSV export turned into text."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            return orjson.loads(value)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return value
    return value


def _is_model_body(response: Mapping[str, Any]) -> bool:
    """Whether `response` is the answer's body itself rather than status, headers and body."""
    return "body" not in response and "headers" not in response and (
        "choices" in response or "output" in response or "content" in response or "usage" in response)


def _answer_id(headers: Mapping[str, str], body: Any) -> str | None:
    for name in ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id"):
        if headers.get(name):
            return headers[name]
    parsed = _json(body)
    found = parsed.get("id") if isinstance(parsed, dict) else None
    return found if isinstance(found, str) and found else None


def _extra(record: Mapping[str, Any], request: Mapping[str, Any], rest: Any, shown: str, headers: Mapping[str, str],
           order: Sequence[str], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that no column holds."""
    taken_time = next((name for holder in (record, request) for name in _TIMES if holder.get(name) is not None), "")
    extra: dict[str, Any] = {
        name: value for holder in (record, request) for name, value in holder.items()
        if name not in _TAKEN and name != taken_time and value is not None
    }
    for name in ("account_id", "api_key_id", "end_user_id", "model", "operation", "channel", "region"):
        if isinstance(record.get(name), (dict, list)):
            extra[name] = record[name]
    logged_order = _json_list(record.get("header_order", request.get("header_order")))
    kept = {
        "method": record.get("method", request.get("method")),
        "path": shown,
        "headers": dict(headers),
        "header_order": logged_order if logged_order is not None else list(order),
        "body": rest,
        "response": dict(answer),
    }
    extra.update({name: value for name, value in kept.items() if value not in (None, {}, [], "")})
    return extra
