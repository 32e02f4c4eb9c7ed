"""Messages of chat requests: their text, the kinds of content in them, tools and replayed reasoning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Conversation", "conversation", "text_of", "tool_names"]

_SYSTEM = frozenset({"system", "developer"})
_TEXT = frozenset({"text", "input_text", "output_text", "summary_text", "refusal"})
_IMAGE = frozenset({"image", "image_url", "input_image", "image_file", "computer_screenshot"})
_AUDIO = frozenset({"audio", "input_audio", "audio_url"})
_FILE = frozenset({"file", "input_file", "document", "file_data", "file_url", "container_upload"})
_VIDEO = frozenset({"video", "video_url", "input_video"})
_ORDER = ("text", "image", "audio", "file", "video")
# Items of a Responses request that are no turn of the conversation.
_NO_TURN = frozenset({"reasoning", "item_reference", "compaction", "mcp_list_tools"})


@dataclass
class Conversation:
    """What a request's messages come to."""

    system: list[str] = field(default_factory=list)
    prompt: str | None = None
    turns: int = 0
    modalities: set[str] = field(default_factory=set)
    signature: str | None = None

    def kinds(self) -> list[str] | None:
        """The kinds of content, in a fixed order."""
        return [kind for kind in _ORDER if kind in self.modalities] or None


def text_of(content: Any) -> str | None:
    """The text of a message's content: a string, or parts of which the texts are joined by line feeds."""
    if isinstance(content, str):
        return content
    texts = list(_texts(content))
    return "\n".join(texts) if texts else None


def _texts(content: Any) -> Iterator[str]:
    parts = content if isinstance(content, (list, tuple)) else [content]
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            kind = _string(part.get("type"))
            text = part.get("text", part.get("refusal"))
            if isinstance(text, dict):
                # Assistants' parts: {"type": "text", "text": {"value": …}}.
                text = text.get("value")
            if isinstance(text, str) and (kind is None or kind in _TEXT):
                yield text


def _kinds(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield "text"
        return
    for part in content if isinstance(content, (list, tuple)) else [content]:
        if isinstance(part, str):
            yield "text"
        if not isinstance(part, dict):
            continue
        kind = _string(part.get("type"))
        names = {kind} if kind else set(part)
        if names & _TEXT:
            yield "text"
        if names & _IMAGE:
            yield "image"
        if names & _AUDIO:
            yield "audio"
        if names & _FILE:
            yield "file"
        if names & _VIDEO:
            yield "video"
        if kind in ("tool_result", "tool_call_output") or "toolResult" in part:
            yield from _kinds(part.get("content"))
        media = part.get("inlineData", part.get("inline_data", part.get("fileData", part.get("file_data"))))
        if isinstance(media, dict):
            yield _media(media.get("mimeType", media.get("mime_type")))


def _media(mime: Any) -> str:
    major = mime.partition("/")[0] if isinstance(mime, str) else ""
    return major if major in ("image", "audio", "video", "text") else "file"


def _is_tool_result(content: Any) -> bool:
    """Whether a user message only carries tools' results, as Anthropic's and Google's APIs send them."""
    return isinstance(content, (list, tuple)) and bool(content) and all(
        isinstance(part, dict) and (part.get("type") in ("tool_result", "web_search_tool_result")
                                       or "toolResult" in part or "functionResponse" in part)
        for part in content)


def _signature(message: Mapping[str, Any]) -> str | None:
    """The first replayed block of hidden reasoning: a signature, or the block itself in encrypted form."""
    if message.get("type") == "reasoning":
        return _string(message.get("encrypted_content"))
    parts = [message.get("content"), message.get("thinking_blocks"), message.get("reasoning_details"),
             message.get("parts")]
    for part in (item for group in parts if isinstance(group, (list, tuple)) for item in group):
        if isinstance(part, dict):
            for name in ("signature", "thoughtSignature", "thought_signature", "encrypted_content"):
                found = _string(part.get(name))
                if found:
                    return found
            if part.get("type") in ("redacted_thinking", "reasoning.encrypted"):
                found = _string(part.get("data"))
                if found:
                    return found
            inner = part.get("reasoningContent")
            if isinstance(inner, dict) and isinstance(inner.get("reasoningText"), dict):
                found = _string(inner["reasoningText"].get("signature"))
                if found:
                    return found
    return _string(message.get("reasoning_signature"))


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def conversation(messages: Any, system: Any = None) -> Conversation:
    """Read messages (OpenAI, Anthropic, Google, Bedrock; a string counts as one user message).

    System and developer messages are the system text and no turn.
    """
    read = Conversation()
    if system is not None:
        text = text_of(system.get("parts", system) if isinstance(system, dict) else system)
        if text:
            read.system.append(text)
    if isinstance(messages, (str, dict)):
        messages = [messages]
    for message in messages if isinstance(messages, (list, tuple)) else ():
        _read(message, read)
    return read


def _read(message: Any, read: Conversation) -> None:
    if isinstance(message, str):
        message = {"role": "user", "content": message}
    if not isinstance(message, dict):
        read.turns += 1
        return
    read.signature = read.signature or _signature(message)
    if _string(message.get("type")) in _NO_TURN:
        return
    content = message.get("content", message.get("parts"))
    role = _string(message.get("role"))
    if role in _SYSTEM:
        text = text_of(content)
        if text:
            read.system.append(text)
        return
    read.turns += 1
    if content is not None:
        read.modalities.update(_kinds(content))
    if message.get("type") == "input_image" or message.get("type") == "computer_call_output":
        read.modalities.add("image")
    if role in ("user", "human", None) and not _is_tool_result(content) and _asks(message):
        read.prompt = text_of(content if content is not None else message)


def _asks(message: Mapping[str, Any]) -> bool:
    """Whether an item without a role is the user's own words rather than a tool call or its output."""
    return message.get("role") is not None or message.get("type") in (None, "message", "input_text", "text")


def tool_names(tools: Any) -> list[str] | None:
    """Names of the tools offered, in order; a built-in tool goes by its type."""
    if isinstance(tools, dict):
        tools = tools.get("tools", [tools])
    if not isinstance(tools, (list, tuple)):
        return None
    names: list[str] = []
    for tool in tools:
        if isinstance(tool, str):
            names.append(tool)
        elif isinstance(tool, dict):
            names += _tool(tool)
    return names


def _tool(tool: Mapping[str, Any]) -> list[str]:
    declared = tool.get("functionDeclarations", tool.get("function_declarations"))
    if isinstance(declared, (list, tuple)):
        return [name for item in declared if isinstance(item, dict) and (name := _string(item.get("name")))]
    for holder in ("function", "toolSpec", "custom"):
        inner = tool.get(holder)
        if isinstance(inner, dict) and _string(inner.get("name")):
            return [str(inner["name"])]
    for field_name in ("name", "server_label", "type"):
        found = _string(tool.get(field_name))
        if found:
            return [found]
    return [next(iter(tool))] if len(tool) == 1 and isinstance(next(iter(tool)), str) else []
