"""Documented records of the built-in formats, for the contract tests; all names are invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from stillwatch.ingest.model import Example

__all__ = ["HTTP", "LITELLM", "NATIVE"]


def _at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micro: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, micro, UTC)


_CHAT: dict[str, Any] = {
    "ts": 1767323045.25,
    "method": "POST",
    "path": "/v1/chat/completions",
    "http": "HTTP/1.1",
    "headers": {"Host": "api.example", "User-Agent": "OpenAI/Python 3.54.0", "X-Stainless-Lang": "python",
                "x-stainless-retry-count": "0", "X-Forwarded-For": "203.0.113.7, 9.9.9.9, 10.0.0.2",
                "x-irid": "k3"},
    "header_order": ["Host", "User-Agent", "X-Stainless-Lang", "x-stainless-retry-count", "X-Forwarded-For",
                     "x-irid"],
    "body": {
        "model": "m-large",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "First question"},
            {"role": "assistant", "content": "First answer"},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                         {"type": "image_url", "image_url": {"url": "data:,"}}]},
        ],
        "temperature": 0.7, "top_p": 0.9, "n": 2, "max_completion_tokens": 64, "logprobs": True, "stream": False,
        "reasoning_effort": "high", "user": "u-1", "seed": 7, "stop": ["###"],
        "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": {}}}],
    },
    "client": "example",
    "label": "made_up",
}

_RESPONSES: dict[str, Any] = {
    "ts": "2026-01-02T03:04:05.25+01:00",
    "method": "POST",
    "path": "/v1/responses",
    "headers": [["user-agent", "OpenAI/JS 6.0"], ["authorization", "<redacted>"]],
    "body": {
        "model": "m-large", "instructions": "Plan first.", "max_output_tokens": 10, "reasoning": {"effort": "low"},
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Add 2 and 2"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-opaque"},
            {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "4"},
        ],
        "tools": [{"type": "function", "name": "add"}, {"type": "web_search"}],
        "text": {"format": {"type": "json_schema", "name": "sum", "schema": {}}},
        "safety_identifier": "end-9", "stream": True,
    },
    "response": {"status": 200, "headers": {"x-request-id": "req_made_up_1"},
                 "body": {"id": "resp_1", "output": [{"type": "message", "content": [
                     {"type": "output_text", "text": "4"}]}],
                     "usage": {"input_tokens": 30, "input_tokens_details": {"cached_tokens": 8},
                               "output_tokens": 12, "output_tokens_details": {"reasoning_tokens": 9}}}},
}

_MESSAGES: dict[str, Any] = {
    "ts": 1767323045,
    "method": "POST",
    "path": "/v1/messages",
    "headers": {"anthropic-version": "2023-06-01", "x-api-key": "<redacted>", "user-agent": "Anthropic/Python 0.71.0"},
    "body": {
        "model": "c-medium", "max_tokens": 1024, "system": [{"type": "text", "text": "Use tools."}],
        "thinking": {"type": "enabled", "budget_tokens": 512},
        "messages": [
            {"role": "user", "content": "Weather in Exampleton?"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "…", "signature": "c2ln"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}]},
        ],
        "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
        "metadata": {"user_id": "end-3"},
    },
    "status": 200,
    "duration_ms": 812.5,
    "account_id": "acct-1",
}

HTTP: tuple[Example, ...] = (
    Example(_CHAT, {
        "ts": _at(2026, 1, 2, 3, 4, 5, 250000), "account_id": "unknown", "api_key_id": None, "end_user_id": "u-1",
        "channel": "api", "ip": "9.9.9.9", "user_agent": "OpenAI/Python 3.54.0", "sdk": "x-stainless-lang=python",
        "model": "m-large", "operation": "chat", "stream": False, "temperature": 0.7, "top_p": 0.9, "n": 2,
        "max_tokens": 64, "logprobs": True, "reasoning_effort": "high", "response_format": "json_object",
        "modalities": ["text", "image"], "tools": ["look_up"], "turn": 3, "system_prompt": "Be brief.",
        "prompt": "What is this?", "response": None, "status": None,
    }),
    Example(_RESPONSES, {
        "exchange_id": "req_made_up_1", "ts": _at(2026, 1, 2, 2, 4, 5, 250000), "account_id": "unknown",
        "end_user_id": "end-9", "model": "m-large", "operation": "chat", "stream": True, "max_tokens": 10,
        "reasoning_effort": "low", "response_format": "json_schema", "tools": ["add", "web_search"], "turn": 3,
        "system_prompt": "Plan first.", "prompt": "Add 2 and 2", "response": "4", "input_tokens": 30,
        "output_tokens": 12, "cached_tokens": 8, "reasoning_tokens": 9, "status": 200, "modalities": ["text"],
    }),
    Example(_MESSAGES, {
        "ts": _at(2026, 1, 2, 3, 4, 5), "account_id": "acct-1", "end_user_id": "end-3", "model": "c-medium",
        "operation": "chat", "max_tokens": 1024, "tools": ["weather"], "turn": 3, "system_prompt": "Use tools.",
        "prompt": "Weather in Exampleton?", "status": 200, "latency_ms": 812.5, "modalities": ["text"],
        "sdk": "anthropic-version=2023-06-01",
    }),
    Example({"ts": 1767323045, "method": "POST", "path": "/v1/completions", "headers": {},
             "body": {"model": "m-base", "prompt": ["One", "Two"], "logprobs": 5, "max_tokens": 3, "echo": True}},
            {"operation": "text_completion", "prompt": "One\nTwo", "turn": 1, "logprobs": True, "max_tokens": 3,
             "modalities": ["text"]}),
    Example({"ts": 1767323045, "method": "POST", "path": "/v1/chat/completions", "headers": {},
             "body": {"model": "m-large", "messages": []}}, {"model": "m-large", "turn": 0, "prompt": None}),
    Example({"ts": 1767323045, "method": "GET", "path": "/v1/models", "headers": {}, "body": None}, "out of scope"),
    Example({"ts": 1767323045, "method": "POST", "path": "/v1/messages/count_tokens", "headers": {},
             "body": {"model": "c-medium", "messages": [{"role": "user", "content": "x"}]}}, "out of scope"),
)

NATIVE: tuple[Example, ...] = (
    Example(
        {
            "exchange_id": "ex-1", "ts": "2026-01-02T03:04:05.000006Z", "account_id": "acct-1", "api_key_id": "key-1",
            "end_user_id": "end-1", "channel": "api", "region": "eu-1", "ip": "203.0.113.9", "user_agent": "curl/8",
            "sdk": "x-stainless-lang=python", "ja4": "t13d1516h2_8daaf6152771_b186095e22b6", "model": "m-large",
            "operation": "chat", "stream": True, "temperature": 1, "top_p": 0.5, "n": 1, "max_tokens": 512,
            "logprobs": False, "reasoning_effort": "low", "response_format": "text", "modalities": ["text"],
            "tools": [], "turn": 1, "conversation_id": "talk-1", "system_prompt": "Be kind.", "prompt": "Hello",
            "response": "Good day", "reasoning_signature": "00ff", "input_tokens": 10, "output_tokens": 3,
            "cached_tokens": 0, "reasoning_tokens": 0, "status": 200, "latency_ms": 250.5, "team": "blue",
        },
        {
            "exchange_id": "ex-1", "ts": _at(2026, 1, 2, 3, 4, 5, 6), "account_id": "acct-1", "api_key_id": "key-1",
            "end_user_id": "end-1", "channel": "api", "region": "eu-1", "ip": "203.0.113.9", "user_agent": "curl/8",
            "sdk": "x-stainless-lang=python", "ja4": "t13d1516h2_8daaf6152771_b186095e22b6", "model": "m-large",
            "operation": "chat", "stream": True, "temperature": 1.0, "top_p": 0.5, "n": 1, "max_tokens": 512,
            "logprobs": False, "reasoning_effort": "low", "response_format": "text", "modalities": ["text"],
            "tools": [], "turn": 1, "conversation_id": "talk-1", "system_prompt": "Be kind.", "prompt": "Hello",
            "response": "Good day", "reasoning_signature": "00ff", "input_tokens": 10, "output_tokens": 3,
            "cached_tokens": 0, "reasoning_tokens": 0, "status": 200, "latency_ms": 250.5,
            "extra": '{"team":"blue"}',
        },
    ),
    Example({"ts": 1767323045, "max_tokens": "512", "stream": "true", "temperature": "hot", "account_id": 77},
            {"ts": _at(2026, 1, 2, 3, 4, 5), "max_tokens": 512, "stream": True, "temperature": None,
             "account_id": "77", "extra": '{"temperature":"hot"}'}),
)

_PAYLOAD: dict[str, Any] = {
    "id": "chatcmpl-made-up", "trace_id": "trace-1", "session_id": "session-1", "litellm_call_id": "call-1",
    "call_type": "acompletion", "stream": True, "response_cost": 0.00012, "status": "success",
    "status_fields": {"llm_api_status": "success", "guardrail_status": "not_run"}, "custom_llm_provider": "openai",
    "total_tokens": 45, "prompt_tokens": 30, "completion_tokens": 15, "startTime": 1767323045.5,
    "endTime": 1767323046.75, "completionStartTime": 1767323045.9, "response_time": 0.4,
    "model_map_information": {"model_map_key": "m-large", "model_map_value": None}, "model": "openai/m-large-1",
    "model_id": "deployment-1", "model_group": "m-large", "api_base": "https://api.example/v1",
    "metadata": {
        "user_api_key_hash": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "user_api_key_alias": "alias-1", "user_api_key_org_id": "org-1", "user_api_key_team_id": "team-1",
        "user_api_key_user_id": "user-1", "user_api_key_end_user_id": "end-1", "user_agent": "OpenAI/Python 3.54.0",
        "requester_ip_address": "203.0.113.9", "requester_custom_headers": {"x-stainless-lang": "python"},
        "usage_object": {"prompt_tokens": 30, "completion_tokens": 15,
                         "prompt_tokens_details": {"cached_tokens": 10},
                         "completion_tokens_details": {"reasoning_tokens": 5}},
    },
    "cache_hit": False, "cache_key": None, "saved_cache_cost": 0.0, "request_tags": ["User-Agent: OpenAI"],
    "end_user": "end-1", "requester_ip_address": "203.0.113.9", "user_agent": "OpenAI/Python 3.54.0",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
    "response": {"id": "chatcmpl-made-up", "object": "chat.completion", "model": "m-large-1",
                 "choices": [{"index": 0, "finish_reason": "stop",
                              "message": {"role": "assistant", "content": "Good day"}}]},
    "error_str": None, "error_information": None,
    "model_parameters": {"temperature": 0.2, "top_p": 0.9, "n": 1, "max_tokens": 50, "logprobs": False, "seed": 3,
                         "reasoning_effort": "low", "response_format": {"type": "json_object"}, "user": "end-1",
                         "tools": [{"type": "function", "function": {"name": "look_up"}}]},
    "hidden_params": {"model_id": "deployment-1", "cache_key": None, "litellm_overhead_time_ms": 2.5},
    "guardrail_information": None, "standard_built_in_tools_params": None,
}

_SPEND: dict[str, Any] = {
    "request_id": "chatcmpl-made-up-2", "call_type": "aanthropic_messages",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b", "spend": "0.0021",
    "total_tokens": "120", "prompt_tokens": "100", "completion_tokens": "20",
    "startTime": "2026-01-02 03:04:05.5", "endTime": "2026-01-02 03:04:07", "completionStartTime": "",
    "request_duration_ms": "1500", "model": "bedrock/c-medium-v1", "model_id": "deployment-2",
    "model_group": "c-medium", "custom_llm_provider": "bedrock", "api_base": "", "user": "default_user_id",
    "metadata": '{"status": "failure", "error_information": {"error_code": "429", "error_class": "RateLimit"},'
                ' "additional_usage_values": {"cache_read_input_tokens": 40}, "user_api_key_alias": "alias-2"}',
    "cache_hit": "False", "cache_key": "Cache OFF", "request_tags": '["User-Agent: curl", "User-Agent: curl/8.5"]',
    "team_id": "team-2", "organization_id": "", "end_user": "end-2", "requester_ip_address": "2001:db8::7",
    "messages": "{}", "response": "{}", "session_id": "session-2", "status": "failure",
    "mcp_namespaced_tool_name": "", "agent_id": "",
    "proxy_server_request": '{"model": "c-medium", "max_tokens": 9, "messages": [{"role": "user",'
                            ' "content": "Count"}], "temperature": 1, "top_k": 5}',
}

LITELLM: tuple[Example, ...] = (
    Example(_PAYLOAD, {
        "exchange_id": "chatcmpl-made-up", "ts": _at(2026, 1, 2, 3, 4, 5, 500000), "account_id": "org-1",
        "api_key_id": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b", "end_user_id": "end-1",
        "channel": "openai", "ip": "203.0.113.9", "user_agent": "OpenAI/Python 3.54.0",
        "sdk": "x-stainless-lang=python", "model": "m-large", "operation": "chat", "stream": True,
        "temperature": 0.2, "top_p": 0.9, "n": 1, "max_tokens": 50, "logprobs": False, "reasoning_effort": "low",
        "response_format": "json_object", "modalities": ["text"], "tools": ["look_up"], "turn": 1,
        "conversation_id": "session-1", "system_prompt": "Be brief.", "prompt": "Hello", "response": "Good day",
        "input_tokens": 30, "output_tokens": 15, "cached_tokens": 10, "reasoning_tokens": 5, "status": 200,
        "latency_ms": 1250.0,
    }),
    Example(_SPEND, {
        "exchange_id": "chatcmpl-made-up-2", "ts": _at(2026, 1, 2, 3, 4, 5, 500000), "account_id": "team-2",
        "api_key_id": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b", "end_user_id": "end-2",
        "channel": "bedrock", "ip": "2001:db8::7", "user_agent": "curl/8.5", "model": "c-medium",
        "operation": "chat", "temperature": 1.0, "max_tokens": 9, "turn": 1, "prompt": "Count",
        "conversation_id": "session-2", "input_tokens": 100, "output_tokens": 20, "cached_tokens": 40,
        "status": 429, "latency_ms": 1500.0,
    }),
    Example({"request_id": "r-3", "call_type": "alist_files", "startTime": "2026-01-02T03:04:05Z", "api_key": "h",
             "endTime": "2026-01-02T03:04:06Z", "spend": 0}, "out of scope"),
)
