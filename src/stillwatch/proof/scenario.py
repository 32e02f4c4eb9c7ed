"""Scenario files: YAML, validated; an error names the file, the line and what to write instead."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator

from stillwatch.errors import InputError, UsageError
from stillwatch.proof.actors import ACTORS
from stillwatch.proof.draws import generator
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.schema import ACCOUNTS, EXCHANGES

# Ten times the traffic is two and a half times as many groups, four times as large.
_MORE = 0.4
# The parser in C, where PyYAML was built with it: scenarios are read in a quarter of the time.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

__all__ = ["Model", "Scenario", "load", "read", "shipped"]


_KEPT = ("ts", "exchange_id", "account_id")
_WITHHELD = tuple(dict.fromkeys(name for name in (*EXCHANGES.names, *ACCOUNTS.names) if name not in _KEPT))


def _can_be_withheld(name: str) -> str:
    if name in _KEPT:
        raise ValueError(f"{name} cannot be withheld: the labels are found by it")
    if name not in _WITHHELD:
        close = difflib.get_close_matches(name, _WITHHELD, 1)
        raise ValueError(f"neither exchanges nor accounts have a column {name!r}"
                         + (f"; did you mean {close[0]}?" if close else ""))
    return name


class Model(BaseModel):
    """A model that the simulated provider serves; names are invented."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    weight: float = Field(1.0, gt=0, description="how popular it is")
    reasoning: bool = Field(False, description="whether it reasons before it answers")
    released_on_day: float | None = Field(None, ge=0, description="day of release; served before where not given")


class Scenario(BaseModel):
    """A scenario: who sends what, when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$")
    summary: str = Field(min_length=1, max_length=120, description="one line")
    description: str = Field("", description="what it is for")
    start: dt.date
    days: int = Field(ge=1, le=1000)
    prompts: Literal["A", "B"] = Field("A", description="half of the shipped prompts")
    retries: Share = Field(0.004, description="share of exchanges that a client sends twice")
    adoption_hours: float = Field(96.0, gt=0, le=10_000, description="hours after its release within which accounts"
                                  " take up a new model")
    casts: dict[str, float] = Field({}, description="shipped casts of ordinary customers and look-alikes, which join"
                                    " the actors, with their sizes")
    withhold: tuple[Annotated[str, AfterValidator(_can_be_withheld)], ...] = Field(
        (), description="names of columns of exchanges or accounts that these logs lack (see docs/reference/tables.md)")
    models: tuple[Model, ...] = Field(min_length=1)
    actors: tuple[SerializeAsAny[ActorParameters], ...] = Field(min_length=1)

    @field_validator("models")
    @classmethod
    def _served_from_the_start(cls, models: tuple[Model, ...]) -> tuple[Model, ...]:
        if all(model.released_on_day is not None for model in models):
            raise ValueError("at least one model must be served from the start: leave out its released_on_day")
        if len({model.name for model in models}) < len(models):
            raise ValueError("two models have the same name")
        return models

    @field_validator("actors", mode="before")
    @classmethod
    def _by_kind(cls, actors: Any) -> Any:
        """Each actor is validated by the parameters of its kind (see ``_parse``, which reports each line)."""
        if not isinstance(actors, (list, tuple)):
            return actors
        out = []
        for actor in actors:
            kind = actor.get("actor") if isinstance(actor, dict) else None
            out.append(ACTORS[kind].Parameters.model_validate(actor) if kind in ACTORS else actor)
        return out

    @field_validator("actors")
    @classmethod
    def _named_apart(cls, actors: tuple[ActorParameters, ...]) -> tuple[ActorParameters, ...]:
        names = [actor.name for actor in actors]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two actors are called {name!r}")
        there: dict[str, str] = {}
        for actor in actors:
            host = getattr(actor, "network", None) if actor.actor == "campaign" else None
            if host is not None and there.get(host) != "proxy_network":
                raise ValueError(f"{actor.name} uses the network {host!r}, and no proxy_network of that name stands"
                                 " before it")
            there[actor.name] = actor.actor
        return actors

    def cast(self, seed: int, scale: float) -> tuple[ActorParameters, ...]:
        """The actors at a scale; one that comes in copies stands as often as the scale has it, numbered."""
        out: list[ActorParameters] = []
        for actor in self.actors:
            if actor.copies is None:
                out.append(actor)
                continue
            for number in range(1, max(1, round(actor.copies * scale**_MORE)) + 1):
                size = scale ** (1.0 - _MORE) * float(np.exp(
                    actor.vary * generator(seed, actor.name, str(number)).normal()))
                out.append(actor.model_copy(update={
                    "name": f"{actor.name} {number}", "accounts": max(1, round(actor.accounts * size)),
                    "exchanges": max(1, round(actor.exchanges * size))}))
        return tuple(out)


def shipped() -> list[str]:
    """Names of the shipped scenarios."""
    folder = resources.files("stillwatch") / "data/scenarios"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(scenario: str | Path) -> Scenario:
    """A shipped scenario by name, or a scenario file.

    Raises ``UsageError`` for an unknown name and ``InputError`` for a bad file.
    """
    path = Path(scenario)
    if isinstance(scenario, str) and scenario in shipped():
        text = (resources.files("stillwatch") / f"data/scenarios/{scenario}.yaml").read_text("utf-8")
        return read(text, f"{scenario}.yaml")
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            return read(path.read_text("utf-8"), str(path))
        except FileNotFoundError as error:
            raise UsageError(f"scenario file {path} does not exist", remedy="check the path") from error
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"scenario file {path} cannot be read: {type(error).__name__}",
                             remedy="give a readable file in UTF-8") from error
    close = difflib.get_close_matches(str(scenario), shipped(), 1)
    raise UsageError(f"no scenario is called {str(scenario)!r}",
                     remedy=(f"did you mean {close[0]}?" if close else f"shipped: {', '.join(shipped())};")
                     + " a file of your own must end in .yaml")


def read(text: str, source: str) -> Scenario:
    """Validate a scenario's text; ``source`` is its name in errors."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{source}{line}: not valid YAML: {getattr(error, 'problem', None) or 'unreadable'}",
                         remedy="check indentation, quotes and colons on that line") from error
    if node is None or not isinstance(data, dict):
        raise InputError(f"{source}, line 1: a scenario is a mapping",
                         remedy="start with name:, summary:, start:, days:, models: and actors:")
    return _parse(data, node, source)


