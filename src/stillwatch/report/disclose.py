"""Findings → the findings that a level may see: made anew from what is allowed, never by taking something away.

What a later version adds to a findings folder is therefore withheld until somebody allows it here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.report.levels import Disclosure
from stillwatch.report.load import Campaign, Findings, Quarantined, Record, page_order
from stillwatch.report.numbers import plural, surely
from stillwatch.report.screen import Screen, coarse
from stillwatch.schema import (
    ACCOUNTS,
    ACTIVITY,
    CAMPAIGNS,
    CAPABILITY,
    EDGES,
    EVIDENCE,
    EXCHANGES,
    FAMILY_OF,
    GROUPS,
    HOURS,
    KIND_WORDS,
    MEMBERS,
    PHASES,
    QUARANTINE_REASON,
    SAMPLES,
    SIGHTINGS,
    USAGE,
    VERDICT,
    Sensitivity,
    Table,
)

__all__ = ["disclose", "identifiers", "standing_of"]

_INPUTS = frozenset(chain.from_iterable(table.names for table in (EXCHANGES, ACCOUNTS))) | {
    "accounts", "launches", "agreements"}
_VERSION = re.compile(r"\d+(?:\.[0-9a-z]+){1,4}\Z")
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}\Z")
_LIBRARIES = ("python", "ibis", "duckdb", "pyarrow", "numpy", "scipy")
_TIME = re.compile(r" \d\d:\d\d UTC\b")
_LARGE = re.compile(r"(?<![\w-])\d[\d,]{2,}(?![\w-])")
_OWN = "trait of the deployment's own"
_SIZES = ("accounts", "exchanges", "sessions", "tasks", "input_tokens", "output_tokens")
_TIMES = ("first_seen", "last_seen", "detectable_at")
# Closed vocabularies, and figures that say nothing of single accounts.
_AS_IS = ("verdict", "probability", "q_value", "phase", "linkage_bits", "strongest_family", "stands_without",
          "fold_share", "fold_probability", "q_floor",
          "capabilities", "hypotheses", "decision")


def standing_of(campaign: Campaign) -> str:
    """``detections``, ``suspected``, ``undetermined`` or ``innocent``: which part of the page a campaign is in."""
    if campaign.detected:
        return "detections"
    return {"distillation": "suspected", "undetermined": "undetermined"}.get(campaign.row["verdict"], "innocent")


def identifiers(findings: Findings) -> frozenset[str]:
    """Every id, label and value in the findings that could name somebody or be matched with something."""
    tables = [*((table, findings.tables[table.name]) for table in _LOADED), *_beside(findings)]
    names: set[str] = set()
    for table, data in tables:
        for column in table.columns:
            if column.sensitivity is not Sensitivity.PUBLIC and column.type == pa.string():
                names |= set(pc.unique(data[column.name]).drop_null().to_pylist()) if column.name in data.column_names \
                    else set()
    names |= {place.rpartition(":")[0] for one in findings.quarantine for place in one.places}
    names |= {path for item in findings.summary.records("inputs") if (path := item.text("path"))}
    return frozenset(name for name in names if name)


_LOADED = (CAMPAIGNS, MEMBERS, EVIDENCE, ACTIVITY, HOURS, SAMPLES, PHASES, EDGES)


def _beside(findings: Findings) -> Iterable[tuple[Table, pa.Table]]:
    """Tables that a report does not load, without their figures. One that cannot be read holds nothing to look for."""
    for table in (SIGHTINGS, GROUPS):
        path = findings.folder / f"{table.name.partition('.')[2]}.parquet"
        wanted = [c.name for c in table.columns if c.sensitivity is not Sensitivity.PUBLIC]
        if path.is_file():
            try:
                with pq.ParquetFile(path) as file:
                    names = [name for name in wanted if name in file.schema_arrow.names]
                    yield table, file.read(columns=names)
            except (pa.ArrowException, OSError):
                continue


@dataclass(frozen=True)
class _Rules:
    """How one page's findings are made: its terms, its screen, and the pseudonyms."""

    terms: Disclosure
    screen: Screen
    campaigns: Mapping[str, str]
    accounts: Mapping[str, str]

    def number(self, value: float | None) -> int | None:
        return coarse(value, self.terms.digits)

    def day(self, when: datetime | None) -> datetime | None:
        return None if when is None else when.replace(hour=0, minute=0, second=0, microsecond=0)


