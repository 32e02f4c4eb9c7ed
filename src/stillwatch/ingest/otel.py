"""OpenTelemetry's GenAI spans and events: OTLP/JSON and rows of one span each, current and legacy names.

Spans and the events of one span are one exchange, wherever they stand: events may be in other files. The exchange's id
is the span's, since ids of answers are no keys (some servers draw them from a thousand). Spans of agents, tools and
workflows run no model themselves: the calls within them have spans of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stillwatch.ingest.content import tool_names
from stillwatch.ingest.credentials import credential_digest, find_credential
from stillwatch.ingest.extras import filled, without_addresses
from stillwatch.ingest.headers import client_address, fingerprint
from stillwatch.ingest.jsontext import json_of
from stillwatch.ingest.model import OUT_OF_SCOPE, BadRecord, Example, OutOfScope, Row
from stillwatch.ingest.otel_messages import MESSAGE_EVENTS, answered, asked
from stillwatch.ingest.otlp import (
    Telemetry,
    flat,
    hex_id,
    is_container,
    is_plain_span,
    spans_and_events,
    telemetry,
)
from stillwatch.ingest.values import to_micros
from stillwatch.settings import DeploymentKey

__all__ = ["OpenTelemetryFormat", "channel_of"]

_DETAILS = "gen_ai.client.inference.operation.details"
_JOINED = "joined"
_ABOUT = ("gen_ai.", "llm.request.", "llm.usage.")
# What may hold attributes of ours under its name: `{"gen_ai": {"request.model": …}}`.
_NESTING = frozenset({"gen_ai", "llm", "event"})
# Names by column, the current one first. `account.id` and its like are in no convention; they are what gateways add.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "account_id": ("account_id", "account.id", "organization.id", "tenant.id", "customer.id"),
    "api_key_id": ("api_key_id", "api_key.id"),
    "end_user_id": ("user.id", "enduser.id"),
    "region": ("cloud.region",),
    "user_agent": ("user_agent.original", "http.user_agent"),
    "model": ("gen_ai.request.model", "llm.request.model"),
    "temperature": ("gen_ai.request.temperature",),
    "top_p": ("gen_ai.request.top_p",),
    "n": ("gen_ai.request.choice.count",),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "stream": ("gen_ai.request.stream", "gen_ai.request.is_stream", "llm.is_streaming"),
    "response_format": ("openai.request.response_format", "gen_ai.openai.request.response_format",
                        "gen_ai.output.type"),
    "conversation_id": ("gen_ai.conversation.id", "session.id"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
    "status": ("http.response.status_code", "http.status_code"),
}
# The column of a name, and which of the column's names it is.
_PLACES = {name: (column, place) for column, names in _COLUMNS.items() for place, name in enumerate(names)}
_CALLS = ("gen_ai.request.model", "gen_ai.response.model", "gen_ai.input.messages", "gen_ai.output.messages",
          "gen_ai.prompt", "gen_ai.completion", "gen_ai.prompt.0.content", "gen_ai.completion.0.content",
          "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.usage.output_tokens",
          "llm.request.model")
_NO_CALL = re.compile(r"(^|_)(agent|agents|workflow|tool|tools|memory|retrieval|retrieve|evaluation|plan)(_|$)")
_TYPES = {"completion": "text_completion", "embedding": "embeddings"}
_CHANNELS = (("aws.bedrock", "bedrock"), ("aws_bedrock", "bedrock"), ("azure", "azure"), ("az.ai", "azure"),
             ("gcp.vertex_ai", "vertex"), ("vertex_ai", "vertex"))
_HEADER = re.compile(r"http\.request\.header\.(.+)\Z")
_FUNCTION = re.compile(r"llm\.request\.functions\.([0-9]{1,9})\.name\Z")
_STATUS = re.compile(r"[1-5][0-9]{2}\Z")


def channel_of(provider: Any) -> Any:
    """The pathway that a provider's name says; names that are no cloud's stay as they are."""
    if not isinstance(provider, str):
        return None
    return next((channel for start, channel in _CHANNELS if provider.lower().startswith(start)), provider or None)


class OpenTelemetryFormat:
    """Spans and events of the GenAI semantic conventions."""

    name = "otel"
    looks_like = ("`resourceSpans` or `resourceLogs` (OTLP/JSON), or attributes named `gen_ai.*` with a trace id or a"
                  " start time")

    def recognises(self, record: Mapping[str, Any]) -> int:
        """OTLP's envelopes are nobody else's; rows need attributes of the conventions."""
        if is_container(record):
            return 95
        seen = telemetry(record)
        about = sum(name.startswith(_ABOUT) for name in seen.attributes)
        known = seen.event_name in MESSAGE_EVENTS or seen.event_name == _DETAILS
        if seen.trace is not None or seen.span is not None:
            return min(80 + about, 90) if about or known else 15 if "attributes" in record and seen.name else 0
        return min(60 + about, 70) if about and seen.start is not None else 0

    def unpack(self, record: Mapping[str, Any]) -> Iterable[Mapping[str, Any] | BadRecord]:
        """The spans and log records of a line of OTLP; a row as it is."""
        return spans_and_events(record) if is_container(record) else (record,)

    def join_key(self, record: Mapping[str, Any]) -> str | None:
        """Trace and span, for what is about a call to a model."""
        if is_plain_span(record):
            if not any(name.startswith(_ABOUT) for name in flat(record["attributes"])) and not _named(record):
                return None
            ids = hex_id(record["traceId"]), hex_id(record["spanId"])
            return None if None in ids else f"{ids[0]}-{ids[1]}"
        if _is_foreign(record):
            return None
        seen = telemetry(record)
        if seen.trace is None or seen.span is None or not _is_about(seen):
            return None
        return f"{seen.trace}-{seen.span}"

    def join(self, records: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[int, BadRecord]]:
        """The span with its events in it; a second span of the same id is refused."""
        if len(records) == 1:
            return records[0], {}
        seen = [telemetry(record) for record in records]
        spans = [at for at, one in enumerate(seen) if one.event_name not in MESSAGE_EVENTS
                 and one.event_name != _DETAILS]
        first = spans[0] if spans else next((at for at, one in enumerate(seen) if one.event_name == _DETAILS), 0)
        refused = {at: BadRecord("id_conflict") for at in spans[1:]}
        # The first record stands for the exchange, so that it is never the one refused.
        refused.pop(0, None)
        others = [records[at] for at in range(len(records)) if at != first and at not in spans]
        return {**records[first], **({_JOINED: others} if others else {})}, refused

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """See the module."""
        record = dict(record)
        others = record.pop(_JOINED, None)
        seen = telemetry(record)
        joined = [telemetry(item) for item in others if isinstance(item, dict)] if isinstance(others, list) else []
        if not _is_about(seen) and not joined:
            return OUT_OF_SCOPE
        attributes = dict(seen.attributes)
        events = [*seen.events, *joined, *([seen] if seen.event_name in MESSAGE_EVENTS else [])]
        for event in (event for event in events if event.event_name == _DETAILS):
            attributes = {**event.attributes, **attributes}
        operation = _operation(attributes)
        if operation is OUT_OF_SCOPE or not (operation or _is_call(attributes, events)):
            return OUT_OF_SCOPE
        if seen.event_name in MESSAGE_EVENTS and (seen.trace is None or seen.span is None):
            raise BadRecord("unrecognised_record", "an event of a message without a span to belong to")
        return _row(seen, attributes, events, operation, key)

    def examples(self) -> Sequence[Example]:
        """A span in OTLP, one with its event, an event alone, and rows of older instrumentations."""
        from stillwatch.ingest.examples_otel import OTEL

        return OTEL


def _named(record: Mapping[str, Any]) -> bool:
    """Whether a plain span is named like an event of a message."""
    named = record["attributes"].get("event.name")
    return (named if isinstance(named, str) else record["name"]) in MESSAGE_EVENTS


def _is_about(seen: Telemetry) -> bool:
    return (any(name.startswith(_ABOUT) for name in seen.attributes) or seen.event_name in MESSAGE_EVENTS
            or any(event.event_name in MESSAGE_EVENTS or event.event_name == _DETAILS for event in seen.events))


def _is_foreign(record: Mapping[str, Any]) -> bool:
    """Whether a span of OTLP's own shape plainly is about something else: no attribute of ours, no event, no name."""
    attributes = record.get("attributes")
    return (isinstance(attributes, list) and "resource" in record and not record.get("events")
            and "body" not in record and not any(
                isinstance(item, dict) and isinstance(item.get("key"), str)
                and (item["key"].startswith((*_ABOUT, "event.name")) or item["key"] in _NESTING) for item in attributes)
            and not str(record.get("eventName", record.get("event_name", ""))).startswith("gen_ai.")
            and not str(record.get("name")).startswith("gen_ai.")
            and not any(name.partition(".")[0] == "gen_ai" for name in record if isinstance(name, str)))


