"""Azure API Management: `ApiManagementGatewayLlmLog` joined with `ApiManagementGatewayLogs` on CorrelationId.

A call is one row of the gateway's log, which says who called, and several of the model's log: one with tokens and
model, others with the messages, of which long ones are split into pieces numbered by SequenceNumber. Rows come as Log
Analytics exports them (fields in capitals) or as diagnostic settings deliver them to a store (`properties`, fields in
camel case).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from stillwatch.ingest.answers import answer_of
from stillwatch.ingest.bodies import body_columns
from stillwatch.ingest.content import conversation, text_of
from stillwatch.ingest.credentials import credential_digest, find_credential, split_path
from stillwatch.ingest.extras import filled, without_addresses
from stillwatch.ingest.headers import client_address, fingerprint, headers_of, kept_headers
from stillwatch.ingest.http import SOME_CALL, operation_of
from stillwatch.ingest.jsontext import json_of
from stillwatch.ingest.model import OUT_OF_SCOPE, BadRecord, Example, OutOfScope, Row
from stillwatch.ingest.values import Unfit, to_int
from stillwatch.settings import DeploymentKey

__all__ = ["AzureFormat"]

_LLM = frozenset({"sequencenumber", "requestmessages", "responsemessages", "prompttokens", "completiontokens",
                  "modelname", "deploymentname", "isstreamcompletion"})
_GATEWAY = frozenset({"apimsubscriptionid", "calleripaddress", "responsecode", "backendresponsecode", "apiid",
                      "operationid", "productid", "isrequestsuccess", "totaltime", "backendtime", "method", "url",
                      "apirevision", "clientprotocol"})
_TABLES = {"apimanagementgatewayllmlog": "llm", "gatewayllmlogs": "llm", "apimanagementgatewaylogs": "gateway",
           "gatewaylogs": "gateway"}
_JOINED = "rows of one CorrelationId"
_REQUEST, _RESPONSE = "requestmessages", "responsemessages"
_LATEST = 1 << 40  # a row without a number comes last


class AzureFormat:
    """Rows of both tables."""

    name = "azure"
    looks_like = "`CorrelationId` with `SequenceNumber` and `PromptTokens`, or with `ApimSubscriptionId` and `ApiId`"

    def recognises(self, record: Mapping[str, Any]) -> int:
        """The table's name where it is there, else its columns."""
        fields = _fields(record)
        if "correlationid" not in fields:
            return 0
        if _named(fields) is not None:
            return 97
        known = max(len(_LLM & fields.keys()), len(_GATEWAY & fields.keys()) - 1)
        return min(60 + 6 * known, 95) if known >= 3 else 0

    def join_key(self, record: Mapping[str, Any]) -> str | None:
        """The correlation id, which both tables share."""
        found = _fields(record).get("correlationid")
        return found.lower() if isinstance(found, str) and found else None

    def join(self, records: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[int, BadRecord]]:
        """All rows that belong to the call; a row that says again, and otherwise, what another said is refused."""
        seen: set[Any] = set()
        refused: dict[int, BadRecord] = {}
        kept: list[Mapping[str, Any]] = []
        for at, record in enumerate(records):
            fields = _fields(record)
            said = _says(fields)
            if at and said & seen:
                refused[at] = BadRecord("id_conflict")
                continue
            seen |= said
            kept.append(record)
        return {_JOINED: kept}, refused

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """See the module."""
        joined = record.get(_JOINED)
        rows = [_fields(row) for row in (joined if isinstance(joined, list) else [record]) if isinstance(row, dict)]
        if not isinstance(joined, list) and "correlationid" not in rows[0]:
            raise BadRecord("unrecognised_record", "a row without CorrelationId")
        gateway: dict[str, Any] = next((dict(row) for row in rows if _is_gateway(row)), {})
        pieces = sorted((dict(row) for row in rows if not _is_gateway(row)), key=_number)
        headers, _ = headers_of(gateway.pop("requestheaders", None))
        path, shown, parameters = split_path(gateway["url"] if isinstance(gateway.get("url"), str) else "")
        body = json_of(gateway.pop("requestbody", None) or gateway.pop("backendrequestbody", None))
        operation = operation_of(gateway.get("method"), path, body)
        if operation is None and not pieces:
            return OUT_OF_SCOPE
        row: Row = {"channel": "azure"}
        left: Any = body
        if isinstance(body, dict):
            columns, left = body_columns(body, key)
            row.update((name, value) for name, value in columns.items() if value is not None)
        row["operation"] = operation if operation not in (None, SOME_CALL) else None
        answered = gateway.pop("responsebody", None) or gateway.pop("backendresponsebody", None)
        row.update(answer_of(json_of(answered) if isinstance(answered, str) and answered[:1] in "{[" else answered))
        _caller(gateway, headers, parameters, row, key)
        _model(pieces, row)
        if row["operation"] is None and row.get("turn"):
            row["operation"] = "chat"
        _ids(gateway, pieces, row)
        if gateway.get("url") is not None:
            gateway["url"] = shown
        rest = {"gateway": gateway, "llm": pieces, "body": left, "headers": kept_headers(headers, key)}
        row["extra"] = without_addresses({name: _held(value) for name, value in rest.items() if _held(value)}, key)
        return row

    def examples(self) -> Sequence[Example]:
        """A row of each table by itself; what they say together is tested with the joining."""
        from stillwatch.ingest.examples_gateways import AZURE

        return AZURE


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by lower-case name, those of `properties` among them; the row's own win."""
    found: dict[str, Any] = {}
    inner = json_of(record.get("properties", record.get("Properties")))
    for holder in (inner if isinstance(inner, dict) else {}, record):
        for name, value in holder.items():
            if isinstance(name, str) and (name.lower() != "properties" or not isinstance(inner, dict)) and (
                    value not in (None, "") or name.lower() not in found):
                found[name.lower()] = value
    return found


