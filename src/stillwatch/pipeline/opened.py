"""A folder that a scan or a linkage wrote, opened for questions about its accounts."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import InputError, UsageError
from stillwatch.link import Incidence, encode
from stillwatch.link.incidence import Ints
from stillwatch.link.outward import Pool
from stillwatch.schema import (
    CAMPAIGNS,
    EDGES,
    FAMILY_OF,
    GROUPS,
    MEMBERS,
    SAMPLES,
    SIGHTINGS,
    SchemaError,
    Table,
    conform,
    empty,
)

__all__ = ["Opened", "open_findings"]

_RERUN = "run `stillwatch scan` or `stillwatch link` again, or name another folder"
_CLOSE = 5
_LOOKED_AT = 5000
_SEEDS_IN = 2  # seeds that make a group with an innocent explanation worth following


@dataclass(frozen=True)
class Opened:
    """What the folder holds; ``campaigns`` and ``members`` are empty where only linkage was asked for."""

    folder: Path
    sightings: pa.Table
    edges: pa.Table
    groups: pa.Table
    campaigns: pa.Table
    members: pa.Table
    samples: pa.Table
    summary: Mapping[str, Any]
    judged: bool

    @cached_property
    def family_of(self) -> dict[str, tuple[str, int]]:
        """Family and level of each kind: built in, or as linking was told."""
        told = self.summary.get("families")
        given = {}
        for kind, entry in (told if isinstance(told, dict) else {}).items():
            if isinstance(entry, dict) and isinstance(entry.get("family"), str) and isinstance(entry.get("level"), int):
                given[str(kind)] = (entry["family"], entry["level"])
        return dict(FAMILY_OF) | given

    @cached_property
    def incidence(self) -> Incidence:
        """The sightings as linking sees them."""
        return encode(self.sightings, self.family_of)

    @cached_property
    def names(self) -> pa.Array:
        """Account ids by code."""
        return self.incidence.accounts

    @cached_property
    def prior(self) -> float:
        """Probability that linking gave a random pair of being run together: as it was recorded, else 1 / accounts."""
        for part in ("links", "learnt"):
            told = self.summary.get(part)
            prior = told.get("prior") if isinstance(told, dict) else None
            if isinstance(prior, float) and 0 < prior < 1:
                return prior
        return min(0.5, 1.0 / max(2, self.incidence.size))

    def code(self, account: str) -> int | None:
        """An account's code, or ``None`` for one that was seen with nothing."""
        place = pc.index(self.names, pa.scalar(account, pa.string())).as_py()
        return None if place < 0 else int(place)

    def name(self, code: int) -> str:
        """The account id of a code."""
        return str(self.names[int(code)].as_py())

    def known(self, account: str) -> bool:
        """Whether the folder speaks of the account anywhere."""
        return self.code(account) is not None or account in self.group_names or _has(self.members, account)

    @cached_property
    def group_names(self) -> frozenset[str]:
        """Accounts that are in a group."""
        return frozenset(self.groups["account_id"].to_pylist())

    def followed(self, seeds: Ints) -> dict[str, Pool]:
        """The groups that an investigation from ``seeds`` (codes) follows.

        Those that are not judged, those that harvesting explains best, and of those with an innocent explanation the
        ones that hold two seeds: one member in a class is no reason to suspect the class. Never those of ordinary
        customers who share habits alone. Of a judged group only those who take part: who is linked and no member is
        reached by what it shares or not at all.
        """
        verdict = {name: row["verdict"] for name, row in self.campaign.items()}
        return {name: self._taking_part(name, pool) for name, pool in self.pools.items()
                if verdict.get(name, "distillation") == "distillation"
                or (verdict[name] != "undetermined" and np.isin(seeds, pool.members).sum() >= _SEEDS_IN)}

    def _taking_part(self, name: str, pool: Pool) -> Pool:
        if name not in self.campaign:
            return pool
        part = np.array([(name, self.name(code)) in self._member_rows for code in pool.members], dtype=bool)
        return Pool(pool.members[part], pool.probability[part])

    @cached_property
    def pools(self) -> dict[str, Pool]:
        """The groups by id, members by code; accounts without sightings are left out."""
        place = pc.index_in(self.groups["account_id"], value_set=self.names)
        found: dict[str, list[tuple[int, float]]] = {}
        for group, code, chance in zip(self.groups["group_id"].to_pylist(), place.to_pylist(),
                                       self.groups["probability"].to_pylist(), strict=True):
            if code is not None:
                found.setdefault(group, []).append((code, chance))
        made = {}
        for group, rows in sorted(found.items()):
            rows.sort()
            made[group] = Pool(np.array([code for code, _ in rows], dtype=np.int64),
                               np.array([chance for _, chance in rows]))
        return made

    def groups_of(self, account: str) -> list[dict[str, Any]]:
        """The account's rows of ``groups``, surest first."""
        rows: list[dict[str, Any]] = self.groups.filter(pc.equal(self.groups["account_id"], account)).to_pylist()
        return sorted(rows, key=lambda row: (-row["probability"], row["group_id"]))

    def membership(self, group: str, account: str) -> dict[str, Any] | None:
        """The account's row of ``members`` in a campaign, or ``None``."""
        return self._member_rows.get((group, account))

    @cached_property
    def _member_rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(row["campaign_id"], row["account_id"]): row for row in self.members.to_pylist()}

    @cached_property
    def campaign(self) -> dict[str, dict[str, Any]]:
        """Campaigns by id."""
        return {row["campaign_id"]: row for row in self.campaigns.to_pylist()}

    def neighbours(self, account: str) -> list[dict[str, Any]]:
        """Accounts that an edge joins with this one, strongest first."""
        edges = self.edges
        mine = edges.filter(pc.or_(pc.equal(edges["account_a"], account), pc.equal(edges["account_b"], account)))
        rows = [{"account": row["account_b"] if row["account_a"] == account else row["account_a"],
                 "bits": row["bits"], "families": row["families"] or []} for row in mine.to_pylist()]
        return sorted(rows, key=lambda row: (-row["bits"], row["account"]))

    def edge(self, one: str, other: str) -> dict[str, Any] | None:
        """The edge between two accounts, or ``None``."""
        return next((row for row in self.neighbours(one) if row["account"] == other), None)

    def labels(self, codes: Ints) -> dict[int, str | None]:
        """What a reader may see of each value; for families of prompts, the masked excerpt that the findings hold."""
        kinds = [self.incidence.kinds[self.incidence.kind[code]] for code in codes]
        values = self.incidence.values.take(pa.array(codes, pa.int64())).to_pylist()
        rows = self.sightings.filter(pc.is_in(self.sightings["value"], value_set=pa.array(values, pa.string())))
        shown = rows.filter(pc.is_valid(rows["label"])).group_by(["kind", "value"], use_threads=False).aggregate(
            [("label", "min")])
        label = {(row["kind"], row["value"]): row["label_min"] for row in shown.to_pylist()}
        for row in self.samples.to_pylist():
            if row["pattern"]:
                label.setdefault(("template", row["template_id"]), row["pattern"])
        return {int(code): label.get((kind, value)) for code, kind, value in zip(codes, kinds, values, strict=True)}

    def times(self, account: str, kind: str, value: str) -> tuple[Any, Any]:
        """When an account was first and last seen with a value."""
        rows = self._of(account)
        rows = rows.filter(pc.and_(pc.equal(rows["kind"], kind), pc.equal(rows["value"], value)))
        return (pc.min(rows["first_seen"]).as_py(), pc.max(rows["last_seen"]).as_py())

    def _of(self, account: str) -> pa.Table:
        return self.sightings.filter(pc.equal(self.sightings["account_id"], account))

    def close_to(self, account: str) -> list[str]:
        """Account ids like one that is not there: same but for case or blanks, then similar ones."""
        names = self.names
        wanted = account.strip().lower()
        low = pc.utf8_lower(names)
        same = names.filter(pc.equal(low, wanted)).to_pylist()
        like = names.filter(pc.match_substring(low, wanted)).to_pylist()[:_CLOSE] if len(wanted) >= 3 else []
        head, tail = wanted[: max(3, len(wanted) // 2)], wanted[-max(3, len(wanted) // 2):]
        near = names.filter(pc.or_(pc.starts_with(low, head), pc.ends_with(low, tail))).to_pylist()[:_LOOKED_AT]
        # The rest is looked at only where there are few names: comparing with all of a million takes minutes.
        near += names.to_pylist() if len(names) <= _LOOKED_AT else []
        close = difflib.get_close_matches(account, near, n=_CLOSE, cutoff=0.6)
        return list(dict.fromkeys([*same, *like, *close]))[:_CLOSE]

    def need(self, account: str) -> None:
        """Raise ``UsageError``, with close matches, unless the folder speaks of the account."""
        if self.known(account):
            return
        if account in self.pools or account in self.campaign:
            raise UsageError(f"{account[:80]} is a group, not an account",
                             remedy="name one of its accounts: groups.parquet lists them")
        close = self.close_to(account)
        many = f"{self.incidence.size:,} accounts are known here"
        raise UsageError(f"there is no account {account[:80]!r} in {self.folder}",
                         remedy=f"did you mean {', '.join(name[:80] for name in close)}?" if close else many)


def open_findings(folder: Path) -> Opened:
    """Open a folder that ``scan`` or ``link`` wrote.

    Raises ``UsageError`` where it is no such folder, ``InputError`` where a table of it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no findings folder {folder}",
                         remedy="name the folder that `stillwatch scan` or `stillwatch link` wrote")
    for name in ("sightings", "edges", "groups"):
        if not (folder / f"{name}.parquet").is_file():
            raise InputError(f"{folder} holds no findings: {name}.parquet is not in it",
                             remedy="name the folder that `stillwatch scan` or `stillwatch link` wrote")
    tables = {table.name.partition(".")[2]: _table(folder, table)
              for table in (SIGHTINGS, EDGES, GROUPS, CAMPAIGNS, MEMBERS, SAMPLES)}
    try:
        summary = json.loads((folder / "summary.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        summary = {}
    return Opened(folder=folder, summary=summary if isinstance(summary, dict) else {},
                  judged=(folder / "campaigns.parquet").is_file(), **tables)


def _table(folder: Path, table: Table) -> pa.Table:
    path = folder / f"{table.name.partition('.')[2]}.parquet"
    if not path.is_file():
        return empty(table)
    try:
        with pq.ParquetFile(path) as file:
            data = file.read(columns=[name for name in table.names if name in file.schema_arrow.names])
        data = conform(data, table)
        data.validate(full=True)
    except SchemaError as error:
        raise InputError(f"{path}: {error.message}", remedy=_RERUN) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet", remedy=_RERUN) from error
    return data


def _has(table: pa.Table, account: str) -> bool:
    return bool(pc.any(pc.equal(table["account_id"], account)).as_py())


def seen_families(incidence: Incidence, code: int) -> Sequence[bool]:
    """Whether an account was seen with anything of each family."""
    mine = incidence.value[incidence.account == code]
    present = np.zeros(len(incidence.families), dtype=bool)
    present[incidence.family[mine]] = True
    found: Sequence[bool] = present.tolist()
    return found
