"""q-values, decoys, streams and explanations against what they are defined to be."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stillwatch.judge import fit, q_values, rewire, strata
from stillwatch.link import separate
from stillwatch.schema import BLOCKS, PROFILES, TIMESTAMP, conform

scores = st.lists(st.integers(0, 30).map(float), max_size=8)


@given(scores, st.lists(scores, max_size=12))
@settings(max_examples=300, deadline=None)
def test_q_is_the_smallest_rate_of_the_bars_that_a_group_passes(real, decoys):
    q, floor = q_values(real, decoys)
    for score, value in zip(real, q, strict=True):
        rates = []
        for bar in {s for s in real if s <= score}:
            false = sum(sum(d >= bar for d in decoy) for decoy in decoys)
            rates.append(min(1.0, (1 + false) / (len(decoys) + 1) / sum(s >= bar for s in real)))
        assert value == pytest.approx(min(rates))
        assert value >= floor - 1e-12


def test_ninety_nine_decoys_make_one_percent_attainable_and_fewer_do_not():
    assert q_values([50.0], [[1.0]] * 99)[0][0] == pytest.approx(0.01)
    assert q_values([50.0], [[1.0]] * 98)[0][0] > 0.01


def test_q_values_are_honest_where_every_group_is_chance():
    """Real and decoy groups from one distribution: reports at q ≤ 0.05 are rare, as they should be."""
    rng = np.random.default_rng(5)
    reported = 0
    for _ in range(400):
        q, _ = q_values(rng.exponential(size=3), [rng.exponential(size=3) for _ in range(99)])
        reported += bool((q <= 0.05).any())
    assert reported / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def blocks_of(rng, accounts=120, rows=600):
    ip = rng.integers(80, size=rows)
    return conform(pa.table({
        "account_id": [f"a{i}" for i in rng.integers(accounts, size=rows)],
        "ip": [f"i{i}" for i in ip], "prefix": [f"p{i // 4}" for i in ip], "asn": [str(i // 20) for i in ip],
        "sdk": [f"s{i}" for i in rng.integers(5, size=rows)], "count": rng.integers(1, 90, size=rows),
        "first_seen": pa.array(rng.integers(0, 10**12, size=rows), pa.int64()).cast(TIMESTAMP),
    }), BLOCKS)


def profiles_of(blocks, rng):
    names = blocks["account_id"].unique()
    return conform(pa.table({"account_id": names, "exchanges": rng.integers(1, 1000, size=len(names))}), PROFILES)


def together(table):
    """What a block is made of, row by row, without its owner."""
    return sorted(map(repr, table.drop_columns(["account_id"]).to_pylist()))


@pytest.mark.parametrize("seed", range(5))
def test_decoys_move_blocks_whole_within_strata_and_keep_all_degrees(seed):
    rng = np.random.default_rng(seed)
    blocks = blocks_of(rng)
    profiles = profiles_of(blocks, rng)
    of_account = strata(profiles, None)
    decoy = rewire(blocks, of_account, seed)
    assert together(decoy) == together(blocks)
    assert sorted(decoy["account_id"].to_pylist()) == sorted(blocks["account_id"].to_pylist())
    stratum = dict(zip(of_account["account_id"].to_pylist(), of_account["stratum"].to_pylist(), strict=True))
    owners = {repr({**row, "account_id": None}): row["account_id"] for row in blocks.to_pylist()}
    moved = 0
    for row in decoy.to_pylist():
        before = owners[repr({**row, "account_id": None})]
        assert stratum[before] == stratum[row["account_id"]]
        moved += before != row["account_id"]
    assert moved > blocks.num_rows / 2


def test_a_decoy_does_not_depend_on_row_order():
    rng = np.random.default_rng(3)
    blocks = blocks_of(rng)
    of_account = strata(profiles_of(blocks, rng), None)
    shuffled = blocks.take(pa.array(rng.permutation(blocks.num_rows)))
    assert rewire(blocks, of_account, 1).equals(rewire(shuffled, of_account, 1))
    assert not rewire(blocks, of_account, 1).equals(rewire(blocks, of_account, 2))


def test_no_stratum_is_so_small_that_a_campaign_could_be_all_of_it():
    rng = np.random.default_rng(1)
    profiles = profiles_of(blocks_of(rng, accounts=400, rows=4000), rng)
    accounts = pa.table({"account_id": profiles["account_id"],
                         "kind": rng.choice(["individual", "education", "startup"], size=profiles.num_rows),
                         "created_at": pa.array(rng.integers(0, 10**15, size=profiles.num_rows)).cast(TIMESTAMP)})
    sizes = strata(profiles, accounts).group_by("stratum").aggregate([("account_id", "count")])
    by_name = dict(zip(sizes["stratum"].to_pylist(), sizes["account_id_count"].to_pylist(), strict=True))
    assert len(by_name) > 1
    assert all(size >= 50 for name, size in by_name.items() if name != "all")


def test_no_stratum_is_mostly_one_group_or_its_decoys_would_keep_its_coordination():
    rng = np.random.default_rng(2)
    profiles = profiles_of(blocks_of(rng, accounts=400, rows=4000), rng)
    # Members of alike volume fill one decile of their own.
    ranked = profiles.sort_by("exchanges")["account_id"].to_pylist()
    members = set(ranked[200:240])
    for groups, most in (([], 1.0), ([members], 0.25), ([set(ranked[:10]), members], 0.25)):
        of_account = strata(profiles, None, groups)
        rows = {}
        for account, stratum in zip(*of_account.to_pydict().values(), strict=True):
            rows.setdefault(stratum, []).append(account in members)
        assert max(map(np.mean, rows.values())) <= most
        if not groups:
            assert max(map(np.mean, rows.values())) > 0.25, "the case is one where it matters"


def test_groups_that_are_small_in_a_stratum_each_leave_it_as_it_is():
    """A decile of 60 accounts is dissolved by one group of 36, not by three of twelve: each is exchanged away."""
    rng = np.random.default_rng(2)
    profiles = profiles_of(blocks_of(rng, accounts=600, rows=6000), rng)
    ranked = profiles.sort_by("exchanges")["account_id"].to_pylist()
    decile = ranked[240:300]

    alone = strata(profiles, None)
    assert strata(profiles, None, [decile[10:22], decile[22:34], decile[34:46]]).equals(alone)
    assert not strata(profiles, None, [decile[10:46]]).equals(alone)


@pytest.mark.parametrize(("seed", "relayed"), [(1, 0.0), (2, 0.3), (3, 0.7)])
def test_relayed_traffic_is_told_from_the_groups_own(seed, relayed):
    """Members send own templates and, for a share, what everybody sends: that share is found."""
    rng = np.random.default_rng(seed)
    rows = {}
    for account in range(300):
        member = account < 40
        for _ in range(200):
            own = member and rng.random() >= relayed
            what = f"own{rng.integers(3)}" if own else (None if rng.random() < 0.7 else f"common{rng.integers(20)}")
            rows[(f"a{account}", what)] = rows.get((f"a{account}", what), 0) + 1
    content = pa.table({"account_id": [a for a, _ in rows], "template_id": pa.array([w for _, w in rows], pa.string()),
                        "system_id": pa.nulls(len(rows), pa.string()), "count": list(rows.values())})
    stream = separate(content, pa.array([f"a{i}" for i in range(40)]))
    assert stream.share == pytest.approx(1 - relayed, abs=0.04)
    rows = stream.table.to_pylist()
    assert {row["account_id"] for row in rows} == {f"a{i}" for i in range(40)}
    assert all(row["own"] > 0.95 for row in rows if row["template_id"].startswith("own"))
    assert all(row["own"] < 0.5 for row in rows if not row["template_id"].startswith("own"))


FEATURES = ("x", "y")
TRUE = {"distillation": {"x": (8.0, 2.0), "y": (2.0, 5.0)}, "enterprise": {"x": (2.0, 6.0), "y": (4.0, 4.0)}}


def examples(count, seed):
    rng = np.random.default_rng(seed)
    return [(verdict, {name: float(rng.beta(*shape)) for name, shape in shapes.items()})
            for verdict, shapes in TRUE.items() for _ in range(count)]


def _rows(columns):
    return [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def test_parameters_are_recovered_from_what_the_densities_draw():
    """Means, spreads and the correlation of groups drawn from an explanation are those of the explanation."""
    fitted = fit(examples(3000, 7), FEATURES)
    for verdict, shapes in TRUE.items():
        logits = np.array([[np.log(values[name] / (1 - values[name])) for name in FEATURES]
                           for label, values in examples(3000, 7) if label == verdict])
        np.testing.assert_allclose(fitted.mean[verdict], np.clip(logits, -4.6, 4.6).mean(axis=0), atol=0.02)
        assert set(shapes) == set(FEATURES)
    drawn = fitted.sample("distillation", 30_000, 1)
    logits = np.array([np.log(drawn[name] / (1 - drawn[name])) for name in FEATURES])
    middle = np.median(logits, axis=1)
    np.testing.assert_allclose(middle, fitted.mean["distillation"], atol=0.03)
    # A Student t of four degrees has its quartiles 0.741 scales from the middle.
    quartiles = np.quantile(logits, 0.75, axis=1) - middle
    np.testing.assert_allclose(quartiles / 0.7407, fitted.scale["distillation"], rtol=0.05)
    ranks = stats.kendalltau(*logits).statistic
    assert np.sin(np.pi * ranks / 2) == pytest.approx(fitted.correlation[0, 1], abs=0.03), "of elliptical densities"


def test_posteriors_are_calibrated_where_the_densities_are_right():
    """Of groups drawn half and half from two explanations, those given about p are the first with frequency p."""
    fitted = fit(examples(3000, 7), FEATURES)
    said, was = [], []
    drawn = [(verdict, values) for verdict in ("distillation", "enterprise")
             for values in _rows(fitted.sample(verdict, 2000, 8))]
    for verdict, values in drawn:
        weighed = {w.verdict: w.probability for w in fitted.weigh(values, 0.5)}
        two = weighed["distillation"] / (weighed["distillation"] + weighed["enterprise"])
        # `weigh` shares the other half of the prior with `undetermined`: with equal odds the two are even.
        said.append(two / (two + 2 * (1 - two)))
        was.append(verdict == "distillation")
    said, was = np.array(said), np.array(was)
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = (said >= low) & (said < low + 0.25)
        error = 3 * np.sqrt(0.25 / inside.sum())
        assert was[inside].mean() == pytest.approx(said[inside].mean(), abs=error)


def test_a_missing_feature_says_nothing_and_a_swapped_name_swaps_the_verdict():
    fitted = fit(examples(500, 3), FEATURES)
    nothing = fitted.weigh({"x": float("nan")}, 0.2)
    assert {w.verdict: w.probability for w in nothing}["distillation"] == pytest.approx(0.2)
    swapped = fit([({"distillation": "enterprise", "enterprise": "distillation"}[v], f) for v, f in examples(500, 3)],
                  FEATURES)
    values = {"x": 0.9, "y": 0.2}
    assert fitted.weigh(values, 1 / 3)[0].verdict == "distillation"
    assert swapped.weigh(values, 1 / 3)[0].verdict == "enterprise"


@pytest.mark.parametrize("prior", [0.05, 0.5])
def test_looking_at_several_tempers_at_once_is_looking_at_each(prior):
    fitted = fit(examples(500, 3), FEATURES)
    tempers = (0.1, 0.45, 1.0)
    for values in ({"x": 0.2, "y": 0.7}, {"x": 0.9}, {}):
        each = [replace(fitted, temper=temper, blind_temper=temper).guilt(values, prior) for temper in tempers]
        assert fitted.guilt_at(values, prior, tempers) == pytest.approx(each, abs=1e-12)
