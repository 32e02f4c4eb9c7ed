"""Envoy AI gateway's access logs: JSON, with the `gen_ai.*` fields that its documentation configures.

Which fields there are is the operator's choice, so several names are tried for each. The log holds no text, and
what failed before it reached a model is told by its path. Envoy writes `-` for what is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.ingest.credentials import credential_digest, find_credential, split_path
from stillwatch.ingest.extras import without_addresses
from stillwatch.ingest.headers import client_address, fingerprint
from stillwatch.ingest.http import SOME_CALL, operation_of
from stillwatch.ingest.model import OUT_OF_SCOPE, Example, OutOfScope, Row
from stillwatch.ingest.otlp import flat
from stillwatch.settings import DeploymentKey

__all__ = ["EnvoyFormat"]

# Fields of Envoy's that no other log has by these names.
_ENVOY = frozenset({"x-envoy-origin-path", "x-envoy-original-path", "response_flags", "response_code",
                    "response_code_details", "upstream_host", "upstream_cluster", "upstream_local_address",
                    "downstream_local_address", "downstream_remote_address", "x-envoy-upstream-service-time",
                    "bytes_received", "bytes_sent", "route_name", "requested_server_name", ":authority",
                    "upstream_transport_failure_reason", "connection_termination_details"})
_COLUMNS: dict[str, tuple[str, ...]] = {
    "ts": ("start_time",),
    "exchange_id": ("x-request-id", "request_id"),
    "account_id": ("account_id", "account.id", "organization.id", "tenant.id", "customer.id"),
    "api_key_id": ("api_key_id", "api_key.id"),
    "end_user_id": ("user.id", "enduser.id"),
    "user_agent": ("user-agent", "user_agent"),
    "model": ("gen_ai.request.model", "gen_ai.response.model"),
    "conversation_id": ("gen_ai.conversation.id", "session.id"),
    "input_tokens": ("gen_ai.usage.input_tokens", "llm_input_token"),
    "output_tokens": ("gen_ai.usage.output_tokens", "llm_output_token"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cached_input_tokens",
                      "llm_cached_input_token"),
    "reasoning_tokens": ("gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning.output_tokens",
                         "llm_reasoning_token"),
    "status": ("response_code",),
    "latency_ms": ("duration",),
}
# The path as the client sent it comes before the one after the gateway's rewriting.
_PATHS = ("x-envoy-origin-path", "x-envoy-original-path", "request.path", "path", ":path")
_RAN = ("model", "input_tokens", "output_tokens")


class EnvoyFormat:
    """One JSON object a request."""

    name = "envoy"
    looks_like = "`start_time` with `response_code`, `upstream_host`, `x-envoy-origin-path` and their like"

    def recognises(self, record: Mapping[str, Any]) -> int:
        """The names of Envoy's own fields, which operators keep."""
        known = len(_ENVOY & record.keys())
        if "start_time" not in record or known < 3:
            return 0
        return 96 if any(isinstance(name, str) and name.startswith("gen_ai") for name in record) else 60 + known

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """See the module."""
        rest = {name: value for name, value in flat(record).items() if value not in ("-", None, "")}
        row: Row = {}
        for column, names in _COLUMNS.items():
            found = next((name for name in names if name in rest and not isinstance(rest[name], (dict, list))), None)
            row[column] = rest.pop(found) if found is not None else None
        target = next((rest[name] for name in _PATHS if isinstance(rest.get(name), str)), "")
        operation = operation_of(rest.get("method"), split_path(target)[0], None)
        if operation is None and all(row[name] is None for name in _RAN):
            return OUT_OF_SCOPE
        row["operation"] = None if operation == SOME_CALL else operation
        headers = {name.lower(): value for name, value in rest.items() if isinstance(value, str)}
        row["ip"] = client_address(headers.get("downstream_remote_address"), headers)
        row["sdk"] = fingerprint(headers)
        credential = find_credential(headers)
        if credential is not None and row["api_key_id"] is None:
            row["api_key_id"] = credential_digest(key, credential)
        if row["status"] in (0, "0"):
            # The client went away before there was an answer.
            row["status"] = None
        for name in ("x-forwarded-for", "downstream_remote_address"):
            rest.pop(name, None)
        for name in _PATHS:
            if isinstance(rest.get(name), str):
                rest[name] = split_path(rest[name])[1]
        row["extra"] = without_addresses(rest, key)
        return row

    def examples(self) -> Sequence[Example]:
        """The documented entry, the example's with more fields, a refused call, a call of MCP."""
        from stillwatch.ingest.examples_gateways import ENVOY

        return ENVOY
