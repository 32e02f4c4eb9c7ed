"""Read a findings folder, whatever wrote it: all of it is checked, none of it is trusted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import InputError, UsageError
from stillwatch.report.screen import coarse
from stillwatch.schema import (
    ACTIVITY,
    CAMPAIGNS,
    EDGES,
    EVIDENCE,
    HOURS,
    MEMBERS,
    PHASES,
    SAMPLES,
    USAGE,
    SchemaError,
    Table,
    conform,
    empty,
)
from stillwatch.schema.findings import ACCUSED_PROBABILITY, is_detection

__all__ = ["GRAPH_ACCOUNTS", "Campaign", "Findings", "Quarantined", "Record", "load", "only", "page_order"]

Row: TypeAlias = Mapping[str, Any]
_RERUN = "run `stillwatch scan` again, or name another folder"
_PLACES = 3
GRAPH_ACCOUNTS = 40
_GRAPHS = 200
_LONGEST_LINE = 65_536


class Record:
    """A JSON object of unknown content, read by type: what is not as asked for is absent."""

    def __init__(self, data: object) -> None:
        self.data: Mapping[str, Any] = data if isinstance(data, dict) else {}

    def number(self, name: str) -> float | None:
        """A finite number, or null."""
        value = self.data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if isfinite(number) else None

    def whole(self, name: str) -> int | None:
        """A whole number, or null."""
        number = self.number(name)
        return None if number is None else int(number)

    def text(self, name: str) -> str | None:
        """A string that is not blank, or null."""
        value = self.data.get(name)
        return value if isinstance(value, str) and value.strip() else None

    def record(self, name: str) -> Record:
        """The object under a name, empty where there is none."""
        return Record(self.data.get(name))

    def records(self, name: str) -> list[Record]:
        """The objects of the list under a name."""
        value = self.data.get(name)
        return [Record(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    def texts(self, name: str) -> list[str]:
        """The strings of the list under a name."""
        value = self.data.get(name)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    def time(self, name: str) -> datetime | None:
        """An ISO 8601 time with a zone, or null."""
        text = self.text(name)
        try:
            when = datetime.fromisoformat(text) if text else None
        except ValueError:
            return None
        return when if when is not None and when.tzinfo is not None else None

    def pairs(self) -> list[tuple[str, str]]:
        """Every name with its value as text, in the order of the names."""
        return [(str(name), value if isinstance(value, str) else json.dumps(value, default=str))
                for name, value in sorted(self.data.items())]


@dataclass(frozen=True)
class Quarantined:
    """Records set aside for one reason: how many, and where the first few are."""

    reason: str
    records: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Campaign:
    """A row of ``findings.campaigns`` and what the other tables say of it."""

    row: Row
    members: int
    accused: int
    victims: int

    @property
    def ident(self) -> str:
        """Its ``campaign_id``."""
        return str(self.row["campaign_id"])

    @property
    def detected(self) -> bool:
        """Whether it is a detection, in the contract's one meaning."""
        return is_detection(self.row["verdict"], self.row["probability"], self.row["q_value"])


