"""A span taken out of OTLP by the short way says what it says by the long one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.ingest import otel, otlp
from stillwatch.ingest.otel import OpenTelemetryFormat

NAMES = st.sampled_from([
    "gen_ai.request.model", "gen_ai.system", "gen_ai.prompt", "gen_ai", "user", "http.status_code", "event.name",
    "account.id", "llm.request.type", "service.name", "x", "", "stringValue", "key"])
TEXTS = st.sampled_from(["", "0", "a", "chat", '{"a": 1}', "gen_ai.user.message", "{", "12"])
PLAIN = TEXTS | st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.builds(lambda text: {"stringValue": text}, PLAIN) | st.builds(lambda n: {"intValue": n}, PLAIN)
    | st.builds(lambda n: {"doubleValue": n}, PLAIN) | PLAIN | st.just({}) | st.just({"a": 1, "stringValue": "b"}),
    lambda inner: st.builds(lambda items: {"arrayValue": {"values": items}}, st.lists(inner, max_size=2))
    | st.builds(lambda pairs: {"kvlistValue": {"values": [{"key": name, "value": item} for name, item in pairs]}},
                st.lists(st.tuples(NAMES, inner), max_size=3)), max_leaves=4)
ATTRIBUTES = st.lists(st.builds(lambda name, value: {"key": name, "value": value}, NAMES, VALUES)
                      | st.just("no pair") | st.just(["x", "y"]), max_size=5)
FIELDS = {
    "attributes": ATTRIBUTES | st.just({"gen_ai.system": "a"}) | st.just("text"),
    "traceId": st.sampled_from(["ab" * 16, "AB" * 16, "0" * 32, "", None, 5]),
    "spanId": st.sampled_from(["cd" * 8, "0", "0x1", ""]), "name": TEXTS | st.just(5),
    "startTimeUnixNano": st.sampled_from(["1767323045250000000", 0, "0", None, 1_767_323_045_250_000_000]),
    "endTimeUnixNano": st.sampled_from(["1767323045350000000", "", 0]), "kind": st.integers(0, 3),
    "status": st.just({}), "flags": st.just(1), "events": st.just([]) | st.just([{"name": "gen_ai.choice"}]),
    "eventName": TEXTS, "trace_id": st.just("ef" * 16), "body": st.just({"stringValue": "hi"}),
}
SPANS = st.fixed_dictionaries({}, optional=FIELDS)
RESOURCES = st.just({}) | st.builds(lambda found: {"attributes": found}, ATTRIBUTES)


def both(span, resource):
    """The span as it comes out of OTLP, and as it would stand in a row of its own with the same resource."""
    group = {"resource": resource, "scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}
    (short,) = otlp.spans_and_events({"resourceSpans": [group]})
    return short, {"resource": otlp._pairs(resource.get("attributes")), "scope": {"name": "s"}, **span}


@settings(max_examples=400, deadline=None)
@given(SPANS, RESOURCES)
def test_both_ways_say_the_same(span, resource):
    short, long = both(span, resource)
    assert otlp._PLAIN not in long
    assert otlp.telemetry(short) == otlp.telemetry(long)
    known = OpenTelemetryFormat()
    assert known.join_key(short) == known.join_key(long)


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({name: FIELDS[name] for name in ("attributes", "kind", "status")}), RESOURCES)
def test_whole_spans_take_the_short_way(span, resource):
    """So that the test before compares two ways."""
    whole = {**span, "traceId": "ab" * 16, "spanId": "cd" * 8, "name": "chat", "startTimeUnixNano": "17673230452500",
             "endTimeUnixNano": "17673230453500"}
    short, long = both(whole, resource)
    assert otlp.is_plain_span(short) is isinstance(span["attributes"], list)
    assert not otlp.is_plain_span(long)
    assert otlp.telemetry(short) == otlp.telemetry(long)
    assert otel.OpenTelemetryFormat().join_key(short) == otel.OpenTelemetryFormat().join_key(long)
