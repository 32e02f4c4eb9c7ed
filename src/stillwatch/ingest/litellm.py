"""LiteLLM's logs: rows of the table `LiteLLM_SpendLogs`, and the `StandardLoggingPayload` of its loggers.

Both say the same with other names. Rows exported as CSV hold their JSON columns as text. The account is the
one that pays: the organisation, else the team, else the internal user, else a digest of the key's hash
(LiteLLM's stand-in user for keys without an owner names nobody).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from stillwatch.ingest.answers import answer_of, usage_of
from stillwatch.ingest.bodies import body_columns
from stillwatch.ingest.extras import filled
from stillwatch.ingest.headers import client_address, fingerprint
from stillwatch.ingest.model import OUT_OF_SCOPE, BadRecord, Example, OutOfScope, Row
from stillwatch.ingest.values import to_micros
from stillwatch.settings import DeploymentKey

__all__ = ["LiteLLMFormat"]

_SPEND = frozenset({"request_id", "startTime", "api_key", "call_type", "spend", "prompt_tokens", "cache_key",
                    "custom_llm_provider", "model_group", "request_tags", "end_user", "api_base"})
_PAYLOAD = frozenset({"id", "startTime", "hidden_params", "model_parameters", "model_map_information", "status_fields",
                      "response_cost", "trace_id", "call_type", "custom_llm_provider", "saved_cache_cost",
                      "model_group", "request_tags", "litellm_call_id"})
_JSON = ("metadata", "request_tags", "messages", "response", "proxy_server_request", "model_parameters",
         "hidden_params", "error_information", "status_fields")
_NO_USER = frozenset({"default_user_id", "None", "null"})
_MASTER = "litellm_proxy_master_key"
_REDACTED = "redacted-by-litellm"
_CODE = re.compile(r"[1-5][0-9]{2}\Z")

# Call types with a leading `a` or `_a` (asynchronous) and `_stream` at the end taken off.
_OPERATIONS = {
    "completion": "chat", "anthropic_messages": "chat", "responses": "chat", "responses_websocket": "chat",
    "realtime": "chat", "text_completion": "text_completion", "embedding": "embeddings", "embeddings": "embeddings",
    "generate_content": "generate_content", "image_generation": "generate_content",
    "image_edit": "generate_content", "speech": "generate_content", "transcription": "generate_content",
    "create_video": "generate_content", "video_generation": "generate_content", "moderation": "moderation",
    "rerank": "rerank", "create_batch": "batch", "create_interaction": "chat", "ocr": "ocr", "send_message": "chat",
    "pass_through_endpoint": None, "llm_passthrough_route": None, "passthrough_endpoint": None, "": None,
}
_NO_CALL = re.compile(
    r"(_|^)(file|files|file_content|batches|vector_store\w*|container\w*|fine_tuning_jobs?|assistants?|thread|"
    r"messages|skill|sandbox|mcp_tools?|input_items|video_\w+|get_responses|delete_responses|cancel_responses)$"
    r"|^(get|list|delete|retrieve|cancel|alist|aget|adelete|aretrieve|acancel)_|retrieve|_list$|_delete$|mcp|health"
    r"|^a?(ingest|query|search|run_code|code_interpreter_tool)$")
_CHANNELS = (("vertex", "vertex"), ("azure", "azure"), ("bedrock", "bedrock"), ("sagemaker", "sagemaker"))


class LiteLLMFormat:
    """Both shapes of LiteLLM's logs."""

    name = "litellm"
    looks_like = ("`startTime` with `request_id`, `call_type` and `api_key` (LiteLLM_SpendLogs), or with `id` and"
                  " `model_parameters` or `hidden_params` (StandardLoggingPayload)")

    def recognises(self, record: Mapping[str, Any]) -> int:
        """`startTime` in camel case is LiteLLM's own slip and tells it apart."""
        record = _payload(record)
        known = max(len(_SPEND & record.keys()), len(_PAYLOAD & record.keys()))
        if "startTime" not in record:
            return 30 if known >= 6 else 0
        return min(95, 40 + 10 * (known - 2)) if known >= 3 else 0

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """See the module."""
        record = _payload(record)
        rest = {name: _loads(value) if name in _JSON else value for name, value in record.items()}
        call = rest.get("call_type")
        operation = _operation(call)
        if operation is OUT_OF_SCOPE:
            return OUT_OF_SCOPE
        metadata = rest.get("metadata")
        meta: dict[str, Any] = dict(metadata) if isinstance(metadata, dict) else {}
        rest["metadata"] = meta or metadata
        row: Row = {"operation": operation}
        _request(rest, row, key)
        _caller(rest, meta, row)
        _route(rest, meta, row)
        _answer(rest, meta, row)
        _times(rest, row)
        if operation is None and row.get("turn") is not None:
            row["operation"] = "chat"
        row["extra"] = filled(rest)
        return row

    def examples(self) -> Sequence[Example]:
        """One row of each shape, and a call that runs no model."""
        from stillwatch.ingest.examples import LITELLM

        return LITELLM


