"""Messages in OpenTelemetry GenAI attributes and events, of every form they have had.

Current: `gen_ai.input.messages` with parts (`{"type": "text", "content": …}`), as a structure or as JSON text. Until
1.36: one event a message (`gen_ai.user.message`, `gen_ai.choice`), its content in the body. Before: span events
`gen_ai.content.prompt` and `.completion`, and attributes `gen_ai.prompt`, `gen_ai.prompt.0.content`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stillwatch.ingest.content import Conversation, conversation, text_of
from stillwatch.ingest.jsontext import json_of
from stillwatch.ingest.otlp import Telemetry

__all__ = ["MESSAGE_EVENTS", "answered", "asked"]

_ROLES = {"gen_ai.system.message": "system", "gen_ai.user.message": "user",
          "gen_ai.assistant.message": "assistant", "gen_ai.tool.message": "tool"}
_PROMPT, _COMPLETION, _CHOICE = "gen_ai.content.prompt", "gen_ai.content.completion", "gen_ai.choice"
MESSAGE_EVENTS = frozenset({*_ROLES, _CHOICE, _PROMPT, _COMPLETION})
_NUMBERED = re.compile(r"gen_ai\.(prompt|completion)\.([0-9]{1,9})\.(.+)\Z")
# The conventions' parts in the words of the APIs that `content` reads.
_MODALITIES = {"image": "image", "audio": "input_audio", "video": "video"}


def asked(attributes: dict[str, Any], events: Sequence[Telemetry]) -> Conversation | None:
    """The request's messages, taken out of the attributes; ``None`` where none were kept."""
    system = json_of(attributes.pop("gen_ai.system_instructions", None))
    given = json_of(attributes.pop("gen_ai.input.messages", None))
    numbered = _numbered(attributes, "prompt")
    legacy = json_of(attributes.pop("gen_ai.prompt", None))
    messages: Any = None
    if given not in (None, "", []):
        messages = given
    elif numbered:
        messages = numbered
    elif legacy not in (None, "", []):
        messages = legacy
    else:
        messages = _from_events(events)
    if isinstance(messages, dict):
        messages = messages.get("messages", [messages])
    instructions = _parts(system) if system not in (None, "", []) else None
    if messages in (None, []) and instructions is None:
        return None
    if not isinstance(messages, list):
        messages = [messages] if messages is not None else []
    return conversation([_message(item) for item in messages], instructions)


def answered(attributes: dict[str, Any], events: Sequence[Telemetry]) -> str | None:
    """The answer's text, taken out of the attributes; several choices are joined by line feeds."""
    given = json_of(attributes.pop("gen_ai.output.messages", None))
    numbered = _numbered(attributes, "completion")
    legacy = json_of(attributes.pop("gen_ai.completion", None))
    for found in (given, numbered, legacy, list(_choices(events))):
        if found in (None, "", []):
            continue
        items = found if isinstance(found, list) else [found]
        texts = [_answer(item) for item in items]
        whole = [text for text in texts if text]
        if whole:
            return "\n".join(whole)
    return None


def _answer(item: Any) -> str | None:
    if isinstance(item, str):
        return item
    if not isinstance(item, dict):
        return None
    inner = item.get("message", item)
    if not isinstance(inner, dict):
        return None if inner is None else text_of(inner)
    return text_of(_message(inner).get("content"))


def _message(item: Any) -> Any:
    """A message with parts as one with content; others as they are."""
    if not isinstance(item, dict):
        return {"role": "user", "content": item} if isinstance(item, str) else item
    if "parts" in item and "content" not in item:
        return {**{name: value for name, value in item.items() if name != "parts"}, "content": _parts(item["parts"])}
    if isinstance(item.get("content"), str):
        return {**item, "content": json_of_content(item["content"])}
    return item


def json_of_content(content: str) -> Any:
    """Content that an instrumentation wrote as JSON text of its parts; a prompt that merely is JSON stays text."""
    found = json_of(content)
    whole = isinstance(found, list) and bool(found) and all(
        isinstance(part, dict) and isinstance(part.get("type"), str) and len(part) > 1 for part in found)
    return found if whole else content


def _parts(parts: Any) -> Any:
    if isinstance(parts, list):
        return [_part(part) for part in parts]
    return parts


def _part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if kind == "text" and "content" in part:
        return {"type": "text", "text": part["content"]}
    if kind in ("tool_call_response", "server_tool_call_response"):
        return {"type": "tool_result", "content": part.get("response", part.get("result"))}
    if kind in ("blob", "uri", "file") and str(part.get("modality")) in _MODALITIES:
        return {"type": _MODALITIES[str(part["modality"])]}
    if kind in ("blob", "uri"):
        return {"type": "file"}
    return part


def _numbered(attributes: dict[str, Any], what: str) -> list[dict[str, Any]]:
    """`gen_ai.prompt.0.role`, `gen_ai.prompt.0.content`, … in order of their numbers."""
    found: dict[int, dict[str, Any]] = {}
    for name in [name for name in attributes if name.startswith(f"gen_ai.{what}.")]:
        match = _NUMBERED.match(name)
        if match:
            found.setdefault(int(match.group(2)), {})[match.group(3)] = attributes.pop(name)
    return [found[number] for number in sorted(found)]


def _from_events(events: Sequence[Telemetry]) -> list[Any]:
    messages: list[Any] = []
    for event in events:
        name = event.event_name
        if name in _ROLES:
            held = _held(event)
            # The event says what the message is; a role in it is the application's own word.
            messages.append({**held, "role": _ROLES[name]} if isinstance(held, dict) else
                            {"role": _ROLES[name], "content": held})
        elif name == _PROMPT:
            legacy = json_of(event.attributes.get("gen_ai.prompt"))
            messages += legacy if isinstance(legacy, list) else [legacy] if legacy else []
    return messages


def _choices(events: Sequence[Telemetry]) -> Iterator[Any]:
    for event in events:
        if event.event_name == _CHOICE:
            yield _held(event)
        elif event.event_name == _COMPLETION:
            legacy = json_of(event.attributes.get("gen_ai.completion"))
            yield from legacy if isinstance(legacy, list) else [legacy]


def _held(event: Telemetry) -> Any:
    """An event's body; span events had no body and kept it in their attributes."""
    if event.body is not None:
        return event.body
    held: Mapping[str, Any] = {name: json_of(value) for name, value in event.attributes.items()
                               if name in ("content", "message", "role", "tool_calls", "id", "index")}
    return dict(held)
