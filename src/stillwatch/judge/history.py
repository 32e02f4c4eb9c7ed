"""What each candidate campaign asked hour by hour, beside what everybody else asked: all that its life is read from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.engine import Engine, Relation

__all__ = ["HOUR_US", "History", "Population", "histories", "hour_of", "population"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Population:
    """All exchanges of the logs by hour: ``start`` is the first hour (hours since 1970), ``end_us`` the last exchange;
    ``total`` (hours) and ``by_model`` (hours × models, in the order of ``models``) are counts."""

    start: int
    end_us: int
    models: tuple[str, ...]
    total: Floats
    by_model: Floats

    @property
    def hours(self) -> int:
        """Length of the logs, in hours begun."""
        return len(self.total)

    @property
    def logged(self) -> Floats:
        """1 for every hour that the logs cover, 0 for a gap: where so much comes in an hour, none is no rest."""
        busy = float(np.median(self.total)) >= 20.0
        return (self.total > 0).astype(np.float64) if busy else np.ones(self.hours)


@dataclass(frozen=True)
class History:
    """One campaign by hour, in the hours of its ``Population``.

    ``tasks`` are conversations (exchanges where none is named) begun or continued in an hour, ``by_capability`` the
    same by what was asked for (hours × ``capabilities``); ``exchanges`` and ``by_model`` count exchanges. ``first_us``
    and ``last_us`` are its first and last exchange, µs since 1970, and ``accounts``, ``first``, ``last``, ``sent`` its
    members' ids, first and last exchanges and their numbers.
    """

    campaign: str
    first_us: int
    last_us: int
    tasks: Floats
    exchanges: Floats
    capabilities: tuple[str, ...]
    by_capability: Floats
    by_model: Floats
    accounts: tuple[str, ...]
    first: Ints
    last: Ints
    sent: Ints


def hour_of(hour: float, start: int) -> int:
    """An hour of the series as µs since 1970."""
    return round((start + hour) * HOUR_US)


def population(engine: Engine, staged: Relation) -> Population | None:
    """Everybody's exchanges (schema ``STAGED``) by hour and model; ``None`` where there are none."""
    rows = staged.mutate(hour=staged.ts_us // HOUR_US, named=staged.model.fill_null(""))
    got = engine.arrow(rows.group_by("hour", "named").agg(count=rows.count(), last=rows.ts_us.max()))
    if not got.num_rows:
        return None
    hour = np.asarray(got["hour"], dtype=np.int64)
    models = tuple(sorted(set(got["named"].to_pylist())))
    start = int(hour.min())
    by_model = _counted(hour - start, got["named"], np.asarray(got["count"], dtype=np.float64),
                        int(hour.max()) - start + 1, models)
    return Population(start, int(np.asarray(got["last"]).max()), models, by_model.sum(axis=1), by_model)


def histories(engine: Engine, own: Relation, everybody: Population) -> dict[str, History]:
    """The history of every campaign; ``own`` are attributed exchanges: ``group_id``, ``capability`` and the staged
    columns."""
    rows = own.mutate(hour=own.ts_us // HOUR_US - everybody.start, named=own.model.fill_null(""),
                      asked=own.capability.fill_null("other"),
                      task=own.conversation_id.fill_null(own.exchange_id))
    asked = _by_group(engine.arrow(rows.group_by("group_id", "hour", "asked").agg(count=rows.task.nunique())))
    models = _by_group(engine.arrow(rows.group_by("group_id", "hour", "named").agg(count=rows.count())))
    people = _by_group(engine.arrow(rows.group_by("group_id", "account_id").agg(
        count=rows.count(), first=rows.ts_us.min(), last=rows.ts_us.max())))
    return {name: _history(name, asked[name], models[name], people[name].sort_by("account_id"), everybody)
            for name in sorted(people)}


def _history(name: str, asked: pa.Table, models: pa.Table, people: pa.Table, everybody: Population) -> History:
    hours = everybody.hours
    capabilities = tuple(sorted(set(asked["asked"].to_pylist())))
    by_capability = _counted(np.asarray(asked["hour"]), asked["asked"], np.asarray(asked["count"], dtype=np.float64),
                             hours, capabilities)
    by_model = _counted(np.asarray(models["hour"]), models["named"], np.asarray(models["count"], dtype=np.float64),
                        hours, everybody.models)
    first, last = (np.asarray(people[side], dtype=np.int64) for side in ("first", "last"))
    return History(name, int(first.min()), int(last.max()), by_capability.sum(axis=1), by_model.sum(axis=1),
                   capabilities, by_capability, by_model, tuple(people["account_id"].to_pylist()), first, last,
                   np.asarray(people["count"], dtype=np.int64))


def _by_group(rows: pa.Table) -> Mapping[str, pa.Table]:
    rows = rows.sort_by("group_id")
    names = np.array(rows["group_id"].to_pylist(), dtype=object)
    cuts = np.flatnonzero(names[1:] != names[:-1]) + 1 if len(names) else np.empty(0, dtype=np.int64)
    bounds = [0, *cuts.tolist(), len(names)] if len(names) else [0]
    return {str(names[a]): rows.slice(a, b - a) for a, b in itertools.pairwise(bounds)}


def _counted(hour: Ints, what: pa.ChunkedArray, count: Floats, hours: int, names: Sequence[str]) -> Floats:
    """Counts as a matrix, hours × names."""
    place = {name: number for number, name in enumerate(names)}
    out = np.zeros((hours, len(names)))
    column = np.array([place[name] for name in what.to_pylist()], dtype=np.int64)
    np.add.at(out, (hour, column), count)
    return out
