"""What a client says of itself: real strings of captured programs, and hostile ones."""

from __future__ import annotations

import gzip
import json
import time
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.ingest.headers import fingerprint, headers_of
from stillwatch.observe.clients import read_client

STAINLESS = ("x-stainless-arch=x64;x-stainless-async=async:asyncio;x-stainless-lang=python;x-stainless-os=Linux;"
             "x-stainless-package-version=2.30.0;x-stainless-runtime=CPython;x-stainless-runtime-version=3.11.7")
CHROME = ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
          " Safari/537.36")


@pytest.mark.parametrize(("sdk", "agent", "library", "platform"), [
    (STAINLESS, "AsyncOpenAI/Python 2.30.0", "openai/python 2.30", "linux x64 cpython 3.11"),
    (STAINLESS.replace("x-stainless-", ""), "OpenAI/Python 2.30.0", "openai/python 2.30", "linux x64 cpython 3.11"),
    (STAINLESS, None, "sdk/python 2.30", "linux x64 cpython 3.11"),
    (STAINLESS, "curl/7.88.1", "curl 7.88", "linux x64 cpython 3.11"),
    ("anthropic-version=2023-06-01", "litellm/1.106.2", "litellm 1.106", ""),
    ("lang=js;os=MacOS;arch=arm64;package-version=6.49.0;runtime=node;runtime-version=v22.11.0", "OpenAI/JS 6.49.0",
     "openai/js 6.49", "macos arm64 node 22.11"),
    ("x-goog-api-client=gapic/1.2.3 gl-python/3.11.4", None, "gapic 1.2", ""),
    (None, "Python/3.11 aiohttp/3.13.5", "aiohttp 3.13", "python 3.11"),
    (None, "python-requests/2.34.2", "python-requests 2.34", ""),
    (None, "node", "node", ""),
    (None, "Boto3/1.34.1 md/Botocore#1.34.1 ua/2.0 os/linux#5.15 md/arch#x86_64 lang/python#3.11.6", "boto3 1.34",
     "linux x64"),
    (None, "Go-http-client/2.0", "go-http-client 2.0", ""),
    (None, CHROME, "chrome 142.0", "windows x64"),
    (None, CHROME + " Edg/142.1.2.3", "edge 142.1", "windows x64"),
    (None, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
           " Version/18.2 Mobile/15E148 Safari/604.1", "safari 18.2", "ios"),
    (None, "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0", "firefox 147.0", "linux x64"),
    (None, None, "", ""), ("", "", "", ""), (";;=;", "((((", "", ""), ("lang=", "/", "", ""),
])
def test_known_clients(sdk, agent, library, platform):
    client = read_client(sdk, agent)
    assert (client.library_text, client.platform_text) == (library, platform)


def test_every_captured_program_is_read():
    """Requests that nine real programs sent: each says a library, and those of the SDKs their whole platform."""
    seen = set()
    folder = resources.files("stillwatch") / "data" / "captures"
    for file in folder.iterdir():
        if file.name.endswith(".gz"):
            for line in gzip.decompress(file.read_bytes()).decode().splitlines():
                headers, _ = headers_of(json.loads(line)["headers"])
                client = read_client(fingerprint(headers), headers.get("user-agent"))
                assert client.library, headers
                if "x-stainless-os" in headers:
                    # The headers and the agent must agree on what they both say.
                    assert client.version == ".".join(headers["x-stainless-package-version"].split(".")[:2])
                    assert client.platform_text.startswith("linux x64 ")
                seen.add(client.library)
    assert {"openai/python", "anthropic/python", "openai/js", "anthropic/js", "aiohttp", "litellm", "node"} <= seen


def test_a_library_is_coarser_than_its_strings():
    """Patch versions and calling asynchronously make one library; another minor version another."""
    first = read_client(None, "OpenAI/Python 2.30.0").library_text
    assert read_client(None, "AsyncOpenAI/Python 2.30.7").library_text == first
    assert read_client(None, "OpenAI/Python 2.31.0").library_text != first


@given(st.none() | st.text(max_size=300), st.none() | st.text(max_size=300))
def test_never_raises_and_says_only_plain_words(sdk, agent):
    client = read_client(sdk, agent)
    for text in (client.library_text, client.platform_text):
        assert len(text) < 150
        assert all(char.isprintable() and char.isascii() for char in text)


@pytest.mark.parametrize("piece", ["(", ")", "a/1", "a/", "/", "=;", "x-stainless-", "Mozilla/5.0 (", "1.", " ", "v9",
                                   "a" * 59 + "/", "\0", "aA/1 1.1 "])
def test_long_strings_take_no_time(piece):
    text = piece * (2_000_000 // len(piece))
    read_client.cache_clear()
    started = time.process_time()
    read_client(text, text)
    assert time.process_time() - started < 0.2
