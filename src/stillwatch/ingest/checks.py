"""Contract checks for formats, the built-in ones and those of third parties alike.

    from stillwatch.ingest.checks import check_format
    check_format(MyFormat())

Every check raises ``AssertionError`` with what is wrong; none needs a test framework.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from stillwatch.ingest.batches import Places, build
from stillwatch.ingest.model import ELSEWHERE, OUT_OF_SCOPE, BadRecord, Example, Format, Joins, OutOfScope, Row, Unpacks
from stillwatch.schema import EXCHANGES, INGESTED, QUARANTINE_REASON
from stillwatch.settings import DeploymentKey

__all__ = ["check_format"]

_KEY = DeploymentKey(b"a key for contract checks only!!")
_SECRET = "sk-made-up-0123456789abcdefghijklmnop"  # noqa: S105 - planted to see that it does not survive
_SECRET_HEADERS = ("Authorization", "X-Api-Key", "api-key", "Cookie", "Proxy-Authorization", "x-goog-api-key",
                   "X-Custom-Token", "x-something-else")
_ODD: tuple[Any, ...] = (None, "", "x", 0, -1, 1.5, True, [], {}, [None], [[]], {"a": 1}, 2**70, 1e300, "\x00", "[",
                         "9" * 500, [{"role": 5}], {"content": [{"type": None}]}, "2026-13-99", -(10**18))


def check_format(format: Format) -> None:
    """All checks."""
    assert format.name.isidentifier(), "a format's name is one word"
    assert format.looks_like, "looks_like says what the format's records have"
    examples = format.examples()
    assert examples, "a format comes with documented records"
    for check in (check_examples, check_recognition, check_identities, check_extras, check_credentials,
                  check_robustness):
        check(format, examples)


def rows_of(format: Format, records: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """The records as `work.ingested`; raises the ``BadRecord`` of the first that is bad."""
    rows = [row for record in records for row in parsed_of(format, record)]
    kept: list[Row] = [row for row in rows if row is not OUT_OF_SCOPE]
    columns = {name: [row.get(name) for row in kept] for name in EXCHANGES.names}
    places = Places(np.zeros(len(kept), np.int32), np.arange(1, len(kept) + 1, dtype=np.int64), lambda _: "file")
    built = build(columns, places, _KEY)
    for bad in built.bad.values():
        raise bad
    return built.batch


def parsed_of(format: Format, record: Mapping[str, Any]) -> list[Row | OutOfScope]:
    """What a record comes to: taken apart, put together and parsed, as ingest does with what a file holds."""
    inner = list(format.unpack(record)) if isinstance(format, Unpacks) else [record]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for number, item in enumerate(inner):
        if isinstance(item, BadRecord):
            raise item
        key = format.join_key(item) if isinstance(format, Joins) else None
        groups.setdefault(f"alone {number}" if key is None else f"joined {key}", []).append(item)
    done: list[Row | OutOfScope] = []
    for name, items in groups.items():
        whole = format.join(items)[0] if isinstance(format, Joins) and name.startswith("joined ") else items[0]
        done.append(format.parse(whole, _KEY))
    return done


def check_examples(format: Format, examples: Sequence[Example]) -> None:
    """Each documented record yields the columns it should, and no columns that do not exist."""
    for example in examples:
        all_parsed = parsed_of(format, example.record)
        assert len(all_parsed) == 1, f"{format.name}: {sorted(example.record)} is {len(all_parsed)} exchanges"
        parsed = all_parsed[0]
        if example.expected == "out of scope":
            assert parsed is OUT_OF_SCOPE, f"{format.name}: {sorted(example.record)} is no call to a model"
            continue
        assert isinstance(parsed, dict), f"{format.name}: {sorted(example.record)} is a call to a model"
        strange = set(parsed) - {*EXCHANGES.names, ELSEWHERE}
        assert not strange, f"{format.name}: no such columns: {sorted(strange)}"
        batch = rows_of(format, [example.record])
        assert batch.schema == INGESTED.arrow
        row = batch.to_pylist()[0]
        for name, expected in example.expected.items():
            assert row[name] == expected, f"{format.name}.{name}: {row[name]!r}, expected {expected!r}"
        assert row["ts"].tzinfo is not None
        assert row["ts"].utcoffset().total_seconds() == 0, f"{format.name}: ts is UTC"


def check_recognition(format: Format, examples: Sequence[Example]) -> None:
    """A format knows its own records and not an empty one."""
    for example in examples:
        assert format.recognises(example.record) > 0, f"{format.name} does not recognise {sorted(example.record)}"
    assert not format.recognises({}), f"{format.name} recognises an empty record"


def check_identities(format: Format, examples: Sequence[Example]) -> None:
    """Different records have different ids, the same record the same content."""
    records = [example.record for example in examples if example.expected != "out of scope"]
    once, again = rows_of(format, records).to_pylist(), rows_of(format, records).to_pylist()
    assert once == again, f"{format.name}: reading twice gives something else"
    ids = [row["exchange_id"] for row in once]
    assert len(set(ids)) == len(ids), f"{format.name}: ids are not unique"
    assert len({row["content_digest"] for row in once}) == len(once)


def check_extras(format: Format, examples: Sequence[Example]) -> None:
    """A field that nobody knows survives."""
    for record in _kept(examples):
        batch = rows_of(format, [{**record, "quite_unheard_of": {"deep": ["tracer-value"]}}])
        extra = orjson.loads(batch.column("extra")[0].as_py() or "{}")
        assert "tracer-value" in orjson.dumps(extra).decode(), f"{format.name}: an unknown field is lost"


def check_credentials(format: Format, examples: Sequence[Example]) -> None:
    """A key in any header, at any level at which headers are found, appears in no column."""
    for record in _kept(examples):
        for name in _SECRET_HEADERS:
            for value in (_SECRET, f"Bearer {_SECRET}"):
                planted = _with_header(record, name, value)
                try:
                    rows = rows_of(format, [planted]).to_pylist()
                except BadRecord:
                    continue
                assert _SECRET not in repr(rows), f"{format.name}: a key in {name} survives"


def _with_header(record: Any, name: str, value: str) -> dict[str, Any]:
    """The record with a header more wherever there are headers, and in a new group of headers."""
    def walk(item: Any) -> Any:
        if not isinstance(item, Mapping):
            return item
        return {
            key: ({**inner, name: value} if isinstance(inner, Mapping) else [*inner, [name, value]]
                  if isinstance(inner, list) else inner) if "headers" in str(key).lower() else walk(inner)
            for key, inner in item.items()
        }

    return {"planted_headers": {name: value}, **walk(record)}


def check_robustness(format: Format, examples: Sequence[Example], *, rounds: int = 400, seed: int = 0) -> None:
    """However a record is damaged, the outcome is a row or a ``BadRecord`` with a known reason."""
    dice = random.Random(seed)
    for _ in range(rounds):
        record = {name: _damaged(item, dice) for name, item in dice.choice(examples).record.items()
                  if dice.random() > 0.03}
        _attempt(partial(rows_of, format, [record]), format, record)
        format.recognises(record)


def _attempt(work: Callable[[], object], format: Format, record: Mapping[str, Any]) -> None:
    reason: str | None = None
    try:
        work()
    except BadRecord as bad:
        reason = bad.reason
    except Exception as error:
        raise AssertionError(f"{format.name}: {type(error).__name__} instead of BadRecord, for fields"
                             f" {sorted(map(str, record))}") from error
    assert reason is None or reason in QUARANTINE_REASON, f"{format.name}: {reason!r} is no reason"


def _kept(examples: Sequence[Example]) -> Iterator[Mapping[str, Any]]:
    return (example.record for example in examples if example.expected != "out of scope")


def _damaged(value: Any, dice: random.Random) -> Any:
    """A copy in which a few values, at any depth, are replaced, doubled or gone."""
    if dice.random() < 0.04:
        return dice.choice(_ODD)
    if isinstance(value, Mapping):
        return {name: _damaged(item, dice) for name, item in value.items() if dice.random() > 0.03}
    if isinstance(value, list):
        return [_damaged(item, dice) for item in value for _ in range(dice.choice((1, 1, 1, 2)))]
    return value