def disclose(findings: Findings, terms: Disclosure) -> Findings:
    """The findings at the level of ``terms``; at the internal level the findings themselves.

    Otherwise: the detections alone under pseudonyms (``campaign 1``, ``account 0001``), with what the level allows of
    them. Groups of other standings are counted in ``withheld``.
    """
    if terms.internal:
        return findings
    kept = findings.detections
    screen = Screen(identifiers(findings) - {s.actor for s in terms.signoffs})
    members = {campaign.ident: findings.rows(MEMBERS, campaign) for campaign in kept}
    accounts: dict[str, str] = {}
    for campaign in kept:
        for row in sorted(members[campaign.ident], key=page_order):
            accounts.setdefault(row["account_id"], f"account {len(accounts) + 1:04d}")
    rules = _Rules(terms, screen, {c.ident: f"campaign {n}" for n, c in enumerate(kept, 1)}, accounts)
    tables = {
        MEMBERS.name: _table(MEMBERS, [_member(row, rules) for c in kept
                                       for row in sorted(members[c.ident], key=page_order)], []),
        EVIDENCE.name: _table(EVIDENCE, [_trait(row, rules) for c in kept for row in findings.rows(EVIDENCE, c)], [
            ("bits", "descending"), ("kind", "ascending"), ("accounts", "descending")]),
        ACTIVITY.name: _table(ACTIVITY, [_day(row, rules) for c in kept for row in findings.rows(ACTIVITY, c)], []),
        PHASES.name: _table(PHASES, [_phase(row, rules) for c in kept for row in findings.rows(PHASES, c)], []),
        EDGES.name: _edges(findings, rules),
        HOURS.name: HOURS.arrow.empty_table(),
        SAMPLES.name: SAMPLES.arrow.empty_table(),
        USAGE.name: USAGE.arrow.empty_table(),
    }
    campaigns = tuple(_campaign(c, rules) for c in kept)
    tables[CAMPAIGNS.name] = CAMPAIGNS.arrow.empty_table()
    withheld = Counter(standing_of(c) for c in findings.campaigns if not c.detected)
    return replace(findings, summary=_summary(findings.summary, rules), campaigns=campaigns, tables=tables,
                   quarantine=tuple(Quarantined(one.reason, one.records, ()) for one in findings.quarantine
                                    if one.reason in QUARANTINE_REASON),
                   digits=terms.digits, withheld=dict(withheld))


def _table(table: Table, rows: list[dict[str, Any]], order: list[tuple[str, str]]) -> pa.Table:
    made = pa.Table.from_pylist(rows, schema=table.arrow)
    return made.sort_by(order) if order else made


def _campaign(campaign: Campaign, rules: _Rules) -> Campaign:
    row = campaign.row
    made: dict[str, Any] = {column.name: None for column in CAMPAIGNS.columns}
    made |= {name: row[name] for name in _AS_IS} | {name: rules.number(row[name]) for name in _SIZES}
    made |= {name: rules.day(row[name]) for name in _TIMES}
    made["capabilities"] = [one for one in row["capabilities"] or () if one["capability"] in CAPABILITY]
    made["campaign_id"] = rules.campaigns[campaign.ident]
    if rules.terms.names_accounts:
        for name in ("evidence_for", "evidence_against", "history"):
            kept, gone = rules.screen.keep(_TIME.sub("", text) for text in row[name] or ())
            made[name] = kept + ([f"{plural(gone, 'sentence')} withheld at this level"] if gone else [])
    made["explanation"] = _explanation(made)
    made["missing"] = [name for text in row["missing"] or () if (name := text.partition(":")[0]) in _INPUTS]
    if "cost" in row:
        made["cost"] = row["cost"].rounded(rules.terms.digits)
    signed = next((s for s in rules.terms.signoffs if s.covers(row)), None)
    if signed is not None:
        made |= {"actor": row["actor"], "actor_probability": row["actor_probability"], "signed_off": signed}
    made["actor_withheld"] = row["actor"] is not None and signed is None
    return Campaign(made, *(rules.number(n) or 0 for n in (campaign.members, campaign.accused, campaign.victims)))


def _explanation(row: Mapping[str, Any]) -> str:
    """Two sentences from figures alone, in place of those that quote shared values."""
    others = [one for one in row["hypotheses"] or () if one["verdict"] != row["verdict"] and one["verdict"] in VERDICT]
    said = f"{plural(row['accounts'], 'account')} appear to be run together and to ask for training data."
    if not others:
        return said
    best = max(others, key=lambda one: (one["probability"] or 0.0, one["verdict"]))
    return f"{said} The next best explanation is {best['verdict'].replace('_', ' ')} ({surely(best['probability'])})."


