"""How fast spans of OpenTelemetry are read, beside the same exchanges as native JSONL in the same run.

    python benchmarks/otel_speed.py                   # 20,000 spans of about a kilobyte
    python benchmarks/otel_speed.py --spans 100000 --profile

Ratios are the figures to compare; exchanges a second are printed for orientation.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from stillwatch.engine import connect
from stillwatch.ingest import ingest
from stillwatch.settings import DeploymentKey, Settings

START = 1_767_323_045_250_000_000
SENTENCE = "given the table below say which of these models of a pump wears first and why it does so step by step"
WORDS = SENTENCE.split()


def text(number: int) -> str:
    """About 300 characters, another for every number."""
    return " ".join(f"{word}{number if at % 7 == 0 else ''}" for at, word in enumerate(WORDS * 3))


def attribute(name: str, value: Any) -> dict[str, Any]:
    """As OTLP/JSON writes one."""
    kind = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}[type(value)]
    return {"key": name, "value": {kind: str(value) if kind == "intValue" else value}}


def span(number: int) -> dict[str, Any]:
    """A call to a model."""
    asked = [{"role": "user", "parts": [{"type": "text", "content": text(number)}]}]
    said = [{"type": "text", "content": f"It is {number}."}]
    answer = [{"role": "assistant", "finish_reason": "stop", "parts": said}]
    about = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "aws.bedrock", "gen_ai.request.model": "m-large",
             "gen_ai.request.max_tokens": 512, "gen_ai.request.temperature": 0.25, "gen_ai.request.stream": True,
             "gen_ai.response.model": "m-large-1", "gen_ai.response.id": f"r{number}",
             "gen_ai.usage.input_tokens": 90, "gen_ai.usage.output_tokens": 12, "user.id": f"u{number % 50}",
             "account.id": f"acct-{number % 500}", "client.address": f"203.0.{number % 200}.9",
             "user_agent.original": "Example/1.0", "gen_ai.input.messages": orjson.dumps(asked).decode(),
             "gen_ai.output.messages": orjson.dumps(answer).decode(), "server.address": "198.51.100.4",
             "http.response.status_code": 200}
    return {"traceId": f"{number:032x}", "spanId": f"{number + 1:016x}", "name": "chat m-large", "kind": 3,
            "startTimeUnixNano": str(START + number * 10**9), "endTimeUnixNano": str(START + number * 10**9 + 10**8),
            "attributes": [attribute(name, value) for name, value in about.items()], "status": {}}


def native(number: int) -> dict[str, Any]:
    """The same exchange."""
    return {"exchange_id": f"{number:032x}-{number + 1:016x}", "ts": (START + number * 10**9) // 1000,
            "account_id": f"acct-{number % 500}", "end_user_id": f"u{number % 50}", "channel": "bedrock",
            "ip": f"203.0.{number % 200}.9", "user_agent": "Example/1.0", "model": "m-large", "operation": "chat",
            "stream": True, "temperature": 0.25, "max_tokens": 512, "turn": 1, "prompt": text(number),
            "response": f"It is {number}.", "input_tokens": 90, "output_tokens": 12, "status": 200, "latency_ms": 100.0}


def write(spans: int, folder: Path) -> tuple[Path, Path]:
    """Both files; a line of OTLP holds a hundred spans, as the collector batches them."""
    otlp, plain = folder / "otlp.jsonl", folder / "native.jsonl"
    resource = {"attributes": [attribute("service.name", "gateway"), attribute("cloud.region", "eu-1")]}
    with otlp.open("wb") as file:
        for first in range(0, spans, 100):
            items = [span(number) for number in range(first, min(first + 100, spans))]
            file.write(orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [
                {"scope": {"name": "made.up"}, "spans": items}]}]}) + b"\n")
    with plain.open("wb") as file:
        file.writelines(orjson.dumps(native(number)) + b"\n" for number in range(spans))
    return otlp, plain


def read(path: Path, folder: Path) -> float:
    """Seconds of CPU that reading takes."""
    start = time.process_time()
    with connect() as engine:
        found = ingest([path], folder, settings=Settings(), key=DeploymentKey(b"k" * 32), engine=engine)
    seconds = time.process_time() - start
    assert found.counts.kept == found.counts.records_in, found.counts
    return seconds


def main() -> None:
    """Write, read, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=20_000)
    parser.add_argument("--profile", action="store_true", help="print where the time of reading spans goes")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        otlp, plain = write(wanted.spans, folder)
        if wanted.profile:
            with cProfile.Profile() as profile:
                read(otlp, folder / "profiled")
            pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        seconds = {name: min(read(path, folder / f"{name}-{at}") for at in range(2))
                   for name, path in (("spans", otlp), ("native JSONL", plain))}
        size = otlp.stat().st_size / wanted.spans
    print(f"{wanted.spans:,} spans of {size:,.0f} bytes; seconds of CPU, the better of two readings")
    print(f"{'':14} {'seconds':>9} {'exchanges/s':>12} {'times native':>13}")
    for name, taken in seconds.items():
        print(f"{name:14} {taken:9.2f} {wanted.spans / taken:12,.0f} {taken / seconds['native JSONL']:13.2f}")


if __name__ == "__main__":
    main()