def _named(fields: Mapping[str, Any]) -> str | None:
    """Which table a row says it is of."""
    for name in ("type", "category"):
        value = fields.get(name)
        if isinstance(value, str) and value.lower() in _TABLES:
            return _TABLES[value.lower()]
    return None


def _is_gateway(fields: Mapping[str, Any]) -> bool:
    named = _named(fields)
    return named == "gateway" if named is not None else len(_GATEWAY & fields.keys()) > len(_LLM & fields.keys())


def _number(fields: Mapping[str, Any]) -> int:
    try:
        found = to_int(fields.get("sequencenumber"))
    except (Unfit, BadRecord):
        found = None
    return _LATEST if found is None else found


def _says(fields: Mapping[str, Any]) -> set[Any]:
    """What a row is about: the gateway's whole account, or which piece of the request, the answer or the figures."""
    if _is_gateway(fields):
        return {"gateway"}
    number = _number(fields)
    if number == _LATEST:
        return set()
    return {(number, name) for name in (_REQUEST, _RESPONSE, "prompttokens")
            if fields.get(name) not in (None, "", [], 0)}


def _held(value: Any) -> Any:
    """A copy without what is empty."""
    if isinstance(value, dict):
        return filled(value)
    if isinstance(value, list):
        return [held for item in value if (held := _held(item))]
    return value


def _caller(gateway: dict[str, Any], headers: Mapping[str, str], parameters: Sequence[tuple[str, str]], row: Row,
            key: DeploymentKey) -> None:
    """The subscription pays; its owner (UserId) is an administrator for many subscriptions and stays in the rest."""
    row["account_id"] = _first(gateway, "apimsubscriptionid")
    credential = find_credential(headers, parameters)
    if credential is not None:
        row["api_key_id"] = credential_digest(key, credential)
    address = gateway.pop("calleripaddress", None)
    row["ip"] = client_address(address, headers)
    row["user_agent"], row["sdk"] = headers.get("user-agent"), fingerprint(headers)
    row["status"] = gateway.pop("responsecode", None)
    total = gateway.pop("totaltime", None)
    row["latency_ms"] = gateway.pop("durationms", None) if total is None else total


def _first(fields: dict[str, Any], *names: str) -> Any:
    for name in names:
        if fields.get(name) not in (None, "") and not isinstance(fields[name], (dict, list)):
            return fields.pop(name)
    return None


def _model(pieces: list[dict[str, Any]], row: Row) -> None:
    """Model, figures and messages from the model's log."""
    asked = _messages([piece.pop(_REQUEST, None) for piece in pieces])
    if asked is not None:
        talk = conversation(asked)
        row["prompt"], row["turn"], row["modalities"] = talk.prompt, talk.turns or None, talk.kinds()
        row["system_prompt"] = "\n".join(talk.system) or None
    answered = _messages([piece.pop(_RESPONSE, None) for piece in pieces])
    if answered is not None:
        texts = [text_of(item.get("content", item) if isinstance(item, dict) else item) for item in answered]
        row["response"] = "\n".join(text for text in texts if text) or None
    for column, name in (("input_tokens", "prompttokens"), ("output_tokens", "completiontokens"),
                         ("stream", "isstreamcompletion")):
        found = [piece.pop(name) for piece in pieces if piece.get(name) not in (None, "")]
        # Rows of pieces have no figures, or write them as 0.
        known = next((value for value in found if value not in (0, "0")), found[0] if found else None)
        if known is not None:
            row[column] = known
    # The client asks for a deployment; which model that is stays in the rest.
    named = [_first(piece, "deploymentname") for piece in pieces]
    models = [piece.get("modelname") for piece in pieces]
    row["model"] = next((value for value in [*named, row.get("model"), *models] if isinstance(value, str) and value),
                        None)


def _ids(gateway: dict[str, Any], pieces: list[dict[str, Any]], row: Row) -> None:
    """When, which and where: the gateway's word first."""
    for holder in (gateway, *pieces):
        for column, names in (("exchange_id", ("correlationid",)), ("region", ("region", "location"))):
            found = _first(holder, *names)
            row[column] = row.get(column) or found
        moment = _first(holder, "timegenerated", "timegenerated [utc]", "time")
        row["ts"] = row.get("ts") or moment


def _messages(pieces: Sequence[Any]) -> list[Any] | None:
    """Messages from their pieces in order: pieces of one JSON text, or lists whose messages may go over the edge."""
    given = [piece for piece in pieces if piece not in (None, "", [])]
    if not given:
        return None
    if all(isinstance(piece, str) for piece in given):
        whole = "".join(given)
        try:
            found = orjson.loads(whole)
            return found if isinstance(found, list) else [found]
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            pass
    parsed = [json_of(piece) for piece in given]
    if any(isinstance(piece, str) for piece in parsed):
        # Cut in the middle, or no JSON: the text as it is, as one message of nobody's.
        return ["".join(piece if isinstance(piece, str) else orjson.dumps(piece, default=str).decode()
                        for piece in parsed)]
    messages: list[Any] = []
    for piece in parsed:
        items = list(piece) if isinstance(piece, list) else [piece]
        if messages and items and _continues(messages[-1], items[0]):
            first = items.pop(0)
            messages[-1] = {**messages[-1], "content": messages[-1]["content"] + first["content"]}
        messages += items
    return messages


def _continues(before: Any, after: Any) -> bool:
    """Whether a piece begins with the rest of the message that the piece before ended with."""
    return (isinstance(before, dict) and isinstance(after, dict) and before.get("role") == after.get("role")
            and isinstance(before.get("content"), str) and isinstance(after.get("content"), str))
