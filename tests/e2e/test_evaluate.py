"""``stillwatch evaluate`` from the command line, on one simulated scan."""

import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "evaluate.md"


def accused(scanned):
    """Accounts with member probability of a half or more in a detection, from the tables alone."""
    found = {row["campaign_id"] for row in pq.read_table(scanned.findings / "campaigns.parquet").to_pylist()
             if row["verdict"] == "distillation" and row["q_value"] <= 0.01 and row["probability"] >= 0.9}
    return {row["account_id"] for row in pq.read_table(scanned.findings / "members.parquet").to_pylist()
            if row["campaign_id"] in found and row["probability"] >= 0.5}


def test_a_simulation_is_scored_as_its_tables_say(stillwatch, demo):
    done = stillwatch("evaluate", demo.findings, demo.traffic, "--json")
    assert done.code == 0, done.err
    told = done.json
    said, campaign = accused(demo), demo.truth("distillation")
    assert told["accounts"]["tp"] == len(said & campaign)
    assert told["accounts"]["fp"] == len(said - campaign) == told["wrongly_accused"]["accounts"]
    assert told["accounts"]["fn"] == len(campaign - said)
    known = set(pq.read_table(demo.traffic / "accounts.parquet")["account_id"].to_pylist())
    assert told["counts"]["population"] == len(known)
    assert told["false_accusation"]["of"] == len(known - campaign)
    assert {"kind", "country", "language", "vpn", "size"} == set(told["wrongly_accused"]["by"])
    labels = {row["campaign"]: row["label"]
              for row in pq.read_table(demo.traffic / "truth/campaigns.parquet").to_pylist()}
    assert {one["campaign"]: one["label"] for one in told["groups"]} == labels
    assert told["cost"]["peak_memory_bytes"] == demo.summary["peak_memory_bytes"] > 10**8
    assert told["cost"]["records"] == demo.summary["counts"]["records_in"]
    assert told["campaigns"][0]["recovered"]
    of_truth = stillwatch("evaluate", demo.findings, demo.traffic / "truth", "--json")
    assert of_truth.json == told


def test_people_get_a_table_and_pictures(stillwatch, demo, tmp_path):
    done = stillwatch("evaluate", demo.findings, demo.traffic, "--plots", tmp_path / "plots", "--plot-format", "png")
    assert done.code == 0, done.err
    assert "1 OF 1 TRUE CAMPAIGN RECOVERED" in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    made = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"reliability.png", "recall.png", "verdicts.png"} <= made
    assert all(f"Plot: {tmp_path / 'plots' / name}" in done.err for name in made)
    told = stillwatch("evaluate", demo.findings, demo.traffic, "--json", "--plots", tmp_path / "svg")
    assert {Path(path).name for path in told.json["plots"]} == {name.replace("png", "svg") for name in made}


def test_the_contracts_columns_suffice(stillwatch, demo, tmp_path):
    for name, columns in (("campaigns", ["campaign", "label", "actor", "started_at"]),
                          ("members", ["campaign", "account_id"]),
                          ("exchanges", ["exchange_id", "campaign", "capability"])):
        table = pq.read_table(demo.traffic / f"truth/{name}.parquet").select(columns)
        (tmp_path / "labels" / "mine").mkdir(parents=True, exist_ok=True)
        pq.write_table(table, tmp_path / f"labels/mine/{name}.parquet")
    whole = stillwatch("evaluate", demo.findings, demo.traffic, "--json").json
    bare = stillwatch("evaluate", demo.findings, tmp_path / "labels/mine", "--json").json
    for name in ("accounts", "exchanges", "linked", "groups", "separation", "calibration", "volume"):
        assert bare[name] == whole[name], name
    # What was gone when detectable needs times, which these labels have not and the logs have.
    timeless = [one | {"gone": None, "gone_note": None} for one in whole["campaigns"]]
    assert [one | {"gone_note": None} for one in bare["campaigns"]] == timeless
    assert 0 < whole["campaigns"][0]["gone"]["exchanges"] < 1
    assert bare["false_accusation"] is None
    assert {"language", "vpn", "accounts, logs", "ts, account_id"} <= {gap["input"] for gap in bare["missing"]}
    given = stillwatch("evaluate", demo.findings, tmp_path / "labels/mine", "--json", "--accounts",
                       demo.traffic / "accounts.parquet", "--logs", demo.traffic / "exchanges").json
    assert given["campaigns"] == whole["campaigns"]
    assert given["false_accusation"] == whole["false_accusation"]
    assert given["wrongly_accused"]["by"]["size"] == whole["wrongly_accused"]["by"]["size"]


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (("{findings}", "nowhere"), 2, "there is no folder nowhere with labels"),
    (("nowhere", "{traffic}"), 2, "there is no findings folder nowhere"),
    (("{traffic}/truth", "{findings}"), 1, "has no column"),
    (("{findings}", "{traffic}", "--plots", "p", "--plot-format", "pdf"), 2, "cannot be made as 'pdf'"),
    (("{findings}", "{traffic}", "--logs", "nowhere"), 2, "no Parquet files in nowhere"),
    (("{findings}", "{traffic}", "--accounts", "nowhere"), 2, "no accounts table nowhere"),
])
def test_a_wrong_call_says_what_to_do(arguments, code, said, stillwatch, demo):
    done = stillwatch("evaluate", *(a.format(findings=demo.findings, traffic=demo.traffic) for a in arguments))
    assert done.code == code
    assert said in done.err
    assert "Hint" in done.err
    assert done.out == ""


def test_hostile_names_reach_neither_the_terminal_nor_a_message(stillwatch, demo, tmp_path):
    hostile = "\x1b[2J[red]\u202e"
    shutil.copytree(demo.findings, tmp_path / "findings")
    for name in ("campaigns", "members", "exchanges"):
        path = tmp_path / f"findings/{name}.parquet"
        table = pq.read_table(path)
        ids = pa.array([hostile + ident for ident in table["campaign_id"].to_pylist()], pa.string())
        pq.write_table(table.set_column(table.column_names.index("campaign_id"), "campaign_id", ids), path)
    done = stillwatch("evaluate", tmp_path / "findings", demo.traffic)
    assert done.code == 0, done.err
    assert "\x1b" not in done.out + done.err
    told = stillwatch("evaluate", tmp_path / "findings", demo.traffic, "--json")
    assert "\x1b" not in told.out
    assert told.json["campaigns"][0]["best"]["campaign_id"].startswith(hostile)


def test_every_key_is_defined_in_the_reference(stillwatch, demo):
    told = stillwatch("evaluate", demo.findings, demo.traffic, "--json").json
    page = PAGE.read_text("utf-8")
    defined = set(re.findall(r"`([a-z_0-9]+)`", page))
    # Values that are names themselves, and keys that say nothing new.
    free = {*told["cost"]["stages"], *told["verdicts"], *(name for row in told["verdicts"].values() for name in row)}
    plain = {"campaign", "campaign_id", "f1"}

    def keys(value):
        if isinstance(value, dict):
            return {*value, *(key for item in value.values() for key in keys(item))}
        return {key for item in value for key in keys(item)} if isinstance(value, list) else set()

    unknown = {key.removesuffix("_interval") for key in keys(told)} - defined - free - plain
    assert not unknown
    assert json.loads(json.dumps(told, allow_nan=False)) == told
