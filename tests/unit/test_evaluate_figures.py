"""Evaluation against brute force on small random findings and truth; the seed is in the test's name."""

import json
import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluate_oracle import START, Oracle, exact, world, write
from stillwatch.engine import connect
from stillwatch.errors import InputError, StillwatchError, UsageError
from stillwatch.proof.evaluate import (
    Evaluation,
    Findings,
    Truth,
    evaluate,
    figures,
    pooled,
    read_findings,
    read_truth,
    score,
)

SEEDS = range(16)


def near(value):
    """Equal but for the last bits of an interval."""
    return pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=False)


def flat(value, path=()):
    """Leaves of a JSON value by path."""
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in flat(item, (*path, name))]
    if isinstance(value, list):
        return [leaf for number, item in enumerate(value) for leaf in flat(item, (*path, number))]
    return [(path, value)]


def same(one, other):
    """Two JSON values with the same structure and numbers that are equal or nearly."""
    mine, theirs = flat(one), flat(other)
    assert [path for path, _ in mine] == [path for path, _ in theirs]
    for (path, a), (_, b) in zip(mine, theirs, strict=True):
        assert a == (near(b) if isinstance(b, float) else b), path


def scored(made, folder, **options):
    findings, traffic = write(made, folder, **options)
    return figures(evaluate(findings, traffic))


@pytest.fixture(scope="module", params=SEEDS, ids=lambda seed: f"seed{seed}")
def scene(request, tmp_path_factory):
    """A random world, its figures, and the oracle of it."""
    made = world(request.param)
    return made, scored(made, tmp_path_factory.mktemp("scene")), Oracle(made)


def test_accounts_exchanges_and_linked_are_those_of_sets(scene):
    made, got, oracle = scene
    same(got["accounts"], oracle.counts(oracle.accused, oracle.positive))
    same(got["exchanges"], oracle.exchanges())
    same(got["linked"], oracle.linked())
    assert got["counts"] == {
        "candidates": len(made["campaigns"]), "detections": len(oracle.detections), "accused": len(oracle.accused),
        "true_members": len(oracle.positive), "true_campaigns": len(oracle.harvests),
        "labelled_groups": len(made["truth"]), "population": len(oracle.population)}
    json.dumps(got, allow_nan=False)


def test_separation_is_scikit_learns(scene):
    got, wanted = scene[1]["separation"], scene[2].ari()
    assert {name: got[name] for name in wanted} == {name: None if v is None else near(v) for name, v in wanted.items()}


