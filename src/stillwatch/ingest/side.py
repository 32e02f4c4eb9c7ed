"""The tables beside the logs: accounts, launches, agreements. Small, and wrong rows are errors, not quarantine:
a missing account or agreement would silently change who is suspected."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.errors import InputError, UsageError
from stillwatch.ingest.containers import open_source
from stillwatch.ingest.model import BadRecord
from stillwatch.ingest.parquet import ParquetSource
from stillwatch.ingest.values import Unfit, to_bool, to_list, to_micros, to_text
from stillwatch.schema import ACCOUNTS, AGREEMENTS, LAUNCHES, TIMESTAMP, Column, Table, conform
from stillwatch.settings import DeploymentKey, Settings, load_settings

__all__ = ["read_accounts", "read_agreements", "read_launches"]

_Record = dict[str, Any]
_COUNTRIES = frozenset({"country", "billing_country"})
_REMEDY = "correct the file; docs/reference says what each column holds"


def read_accounts(path: str | Path, *, key: DeploymentKey) -> pa.Table:
    """`input.accounts` from Parquet, CSV or JSON, plain or compressed.

    A column `email` is turned into `email_domain` and `email_pattern`, a column `phone` into `phone_hash` under
    the deployment key; neither is kept. Raises ``InputError`` that names file, row and column.
    """

    def prepare(record: _Record, fail: Callable[[str, str], InputError]) -> list[_Record]:
        email, phone = _text(record.pop("email", None)), _text(record.pop("phone", None))
        if email is not None:
            local, at, domain = email.strip().rpartition("@")
            if not at or not local or not domain:
                raise fail("email", "is no e-mail address")
            record["email_domain"] = _text(record.get("email_domain")) or domain.lower()
            record["email_pattern"] = _text(record.get("email_pattern")) or _pattern(local)
        if phone is not None and _text(record.get("phone_hash")) is None:
            digits = "".join(char for char in phone if char.isdigit()).removeprefix("00")
            if not digits:
                raise fail("phone", "holds no digits")
            record["phone_hash"] = key.digest("phone", digits)
        return [record]

    return _read(Path(path), ACCOUNTS, prepare, also=("email", "phone"))


def read_launches(path: str | Path, *, key: DeploymentKey | None = None) -> pa.Table:
    """`input.launches`. Raises ``InputError``; ``key`` is not needed."""
    return _read(Path(path), LAUNCHES, lambda record, fail: [record])


def read_agreements(path: str | Path, *, key: DeploymentKey | None = None) -> pa.Table:
    """`input.agreements`; several permissions in one row become several rows. Raises ``InputError``.

    An end beyond 2100 is read as open, a start before 2000 as always; ``key`` is not needed.
    """

    def prepare(record: _Record, fail: Callable[[str, str], InputError]) -> list[_Record]:
        if _text(record.get("account_id")) is None and _text(record.get("organization")) is None:
            raise fail("account_id", "is missing, and so is organization: the agreement covers nobody")
        for name in ("valid_from", "valid_to"):
            try:
                to_micros(record.get(name))
            except BadRecord as bad:
                if bad.reason == "time_out_of_range":
                    record[name] = None
        try:
            permits = to_list(record.get("permits"))
        except (Unfit, BadRecord):
            permits = None
        wanted: list[str | None] = [*permits] if permits else [None]
        return [{**record, "permits": permit} for permit in wanted]

    return _read(Path(path), AGREEMENTS, prepare)


def _text(value: Any) -> str | None:
    return None if value is None or not str(value).strip() else str(value)


def _pattern(local: str) -> str:
    """The local part with letters as ``a`` and digits as ``9``."""
    return "".join("a" if char.isalpha() else "9" if char.isdigit() else char for char in local)


def _read(path: Path, table: Table, prepare: Callable[[_Record, Callable[[str, str], InputError]], list[_Record]],
          also: tuple[str, ...] = ()) -> pa.Table:
    if not path.is_file():
        raise UsageError(f"there is no file {path}", remedy="check the path")
    columns: dict[str, list[Any]] = {name: [] for name in table.names}
    seen: dict[tuple[Any, ...], tuple[int, tuple[Any, ...]]] = {}
    ignored: set[str] = set()
    for place, record in _records(path):

        def fail(name: str, problem: str, place: int = place) -> InputError:
            return InputError(f"{path}, row {place}: {name} {problem}", remedy=_REMEDY)

        ignored |= record.keys() - set(table.names) - set(also)
        for prepared in prepare(dict(record), fail):
            row = tuple(_value(column, prepared.get(column.name), fail) for column in table.columns)
            identity = tuple(row[table.names.index(name)] for name in table.key) if table.key else row
            before = seen.setdefault(identity, (place, row))
            if before[1] != row:
                raise fail(table.key[0], f"was given before, in row {before[0]}, with other values")
            if before[0] == place and before[1] is row:
                for name, value in zip(table.names, row, strict=True):
                    columns[name].append(value)
    if ignored:
        names = ", ".join(sorted(str(name)[:40] for name in ignored)[:10])
        warnings.warn(f"{path}: ignored, being no columns of {table.name}: {names}", stacklevel=3)
    arrays = {column.name: _array(columns[column.name], column) for column in table.columns}
    return conform(pa.table(arrays), table)


def _array(values: list[Any], column: Column) -> pa.Array:
    if column.type == TIMESTAMP:
        return pa.array(values, pa.int64()).cast(TIMESTAMP)
    return pa.array(values, column.type)


def _value(column: Column, value: Any, fail: Callable[[str, str], InputError]) -> Any:
    """One value in the column's type: text, truth value or microseconds."""
    try:
        if column.type == TIMESTAMP:
            done: Any = None if value is None or value == "" else to_micros(value)
        elif column.type == pa.bool_():
            done = to_bool(value)
        else:
            done = to_text(value)
    except BadRecord as bad:
        raise fail(column.name, f"cannot be read: {bad.reason.replace('_', ' ')}") from None
    except Unfit:
        raise fail(column.name, f"is of the wrong kind; {column.type} is needed") from None
    if isinstance(done, str):
        done = done.strip() or None
    if done is None:
        if column.required:
            raise fail(column.name, "is missing")
        return None
    if column.vocabulary is not None and column.vocabulary.closed:
        done = done.lower()
        if done not in column.vocabulary:
            near = difflib.get_close_matches(done, column.vocabulary.terms, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise fail(column.name, f"is none of {', '.join(column.vocabulary.terms)}{hint}")
    if column.name in _COUNTRIES:
        done = done.upper()
        if len(done) != 2 or not done.isascii() or not done.isalpha():
            raise fail(column.name, "is no ISO 3166-1 alpha-2 code such as DE")
    return done


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    settings = load_settings()
    try:
        source = open_source(path, settings)
    except BadRecord as bad:
        raise InputError(f"{path} cannot be read: {bad.detail or bad.reason}",
                         remedy="give a Parquet, CSV or JSON lines file") from None
    if source.container == "parquet":
        source.stream.close()
        yield from _parquet(path, settings)
        return
    for item in source.items():
        if isinstance(item.value, BadRecord):
            raise InputError(f"{path}, row {item.place}: {item.value.reason.replace('_', ' ')}"
                             f"{f' ({item.value.detail})' if item.value.detail else ''}", remedy=_REMEDY)
        yield item.place, item.value


def _parquet(path: Path, settings: Settings) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        source = ParquetSource(path, settings)
        try:
            for first, batch, _ in source.batches():
                yield from enumerate(batch.to_pylist(), start=first)
        finally:
            source.close()
    except BadRecord as bad:
        raise InputError(f"{path} cannot be read: {bad.detail or bad.reason}", remedy=_REMEDY) from None
    except (ValueError, OverflowError, UnicodeError, pa.ArrowException) as error:
        raise InputError(f"{path} holds values that cannot be read: {type(error).__name__}",
                         remedy=_REMEDY) from None
