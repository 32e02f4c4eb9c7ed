"""Answers of model APIs: their text and usage, from JSON bodies and from server-sent events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from stillwatch.ingest.content import text_of

__all__ = ["answer_of", "usage_of"]


def answer_of(body: Any) -> dict[str, Any]:
    """``response`` and the usage columns of an answer; nothing for what is no answer.

    A streamed answer is put together from its events. Several choices are joined by line feeds.
    """
    if isinstance(body, (str, bytes)):
        return _from_text(body)
    if isinstance(body, list):
        return _from_events(body)
    if not isinstance(body, dict):
        return {}
    found = usage_of(body.get("usage", body.get("usageMetadata")))
    text = _text(body)
    if text is not None:
        found["response"] = text
    return found


def usage_of(usage: Any) -> dict[str, Any]:
    """Token counts as the provider reports them (Anthropic's input count leaves cached tokens out)."""
    if not isinstance(usage, dict):
        return {}
    inward = _details(usage, "prompt_tokens_details", "input_tokens_details")
    outward = _details(usage, "completion_tokens_details", "output_tokens_details")
    found = {
        "input_tokens": _first(usage, "prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens"),
        "output_tokens": _first(usage, "completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens"),
        "cached_tokens": _first({**usage, **inward}, "cached_tokens", "cache_read_input_tokens",
                                "cachedContentTokenCount", "cacheReadInputTokens"),
        "reasoning_tokens": _first({**usage, **outward}, "reasoning_tokens", "thoughtsTokenCount"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        inner = usage.get(name)
        if isinstance(inner, dict):
            return inner
    return {}


def _first(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _items(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, (list, tuple)):
        for item in value:
            if isinstance(item, dict):
                yield item


def _text(body: Mapping[str, Any]) -> str | None:
    texts: list[str | None] = []
    for choice in _items(body.get("choices")):
        message = choice.get("message")
        texts.append(text_of(message.get("content")) if isinstance(message, dict) else choice.get("text"))
    for item in _items(body.get("output")):
        if item.get("type", "message") == "message":
            texts.append(text_of(item.get("content")))
    for candidate in _items(body.get("candidates")):
        content = candidate.get("content")
        if isinstance(content, dict):
            texts.append(text_of(content.get("parts")))
    output = body.get("output")
    if isinstance(output, dict) and isinstance(output.get("message"), dict):
        texts.append(text_of(output["message"].get("content")))
    if not texts and (body.get("type") == "message" or body.get("role") == "assistant"):
        texts.append(text_of(body.get("content")))
    message = body.get("message")
    if not texts and isinstance(message, dict):
        texts.append(text_of(message.get("content")))
    for name, inner in (("results", "outputText"), ("outputs", "text"), ("generations", "text")):
        # Titan's, Mistral's and Cohere's completions.
        texts += [item.get(inner) for item in _items(body.get(name))]
    if not texts:
        texts += [body.get(name) for name in ("output_text", "completion", "response", "text", "content", "generation",
                                              "outputText")]
    whole = [text for text in texts if isinstance(text, str)]
    return "\n".join(whole) if whole else None


def _from_text(body: str | bytes) -> dict[str, Any]:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    stripped = text.lstrip()
    if stripped[:1] in ("{", "["):
        try:
            return answer_of(orjson.loads(stripped))
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return {}
    if not stripped.startswith(("data:", "event:", ":", "id:")):
        return {}
    events = []
    for line in text.splitlines():
        if line.startswith("data:"):
            try:
                events.append(orjson.loads(line[5:].strip()))
            except (orjson.JSONDecodeError, UnicodeEncodeError):
                continue
    return _from_events(events)


def _from_events(events: list[Any]) -> dict[str, Any]:
    """Put a stream together; a closing event that repeats the whole answer wins over its pieces."""
    pieces: list[str] = []
    found: dict[str, Any] = {}
    for event in _items(events):
        pieces += [piece for piece in _deltas(event) if isinstance(piece, str)]
        holder = event.get("message") if event.get("type") == "message_start" else event.get("response", event)
        if isinstance(holder, dict):
            found.update(usage_of(holder.get("usage", holder.get("usageMetadata"))))
        if event.get("type") == "response.completed" and isinstance(event.get("response"), dict):
            text = _text(event["response"])
            if text is not None:
                return {**found, "response": text}
    if pieces:
        found["response"] = "".join(pieces)
    return found


def _deltas(event: Mapping[str, Any]) -> Iterator[Any]:
    yield from (event.get(name) for name in ("outputText", "generation"))
    block = event.get("contentBlockDelta")
    if isinstance(block, dict) and isinstance(block.get("delta"), dict):
        yield block["delta"].get("text")
    if event.get("event_type") == "text-generation":
        yield event.get("text")
    for choice in _items(event.get("choices")):
        delta = choice.get("delta")
        yield delta.get("content") if isinstance(delta, dict) else choice.get("text")
    delta = event.get("delta")
    if event.get("type") == "response.output_text.delta":
        yield delta
    elif isinstance(delta, dict) and event.get("type") == "content_block_delta":
        yield delta.get("text")
    for candidate in _items(event.get("candidates")):
        content = candidate.get("content")
        if isinstance(content, dict):
            yield text_of(content.get("parts"))
