"""Findings and truth from anybody's folders: all of it is checked, none of it is trusted.

The small tables (campaigns, members, accounts) are read whole; exchanges stay in their files for the engine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import InputError, UsageError
from stillwatch.ingest import read_accounts
from stillwatch.proof.evaluate.model import Cost, Missing
from stillwatch.schema import CAMPAIGNS, MEMBERS, TRUE_CAMPAIGNS, TRUE_MEMBERS, SchemaError, Table, conform
from stillwatch.settings import DeploymentKey

__all__ = ["Findings", "Rows", "Truth", "read_findings", "read_truth"]

# Exchanges: Parquet files of one schema, or a table in memory.
Rows: TypeAlias = "Sequence[Path] | pa.Table"

_FINDINGS = "name the folder that `stillwatch scan --out` wrote first, then the one with the labels"
_TRUTH = ("name a simulation's folder, its truth/ folder, or one with campaigns, members and exchanges as"
          " docs/reference/tables.md declares them for truth")
_JUDGED = ("campaign_id", "verdict", "probability", "q_value", "detectable_at")
_KNOWN = ("kind", "country", "language", "vpn")


@dataclass(frozen=True)
class Findings:
    """What was found: `findings.campaigns`, `findings.members` and, where there is one, `findings.exchanges`."""

    campaigns: pa.Table
    members: pa.Table
    exchanges: Rows | None
    cost: Cost | None = None


@dataclass(frozen=True)
class Truth:
    """What is true, and what is known of everybody.

    ``exchanges`` has ``exchange_id`` and ``campaign``, maybe ``ts`` and ``account_id``. ``accounts`` has ``account_id``
    and those of ``kind``, ``country``, ``language``, ``vpn`` that are known; it is null where no accounts table is
    given. ``logs`` has ``account_id``, maybe ``exchange_id`` and ``ts``.
    """

    campaigns: pa.Table
    members: pa.Table
    exchanges: Rows | None
    accounts: pa.Table | None = None
    logs: Rows | None = None
    missing: tuple[Missing, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)


def read_findings(folder: Path) -> Findings:
    """A findings folder, whoever wrote it.

    Raises ``UsageError`` where ``folder`` is no folder and ``InputError`` where a table is missing or malformed, or a
    probability is no number from 0 to 1.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no findings folder {folder}", remedy=_FINDINGS)
    campaigns = _table(folder / "campaigns.parquet", CAMPAIGNS, _JUDGED, _FINDINGS)
    members = _table(folder / "members.parquet", MEMBERS, ("campaign_id", "account_id", "probability"), _FINDINGS)
    for name, data in (("campaigns", campaigns), ("members", members)):
        inside = pc.and_(pc.greater_equal(data["probability"], 0.0), pc.less_equal(data["probability"], 1.0))
        if data.num_rows and not pc.all(inside).as_py():
            raise InputError(f"{folder / name}.parquet: a probability is no number from 0 to 1", remedy=_FINDINGS)
    exchanges = folder / "exchanges.parquet"
    if exchanges.is_file():
        _columns(exchanges, ("exchange_id", "campaign_id"), _FINDINGS)
    return Findings(campaigns, members, [exchanges] if exchanges.is_file() else None, _cost(folder / "summary.json"))


def read_truth(folder: Path, *, accounts: Path | None = None, logs: Path | None = None) -> Truth:
    """A simulation's folder, its ``truth`` folder, or any folder with the contract's three tables of truth.

    ``accounts.parquet`` and ``exchanges/`` beside the truth are used unless others are given; ``accounts.parquet`` in
    the truth's own folder adds what only it knows. What is not there is said in ``missing``. Raises as
    ``read_findings``.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} with labels", remedy=_TRUTH)
    inner = folder / "truth"
    place, beside = (inner, folder) if (inner / "campaigns.parquet").is_file() else (folder, folder.absolute().parent)
    campaigns = _table(place / "campaigns.parquet", TRUE_CAMPAIGNS, ("campaign", "label"), _TRUTH)
    members = _table(place / "members.parquet", TRUE_MEMBERS, ("campaign", "account_id"), _TRUTH)
    exchanges = place / "exchanges.parquet"
    if exchanges.is_file():
        _columns(exchanges, ("exchange_id", "campaign"), _TRUTH)
    given = accounts or (beside / "accounts.parquet" if (beside / "accounts.parquet").is_file() else None)
    own = place / "accounts.parquet"
    known = _accounts([path for path in (given, own if own.is_file() and own != given else None) if path is not None])
    parts = _logs(logs or beside / "exchanges", asked=logs is not None)
    inputs = {"truth": str(place), "accounts": str(given) if given else None, "logs": str(logs or beside / "exchanges")
              if parts else None, "labelled_accounts": str(own) if own.is_file() else None}
    missing = _missing(known, given is not None, parts, exchanges.is_file())
    return Truth(campaigns, members, [exchanges] if exchanges.is_file() else None, known, parts, missing, inputs)


def _missing(known: pa.Table | None, given: bool, logs: Sequence[Path] | None, exchanges: bool) -> tuple[Missing, ...]:
    gaps = []
    if not given and logs is None:
        gaps.append(("accounts, logs", "how many accounts there are is not known: no rate of wrongly accused accounts,"
                     " no precision at other prevalences"))
    elif logs is None:
        gaps.append(("logs", "how much each account sent is not known: nothing by size of account"))
    gaps += [(name, f"not known of any account: nothing by {name}") for name in _KNOWN
             if known is None or name not in known.column_names or known[name].null_count == known.num_rows]
    if not exchanges:
        gaps.append(("truth/exchanges.parquet", "which exchanges are true is not known: nothing of exchanges"))
    return tuple(Missing(name, effect) for name, effect in gaps)


def _table(path: Path, table: Table, needed: Sequence[str], remedy: str) -> pa.Table:
    """The columns that scoring needs, as declared."""
    optional = {"detectable_at", "q_value"}
    there = _columns(path, [name for name in needed if name not in optional], remedy)
    try:
        with pq.ParquetFile(path) as file:
            data = file.read(columns=[name for name in needed if name in there])
        data.validate(full=True)
        return conform(data, table).select(list(needed))
    except SchemaError as error:
        raise InputError(f"{path}: {error.message}", remedy=error.remedy) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet", remedy=remedy) from error


def _columns(path: Path, needed: Sequence[str], remedy: str) -> set[str]:
    """Names of a Parquet file's columns; ``InputError`` where a needed one is not among them."""
    if not path.is_file():
        raise InputError(f"{path.name} is not in {path.parent}", remedy=remedy)
    try:
        there = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet", remedy=remedy) from error
    gone = [name for name in needed if name not in there]
    if gone:
        raise InputError(f"{path} has no column {', '.join(gone)}", remedy=remedy)
    return there


