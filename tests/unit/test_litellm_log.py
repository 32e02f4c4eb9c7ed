"""The callback by itself: what it writes, where, and that it never gets in a call's way. The rest: tests/gateways."""

import asyncio
import importlib.util
import json
import os
import sys
import types
from pathlib import Path

import pytest

import stillwatch
from ingest_builders import run

FILE = Path(stillwatch.__file__).parent / "gateways" / "litellm_log.py"


@pytest.fixture
def module(monkeypatch, tmp_path):
    """The file as a proxy loads it; LiteLLM itself is not needed."""
    for name in ("litellm", "litellm.integrations", "litellm.integrations.custom_logger"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["litellm.integrations.custom_logger"].CustomLogger = object
    monkeypatch.setenv("STILLWATCH_LITELLM_LOGS", str(tmp_path / "unused"))
    found = importlib.util.spec_from_file_location("stillwatch_log", FILE)
    loaded = importlib.util.module_from_spec(found)
    found.loader.exec_module(loaded)
    return loaded


def payload(**changed):
    return {"id": "r1", "startTime": 1_800_000_000.0, "endTime": 1_800_000_000.5, "call_type": "acompletion",
            "status": "success", "model": "openai/x", "model_group": "small", "stream": None, "prompt_tokens": 3,
            "completion_tokens": 4, "messages": [{"role": "user", "content": "Hi"}], "api_base": "http://inside",
            "response": {"choices": [{"message": {"role": "assistant", "content": "Ho"}}]}, "response_cost": 0.5,
            "model_parameters": {"temperature": 0.5, "api_key": "sk-upstream", "extra_headers": {"authorization": "x"}},
            "metadata": {"user_api_key_hash": "sk-raw-key", "user_api_key_user_id": "ada", "user_api_key": "sk-raw-key",
                         "requester_custom_headers": {"X-Stainless-Lang": "python", "x-api-key": "sk-raw-key"}},
            "error_information": {"error_code": "", "error_message": "quotes Hi", "traceback": "quotes Hi"},
            "error_str": "quotes Hi", **changed}


def call(log, failed=False, **changed):
    event = log.async_log_failure_event if failed else log.async_log_success_event
    asyncio.run(event({"standard_logging_object": payload(**changed)}, None, None, None))


def written(folder):
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def test_a_call_is_one_line_that_is_read_and_holds_no_key(module, tmp_path):
    folder = tmp_path / "logs"
    log = module.ExchangeLog(folder)
    call(log)
    call(log, id="r2", failed=True, status="failure", response=None, error_information={"error_code": "429"})
    text = "".join(file.read_text() for file in folder.glob("*.jsonl"))
    for gone in ("sk-", "inside", "response_cost", "quotes", "authorization"):
        assert gone not in text
    rows = {row["exchange_id"]: row for row in run(folder, into=tmp_path / "read").rows}
    assert rows["r1"]["account_id"] == "ada"
    assert (rows["r1"]["prompt"], rows["r1"]["response"], rows["r1"]["temperature"]) == ("Hi", "Ho", 0.5)
    assert rows["r1"]["stream"] is False
    assert (rows["r1"]["status"], rows["r2"]["status"]) == (200, 429)
    assert len(rows["r1"]["api_key_id"]) == 32
    assert rows["r1"]["api_key_id"] == rows["r2"]["api_key_id"]


def test_digests_of_keys_are_the_folders_own(module, tmp_path):
    digests = []
    for name in ("a", "a", "b"):
        log = module.ExchangeLog(tmp_path / name)
        call(log)
        digests.append(written(tmp_path / name)[-1]["metadata"]["user_api_key_hash"])
    assert digests[0] == digests[1] != digests[2]
    assert (tmp_path / "a" / ".secret").stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir() if not path.name.endswith("jsonl")) == [".secret"]


def test_files_end_at_their_size_and_lines_are_whole(module, tmp_path):
    log = module.ExchangeLog(tmp_path, largest=3000)
    for number in range(40):
        call(log, id=f"r{number}")
    files = list(tmp_path.glob("*.jsonl"))
    assert len(files) > 5
    assert all(file.stat().st_size <= 3000 and file.stat().st_mode & 0o077 == 0 for file in files)
    assert {line["id"] for line in written(tmp_path)} == {f"r{number}" for number in range(40)}


def test_another_process_writes_a_file_of_its_own(module, tmp_path):
    log = module.ExchangeLog(tmp_path)
    call(log)
    child = os.fork()
    if not child:
        call(log, id="child")
        os._exit(0)
    os.waitpid(child, 0)
    call(log, id="r3")
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert sorted(line["id"] for line in written(tmp_path)) == ["child", "r1", "r3"]


def test_what_cannot_be_written_stops_no_call_and_is_said_once(module, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    log = module.ExchangeLog(tmp_path / "file")
    for _ in range(3):
        call(log)
    asyncio.run(log.async_log_success_event({}, None, None, None))
    asyncio.run(log.async_log_success_event(None, None, None, None))
    assert len(caplog.records) == 1
    assert "Hi" not in caplog.text