def test_every_campaign_is_matched_as_by_hand(scene):
    made, got, oracle = scene
    rows = {c: {x for x, d in oracle.said_of.items() if d == c} for c in oracle.likely}
    true = {g: {x for x, h in oracle.true_of.items() if h == g} for g in oracle.members}
    chance = {c["campaign_id"]: c for c in made["campaigns"]}

    def ranked(group, among, first, second):
        def order(c):
            q = chance[c]["q_value"]
            return (-first(c, group), -second(c, group), len(oracle.likely[c]), -chance[c]["probability"],
                    2 if q is None else q, c)
        return sorted((c for c in among if first(c, group)), key=order)

    def shared(c, g):
        return len(oracle.likely[c] & oracle.members[g])

    def shared_rows(c, g):
        return len(rows[c] & true[g])

    owner = {}
    for d in oracle.detections:
        held = [g for g in oracle.harvests if shared(d, g) or shared_rows(d, g)]
        if held:
            owner[d] = min(held, key=lambda g: (-shared_rows(d, g), -shared(d, g), len(oracle.members[g]), g))
    assert [one["campaign"] for one in got["campaigns"]] == sorted(oracle.harvests)
    for one in got["campaigns"]:
        g = one["campaign"]
        hit = len(oracle.members[g] & oracle.accused)
        assert (one["members"], one["accused"]) == (len(oracle.members[g]), hit)
        assert one["recall_interval"] == (None if not oracle.members[g] else near(exact(hit, len(oracle.members[g]))))
        assert one["recovered"] == (2 * hit >= len(oracle.members[g]) > 0)
        holding = ranked(g, oracle.detections, shared, shared_rows)
        assert [held["campaign_id"] for held in one["detections"]] == holding
        assert one["best"] == (one["detections"][0] if holding else None)
        for held in one["detections"]:
            assert held["precision"] == shared(held["campaign_id"], g) / len(oracle.likely[held["campaign_id"]])
        by_rows = ranked(g, oracle.detections, shared_rows, shared)
        if by_rows:
            assert one["exchanges"]["best"]["precision"] == shared_rows(by_rows[0], g) / len(rows[by_rows[0]])
        else:
            assert one["exchanges"]["best"] is None
        attributed = sum(len(rows[d]) for d, whose in owner.items() if whose == g)
        assert one["volume"] == {"attributed": attributed, "true": len(true[g]),
                                 "error": (attributed - len(true[g])) / len(true[g]) if true[g] else None}
    whole = sum(len(rows[d]) for d in oracle.detections)
    every = sum(len(true[g]) for g in oracle.harvests)
    assert got["volume"] == {"attributed": whole, "true": every, "error": (whole - every) / every if every else None}
    for one in got["groups"]:
        best = ranked(one["campaign"], list(oracle.likely), shared, shared_rows)
        assert one["verdict"] == (chance[best[0]]["verdict"] if best else "no candidate")
        assert one["accused"] == len(oracle.members[one["campaign"]] & oracle.accused)
        if best:
            assert one["candidate"]["campaign_id"] == best[0]
            assert one["candidate"]["overlap"] == shared(best[0], one["campaign"])
    for label, said in got["verdicts"].items():
        assert sum(said.values()) == sum(t["label"] == label for t in made["truth"])
        for verdict, number in said.items():
            assert number == sum(one["label"] == label and one["verdict"] == verdict for one in got["groups"])