def _accounts(paths: Sequence[Path]) -> pa.Table | None:
    """What is known of accounts, one row an account; the first table that knows a column decides."""
    made: pa.Table | None = None
    for path in paths:
        data = _attributes(path)
        if made is None:
            made = data
            continue
        fresh = ["account_id", *(name for name in data.column_names if name not in made.column_names)]
        made = made.join(data.select(fresh), "account_id", join_type="full outer")
    return made


def _attributes(path: Path) -> pa.Table:
    """``account_id`` and the known attributes as text, from Parquet directly, from other files as `scan` reads them."""
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
    except OSError as error:
        raise UsageError(f"there is no accounts table {path}", remedy="check the path") from error
    if parquet:
        there = _columns(path, ("account_id",), "give the accounts table that the scan was given")
        wanted = ["account_id", *(name for name in _KNOWN if name in there)]
        try:
            with pq.ParquetFile(path) as source:
                data = source.read(columns=wanted).select(wanted)
            data.validate(full=True)
            data = pa.table({name: _as_text(data[name], name) for name in wanted})
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: a column is of the wrong kind, or the file is damaged",
                             remedy="give the accounts table that the scan was given") from error
    else:
        # The key digests telephone numbers, which are not used here.
        read = read_accounts(path, key=DeploymentKey(bytes(32)))
        data = read.select(["account_id", *(name for name in _KNOWN if name in read.column_names)])
    data = data.filter(pc.is_valid(data["account_id"]))
    rows = data.group_by("account_id", use_threads=False).aggregate(
        [(name, end) for name in data.column_names[1:] for end in ("min", "max")])
    for name in data.column_names[1:]:
        differ = pc.not_equal(rows[f"{name}_min"], rows[f"{name}_max"])
        if pc.any(differ).as_py():
            raise InputError(f"{path} has an account twice, with another {name}", remedy="keep one row an account")
    return pa.table({"account_id": rows["account_id"], **{name: rows[f"{name}_min"] for name in data.column_names[1:]}})


def _as_text(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column as text, written as `scan` reads it; ids stay as they are."""
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, pa.scalar("yes"), pa.scalar("no"))
    text = values.cast(pa.string())
    if name == "account_id":
        return text
    text = pc.utf8_trim_whitespace(text)
    text = pc.utf8_upper(text) if name == "country" else pc.utf8_lower(text)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _logs(place: Path, asked: bool) -> list[Path] | None:
    """The Parquet files of the logs, all with ``account_id``; null where there are none and none were asked for."""
    remedy = "give a Parquet file or folder of exchanges; `stillwatch ingest` makes one of any log"
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*.parquet") if path.is_file())
    if not files and not asked:
        return None
    if not files:
        raise UsageError(f"there are no Parquet files in {place}", remedy=remedy)
    for file in files:
        if not asked and "account_id" not in _columns(file, (), remedy):
            return None
        _columns(file, ("account_id",), remedy)
    return files


def _cost(path: Path) -> Cost | None:
    """What the scan took, from its summary; null where there is no summary that can be read."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    told = data.get("timings")
    stages = {str(name): float(value) for name, value in told.items() if _is_number(value)} \
        if isinstance(told, dict) else {}
    counts = data.get("counts")
    records = counts.get("records_in") if isinstance(counts, dict) else None
    return Cost(sum(stages.values()) if stages else None, stages, _whole(data.get("peak_memory_bytes")),
                _whole(records))


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def _whole(value: object) -> int | None:
    return int(value) if _is_number(value) else None
