"""``stillwatch scan`` from the command line, on real requests and on traffic with known truth."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import resources

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.schema import TABLES, conform
from stillwatch.sealing.compare import compare_findings

CAPTURES = resources.files("stillwatch.data").joinpath("captures")
DECLARED = {table.name: table for table in TABLES}


def accused(scanned):
    """Accounts with member probability of a half or more in a detection, from the tables alone."""
    detections = {row["campaign_id"] for row in pq.read_table(scanned.findings / "campaigns.parquet").to_pylist()
                  if row["verdict"] == "distillation" and row["q_value"] <= 0.01 and row["probability"] >= 0.9}
    return {row["account_id"] for row in pq.read_table(scanned.findings / "members.parquet").to_pylist()
            if row["campaign_id"] in detections and row["probability"] >= 0.5}


def test_real_requests_that_name_no_account_are_all_read_and_nobody_is_linked(stillwatch, tmp_path):
    done = stillwatch("scan", CAPTURES / "*.jsonl.gz", "--out", tmp_path / "findings", "--json")
    assert done.code == 0, done.err
    counts = done.json["counts"]
    assert counts["records_in"] == counts["kept"] == 1406
    assert done.json["exchanges_without_account"] == 1406
    assert done.json["campaigns"] == done.json["detections"] == done.json["accused"] == 0
    assert "nothing can be linked" in {gone["input"]: gone["effect"] for gone in done.json["missing"]}["account_id"]
    people = stillwatch("scan", CAPTURES / "*.jsonl.gz", "--out", tmp_path / "findings")
    assert "nothing can be linked" in " ".join(people.out.split())
    assert "1,406" in people.out


def test_the_campaign_is_found_and_nobody_else_is_accused(demo):
    campaign, said = demo.truth("distillation"), accused(demo)
    assert demo.summary["detections"] == 1
    assert demo.summary["accused"] == len(said)
    assert said <= campaign
    assert len(said) >= 0.9 * len(campaign)


def test_the_campaign_stands_where_nothing_is_used_twice(demo):
    rows = {row["verdict"] == "distillation": row
            for row in pq.read_table(demo.findings / "campaigns.parquet").to_pylist()}
    assert rows[True]["fold_share"] >= 0.8
    assert rows[True]["fold_probability"] >= 0.9
    assert rows[False]["fold_share"] is None
    assert rows[False]["fold_probability"] is None


def test_hours_add_up_to_what_the_busiest_accounts_sent(demo):
    hours = pq.read_table(demo.findings / "hours.parquet").to_pylist()
    assert all(row["hour"].minute == row["hour"].second == row["hour"].microsecond == 0 for row in hours)
    by_hour, members = {}, {}
    for row in hours:
        key = row["campaign_id"], row["account_id"]
        by_hour[key] = by_hour.get(key, 0) + row["exchanges"]
    for row in pq.read_table(demo.findings / "members.parquet").to_pylist():
        members[row["campaign_id"], row["account_id"]] = row["exchanges"]
    assert by_hour
    assert all(members[key] == number for key, number in by_hour.items())
    for campaign in {campaign for campaign, _ in members}:
        sent = sorted((number for (of, _), number in members.items() if of == campaign and number), reverse=True)
        kept = sorted((number for (of, _), number in by_hour.items() if of == campaign), reverse=True)
        assert kept == sent[:40]


def test_attributed_exchanges_are_mostly_the_campaigns_own(demo):
    found = next(row for row in demo.summary["found"] if row["verdict"] == "distillation")
    rows = pq.read_table(demo.findings / "exchanges.parquet")
    mine = rows.filter(pc.equal(rows["campaign_id"], found["campaign_id"]))["exchange_id"]
    truth = pq.read_table(demo.traffic / "truth" / "exchanges.parquet")
    labels = {row["campaign"]: row["label"]
              for row in pq.read_table(demo.traffic / "truth" / "campaigns.parquet").to_pylist()}
    theirs = {row["exchange_id"] for row in truth.to_pylist() if labels[row["campaign"]] == "distillation"}
    right = len(theirs & set(mine.to_pylist()))
    assert right / len(mine) >= 0.8
    assert right / len(theirs) >= 0.6
    assert len(set(rows["exchange_id"].to_pylist())) == rows.num_rows, "one exchange is in at most one campaign"


def test_every_table_is_as_declared_and_consistent(demo):
    for file in demo.findings.glob("*.parquet"):
        data = pq.read_table(file)
        assert conform(data, DECLARED[f"findings.{file.stem}"]).schema.equals(data.schema), file.name
    campaigns = pq.read_table(demo.findings / "campaigns.parquet").to_pylist()
    members = pq.read_table(demo.findings / "members.parquet").to_pylist()
    attributed = pq.read_table(demo.findings / "exchanges.parquet")
    for row in campaigns:
        own = [m for m in members if m["campaign_id"] == row["campaign_id"]]
        assert row["accounts"] == len(own)
        assert row["exchanges"] == sum(m["exchanges"] for m in own)
        assert row["exchanges"] == pc.sum(pc.equal(attributed["campaign_id"], row["campaign_id"])).as_py()
        assert sum(h["probability"] for h in row["hypotheses"]) == pytest.approx(1.0)
        assert row["q_value"] >= row["q_floor"] - 1e-12
        assert row["explanation"]
        assert row["exchanges"] == 0 or row["sessions"] <= row["exchanges"]
    assert all(m["against"] for m in members), "every view of an account shows what speaks against"


def test_the_summary_names_inputs_settings_and_versions(demo):
    written = json.loads((demo.findings / "summary.json").read_text())
    assert written["counts"]["records_in"] == sum(f["records_in"] for f in written["inputs"])
    assert all(len(f["digest"]) == 64 for f in written["inputs"])
    assert written["settings"]["seed"] == written["seed"] == 0
    assert {"duckdb", "ibis", "pyarrow"} <= set(written["versions"])
    assert written["decoys"]["made"] == written["decoys"]["wanted"]
    assert "simulated" in written["conditional_on"]
    assert written["looks"]["ended"] is None
    assert 0 < written["looks"]["taken"] <= written["looks"]["grid"] == 20


def test_the_campaign_is_reportable_days_after_it_began_and_long_before_the_logs_end(demo, stillwatch):
    campaigns = pq.read_table(demo.findings / "campaigns.parquet").to_pylist()
    (found,) = [row for row in campaigns if row["detectable_at"] is not None]
    assert found["verdict"] == "distillation"
    assert 0 < (found["detectable_at"] - found["first_seen"]).days + 1 <= 4
    told = stillwatch("evaluate", demo.findings, demo.traffic, "--json").json
    (gone,) = [one["gone"] for one in told["campaigns"]]
    assert gone["detectable_at"] == found["detectable_at"].isoformat()
    assert 0 < gone["exchanges"] < 0.4
    page = (demo.findings / "report.html").read_text("utf-8")
    assert "By the same rules it was reportable from" in page


def test_no_prompt_and_no_raw_address_leaves_the_machine_in_findings(demo):
    exchanges = pa.concat_tables([pq.read_table(f) for f in sorted((demo.traffic / "exchanges").iterdir())])
    addresses = set(exchanges["ip"].drop_null().to_pylist())
    # The first forty letters of long prompts, taken from where no masking would change them.
    prompts = {text[:40] for text in exchanges["prompt"].drop_null().to_pylist()[:4000]
               if len(text) > 200 and text[:40].replace(" ", "").isalpha()}
    assert len(prompts) > 20
    assert len(addresses) > 100
    told = [file.read_text("utf-8") for file in demo.findings.iterdir() if file.suffix in (".json", ".jsonl", ".html")]
    for file in demo.findings.glob("*.parquet"):
        if file.stem != "samples":  # a few redacted excerpts, on purpose
            told.append(json.dumps(pq.read_table(file).to_pylist(), default=str))
    told = "\n".join(told)
    assert not [address for address in addresses if f'"{address}"' in told]
    page = (demo.findings / "report.html").read_text("utf-8")
    shown = sum(prompt in told.replace(page, "") for prompt in prompts)
    assert shown == 0
    assert not [path for path in demo.findings.iterdir() if path.name.startswith(".")], "scratch is gone"


def same_findings(one, other):
    """Members and probabilities of two findings folders, whatever their campaigns are called."""

    def content(folder):
        rows = pq.read_table(folder / "members.parquet").to_pylist()
        campaigns = {row["campaign_id"]: (row["verdict"], round(row["probability"], 9), row["q_value"],
                                          row["exchanges"])
                     for row in pq.read_table(folder / "campaigns.parquet").to_pylist()}
        return sorted((row["account_id"], round(row["probability"], 9), campaigns[row["campaign_id"]]) for row in rows)

    return content(one) == content(other)


@pytest.mark.slow
def test_threads_batches_files_and_row_order_change_nothing(demo, stillwatch, tmp_path):
    exchanges = pa.concat_tables([pq.read_table(f) for f in sorted((demo.traffic / "exchanges").iterdir())])
    order = pc.sort_indices(pa.table({"key": [hash_of(i) for i in exchanges["exchange_id"].to_pylist()]}),
                            sort_keys=[("key", "ascending")])
    shuffled = exchanges.take(order)
    (tmp_path / "logs").mkdir()
    for part in range(3):
        third = shuffled.slice(part * shuffled.num_rows // 3, (part + 1) * shuffled.num_rows // 3
                               - part * shuffled.num_rows // 3)
        pq.write_table(third, tmp_path / "logs" / f"{part}.parquet")
    common = ("--accounts", demo.traffic / "accounts.parquet", "--decoys", 5, "--quiet")
    plain = stillwatch("scan", demo.traffic / "exchanges", *common, "--out", tmp_path / "plain")
    done = stillwatch("scan", tmp_path / "logs", *common, "--out", tmp_path / "other", "--threads", 1,
                      STILLWATCH_BATCH_ROWS="3000")
    assert plain.code == done.code == 0, plain.err + done.err
    assert same_findings(tmp_path / "plain", tmp_path / "other")


def hash_of(text):
    return int.from_bytes(text.encode()[-6:][::-1], "big")


@pytest.mark.slow
def test_a_detection_can_fail_a_scheduled_run(demo, stillwatch, tmp_path):
    done = stillwatch("scan", demo.traffic / "exchanges", "--accounts", demo.traffic / "accounts.parquet", "--out",
                      tmp_path / "findings", "--fail-on-finding", "--quiet")
    assert done.code == 3
    none = stillwatch("scan", CAPTURES / "sdk.jsonl.gz", "--out", tmp_path / "none", "--fail-on-finding", "--quiet")
    assert none.code == 0


@pytest.mark.slow
def test_too_few_decoys_detect_nothing_and_say_why(demo, stillwatch, tmp_path):
    done = stillwatch("scan", demo.traffic / "exchanges", "--accounts", demo.traffic / "accounts.parquet", "--out",
                      tmp_path / "findings", "--decoys", 3, "--json")
    assert done.json["detections"] == done.json["accused"] == 0
    assert min(row["q_value"] for row in done.json["found"]) >= done.json["decoys"]["floor"]


def test_an_agreement_on_file_ends_the_question(demo, stillwatch, tmp_path):
    with (tmp_path / "agreements.csv").open("w") as file:
        file.write("account_id,permits,valid_from,valid_to,note\n")
        file.writelines(f"{account},distillation,,,on file\n" for account in sorted(demo.truth("distillation")))
    done = stillwatch("scan", demo.traffic / "exchanges", "--accounts", demo.traffic / "accounts.parquet", "--out",
                      tmp_path / "findings", "--agreements", tmp_path / "agreements.csv", "--decoys", 5, "--json")
    assert done.code == 0, done.err
    told = [row for row in pq.read_table(tmp_path / "findings" / "campaigns.parquet").to_pylist()
            if "permits this to every account of the group" in row["explanation"]]
    assert told
    told.sort(key=lambda row: -row["accounts"])
    assert told[0]["accounts"] >= 0.9 * len(demo.truth("distillation"))
    assert told[0]["verdict"] != "distillation"
    assert told[0]["probability"] == 0


@pytest.mark.parametrize(("arguments", "says"), [
    (["no/such/file.jsonl"], "no/such/file.jsonl"),
    ([str(CAPTURES / "sdk.jsonl.gz"), "--engine", "abacus"], "duckdb"),
    ([str(CAPTURES / "sdk.jsonl.gz"), "--decoys", "-1"], "decoys"),
    ([str(CAPTURES / "sdk.jsonl.gz"), "--format", "fax"], "native"),
    ([str(CAPTURES / "sdk.jsonl.gz"), "--accounts", "no/such/accounts.csv"], "accounts"),
    (["--no-such-option"], "no-such-option"),
])
def test_a_wrong_call_exits_with_two_and_says_what_to_do(stillwatch, tmp_path, arguments, says):
    done = stillwatch("scan", *arguments, "--out", tmp_path / "findings")
    assert done.code == 2
    assert says in done.err
    assert not (tmp_path / "findings").exists()
    assert done.out == ""


def test_a_folder_of_somebody_elses_is_not_overwritten(stillwatch, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    done = stillwatch("scan", CAPTURES / "sdk.jsonl.gz", "--out", tmp_path / "mine")
    assert done.code == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


def test_a_killed_scan_leaves_the_old_findings_and_the_next_one_cleans_up(demo, environment, stillwatch, tmp_path):
    out = tmp_path / "findings"
    assert stillwatch("scan", CAPTURES / "sdk.jsonl.gz", "--out", out, "--quiet").code == 0
    before = (out / "summary.json").read_bytes()
    killed = 0
    for delay in (0.0, 0.4, 1.5):
        process = subprocess.Popen(
            [sys.executable, "-m", "stillwatch", "scan", str(demo.traffic / "exchanges"), "--out", str(out), "-q"],
            env=environment, start_new_session=True)
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".findings.*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(delay)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        assert (out / "summary.json").read_bytes() == before
    assert killed == 3
    assert list(tmp_path.glob(".findings.*")), "a killed scan leaves its draft"
    assert stillwatch("scan", CAPTURES / "sdk.jsonl.gz", "--out", out, "--quiet").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["findings"]


def test_the_key_is_made_once_kept_private_and_never_printed(environment, tmp_path):
    key = tmp_path / "keys" / "key"

    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "stillwatch", "key", *arguments], capture_output=True, text=True,
                              check=False, env=environment | {"STILLWATCH_KEY_FILE": str(key)})

    first, again = run(), run()
    assert first.returncode == again.returncode == 0
    assert key.stat().st_mode & 0o077 == 0
    secret = key.read_text().strip()
    assert secret not in first.stdout + first.stderr + again.stdout + again.stderr
    assert first.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]
    assert run("--replace").stdout.splitlines()[-1] != again.stdout.splitlines()[-1]
    key.write_text("damaged")
    broken = run()
    assert broken.returncode == 1
    assert "damaged" in broken.stderr


def test_converted_logs_are_the_contracts_table_and_scan_like_the_originals(stillwatch, tmp_path):
    for _ in range(2):  # the second run replaces the first whole
        done = stillwatch("ingest", CAPTURES / "*.jsonl.gz", "--out", tmp_path / "converted", "--json")
        assert done.code == 0, done.err
    assert done.json["counts"]["kept"] == 1406
    assert "1406 = 1406 + 0 + 0 + 0 + 0" in done.err
    table = pq.read_table(tmp_path / "converted" / "exchanges")
    assert table.schema.names == list(DECLARED["input.exchanges"].names)
    assert len(set(table["exchange_id"].to_pylist())) == table.num_rows == 1406
    again = stillwatch("scan", tmp_path / "converted" / "exchanges", "--out", tmp_path / "findings", "--json")
    assert again.json["counts"]["kept"] == again.json["exchanges_without_account"] == 1406
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert stillwatch("ingest", CAPTURES / "sdk.jsonl.gz", "--out", tmp_path / "mine").code == 2


def test_help_of_every_command_shows_an_example_or_what_it_does(stillwatch):
    told = stillwatch("--help").out
    for command in ("scan", "report", "simulate", "evaluate", "power", "ingest", "key"):
        assert command in told
        page = stillwatch(command, "--help")
        assert page.code == 0
        assert "Example" in page.out or command == "key"


def test_a_rerun_of_sealed_findings_compares_every_table_that_a_scan_writes(demo):
    compared = {told["table"] for told in compare_findings(demo.findings, demo.findings)}
    assert {file.stem for file in demo.findings.glob("*.parquet")} | {"quarantine.jsonl"} == compared


def test_the_explanation_counts_the_members_and_says_who_else_is_linked(demo):
    linked = pq.read_table(demo.findings / "groups.parquet")["group_id"].to_pylist()
    told = {row["campaign_id"]: row for row in pq.read_table(demo.findings / "campaigns.parquet").to_pylist()}
    assert any(linked.count(name) > row["accounts"] for name, row in told.items())
    for name, row in told.items():
        detected = row["verdict"] == "distillation" and row["q_value"] <= 0.01 and row["probability"] >= 0.9
        beyond = "appear to be run together" if detected else "share "
        assert row["explanation"].startswith(f"{row['accounts']:,} accounts {beyond}")
        assert ("linked and take" in row["explanation"]) == (linked.count(name) > row["accounts"])


@pytest.mark.slow
def test_another_deployment_key_gives_other_names_and_the_same_findings(stillwatch, demo, tmp_path):
    done = stillwatch("scan", demo.traffic / "exchanges", "--accounts", demo.traffic / "accounts.parquet",
                      "--out", tmp_path / "out", STILLWATCH_KEY_FILE=str(tmp_path / "key"))
    assert done.code == 0, done.err

    def told(findings):
        members = pq.read_table(findings / "members.parquet").to_pylist()
        campaigns = pq.read_table(findings / "campaigns.parquet").to_pylist()
        inside = {row["campaign_id"]: [] for row in campaigns}
        for row in members:
            inside[row["campaign_id"]].append((row["account_id"], round(row["probability"], 6), row["exchanges"]))
        return sorted((row["verdict"], row["exchanges"], round(row["probability"], 6),
                       round(row["q_value"], 6), sorted(inside[row["campaign_id"]])) for row in campaigns)

    assert told(tmp_path / "out") == told(demo.findings)
    names = [set(pq.read_table(folder / "campaigns.parquet")["campaign_id"].to_pylist())
             for folder in (tmp_path / "out", demo.findings)]
    assert not names[0] & names[1]
