"""Families of kinds of sightings, as the user declares them in a small YAML or JSON file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stillwatch.errors import InputError, UsageError
from stillwatch.schema import FAMILY_OF

__all__ = ["SECRET_KINDS", "Families", "read_families"]

SECRET_KINDS = frozenset({"ip", "prefix", "payment", "email_pattern", "phone", "device", "referral", "signup_ip",
                          "template", "system_prompt"})
"""Kinds whose values a scan keeps as keyed digests only, and so does linking anybody's own sightings."""

_MAX_BYTES = 1 << 20
_FIELDS = ("family", "level", "secret")
_LONGEST = 60
_HIGHEST = 100
_EXAMPLE = "write one line a kind, such as `wallet: {family: payment, level: 2}`"


@dataclass(frozen=True)
class Families:
    """``of`` gives each known kind its family and level, ``declared`` are the kinds that the file spoke of, and
    ``secret`` those whose values are digested."""

    of: Mapping[str, tuple[str, int]] = field(default_factory=lambda: dict(FAMILY_OF))
    declared: frozenset[str] = frozenset()
    secret: frozenset[str] = SECRET_KINDS


def read_families(path: Path | None) -> Families:
    """The built-in families, with what the file adds to them or puts in their place.

    Raises ``UsageError`` where there is no such file and ``InputError``, which names the kind, for what is wrong in it.
    """
    if path is None:
        return Families()
    declared = _load(path)
    of, secret = dict(FAMILY_OF), set(SECRET_KINDS)
    for kind, given in declared.items():
        name = str(kind)
        if not _named(kind):
            raise InputError(f"{path}: {name[:_LONGEST]!r} cannot be the name of a kind", remedy=_EXAMPLE)
        family, level, hidden = _entry(name, given, path)
        of[name] = (family, level)
        if hidden is not None:
            secret = secret | {name} if hidden else secret - {name}
    return Families(of, frozenset(map(str, declared)), frozenset(secret))


def _load(path: Path) -> Mapping[Any, Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the families file {path} cannot be read: {error.strerror}",
                         remedy="give the path of a YAML or JSON file") from error
    try:
        if len(text) > _MAX_BYTES:
            raise ValueError
        loaded = yaml.safe_load(text.decode("utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"the families file {path} is neither YAML nor JSON", remedy=_EXAMPLE) from error
    if not isinstance(loaded, Mapping) or not loaded:
        raise InputError(f"the families file {path} declares no kinds", remedy=_EXAMPLE)
    return loaded


def _entry(kind: str, given: Any, path: Path) -> tuple[str, int, bool | None]:
    """Family, level and secrecy of one kind; ``wallet: payment`` is short for the family alone."""
    entry = {"family": given} if isinstance(given, str) else given
    place = f"{path}, kind {kind}"
    if not isinstance(entry, Mapping):
        raise InputError(f"{place}: no family is given", remedy=_EXAMPLE)
    for name in entry:
        if name not in _FIELDS:
            near = difflib.get_close_matches(str(name), _FIELDS, n=1)
            raise InputError(f"{place}: {str(name)[:_LONGEST]!r} means nothing here",
                             remedy=f"did you mean {near[0]}?" if near else f"the fields are: {', '.join(_FIELDS)}")
    family, level, secret = entry.get("family", kind), entry.get("level", 1), entry.get("secret")
    if not _named(family):
        raise InputError(f"{place}: the family is no short name", remedy=_EXAMPLE)
    if isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= _HIGHEST:
        raise InputError(f"{place}: the level is no whole number from 1 to {_HIGHEST}",
                         remedy="give 1 to the coarsest kind of a family, 2 to the next finer one, and so on")
    if secret is not None and not isinstance(secret, bool):
        raise InputError(f"{place}: secret is neither true nor false",
                         remedy="write `secret: true` to keep the values as keyed digests only")
    return str(family), level, secret


def _named(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _LONGEST and name.isprintable() and name == name.strip()