def _is_call(attributes: Mapping[str, Any], events: Sequence[Telemetry]) -> bool:
    return any(attributes.get(name) not in (None, "") for name in _CALLS) or any(
        event.event_name in MESSAGE_EVENTS for event in events)


def _operation(attributes: dict[str, Any]) -> str | OutOfScope | None:
    name = attributes.pop("gen_ai.operation.name", None)
    if not isinstance(name, str) or not name:
        name = attributes.pop("llm.request.type", None)
    if not isinstance(name, str) or not name or name == "unknown":
        return None
    name = _TYPES.get(name.lower(), name.lower())
    return OUT_OF_SCOPE if _NO_CALL.search(name) else name


def _row(seen: Telemetry, attributes: dict[str, Any], events: Sequence[Telemetry], operation: str | OutOfScope | None,
         key: DeploymentKey) -> Row:
    row: Row = {"ts": seen.start}
    _headers(attributes, row, key)
    found: Row = {}
    for holder in (attributes, seen.resource):
        _columns(holder, found)
    row.update(found)
    _texts(attributes, events, row)
    # Instrumentations that know only the answer's model still say which model it was.
    if row.get("model") is None:
        row["model"] = attributes.pop("gen_ai.response.model", None)
    row["channel"] = channel_of(attributes.get("gen_ai.provider.name", attributes.get("gen_ai.system")))
    row["operation"] = operation if operation is not None else "chat" if row.get("turn") is not None else None
    if row.get("status") is None and _STATUS.match(str(attributes.get("error.type"))):
        row["status"] = attributes["error.type"]
    if seen.trace is not None and seen.span is not None:
        row["exchange_id"] = f"{seen.trace}-{seen.span}"
    else:
        row["exchange_id"] = attributes.pop("gen_ai.response.id", None)
    row["latency_ms"] = _latency(seen)
    kept = {"name": seen.name, "attributes": attributes, "resource": seen.resource, **seen.rest,
            "events": [event.rest for event in events if event.rest and event is not seen]}
    row["extra"] = without_addresses(filled(kept), key)
    return row