@dataclass(frozen=True)
class Findings:
    """A findings folder in memory, except the tables that grow with the logs.

    Of ``findings.edges`` only those between the accounts of each campaign's ``sample`` are here. ``digits`` are the
    significant digits of every count, null for all; ``withheld`` counts campaigns that this level does not show, by
    standing.
    """

    folder: Path
    summary: Record
    campaigns: tuple[Campaign, ...]
    quarantine: tuple[Quarantined, ...]
    absent: tuple[str, ...]
    tables: Mapping[str, pa.Table]
    digits: int | None = None
    withheld: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def detections(self) -> tuple[Campaign, ...]:
        """The detections, as ordered in ``campaigns``."""
        return tuple(c for c in self.campaigns if c.detected)

    @cached_property
    def accused(self) -> int:
        """Distinct accounts with a member probability of at least 0.5 in a detection."""
        members = self.tables[MEMBERS.name]
        found = pa.array([c.ident for c in self.detections], pa.string())
        chosen = pc.and_(pc.is_in(members["campaign_id"], value_set=found),
                         pc.greater_equal(members["probability"], ACCUSED_PROBABILITY))
        return coarse(pc.count_distinct(members.filter(chosen)["account_id"]).as_py(), self.digits) or 0

    def rows(self, table: Table, campaign: Campaign, most: int | None = None) -> list[dict[str, Any]]:
        """The campaign's rows of a table, at most ``most``, in the order in which ``load`` sorted them."""
        data = self.tables[table.name]
        mine = data.filter(pc.equal(data["campaign_id"], campaign.ident))
        return _python(mine if most is None else mine.slice(0, most), table.name)

    def size(self, table: Table, campaign: Campaign) -> int:
        """How many rows of a table the campaign has."""
        return int(pc.sum(pc.equal(self.tables[table.name]["campaign_id"], campaign.ident)).as_py() or 0)

    @cached_property
    def edges(self) -> list[dict[str, Any]]:
        """The rows of ``findings.edges`` that are kept."""
        return _python(self.tables[EDGES.name], EDGES.name)

    def sample(self, campaign: Campaign) -> list[dict[str, Any]]:
        """The members whose links are drawn: the first of them in the order of ``page_order``."""
        return sorted(self.rows(MEMBERS, campaign), key=page_order)[:GRAPH_ACCOUNTS]

    def victims(self, campaign: Campaign, most: int) -> list[dict[str, Any]]:
        """The campaign's members that may be victims, at most ``most``."""
        data = self.tables[MEMBERS.name]
        chosen = pc.and_(pc.equal(data["campaign_id"], campaign.ident), pc.is_valid(data["victim"]))
        mine = data.filter(chosen)
        return _python(mine.slice(0, most), MEMBERS.name)


