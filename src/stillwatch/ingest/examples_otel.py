"""Records as the GenAI conventions of OpenTelemetry document them, for the contract tests; all names are invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from stillwatch.ingest.model import Example

__all__ = ["OTEL"]

_AT = datetime(2026, 1, 2, 3, 4, 5, 250000, UTC)
_START, _END = "1767323045250000000", "1767323046500000000"
_TRACE, _SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def _text(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": value}}


def _structure(value: Any) -> dict[str, Any]:
    """A value as OTLP writes structured attributes."""
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": name, "value": _structure(item)} for name, item in value.items()]}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_structure(item) for item in value]}}
    return {"stringValue": value}


_INPUT = [
    {"role": "user", "parts": [{"type": "text", "content": "Weather in Exampleton?"},
                               {"type": "uri", "modality": "image", "uri": "https://pictures.example/1.png"}]},
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {}}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "rain"}]},
]
_OUTPUT = [{"role": "assistant", "finish_reason": "stop", "parts": [{"type": "reasoning", "content": "…"},
                                                                  {"type": "text", "content": "Rain."}]}]
_REQUEST = [
    _text("gen_ai.operation.name", "chat"), _text("gen_ai.provider.name", "aws.bedrock"),
    _text("gen_ai.request.model", "m-large"), _text("gen_ai.response.model", "m-large-1"),
    _text("gen_ai.response.id", "chatcmpl-12"), _text("gen_ai.conversation.id", "talk-1"),
    {"key": "gen_ai.request.max_tokens", "value": {"intValue": "64"}},
    {"key": "gen_ai.request.temperature", "value": {"doubleValue": 0.25}},
    {"key": "gen_ai.request.top_p", "value": {"doubleValue": 0.5}},
    {"key": "gen_ai.request.choice.count", "value": {"intValue": "2"}},
    {"key": "gen_ai.request.stream", "value": {"boolValue": True}},
    {"key": "gen_ai.response.finish_reasons", "value": _structure(["stop"])},
    {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "30"}},
    {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "12"}},
    {"key": "gen_ai.usage.cache_read.input_tokens", "value": {"intValue": "8"}},
    {"key": "gen_ai.usage.reasoning.output_tokens", "value": {"intValue": "9"}},
    _text("gen_ai.output.type", "json"), _text("user.id", "end-1"), _text("client.address", "203.0.113.9"),
    _text("user_agent.original", "Example/1.0"), _text("server.address", "198.51.100.4"),
    {"key": "http.request.header.x-stainless-lang", "value": _structure(["python"])},
    {"key": "http.response.status_code", "value": {"intValue": "200"}},
]
_CONTENT = [
    {"key": "gen_ai.input.messages", "value": _structure(_INPUT)},
    _text("gen_ai.output.messages", orjson.dumps(_OUTPUT).decode()),
    {"key": "gen_ai.system_instructions", "value": _structure([{"type": "text", "content": "Use tools."}])},
    {"key": "gen_ai.tool.definitions", "value": _structure([{"type": "function", "name": "weather"}])},
]
_RESOURCE = {"attributes": [_text("service.name", "gateway"), _text("cloud.region", "eu-1"),
                            _text("account.id", "acct-1")]}


def _spans(attributes: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    span = {"traceId": _TRACE, "spanId": _SPAN, "name": "chat m-large", "kind": 3, "startTimeUnixNano": _START,
            "endTimeUnixNano": _END, "attributes": attributes, "status": {}, **more}
    return [{"resource": _RESOURCE, "scopeSpans": [{"scope": {"name": "made.up", "version": "1"}, "spans": [span]}]}]


def _logs(attributes: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    entry = {"timeUnixNano": _END, "observedTimeUnixNano": _END, "traceId": _TRACE, "spanId": _SPAN,
             "attributes": attributes, **more}
    return [{"resource": _RESOURCE, "scopeLogs": [{"scope": {}, "logRecords": [entry]}]}]


_COLUMNS: dict[str, Any] = {
    "exchange_id": f"{_TRACE}-{_SPAN}", "ts": _AT, "account_id": "acct-1", "end_user_id": "end-1",
    "channel": "bedrock", "region": "eu-1", "ip": "203.0.113.9", "user_agent": "Example/1.0",
    "sdk": "x-stainless-lang=python", "model": "m-large", "operation": "chat", "stream": True, "temperature": 0.25,
    "top_p": 0.5, "n": 2, "max_tokens": 64, "response_format": "json", "modalities": ["text", "image"],
    "tools": ["weather"], "turn": 3, "conversation_id": "talk-1", "system_prompt": "Use tools.",
    "prompt": "Weather in Exampleton?", "response": "Rain.", "input_tokens": 30, "output_tokens": 12,
    "cached_tokens": 8, "reasoning_tokens": 9, "status": 200, "latency_ms": 1250.0,
}
_OTHER_SPAN = "00f067aa0ba902b8"
_NUMBERED: dict[str, Any] = {
    "trace_id": "0x" + _TRACE, "span_id": "0x00f067aa0ba902c1", "name": "openai.chat", "parent_id": None,
    "start_time": "2026-01-02T03:04:05.250000Z", "end_time": "2026-01-02T03:04:05.750000Z",
    "attributes": {
        "gen_ai.system": "openai", "llm.request.type": "chat", "gen_ai.request.model": "m-small",
        "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief.", "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "Hello", "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Good day", "gen_ai.usage.prompt_tokens": 5,
        "gen_ai.usage.completion_tokens": 2, "llm.is_streaming": False,
    },
}
_TABLE: dict[str, Any] = {
    "Timestamp": "2026-01-02 03:04:05.250000000", "TraceId": _TRACE, "SpanId": "00f067aa0ba902c2",
    "SpanName": "text_completion m-base", "Duration": 2_000_000, "ResourceAttributes": {"cloud.region": "eu-2"},
    "SpanAttributes": '{"gen_ai.system": "az.ai.openai", "gen_ai.operation.name": "text_completion",'
                      ' "gen_ai.request.model": "m-base", "gen_ai.prompt": "Once upon", "gen_ai.completion": "a time",'
                      ' "error.type": "429"}',
}

OTEL: tuple[Example, ...] = (
    Example({"resourceSpans": _spans([*_REQUEST, *_CONTENT])}, _COLUMNS),
    # The same call with its content in the event; both have one span.
    Example({"resourceSpans": _spans(_REQUEST, spanId=_OTHER_SPAN), "resourceLogs": _logs(
        [_text("gen_ai.operation.name", "chat"), *_CONTENT], spanId=_OTHER_SPAN,
        eventName="gen_ai.client.inference.operation.details")},
        {**_COLUMNS, "exchange_id": f"{_TRACE}-{_OTHER_SPAN}"}),
    # Events of version 1.36 and before, one a message, with their span.
    Example({"resourceSpans": _spans([_text("gen_ai.system", "openai"), _text("gen_ai.operation.name", "chat"),
                                      _text("gen_ai.request.model", "m-large")], spanId="00f067aa0ba902b9"),
             "resourceLogs": [*_logs([_text("event.name", "gen_ai.system.message")], spanId="00f067aa0ba902b9",
                                     body=_structure({"content": "Be kind."})),
                              *_logs([_text("event.name", "gen_ai.user.message")], spanId="00f067aa0ba902b9",
                                     body=_structure({"content": "Hi there"})),
                              *_logs([], eventName="gen_ai.choice", spanId="00f067aa0ba902b9",
                                     body=_structure({"index": "0", "message": {"content": "Hi"}}))]},
            {"exchange_id": f"{_TRACE}-00f067aa0ba902b9", "ts": _AT, "channel": "openai", "turn": 1,
             "system_prompt": "Be kind.", "prompt": "Hi there", "response": "Hi", "latency_ms": 1250.0}),
    Example(_NUMBERED, {
        "exchange_id": f"{_TRACE}-00f067aa0ba902c1", "ts": _AT, "account_id": "unknown", "channel": "openai",
        "model": "m-small", "operation": "chat", "stream": False, "turn": 1, "system_prompt": "Be brief.",
        "prompt": "Hello", "response": "Good day", "input_tokens": 5, "output_tokens": 2, "latency_ms": 500.0}),
    Example(_TABLE, {
        "exchange_id": f"{_TRACE}-00f067aa0ba902c2", "ts": _AT, "channel": "azure", "region": "eu-2",
        "model": "m-base", "operation": "text_completion", "prompt": "Once upon", "response": "a time", "turn": 1,
        "status": 429, "latency_ms": 2.0}),
    Example({"timestamp": "2026-01-02T03:04:05.25Z", "gen_ai": {"system": "openai", "request": {"model": "m-nested"},
                                                               "response": {"id": "made-up-7"}}},
            {"exchange_id": "made-up-7", "ts": _AT, "model": "m-nested", "channel": "openai", "operation": None}),
    Example({"resourceSpans": _spans([_text("gen_ai.operation.name", "execute_tool"),
                                      _text("gen_ai.tool.name", "weather")])}, "out of scope"),
    Example({"resourceSpans": _spans([_text("http.route", "/health")])}, "out of scope"),
)
