"""Any other log, by a mapping: a YAML or JSON file that says which field is which column.

A path is names joined by dots, with list places in brackets, counted from 0 or, negative, from the end:
``request.headers.x-forwarded-for``, ``body.messages[-1].content``. A dot or bracket that belongs to a name is
escaped with a backslash. Several paths in a list: the first that holds something counts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stillwatch.errors import InputError, UsageError
from stillwatch.ingest.content import text_of, tool_names
from stillwatch.ingest.headers import client_address
from stillwatch.ingest.model import BadRecord, Example, OutOfScope, Row
from stillwatch.schema import EXCHANGES
from stillwatch.settings import DeploymentKey

__all__ = ["MappedFormat"]

_Step = str | int
_Path = tuple[_Step, ...]
_STEP = re.compile(r"((?:[^.\[\]\\]|\\.)+)|\[(-?[0-9]{1,9})\]")
_MAX_BYTES = 1 << 20
_TEXTS = frozenset({"prompt", "system_prompt", "response"})


class MappedFormat:
    """Records read by a mapping."""

    name = "mapping"

    def __init__(self, paths: Mapping[str, Sequence[_Path]]) -> None:
        self._paths = paths
        self.looks_like = "the fields that the mapping names"

    @classmethod
    def load(cls, path: Path) -> MappedFormat:
        """Read a mapping. Raises ``UsageError`` if it is not there, ``InputError`` for what is wrong in it."""
        try:
            text = path.read_bytes()
        except OSError as error:
            raise UsageError(f"the mapping {path} cannot be read: {error.strerror}",
                             remedy="give the path of a YAML or JSON file") from error
        try:
            if len(text) > _MAX_BYTES:
                raise ValueError
            loaded = yaml.safe_load(text.decode("utf-8-sig"))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError(f"the mapping {path} is neither YAML nor JSON", remedy="write one line a column, such"
                             " as `prompt: body.messages[-1].content`") from error
        return cls(_checked(loaded, path))

    def recognises(self, record: Mapping[str, Any]) -> int:
        """The user says so."""
        return 100

    def parse(self, record: Mapping[str, Any], key: DeploymentKey) -> Row | OutOfScope:
        """Look every column up; all other fields stay in ``extra``."""
        row: Row = {}
        rest: Any = dict(record)
        for column, paths in self._paths.items():
            for path in paths:
                value = _find(record, path)
                if value is not None:
                    row[column] = _fitted(column, value)
                    rest = _without(rest, path)
                    break
        if not row:
            raise BadRecord("unrecognised_record", "no field that the mapping names")
        extra = row.pop("extra", None)
        if isinstance(extra, Mapping):
            rest = {**extra, **rest}
        elif extra is not None:
            rest = {**rest, "extra": extra}
        row["extra"] = rest
        return row

    def examples(self) -> Sequence[Example]:
        """None: a mapping is the user's own."""
        return ()


def _fitted(column: str, value: Any) -> Any:
    """Structured values brought into the column's shape where there is one way to do it."""
    if column in _TEXTS and not isinstance(value, str):
        return text_of(value) or value
    if column == "tools" and isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return tool_names(value)
    if column == "ip" and isinstance(value, str):
        return client_address(value, {"x-forwarded-for": value}) or value
    return value


def _checked(loaded: Any, file: Path) -> dict[str, list[_Path]]:
    if isinstance(loaded, Mapping) and isinstance(loaded.get("columns"), Mapping):
        loaded = loaded["columns"]
    if not isinstance(loaded, Mapping) or not loaded:
        raise InputError(f"the mapping {file} names no columns", remedy="write one line a column, such as"
                         " `prompt: body.messages[-1].content`")
    paths: dict[str, list[_Path]] = {}
    for column, given in loaded.items():
        if column not in EXCHANGES.by_name:
            near = difflib.get_close_matches(str(column), EXCHANGES.names, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"the mapping {file} names an unknown column {str(column)[:60]!r}",
                             remedy=f"{hint}the columns are: {', '.join(EXCHANGES.names)}")
        wanted = given if isinstance(given, list) else [given]
        if not wanted or not all(isinstance(path, str) and path for path in wanted):
            raise InputError(f"the mapping {file} gives no path for {column}",
                             remedy="give a path such as request.body.model, or a list of paths")
        paths[column] = [_path(path, column, file) for path in wanted]
    if "ts" not in paths:
        raise InputError(f"the mapping {file} has no ts", remedy="say which field holds the time of the request, as"
                         " in `ts: timestamp`; it is the only column that must be there")
    return paths


def _path(text: str, column: str, file: Path) -> _Path:
    steps: list[_Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (steps and found.group(1) and text[at - 1] != "."):
            break
        steps.append(int(found.group(2)) if found.group(2) else re.sub(r"\\(.)", r"\1", found.group(1)))
        at = found.end()
        if text[at : at + 1] == "." and at + 1 < len(text):
            at += 1
    if at < len(text) or not steps or isinstance(steps[0], int):
        raise InputError(f"the mapping {file} has a path for {column} that cannot be read: {text[:100]!r}",
                         remedy="join names with dots and put list places in brackets: body.messages[-1].content;"
                         " write \\. for a dot that belongs to a name")
    return tuple(steps)


def _find(value: Any, path: _Path) -> Any:
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return None
            value = value[step]
        else:
            if not isinstance(value, Mapping):
                return None
            value = _field(value, step)
    return value


def _field(value: Mapping[str, Any], name: str) -> Any:
    """A field by name; header names are looked for without regard to case."""
    if name in value:
        return value[name]
    lower = name.lower()
    return next((item for key, item in value.items() if isinstance(key, str) and key.lower() == lower), None)


def _without(value: Any, path: _Path) -> Any:
    """A copy without the field at the path; lists stay whole, their places have meaning."""
    step = path[0]
    if isinstance(step, int) or not isinstance(value, Mapping):
        return value
    name = step if step in value else next(
        (key for key in value if isinstance(key, str) and key.lower() == step.lower()), None)
    if name is None:
        return value
    if len(path) == 1:
        return {key: item for key, item in value.items() if key != name}
    return {key: _without(item, path[1:]) if key == name else item for key, item in value.items()}
