"""What a client says of itself: library and platform, read from its user agent and its library's own headers.

Everything here is what a client *claims*; it names a program, never an intent. Two shapes of the headers are read:
``x-stainless-lang=python;…`` as ingest keeps them, and the same without the prefix. Strings are hostile: only the
first ``_LONGEST`` characters are looked at, every pattern is linear, and nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Client", "read_client"]

_LONGEST = 1000
_WORD = 40
_VERSION = re.compile(r"[vV]?(\d{1,6})(?:\.(\d{1,6}))?")
_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9_+.@/-]{0,60}?)/v?(\d[\w.+-]{0,40})")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+.@/-]{0,60}")
_UNSAFE = re.compile(r"[^a-z0-9_+./@-]+")
_HEADERS = ("x-stainless-",)

# Products that say what a library runs on or imitates, not what the library is.
_RUNTIMES = {"python": "python", "cpython": "cpython", "pypy": "pypy", "node": "node", "node.js": "node", "bun": "bun",
             "deno": "deno", "java": "java", "ruby": "ruby", "php": "php", "go": "go", "dotnet": ".net"}
# Browsers are told apart by their most particular token: every one of them also says Mozilla, most say Safari.
_BROWSERS = (("edg", "edge"), ("edga", "edge"), ("edgios", "edge"), ("opr", "opera"), ("samsungbrowser", "samsung"),
             ("crios", "chrome"), ("fxios", "firefox"), ("firefox", "firefox"), ("electron", "electron"),
             ("headlesschrome", "chrome-headless"), ("chrome", "chrome"), ("version", "safari"))
_SYSTEMS = (("android", "android"), ("iphone", "ios"), ("ipad", "ios"), ("windows", "windows"), ("mac os x", "macos"),
            ("macintosh", "macos"), ("macos", "macos"), ("darwin", "macos"), ("freebsd", "freebsd"),
            ("cros", "chromeos"), ("linux", "linux"))
_MACHINES = (("x86_64", "x64"), ("win64", "x64"), ("amd64", "x64"), ("x64", "x64"), ("aarch64", "arm64"),
             ("arm64", "arm64"), ("i686", "x32"), ("x32", "x32"), ("armv7", "arm"))


@dataclass(frozen=True)
class Client:
    """A client's library (name and ``major.minor``) and platform (system, machine, runtime and its ``major.minor``).

    Lower case; empty where nothing is said.
    """

    library: str = ""
    version: str = ""
    system: str = ""
    machine: str = ""
    runtime: str = ""
    runtime_version: str = ""

    @property
    def library_text(self) -> str:
        """Library and version, as ``openai/python 2.30``; empty where the library is not known."""
        return f"{self.library} {self.version}".strip() if self.library else ""

    @property
    def platform_text(self) -> str:
        """System, machine, runtime and version, as ``linux x64 cpython 3.11``; empty where none is known."""
        return " ".join(filter(None, (self.system, self.machine, self.runtime, self.runtime_version)))


@lru_cache(maxsize=65_536)
def read_client(sdk: str | None, user_agent: str | None) -> Client:
    """What the two strings together say; what a library's own headers say goes before the user agent. Never raises."""
    headers = _headers((sdk or "")[:_LONGEST])
    agent = _agent((user_agent or "")[:_LONGEST])
    library, version = agent.library, agent.version
    language = _clean(headers.get("lang", ""))
    if language and (not library or library in _RUNTIMES.values()):
        library, version = f"sdk/{language}", ""
    if headers.get("package-version") and (not version or library.endswith("/" + language)):
        version = _short(headers["package-version"])
    if not library:
        library, version = _other_libraries(headers)
    return Client(
        library, version,
        _system(headers.get("os", "")) or agent.system,
        _machine(headers.get("arch", "")) or agent.machine,
        _clean(headers.get("runtime", "")) or agent.runtime,
        _short(headers.get("runtime-version", "")) or agent.runtime_version,
    )


