"""A model server that answers at once: what a test needs of OpenAI's chat completions and Anthropic's messages."""

from __future__ import annotations

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def words(body):
    """How many words the messages of a request hold: its input tokens here."""
    def text(content):
        return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content or ())

    said = [text(message.get("content")) for message in body.get("messages", ())]
    return sum(len(part.split()) for part in [*said, text(body.get("system") or "")])


class Model(BaseHTTPRequestHandler):
    """Says "The answer is 42." to everything, and fails where it is asked to."""

    protocol_version = "HTTP/1.1"
    ANSWER = ("The ", "answer ", "is ", "42.")

    def do_POST(self):
        self.made = f"chatcmpl-{uuid.uuid4().hex}"
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/messages"):
            self._message(body)
        elif "fail please" in json.dumps(body):
            self._send(429, json.dumps({"error": {"message": "too many of 'fail please'", "type": "rate_limit"}}))
        elif body.get("stream"):
            self._stream(body)
        else:
            usage = {"prompt_tokens": words(body), "completion_tokens": 4, "total_tokens": words(body) + 4}
            choice = {"index": 0, "finish_reason": "stop",
                      "message": {"role": "assistant", "content": "".join(self.ANSWER)}}
            self._send(200, json.dumps(self._about(body, "chat.completion") | {"choices": [choice], "usage": usage}))

    def _about(self, body, kind):
        return {"id": self.made, "object": kind, "created": 1_700_000_000, "model": body["model"]}

    def _stream(self, body):
        lines = []
        for number, part in enumerate(self.ANSWER):
            delta = {"content": part} | ({"role": "assistant"} if not number else {})
            lines.append(self._about(body, "chat.completion.chunk") | {
                "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        lines.append(self._about(body, "chat.completion.chunk") | {
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        lines.append(self._about(body, "chat.completion.chunk") | {"choices": [], "usage": {
            "prompt_tokens": words(body), "completion_tokens": 4, "total_tokens": words(body) + 4}})
        text = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
        self._send(200, text, "text/event-stream")

    def _message(self, body):
        """As Anthropic's API answers."""
        usage = {"input_tokens": words(body), "output_tokens": 4}
        whole = {"id": self.made.replace("chatcmpl-", "msg_"), "type": "message", "role": "assistant",
                 "model": body["model"], "content": [{"type": "text", "text": "".join(self.ANSWER)}],
                 "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
        if not body.get("stream"):
            self._send(200, json.dumps(whole))
            return
        begun = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
        events = [{"type": "message_start", "message": begun},
                  {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
        events += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}}
                   for part in self.ANSWER]
        events += [{"type": "content_block_stop", "index": 0},
                   {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": 4}},
                   {"type": "message_stop"}]
        self._send(200, "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events),
                   "text/event-stream")

    def _send(self, status, text, kind="application/json"):
        content = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


def start():
    """A running server and its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_address[1]


