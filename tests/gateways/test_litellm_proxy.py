"""A real LiteLLM proxy with our callback before a stub model, called by the real OpenAI and Anthropic clients.

`make gateways` installs what it needs into an environment of its own and runs it; skipped where that is missing.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import stub_model

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = ROOT / ".litellm" / "bin"
pytestmark = [
    pytest.mark.gateway, pytest.mark.slow,
    pytest.mark.skipif(not (BIN / "litellm").exists(), reason="the proxy is not installed: make gateways"),
]
CONFIG = """
model_list:
  - model_name: small
    litellm_params: {{model: openai/stub, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
  - model_name: tiny
    litellm_params: {{model: anthropic/stub, api_base: "http://127.0.0.1:{port}", api_key: none}}
litellm_settings:
  callbacks: stillwatch_log.log
  num_retries: 0
general_settings:
  custom_auth: proxy_keys.whose
  use_x_forwarded_for: true
"""
CROWD = 120


@dataclass(frozen=True)
class Recorded:
    """What the clients sent and were answered, and the folder of logs that the callback wrote meanwhile."""

    calls: list
    logs: Path
    secrets: list


def free_port():
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        return given.getsockname()[1]


def lines(folder):
    return [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def wait_for(what, seconds=120.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxy")
    shutil.copy(ROOT / "src" / "stillwatch" / "gateways" / "litellm_log.py", folder / "stillwatch_log.py")
    shutil.copy(HERE / "proxy_keys.py", folder)
    server, model = stub_model.start()
    (folder / "config.yaml").write_text(CONFIG.format(port=model))
    master = f"sk-{os.urandom(24).hex()}"
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "STILLWATCH_", "LITELLM_")) and not name.lower().endswith("_proxy")}
    environment = kept | {"STILLWATCH_LITELLM_LOGS": str(folder / "logs"), "LITELLM_MASTER_KEY": master,
                          "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def answers():
        with suppress(OSError), urllib.request.urlopen(f"{url}/health/liveliness", timeout=2):
            return True
        assert proxy.poll() is None, (folder / "said").read_text()[-3000:]
        return False

    with (folder / "said").open("w") as said, subprocess.Popen(
            [BIN / "litellm", "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--telemetry",
             "False"], cwd=folder, env=environment, stdout=said, stderr=said) as proxy:
        try:
            wait_for(answers)
            made = subprocess.run([BIN / "python", HERE / "proxy_clients.py", url], env=environment, text=True,
                                  capture_output=True, check=False)
            assert made.returncode == 0, made.stderr[-3000:]
            calls = [json.loads(line) for line in made.stdout.splitlines()]
            wait_for(lambda: len(lines(folder / "logs")) >= len(calls) + CROWD)
        finally:
            proxy.terminate()
    server.shutdown()
    return Recorded(calls, folder / "logs", [master, *(f"sk-{call['user']}-{call['key']}" for call in calls)])


def stillwatch(tmp_path, *arguments):
    done = subprocess.run([sys.executable, "-m", "stillwatch", *map(str, arguments), "--json"], text=True, check=False,
                          capture_output=True, env=os.environ | {"STILLWATCH_KEY_FILE": str(tmp_path / "key"),
                                                                 "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def exchanges(recorded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("read")
    summary = stillwatch(folder, "ingest", recorded.logs, "--out", folder / "out")
    assert summary["counts"]["records_in"] == summary["counts"]["kept"] == len(recorded.calls) + CROWD
    return {row["prompt"]: row for row in pq.read_table(folder / "out" / "exchanges").to_pylist()}


def test_every_field_of_every_call_is_as_the_client_sent_it(recorded, exchanges):
    assert len(recorded.calls) == 13
    assert {(call["client"], call.get("stream")) for call in recorded.calls} == {
        (client, stream) for client in ("OpenAI/Python", "Anthropic/Python") for stream in (False, True)} | {
        ("OpenAI/Python", None)}
    for call in recorded.calls:
        row = exchanges[call["prompt"]]
        assert row["account_id"] == call["user"]
        assert row["model"] == call["model"]
        assert row["operation"] == "chat"
        assert row["user_agent"].startswith(call["client"])
        assert "x-stainless-lang" in row["sdk"]
        assert row["ip"] == "127.0.0.1"
        assert abs(row["ts"].timestamp() - time.time()) < 3600
        assert 0 < row["latency_ms"] < 60_000
        if call.get("status"):
            assert row["status"] == call["status"] == 429
            continue
        assert row["status"] == 200
        assert row["stream"] is call["stream"]
        assert row["response"] == call["said"] == "The answer is 42."
        assert row["system_prompt"] == call["system"]
        assert (row["temperature"], row["top_p"]) == (call["temperature"], call["top_p"])
        assert row["max_tokens"] == call["max_tokens"]
        assert row["end_user_id"] == call["end_user"]
        assert row["output_tokens"] == 4
        words = len(call["prompt"].split()) + len(call["system"].split())
        assert row["input_tokens"] == words + (2 if call["model"] == "tiny" else 0)
        assert row["turn"] == (3 if call["model"] == "tiny" else 1)


def test_keys_are_told_apart_and_never_written(recorded, exchanges):
    keys = {}
    for call in recorded.calls:
        keys.setdefault(exchanges[call["prompt"]]["api_key_id"], set()).add((call["user"], call["key"]))
    assert None not in keys
    assert len(keys) == 6
    assert all(len(owners) == 1 for owners in keys.values())
    written = "\n".join(lines(recorded.logs))
    for secret in recorded.secrets:
        assert secret not in written
    for secret in recorded.secrets:
        assert hashlib.sha256(secret.encode()).hexdigest() not in written, "anybody could make it of a guessed key"


def test_logs_are_for_their_owner_alone_and_say_no_more_than_is_read(recorded):
    assert recorded.logs.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in recorded.logs.iterdir())
    written = "\n".join(lines(recorded.logs))
    for gone in ("api_base", "response_cost", "too many of"):
        assert gone not in written


def test_from_requests_to_a_finding(recorded, tmp_path):
    """One operator's accounts, sent through the proxy, come out as one group, and no person with them."""
    summary = stillwatch(tmp_path, "scan", recorded.logs, "--out", tmp_path / "findings", "--decoys", 5)
    assert summary["counts"]["kept"] == len(recorded.calls) + CROWD
    assert {entry["format"] for entry in summary["inputs"]} == {"litellm"}
    groups = {}
    for row in pq.read_table(tmp_path / "findings" / "groups.parquet").to_pylist():
        groups.setdefault(row["group_id"], set()).add(row["account_id"])
    largest = max(groups.values(), key=len)
    assert largest == {f"op{number}" for number in range(12)}
