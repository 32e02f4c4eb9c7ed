"""AWS Bedrock's model-invocation logs, as they are delivered to S3 or exported from CloudWatch Logs.

One record is one call, with both bodies inside unless they are large (100 KB and more) or no JSON: then the record
holds the path of an object in S3 instead, which is not fetched. Its exchange is kept without that text, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.ingest.answers import answer_of, usage_of
from stillwatch.ingest.bodies import body_columns
from stillwatch.ingest.extras import filled, without_addresses, without_emails
from stillwatch.ingest.jsontext import json_of
from stillwatch.ingest.model import ELSEWHERE, Example, OutOfScope, Row
from stillwatch.settings import DeploymentKey

__all__ = ["BedrockFormat"]

_FIELDS = frozenset({"schemaType", "schemaVersion", "timestamp", "accountId", "identity", "region", "requestId",
                     "operation", "modelId", "input", "output"})
_OPERATIONS = {"invokemodel": ("chat", None), "invokemodelwithresponsestream": ("chat", True),
               "invokemodelwithbidirectionalstream": ("chat", True), "converse": ("chat", None),
               "conversestream": ("chat", True)}
_PASSED_ON = ("message", "@message")  # where CloudWatch's exports put the record, as JSON text


class BedrockFormat:
    """One `ModelInvocationLog` a record."""

    name = "bedrock"
    looks_like = "`schemaType` ModelInvocationLog, or `modelId` with `requestId`, `operation`, `input` and `output`"

    def recognises(self, record: Mapping[str, Any]) -> int:
        """The schema's name decides; without it the fields that only this log has together."""
        record = _entry(record)
        if record.get("schemaType") == "ModelInvocationLog":
            return 95
        known = len(_FIELDS & record.keys())
        return 70 if known >= 6 and "modelId" in record and "requestId" in record else 0

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """See the module."""
        rest = dict(_entry(record))
        operation, stream = _operation(rest.pop("operation", None))
        row: Row = {"channel": "bedrock", "operation": operation, "stream": stream}
        sent, answer = _side(rest, "input"), _side(rest, "output")
        elsewhere = [name for name, side, body in (("prompt", sent, "inputBody"), ("response", answer, "outputBody"))
                     if side.get(f"{body}Json") is None and side.get(f"{body}S3Path")]
        _request(sent, row, key)
        _answer(answer, row)
        row["ts"] = rest.pop("timestamp", None)
        row["exchange_id"] = rest.pop("requestId", None)
        row["account_id"] = rest.pop("accountId", None)
        row["region"] = rest.pop("region", None)
        row["model"] = rest.pop("modelId", None) or row.get("model")
        identity = rest.get("identity")
        if isinstance(identity, dict) and isinstance(identity.get("arn"), str):
            # The session's name in it is often an e-mail address.
            row["api_key_id"] = without_emails(identity["arn"], key)
            rest["identity"] = {name: value for name, value in identity.items() if name != "arn"}
        for name, column in (("inputTokenCount", "input_tokens"), ("cacheReadInputTokenCount", "cached_tokens")):
            if sent.get(name) is not None:
                row[column] = sent.pop(name)
        if answer.get("outputTokenCount") is not None:
            row["output_tokens"] = answer.pop("outputTokenCount")
        if operation == "chat" and row.get("prompt") is None and _is_embedding(row.get("model")):
            row["operation"] = "embeddings"
        rest["input"], rest["output"] = sent, answer
        row["extra"] = without_addresses(filled(rest), key)
        if elsewhere:
            row[ELSEWHERE] = elsewhere
        return row

    def examples(self) -> Sequence[Example]:
        """Calls of both APIs, one whose bodies are in S3, one that failed."""
        from stillwatch.ingest.examples_gateways import BEDROCK

        return BEDROCK


def _entry(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record itself, or the one that an export of CloudWatch Logs holds as text."""
    for name in _PASSED_ON:
        inner = json_of(record.get(name))
        if isinstance(inner, dict) and "modelId" in inner:
            return {**{other: value for other, value in record.items() if other not in _PASSED_ON}, **inner}
    return record


def _operation(name: Any) -> tuple[str | None, bool | None]:
    if not isinstance(name, str) or not name:
        return None, None
    return _OPERATIONS.get(name.lower(), (name, None))


def _is_embedding(model: Any) -> bool:
    return isinstance(model, str) and "embed" in model.lower()


def _side(rest: dict[str, Any], name: str) -> dict[str, Any]:
    value = json_of(rest.get(name))
    return dict(value) if isinstance(value, dict) else {} if value is None else {"as_sent": value}


def _request(sent: dict[str, Any], row: Row, key: DeploymentKey) -> None:
    body = json_of(sent.get("inputBodyJson"))
    if not isinstance(body, dict):
        return
    body = dict(body)
    if isinstance(body.get("message"), str) and "messages" not in body:
        # Cohere's chat: the new message apart from the conversation before it.
        before = body.pop("chat_history", None)
        body["messages"] = [*_history(before), {"role": "user", "content": body.pop("message")}]
    more = body.get("additionalModelRequestFields")
    columns, left = body_columns({**more, **body} if isinstance(more, dict) else body, key)
    row.update((name, value) for name, value in columns.items() if value is not None)
    sent["inputBodyJson"] = left
    if not left:
        del sent["inputBodyJson"]


def _history(turns: Any) -> list[Any]:
    if not isinstance(turns, list):
        return []
    return [{"role": "assistant" if str(turn.get("role")).upper() == "CHATBOT" else "user",
             "content": turn.get("message")} for turn in turns if isinstance(turn, dict)]


def _answer(answer: dict[str, Any], row: Row) -> None:
    body = json_of(answer.get("outputBodyJson"))
    found = answer_of(body)
    metrics: Any = None
    if isinstance(body, dict):
        metrics = body.get("metrics")
        held = {"output", "content", "usage", "choices", "generation", "generations", "results", "completion", "text",
                "outputs", "outputText"} if "response" in found else {"usage"}
        answer["outputBodyJson"] = {name: value for name, value in body.items() if name not in held}
        if not answer["outputBodyJson"]:
            del answer["outputBodyJson"]
    elif isinstance(body, list):
        # The closing event of a stream carries what the service measured.
        last = next((event for event in reversed(body) if isinstance(event, dict)
                     and isinstance(event.get("amazon-bedrock-invocationMetrics"), dict)), {})
        measured = last.get("amazon-bedrock-invocationMetrics", {})
        metrics = {"latencyMs": measured.get("invocationLatency")}
        found = {**usage_of({"inputTokens": measured.get("inputTokenCount"),
                             "outputTokens": measured.get("outputTokenCount")}), **found}
        if "response" in found:
            del answer["outputBodyJson"]
    row.update(found)
    if isinstance(metrics, dict) and metrics.get("latencyMs") is not None:
        row["latency_ms"] = metrics["latencyMs"]