def _payload(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The payload of a record that holds what a callback was given, beside the rest of it."""
    given = record.get("kwargs")
    inner = (given if isinstance(given, dict) else record).get("standard_logging_object")
    return inner if isinstance(inner, dict) else record


def _loads(value: Any) -> Any:
    """A JSON column that an export turned into text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        try:
            return orjson.loads(value)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return value
    return value


def _operation(call: Any) -> str | OutOfScope | None:
    if not isinstance(call, str):
        return None
    bare = call.strip().lower().removeprefix("_").removesuffix("_stream")
    for name in (bare, bare[1:] if bare.startswith("a") else bare):
        if name in _OPERATIONS:
            return _OPERATIONS[name]
    return OUT_OF_SCOPE if _NO_CALL.search(bare) else bare


def _text(value: Any) -> Any:
    """A field that holds something: LiteLLM writes empty strings for null."""
    return None if value in ("", "None", None) else value


def _first(holder: dict[str, Any], *names: str) -> Any:
    """Take the first of these fields that holds something."""
    for name in names:
        value = _text(holder.get(name))
        if value is not None and not isinstance(value, (dict, list)):
            del holder[name]
            return value
    return None


def _request(rest: dict[str, Any], row: Row, key: DeploymentKey) -> None:
    """What was asked: messages and sampling parameters; the stored request where there is one."""
    sent = rest.get("proxy_server_request")
    if isinstance(sent, dict) and isinstance(sent.get("body"), dict):
        sent = sent["body"]
    body: dict[str, Any] = dict(sent) if isinstance(sent, dict) else {}
    parameters = rest.get("model_parameters")
    if isinstance(parameters, dict):
        body = {**body, **parameters}
    messages = _readable(rest.get("messages"))
    if messages is not None:
        for other in ("messages", "input", "prompt", "contents"):
            body.pop(other, None)
        body["messages"] = messages
    columns, left = body_columns(body, key) if body else ({}, {})
    row.update((name, value) for name, value in columns.items() if value is not None)
    if messages is not None or rest.get("messages") in ({}, [], _REDACTED) or _is_redacted(rest.get("messages")):
        rest.pop("messages", None)
    if isinstance(rest.get("proxy_server_request"), dict):
        rest["proxy_server_request"] = {name: value for name, value in left.items()
                                        if not isinstance(parameters, dict) or name not in parameters}
    if isinstance(parameters, dict):
        rest["model_parameters"] = {name: value for name, value in left.items() if name in parameters}
    stream = _first(rest, "stream")
    if stream is not None:
        row["stream"] = stream
    if row.get("prompt") == _REDACTED:
        row["prompt"] = None
    if row.get("system_prompt") == _REDACTED:
        row["system_prompt"] = None


def _readable(messages: Any) -> Any:
    """Messages unless they are empty or were redacted."""
    if messages in (None, "", {}, []) or messages == _REDACTED:
        return None
    if isinstance(messages, dict) and "messages" in messages:
        return messages["messages"]
    return messages if isinstance(messages, (str, list, dict)) else None


def _is_redacted(messages: Any) -> bool:
    return isinstance(messages, str) and messages == _REDACTED


def _caller(rest: dict[str, Any], meta: dict[str, Any], row: Row) -> None:
    """Who paid, with which key, for whom, from where."""
    organisation = _first(rest, "organization_id") or _first(meta, "user_api_key_org_id")
    team = _first(rest, "team_id") or _first(meta, "user_api_key_team_id", "team_id")
    user = _first(rest, "user") or _first(meta, "user_api_key_user_id")
    hashed = _first(rest, "api_key") or _first(meta, "user_api_key_hash")
    named = [("organization_id", organisation), ("team_id", team),
             ("user", None if str(user) in _NO_USER else user)]
    row["account_id"] = next((value for _, value in named if value is not None), None)
    # Whoever did not become the account is still worth knowing.
    for name, value in (("organization_id", organisation), ("team_id", team), ("user", user)):
        if value is not None and value != row["account_id"]:
            rest[name] = value
    # The proxy's own key is everybody's: it names nobody.
    row["api_key_id"] = None if hashed == _MASTER else hashed
    end_user = _first(rest, "end_user") or _first(meta, "user_api_key_end_user_id")
    if end_user is not None:
        row["end_user_id"] = end_user
    row["ip"] = _first(rest, "requester_ip_address") or _first(meta, "requester_ip_address")
    if isinstance(row["ip"], str):
        # Behind a proxy LiteLLM logs the whole chain.
        row["ip"] = client_address(None, {"x-forwarded-for": row["ip"]}) or row["ip"]
    meta.pop("requester_ip_address", None)
    row["user_agent"] = _first(rest, "user_agent") or _first(meta, "user_agent") or _tagged(rest)
    custom = meta.get("requester_custom_headers")
    if isinstance(custom, dict):
        lower = {str(name).lower(): value for name, value in custom.items() if isinstance(value, str)}
        row["sdk"] = fingerprint(lower)
        row["user_agent"] = row["user_agent"] or lower.get("user-agent")


def _tagged(rest: Mapping[str, Any]) -> str | None:
    """The user agent as LiteLLM tags requests with it: ``User-Agent: name/version``, the longest of several."""
    tags = rest.get("request_tags")
    found = [tag.partition(":")[2].strip() for tag in tags if isinstance(tag, str) and
             tag.lower().startswith("user-agent:")] if isinstance(tags, list) else []
    return max(found, key=len) if found else None


def _route(rest: dict[str, Any], meta: dict[str, Any], row: Row) -> None:
    """Which model was asked for, and through which provider."""
    group = _text(rest.get("model_group"))
    if group is not None:
        row["model"] = group
        del rest["model_group"]
        if rest.get("model") == group:
            del rest["model"]
    else:
        row["model"] = _first(rest, "model") or row.get("model")
    provider = _first(rest, "custom_llm_provider")
    if isinstance(provider, str):
        row["channel"] = next((channel for start, channel in _CHANNELS if provider.startswith(start)), provider)
        if row["channel"] != provider:
            rest["custom_llm_provider"] = provider
    row["conversation_id"] = _first(rest, "session_id", "trace_id")
    row["exchange_id"] = _first(rest, "request_id", "id", "litellm_call_id")


def _answer(rest: dict[str, Any], meta: dict[str, Any], row: Row) -> None:
    """The answer's text, usage and status."""
    response = rest.get("response")
    found = answer_of(response)
    if isinstance(response, str) and response != _REDACTED and "response" not in found:
        found["response"] = response
    hidden = rest.get("hidden_params")
    for holder in (meta, hidden if isinstance(hidden, dict) else {}):
        for name in ("usage_object", "additional_usage_values"):
            found.update((column, value) for column, value in usage_of(holder.get(name)).items()
                         if found.get(column) is None)
    for name, column in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")):
        counted = _first(rest, name)
        if counted is not None:
            found[column] = counted
    if found.get("response") == _REDACTED:
        del found["response"]
    row.update(found)
    if isinstance(response, (str, dict)) and ("response" in found or response == _REDACTED):
        rest["response"] = {name: value for name, value in response.items()
                            if name not in ("choices", "output", "content", "usage", "text")} if isinstance(
                                response, dict) else None
    status = _first(rest, "status") or _first(meta, "status")
    error = rest.get("error_information") or meta.get("error_information")
    code = error.get("error_code") if isinstance(error, dict) else None
    if status == "success":
        row["status"] = 200
    elif code is not None and _CODE.match(str(code)):
        row["status"] = str(code)
    if status is not None and row.get("status") != 200:
        rest["status"] = status


def _times(rest: dict[str, Any], row: Row) -> None:
    row["ts"] = rest.pop("startTime", None)
    elapsed = _text(rest.get("request_duration_ms"))
    if elapsed is not None:
        row["latency_ms"] = rest.pop("request_duration_ms")
        return
    try:
        latency = (to_micros(rest.get("endTime")) - to_micros(row["ts"])) / 1000
    except BadRecord:
        return
    if latency >= 0:
        row["latency_ms"] = latency
        del rest["endTime"]