def _member(row: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    shown = {"campaign_id": rules.campaigns[row["campaign_id"]], "account_id": rules.accounts[row["account_id"]],
             "probability": row["probability"], "victim": _counts_left_out(rules.screen.one(row["victim"]))}
    if rules.terms.names_accounts:
        against = _counts_left_out(rules.screen.one(row["against"]))
        shown |= {"exchanges": coarse(row["exchanges"], 2), "first_seen": rules.day(row["first_seen"]),
                  "last_seen": rules.day(row["last_seen"]), "against": against}
    return shown


def _counts_left_out(text: str | None) -> str | None:
    """A sentence without its whole numbers beyond 99: an account's exact figures are known to its owner."""
    return None if text is None else _LARGE.sub("many", text)


def _trait(row: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    known = row["kind"] in FAMILY_OF
    number = rules.number(row["accounts"])
    words = KIND_WORDS.get(row["kind"], row["kind"]) if known else _OWN
    return {"campaign_id": rules.campaigns[row["campaign_id"]], "kind": row["kind"] if known else _OWN, "value": None,
            "accounts": number, "bits": row["bits"], "why": f"{plural(number, 'member')} share one {words}."}


def _day(row: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    return {"campaign_id": rules.campaigns[row["campaign_id"]], "day": row["day"],
            "exchanges": rules.number(row["exchanges"]), "accounts": rules.number(row["accounts"])}


def _phase(row: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    return {"campaign_id": rules.campaigns[row["campaign_id"]], "started_at": rules.day(row["started_at"]),
            "ended_at": rules.day(row["ended_at"]), "exchanges": rules.number(row["exchanges"]),
            "accounts": rules.number(row["accounts"]),
            **{name: row[name] for name in ("number", "phase", "changed", "capabilities")}}


def _edges(findings: Findings, rules: _Rules) -> pa.Table:
    if not rules.terms.names_accounts:
        return EDGES.arrow.empty_table()
    rows = [row | {name: rules.accounts[row[name]] for name in ("account_a", "account_b")}
            | {"families": [f for f in row["families"] or () if f in {family for family, _ in FAMILY_OF.values()}]}
            for row in findings.tables[EDGES.name].to_pylist()
            if row["account_a"] in rules.accounts and row["account_b"] in rules.accounts]
    return _table(EDGES, rows, [])


def _summary(summary: Record, rules: _Rules) -> Record:
    """What the scan recorded of itself, rebuilt from figures and closed words."""
    counts = {name: rules.number(value) for name in summary.record("counts").data
              if name in ("records_in", "kept", "quarantined", "duplicates", "merged", "out_of_scope")
              and (value := summary.record("counts").whole(name)) is not None}
    decoys = summary.record("decoys")
    span = {name: when.isoformat() for name in ("first", "last")
            if (when := rules.day(summary.record("span").time(name))) is not None}
    missing = [{"input": name, "effect": rules.screen.one(item.text("effect")) if rules.terms.names_accounts else None}
               for item in summary.records("missing") if (name := item.text("input")) in _INPUTS]
    made: dict[str, Any] = {
        "accounts": rules.number(summary.whole("accounts")), "counts": counts, "span": span, "missing": missing,
        "exchanges_without_account": rules.number(summary.whole("exchanges_without_account")),
        "decoys": {name: decoys.data[name] for name in ("made", "wanted", "floor", "second_set")
                   if isinstance(decoys.data.get(name), bool | int | float)},
        "conditional_on": _conditional(summary, rules), "seed": summary.whole("seed"),
        "version": _matching(summary.text("version"), _VERSION),
    }
    created = summary.time("created_at") if rules.terms.names_accounts else rules.day(summary.time("created_at"))
    if created is not None:
        made["created_at"] = created.isoformat()
    inputs = summary.records("inputs")
    if rules.terms.names_accounts:
        versions = summary.record("versions")
        made["versions"] = {name: said for name in _LIBRARIES if (said := _matching(versions.text(name), _VERSION))}
        made["inputs"] = [{"path": f"input {number}", "records": item.whole("records") or item.whole("records_in"),
                           "kept": item.whole("kept"), "quarantined": item.whole("quarantined"),
                           "digest": _matching(item.text("digest"), _DIGEST)} for number, item in enumerate(inputs, 1)]
    else:
        made["inputs"] = [{} for _ in inputs]
    return Record(made)


_CONDITIONAL = "simulated groups; the deployment holds the record of which"


def _conditional(summary: Record, rules: _Rules) -> str | None:
    text = summary.text("conditional_on")
    return text if text is None or rules.screen.passes(text) else _CONDITIONAL


def _matching(text: str | None, shape: re.Pattern[str]) -> str | None:
    return text if text is not None and shape.match(text) else None