@pytest.mark.parametrize("times_in_truth", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_what_was_gone_is_counted_row_by_row(seed, times_in_truth, tmp_path):
    made = world(seed)
    if seed % 4 == 0:
        for row in made["campaigns"]:  # at the very time of an exchange, which is then over
            row["detectable_at"] = random.Random(seed).choice(made["logs"])["ts"]
    got, oracle = scored(made, tmp_path, truth_times=times_in_truth), Oracle(made)
    at = {c["campaign_id"]: c["detectable_at"] for c in made["campaigns"]}

    def closest(d):
        rows = {g: sum(oracle.said_of.get(x) == d for x, h in oracle.true_of.items() if h == g)
                for g in oracle.harvests}
        held = [g for g in oracle.harvests if oracle.likely[d] & oracle.members[g] or rows[g]]
        return min(held, key=lambda g: (-len(oracle.likely[d] & oracle.members[g]), -rows[g], len(oracle.members[g]),
                                        g), default=None)

    seen = 0
    for one in got["campaigns"]:
        holding = [held["campaign_id"] for held in one["detections"]]
        times = [at[d] for n, d in enumerate(holding) if (n == 0 or closest(d) == one["campaign"]) and at[d]]
        if not holding:
            assert (one["gone"], one["gone_note"]) == (None, "not detected")
        elif not times:
            assert one["gone"] is None
            assert "not computed by this scan" in one["gone_note"]
        elif one["campaign"] in oracle.true_of.values():
            exchanges, accounts, days = oracle.gone(one["campaign"], min(times))
            assert one["gone"]["detectable_at"] == min(times).isoformat()
            assert (one["gone"]["exchanges"], one["gone"]["accounts"]) == (exchanges, accounts)
            assert one["gone"]["days"] == (None if days is None else near(days))
            seen += 1
    assert got["gone"]["campaigns"] == seen


def test_wrongly_accused_are_counted_by_what_they_are(scene):
    _, got, oracle = scene
    wrong = oracle.accused - oracle.positive
    assert got["wrongly_accused"]["accounts"] == len(wrong)
    assert got["false_accusation"]["count"] == len(wrong)
    assert got["false_accusation"]["of"] == len(oracle.benign)
    active = {a for a in oracle.benign if oracle.sent[a]}
    assert (got["false_accusation"]["active"]["count"], got["false_accusation"]["active"]["of"]) == (
        len(wrong & active), len(active))
    assert set(got["wrongly_accused"]["by"]) == {"kind", "language", "country", "vpn", "size"}
    for attribute, groups in got["wrongly_accused"]["by"].items():
        wanted = oracle.wrongly(attribute)
        assert {g["value"]: (g["accounts"], g["accused"]) for g in groups if g["accounts"]} == wanted
        for group in groups:
            n, x = group["accounts"], group["accused"]
            assert group["rate_interval"] == (near(exact(x, n)) if n else None)
            if group["value"] is None:
                assert group["result"] == "not known"
                continue
            others = [pair for value, pair in wanted.items() if value not in (None, group["value"])]
            m, y = sum(pair[0] for pair in others), sum(pair[1] for pair in others)
            if not n or not m or not x + y:
                assert (group["ratio"], group["result"]) == (None, "cannot tell")
                continue
            low, high = (p / (1 - p) * m / n if p < 1 else None for p in exact(x, x + y))
            assert group["ratio_interval"] == [near(low), None if high is None else near(high)]
            assert group["ratio_infinite"] == (y == 0)
            assert group["ratio"] == (None if y == 0 else near((x / n) / (y / m)))
            above = y == 0 or (x / n) / (y / m) > 1.25
            wanted_result = ("fails" if above and low > 1 else
                             "holds" if high is not None and high <= 1.25 else "cannot tell")
            assert group["result"] == wanted_result


def test_precision_is_restated_at_a_prevalence(scene):
    _, got, oracle = scene
    for one in got["prevalence"]:
        share = 1 / one["one_in"]
        if not oracle.positive:
            assert one["precision"] is one["precision_interval"] is None
            continue
        r = len(oracle.accused & oracle.positive) / len(oracle.positive)
        f = len(oracle.accused - oracle.positive) / len(oracle.benign)
        whole = share * r + (1 - share) * f
        assert one["precision"] == (near(share * r / whole) if whole else None)
        r_low, r_high = exact(len(oracle.accused & oracle.positive), len(oracle.positive), 0.975)
        f_low, f_high = exact(len(oracle.accused - oracle.positive), len(oracle.benign), 0.975)
        assert one["precision_interval"] == [
            near(share * r / (share * r + (1 - share) * f)) for r, f in ((r_low, f_high), (r_high, f_low))]


def test_false_campaigns_and_calibration_are_as_defined(scene):
    _, got, oracle = scene
    false = [d for d in sorted(oracle.detections)
             if not oracle.likely[d] or len(oracle.likely[d] & oracle.positive) / len(oracle.likely[d]) < 0.5]
    assert got["false_campaigns"]["campaigns"] == false
    assert got["false_campaigns"]["of"] == len(oracle.detections)
    p, y, brier = oracle.calibration()
    calibrated = got["calibration"]
    assert (calibrated["candidates"], calibrated["positives"]) == (len(p), sum(y))
    assert calibrated["brier"] == near(brier)
    base = np.mean(y)
    assert calibrated["brier_skill"] == (near(1 - brier / (base * (1 - base))) if 0 < base < 1 else None)
    for one in calibrated["bins"]:
        inside = [(a, b) for a, b in zip(p, y, strict=True)
                  if one["from"] <= a and (a < one["to"] or one["to"] == 1.0)]
        assert one["candidates"] == len(inside)
        assert one["share"] == np.mean([b for _, b in inside])
        assert one["mean_probability"] == near(np.mean([a for a, _ in inside]))
        assert one["share_interval"] == near(exact(sum(b for _, b in inside), len(inside)))
    assert sum(one["candidates"] for one in calibrated["bins"]) == len(p)


def renamed(made, seed):
    """The same world with every name another, and every table's rows in another order."""
    rng = random.Random(seed)
    columns = {"campaign_id": "c", "campaign": "g", "account_id": "a", "exchange_id": "x"}
    names = {key: {} for key in columns}

    def change(row):
        out = dict(row)
        for key in columns:
            if row.get(key) not in (None, "unknown"):
                out[key] = names[key].setdefault(row[key], f"{columns[key]}{rng.getrandbits(48):012x}")
        return out

    out = {}
    for name, rows in made.items():
        out[name] = [change(row) for row in rows]
        rng.shuffle(out[name])
    return out


def nameless(value):
    """Figures without names, and without the order that names gave."""
    if isinstance(value, dict):
        return {k: nameless(v) for k, v in value.items() if k not in ("campaign", "campaign_id", "inputs")}
    if isinstance(value, list):
        return sorted((nameless(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value if not isinstance(value, str) or not value.startswith("c") or " " in value else "name"


@pytest.mark.parametrize("seed", range(6))
def test_neither_names_nor_the_order_of_rows_change_a_figure(seed, tmp_path):
    made = world(seed)
    # Distinct probabilities, so that no two candidates are alike in everything but their name.
    for number, row in enumerate(made["campaigns"]):
        row["probability"] = max(row["probability"] - number * 1e-6, 0.0) if row["probability"] != 0.9 else 0.9
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    one, other = scored(made, tmp_path / "one"), scored(renamed(made, seed), tmp_path / "other")
    false = [figure["false_campaigns"].pop("campaigns") for figure in (one, other)]
    assert len(false[0]) == len(false[1])
    same(nameless(one), nameless(other))


@pytest.mark.parametrize("seed", range(2))
def test_pooled_runs_are_one_run_over_all_their_rows(seed, tmp_path):
    """Runs whose names share nothing, pooled, give what one run over all rows gives; indices are averaged."""
    worlds = [renamed(world(10 * seed + i), i) for i in range(3)]
    runs = []
    for number, made in enumerate(worlds):
        (tmp_path / str(number)).mkdir()
        runs.append(evaluate(*write(made, tmp_path / str(number)), name=f"run {number}"))
    whole = {name: [row for made in worlds for row in made[name]] for name in worlds[0]}
    (tmp_path / "whole").mkdir()
    one, together = figures(evaluate(*write(whole, tmp_path / "whole"))), figures(pooled(runs))
    for name in ("accounts", "exchanges", "linked", "campaigns_recovered", "false_accusation", "prevalence", "volume",
                 "gone", "calibration", "counts", "verdicts"):
        same(together[name], one[name])
    for name in ("kind", "language", "country", "vpn"):
        wanted = {g["value"]: g for g in one["wrongly_accused"]["by"][name]}
        same({g["value"]: g for g in together["wrongly_accused"]["by"][name]},
             {g["value"]: wanted[g["value"]] for g in together["wrongly_accused"]["by"][name]})
    each = [figures(run)["separation"]["ari"] for run in runs]
    assert together["separation"]["ari"] == near(np.mean([a for a in each if a is not None]))
    assert together["separation"]["ari_lowest"] == min(a for a in each if a is not None)
    assert {c["run"] for c in together["campaigns"]} <= {"run 0", "run 1", "run 2"}
    assert together["cost"]["seconds"] == 12.0
    assert together["cost"]["peak_memory_bytes"] == 10**9


def test_runs_of_one_name_are_not_pooled(tmp_path):
    run = evaluate(*write(world(1), tmp_path))
    with pytest.raises(UsageError, match="name of its own"):
        pooled([run, run])
    with pytest.raises(UsageError):
        pooled([])
    assert isinstance(pooled([run, replace(run, runs=("b",))]), Evaluation)


def test_truth_with_the_contracts_columns_alone_says_what_it_cannot_tell(tmp_path):
    made = world(3)
    findings, traffic = write(made, tmp_path, beside=False)
    got, oracle = figures(evaluate(findings, traffic / "truth")), Oracle(made)
    same(got["accounts"], oracle.counts(oracle.accused, oracle.positive))
    same(got["exchanges"], oracle.exchanges())
    assert got["false_accusation"] is None
    assert [one["precision"] for one in got["prevalence"]] == [None] * 3
    assert got["wrongly_accused"]["by"] == {}
    told = {gap["input"]: gap["effect"] for gap in got["missing"]}
    assert "how many accounts there are is not known" in told["accounts, logs"]
    assert {"kind", "country", "language", "vpn"} <= set(told)
    timed = [one for one in got["campaigns"] if one["gone_note"] == "the times of its exchanges are not known"]
    assert timed
    assert "ts, account_id" in told


def test_given_files_replace_those_beside_the_truth(tmp_path):
    made = world(4)
    findings, traffic = write(made, tmp_path)
    few = [row for row in made["accounts"] if row["kind"] == "individual"]
    (tmp_path / "few.csv").write_text("account_id,kind,country\n" + "".join(
        f"{row['account_id']},{row['kind'].upper()},{(row['country'] or '').lower()}\n" for row in few))
    got = figures(evaluate(findings, traffic, accounts=tmp_path / "few.csv", logs=traffic / "exchanges/part-0.parquet"))
    groups = {g["value"]: g for g in got["wrongly_accused"]["by"]["kind"]}
    assert set(groups) == {"individual", None}
    oracle = Oracle({**made, "accounts": few, "logs": made["logs"][:len(made["logs"]) // 2]})
    assert {g["value"]: (g["accounts"], g["accused"]) for g in got["wrongly_accused"]["by"]["country"]} == \
        oracle.wrongly("country")
    assert got["counts"]["population"] == len(oracle.population)


@pytest.mark.parametrize("gone", ["truth", "findings"])
def test_without_exchanges_on_a_side_nothing_is_said_of_them(gone, tmp_path):
    made = world(5)
    findings, traffic = write(made, tmp_path)
    (traffic / "truth" if gone == "truth" else findings).joinpath("exchanges.parquet").unlink()
    got, oracle = figures(evaluate(findings, traffic)), Oracle(made)
    same(got["accounts"], oracle.counts(oracle.accused, oracle.positive))
    assert got["exchanges"] is got["volume"] is got["separation"] is None
    assert all(one["exchanges"] is None and one["volume"] is None for one in got["campaigns"])
    assert any("nothing of exchanges" in gap["effect"] for gap in got["missing"])


def test_nothing_found_nothing_there_and_nothing_at_all(tmp_path):
    for number, empty in enumerate((("campaigns", "members", "rows"), ("truth", "true_members", "true_rows"),
                                    tuple(world(0)))):
        made = {name: [] if name in empty else rows for name, rows in world(6).items()}
        (tmp_path / str(number)).mkdir()
        got, oracle = scored(made, tmp_path / str(number)), None
        json.dumps(got, allow_nan=False)
        if number == 0:
            oracle = Oracle(made)
            assert got["accounts"] == {"tp": 0, "fp": 0, "fn": len(oracle.positive), "precision": None,
                                       "precision_interval": None, "recall": 0.0, "f1": 0.0,
                                       "recall_interval": near(exact(0, len(oracle.positive)))}
            assert all(one["gone_note"] == "not detected" and one["best"] is None for one in got["campaigns"])
            assert set(got["verdicts"]["distillation"]) == {"no candidate"}
            assert got["calibration"]["slope_note"] == "there is no candidate"
            assert got["false_campaigns"]["rate"] is None
        elif number == 1:
            assert got["accounts"]["recall"] is got["volume"]["error"] is got["separation"]["ari"] is None
            assert got["accounts"]["tp"] == 0 < got["accounts"]["fp"]
            assert got["false_campaigns"]["count"] == got["counts"]["detections"] > 0
            assert [one["precision"] for one in got["prevalence"]] == [None] * 3
            assert got["campaigns"] == got["groups"] == []
        else:
            assert got["accounts"]["f1"] is got["accounts"]["precision"] is got["accounts"]["recall"] is None
            assert got["counts"]["population"] == 0


def test_a_detection_that_accuses_nobody_is_a_false_campaign(tmp_path):
    made = world(7)
    made["campaigns"].append({"campaign_id": "hollow", "verdict": "distillation", "probability": 0.95, "q_value": 0.0,
                              "detectable_at": None})
    assert "hollow" in scored(made, tmp_path)["false_campaigns"]["campaigns"]


def test_an_account_of_two_campaigns_counts_once_in_all_and_once_in_each(tmp_path):
    made = {name: [] for name in world(0)}
    made["truth"] = [{"campaign": name, "label": "distillation"} for name in ("north", "south")]
    accounts = [f"a{i}" for i in range(10)]
    made["true_members"] = [{"campaign": c, "account_id": a} for c in ("north", "south") for a in accounts]
    made["campaigns"] = [{"campaign_id": c, "verdict": "distillation", "probability": 0.99, "q_value": 0.001,
                          "detectable_at": START} for c in ("one", "two")]
    made["members"] = [{"campaign_id": c, "account_id": a, "probability": 0.9} for c in ("one", "two")
                       for a in accounts]
    made["true_rows"] = [{"exchange_id": f"x{i}", "campaign": "north" if i < 60 else "south"} for i in range(100)]
    made["rows"] = [{"exchange_id": f"x{i}", "campaign_id": "two" if i < 60 else "one"} for i in range(100)]
    made["logs"] = [{"exchange_id": f"x{i}", "account_id": accounts[i % 10], "ts": START + timedelta(hours=i)}
                    for i in range(100)]
    got = scored(made, tmp_path)
    assert (got["accounts"]["tp"], got["accounts"]["fp"], got["accounts"]["fn"]) == (10, 0, 0)
    north, south = got["campaigns"]
    # The accounts are the same: the exchanges say which detection is which campaign's.
    assert (north["best"]["campaign_id"], south["best"]["campaign_id"]) == ("two", "one")
    assert north["volume"] == {"attributed": 60, "true": 60, "error": 0.0}
    assert got["separation"]["ari"] == got["separation"]["ari_all"] == 1.0
    assert north["gone"]["exchanges"] == 1 / 60
    assert north["gone"]["days"] == 0.0


def test_tables_in_memory_score_as_files_do(tmp_path):
    findings, traffic = write(world(8), tmp_path)
    found, known = read_findings(findings), read_truth(traffic)
    tables = [replace(side, exchanges=pq.read_table(side.exchanges[0])) for side in (found, known)]
    with connect() as engine:
        assert figures(score(engine, *tables)) == figures(score(engine, found, known))
        bare = score(engine, Findings(found.campaigns, found.members, None),
                     Truth(known.campaigns, known.members, None))
    assert figures(bare)["accounts"] == figures(evaluate(findings, traffic))["accounts"]


def rewrite(path, change):
    """Replace a Parquet file by ``change`` of its table."""
    pq.write_table(change(pq.read_table(path)), path)


def with_column(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


BROKEN = {
    "no findings": ("findings/campaigns.parquet", None, "campaigns.parquet is not in"),
    "no members of the truth": ("traffic/truth/members.parquet", None, "members.parquet is not in"),
    "probability over 1": ("findings/members.parquet", lambda t: with_column(
        t, "probability", pa.array([1.5] * len(t))), "no number from 0 to 1"),
    "probability NaN": ("findings/campaigns.parquet", lambda t: with_column(
        t, "probability", pa.array([float("nan")] * len(t))), "no number from 0 to 1"),
    "verdict unknown": ("findings/campaigns.parquet", lambda t: with_column(
        t, "verdict", pa.array(["guilty"] * len(t))), "'guilty' is no verdict"),
    "label unknown": ("traffic/truth/campaigns.parquet", lambda t: with_column(
        t, "label", pa.array(["guilty"] * len(t))), "'guilty' is no verdict"),
    "campaign twice": ("findings/campaigns.parquet", lambda t: pa.concat_tables([t, t]), "campaign_id twice"),
    "two labels": ("traffic/truth/campaigns.parquet", lambda t: pa.concat_tables([t, with_column(
        t, "label", pa.array(["enterprise"] * len(t)))]), "group with two labels"),
    "member of no campaign": ("findings/members.parquet", lambda t: with_column(
        t, "campaign_id", pa.array(["elsewhere"] * len(t))), "members.parquet of the findings names"),
    "true member of no group": ("traffic/truth/members.parquet", lambda t: with_column(
        t, "campaign", pa.array(["elsewhere"] * len(t))), "members.parquet of the truth names"),
    "exchange of no campaign": ("findings/exchanges.parquet", lambda t: with_column(
        t, "campaign_id", pa.array(["elsewhere"] * len(t))), "exchanges of campaigns that are not in"),
    "exchange without id": ("traffic/truth/exchanges.parquet", lambda t: with_column(
        t, "exchange_id", pa.nulls(len(t), pa.string())), "without an exchange_id"),
    "exchange in two campaigns": ("traffic/truth/exchanges.parquet", lambda t: with_column(
        t, "exchange_id", pa.array(["same"] * len(t))), "in two campaigns"),
    "no column": ("traffic/truth/exchanges.parquet", lambda t: t.drop_columns(["campaign"]), "no column campaign"),
    "logs without accounts": ("traffic/exchanges/part-0.parquet", lambda t: t.drop_columns(["account_id"]), None),
    "account twice": ("traffic/accounts.parquet", lambda t: pa.concat_tables([t, with_column(
        t, "kind", pa.array(["reseller"] * len(t)))]), "account twice, with another kind"),
    "not Parquet": ("findings/exchanges.parquet", b"PAR1 not really PAR1", "cannot be read as Parquet"),
    "not Parquet either": ("traffic/truth/campaigns.parquet", b"", "cannot be read as Parquet"),
    "text that is not Unicode": ("traffic/truth/members.parquet", lambda t: with_column(t, "account_id", pa.array(
        [b"\xff\xfe"] * len(t), pa.binary()).view(pa.string())), "cannot be read"),
    "times that are text": ("traffic/exchanges/part-1.parquet", lambda t: with_column(
        t, "ts", pa.array(["yesterday"] * len(t))), "cannot be read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_malformed_files_are_named_with_a_remedy(case, tmp_path):
    place, change, said = BROKEN[case]
    findings, traffic = write(world(3), tmp_path)
    path = tmp_path / place
    if change is None:
        path.unlink()
    elif isinstance(change, bytes):
        path.write_bytes(change)
    else:
        rewrite(path, change)
    if said is None:
        told = figures(evaluate(findings, traffic))["missing"]
        assert any(gap["input"] == "logs" for gap in told)
        with pytest.raises(InputError, match="no column account_id"):
            evaluate(findings, traffic, logs=traffic / "exchanges")
        return
    with pytest.raises(StillwatchError, match=said) as raised:
        evaluate(findings, traffic)
    assert raised.value.remedy
    assert raised.value.exit_code == 1


def test_folders_that_are_not_there_are_a_wrong_call(tmp_path):
    findings, traffic = write(world(0), tmp_path)
    for call in ((tmp_path / "none", traffic), (findings, tmp_path / "none")):
        with pytest.raises(UsageError):
            evaluate(*call)
    with pytest.raises(UsageError, match="no accounts table"):
        evaluate(findings, traffic, accounts=tmp_path / "none.parquet")
    with pytest.raises(UsageError, match="no Parquet files"):
        evaluate(findings, traffic, logs=tmp_path / "none")
    with pytest.raises(InputError, match="has no column"):
        evaluate(traffic / "truth", findings)


def test_other_writers_types_are_read(tmp_path):
    """Dictionaries, large strings, times without a zone or in nanoseconds, a null q-value column left out."""
    made = world(9)
    wanted = scored(made, tmp_path)
    traffic, findings = tmp_path / "traffic", tmp_path / "findings"
    for path in (traffic / "truth/exchanges.parquet", findings / "exchanges.parquet", findings / "members.parquet"):
        rewrite(path, lambda t: pa.table({n: t[n].dictionary_encode() if pa.types.is_string(t[n].type) else t[n]
                                          for n in t.column_names}))
    for number, kind in enumerate((pa.timestamp("ns"), pa.timestamp("ms"))):
        rewrite(traffic / f"exchanges/part-{number}.parquet", lambda t, kind=kind: with_column(
            t, "ts", t["ts"].cast(pa.timestamp("us")).cast(kind)) if kind.unit == "ms" else t)
    rewrite(traffic / "truth/members.parquet", lambda t: with_column(t, "account_id", t["account_id"].cast(
        pa.large_string())))
    assert figures(evaluate(findings, traffic)) == wanted


def test_duplicate_rows_count_once(tmp_path):
    made = world(11)
    wanted = scored(made, tmp_path)
    traffic, findings = tmp_path / "traffic", tmp_path / "findings"
    for path in (findings / "members.parquet", findings / "exchanges.parquet", traffic / "truth/exchanges.parquet",
                 traffic / "truth/members.parquet", traffic / "truth/campaigns.parquet", traffic / "accounts.parquet"):
        rewrite(path, lambda t: pa.concat_tables([t, t]))
    assert figures(evaluate(findings, traffic)) == wanted




def test_a_column_of_free_text_does_not_fill_the_report(tmp_path):
    made = world(2)
    made["accounts"] = [{"account_id": f"b{i}", "kind": "individual", "country": f"v{i % 1100}"} for i in range(2_000)]
    groups = scored(made, tmp_path)["wrongly_accused"]["by"]["country"]
    assert len(groups) <= 1_001
    assert {g["value"]: g["accounts"] for g in groups}["(other values)"] >= 100
    assert sum(g["accounts"] for g in groups) == len(Oracle(made).benign)


def test_a_summary_of_nonsense_costs_nothing(tmp_path):
    findings, traffic = write(world(2), tmp_path)
    strange = f'"a": 1e999, "b": -1, "c": true, "d": 1{"0" * 400}'
    for text in ("[]", '{"timings": [1], "counts": 3}',
                 f'{{"timings": {{{strange}}}, "peak_memory_bytes": "much", "counts": {{"records_in": NaN}}}}'):
        (findings / "summary.json").write_text(text)
        cost = figures(evaluate(findings, traffic))["cost"]
        assert cost is None or cost == {"seconds": None, "stages": {}, "peak_memory_bytes": None, "records": None,
                                        "records_per_second": None}


def test_exchanges_of_no_account_are_nobodys(tmp_path):
    """`unknown` is the contract's word for no account: no member of the population, no account of a campaign."""
    made = {name: [] for name in world(0)}
    made["truth"] = [{"campaign": "north", "label": "distillation"}]
    made["true_members"] = [{"campaign": "north", "account_id": a} for a in ("a", "b")]
    made["campaigns"] = [{"campaign_id": "one", "verdict": "distillation", "probability": 0.99, "q_value": 0.001,
                          "detectable_at": START + timedelta(hours=2)}]
    made["members"] = [{"campaign_id": "one", "account_id": a, "probability": 0.9} for a in ("a", "b")]
    owners = ["unknown", None, "a", "b"]
    made["logs"] = [{"exchange_id": f"x{i}", "account_id": a, "ts": START + timedelta(hours=i)}
                    for i, a in enumerate(owners)]
    made["true_rows"] = [{"exchange_id": f"x{i}", "campaign": "north"} for i in range(4)]
    made["accounts"] = [{"account_id": a, "kind": "individual", "country": "DE"} for a in ("a", "b", "c", "unknown")]
    for folder, times in (("one", False), ("two", True)):
        (tmp_path / folder).mkdir()
        got = scored(made, tmp_path / folder, truth_times=times)
        assert got["counts"]["population"] == 3
        assert (got["false_accusation"]["count"], got["false_accusation"]["of"]) == (0, 1)
        gone = got["campaigns"][0]["gone"]
        assert (gone["exchanges"], gone["accounts"], gone["days"]) == (3 / 4, 1 / 2, near(2 / 3))
