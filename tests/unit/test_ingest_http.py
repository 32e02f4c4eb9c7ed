"""Raw HTTP records: what the bodies, headers and answers of real clients come to."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter

import orjson
import pytest

from ingest_builders import CAPTURES, KEY, TS, jsonl, run
from stillwatch.ingest import OUT_OF_SCOPE
from stillwatch.ingest.http import HttpFormat

FORMAT = HttpFormat()


def parse(body=None, path="/v1/chat/completions", method="POST", headers=None, **more):
    return FORMAT.parse(
        {"ts": TS, "method": method, "path": path, "headers": headers or {}, "body": body, **more}, KEY
    )


def chat(*messages, **more):
    return {"model": "m", "messages": list(messages), **more}


def user(content):
    return {"role": "user", "content": content}


def test_the_captures_lose_nothing(tmp_path):
    packed = b"".join(gzip.decompress(path.read_bytes()) for path in sorted(CAPTURES.glob("*.gz")))
    sent = [json.loads(line) for line in packed.splitlines()]
    outcome = run(CAPTURES, into=tmp_path / "o")
    assert outcome.counts.records_in == outcome.counts.kept == len(sent) == 1406
    assert outcome.result.unknown_accounts == 1406
    for record, row in zip(sent, outcome.rows, strict=True):
        body, extra = record["body"], orjson.loads(row["extra"])
        assert row["model"] == body["model"]
        assert row["ts"].timestamp() == pytest.approx(record["ts"], abs=1e-6)
        assert (extra["client"], extra["label"], extra["header_order"]) == (
            record["client"],
            record["label"],
            record["header_order"],
        )
        assert row["user_agent"] == {name.lower(): text for name, text in record["headers"].items()}["user-agent"]
        texts = [message["content"] for message in body.get("messages", []) if message["role"] == "user"]
        if texts and isinstance(texts[-1], str):
            assert row["prompt"] == texts[-1]
        for name in ("seed", "stop", "frequency_penalty", "presence_penalty", "top_logprobs"):
            assert (name in body) == (name in extra.get("body", {}))
        for name in set(record["headers"]) - {"User-Agent", "user-agent"}:
            if not name.lower().startswith("x-stainless") and name.lower() not in (
                "authorization",
                "x-api-key",
                "anthropic-version",
            ):
                assert name.lower() in extra["headers"]
    assert "<redacted>" not in {row["api_key_id"] for row in outcome.rows}
    assert Counter(row["response_format"] for row in outcome.rows)["json_object"] == 140


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/m", None),
        ("HEAD", "/", None),
        ("OPTIONS", "/v1/messages", None),
        ("POST", "/v1/messages/count_tokens", {"model": "m", "messages": []}),
        ("POST", "/v1/files", "--boundary"),
        ("POST", "/v1/responses/input_tokens", {"model": "m", "input": "x"}),
        ("POST", "/telemetry", {"model": "m"}),
        ("POST", "/api/show", {"model": "m"}),
        ("POST", "/v1/fine_tuning/jobs", {"model": "m"}),
        ("POST", "/events", [1]),
        ("GET", "/health", ""),
        ("DELETE", "/v1/responses/resp_1", None),
        ("POST", "/v1/batches", {"input_file_id": "f"}),
    ],
)
def test_calls_to_no_model(method, path, body):
    assert parse(body, path, method) is OUT_OF_SCOPE


@pytest.mark.parametrize(
    ("path", "body", "operation"),
    [
        ("/v1/chat/completions?beta=true", chat(), "chat"),
        ("/v1/messages?beta=true", chat(), "chat"),
        ("/v1/responses", {"input": "x"}, "chat"),
        ("/v1/completions", {"prompt": "x"}, "text_completion"),
        ("/v1/embeddings", {"input": ["a", "b"]}, "embeddings"),
        ("/v1/chat/completions", None, "chat"),
        ("/v1/chat/completions", "not json", "chat"),
        ("/custom", chat(), "chat"),
        ("/custom", {"prompt": "x"}, "text_completion"),
        ("/custom", {"model": "m"}, None),
        ("/v1beta/models/g:generateContent", {"contents": []}, "generate_content"),
        ("/openai/deployments/d/chat/completions?api-version=1", {"messages": []}, "chat"),
        ("/api/chat", chat(), "chat"),
        ("/model/m/converse", {"messages": []}, "chat"),
        ("http://host/v1/messages", chat(), "chat"),
        ("/v1/images/generations", {"prompt": "x"}, "generate_content"),
        ("/v1/messages/batches", {"requests": []}, "batch"),
    ],
)
def test_calls_to_a_model(path, body, operation):
    assert parse(body, path)["operation"] == operation


def test_pathways():
    assert parse({}, "/openai/deployments/dep/chat/completions")["channel"] == "azure"
    assert parse({}, "/openai/deployments/dep/chat/completions")["model"] == "dep"
    assert parse({}, "/model/c-medium/invoke-with-response-stream")["channel"] == "bedrock"
    row = parse({}, "/v1/projects/p/locations/eu-1/publishers/x/models/c-small:streamRawPredict")
    assert (row["channel"], row["region"], row["model"], row["stream"]) == ("vertex", "eu-1", "c-small", True)
    assert parse(chat())["channel"] == "api"


def test_turns_and_the_last_user_message():
    row = parse(
        chat(
            {"role": "system", "content": "S"},
            {"role": "developer", "content": [{"type": "text", "text": "D"}]},
            user("one"),
            {"role": "assistant", "content": "a"},
            user("two"),
        )
    )
    assert (row["turn"], row["prompt"], row["system_prompt"]) == (3, "two", "S\nD")
    row = parse(chat(user([{"type": "image", "source": {}}, {"type": "document", "source": {}}])))
    assert (row["prompt"], row["modalities"]) == (None, ["image", "file"])
    row = parse(
        chat(
            user(
                [
                    {"type": "text", "text": "a"},
                    {"type": "input_audio", "input_audio": {}},
                    {"type": "text", "text": "b"},
                ]
            )
        )
    )
    assert (row["prompt"], row["modalities"]) == ("a\nb", ["text", "audio"])
    row = parse({"model": "m", "input": "hi", "instructions": "S"}, "/v1/responses")
    assert (row["turn"], row["prompt"], row["system_prompt"]) == (1, "hi", "S")
    row = parse({"model": "m", "prompt": [1, 2, 3]}, "/v1/completions")
    assert (row.get("prompt"), row["extra"]["body"]) == (None, {"prompt": [1, 2, 3]})
    assert parse(chat())["turn"] == 0


@pytest.mark.parametrize(
    "messages",
    [
        5,
        "text",
        {"role": "user", "content": "x"},
        [5, None, "x", {}, {"content": 7}],
        [user({"type": ["x"]})],
        [{"role": {}, "type": []}],
        [user([None, [], {"text": {}}])],
    ],
)
def test_malformed_messages_lose_no_record(messages):
    assert parse({"model": "m", "messages": messages})["model"] == "m"


def test_replayed_reasoning_has_one_digest_wherever_it_stands():
    block = {"type": "thinking", "thinking": "…", "signature": "c2lnbmF0dXJl"}
    one = parse(chat(user("x"), {"role": "assistant", "content": [block]}, user("y")))
    two = parse(chat(user("z"), {"role": "assistant", "content": [block, {"type": "text", "text": "a"}]}, user("w")))
    other = parse({"model": "m", "input": [{"type": "reasoning", "encrypted_content": "gAAA"}]}, "/v1/responses")
    assert one["reasoning_signature"] == two["reasoning_signature"] != other["reasoning_signature"]
    assert "c2lnbmF0dXJl" not in repr(one)
    assert parse(chat(user("x"))).get("reasoning_signature") is None


def test_tools_of_every_shape():
    tools = [
        {"type": "function", "function": {"name": "a"}},
        {"type": "function", "name": "b"},
        {"name": "c"},
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "file_search"},
        {"type": "mcp", "server_label": "s"},
        {"functionDeclarations": [{"name": "d"}, {"name": "e"}]},
        {"toolSpec": {"name": "f"}},
        {"googleSearch": {}},
    ]
    assert parse(chat(tools=tools))["tools"] == [
        "a",
        "b",
        "c",
        "web_search",
        "file_search",
        "s",
        "d",
        "e",
        "f",
        "googleSearch",
    ]


def test_sampling_from_every_api():
    row = parse(
        {
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "systemInstruction": {"parts": [{"text": "S"}]},
            "generationConfig": {
                "temperature": 0.1,
                "topP": 0.2,
                "maxOutputTokens": 3,
                "candidateCount": 2,
                "topK": 4,
            },
        },
        "/v1beta/models/g-pro:generateContent",
    )
    assert [
        row[name] for name in ("temperature", "top_p", "max_tokens", "n", "prompt", "system_prompt", "model")
    ] == [0.1, 0.2, 3, 2, "hi", "S", "g-pro"]
    assert row["extra"]["body"] == {"generationConfig": {"topK": 4}}
    row = parse(
        {"messages": [user([{"text": "hi"}])], "system": [{"text": "S"}], "inferenceConfig": {"maxTokens": 9}},
        "/model/c/converse",
    )
    assert [row[name] for name in ("max_tokens", "prompt", "system_prompt")] == [9, "hi", "S"]
    row = parse(chat(max_tokens=5, max_completion_tokens=6, top_logprobs=2, thinking={"budget_tokens": 7}))
    assert row["max_tokens"] == 5
    assert row["extra"]["body"] == {"max_completion_tokens": 6, "top_logprobs": 2, "thinking": {"budget_tokens": 7}}
    schema = {"type": "json_schema", "json_schema": {"name": "n"}}
    row = parse(chat(response_format=schema))
    assert (row["response_format"], row["extra"]["body"]["response_format"]) == ("json_schema", schema)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"user": "u", "safety_identifier": "s"}, "u"),
        ({"safety_identifier": "s"}, "s"),
        ({"metadata": {"user_id": "m"}}, "m"),
        ({"user": {}}, None),
    ],
)
def test_end_users(more, expected):
    assert parse(chat(**more)).get("end_user_id") == expected


@pytest.mark.parametrize(
    ("headers", "logged", "expected"),
    [
        ({"X-Forwarded-For": "1.1.1.1, 8.8.8.8, 10.0.0.1"}, None, "8.8.8.8"),
        ({"x-real-ip": "9.9.9.9"}, "10.0.0.1", "9.9.9.9"),
        ({"X-Forwarded-For": "1.1.1.1"}, "8.8.4.4:5123", "8.8.4.4"),
        ({}, "[2606:4700::1]:443", "2606:4700::1"),
        ({"x-forwarded-for": "unknown, 10.1.2.3"}, None, "10.1.2.3"),
        ({}, "10.0.0.1", "10.0.0.1"),
        ({}, "nonsense", None),
    ],
)
def test_client_addresses(headers, logged, expected):
    assert parse(chat(), headers=headers, remote_addr=logged)["ip"] == expected


def test_headers_in_every_shape_say_the_same():
    shapes = [
        {"User-Agent": "ua", "X-Stainless-OS": "Linux"},
        [["user-agent", "ua"], ["x-stainless-os", "Linux"]],
        [{"name": "USER-AGENT", "value": "ua"}, {"name": "x-stainless-os", "value": "Linux"}],
        {"user-agent": ["ua"], "x-stainless-os": ["Linux"]},
        "User-Agent: ua\r\nX-Stainless-OS: Linux",
        '{"User-Agent": "ua", "X-Stainless-OS": "Linux"}',
    ]
    for shape in shapes:
        row = parse(chat(), headers=shape)
        assert (row["user_agent"], row["sdk"]) == ("ua", "x-stainless-os=Linux")
    volatile = {"x-stainless-retry-count": "1", "x-stainless-read-timeout": "5"}
    assert parse(chat(), headers=volatile)["sdk"] is None
    assert parse(chat(), headers=volatile)["extra"]["headers"] == volatile


def test_answers_whole_and_streamed():
    whole = {
        "id": "c1",
        "choices": [{"message": {"content": "Hi"}}],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 2,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }
    row = parse(
        chat(), response={"status": 200, "headers": {"OpenAI-Organization": "org-x"}, "body": json.dumps(whole)}
    )
    assert [
        row[name]
        for name in (
            "exchange_id",
            "response",
            "status",
            "input_tokens",
            "output_tokens",
            "cached_tokens",
            "reasoning_tokens",
            "account_id",
        )
    ] == ["c1", "Hi", 200, 5, 2, 1, 3, "org-x"]
    events = (
        'data: {"choices": [{"delta": {"content": "H"}}]}\n\ndata: {"choices": [{"delta": {"content": "i"}}]}\n\n'
        'data: {"choices": [], "usage": {"prompt_tokens": 4}}\n\ndata: [DONE]\n'
    )
    row = parse(chat(), response={"body": events})
    assert (row["response"], row["input_tokens"]) == ("Hi", 4)
    events = (
        'event: message_start\ndata: {"type": "message_start", "message": {"usage": {"input_tokens": 7}}}\n\n'
        'data: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Yo"}}\n\n'
        'data: {"type": "message_delta", "usage": {"output_tokens": 2}}\n'
    )
    row = parse(chat(), response_body=events)
    assert (row["response"], row["input_tokens"], row["output_tokens"]) == ("Yo", 7, 2)
    row = parse(chat(), status=429, response={"content": [{"type": "text", "text": "A"}], "type": "message"})
    assert (row["response"], row["status"]) == ("A", 429)


def test_ids_of_clients_are_not_believed(tmp_path):
    record = {
        "ts": TS,
        "method": "POST",
        "path": "/v1/messages",
        "headers": {"x-request-id": "mine", "x-irid": "mine"},
        "body": chat(),
    }
    outcome = run(jsonl(tmp_path / "x.jsonl", record, record), into=tmp_path / "o")
    assert outcome.counts.kept == 2
    assert {row["exchange_id"][-2:] for row in outcome.rows} == {"-1", "-2"}


def test_bodies_as_text_and_base64():
    text = json.dumps(chat(user("hi")))
    assert parse(text)["prompt"] == "hi"
    assert parse(base64.b64encode(text.encode()).decode())["prompt"] == "hi"
    assert parse("free text")["extra"]["body"] == "free text"
