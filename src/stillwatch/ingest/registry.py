"""Which formats there are: the built-in ones, and those of third parties by entry point."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.metadata import entry_points

from stillwatch.errors import UsageError
from stillwatch.ingest.azure import AzureFormat
from stillwatch.ingest.bedrock import BedrockFormat
from stillwatch.ingest.envoy import EnvoyFormat
from stillwatch.ingest.http import HttpFormat
from stillwatch.ingest.kong import KongFormat
from stillwatch.ingest.litellm import LiteLLMFormat
from stillwatch.ingest.model import Format
from stillwatch.ingest.native import NativeFormat
from stillwatch.ingest.ocsf import OcsfFormat
from stillwatch.ingest.otel import OpenTelemetryFormat

__all__ = ["GROUP", "format_named", "formats"]

GROUP = "stillwatch.formats"
_BUILT_IN: tuple[Format, ...] = (NativeFormat(), HttpFormat(), LiteLLMFormat(),
                                  OpenTelemetryFormat(), BedrockFormat(), KongFormat(), EnvoyFormat(), AzureFormat(),
                                  OcsfFormat())


def formats() -> Mapping[str, Format]:
    """Every format by name, built-in ones first, the others in order of name.

    A third party's format that cannot be loaded, or that takes a name already taken, is left out with a
    warning; it does not keep the others from working.
    """
    found: dict[str, Format] = {format.name: format for format in _BUILT_IN}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            loaded = entry.load()
            made = loaded() if isinstance(loaded, type) else loaded
            if not isinstance(made, Format):
                raise TypeError("it lacks name, looks_like, recognises, parse or examples")
            if made.name in found:
                raise ValueError(f"there is a format {made.name!r} already")
        except Exception as error:
            warnings.warn(f"the format {entry.name!r} ({entry.value}) is left out: {type(error).__name__}: {error}",
                          stacklevel=2)
            continue
        found[made.name] = made
    return found


def format_named(name: str) -> Format:
    """The format of that name. Raises ``UsageError``."""
    known = formats()
    if name not in known:
        raise UsageError(f"no format is called {name!r}", remedy=f"use one of: {', '.join(known)}")
    return known[name]
