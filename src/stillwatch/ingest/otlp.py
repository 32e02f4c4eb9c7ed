"""OpenTelemetry's shapes: OTLP/JSON taken apart into spans and events, and rows of one span each brought to the same.

OTLP/JSON is what the collector's file exporter writes: one `TracesData` or `LogsData` a line, with attributes as lists
of `{"key": …, "value": {"stringValue": …}}`. Rows are what exporters to tables and consoles write: attributes as a
dict (or JSON text of one) under `attributes` or `SpanAttributes`, nested by dots, or spread over the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stillwatch.ingest.jsontext import json_of
from stillwatch.ingest.model import BadRecord

__all__ = ["CONTAINERS", "Telemetry", "flat", "hex_id", "is_container", "is_plain_span", "spans_and_events",
           "telemetry"]

CONTAINERS = ("resourceSpans", "resource_spans", "resourceLogs", "resource_logs", "resourceMetrics", "resource_metrics")
_INNER = (("scopeSpans", "spans"), ("scope_spans", "spans"), ("instrumentationLibrarySpans", "spans"),
          ("scopeLogs", "logRecords"), ("scope_logs", "log_records"), ("instrumentationLibraryLogs", "logRecords"))
# What spans share is repeated with each of them; beyond this much it is an attack and no telemetry.
_MOST_SHARED = 64 << 20

_TRACE = ("traceId", "trace_id", "TraceId", "traceID")
_SPAN = ("spanId", "span_id", "SpanId", "spanID")
_START = ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime", "timeUnixNano", "time_unix_nano",
          "Timestamp", "timestamp", "@timestamp", "time", "observedTimeUnixNano", "observed_time_unix_nano")
_END = ("endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime")
_NAME = ("eventName", "event_name", "EventName", "name", "SpanName", "span_name")
_ATTRIBUTES = ("attributes", "SpanAttributes", "LogAttributes", "span_attributes", "log_attributes")
_RESOURCE = ("resource", "ResourceAttributes", "resource_attributes")
_BODY = ("body", "Body")
_EVENTS = ("events", "Events")
_PREFIXES = ("attributes.", "SpanAttributes.", "LogAttributes.", "span_attributes.", "span.attributes.")
# Roots whose nested objects are the attributes' own names, as some stores write them.
_NESTED = frozenset({"gen_ai", "llm", "user", "enduser", "client", "user_agent", "http", "error", "session", "account",
                     "organization", "tenant", "customer", "event"})
_DEEPEST = 6
# Marks what was taken out of OTLP: its attributes are a dict of plain values, which need not be asked for again.
# Whoever writes it into a log only gets attributes as they stand there.
_PLAIN = "\x00plain"
# What a span may have for its fields to be where they always are; anything else is looked for under all its names.
_SPAN_FIELDS = frozenset({
    _PLAIN, "attributes", "resource", "scope", "traceId", "spanId", "parentSpanId", "traceState", "name", "kind",
    "flags", "startTimeUnixNano", "endTimeUnixNano", "status", "links", "droppedAttributesCount", "droppedEventsCount",
    "droppedLinksCount"})
_TAKEN = frozenset({_PLAIN, "attributes", "resource", "traceId", "spanId", "name", "startTimeUnixNano",
                    "endTimeUnixNano"})
_UNKNOWN_TIMES = (None, "", 0, "0")


@dataclass
class Telemetry:
    """One span or event: its fields by what they mean, and all others in ``rest``."""

    trace: str | None = None
    span: str | None = None
    name: str | None = None
    start: Any = None
    end: Any = None
    body: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    events: list[Telemetry] = field(default_factory=list)
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def event_name(self) -> str | None:
        """The event's name; before the field there was an attribute for it."""
        named = self.attributes.get("event.name")
        return named if isinstance(named, str) else self.name


def is_container(record: Mapping[str, Any]) -> bool:
    """Whether a record is a line of OTLP/JSON."""
    return any(isinstance(record.get(name), list) for name in CONTAINERS)


