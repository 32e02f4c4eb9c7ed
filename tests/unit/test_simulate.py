"""What `simulate` writes: the contract's files, the same bytes for the same seed, truth that agrees with the logs."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch import schema
from stillwatch.errors import InputError, UsageError
from stillwatch.proof import describe, scenarios, simulate
from stillwatch.proof.actors import ACTORS

TABLES = {
    "accounts.parquet": schema.ACCOUNTS,
    "launches.parquet": schema.LAUNCHES,
    "truth/campaigns.parquet": schema.TRUE_CAMPAIGNS,
    "truth/members.parquet": schema.TRUE_MEMBERS,
    "truth/exchanges.parquet": schema.TRUE_EXCHANGES,
    "truth/accounts.parquet": schema.TRUE_ACCOUNTS,
    "truth/phases.parquet": schema.TRUE_PHASES,
}
UNFILLED = r"\{(number|small|thing|place|count|person|other_thing|profession)\}"
SMALL = """
name: small
summary: a little of everything
start: 2026-03-02
days: 6
models:
- {name: one, reasoning: true}
- {name: two, released_on_day: 2.5}
actors:
"""
EACH = {
    "individuals": "",
    "campaign": "capabilities: {reasoning_trace: 2, agentic_tool_use: 1}, relayed: 0.3",
    "shared_application": "style: agent",
    "education": "",
    "benchmarking": "items: 40",
    "enterprise": "",
    "reseller": "end_users: 40",
    "batch_processing": "",
    "shared_network": "network: vpn",
    "hackathon": "day: 1",
    "licensed_generation": "",
    "proxy_network": "",
}


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario file with every kind of actor."""
    lines = [f"- {{actor: {kind}, name: The {kind}, accounts: 12, exchanges: 300{', ' if more else ''}{more}}}"
             for kind, more in EACH.items()]
    path = tmp_path_factory.mktemp("scenario") / "small.yaml"
    path.write_text(SMALL + "\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def written(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "out"
    simulate(small, out, seed=3)
    return out


def test_every_actor_is_tried() -> None:
    assert set(EACH) == set(ACTORS)


def test_files_are_the_contracts(written: Path) -> None:
    for name, table in TABLES.items():
        data = pq.read_table(written / name)
        assert data.schema.equals(table.arrow), name
        schema.conform(data, table)
        keys = data.select(list(table.key))
        assert keys.group_by(list(table.key)).aggregate([]).num_rows == data.num_rows, f"{name}: key repeats"
    exchanges = pq.read_table(written / "exchanges")
    assert exchanges.schema.equals(schema.EXCHANGES.arrow)
    assert exchanges.column("exchange_id").null_count == 0
    assert len(pc.unique(exchanges.column("exchange_id"))) == exchanges.num_rows
    ts = exchanges.column("ts").cast(pa.int64()).to_numpy()
    assert (np.diff(ts) >= 0).all(), "rows are in order of time, whoever sent them"
    assert exchanges.column("extra").null_count == exchanges.column("response").null_count == exchanges.num_rows


def test_same_seed_same_bytes_and_another_seed_others(small: Path, written: Path, tmp_path: Path) -> None:
    simulate(small, tmp_path / "again", seed=3)
    simulate(small, tmp_path / "other", seed=4)
    assert digests(tmp_path / "again") == digests(written)
    other = digests(tmp_path / "other")
    assert all(other[name] != digest for name, digest in digests(written).items()
               if name not in ("launches.parquet", "agreements.parquet", "truth/phases.parquet"))


def test_actors_do_not_depend_on_each_other(written: Path, small: Path, tmp_path: Path) -> None:
    """What an actor does is its own: with another beside it, its prompts and times stay."""
    text = small.read_text("utf-8")
    only = "\n".join(line for line in text.splitlines() if "actor: reseller" not in line)
    (tmp_path / "only.yaml").write_text(only, "utf-8")
    simulate(tmp_path / "only.yaml", tmp_path / "out", seed=3)

    def campaign(folder: Path) -> pa.Table:
        truth = pq.read_table(folder / "truth/exchanges.parquet")
        ids = truth.filter(pc.equal(truth["campaign"], "the-campaign"))["exchange_id"].combine_chunks()
        rows = pq.read_table(folder / "exchanges")
        return rows.filter(pc.is_in(rows["exchange_id"], ids)).select(["ts", "prompt", "model", "ip"])

    assert campaign(written).equals(campaign(tmp_path / "out"))


def test_truth_agrees_with_the_logs(written: Path) -> None:
    exchanges = pq.read_table(written / "exchanges", columns=["exchange_id", "account_id", "ts"]).to_pandas()
    owner = exchanges.set_index("exchange_id").account_id
    truth = pq.read_table(written / "truth/exchanges.parquet").to_pandas()
    members = pq.read_table(written / "truth/members.parquet").to_pandas()
    groups = pq.read_table(written / "truth/campaigns.parquet").to_pandas().set_index("campaign")
    accounts = pq.read_table(written / "accounts.parquet").to_pandas()
    assert truth.exchange_id.isin(owner.index).all()
    assert set(exchanges.account_id) <= set(accounts.account_id)
    assert set(groups.label) == {actor.label for actor in ACTORS.values() if actor.label}
    stated = {(row.campaign, row.account_id) for row in members.itertuples()}
    seen = {(row.campaign, owner[row.exchange_id]) for row in truth.itertuples()}
    assert seen == stated
    ts = exchanges.set_index("exchange_id").ts
    first = truth.assign(ts=truth.exchange_id.map(ts)).groupby("campaign").ts.min()
    assert (first == groups.started_at[first.index]).all()
    assert (truth.set_index("exchange_id").ts == ts[truth.exchange_id]).all()
    assert (truth.set_index("exchange_id").account_id == owner[truth.exchange_id]).all()
    assert truth.capability[truth.campaign == "the-campaign"].isin(["reasoning_trace", "agentic_tool_use"]).all()
    created = accounts.set_index("account_id").created_at
    assert (exchanges.groupby("account_id").ts.min() >= created[exchanges.account_id.unique()].sort_index()).all()


def test_every_account_has_its_language_in_the_truth(written: Path) -> None:
    known = pq.read_table(written / "truth/accounts.parquet").to_pandas().set_index("account_id")
    accounts = pq.read_table(written / "accounts.parquet").to_pandas().set_index("account_id")
    assert set(known.index) == set(accounts.index)
    assert known.notna().all(axis=None)
    # Most people speak their country's language, and write in it.
    assert (known.language[accounts.index[accounts.country == "CN"]] == "zh").mean() > 0.5
    exchanges = pq.read_table(written / "exchanges", columns=["account_id", "prompt"]).to_pandas()
    chinese = exchanges.prompt.str.contains("[\u4e00-\u9fff]", regex=True).groupby(exchanges.account_id).mean()
    spoken = known.language[chinese.index]
    assert chinese[spoken == "zh"].mean() > 5 * chinese[spoken != "zh"].mean()


def test_withheld_columns_are_null_and_nothing_else_changes(small: Path, written: Path, tmp_path: Path) -> None:
    gone = {"ip", "sdk", "conversation_id", "system_prompt", "latency_ms", "tools", "payment_fingerprint",
            "signup_ip", "country"}
    text = small.read_text("utf-8").replace("days: 6\n", f"days: 6\nwithhold: [{', '.join(sorted(gone))}]\n")
    (tmp_path / "less.yaml").write_text(text, "utf-8")
    simulate(tmp_path / "less.yaml", tmp_path / "out", seed=3)
    for name in ("exchanges", "accounts.parquet"):
        whole, less = pq.read_table(written / name), pq.read_table(tmp_path / "out" / name)
        assert less.schema.equals(whole.schema)
        for column in whole.column_names:
            wanted = whole[column]
            if column in gone:
                wanted = pa.chunked_array([pa.nulls(whole.num_rows, wanted.type)])
            assert less[column].equals(wanted), column
    for path in sorted((written / "truth").iterdir()):
        assert pq.read_table(path).equals(pq.read_table(tmp_path / "out" / "truth" / path.name)), path.name


def test_accounts_of_ids_only(small: Path, tmp_path: Path) -> None:
    """Logs without any metadata still say who there is."""
    names = [name for name in schema.ACCOUNTS.names if name != "account_id"]
    text = small.read_text("utf-8").replace("days: 6\n", f"days: 6\nwithhold: [{', '.join(names)}]\n")
    (tmp_path / "ids.yaml").write_text(text, "utf-8")
    simulate(tmp_path / "ids.yaml", tmp_path / "out", seed=3)
    accounts = pq.read_table(tmp_path / "out/accounts.parquet")
    assert accounts.num_rows == 12 * len(EACH)
    assert all(accounts[name].null_count == accounts.num_rows for name in names)


def test_relayed_customers_are_not_the_campaigns(written: Path) -> None:
    truth = pq.read_table(written / "truth/exchanges.parquet").to_pandas()
    members = pq.read_table(written / "truth/members.parquet").to_pandas()
    own = truth[truth.campaign == "the-campaign"]
    accounts = members.account_id[members.campaign == "the-campaign"]
    exchanges = pq.read_table(written / "exchanges", columns=["exchange_id", "account_id"]).to_pandas()
    sent = exchanges[exchanges.account_id.isin(accounts)]
    assert 0.15 < 1 - len(own) / len(sent) < 0.45


def test_addresses_are_canonical_and_public(written: Path) -> None:
    for text in pc.unique(pq.read_table(written / "exchanges", columns=["ip"])["ip"]).to_pylist():
        address = ipaddress.ip_address(text)
        assert address.is_global
        assert str(address) == text


def test_a_model_is_not_used_before_its_release(written: Path) -> None:
    launches = pq.read_table(written / "launches.parquet").to_pylist()
    exchanges = pq.read_table(written / "exchanges", columns=["ts", "model"]).to_pandas()
    assert [row["model"] for row in launches] == ["two"]
    used = exchanges.ts[exchanges.model == "two"]
    assert len(used) > 20
    assert used.min() >= launches[0]["released_at"]


def test_models_names_and_domains_are_nobodys(written: Path) -> None:
    accounts = pq.read_table(written / "accounts.parquet")
    domains = pc.unique(accounts["email_domain"]).to_pylist()
    assert all(domain.endswith((".example", ".test")) for domain in domains)


def test_a_work_item_goes_to_one_account_only(written: Path) -> None:
    """What tells a campaign from a class: its prompts are dealt out, not shared."""
    columns = ["exchange_id", "account_id", "prompt", "turn"]
    exchanges = pq.read_table(written / "exchanges", columns=columns).to_pandas()
    truth = pq.read_table(written / "truth/exchanges.parquet").to_pandas()

    def shared(campaign: str) -> float:
        own = exchanges[exchanges.exchange_id.isin(truth.exchange_id[truth.campaign == campaign])]
        return float((own[own.turn == 1].groupby("prompt").account_id.nunique() > 1).mean())

    assert shared("the-campaign") < 0.05 < shared("the-education")


def test_scale(small: Path, tmp_path: Path) -> None:
    counts = simulate(small, tmp_path / "out", seed=1, scale=3)
    assert counts["accounts"] == 3 * 12 * len(EACH)
    assert counts["exchanges"] == pytest.approx(3 * 300 * len(EACH), rel=0.2)
    assert json.loads((tmp_path / "out/simulated.json").read_text("utf-8")) == counts


def test_halves_share_no_frame_and_no_item() -> None:
    from stillwatch.proof.prompts import library

    a, b = library("A"), library("B")
    assert not {f.name for f in a.families} & {f.name for f in b.families}
    for kind in ("math_problem", "tool_query", "instruction", "gsm8k", "support_message"):
        assert not set(a.pool(kind).to_pylist()) & set(b.pool(kind).to_pylist())
    for half in (a, b):
        assert {f.capability for f in half.named("harvest")} >= set(schema.CAPABILITY) - {"vision", "other"}
        assert {f.use for f in half.families} == {f.use for f in a.families}


def test_every_slot_can_be_filled() -> None:
    """A frame or phrase that names an unknown slot would only fail in the scenario that happens to draw it."""
    from stillwatch.proof.draws import mix
    from stillwatch.proof.prompts import library

    keys = mix(np.uint64(11), np.arange(4000))
    for half in "AB":
        words = library(half)
        for family in words.families:
            system, prompt = words.render(family, keys, np.arange(4000) % 16)
            for column in (prompt, system):
                if column is not None:
                    assert column.null_count == 0
                    assert not pc.any(pc.match_substring_regex(column, UNFILLED)).as_py()
        for language in words.languages:
            assert pc.min(pc.utf8_length(words.opening(language, keys))).as_py() > 0
            assert pc.min(pc.utf8_length(words.followup(language, keys))).as_py() > 0


# Errors.

@pytest.mark.parametrize(("old", "new", "line", "words"), [
    ("accounts: 12, exchanges: 300, capabilities", "acounts: 12, exchanges: 300, capabilities", 11, "accounts"),
    ("actor: campaign", "actor: campain", 11, "campaign"),
    ("relayed: 0.3", "relayed: 1.3", 11, "less than or equal to 1"),
    ("reasoning_trace: 2", "reasoning_traces: 2", 11, "no capability"),
    ("days: 6", "days: many", 5, "integer"),
    ("days: 6\n", "days: 6\nwithhold: [ip, promt]\n", 6, "did you mean prompt"),
    ("days: 6\n", "days: 6\nwithhold:\n- ip\n- ts\n", 8, "cannot be withheld"),
    ("days: 6\n", "", 2, "days"),
    ("start: 2026-03-02", "start: soon", 4, "date"),
    ("name: The education", "name: The reseller", 16, "two actors"),
    ("actors:", "actors: [", 12, "YAML"),
    ("{name: one, reasoning: true}", "{name: one, released_on_day: 1}", 6, "served from the start"),
])
def test_a_bad_scenario_names_line_and_remedy(small: Path, tmp_path: Path, old: str, new: str, line: int,
                                              words: str) -> None:
    text = small.read_text("utf-8")
    assert old in text
    path = tmp_path / "bad.yaml"
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(InputError) as raised:
        simulate(path, tmp_path / "out")
    told = str(raised.value)
    assert "bad.yaml" in told
    assert words in told
    assert raised.value.remedy
    assert f"line {line}:" in told or (words == "YAML" and "line" in told), told
    assert not (tmp_path / "out").exists()


def test_an_unknown_scenario_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean demo"):
        simulate("demmo", tmp_path / "out")
    with pytest.raises(UsageError, match="does not exist"):
        simulate(tmp_path / "none.yaml", tmp_path / "out")


def test_somebody_elses_folder_is_left_alone(small: Path, written: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", "utf-8")
    with pytest.raises(UsageError):
        simulate(small, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_an_earlier_simulation_is_replaced_and_a_failed_one_leaves_nothing(
        small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    simulate(small, out, seed=1)
    before = digests(out)
    simulate(small, out, seed=2)
    after = digests(out)
    assert after != before

    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules["stillwatch.proof.simulate"], "write_part", broken)
    with pytest.raises(Exception, match="No space left") as raised:
        simulate(small, out, seed=3)
    assert "Hint" in str(raised.value)
    assert digests(out) == after
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_shipped_scenarios_are_listed_and_described() -> None:
    listed = scenarios()
    assert {"demo", "lookalikes"} <= set(listed)
    for name, summary in listed.items():
        told = describe(name)
        assert summary in told
        assert "campaign" in told