def load(folder: Path) -> Findings:
    """Read what a report needs of a findings folder.

    Raises ``UsageError`` where ``folder`` is no folder and ``InputError`` where it holds no findings or a
    table cannot be read. A table other than ``campaigns`` that is not there counts as empty and is named
    in ``absent``; columns that are not declared are passed over.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no findings folder {folder}",
                         remedy="name the folder that `stillwatch scan --out` wrote")
    if not (folder / "campaigns.parquet").is_file():
        raise InputError(f"{folder} holds no findings: campaigns.parquet is not in it",
                         remedy="name the folder that `stillwatch scan --out` wrote")
    absent: list[str] = []
    tables = {table.name: _table(folder, table, order, absent) for table, order in _ORDERS}
    summary = _summary(folder, absent)
    campaigns = _campaigns(tables)
    found = Findings(folder, summary, campaigns, (), (), tables)
    drawn = [row["account_id"] for campaign in campaigns[:_GRAPHS] for row in found.sample(campaign)]
    edges = _edges(folder, pa.array(sorted(set(drawn)), pa.string()), absent)
    return Findings(folder, summary, campaigns, _quarantine(folder, absent), tuple(absent),
                    {**tables, EDGES.name: edges})


def only(findings: Findings, campaign: str | None) -> Findings:
    """The findings with one campaign of theirs, by its campaign or lineage id; all of them without one.

    Raises ``UsageError`` where there is none of that name.
    """
    if campaign is None:
        return findings
    chosen = tuple(c for c in findings.campaigns if campaign in (c.ident, c.row["lineage_id"]))
    if not chosen:
        raise UsageError(f"there is no campaign {campaign} in {findings.folder}",
                         remedy="use a campaign_id of campaigns.parquet, as the full report lists them")
    return replace(findings, campaigns=chosen)


def page_order(row: Row) -> tuple[Any, ...]:
    """Members in an order that tells no more than a page shows of them at any level, except among equals."""
    return (-row["probability"], -(coarse(row["exchanges"], 2) or 0), str(row["first_seen"])[:10],
            str(row["last_seen"])[:10], row["account_id"])


_ORDERS: tuple[tuple[Table, list[tuple[str, str]]], ...] = (
    (CAMPAIGNS, [("probability", "descending"), ("accounts", "descending"), ("campaign_id", "ascending")]),
    (MEMBERS, [("probability", "descending"), ("exchanges", "descending"), ("account_id", "ascending")]),
    (EVIDENCE, [("bits", "descending"), ("kind", "ascending"), ("value", "ascending")]),
    (ACTIVITY, [("campaign_id", "ascending"), ("day", "ascending")]),
    (SAMPLES, [("exchanges", "descending"), ("template_id", "ascending")]),
    (HOURS, [("campaign_id", "ascending"), ("account_id", "ascending"), ("hour", "ascending")]),
    (USAGE, [("campaign_id", "ascending"), ("model", "ascending")]),
    (PHASES, [("campaign_id", "ascending"), ("number", "ascending")]),
)


def _edges(folder: Path, among: pa.Array, absent: list[str]) -> pa.Table:
    """Links between the given accounts; the file is read in parts, since it may be as long as the accounts squared."""
    path = folder / "edges.parquet"
    if not path.is_file():
        absent.append(path.name)
        return empty(EDGES)
    found = []
    try:
        with pq.ParquetFile(path) as file:
            known = [name for name in EDGES.names if name in file.schema_arrow.names]
            for batch in file.iter_batches(columns=known):
                data = pa.table(batch)
                both = pc.and_(pc.is_in(data["account_a"], value_set=among), pc.is_in(data["account_b"],
                                                                                     value_set=among))
                found.append(data.filter(both))
        if not found:
            return empty(EDGES)
        return conform(pa.concat_tables(found), EDGES).sort_by([("account_a", "ascending"), ("account_b", "ascending")])
    except (SchemaError, KeyError) as error:
        raise InputError(f"{path} is no table of links", remedy=_RERUN) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet", remedy=_RERUN) from error


def _table(folder: Path, table: Table, order: list[tuple[str, str]], absent: list[str]) -> pa.Table:
    path = folder / f"{table.name.partition('.')[2]}.parquet"
    if not path.is_file():
        absent.append(path.name)
        return empty(table)
    try:
        with pq.ParquetFile(path) as file:
            known = [name for name in table.names if name in file.schema_arrow.names]
            data = file.read(columns=known)
        return conform(data, table).sort_by(order)
    except SchemaError as error:
        raise InputError(f"{path}: {error.message}", remedy=_RERUN) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet", remedy=_RERUN) from error


def _python(data: pa.Table, name: str) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = data.to_pylist()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name} holds a value that no report can show (a time beyond the calendar, or text"
                         " that is not Unicode)", remedy=_RERUN) from error
    return rows


def _campaigns(tables: Mapping[str, pa.Table]) -> tuple[Campaign, ...]:
    members = tables[MEMBERS.name]
    sizes = {}
    if members.num_rows:
        likely = pc.cast(pc.greater_equal(members["probability"], ACCUSED_PROBABILITY), pa.int64())
        counted = members.append_column("accused", likely).group_by("campaign_id").aggregate(
            [("account_id", "count"), ("accused", "sum"), ("victim", "count")])
        sizes = {row["campaign_id"]: (row["account_id_count"], row["accused_sum"], row["victim_count"])
                 for row in counted.to_pylist()}
    rows = _python(tables[CAMPAIGNS.name], CAMPAIGNS.name)
    return tuple(Campaign(row, *sizes.get(row["campaign_id"], (0, 0, 0))) for row in rows)


def _summary(folder: Path, absent: list[str]) -> Record:
    path = folder / "summary.json"
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        absent.append(path.name)
        data = {}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON", remedy=_RERUN) from error
    return Record(data)


def _quarantine(folder: Path, absent: list[str]) -> tuple[Quarantined, ...]:
    """Records by reason, most first; the file is read line by line, since it may be as long as the logs."""
    path = folder / "quarantine.jsonl"
    if not path.is_file():
        absent.append(path.name)
        return ()
    counts: Counter[str] = Counter()
    places: dict[str, list[str]] = {}
    with path.open("rb") as lines:
        while line := lines.readline(_LONGEST_LINE):
            try:
                entry = Record(json.loads(line))
            except (ValueError, RecursionError):
                entry = Record(None)
            reason = entry.text("reason") or "unreadable quarantine line"
            counts[reason] += 1
            seen = places.setdefault(reason, [])
            if len(seen) < _PLACES:
                seen.append(f"{entry.text('file') or 'file not named'}:{entry.whole('line') or 0}")
    return tuple(Quarantined(reason, number, tuple(places[reason]))
                 for reason, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