def spans_and_events(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any] | BadRecord]:
    """The spans and log records of a line of OTLP/JSON, each with its resource and scope."""
    beside = {name: value for name, value in record.items() if name not in CONTAINERS}
    for name in CONTAINERS:
        groups = record.get(name)
        for group in groups if isinstance(groups, list) else ():
            if not isinstance(group, dict):
                yield BadRecord("unrecognised_record", f"an element of {name} is no object")
                continue
            yield from _group(group, beside)


def _group(group: Mapping[str, Any], beside: Mapping[str, Any]) -> Iterator[Mapping[str, Any] | BadRecord]:
    resource = group.get("resource")
    shared = {"resource": _pairs(resource.get("attributes")) if isinstance(resource, dict) else {}, **beside}
    for outer, inner in _INNER:
        scopes = group.get(outer)
        for scope in scopes if isinstance(scopes, list) else ():
            if not isinstance(scope, dict):
                yield BadRecord("unrecognised_record", f"an element of {outer} is no object")
                continue
            items = scope.get(inner)
            if not isinstance(items, list) or not items:
                continue
            about = scope.get("scope", scope.get("instrumentationLibrary"))
            around = {**shared, **({"scope": about} if isinstance(about, dict) else {})}
            if len(items) > 100 and _size(around) * len(items) > _MOST_SHARED:
                yield from (BadRecord("expands_too_far", "its resource and scope, which every span repeats")
                            for _ in items)
                continue
            for item in items:
                if not isinstance(item, dict):
                    yield BadRecord("not_an_object")
                    continue
                whole = {**around, **item}
                attributes = whole.get("attributes")
                if isinstance(attributes, list):
                    whole["attributes"], whole[_PLAIN] = _pairs(attributes), True
                yield whole


def _size(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except (TypeError, ValueError):
        return _MOST_SHARED


def _value(value: Any) -> Any:
    """A value of OTLP (`AnyValue`) as a plain one; anything else as it is."""
    if not isinstance(value, dict) or len(value) != 1:
        return {} if value == {} else value
    (kind, inner), = value.items()
    kind = kind.lower().replace("_", "") if isinstance(kind, str) else ""
    if kind in ("stringvalue", "boolvalue", "doublevalue", "bytesvalue"):
        return inner
    if kind == "intvalue":
        # 64-bit integers are strings in protobuf's JSON.
        return int(inner) if isinstance(inner, str) and inner.lstrip("-").isdigit() and len(inner) < 20 else inner
    if kind == "arrayvalue":
        values = inner.get("values", []) if isinstance(inner, dict) else inner
        return [_value(item) for item in values] if isinstance(values, list) else values
    if kind == "kvlistvalue":
        return _pairs(inner.get("values", []) if isinstance(inner, dict) else inner)
    return value


def _pairs(value: Any) -> dict[str, Any]:
    """Attributes as a dict: from OTLP's list of keys and values, from a dict, or from JSON text of either."""
    value = json_of(value)
    if isinstance(value, dict):
        return {str(name): _value(item) for name, item in value.items()}
    if not isinstance(value, list):
        return {}
    found: dict[str, Any] = {}
    for item in value:
        if isinstance(item, dict) and isinstance(item.get("key"), str):
            held = item.get("value")
            # The commonest by far, without a call.
            found[item["key"]] = (held["stringValue"] if isinstance(held, dict) and len(held) == 1
                                  and "stringValue" in held else _value(held))
        elif isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str):
            found[item[0]] = _value(item[1])  # a map column of Parquet
    return found


