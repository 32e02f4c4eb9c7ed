"""Tables of a case store, an SQLite file: what people decided, and every act that led there.

What names an account or is written by people is in two tables, ``accounts`` and ``texts``, that can be erased. The
others, the audit among them, refer to an account by a random token, so that they can be kept.
"""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.model import Column, Sensitivity, Table
from stillwatch.schema.vocabularies import CASE_ACT, CASE_ROLE, CASE_STATE, VERDICT

PSEUDONYMOUS = Sensitivity.PSEUDONYMOUS
_UTC = "ISO 8601, UTC"


def _number(name: str, meaning: str, *, required: bool = False) -> Column:
    return Column(name, pa.int64(), meaning, required=required)


def _text(name: str, meaning: str, *, required: bool = False, unit: str = "") -> Column:
    return Column(name, pa.string(), meaning, required=required, unit=unit)


def _token() -> Column:
    return Column("token", pa.string(), "random, stands for one account", PSEUDONYMOUS, required=True)


CASES = Table(
    "cases.cases",
    "One row a case: a group of linked accounts that people look at, and where that stands.",
    (
        _number("case_id", "counts from 1", required=True),
        Column("campaign_id", pa.string(), "campaign that it was last seen as", PSEUDONYMOUS, required=True),
        Column("state", pa.string(), "where it stands", vocabulary=CASE_STATE, required=True),
        Column("verdict", pa.string(), "what a person found it to be", vocabulary=VERDICT),
        _text("decided_at", "last decision", unit=_UTC),
        Column("decided_by", pa.string(), "who made it", PSEUDONYMOUS),
        _number("decided_snapshot", "what was on the table then"),
        _number("parent", "case that it was split from"),
        _number("merged_into", "case that it is part of now"),
        Column("sampled", pa.bool_(), "whether chance chose it for review, whatever its score", required=True),
        _text("opened_at", "when it was opened", required=True, unit=_UTC),
    ),
    key=("case_id",),
)

SNAPSHOTS = Table(
    "cases.snapshots",
    "What a findings folder said of a case when it was looked at.",
    (
        _number("snapshot_id", "counts from 1", required=True),
        _number("case_id", "case", required=True),
        _text("taken_at", "when", required=True, unit=_UTC),
        Column("campaign_id", pa.string(), "campaign of the findings", PSEUDONYMOUS, required=True),
        Column("lineage_id", pa.string(), "its lineage", PSEUDONYMOUS),
        _text("evidence_digest", "SHA-256 over the campaign's rows of `campaigns`, `members` and `evidence`",
              required=True),
        _text("key_fingerprint", "of the deployment key under which values are digested"),
        _text("version", "program that wrote the findings"),
        Column("verdict", pa.string(), "verdict of the findings", vocabulary=VERDICT, required=True),
        Column("probability", pa.float64(), "P(distillation) of the findings, before any decision was honoured",
               unit="0-1", required=True),
        Column("q_value", pa.float64(), "of the linkage claim", unit="0-1"),
        _number("accounts", "members", required=True),
        _number("exchanges", "attributed exchanges"),
        Column("least_bits", pa.float64(), "what weaker evidence may have been cut off below; 0 where it is complete",
               unit="bits", required=True),
    ),
    key=("snapshot_id",),
)

CASE_EVIDENCE = Table(
    "cases.evidence",
    "What linked the members, value by value, in a snapshot.",
    (
        _number("snapshot_id", "snapshot", required=True),
        _text("kind", "kind of trait", required=True),
        Column("value", pa.string(), "the trait, digested", PSEUDONYMOUS, required=True),
        _number("accounts", "members that shared it"),
        Column("bits", pa.float64(), "its contribution to the linkage score", unit="bits", required=True),
    ),
    key=("snapshot_id", "kind", "value"),
)

CASE_ACCOUNTS = Table(
    "cases.accounts",
    "The only place that says which account a token stands for. Erasing an account deletes its row.",
    (_token(), Column("account_id", pa.string(), "account", PSEUDONYMOUS, required=True)),
    key=("token",),
)

CASE_MEMBERS = Table(
    "cases.members",
    "Accounts of each case.",
    (
        _number("case_id", "case", required=True),
        _token(),
        Column("role", pa.string(), "what it is in the case", vocabulary=CASE_ROLE, required=True),
        _number("snapshot_id", "snapshot in which it was first seen in the case", required=True),
        Column("probability", pa.float64(), "probability of membership then", unit="0-1"),
        _number("exchanges", "attributed exchanges then"),
    ),
    key=("case_id", "token"),
)

CASE_TEXTS = Table(
    "cases.texts",
    "Reasons and notes. Erasing an account takes its id out of them.",
    (
        _number("text_id", "counts from 1", required=True),
        _text("salt", "random; new whenever the text is changed by an erasure", required=True),
        Column("words", pa.string(), "what was written", PSEUDONYMOUS, required=True),
    ),
    key=("text_id",),
)

CASE_AUDIT = Table(
    "cases.audit",
    "Every act. Triggers let no row be changed or deleted.",
    (
        _number("entry", "counts from 1", required=True),
        _number("case_id", "case; null for an act on no one case"),
        _text("at", "when", required=True, unit=_UTC),
        Column("by", pa.string(), "who", PSEUDONYMOUS, required=True),
        Column("act", pa.string(), "what", vocabulary=CASE_ACT, required=True),
        _number("text_id", "why"),
        _text("text_digest", "SHA-256 of the text's salt and words as they were written"),
        _text("before", "JSON; accounts by token"),
        _text("after", "JSON; accounts by token"),
    ),
    key=("entry",),
)

CASE_TABLES: tuple[Table, ...] = (CASES, SNAPSHOTS, CASE_EVIDENCE, CASE_ACCOUNTS, CASE_MEMBERS, CASE_TEXTS, CASE_AUDIT)