@lru_cache(maxsize=65_536)
def _headers(text: str) -> Mapping[str, str]:
    """Headers joined by ``;`` as a mapping without their prefix; the first of each name, unknown ones dropped."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        for prefix in _HEADERS:
            name = name.removeprefix(prefix)
        value = value.strip()
        if equals and value and value.lower() not in ("unknown", "other:unknown"):
            found.setdefault(name, value)
    return found


def _other_libraries(headers: Mapping[str, str]) -> tuple[str, str]:
    """The library in headers of cloud SDKs (``gl-python/3.11 gapic/1.2``, ``aws-sdk-js/3.3``) or a protocol version."""
    for name in ("x-goog-api-client", "x-amz-user-agent", "x-ms-useragent"):
        products = _products(headers.get(name, ""))
        if products:
            return _clean(products[0][0]), _short(products[0][1])
    return "", ""


@lru_cache(maxsize=65_536)
def _agent(text: str) -> Client:
    """Library and platform of a user agent: products (``name/version``) outside brackets, the system inside them."""
    plain, comments = _split_comments(text)
    products = _products(plain)
    names = {name.lower(): version for name, version in products}
    about = (comments or text).lower()
    system, machine = _system(about), _machine(about)
    runtimes = [(_RUNTIMES[name], _short(version)) for name, version in names.items() if name in _RUNTIMES]
    runtime, runtime_version = runtimes[0] if runtimes else ("", "")
    if "mozilla" in names:
        for token, browser in _BROWSERS:
            if token in names:
                return Client(browser, _short(names[token]), system, machine, runtime, runtime_version)
    first = next(((n, v) for n, v in products if n.lower() not in _RUNTIMES), None)
    if first is None:
        # A program that names no version, or a runtime that is all there is.
        bare = _NAME.match(plain.strip())
        alone = (bare.group(), "") if bare and not products else ("", "")
        first = products[0] if products else alone
    return Client(_clean(first[0]), _short(first[1]), system, machine, runtime, runtime_version)


def _split_comments(text: str) -> tuple[str, str]:
    """A user agent without its bracketed comments, and the comments; brackets need not match."""
    outside: list[str] = []
    inside: list[str] = []
    depth = 0
    for char in text:
        if char == "(":
            depth += 1
            inside.append(" ")
        elif char == ")":
            depth = max(0, depth - 1)
        else:
            (inside if depth else outside).append(char)
    return "".join(outside), "".join(inside).strip()


def _products(text: str) -> list[tuple[str, str]]:
    """``name/version`` tokens in their order; a bare version after a name that holds a slash (``Name/Lang 1.2``) is
    that name's."""
    found: list[tuple[str, str]] = []
    words = text.split()
    for place, word in enumerate(words):
        whole = _PRODUCT.fullmatch(word)
        if whole:
            found.append((whole.group(1), whole.group(2)))
        elif "/" in word and place + 1 < len(words) and _NAME.fullmatch(word) and _VERSION.match(words[place + 1]):
            found.append((word, words[place + 1]))
    return found


def _short(version: str) -> str:
    """``major.minor`` of a version, or the major alone; empty where there is none."""
    match = _VERSION.match(version.strip())
    return ".".join(part for part in match.groups() if part is not None) if match else ""


def _clean(word: str) -> str:
    """A name as it is shown and compared: lower case, plain characters, short. Its asynchronous twin is the same
    library: how it is called is kept by the finer levels."""
    word = _UNSAFE.sub("_", word.strip().lower()[:_WORD])
    return word.removeprefix("async") if "/" in word and len(word) > len("async/x") else word


def _system(text: str) -> str:
    lower = text.lower()
    return next((system for token, system in _SYSTEMS if token in lower), "")


def _machine(text: str) -> str:
    lower = text.lower()
    return next((machine for token, machine in _MACHINES if token in lower), "")