def flat(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested attributes by their whole names: `{"gen_ai": {"system": …}}` is `gen_ai.system`."""
    roots = _NESTED & attributes.keys()
    if not any(isinstance(attributes[name], dict) for name in roots):
        return dict(attributes)
    found: dict[str, Any] = {}

    def walk(name: str, value: Any, depth: int) -> None:
        if isinstance(value, dict) and value and depth < _DEEPEST:
            for inner, item in value.items():
                walk(f"{name}.{inner}", item, depth + 1)
        else:
            found[name] = value

    for name, value in attributes.items():
        walk(name, value, 0 if name in _NESTED else _DEEPEST)
    return found


def _take(rest: dict[str, Any], *names: str) -> Any:
    """The first of these fields that holds something (a time of 0 says unknown), taken out with its like."""
    for name in names:
        if rest.get(name) not in (None, "", 0, "0"):
            return rest.pop(name)
    return None


def hex_id(value: Any) -> str | None:
    """An id of a trace or span in lower-case hex; one of zeros is none."""
    if not isinstance(value, str) or not value.strip("0x"):
        return None
    return value.strip().lower().removeprefix("0x")


def is_plain_span(record: Mapping[str, Any]) -> bool:
    """Whether a record is a span from OTLP that has all its fields where they always are, and no events."""
    if record.get(_PLAIN) is not True or not record.keys() <= _SPAN_FIELDS:
        return False
    ids = record.get("traceId"), record.get("spanId"), record.get("name")
    return (all(isinstance(text, str) and text not in ("", "0") for text in ids)
            and isinstance(record.get("attributes"), dict) and isinstance(record.get("resource"), dict)
            and record.get("startTimeUnixNano") not in _UNKNOWN_TIMES
            and record.get("endTimeUnixNano") not in _UNKNOWN_TIMES)


def _plain_span(record: Mapping[str, Any]) -> Telemetry:
    """What ``telemetry`` makes of a plain span, by the shortest way."""
    resource = record["resource"]
    return Telemetry(hex_id(record["traceId"]), hex_id(record["spanId"]), record["name"], record["startTimeUnixNano"],
                     record["endTimeUnixNano"], attributes=flat(record["attributes"]),
                     resource=flat(_pairs(resource.get("attributes", resource))),
                     rest={name: value for name, value in record.items() if name not in _TAKEN})


def telemetry(record: Mapping[str, Any]) -> Telemetry:
    """A span, log record or row by what its fields mean."""
    if is_plain_span(record):
        return _plain_span(record)
    rest = dict(record)
    plain = rest.pop(_PLAIN, None) is True
    context = rest.get("context", rest.get("span_context"))
    ids = context if isinstance(context, dict) else {}
    seen = Telemetry()
    seen.trace = hex_id(_take(rest, *_TRACE) or next((ids[name] for name in _TRACE if name in ids), None))
    seen.span = hex_id(_take(rest, *_SPAN) or next((ids[name] for name in _SPAN if name in ids), None))
    named = _take(rest, *_NAME)
    seen.name = named if isinstance(named, str) else None
    seen.start, seen.end = _take(rest, *_START), _take(rest, *_END)
    seen.body = _value(json_of(_take(rest, *_BODY)))
    for name in _ATTRIBUTES:
        if name in rest:
            held = rest.pop(name)
            as_is = plain and name == "attributes" and isinstance(held, dict)
            seen.attributes.update(flat(held if as_is else _pairs(held)))
    spread = {name: rest.pop(name) for name in list(rest) if name in _NESTED or _spread(name)}
    for name, value in flat({_bare(name): _value(json_of(value) if name in _NESTED else value)
                             for name, value in spread.items()}).items():
        if value is not None:
            seen.attributes.setdefault(name, value)
    for name in _RESOURCE:
        if name not in rest:
            continue
        held = json_of(rest.pop(name, None))
        seen.resource.update(flat(_pairs(held.get("attributes", held) if isinstance(held, dict) else held)))
    events = json_of(_take(rest, *_EVENTS))
    seen.events = [telemetry(item) for item in events if isinstance(item, dict)] if isinstance(events, list) else []
    seen.rest = rest
    return seen


def _spread(name: Any) -> bool:
    return isinstance(name, str) and (name.startswith(_PREFIXES) or name.partition(".")[0] in _NESTED)


def _bare(name: str) -> str:
    return next((name[len(prefix):] for prefix in _PREFIXES if name.startswith(prefix)), name)
