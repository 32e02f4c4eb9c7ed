"""From parsed values to a batch of `work.ingested`: validated, identified and digested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.ingest.columns import Problems, column_array
from stillwatch.ingest.credentials import CREDENTIAL_PREFIX, credential_digest, looks_like_credential, scrub_text
from stillwatch.ingest.digests import row_digests, text_digests
from stillwatch.ingest.extras import encode
from stillwatch.ingest.model import BadRecord
from stillwatch.schema import EXCHANGES, INGESTED
from stillwatch.settings import DeploymentKey

__all__ = ["UNKNOWN", "Built", "Places", "as_extra", "build"]

UNKNOWN = "unknown"
_CONTENT = tuple(name for name in EXCHANGES.names if name != "exchange_id")


# Columns that clients write what they like into, a key by mistake included. Texts are content: not ours to change.
_SCRUBBED = ("end_user_id", "channel", "region", "user_agent", "sdk", "ja4", "model", "operation", "reasoning_effort",
             "response_format", "conversation_id")


@dataclass(frozen=True)
class Places:
    """Where each row of a batch comes from: number of its file, line or row in it."""

    files: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    identity: Callable[[int], str]


@dataclass
class Built:
    """A batch of `work.ingested` with the rows that did not make it, by index into what was given."""

    batch: pa.RecordBatch
    bad: Mapping[int, BadRecord]
    set_aside: Counter[str] = field(default_factory=Counter)


def build(columns: Mapping[str, Sequence[Any] | pa.Array], places: Places, key: DeploymentKey) -> Built:
    """Validate a batch. ``columns`` maps names of `input.exchanges` to as many values as there are places.

    ``extra`` is a sequence of dicts, texts or nulls. A column that is not given is null.
    """
    problems = Problems()
    arrays: dict[str, pa.Array] = {}
    for name in EXCHANGES.names:
        if name == "extra":
            continue
        given = columns.get(name)
        if given is None and name != "ts":
            arrays[name] = pa.nulls(len(places.rows), EXCHANGES.by_name[name].type)
        else:
            values = [None] * len(places.rows) if given is None else given
            arrays[name] = column_array(name, values, problems)
    arrays["extra"] = _extra(columns.get("extra"), problems, key, len(places.rows))
    keep = _keep(problems, len(places.rows))
    set_aside = Counter(name for row, aside in sorted(problems.aside.items()) if row not in problems.bad
                        for name in sorted(aside))
    files, rows = places.files, places.rows
    if keep is not None:
        arrays = {name: array.filter(keep) for name, array in arrays.items()}
        mask = keep.to_numpy(zero_copy_only=False)
        files, rows = files[mask], rows[mask]
    for name in _SCRUBBED:
        arrays[name] = _distinct(arrays[name], _scrubbed)
    arrays["api_key_id"] = _hide_keys(arrays["api_key_id"], key)
    arrays["account_id"] = _account(_hide_keys(arrays["account_id"], key), arrays["api_key_id"], key)
    arrays["exchange_id"] = _identify(arrays["exchange_id"], Places(files, rows, places.identity))
    return Built(_finish(arrays, files, rows, key), problems.bad, set_aside)


def _finish(arrays: Mapping[str, pa.Array], files: npt.NDArray[np.int32], rows: npt.NDArray[np.int64],
            key: DeploymentKey) -> pa.RecordBatch:
    done = [arrays[name] for name in EXCHANGES.names]
    done += [
        pa.array(files, pa.int32()),
        pa.array(rows, pa.int64()),
        text_digests(arrays["exchange_id"], key, "exchange_id"),
        row_digests([arrays[name] for name in _CONTENT], _CONTENT, key),
    ]
    return pa.RecordBatch.from_arrays(done, schema=INGESTED.arrow)


def _keep(problems: Problems, rows: int) -> pa.Array | None:
    if not problems.bad:
        return None
    keep = np.ones(rows, bool)
    keep[list(problems.bad)] = False
    return pa.array(keep)


def _extra(given: Sequence[Any] | pa.Array | None, problems: Problems, key: DeploymentKey, rows: int) -> pa.Array:
    """Encode what no column holds, with the values that were set aside."""
    if given is None and not problems.aside:
        return pa.nulls(rows, pa.string())
    values: Sequence[Any] = [None] * rows if given is None else given
    done: list[str | None] = [None] * rows
    for row, value in enumerate(values):
        if row in problems.bad:
            continue
        aside = problems.aside.get(row)
        if value is None and aside is None:
            continue
        try:
            extra = as_extra(value)
            if aside:
                extra = {**extra, **{_free(name, extra): item for name, item in aside.items()}}
            done[row] = encode(extra, key)
        except BadRecord as bad:
            problems.refuse(row, BadRecord(bad.reason, bad.detail or "extra"))
    return pa.array(done, pa.string())


def _free(name: str, extra: Mapping[str, Any]) -> str:
    while name in extra:
        name += "_as_sent"
    return name


def as_extra(value: Any) -> dict[str, Any]:
    """``extra`` as a dict: JSON text is taken apart, other text kept under ``extra``."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, str):
        try:
            inner = orjson.loads(value)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return {"extra": value}
        return inner if isinstance(inner, dict) else {"extra": inner}
    return {"extra": value}


def _distinct(array: pa.Array, change: Callable[[str | None], str | None]) -> pa.Array:
    """The array with each distinct text changed; unchanged arrays are handed back as they are."""
    if array.null_count == len(array):
        return array
    encoded = array.dictionary_encode()
    before = encoded.dictionary.to_pylist()
    after = [change(text) for text in before]
    if after == before:
        return array
    return pa.array(after, pa.string()).take(encoded.indices)


def _scrubbed(text: str | None) -> str | None:
    return text if text is None else scrub_text(text)


def _hide_keys(array: pa.Array, key: DeploymentKey) -> pa.Array:
    """A source that logs the key itself, where its id should be, does not get it written down."""
    def hidden(text: str | None) -> str | None:
        return credential_digest(key, text) if text is not None and looks_like_credential(text) else text

    return _distinct(array, hidden)


def _account(accounts: pa.Array, keys: pa.Array, key: DeploymentKey) -> pa.Array:
    """Where no account is named, a digest of the credential stands in; where there is none, ``unknown``."""
    if not accounts.null_count:
        return accounts

    def stand_in(text: str | None) -> str | None:
        return text if text is None or text.startswith(CREDENTIAL_PREFIX) else credential_digest(key, text)

    if keys.null_count < len(keys):
        accounts = pc.coalesce(accounts, _distinct(keys, stand_in))
    return accounts.fill_null(UNKNOWN)


def _identify(ids: pa.Array, places: Places) -> pa.Array:
    """Fill in missing ids from the file's content digest and the place in it."""
    if not ids.null_count:
        return ids
    missing = np.flatnonzero(ids.is_null().to_numpy(zero_copy_only=False))
    prefixes = {file: places.identity(file) for file in np.unique(places.files[missing]).tolist()}
    made: list[str | None] = [None] * len(ids)
    for index, file, row in zip(missing.tolist(), places.files[missing].tolist(), places.rows[missing].tolist(),
                                strict=True):
        made[index] = f"{prefixes[file]}-{row}"
    return pc.coalesce(ids, pa.array(made, pa.string()))
