"""The declarations keep the contract's names, say everything that the reference needs, and refuse what they are not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from stillwatch import schema
from stillwatch.schema import (
    ACCOUNTS,
    AGREEMENTS,
    ATTRIBUTED,
    CAMPAIGNS,
    EXCHANGES,
    MEMBERS,
    TABLES,
    TRUE_CAMPAIGNS,
    TRUE_EXCHANGES,
    VOCABULARIES,
    Column,
    SchemaError,
    Sensitivity,
    Table,
    Vocabulary,
    conform,
    empty,
)
from stillwatch.schema.render import GROUPS_OF_TABLES, ddl, markdown_table, tables_page, type_name, vocabularies_page

ROOT = Path(__file__).resolve().parents[2]
RENDER = ROOT / "tools" / "render_docs.py"

# Copied from the contract by hand, so that a rename in the code is noticed here.
STRING, TIME, DOUBLE, INT, BOOL = "string", "timestamp", "double", "integer", "bool"
STRINGS = "list of string"
CONTRACT = {
    "input.exchanges": {
        "exchange_id": STRING, "ts": TIME, "account_id": STRING, "api_key_id": STRING, "end_user_id": STRING,
        "channel": STRING, "region": STRING, "ip": STRING, "user_agent": STRING, "sdk": STRING, "ja4": STRING,
        "model": STRING, "operation": STRING, "stream": BOOL, "temperature": DOUBLE, "top_p": DOUBLE, "n": INT,
        "max_tokens": INT, "logprobs": BOOL, "reasoning_effort": STRING, "response_format": STRING,
        "modalities": STRINGS, "tools": STRINGS, "turn": INT, "conversation_id": STRING, "system_prompt": STRING,
        "prompt": STRING, "response": STRING, "reasoning_signature": STRING, "input_tokens": INT,
        "output_tokens": INT, "cached_tokens": INT, "reasoning_tokens": INT, "status": INT, "latency_ms": DOUBLE,
    },
    "input.accounts": {
        "account_id": STRING, "created_at": TIME, "kind": STRING, "country": STRING, "email_domain": STRING,
        "email_pattern": STRING, "payment_fingerprint": STRING, "billing_country": STRING, "phone_hash": STRING,
        "device_id": STRING, "signup_ip": STRING, "signup_user_agent": STRING, "referral": STRING,
        "organization": STRING, "verified": BOOL,
    },
    "input.launches": {"model": STRING, "released_at": TIME},
    "input.agreements": {
        "account_id": STRING, "organization": STRING, "permits": STRING, "valid_from": TIME, "valid_to": TIME,
        "note": STRING,
    },
    "findings.campaigns": {
        "campaign_id": STRING, "lineage_id": STRING, "verdict": STRING, "probability": DOUBLE, "q_value": DOUBLE,
        "accounts": INT, "exchanges": INT, "sessions": INT, "tasks": INT, "input_tokens": INT, "output_tokens": INT,
        "first_seen": TIME, "last_seen": TIME, "detectable_at": TIME,
        "capabilities": "list of struct(capability string, share double)", "phase": STRING, "actor": STRING,
        "actor_probability": DOUBLE, "explanation": STRING,
    },
    "findings.members": {
        "campaign_id": STRING, "account_id": STRING, "probability": DOUBLE, "exchanges": INT, "first_seen": TIME,
        "last_seen": TIME,
    },
    "findings.exchanges": {"exchange_id": STRING, "campaign_id": STRING, "capability": STRING, "probability": DOUBLE},
    "findings.evidence": {
        "campaign_id": STRING, "kind": STRING, "value": STRING, "accounts": INT, "bits": DOUBLE, "why": STRING,
    },
    "findings.quarantine": {"file": STRING, "line": INT, "reason": STRING},
    "findings.sightings": {
        "account_id": STRING, "kind": STRING, "value": STRING, "first_seen": TIME, "last_seen": TIME, "count": INT,
    },
    "truth.campaigns": {"campaign": STRING, "label": STRING, "actor": STRING, "started_at": TIME},
    "truth.members": {"campaign": STRING, "account_id": STRING},
    "truth.exchanges": {"exchange_id": STRING, "campaign": STRING, "capability": STRING},
}
TERMS = {
    "verdict": ["distillation", "benchmarking", "shared_application", "shared_network", "education", "reseller",
                "batch_processing", "enterprise", "undetermined"],
    "capability": ["reasoning_trace", "reward_grading", "agentic_tool_use", "coding", "computer_use", "vision",
                   "data_analysis", "safety_rewrite", "instruction_following", "other"],
    "phase": ["probing", "ramp_up", "sustained", "pivot", "wind_down", "ended"],
    "account_kind": ["individual", "education", "research", "startup", "enterprise", "internal", "reseller"],
    "permit": ["distillation", "evaluation", "resale"],
}
BY_NAME = {table.name: table for table in TABLES}


class TestContract:
    @pytest.mark.parametrize("name", CONTRACT)
    def test_columns_have_the_contracts_names_types_and_order(self, name):
        table, wanted = BY_NAME[name], CONTRACT[name]
        held = {c.name: "integer" if pa.types.is_integer(c.type) else type_name(c.type) for c in table.columns}
        assert {name: held.get(name) for name in wanted} == wanted
        assert [name for name in table.names if name in wanted] == list(wanted)

    def test_times_are_microseconds_in_utc(self):
        times = {column.type for table in TABLES for column in table.columns if pa.types.is_timestamp(column.type)}
        assert times == {pa.timestamp("us", tz="UTC")}

    def test_only_the_time_is_required_of_an_exchange(self):
        assert [column.name for column in EXCHANGES.columns if column.required] == ["ts"]

    @pytest.mark.parametrize("name", TERMS)
    def test_closed_vocabularies_are_the_contracts(self, name):
        vocabulary = next(v for v in VOCABULARIES if v.name == name)
        assert (list(vocabulary), vocabulary.closed) == (TERMS[name], True)

    @pytest.mark.parametrize(("table", "column", "name"), [
        (CAMPAIGNS, "verdict", "verdict"), (CAMPAIGNS, "phase", "phase"), (ATTRIBUTED, "capability", "capability"),
        (TRUE_CAMPAIGNS, "label", "verdict"), (TRUE_EXCHANGES, "capability", "capability"),
        (ACCOUNTS, "kind", "account_kind"), (AGREEMENTS, "permits", "permit"),
    ])
    def test_columns_are_bound_to_their_vocabularies(self, table, column, name):
        assert table.by_name[column].vocabulary.name == name


class TestDeclarations:
    def test_every_declared_table_and_vocabulary_is_listed_once(self):
        for kind, listed in ((Table, TABLES), (Vocabulary, VOCABULARIES)):
            declared = [value for value in vars(schema).values() if isinstance(value, kind)]
            assert sorted(value.name for value in declared) == sorted(value.name for value in listed)
            assert len({value.name for value in listed}) == len(listed)

    @pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
    def test_tables_are_well_formed(self, table):
        group, _, rest = table.name.partition(".")
        assert group in GROUPS_OF_TABLES
        assert re.fullmatch(r"[a-z][a-z_]*", rest)
        assert len(set(table.names)) == len(table.names)
        assert set(table.key) <= set(table.names)
        assert table.meaning.endswith(".")
        for column in table.columns:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
            assert column.meaning.strip() == column.meaning != ""
            assert type_name(column.type)
            assert column.vocabulary is None or column.vocabulary in VOCABULARIES

    @pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda v: v.name)
    def test_vocabularies_are_well_formed(self, vocabulary):
        assert re.fullmatch(r"[a-z][a-z_]*", vocabulary.name)
        assert vocabulary.meaning.endswith(".")
        assert vocabulary.terms
        for term, meaning in vocabulary.terms.items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", term)
            assert meaning

    def test_what_identifies_or_quotes_people_is_never_public(self):
        text = {"system_prompt", "prompt", "response", "extra"}
        guarded = {"ip", "signup_ip", "payment_fingerprint", "phone_hash", "device_id"}
        for column in (*EXCHANGES.columns, *ACCOUNTS.columns):
            if column.name in text:
                assert column.sensitivity is Sensitivity.CONTENT
            if column.name in guarded:
                assert column.sensitivity is Sensitivity.SECRET
            if column.name.endswith("_id") and column.name not in guarded:
                assert column.sensitivity is Sensitivity.PSEUDONYMOUS

    def test_text_is_in_no_table_but_the_input_and_what_ingest_yields(self):
        holders = {table.name for table in TABLES if {"system_prompt", "prompt", "response"} & set(table.names)}
        assert holders == {"input.exchanges", "work.ingested"}


COLOUR = Vocabulary("colour", "A colour.", {"red": "warm", "blue": "cold"})
TASTE = Vocabulary("taste", "A taste.", {"sweet": "like sugar"}, closed=False)
SMALL = Table("work.small", "A table.", (
    Column("key", pa.string(), "key", required=True),
    Column("count", pa.int64(), "how many", unit="things"),
    Column("colour", pa.string(), "colour", vocabulary=COLOUR),
    Column("taste", pa.string(), "taste", vocabulary=TASTE),
    Column("parts", pa.list_(pa.struct([("name", pa.string()), ("share", pa.float64())])), "parts | shares"),
), key=("key",))


class TestConform:
    def test_orders_casts_and_fills(self):
        made = conform(pa.table({"count": pa.array([1], pa.int8()), "key": pa.array(["a"])}), SMALL)
        assert made.schema == SMALL.arrow
        assert made.to_pylist() == [{"key": "a", "count": 1, "colour": None, "taste": None, "parts": None}]

    @pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
    def test_empty_tables_conform(self, table):
        assert conform(empty(table), table).equals(empty(table))

    @pytest.mark.parametrize(("data", "message", "remedy"), [
        ({"key": ["a"], "size": [1]}, "undeclared column size", "declare it"),
        ({"key": ["a"], "size": [1], "age": [1]}, "undeclared columns age, size", "declare it"),
        ({"key": ["a"], "count": ["many"]}, "work.small.count: string does not fit int64", "docs/reference"),
        ({"key": ["a"], "count": [1.5]}, "work.small.count: double does not fit int64", "docs/reference"),
        ({"key": ["a"], "count": [[1]]}, "does not fit int64", "docs/reference"),
        ({"key": ["a", None]}, "work.small.key: 1 of 2 rows have no value", "required"),
        ({"count": [1, 2]}, "work.small.key: 2 of 2 rows have no value", "required"),
        ({"key": ["a"], "colour": ["green"]}, "work.small.colour: 'green' is no colour", "red, blue"),
    ])
    def test_refuses_what_is_not_declared(self, data, message, remedy):
        with pytest.raises(SchemaError) as caught:
            conform(pa.table(data), SMALL)
        assert message in caught.value.message
        assert remedy in caught.value.remedy

    def test_open_vocabularies_admit_other_terms_and_closed_ones_admit_null(self):
        made = conform(pa.table({"key": ["a"], "taste": ["umami"], "colour": pa.array([None], pa.string())}), SMALL)
        assert (made["taste"].to_pylist(), made["colour"].to_pylist()) == (["umami"], [None])


class TestReference:
    def test_it_is_up_to_date(self):
        done = subprocess.run([sys.executable, RENDER, "--check"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def test_check_notices_a_changed_a_missing_and_no_page(self, tmp_path):
        def render(*flags):
            call = [sys.executable, RENDER, *flags, "--out", str(tmp_path / "pages")]
            return subprocess.run(call, capture_output=True, text=True, check=False)

        def check():
            return render("--check")

        assert check().returncode == 1
        assert not (tmp_path / "pages").exists()
        assert render().returncode == 0
        assert check().returncode == 0
        page = tmp_path / "pages" / "tables.md"
        page.write_text(page.read_text().replace("findings.campaigns", "findings.gangs"))
        (tmp_path / "pages" / "settings.md").unlink()
        done = check()
        assert done.returncode == 1
        named = [name for name in ("tables.md", "settings.md", "tables.sql") if name in done.stderr]
        assert named == ["tables.md", "settings.md"]

    def test_every_column_is_described_with_all_that_is_declared(self):
        page = tables_page([SMALL])
        assert "### `work.small`" in page
        assert "Key: `key`." in page
        assert "| `key` | string |  | yes | public | key |" in page
        assert "| `count` | bigint | things |  | public | how many |" in page
        assert "| colour; see [colour](vocabularies.md#colour) |" in page
        assert r"| list of struct(name string, share double) |  |  | public | parts \| shares |" in page
        whole = tables_page(TABLES)
        assert all(f"### `{table.name}`" in whole for table in TABLES)

    def test_a_table_of_no_known_group_is_refused(self):
        with pytest.raises(ValueError, match=r"elsewhere\.small"):
            tables_page([Table("elsewhere.small", "A table.", SMALL.columns)])

    def test_vocabularies(self):
        page = vocabularies_page([COLOUR, TASTE])
        assert "## colour\n\nA colour. (Closed.)" in page
        assert "A taste. (Open.)" in page
        assert "| `blue` | cold |" in page

    def test_cells_cannot_break_the_table(self):
        assert markdown_table(["a"], [["x|y\nz"]]).splitlines()[2] == r"| x\|y z |"

    def test_types_without_a_name_are_refused(self):
        for kind in (type_name, lambda t: ddl(Table("work.x", "A table.", (Column("a", t, "a"),)))):
            with pytest.raises(ValueError, match="is known for"):
                kind(pa.date32())


class TestSql:
    @pytest.mark.parametrize("table", [*TABLES, SMALL], ids=lambda t: t.name)
    def test_an_engine_makes_the_table_that_is_declared(self, table):
        with duckdb.connect() as connection:
            connection.execute(f"CREATE SCHEMA {table.name.partition('.')[0]}")
            # DuckDB writes the array of a row type with brackets; all else is as the standard has it.
            connection.execute(ddl(table).replace(") ARRAY", ")[]"))
            name = ".".join(f'"{part}"' for part in table.name.split("."))
            connection.register("rows", empty(table))
            connection.execute(f"INSERT INTO {name} SELECT * FROM rows")
            made = connection.execute(f"SELECT * FROM {name}").to_arrow_table()
            assert made.schema.names == list(table.names)
            required = connection.execute(f"SELECT column_name FROM (DESCRIBE {name}) WHERE \"null\" = 'NO'").fetchall()
            assert {row[0] for row in required} == {column.name for column in table.columns if column.required}

    def test_constraints_hold(self):
        with duckdb.connect() as connection:
            connection.execute("CREATE SCHEMA work")
            connection.execute(ddl(SMALL).replace(") ARRAY", ")[]"))
            connection.execute("INSERT INTO work.small (key, colour, taste) VALUES ('a', 'red', 'umami')")
            for values in ("('a', 'red')", "('b', 'green')", "(NULL, 'red')"):
                with pytest.raises(duckdb.ConstraintException):
                    connection.execute(f"INSERT INTO work.small (key, colour) VALUES {values}")

    def test_a_key_that_may_be_null_is_unique_only(self):
        assert 'UNIQUE ("exchange_id")' in ddl(EXCHANGES)
        assert 'PRIMARY KEY ("campaign_id", "account_id")' in ddl(MEMBERS)

    def test_names_are_quoted(self):
        odd = Table("work.odd", "A table.", (Column('a"b', pa.string(), "odd"),))
        assert '"a""b" VARCHAR' in ddl(odd)
