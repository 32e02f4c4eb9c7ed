"""Keys tell accounts apart and survive nowhere; masked keys tell nothing."""

from __future__ import annotations

import base64
import json

import pytest

from ingest_builders import KEY, TS, jsonl, run
from stillwatch.ingest.credentials import find_credential, split_path
from stillwatch.ingest.extras import encode

SECRET = "sk-live-0123456789abcdefghij"


def record(headers, path="/v1/chat/completions", **more):
    return {
        "ts": TS,
        "method": "POST",
        "path": path,
        "headers": headers,
        "body": {"model": "m", "messages": []},
        **more,
    }


@pytest.mark.parametrize(
    "value",
    [
        "<redacted>",
        "Bearer <redacted>",
        "***",
        "Bearer ***",
        "REDACTED",
        "[FILTERED]",
        "sk-...abcd",
        "Bearer sk-…abcd",
        "xxxx",
        "sk-xxxxxxxxxxxxxxxx",
        "Bearer EMPTY",
        "dummy",
        "Bearer None",
        "",
        "Bearer",
        "sk-ant-****wxyz",
        "Bearer no-key-required",
        "your-api-key-here",
        "AWS4-HMAC-SHA256 Credential=<redacted>, Signature=x",
    ],
)
def test_masked_credentials_name_nobody(value):
    assert find_credential({"authorization": value}) is None


def test_a_credential_stands_in_for_the_account(tmp_path):
    token = ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=")
        for part in (b'{"alg": "RS256"}', b'{"iss": "i", "sub": "s", "exp": 1}', b"signature")
    )
    renewed = token.replace("IjoxfQ", "IjoyfQ")[:-3] + "abc"
    outcome = run(
        jsonl(
            tmp_path / "x.jsonl",
            record({"Authorization": f"Bearer {SECRET}"}),
            record({"x-api-key": SECRET}),
            record({"authorization": f"Bearer {SECRET}x"}),
            record({}, path=f"/v1/chat/completions?key={SECRET}"),
            record({"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE0/20260102/x/y, Signature=1"}),
            record({"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE0/20260103/x/y, Signature=2"}),
            record({"Authorization": f"Bearer {token}"}),
            record({"Authorization": f"Bearer {renewed}"}),
            record({"x-api-key": SECRET}, account_id="named"),
            record({}),
        ),
        into=tmp_path / "o",
    )
    accounts = [row["account_id"] for row in outcome.rows]
    assert accounts[0] == accounts[1] == accounts[3] != accounts[2]
    assert accounts[4] == accounts[5]
    assert accounts[6] == accounts[7]
    assert accounts[8:] == ["named", "unknown"]
    assert outcome.rows[8]["api_key_id"] == accounts[0]
    assert all(account.startswith("key:") for account in accounts[:8])
    assert outcome.result.unknown_accounts == 1


@pytest.mark.parametrize(
    "planted",
    [
        record({"Authorization": f"Bearer {SECRET}"}),
        record({"X-Whatever": SECRET}),
        record({"Cookie": f"a={SECRET}"}),
        record({}, path=f"/v1/chat/completions?api_key={SECRET}&x=1"),
        record({"Proxy-Authorization": "Basic " + SECRET}),
        record({}, api_key=SECRET),
        record({}, nested={"deep": [{"client_secret": SECRET}, f"Bearer {SECRET}"]}),
        record({}, path=f"https://{SECRET}@host/v1/messages"),
        record({}, text=f"line\n{SECRET}"),
        record({"user-agent": f"x {SECRET}"}),
        record({"x-stainless-lang": SECRET}),
        record({}, account_id=SECRET),
        record({}, response={"headers": {"set-cookie": SECRET}}),
        {"ts": TS, "api_key_id": SECRET, "note": SECRET},
        {"ts": TS, "extra": json.dumps({"password": SECRET})},
    ],
)
def test_no_key_survives(tmp_path, planted):
    outcome = run(jsonl(tmp_path / "x.jsonl", planted), into=tmp_path / "o")
    assert outcome.counts.kept == 1
    assert SECRET not in repr(outcome.rows)
    assert SECRET not in repr(outcome.quarantine)
    for part in outcome.result.parts:
        assert SECRET.encode() not in part.read_bytes()


def test_names_that_hold_no_secret_stay():
    held = {
        "max_tokens": 5,
        "prompt_cache_key": "a",
        "idempotency-key": "b",
        "stop_token": "c",
        "author": "d",
        "x-ratelimit-limit-tokens": "9",
        "user_api_key_alias": "e",
        "tokenizer": "f",
        "monkey": "g",
    }
    assert json.loads(encode(held, KEY)) == held


def test_low_entropy_values_are_digested():
    text = encode(
        {
            "contact": "write to jane.doe@example.com now",
            "phone": "+49 30 1234567",
            "n": {"mobile": [49301234567]},
            "escaped": "\njane.doe@example.com",
        },
        KEY,
    )
    assert "jane" not in text
    assert "1234567" not in text
    again = json.loads(text)
    assert again["contact"].startswith("write to email:")
    assert again["phone"] == again["n"]["mobile"][0].replace("49301234567", "") == again["phone"]
    assert again["escaped"].startswith("\nemail:")


def test_paths_keep_what_is_no_secret():
    assert split_path("/v1/x?api-version=2&api-key=abc")[1] == "/v1/x?api-version=2&api-key=<removed>"
    assert split_path("https://u:p@h/v1/x")[:2] == ("/v1/x", "https://h/v1/x")
