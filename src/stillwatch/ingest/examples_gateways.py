"""Records of cloud services and gateways, after their documentation, for the contract tests; all names are invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from stillwatch.ingest.model import Example

__all__ = ["AZURE", "BEDROCK", "ENVOY", "KONG", "OCSF"]

_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _bedrock(request: str, operation: str, model: str, sent: dict[str, Any], answer: dict[str, Any],
             **more: Any) -> dict[str, Any]:
    return {"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": "2026-01-02T03:04:05Z",
            "accountId": "123456789012",
            "identity": {"arn": "arn:aws:sts::123456789012:assumed-role/example/session"}, "region": "eu-example-1",
            "requestId": request, "operation": operation, "modelId": model,
            "input": {"inputContentType": "application/json", **sent},
            "output": {"outputContentType": "application/json", **answer}, **more}


_WHO = {"ts": _AT, "account_id": "123456789012", "channel": "bedrock", "region": "eu-example-1",
        "api_key_id": "arn:aws:sts::123456789012:assumed-role/example/session"}

BEDROCK: tuple[Example, ...] = (
    Example(_bedrock("req-1", "Converse", "maker.large-v1:0", {
        "inputBodyJson": {
            "system": [{"text": "Be brief."}],
            "messages": [{"role": "user", "content": [{"text": "Hello"}]},
                         {"role": "assistant", "content": [{"text": "Yes?"}]},
                         {"role": "user", "content": [{"text": "What is this?"},
                                                      {"image": {"format": "png", "source": {}}}]}],
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.25, "topP": 0.5},
            "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {}}}]}},
        "inputTokenCount": 30, "cacheReadInputTokenCount": 8}, {
        "outputBodyJson": {"output": {"message": {"role": "assistant", "content": [{"text": "A picture."}]}},
                           "stopReason": "end_turn", "metrics": {"latencyMs": 812},
                           "usage": {"inputTokens": 30, "outputTokens": 12, "totalTokens": 42}},
        "outputTokenCount": 12}, inferenceRegion="eu-example-2", requestMetadata={"team": "blue"}),
        {**_WHO, "exchange_id": "req-1", "model": "maker.large-v1:0", "operation": "chat", "max_tokens": 64,
         "temperature": 0.25, "top_p": 0.5, "tools": ["weather"], "turn": 3, "system_prompt": "Be brief.",
         "prompt": "What is this?", "response": "A picture.", "modalities": ["text", "image"], "input_tokens": 30,
         "output_tokens": 12, "cached_tokens": 8, "latency_ms": 812.0}),
    Example(_bedrock("req-2", "InvokeModelWithResponseStream", "maker.medium-v1:0", {
        "inputBodyJson": {"max_tokens": 9, "system": "Count.", "metadata": {"user_id": "end-1"},
                          "messages": [{"role": "user", "content": "To three"}]}, "inputTokenCount": 7}, {
        "outputBodyJson": [
            {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "1, 2, "}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "3"}},
            {"type": "message_stop", "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 7, "outputTokenCount": 5, "invocationLatency": 700, "firstByteLatency": 90}}],
        "outputTokenCount": 5}),
        {**_WHO, "exchange_id": "req-2", "stream": True, "end_user_id": "end-1", "prompt": "To three",
         "system_prompt": "Count.", "response": "1, 2, 3", "output_tokens": 5, "latency_ms": 700.0, "max_tokens": 9}),
    Example(_bedrock("req-3", "InvokeModel", "maker.text-v1", {
        "inputBodyJson": {"inputText": "Once upon", "textGenerationConfig": {
            "maxTokenCount": 512, "temperature": 0, "topP": 0.9}}, "inputTokenCount": 3}, {
        "outputBodyJson": {"inputTextTokenCount": 3, "results": [{"outputText": "a time", "tokenCount": 2}]},
        "outputTokenCount": 2}),
        {**_WHO, "exchange_id": "req-3", "prompt": "Once upon", "turn": 1, "max_tokens": 512, "temperature": 0.0,
         "response": "a time", "output_tokens": 2}),
    Example(_bedrock("req-4", "InvokeModel", "maker.llm-v1", {
        "inputBodyJson": {"prompt": "Capital of Exampleland?", "max_gen_len": 20}, "inputTokenCount": 4}, {
        "outputBodyJson": {"generation": "Exampleton", "prompt_token_count": 4, "generation_token_count": 2},
        "outputTokenCount": 2}),
        {**_WHO, "exchange_id": "req-4", "prompt": "Capital of Exampleland?", "max_tokens": 20,
         "response": "Exampleton"}),
    Example(_bedrock("req-5", "InvokeModel", "maker.command-v1:0", {
        "inputBodyJson": {"message": "And now?", "chat_history": [{"role": "USER", "message": "Hi"},
                                                                 {"role": "CHATBOT", "message": "Hi."}]}}, {
        "outputBodyJson": {"text": "Now this.", "finish_reason": "COMPLETE"}}),
        {**_WHO, "exchange_id": "req-5", "prompt": "And now?", "turn": 3, "response": "Now this."}),
    Example(_bedrock("req-6", "ConverseStream", "maker.large-v1:0", {
        "inputBodyS3Path": "s3://example-logs/data/req-6_input.json.gz", "inputTokenCount": 90_000}, {
        "outputBodyS3Path": "s3://example-logs/data/req-6_output.json.gz", "outputTokenCount": 400}),
        {**_WHO, "exchange_id": "req-6", "operation": "chat", "stream": True, "prompt": None, "response": None,
         "turn": None, "input_tokens": 90_000, "output_tokens": 400}),
    Example(_bedrock("req-7", "InvokeModel", "maker.embed-v1", {"inputBodyS3Path": "s3://example-logs/data/e.json.gz"},
                     {}, errorCode="ThrottlingException"),
            {**_WHO, "exchange_id": "req-7", "operation": "embeddings", "prompt": None, "status": None}),
    Example({"timestamp": 1767323045000, "message": '{"schemaType": "ModelInvocationLog", "schemaVersion": "1.0",'
             ' "timestamp": "2026-01-02T03:04:05Z", "accountId": "123456789012", "region": "eu-example-1",'
             ' "requestId": "req-8", "operation": "Converse", "modelId": "m", "input": {"inputBodyJson":'
             ' {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}}, "output": {}}'},
            {"exchange_id": "req-8", "ts": _AT, "account_id": "123456789012", "prompt": "Hi"}),
)

_KONG_ENTRY: dict[str, Any] = {
    "client_ip": "203.0.113.9", "started_at": 1767323045250, "upstream_uri": "/v1/chat/completions",
    "latencies": {"kong": 3, "proxy": 800, "request": 812, "receive": 9}, "workspace": "w-1",
    "tries": [{"ip": "198.51.100.4", "port": 443, "balancer_latency": 0}],
    "request": {"id": "kong-req-1", "method": "POST", "uri": "/team/chat", "url": "https://gateway.example/team/chat",
                "size": 300, "querystring": {}, "headers": {"user-agent": "Example/1.0", "host": "gateway.example",
                                                            "x-stainless-lang": "python"}},
    "response": {"status": 200, "size": 500, "headers": {"content-type": "application/json"}},
    "service": {"id": "s-1", "host": "api.example"}, "route": {"id": "r-1", "name": "chat"},
    "consumer": {"id": "c-uuid", "username": "team-blue", "custom_id": "acct-1"},
    "authenticated_entity": {"id": "credential-1"},
}
_KONG_AT = _AT.replace(microsecond=250_000)

KONG: tuple[Example, ...] = (
    Example({**_KONG_ENTRY, "ai": {
        "payload": {"request": '{"model": "m-large", "temperature": 0.25, "messages": [{"role": "system", "content":'
                               ' "Be brief."}, {"role": "user", "content": "Hello"}]}'},
        "proxy": {"payload": {"response": '{"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}'},
                  "usage": {"prompt_tokens": 14, "completion_tokens": 21, "total_tokens": 35,
                            "prompt_tokens_details": {"cached_tokens": 4},
                            "completion_tokens_details": {"reasoning_tokens": 6}, "cost": 0},
                  "meta": {"request_model": "m-large", "response_model": "m-large-1", "provider_name": "azure",
                           "request_mode": "oneshot", "plugin_id": "p-1", "llm_latency": 790}}}},
        {"exchange_id": "kong-req-1", "ts": _KONG_AT, "account_id": "acct-1", "api_key_id": "credential-1",
         "channel": "azure", "ip": "203.0.113.9", "user_agent": "Example/1.0", "sdk": "x-stainless-lang=python",
         "model": "m-large", "operation": "chat", "stream": False, "temperature": 0.25, "turn": 1,
         "system_prompt": "Be brief.", "prompt": "Hello", "response": "Hi", "input_tokens": 14, "output_tokens": 21,
         "cached_tokens": 4, "reasoning_tokens": 6, "status": 200, "latency_ms": 812.0, "modalities": ["text"]}),
    # The names of 3.6 and 3.7, and no payloads.
    Example({**_KONG_ENTRY, "request": {**_KONG_ENTRY["request"], "id": "kong-req-2"}, "consumer": None,
             "authenticated_entity": None, "ai": {"ai-proxy": {
                 "meta": {"request_model": "m-small", "provider_name": "openai", "plugin_id": "p-1"},
                 "usage": {"prompt_token": 5, "completion_token": 2, "total_tokens": 7}}}},
            {"exchange_id": "kong-req-2", "account_id": "unknown", "model": "m-small", "channel": "openai",
             "input_tokens": 5, "output_tokens": 2, "prompt": None, "operation": "chat"}),
    Example({**_KONG_ENTRY, "ai": {"mcp": {"mcp_session_id": "x", "rpc": []}}}, "out of scope"),
    Example({**_KONG_ENTRY, "request": {"method": "GET", "uri": "/status", "headers": {}}}, "out of scope"),
)

_ENVOY_ENTRY: dict[str, Any] = {
    ":authority": "gateway.example", "bytes_received": 105, "bytes_sent": 432, "connection_termination_details": None,
    "downstream_local_address": "198.51.100.4:1975", "downstream_remote_address": "203.0.113.9:64484",
    "duration": 1526, "gen_ai.provider.name": "default/example/route/aigw-run/rule/0/ref/0",
    "gen_ai.request.model": "m-large", "gen_ai.request.model_override": None, "gen_ai.response.model": "m-large-1",
    "gen_ai.usage.input_tokens": 15, "gen_ai.usage.output_tokens": 7, "gen_ai.usage.total_tokens": 22,
    "method": "POST", "protocol": "HTTP/1.1", "requested_server_name": None, "response_code": 200,
    "response_code_details": "via_upstream", "response_flags": "-", "route_name": "httproute/default/example/*",
    "start_time": "2026-01-02T03:04:05.250Z", "upstream_cluster": "httproute/default/example/rule/0",
    "upstream_host": "198.51.100.5:443", "upstream_local_address": "198.51.100.4:64485",
    "upstream_transport_failure_reason": None, "user-agent": "Example/1.0",
    "x-envoy-origin-path": "/v1/chat/completions", "x-envoy-upstream-service-time": "451",
    "x-forwarded-for": "192.0.2.1, 203.0.113.9", "x-request-id": "envoy-req-1",
}

ENVOY: tuple[Example, ...] = (
    Example(_ENVOY_ENTRY, {
        "exchange_id": "envoy-req-1", "ts": _KONG_AT, "account_id": "unknown", "channel": None, "ip": "203.0.113.9",
        "user_agent": "Example/1.0", "model": "m-large", "operation": "chat", "input_tokens": 15, "output_tokens": 7,
        "status": 200, "latency_ms": 1526.0, "prompt": None, "turn": None}),
    Example({**_ENVOY_ENTRY, "x-request-id": "envoy-req-2", "session.id": "talk-1", "tenant.id": "acct-1",
             "user.id": "end-1", "gen_ai.usage.reasoning_tokens": 4, "gen_ai.usage.cached_input_tokens": 9,
             "x-envoy-origin-path": "/v1/embeddings?api-version=1", "x-stainless-lang": "python"},
            {"exchange_id": "envoy-req-2", "account_id": "acct-1", "end_user_id": "end-1", "conversation_id": "talk-1",
             "operation": "embeddings", "reasoning_tokens": 4, "cached_tokens": 9, "sdk": "x-stainless-lang=python"}),
    Example({**{name: value for name, value in _ENVOY_ENTRY.items() if not name.startswith("gen_ai")},
             "gen_ai.request.model": "-", "x-request-id": "envoy-req-3", "response_code": 401},
            {"exchange_id": "envoy-req-3", "model": None, "operation": "chat", "status": 401}),
    Example({**_ENVOY_ENTRY, "gen_ai.request.model": None, "gen_ai.response.model": None, "x-request-id": "m-1",
             "gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None, "mcp.method.name": "tools/call",
             "x-envoy-origin-path": "/mcp"}, "out of scope"),
)

_AZURE_GATEWAY: dict[str, Any] = {
    "TimeGenerated": "2026-01-02T03:04:05.25Z", "CorrelationId": "c0ffee00-0000-4000-8000-000000000001",
    "Type": "ApiManagementGatewayLogs", "ApiId": "chat-api", "ApimSubscriptionId": "sub-1", "UserId": "1",
    "ProductId": "p-1", "CallerIpAddress": "203.0.113.9", "Method": "POST", "Region": "Example North",
    "Url": "https://gateway.example/openai/deployments/d-large/chat/completions?api-version=1", "ResponseCode": 200,
    "BackendResponseCode": 200, "TotalTime": 1250, "IsRequestSuccess": True, "OperationId": "chat",
    "RequestHeaders": '{"User-Agent": "Example/1.0", "x-stainless-lang": "python"}',
}
_AZURE_LLM: dict[str, Any] = {
    "TimeGenerated": "2026-01-02T03:04:05.25Z", "CorrelationId": "c0ffee00-0000-4000-8000-000000000002",
    "Type": "ApiManagementGatewayLlmLog", "SequenceNumber": 0, "OperationName": "ChatCompletions_Create",
    "Region": "Example North", "DeploymentName": "d-large", "ModelName": "m-large-1", "PromptTokens": 14,
    "CompletionTokens": 3, "TotalTokens": 17, "IsStreamCompletion": False, "RequestId": "chatcmpl-1",
    "RequestMessages": '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]',
    "ResponseMessages": [{"role": "assistant", "content": "Good day"}],
}

AZURE: tuple[Example, ...] = (
    Example(_AZURE_LLM, {
        "exchange_id": "c0ffee00-0000-4000-8000-000000000002", "ts": _KONG_AT, "account_id": "unknown",
        "channel": "azure", "region": "Example North", "model": "d-large", "operation": "chat", "stream": False,
        "turn": 1, "system_prompt": "Be brief.", "prompt": "Hello", "response": "Good day", "input_tokens": 14,
        "output_tokens": 3, "modalities": ["text"]}),
    Example(_AZURE_GATEWAY, {
        "exchange_id": "c0ffee00-0000-4000-8000-000000000001", "ts": _KONG_AT, "account_id": "sub-1",
        "channel": "azure", "region": "Example North", "ip": "203.0.113.9", "user_agent": "Example/1.0",
        "sdk": "x-stainless-lang=python", "operation": "chat", "status": 200, "latency_ms": 1250.0, "prompt": None}),
    # As diagnostic settings deliver it to a store.
    Example({"time": "2026-01-02T03:04:05.25Z", "resourceId": "/SUBSCRIPTIONS/MADE-UP", "category": "GatewayLlmLogs",
             "correlationId": "c0ffee00-0000-4000-8000-000000000003", "location": "Example North",
             "properties": {"sequenceNumber": 1, "requestMessages": '[{"role": "user", "content": "Hi"}]'}},
            {"exchange_id": "c0ffee00-0000-4000-8000-000000000003", "ts": _KONG_AT, "region": "Example North",
             "prompt": "Hi", "operation": "chat"}),
    Example({**_AZURE_GATEWAY, "Url": "https://gateway.example/shop/orders"}, "out of scope"),
)

_OCSF: dict[str, Any] = {
    "class_uid": 6003, "class_name": "API Activity", "category_uid": 6, "activity_id": 1, "type_uid": 600301,
    "severity_id": 1, "time": 1767323046500, "start_time": 1767323045250, "duration": 1250, "status_id": 1,
    "metadata": {"version": "1.8.0", "profiles": ["ai_operation", "cloud"], "uid": "event-1",
                 "product": {"name": "Example Lake"}},
    "actor": {"user": {"uid": "user-1", "account": {"uid": "acct-1"}, "credential_uid": "credential-1"}},
    "api": {"operation": "chat.completions.create", "request": {"uid": "req-ocsf-1"}},
    "cloud": {"region": "eu-example-1", "provider": "Example"},
    "src_endpoint": {"ip": "203.0.113.9", "port": 4711}, "dst_endpoint": {"ip": "198.51.100.4"},
    "http_request": {"http_method": "POST", "user_agent": "Example/1.0", "url": {"path": "/v1/chat/completions"},
                     "http_headers": [{"name": "X-Stainless-Lang", "value": "python"}]},
    "http_response": {"code": 200, "latency": 1240},
    "ai_model": {"ai_provider": "Example AI", "name": "m-large", "version": "1"},
    "message_context": {"uid": "talk-1", "ai_role_id": 2, "prompt_text": "Hello", "response_text": "Good day",
                        "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "service": {"name": "api"}},
}

OCSF: tuple[Example, ...] = (
    Example(_OCSF, {
        "exchange_id": "req-ocsf-1", "ts": _KONG_AT, "account_id": "acct-1", "api_key_id": "credential-1",
        "end_user_id": "user-1", "channel": "Example AI", "region": "eu-example-1", "ip": "203.0.113.9",
        "user_agent": "Example/1.0", "sdk": "x-stainless-lang=python", "model": "m-large", "operation": "chat",
        "conversation_id": "talk-1", "prompt": "Hello", "response": "Good day", "input_tokens": 5, "output_tokens": 2,
        "status": 200, "latency_ms": 1250.0, "turn": None}),
    Example({**{name: value for name, value in _OCSF.items() if name not in ("ai_model", "http_request")},
             "api": {"operation": "InvokeModel"}, "metadata": {"uid": "event-2", "version": "1.9.0"},
             "ai_agent": {"name": "helper", "ai_model": {"ai_provider": "Example AI", "name": "m-agent"}}},
            {"exchange_id": "event-2", "model": "m-agent", "operation": "chat", "user_agent": None}),
    Example({**_OCSF, "message_context": {"ai_role_id": 3, "service": {"name": "weather"}}}, "out of scope"),
    Example({**{name: value for name, value in _OCSF.items() if name not in ("ai_model", "message_context")}},
            "out of scope"),
    Example({**_OCSF, "class_uid": 4002, "type_uid": 400201}, "out of scope"),
)