def _parse(data: dict[str, Any], node: yaml.Node, source: str) -> Scenario:
    names: set[str] = set()
    data = data | {"actors": [*(data.get("actors") or []), *_from_casts(data.get("casts") or {}, node, source)]}
    for number, actor in enumerate(data["actors"]):
        place: tuple[int | str, ...] = ("actors", number)
        kind = actor.get("actor") if isinstance(actor, dict) else None
        if kind not in ACTORS:
            close = difflib.get_close_matches(str(kind), ACTORS, 1)
            raise InputError(
                f"{source}, line {_line(node, (*place, 'actor'))}: no actor is called {str(kind)!r}",
                remedy=f"did you mean {close[0]}?" if close else f"use one of: {', '.join(sorted(ACTORS))}")
        try:
            ACTORS[kind].Parameters.model_validate(actor)
        except ValidationError as error:
            raise _explained(error, ACTORS[kind].Parameters, node, place, source) from error
        if actor["name"] in names:
            raise InputError(f"{source}, line {_line(node, (*place, 'name'))}: two actors are called {actor['name']!r}",
                             remedy="give each a name of its own: it is the group's name in the labels")
        names.add(actor["name"])
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise _explained(error, Scenario, node, (), source) from error


def _from_casts(casts: Any, node: yaml.Node, source: str) -> list[dict[str, Any]]:
    """The actors of the shipped casts that a scenario asks for, each cast at a size of its own."""
    out: list[dict[str, Any]] = []
    line = _line(node, ("casts",))
    if not isinstance(casts, dict):
        raise InputError(f"{source}, line {line}: casts maps a cast's name to its size", remedy="casts: {town: 1}")
    for name, size in casts.items():
        file = resources.files("stillwatch") / f"data/scenarios/casts/{name}.yaml"
        if not re.fullmatch(r"[a-z_]+", str(name)) or not file.is_file():
            raise InputError(f"{source}, line {line}: no cast is called {str(name)!r}",
                             remedy=f"shipped: {', '.join(_casts())}")
        if not isinstance(size, int | float) or not 0 < size <= 1_000_000:
            raise InputError(f"{source}, line {line}: the size of {name} is not a number above 0",
                             remedy="casts: {town: 1}")
        for actor in yaml.load(file.read_text("utf-8"), Loader=_Loader):  # noqa: S506
            share = {"accounts": size, "exchanges": size}
            if "copies" in actor:
                share = {"accounts": size ** (1 - _MORE), "exchanges": size ** (1 - _MORE), "copies": size**_MORE}
            out.append(actor | {key: value if key == "copies" else max(1, round(value))
                                for key, value in ((key, actor[key] * times) for key, times in share.items())})
    return out


def _casts() -> list[str]:
    folder = resources.files("stillwatch") / "data/scenarios/casts"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def _explained(error: ValidationError, model: type[BaseModel], node: yaml.Node, place: tuple[int | str, ...],
               source: str) -> InputError:
    """The first fault, with its line and a way out."""
    first = error.errors()[0]
    where = tuple(part for part in first["loc"] if isinstance(part, (int, str)))
    name = ".".join(str(part) for part in (*place, *where)) or "scenario"
    line = _line(node, (*place, *where))
    fields = model.model_fields
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(where[-1]), fields, 1)
        remedy = f"did you mean {close[0]}?" if close else f"known here: {', '.join(fields)}"
        return InputError(f"{source}, line {line}: {name} is not a parameter", remedy=remedy)
    if first["type"] == "missing":
        about = fields[str(where[0])].description if len(where) == 1 and where[0] in fields else None
        return InputError(f"{source}, line {line}: {name} is missing",
                          remedy=f"add {where[-1]}:" + (f" ({about})" if about else ""))
    message = first["msg"].removeprefix("Value error, ")
    known = fields.get(str(where[0])) if where else None
    remedy = f"{where[0]}: {known.description}" if known is not None and known.description else "correct the value"
    return InputError(f"{source}, line {line}: {name}: {message[:1].lower()}{message[1:]}", remedy=remedy)


def _line(node: yaml.Node, path: tuple[int | str, ...]) -> int:
    """Line of the deepest node on the way that exists, from 1."""
    line = node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                return line
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line
