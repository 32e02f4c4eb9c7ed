"""The first tables, and triggers that keep the audit as it was written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_GUARDED = ("UPDATE", "DELETE")


def _text(name: str, *, required: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=not required)


def _number(name: str, *, required: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=not required)


def _share(name: str, *, required: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float, nullable=not required)


def _counter(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=True)


def upgrade() -> None:
    """Make the tables and the triggers."""
    # AUTOINCREMENT, so that a number is never given twice even where a row is gone.
    counted = {"sqlite_autoincrement": True}
    op.create_table(
        "cases", _counter("case_id"), _text("campaign_id", required=True), _text("state", required=True),
        _text("verdict"), _text("decided_at"), _text("decided_by"), _number("decided_snapshot"), _number("parent"),
        _number("merged_into"), sa.Column("sampled", sa.Boolean, nullable=False), _text("opened_at", required=True),
        **counted)
    op.create_table(
        "snapshots", _counter("snapshot_id"), _number("case_id", required=True), _text("taken_at", required=True),
        _text("campaign_id", required=True), _text("lineage_id"), _text("evidence_digest", required=True),
        _text("key_fingerprint"), _text("version"), _text("verdict", required=True),
        _share("probability", required=True), _share("q_value"), _number("accounts", required=True),
        _number("exchanges"), _share("least_bits", required=True), **counted)
    op.create_table(
        "evidence", sa.Column("snapshot_id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True), sa.Column("value", sa.Text, primary_key=True),
        _number("accounts"), _share("bits", required=True))
    op.create_table("accounts", sa.Column("token", sa.Text, primary_key=True), _text("account_id", required=True))
    op.create_index("accounts_by_id", "accounts", ["account_id"], unique=True)
    op.create_table(
        "members", sa.Column("case_id", sa.Integer, primary_key=True), sa.Column("token", sa.Text, primary_key=True),
        _text("role", required=True), _number("snapshot_id", required=True), _share("probability"),
        _number("exchanges"))
    op.create_index("members_by_token", "members", ["token"])
    op.create_table(
        "texts", _counter("text_id"), _text("salt", required=True), _text("words", required=True), **counted)
    op.create_table(
        "audit", _counter("entry"), _number("case_id"), _text("at", required=True), _text("by", required=True),
        _text("act", required=True), _number("text_id"), _text("text_digest"), _text("before"), _text("after"),
        **counted)
    for act in _GUARDED:
        op.execute(f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit"
                   " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END")
    # INSERT OR REPLACE deletes the row in its way without firing a DELETE trigger.
    op.execute("CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit"
               " WHEN EXISTS (SELECT 1 FROM audit WHERE entry = NEW.entry)"
               " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END")
