"""``link``, ``explain`` and ``expand`` from the command line: on anybody's sightings, and on a scan's findings."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.schema import TABLES, conform

DECLARED = {table.name: table for table in TABLES}
HOSTILE = "evil\x1b[31m\u202e<script>alert(1)</script>[bold]"


def made(seed=0, people=300, ring=12):
    """People with a card and an address each and popular clients; a ring that shares two wallets, a card and a tool."""
    rng = np.random.default_rng(seed)
    rows = [(f"user{i:04d}", kind, value) for i in range(people) for kind, value in
            (("payment", f"card{i}"), ("ip", f"198.51.100.{i}"), ("agent", f"browser{rng.integers(6)}"),
             ("wallet", f"w{i}"))]
    rows += [(f"ring{i:02d}", kind, value) for i in range(ring) for kind, value in
             (("payment", f"stolen{i % 2}"), ("ip", f"203.0.113.{i % 3}"), ("agent", "script"),
              ("wallet", f"hot{i % 2}"))]
    return rows


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("account_id", "kind", "value"), *rows])
    return path


@pytest.fixture(scope="session")
def linked(stillwatch, tmp_path_factory):
    """A small linkage with a ring of twelve, a lonely account and hostile text."""
    folder = tmp_path_factory.mktemp("linked")
    rows = [*made(), (HOSTILE, "agent", "browser0"), (HOSTILE, "trait\x1b]0;x\x07", HOSTILE),
            ("lonely", "wallet", HOSTILE), ("blank", "wallet", "")]
    write(folder / "sightings.csv", rows)
    (folder / "families.yaml").write_text("wallet: {family: payment, level: 2}\nagent: {family: client, level: 1}\n")
    done = stillwatch("link", folder / "sightings.csv", "--families", folder / "families.yaml", "--out", folder / "out")
    assert done.code == 0, done.err
    return folder, done


def harmless(text):
    return not any(ord(char) < 32 and char != "\n" for char in text) and "\u202e" not in text


def flat(text):
    return " ".join(text.split())


def test_the_ring_is_linked_and_nobody_else(linked):
    folder, done = linked
    groups = pq.read_table(folder / "out" / "groups.parquet").to_pylist()
    members = {row["account_id"] for row in groups}
    assert members == {f"ring{i:02d}" for i in range(12)}
    assert len({row["group_id"] for row in groups}) == 1
    assert all(0.5 <= row["probability"] <= 1 for row in groups)
    edges = pq.read_table(folder / "out" / "edges.parquet").to_pylist()
    assert edges
    assert all(row["account_a"] < row["account_b"] and row["bits"] > 0 for row in edges)
    assert all(set(row["families"]) <= {"network", "client", "payment"} for row in edges)
    for name in ("edges", "groups", "sightings"):
        data = pq.read_table(folder / "out" / f"{name}.parquet")
        assert conform(data, DECLARED[f"findings.{name}"]).schema.equals(data.schema)
    assert "1 GROUP OF ACCOUNTS" in done.out
    assert groups[0]["group_id"] in done.out


def test_rows_set_aside_and_undeclared_kinds_are_said_harmlessly(linked):
    folder, done = linked
    said = flat(done.err)
    assert "1 without a value" in said
    assert "family of its own: trait\\x1b]0;x\\x07" in said
    assert harmless(done.out)
    assert harmless(done.err)
    summary = json.loads((folder / "out" / "summary.json").read_text())
    counts = summary["counts"]
    assert counts["rows_in"] == counts["kept"] + sum(counts["set_aside"].values())
    assert summary["families"]["wallet"] == {"family": "payment", "level": 2, "rows": 313, "source": "declared",
                                             "digested": False, "did_you_mean": None}
    assert {"seed", "version", "settings", "caps", "learnt", "key_fingerprint"} <= summary.keys()


def test_addresses_and_cards_are_kept_as_digests_only(linked):
    folder, _ = linked
    kept = pq.read_table(folder / "out" / "sightings.parquet")
    text = json.dumps(kept.drop_columns(["first_seen", "last_seen"]).to_pylist())
    assert "203.0.113." not in text
    assert "stolen0" not in text
    assert "hot0" in text


def test_the_same_rows_in_another_order_and_format_give_the_same_files(stillwatch, tmp_path):
    rows = made(1)
    write(tmp_path / "one.csv", rows)
    names = ("account_id", "kind", "value")
    other = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    (tmp_path / "parts").mkdir()
    pq.write_table(pa.table({n: [r[i] for r in other[:500]] for i, n in enumerate(names)}),
                   tmp_path / "parts" / "a.parquet")
    (tmp_path / "parts" / "b.jsonl").write_text(
        "".join(json.dumps(dict(zip(names, row, strict=True), noise=1)) + "\n" for row in other[500:]))
    for given, out in (("one.csv", "x"), ("parts", "y")):
        done = stillwatch("link", tmp_path / given, "--out", tmp_path / out, "--json")
        assert done.code == 0, done.err
        assert done.json["groups"] >= 1
    for name in ("edges", "groups", "sightings"):
        tables = [pq.read_table(tmp_path / out / f"{name}.parquet") for out in ("x", "y")]
        assert tables[0].equals(tables[1]), name


def test_a_folder_that_is_not_its_own_is_left_alone_and_its_own_is_replaced(stillwatch, linked, demo, tmp_path):
    folder, _ = linked
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for target in (tmp_path / "mine", demo.findings):
        done = stillwatch("link", folder / "sightings.csv", "--out", target)
        assert done.code == 2
        assert "is no linkage folder" in flat(done.err)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    for _ in range(2):
        assert stillwatch("link", folder / "sightings.csv", "--out", tmp_path / "again", "-q").code == 0


@pytest.mark.parametrize(("content", "code", "said"), [
    ("account,kind,value\na,b,c\n", 1, "did you mean 'account' for account_id"),
    ("account_id,kind,value\n,,\n", 1, "none of 1 rows can be used"),
    ("", 1, "none of 0 rows can be used"),
])
def test_unusable_input_is_an_error_with_a_remedy_and_writes_nothing(stillwatch, tmp_path, content, code, said):
    (tmp_path / "x.csv").write_text(content)
    done = stillwatch("link", tmp_path / "x.csv", "--out", tmp_path / "out")
    assert done.code == code
    assert said in flat(done.err)
    assert not (tmp_path / "out").exists()


def test_an_account_of_a_linkage_is_explained_for_and_against(stillwatch, linked):
    folder, _ = linked
    done = stillwatch("explain", folder / "out", "ring03")
    assert done.code == 0, done.err
    said = flat(done.out)
    assert "in 1 group" in said
    assert "Linked is not guilty" in said
    assert "wallet “hot1” with 5 of 11 other members; nobody else outside" in said
    assert "What speaks against" in said
    assert "May it be a victim? not assessed: linkage alone" in said
    told = stillwatch("explain", folder / "out", "ring03", "--json").json
    group = told["groups"][0]
    assert group["accounts"] == 12
    assert group["against"]
    assert group["victim_note"]
    assert {row["family"] for row in group["families"]} == {"network", "client", "payment"}
    assert all(row["why"] and isinstance(row["bits"], float) for row in group["families"])
    assert told["neighbours"][0]["bits"] >= told["neighbours"][-1]["bits"]


def test_an_account_in_no_group_is_told_what_it_shares_and_what_would_be_needed(stillwatch, linked):
    folder, _ = linked
    done = stillwatch("explain", folder / "out", "user0001")
    said = flat(done.out)
    assert "in no group" in said
    assert "What would be needed" in said
    assert "agent “browser" in said
    told = stillwatch("explain", folder / "out", "user0001", "--json").json
    assert told["groups"] == []
    assert told["alone"]["needed"] > 5
    assert 20 < told["alone"]["shares"][0]["accounts"] < 100
    alone = stillwatch("explain", folder / "out", "lonely")
    assert alone.code == 0
    assert "never seen with anything of: client, network" in flat(alone.out)


def test_two_accounts_are_compared_value_by_value(stillwatch, linked):
    folder, _ = linked
    told = stillwatch("explain", folder / "out", "ring00", "ring06", "--json").json
    shared = {row["kind"]: row for row in told["shared"]}
    assert set(shared) == {"payment", "wallet", "ip", "agent"}
    assert shared["wallet"]["accounts"] == 6
    assert shared["wallet"]["bits"] == pytest.approx(np.log2(told["population"] / 6))
    assert [row["counts"] for row in told["shared"] if row["family"] == "payment"] == [True, False]
    assert told["edge"]
    assert len(told["same_groups"]) == 1
    apart = stillwatch("explain", folder / "out", "ring00", "user0007", "--json").json
    assert apart["shared"] == []
    assert {row["family"] for row in apart["disagree"]} == {"client", "network", "payment"}
    assert apart["edge"] is None
    words = stillwatch("explain", folder / "out", "ring00", "user0007")
    assert "not linked" in flat(words.out)
    assert "What speaks against" in words.out
    lonely = stillwatch("explain", folder / "out", "ring00", "lonely", "--json").json
    assert {"family": "network", "accounts": ["lonely"]} in lonely["missing"]


def test_unknown_accounts_are_errors_with_close_matches(stillwatch, linked, tmp_path):
    folder, _ = linked
    done = stillwatch("explain", folder / "out", "Ring03")
    assert done.code == 2
    assert "did you mean ring03" in flat(done.err)
    group = pq.read_table(folder / "out" / "groups.parquet")["group_id"][0].as_py()
    assert "is a group, not an account" in flat(stillwatch("explain", folder / "out", group).err)
    assert stillwatch("explain", tmp_path, "a").code == 1
    assert stillwatch("explain", folder / "out", "a", "b", "c").code == 2
    assert stillwatch("expand", folder / "out", "nobody-at-all").code == 2


def test_hostile_ids_and_values_are_shown_harmlessly(stillwatch, linked):
    folder, _ = linked
    for arguments in (("explain", folder / "out", HOSTILE), ("explain", folder / "out", HOSTILE, "lonely"),
                      ("expand", folder / "out", HOSTILE, "ring00"), ("explain", folder / "out", HOSTILE + "x")):
        done = stillwatch(*arguments)
        assert harmless(done.out)
        assert harmless(done.err)
        assert "\\x1b" in done.out + done.err
    assert "[bold]" in stillwatch("explain", folder / "out", HOSTILE).out, "what looks like markup is text"


def test_from_one_account_of_the_ring_the_others_are_leads(stillwatch, linked, tmp_path):
    folder, _ = linked
    done = stillwatch("expand", folder / "out", "ring00", "--out", tmp_path / "leads.csv")
    assert done.code == 0, done.err
    said = flat(done.out)
    assert "11 LEADS FROM 1 ACCOUNT" in said
    assert "Leads, not culprits" in said
    assert "Stop rules" in said
    assert "Nobody below a probability of 50%" in said
    assert "nobody else is as probable" in said
    assert said.count("against:") == 11
    assert said.count("Victim?") == 11
    with (tmp_path / "leads.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["account"] for row in rows} == {f"ring{i:02d}" for i in range(1, 12)}
    assert all(row["against"] and row["victim_note"] and row["via"] for row in rows)
    again = stillwatch("expand", folder / "out", "ring00", "--out", tmp_path / "leads.csv")
    assert again.code == 2


def test_stop_rules_and_seeds_from_a_file(stillwatch, linked, tmp_path):
    folder, _ = linked
    (tmp_path / "bad.txt").write_text("ring00\r\n\nring01\nnobody\n")
    told = stillwatch("expand", folder / "out", "--from", tmp_path / "bad.txt", "--limit", 3, "--rounds", 1,
                      "--json").json
    assert sorted(told["seeds"]) == ["ring00", "ring01"]
    assert [row["account"] for row in told["unknown_seeds"]] == ["nobody"]
    assert len(told["leads"]) == 3
    assert told["stopped"] == "accounts"
    assert told["rules"]["rounds"] == 1
    chances = [lead["probability"] for lead in told["leads"]]
    assert chances == sorted(chances, reverse=True)
    strict = stillwatch("expand", folder / "out", "user0001", "--json").json
    assert strict["leads"] == []
    assert strict["stopped"] == "nobody"
    assert stillwatch("expand", folder / "out").code == 2
    assert stillwatch("expand", folder / "out", "ring00", "--min-probability", "7").code == 2


def test_a_member_of_a_scans_campaign_is_explained_with_verdict_and_victim_note(stillwatch, demo):
    members = pq.read_table(demo.findings / "members.parquet").to_pylist()
    found = next(row for row in demo.summary["found"] if row["verdict"] == "distillation")
    mine = sorted(row["account_id"] for row in members if row["campaign_id"] == found["campaign_id"])
    told = stillwatch("explain", demo.findings, mine[0], "--json").json
    group = next(row for row in told["groups"] if row["group_id"] == found["campaign_id"])
    assert group["campaign"]["verdict"] == "distillation"
    assert group["campaign"]["detection"] is True
    row = next(m for m in members if m["account_id"] == mine[0] and m["campaign_id"] == found["campaign_id"])
    assert group["against"] == row["against"]
    assert group["exchanges"] == row["exchanges"]
    said = flat(stillwatch("explain", demo.findings, mine[0]).out)
    assert "a DETECTION" in said
    assert "May it be a victim?" in said
    both = stillwatch("explain", demo.findings, mine[0], mine[1])
    assert found["campaign_id"] in both.out
    assert "What is missing" in both.out


def test_from_three_accounts_of_the_campaign_the_rest_is_reached_and_few_others(stillwatch, demo):
    truth = sorted(demo.truth("distillation"))
    told = stillwatch("expand", demo.findings, *truth[:3], "--limit", 500, "--json").json
    leads = {lead["account"] for lead in told["leads"]}
    right = len(leads & set(truth))
    assert right / len(leads) >= 0.95
    assert right / (len(truth) - 3) >= 0.8
    assert all(lead["against"] and lead["victim_note"] for lead in told["leads"])
    chance = {lead["account"]: lead["probability"] for lead in told["leads"]}
    assert all(lead["probability"] <= chance.get(lead["via"], 1.0) + 1e-12 for lead in told["leads"])


def test_linking_a_scans_own_sightings_gives_its_groups(stillwatch, demo, tmp_path):
    done = stillwatch("link", demo.findings / "sightings.parquet", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    groups = [pq.read_table(folder / "groups.parquet") for folder in (demo.findings, tmp_path / "out")]
    assert groups[0].equals(groups[1])
