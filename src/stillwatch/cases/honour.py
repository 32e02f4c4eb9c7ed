"""Decisions honoured: the findings' tables as judged, and what people decided, to the tables as they are written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from stillwatch.cases.renewed import Row, new_evidence
from stillwatch.cases.rulings import Ruling, Rulings
from stillwatch.schema import CAMPAIGNS, MEMBERS, conform

__all__ = ["honour"]

_SHOWN = 3


def honour(campaigns: pa.Table, members: pa.Table, evidence: pa.Table, rulings: Rulings,
           key_fingerprint: str | None) -> tuple[pa.Table, pa.Table]:
    """``CAMPAIGNS`` and ``MEMBERS`` with every decision in it.

    A campaign that a person dismissed is cleared: no detection, whatever was weighed (``hypotheses`` keeps that),
    unless there is new evidence, which its explanation then names. One that mostly is what a person confirmed says
    so; one that holds some of its accounts names the case in its explanation. Nothing ever becomes a detection, or
    more probable, by a decision.
    """
    of_campaign = _by_campaign(members), _by_campaign(evidence)
    rows, people = [], []
    for row in campaigns.to_pylist():
        own, shared = (grouped[row["campaign_id"]] for grouped in of_campaign)
        rows.append(_decided(row, own, shared, rulings, key_fingerprint))
        people += own if rows[-1]["decision"] == "cleared" else _with_dismissals(own, rulings)
    rows = _joined(rows, rulings)
    return (conform(pa.Table.from_pylist(rows, schema=CAMPAIGNS.arrow), CAMPAIGNS),
            conform(pa.Table.from_pylist(people, schema=MEMBERS.arrow), MEMBERS))


def _by_campaign(table: pa.Table) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in table.to_pylist():
        grouped[row["campaign_id"]].append(row)
    return grouped


def _decided(row: dict[str, Any], members: Sequence[Row], evidence: Sequence[Row], rulings: Rulings,
             key_fingerprint: str | None) -> dict[str, Any]:
    accounts = [member["account_id"] for member in members]
    ours = rulings.of(accounts)
    renewed = None
    for ruling in (ruling for ruling in ours if ruling.state == "dismissed"):
        news = new_evidence(row, members, evidence, ruling, rulings.known(ruling), key_fingerprint)
        if not news:
            return _cleared(row, members, evidence, ruling)
        renewed = renewed or (ruling, news)
    # Two accounts out of a confirmed case, or that case and many others, are no group that anybody confirmed.
    own = next((ruling for ruling in ours if ruling.state != "confirmed" or ruling.is_of(accounts)), None)
    if own is not None:
        row = row | {"case_id": own.case_id, "decision": "confirmed" if own.state == "confirmed" else "none"}
    for said in _known(accounts, own, rulings):
        row = _adding(row, said)
    return row if renewed is None else _renewed(row, *renewed)


def _known(accounts: Sequence[str], own: Ruling | None, rulings: Rulings) -> list[str]:
    """What was confirmed of some accounts of a group and not of all, as half sentences; ``own`` is the group's case."""
    size = f"{len(accounts):,} account{'' if len(accounts) == 1 else 's'}"
    said = []
    if own is not None and own.state == "confirmed":
        others = sum(account not in own.members for account in accounts)
        if others:
            said.append(f"{others:,} of its {size} {'is' if others == 1 else 'are'} not in case {own.case_id}, which a"
                        " person confirmed, and nobody decided about them")
    elsewhere = [(ruling.case_id, common) for ruling in rulings.touching(accounts)
                 if ruling.state == "confirmed" and ruling is not own
                 and (common := sum(account in ruling.members for account in accounts))]
    for case, common in sorted(elsewhere, key=lambda one: (-one[1], one[0]))[:_SHOWN]:
        said.append(f"{common:,} of its {size} {'is' if common == 1 else 'are'} in case {case}, which a person"
                    " confirmed, and that was no decision about this group")
    left = len(elsewhere) - _SHOWN
    if left > 0:
        said.append(f"{left:,} more confirmed case{' has' if left == 1 else 's have'} accounts in it")
    return said


def _cleared(row: dict[str, Any], members: Sequence[Row], evidence: Sequence[Row], ruling: Ruling) -> dict[str, Any]:
    note = (f"A person dismissed this group on {ruling.decided_on} (case {ruling.case_id}), and nothing new of"
            " substance has come since, so it is cleared.")
    verdict = ruling.verdict or row["verdict"]
    link = next((shared["why"] for shared in evidence if shared["why"]), None)
    first = f"{len(members):,} accounts are linked{': ' + link.rstrip('.') if link else ''}."
    return row | {
        "case_id": ruling.case_id,
        "decision": "cleared",
        "verdict": "undetermined" if verdict == "distillation" else verdict,
        "probability": 0.0,
        "explanation": f"{first} {note}",
        "evidence_against": [note, *(row["evidence_against"] or ())],
    }


def _renewed(row: dict[str, Any], ruling: Ruling, news: Sequence[str]) -> dict[str, Any]:
    said = (f"a person dismissed this group on {ruling.decided_on} (case {ruling.case_id}), and new since then is that"
            f" {'; that '.join(news)}")
    sentence = f"{said[0].upper()}{said[1:]}."
    return _adding(row, said) | {
        "case_id": ruling.case_id,
        "decision": "new_evidence",
        "evidence_against": [sentence, *(row["evidence_against"] or ())],
    }


def _joined(rows: Sequence[dict[str, Any]], rulings: Rulings) -> list[dict[str, Any]]:
    """Groups that people joined to one case say so: linking keeps them apart, and each is judged by itself."""
    joined = {ruling.case_id for ruling in rulings.all if ruling.joined}
    found = Counter(row["case_id"] for row in rows)
    told = []
    for row in rows:
        others = found[row["case_id"]] - 1
        if row["case_id"] in joined and others:
            groups = f"{others} other group{'' if others == 1 else 's'}"
            row = _adding(row, f"a person joined it with {groups} of these findings (case {row['case_id']}), and each"
                          " is judged by itself")
        told.append(row)
    return told


def _adding(row: dict[str, Any], said: str) -> dict[str, Any]:
    """The row with half a sentence more in its explanation."""
    told = (row["explanation"] or "").rstrip().removesuffix(".")
    return row | {"explanation": f"{told}; {said}." if told else f"{said[0].upper()}{said[1:]}."}


def _with_dismissals(members: Sequence[Row], rulings: Rulings) -> list[dict[str, Any]]:
    """Members of whom a person already said that they are no campaign: whoever looks at them must see that."""
    rows = []
    for row in members:
        cases = [ruling.case_id for ruling in rulings.touching([row["account_id"]])
                 if ruling.state == "dismissed" and row["account_id"] in ruling.members]
        if cases:
            named = ", ".join(map(str, cases))
            row = {**row, "against": f"a person cleared it before (case {named}); {row['against'] or 'nothing else'}"}
        rows.append(dict(row))
    return rows