def _columns(holder: dict[str, Any], found: Row) -> None:
    """Take out what is a column and not ``found`` yet: of a column's names the first that holds something.

    Few columns are there: what is there is asked for, not what might be.
    """
    for name in sorted((name for name in holder if name in _PLACES), key=_PLACES.__getitem__):
        column, value = _PLACES[name][0], holder[name]
        if column not in found and value not in (None, "") and not isinstance(value, (dict, list)):
            found[column] = value
            del holder[name]


def _headers(attributes: dict[str, Any], row: Row, key: DeploymentKey) -> None:
    """Captured headers of the request, each an attribute of its own with a list of values."""
    headers: dict[str, str] = {}
    for name in [name for name in attributes if name.startswith("http.request.header.")]:
        match = _HEADER.match(name)
        if match:
            value = attributes.pop(name)
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            headers[match.group(1).lower().replace("_", "-")] = text[:10_000]
    address = attributes.pop("client.address", None)
    row["ip"] = client_address(address, headers)
    row["user_agent"] = headers.pop("user-agent", None)
    row["sdk"] = fingerprint(headers)
    credential = find_credential(headers)
    if credential is not None:
        row["api_key_id"] = credential_digest(key, credential)
    for name, text in headers.items():
        attributes[f"http.request.header.{name}"] = text


def _texts(attributes: dict[str, Any], events: Sequence[Telemetry], row: Row) -> None:
    talk = asked(attributes, events)
    if talk is not None:
        row["prompt"], row["turn"], row["modalities"] = talk.prompt, talk.turns or None, talk.kinds()
        row["system_prompt"] = "\n".join(talk.system) or None
    row["response"] = answered(attributes, events)
    tools = json_of(attributes.pop("gen_ai.tool.definitions", None))
    if tools is None:
        numbered = sorted((int(match.group(1)), name) for name in attributes
                          if name.startswith("llm.") and (match := _FUNCTION.match(name)))
        tools = [attributes.pop(name) for _, name in numbered] or None
    row["tools"] = tool_names(tools)


def _latency(seen: Telemetry) -> Any:
    """Milliseconds from start to end; rows of some exporters hold a duration in nanoseconds instead."""
    if seen.end is not None and seen.start is not None:
        try:
            passed = (to_micros(seen.end) - to_micros(seen.start)) / 1000
        except BadRecord:
            return None
        return passed if passed >= 0 else None
    nanoseconds = seen.rest.get("Duration")
    if isinstance(nanoseconds, int) and not isinstance(nanoseconds, bool) and nanoseconds >= 0:
        del seen.rest["Duration"]
        return nanoseconds / 1e6
    return None
