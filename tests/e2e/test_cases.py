"""Cases, seals and comparisons from the command line, on traffic with known truth."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import findings_fixture as fixture
from stillwatch.cli.case import case


@pytest.fixture
def run(stillwatch, tmp_path):
    """The command line with a case store and a ledger of its own."""
    def command(*arguments, **settings):
        return stillwatch(*arguments, STILLWATCH_CASES_FILE=str(tmp_path / "cases.db"),
                          STILLWATCH_LEDGER_FILE=str(tmp_path / "ledger.jsonl"),
                          STILLWATCH_KEY_FILE=settings.pop("key", None) or str(tmp_path / "key"), **settings)

    return command


def campaigns(folder):
    return pq.read_table(folder / "campaigns.parquet").to_pylist()


def the_campaign(folder, people):
    """The row of the campaign with most of these accounts."""
    members = pq.read_table(folder / "members.parquet")
    ours = members.filter(pc.is_in(members["account_id"], value_set=pa.array(sorted(people))))
    counts = ours["campaign_id"].to_pylist()
    best = max(set(counts), key=counts.count)
    return next(row for row in campaigns(folder) if row["campaign_id"] == best)


def members_of(folder, campaign):
    return {row["account_id"] for row in pq.read_table(folder / "members.parquet").to_pylist()
            if row["campaign_id"] == campaign}


def scan(stillwatch, demo, out, *more, logs=None):
    done = stillwatch("scan", logs or demo.traffic / "exchanges", "--accounts", demo.traffic / "accounts.parquet",
                      "--out", out, "--decoys", 5, "--json", "-q", *more)
    assert done.code == 0, done.err
    return done.json


@pytest.mark.slow
def test_a_dismissed_campaign_stays_cleared_and_who_was_removed_is_no_member(demo, stillwatch, tmp_path):
    store, out = tmp_path / "cases.db", tmp_path / "out"
    people = demo.truth("distillation")
    found = the_campaign(demo.findings, people)
    innocent = next(row for row in campaigns(demo.findings)
                    if row["verdict"] == "education" and row["accounts"] >= 10)
    removed = sorted(members_of(demo.findings, innocent["campaign_id"]))[0]
    for arguments in (
            ("dismiss", found["campaign_id"], "--findings", demo.findings, "--reason", "they have a contract"),
            ("open", demo.findings, innocent["campaign_id"], "--reason", "a look"),
            ("remove-account", innocent["campaign_id"], removed, "--reason", "a stolen key")):
        done = stillwatch("case", *arguments, "--store", store, "--by", "Ann")
        assert done.code == 0, done.err
    before = store.read_bytes()
    told = scan(stillwatch, demo, out, "--cases", store)
    assert store.read_bytes() == before, "a scan only reads decisions"
    assert told["detections"] == told["accused"] == 0
    assert told["decisions"]["cleared"] == told["decisions"]["none"] == 1
    row = the_campaign(out, people)
    assert (row["decision"], row["verdict"], row["probability"]) == ("cleared", "undetermined", 0.0)
    assert "A person dismissed this group on" in row["explanation"]
    assert row["hypotheses"][0]["verdict"] == "distillation"
    shown = stillwatch("report", out)
    assert shown.code == 0
    assert "A person dismissed this group on" in (out / "report.html").read_text("utf-8")
    everywhere = [pq.read_table(out / f"{name}.parquet").to_pylist() for name in ("members", "groups")]
    assert not [entry for rows in everywhere for entry in rows if entry["account_id"] == removed]
    # What the findings say of the rest is said of the rest alone.
    rest = next(row for row in campaigns(out) if row["decision"] == "none")
    assert members_of(out, rest["campaign_id"]) <= members_of(demo.findings, innocent["campaign_id"]) - {removed}
    assert rest["exchanges"] == pc.sum(pc.equal(pq.read_table(out / "exchanges.parquet")["campaign_id"],
                                                rest["campaign_id"])).as_py()


@pytest.mark.slow
def test_new_accounts_of_substance_bring_a_dismissed_group_back_by_name(demo, stillwatch, tmp_path):
    """Half of the campaign is dismissed; the next logs hold all of it."""
    people = demo.truth("distillation")
    exchanges = pa.concat_tables([pq.read_table(f) for f in sorted((demo.traffic / "exchanges").iterdir())])
    late = pa.array(sorted(people)[::2])
    (tmp_path / "early").mkdir()
    pq.write_table(exchanges.filter(pc.invert(pc.is_in(exchanges["account_id"], value_set=late))),
                   tmp_path / "early" / "0.parquet")
    scan(stillwatch, demo, tmp_path / "first", logs=tmp_path / "early")
    found = the_campaign(tmp_path / "first", people)
    store = tmp_path / "cases.db"
    done = stillwatch("case", "dismiss", found["campaign_id"], "--findings", tmp_path / "first", "--reason", "a class",
                      "--store", store)
    assert done.code == 0, done.err
    scan(stillwatch, demo, tmp_path / "second", "--cases", store)
    row = the_campaign(tmp_path / "second", people)
    assert row["decision"] == "new_evidence"
    assert "accounts were not in it then" in row["explanation"]
    assert (row["verdict"], row["probability"] >= 0.9) == ("distillation", True)
    told = stillwatch("diff", tmp_path / "first", tmp_path / "second", "--json").json
    change = next(one for one in told["changes"] if row["campaign_id"] in one["after"])
    assert change["change"] in ("grown", "merged", "regrouped")
    assert len(set(change["joined"]) & set(late.to_pylist())) >= 0.8 * len(late)
    assert any(one["what"] == "inputs only there" for one in told["differences"])
    opened = stillwatch("case", "open", tmp_path / "second", row["campaign_id"], "--reason", "it is back", "--store",
                        store, "--json").json
    assert opened[0]["outcome"] == "reopen"
    assert "not in it then" in opened[0]["new_evidence"][0]


@pytest.mark.slow
def test_a_seal_is_verified_by_scanning_again_and_differences_are_told_by_table(demo, stillwatch, run, home, tmp_path):
    scan(stillwatch, demo, tmp_path / "findings")
    key = str(home / "key")
    assert run("seal", tmp_path / "findings", key=key).code == 0
    again = ("verify", tmp_path / "findings", "--accounts", demo.traffic / "accounts.parquet", "-q", "--json")
    same = run(*again, "--inputs", demo.traffic / "exchanges", key=key)
    assert same.code == 0, same.out + same.err
    assert same.json["rerun"]["same"]
    assert same.json["rerun"]["other"] == []
    exchanges = pa.concat_tables([pq.read_table(f) for f in sorted((demo.traffic / "exchanges").iterdir())])
    (tmp_path / "less").mkdir()
    pq.write_table(exchanges.slice(0, exchanges.num_rows - 500), tmp_path / "less" / "part-00000.parquet")
    other = run(*again, "--inputs", tmp_path / "less", key=key)
    assert other.code == 1
    assert other.json["problems"] == []
    assert any("was sealed, and is not given as it was" in text for text in other.json["rerun"]["inputs"])
    tables = {table["table"]: table for table in other.json["rerun"]["tables"]}
    assert tables["activity"]["changed"]["population_exchanges"]["rows"] > 0
    assert run("verify", tmp_path / "findings", "--inputs", demo.traffic / "exchanges", key=key).code == 2
    assert run(*again, "--inputs", demo.traffic / "exchanges").code == 2, "another deployment key"


@pytest.mark.slow
def test_an_investigation_from_opening_to_sealing(run, tmp_path):
    findings = fixture.typical(tmp_path / "findings")
    by = ("--by", "Ann", "--reason", "looked at it")
    assert run("case", "open", findings, "c4e1", "c117", *by).code == 0
    assert run("case", "dismiss", "2", "--as", "education", *by).code == 0
    assert run("case", "confirm", "1", *by).code == 0
    assert run("case", "split", "1", "org-c4e1-00001", *by).code == 2, "a decided case stays as it is"
    assert run("case", "appeal", "1", "--by", "Owner", "--reason", "a stolen key").code == 0
    assert run("case", "split", "1", "org-c4e1-00001", "org-c4e1-00002", *by).code == 0
    assert run("case", "merge", "1", "3", *by).code == 0
    assert run("case", "remove-account", "1", "org-c4e1-00003", *by).code == 0
    assert run("case", "remove-account", "1", "org-c4e1-00003", "--undo", *by).code == 0
    assert run("case", "note", "1", "asked the owner").code == 0
    assert run("case", "audit-sample", findings, "--size", 2, "--seed", 5, *by).code == 0
    assert run("case", "erase", "org-c4e1-00004", *by).code == 0
    listed = run("case", "list", "--json").json
    assert [row["state"] for row in listed[:3]] == ["appealed", "dismissed", "merged"]
    assert sum(row["sampled"] for row in listed) == 2
    acts = [entry["act"] for entry in run("case", "history", "--json").json]
    assert acts.count("sample") == 2
    assert acts[-1] == "erase"
    assert run("case", "show", "1").out.count("org-c4e1-00004") == 0
    assert run("case", "history", "1").out.index("decided: the claim is right") < run(
        "case", "history", "1").out.index("asked the owner")
    sealed = run("seal", findings, "--json").json
    shown = run("key", "--signing").out
    assert sealed["fingerprint"] in shown
    assert sealed["public_key"] in shown
    assert run("verify", findings, "--fingerprint", sealed["fingerprint"], "--json").json["ok"]
    assert (tmp_path / "key.signing").stat().st_mode & 0o077 == 0
    secret = (tmp_path / "key.signing").read_text().splitlines()[1]
    assert secret not in shown + json.dumps(sealed)
    (findings / "quarantine.jsonl").write_text("{}\n")
    bad = run("verify", findings)
    assert bad.code == 1
    assert "quarantine.jsonl was changed" in bad.out
    assert run("diff", findings, findings).out.startswith("5 SAME")


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (("case", "list"), 2, "no case store"),
    (("case", "list", "--state", "guilty"), 2, "dismissed"),
    (("case", "open", "FINDINGS", "nobody", "--reason", "x"), 2, "campaign_id"),
    (("case", "open", "FINDINGS", "c", "--reason", "x"), 2, "campaign_id"),
    (("case", "open", "FINDINGS", "c4e1"), 2, "reason"),
    (("case", "open", "FINDINGS", "c4e1", "--reason", " "), 2, "why"),
    (("case", "dismiss", "c4e1d0a92b7f", "--findings", "FINDINGS", "--as", "fraud", "--reason", "x"), 2, "verdict"),
    (("case", "dismiss", "c4e1d0a92b7f", "--findings", "FINDINGS", "--as", "distillation", "--reason", "x"), 2,
     "confirm"),
    (("seal", "nowhere"), 2, "no findings"),
    (("verify", "FINDINGS"), 2, "no seal"),
    (("verify", "nowhere"), 2, "no findings folder"),
    (("diff", "FINDINGS", "nowhere"), 2, "no findings folder"),
])
def test_a_wrong_call_says_what_to_do(run, tmp_path, arguments, code, says):
    findings = fixture.typical(tmp_path / "findings")
    done = run(*(findings if part == "FINDINGS" else part for part in arguments))
    assert done.code == code, done.out + done.err
    assert says in " ".join(done.err.split())
    assert "Traceback" not in done.err


PAYLOADS = ["\x1b[31m\x1b]0;title\x07", "\u202e\u2066evil", "[bold red]x[/bold red]", "\x9b2J\r\nok", "'; DROP TABLE x"]


@pytest.mark.parametrize("payload", PAYLOADS, ids=["escape", "bidi", "markup", "control", "sql"])
def test_hostile_strings_stay_text_in_the_terminal(run, tmp_path, payload):
    findings = fixture.hostile(tmp_path / "findings", payload)
    campaign = campaigns(findings)[0]["campaign_id"]
    seen = [run("case", "open", findings, campaign, "--by", payload, "--reason", payload),
            run("case", "note", campaign, payload, "--by", payload), run("case", "list"), run("case", "show", "1"),
            run("case", "history"), run("case", "show", payload), run("case", "erase", payload, "--reason", payload),
            run("diff", findings, findings), run("seal", findings)]
    (findings / f"x{payload.replace('/', '|')}").write_text("more")
    seen.append(run("verify", findings))
    assert seen[-1].code == 1
    for done in seen:
        text = done.out + done.err
        assert not set(text) & set("\x1b\x07\x9b\r\u202e\u2066"), done
        assert "Traceback" not in text
        assert "unexpected" not in text
    if payload.startswith("["):
        assert payload in seen[4].out


def test_names_of_ten_megabytes_are_cut_in_the_terminal_and_whole_in_json(run, tmp_path):
    long = "y" * 10_000_000
    made = fixture.tables((fixture.campaign(accounts=3), 3))
    made["findings.members"][0]["account_id"] = long
    findings = fixture.write(tmp_path / "findings", made, fixture.summary())
    assert run("case", "open", findings, "c4e1", "--reason", "x").code == 0
    shown = run("case", "show", "1")
    assert shown.code == 0
    assert len(shown.out) < 10_000
    assert any(row["account_id"] == long for row in run("case", "show", "1", "--json").json["accounts"])
    assert len(run("diff", findings, findings).out) < 10_000


def test_every_command_shows_an_example_and_is_in_the_reference(run):
    reference = (Path(__file__).parents[2] / "docs" / "reference" / "cases.md").read_text("utf-8")
    commands = [name for info in case.registered_commands if (name := info.name or info.callback.__name__)]
    assert {"list", "show", "confirm", "dismiss", "split", "merge", "remove-account", "note", "appeal", "history",
            "calibration",
            "open", "audit-sample", "erase"} == set(commands)
    for command in commands:
        assert f"| `{command}" in reference
        assert "Example" in run("case", command, "--help").out
    for command in ("seal", "verify", "diff"):
        assert f"`stillwatch {command} " in reference
        assert "Example" in run(command, "--help").out
