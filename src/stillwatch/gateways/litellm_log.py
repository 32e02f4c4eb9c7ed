"""A logging callback for the LiteLLM proxy: every call as a line of JSON that `stillwatch scan` reads.

Copy this file beside the proxy's `config.yaml`, and name it there:

    litellm_settings:
      callbacks: stillwatch_log.log

It writes to the folder that STILLWATCH_LITELLM_LOGS names (`litellm-logs` otherwise), one file a process and at most
256 MiB each, readable by the proxy's user alone. Of LiteLLM's `StandardLoggingPayload` only what a scan reads is
written: no key, no price, no address of a model server. The key's hash is replaced by an HMAC under a secret made in
that folder (`.secret`), so that it tells keys apart and nothing else. LiteLLM's `turn_off_message_logging: true`
leaves texts out.

A line is handed to the system when the call is over; it survives the proxy's end, and not the machine's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from litellm.integrations.custom_logger import CustomLogger

__all__ = ["ExchangeLog", "log"]

_LARGEST = 256 << 20
_KEPT = ("id", "trace_id", "session_id", "litellm_call_id", "call_type", "status", "custom_llm_provider",
         "prompt_tokens", "completion_tokens", "startTime", "endTime", "model", "model_group", "end_user",
         "requester_ip_address", "user_agent", "request_tags", "messages", "response")
_PARAMETERS = ("temperature", "top_p", "top_k", "n", "max_tokens", "max_completion_tokens", "max_output_tokens",
               "logprobs", "top_logprobs", "reasoning_effort", "reasoning", "thinking", "response_format", "text",
               "modalities", "tools", "tool_choice", "system", "instructions", "user", "safety_identifier")
_METADATA = ("user_api_key_org_id", "user_api_key_team_id", "user_api_key_user_id", "user_api_key_end_user_id",
             "requester_ip_address", "user_agent", "usage_object")
_ERROR = ("error_code", "error_class")


def _some(of: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The named fields that hold something."""
    return {name: of[name] for name in names if of.get(name) is not None} if isinstance(of, dict) else {}


# LiteLLM is in no environment of ours that is type-checked (its proxy pins an older rich): its classes are Any.
class ExchangeLog(CustomLogger):  # type: ignore[misc]
    """Writes what LiteLLM says of every finished call, answered or failed, to files in a folder."""

    def __init__(self, folder: Path, largest: int = _LARGEST) -> None:
        """``largest`` is the size in bytes from which on another file is begun."""
        super().__init__()
        self._folder, self._largest = folder, largest
        self._file: IO[bytes] | None = None
        self._size, self._process, self._number = 0, 0, 0
        self._told = False

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Called by the proxy after an answer, for a streamed one when the stream is over."""
        self._log(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Called by the proxy after a call that failed."""
        self._log(kwargs)

    def _log(self, kwargs: Any) -> None:
        payload = kwargs.get("standard_logging_object") if isinstance(kwargs, dict) else None
        if not isinstance(payload, dict):
            return
        try:
            self._write(json.dumps(self._line(payload), default=str).encode() + b"\n")
        except (OSError, ValueError) as error:
            # No call may fail for want of a log; and no message may quote one.
            if not self._told:
                logging.getLogger(__name__).error("exchanges are not logged: %s", type(error).__name__)
            self._told = True

    def _line(self, payload: dict[str, Any]) -> dict[str, Any]:
        """What is written of one call."""
        metadata = payload.get("metadata")
        kept = _some(metadata, _METADATA)
        if isinstance(metadata, dict):
            headers = metadata.get("requester_custom_headers")
            if isinstance(headers, dict):
                kept["requester_custom_headers"] = {
                    name: value for name, value in headers.items()
                    if str(name).lower().startswith("x-stainless-") or str(name).lower() == "user-agent"}
            if metadata.get("user_api_key_hash"):
                digest = hmac.new(self._secret(), str(metadata["user_api_key_hash"]).encode(), hashlib.sha256)
                kept["user_api_key_hash"] = digest.hexdigest()[:32]
        # LiteLLM leaves it empty where nothing was streamed.
        return _some(payload, _KEPT) | {
            "stream": bool(payload.get("stream")),
            "model_parameters": _some(payload.get("model_parameters"), _PARAMETERS), "metadata": kept,
            "error_information": _some(payload.get("error_information"), _ERROR)}

    def _secret(self) -> bytes:
        """The folder's secret; made by whichever process is first."""
        path = self._folder / ".secret"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            draft = path.with_name(f".secret.{os.getpid()}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            with suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path.read_bytes()

    def _write(self, line: bytes) -> None:
        if self._file is None or self._process != os.getpid() or self._size + len(line) > self._largest:
            self._begin()
        assert self._file is not None
        self._file.write(line)
        self._size += len(line)

    def _begin(self) -> None:
        """Begin a file of this process; a copy of the parent's, after a fork, is left to the parent."""
        if self._file is not None and self._process == os.getpid():
            self._file.close()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._process, self._size = os.getpid(), 0
        self._number += 1
        name = f"exchanges-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{self._process}-{self._number:04d}.jsonl"
        self._file = os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab",
                               buffering=0)


log = ExchangeLog(Path(os.environ.get("STILLWATCH_LITELLM_LOGS", "litellm-logs")))
"""What the proxy's configuration names."""
