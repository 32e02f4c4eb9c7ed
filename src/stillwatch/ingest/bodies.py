"""Bodies of requests to model APIs: chat, responses, completions, messages and their relatives.

What a body holds beyond the contract's columns is handed back beside them, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stillwatch.ingest.content import conversation, text_of, tool_names
from stillwatch.ingest.model import Row
from stillwatch.settings import DeploymentKey

__all__ = ["body_columns", "holds_request"]

_MAX_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens_to_sample",
               "maxOutputTokens", "maxTokens", "num_predict", "max_gen_len")
# Google's, Bedrock's, Titan's and Ollama's names inside their own groups of parameters.
_GROUPS = ("generationConfig", "generation_config", "inferenceConfig", "textGenerationConfig", "options")
_GROUPED = {"temperature": "temperature", "topP": "top_p", "top_p": "top_p", "candidateCount": "n",
            "maxOutputTokens": "max_tokens", "maxTokens": "max_tokens", "num_predict": "max_tokens",
            "maxTokenCount": "max_tokens", "responseMimeType": "response_format", "responseLogprobs": "logprobs"}
_REQUEST = frozenset({"model", "messages", "input", "prompt", "contents", "requests", "inputs", "inputText"})


def holds_request(body: Any) -> bool:
    """Whether a body is a request to a model, whatever the path."""
    return isinstance(body, dict) and not _REQUEST.isdisjoint(body)


def body_columns(body: Mapping[str, Any], key: DeploymentKey) -> tuple[Row, dict[str, Any]]:
    """Columns of a request's body, and the rest of the body."""
    rest = dict(body)
    row: Row = {}
    _messages(rest, row, key)
    _grouped(rest, row)
    _parameters(rest, row)
    _output(rest, row)
    _caller(rest, row)
    return row, rest


def _messages(rest: dict[str, Any], row: Row, key: DeploymentKey) -> None:
    system = _take(rest, "system", "instructions", "systemInstruction", "system_instruction")
    for name in ("messages", "input", "contents", "prompt", "inputText"):
        if rest.get(name) is None:
            continue
        value = rest[name]
        if name == "prompt" and not isinstance(value, str):
            # A prompt may be a list of prompts, of token numbers, or a stored template: {"id": …}.
            if not (isinstance(value, list) and value and all(isinstance(part, str) for part in value)):
                continue
            value = "\n".join(value)
        if name == "input" and _is_tokens(value):
            continue
        if not isinstance(value, (str, list, dict)):
            continue
        read = conversation(value if name not in ("prompt", "inputText") else str(value), system)
        if name == "input" and isinstance(value, list) and all(isinstance(part, str) for part in value) and value:
            # Embeddings of several texts.
            read.prompt, read.turns = "\n".join(value), 1
        del rest[name]
        row["prompt"], row["turn"] = read.prompt, read.turns
        row["modalities"] = read.kinds()
        row["system_prompt"] = "\n".join(read.system) or None
        if read.signature:
            row["reasoning_signature"] = key.digest("reasoning", read.signature)
        break
    else:
        text = text_of(system.get("parts", system) if isinstance(system, dict) else system)
        if text:
            row["system_prompt"] = text


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(
        isinstance(part, (int, list)) and not isinstance(part, bool) for part in value)


def _take(rest: dict[str, Any], *names: str) -> Any:
    for name in names:
        if rest.get(name) is not None:
            return rest.pop(name)
    return None


def _grouped(rest: dict[str, Any], row: Row) -> None:
    """Parameters that some APIs keep in a group of their own."""
    for group in _GROUPS:
        inner = rest.get(group)
        if isinstance(inner, dict):
            left = dict(inner)
            for name, column in _GROUPED.items():
                if name in left and column not in row:
                    row[column] = left.pop(name)
            rest[group] = left
            if not left:
                del rest[group]


def _parameters(rest: dict[str, Any], row: Row) -> None:
    for name in ("model", "stream", "temperature", "top_p", "n", "reasoning_effort"):
        if rest.get(name) is not None:
            row[name] = rest.pop(name)
    if "topP" in rest:
        row.setdefault("top_p", rest.pop("topP"))
    for name in _MAX_TOKENS:
        if rest.get(name) is not None and row.get("max_tokens") is None:
            row["max_tokens"] = rest.pop(name)
    wanted = rest.get("logprobs")
    if isinstance(wanted, bool):
        row["logprobs"] = rest.pop("logprobs")
    elif isinstance(wanted, int):
        # Completions ask for a number of alternatives; the number stays in the rest.
        row["logprobs"] = True
    for group in ("reasoning", "output_config"):
        inner = rest.get(group)
        if isinstance(inner, dict) and isinstance(inner.get("effort"), str):
            row.setdefault("reasoning_effort", inner["effort"])
            rest[group] = {name: value for name, value in inner.items() if name != "effort"}


def _output(rest: dict[str, Any], row: Row) -> None:
    tools = tool_names(_take(rest, "tools", "functions", "toolConfig"))
    if tools is not None:
        row["tools"] = tools
    asked = rest.get("response_format")
    holder: dict[str, Any] | None = None
    if asked is None and isinstance(rest.get("text"), dict):
        holder = dict(rest["text"])
        asked = holder.get("format")
    if asked is None and isinstance(rest.get("output_config"), dict):
        asked = rest["output_config"].get("format")
    if isinstance(asked, dict):
        row["response_format"] = asked.get("type")
        # The schema that was asked for says much about the client: it stays in the rest.
        if set(asked) == {"type"}:
            if holder is not None:
                del holder["format"]
                rest["text"] = holder
            else:
                rest.pop("response_format", None)
    elif isinstance(asked, str):
        row["response_format"] = asked
        rest.pop("response_format", None)
    if row.get("response_format") == "application/json":
        row["response_format"] = "json_object"


def _caller(rest: dict[str, Any], row: Row) -> None:
    """The caller's own end user, and the conversation where the API has one."""
    for name in ("user", "safety_identifier"):
        if _is_id(rest.get(name)) and "end_user_id" not in row:
            row["end_user_id"] = rest.pop(name)
    metadata = rest.get("metadata")
    if isinstance(metadata, dict) and _is_id(metadata.get("user_id")) and "end_user_id" not in row:
        row["end_user_id"] = metadata["user_id"]
        rest["metadata"] = {name: value for name, value in metadata.items() if name != "user_id"}
    talk = rest.get("conversation")
    if isinstance(talk, dict):
        talk = talk.get("id")
    if isinstance(talk, str) and talk:
        row["conversation_id"] = talk
        if not isinstance(rest["conversation"], dict):
            del rest["conversation"]


def _is_id(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""
