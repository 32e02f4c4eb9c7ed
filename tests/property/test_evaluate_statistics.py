"""Intervals, indices and calibration against scipy and scikit-learn on random inputs, and against what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import binomtest, norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score

from stillwatch.proof.evaluate.calibration import calibration
from stillwatch.proof.evaluate.intervals import Rate, clopper_pearson, rate_ratio
from stillwatch.proof.evaluate.separation import adjusted_rand


@given(st.integers(0, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
       st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.999]))
def test_clopper_pearson_is_scipys(pair, confidence):
    hits, of = pair
    low, high = clopper_pearson(hits, of, confidence)
    if of == 0:
        assert (low, high) == (0.0, 1.0)
        return
    wanted = binomtest(hits, of).proportion_ci(confidence, "exact")
    # scipy solves to an absolute 2e-12.
    assert low == pytest.approx(wanted.low, abs=1e-11)
    assert high == pytest.approx(wanted.high, abs=1e-11)
    assert low <= hits / of <= high


@given(st.integers(1, 10**9), st.sampled_from([0.9, 0.95, 0.975]))
def test_clopper_pearson_has_its_closed_form_at_the_ends(of, confidence):
    """(α/2)^(1/n) bounds none and all of n, also where n is as large as logs are."""
    bound = -np.expm1(np.log((1 - confidence) / 2) / of)
    assert clopper_pearson(0, of, confidence) == (0.0, pytest.approx(bound, rel=1e-9))
    low, high = clopper_pearson(of, of, confidence)
    assert high == 1.0
    assert 1.0 - low == pytest.approx(bound, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize(("hits", "of"), [(-1, 3), (4, 3), (0, -1)])
def test_no_interval_of_what_is_no_proportion(hits, of):
    with pytest.raises(ValueError, match="no proportion"):
        clopper_pearson(hits, of)


@pytest.mark.parametrize("true_ratio", [0.5, 1.0, 3.0])
def test_the_interval_of_a_ratio_covers_it_as_often_as_it_says(true_ratio):
    """Rare accusations at a known ratio of rates: at least 95 % of intervals hold it (seed 11)."""
    rng = np.random.default_rng(11)
    n1, n2, base = 3_000, 20_000, 0.002
    covered = made = 0
    for x1, x2 in zip(rng.binomial(n1, base * true_ratio, 1_500), rng.binomial(n2, base, 1_500), strict=True):
        ratio = rate_ratio(Rate(int(x1), n1), Rate(int(x2), n2))
        if ratio is not None:
            made += 1
            covered += ratio.low <= true_ratio <= ratio.high
    assert made > 1_400
    assert covered / made >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / made)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 400), st.integers(1, 400))
def test_a_ratio_turned_round_is_its_inverse(x1, x2, n1, n2):
    one, other = Rate(min(x1, n1), n1), Rate(min(x2, n2), n2)
    ratio, inverse = rate_ratio(one, other), rate_ratio(other, one)
    if one.hits + other.hits == 0:
        assert ratio is inverse is None
        return
    assert ratio.low <= ratio.value <= ratio.high
    assert ratio.low == pytest.approx(1 / inverse.high if inverse.high < np.inf else 0.0, rel=1e-6)


labels = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=120)


@given(labels)
def test_adjusted_rand_is_scikit_learns(rows):
    one, other = zip(*rows, strict=True)
    assert adjusted_rand((a, b, 1) for a, b in rows) == pytest.approx(adjusted_rand_score(one, other), abs=1e-12)
    # Counted cells, in any order, are the same table.
    cells = {(a, b): sum(row == (a, b) for row in rows) for a, b in rows}
    assert adjusted_rand((a, b, n) for (a, b), n in sorted(cells.items(), reverse=True)) == adjusted_rand(
        (a, b, 1) for a, b in rows)


def test_adjusted_rand_of_billions_of_rows_does_not_overflow():
    assert adjusted_rand([(0, 0, 4 * 10**9), (1, 1, 5 * 10**9)]) == 1.0
    small = adjusted_rand([(0, 0, 400), (0, 1, 30), (1, 1, 500)])
    large = adjusted_rand([(0, 0, 400 * 10**9), (0, 1, 30 * 10**9), (1, 1, 500 * 10**9)])
    assert large == pytest.approx(small, rel=1e-3)
    assert adjusted_rand([]) is None


def overlapping(seed, n):
    """Probabilities and outcomes that do not separate, at a distortion known only to the test."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1.5, n)
    y = rng.random(n) < 1 / (1 + np.exp(-(0.4 + 0.6 * x)))
    p = 1 / (1 + np.exp(-x))
    y[np.argmin(p)], y[np.argmax(p)] = True, False
    return p, y


@pytest.mark.parametrize(("seed", "n"), [(seed, n) for seed in range(5) for n in (8, 40, 400)])
def test_slope_and_intercept_are_those_of_logistic_regression(seed, n):
    p, y = overlapping(seed, n)
    got = calibration(p, y)
    x = np.log(p / (1 - p))
    fit = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(x[:, None], y)
    assert got["slope"] == pytest.approx(fit.coef_[0, 0], abs=1e-4)
    assert got["intercept"] == pytest.approx(fit.intercept_[0], abs=1e-4)
    # Standard errors from a numerical second derivative of the likelihood.
    def loss(b):
        return float(np.sum(np.logaddexp(0, b[0] + b[1] * x) - y * (b[0] + b[1] * x)))

    best, h = np.array([got["intercept"], got["slope"]]), 1e-3
    steps = np.eye(2) * h
    second = [[(loss(best + a + b) - loss(best + a - b) - loss(best - a + b) + loss(best - a - b)) / (4 * h * h)
               for b in steps] for a in steps]
    errors = np.sqrt(np.diag(np.linalg.inv(second)))
    for name, error in zip(("intercept", "slope"), errors, strict=True):
        wanted = [got[name] - norm.ppf(0.975) * error, got[name] + norm.ppf(0.975) * error]
        assert got[f"{name}_interval"] == pytest.approx(wanted, rel=1e-3, abs=1e-4)
    large = minimize(lambda b: loss([b[0], 1.0]), [0.0], tol=1e-12).x[0]
    assert got["intercept_at_slope_1"] == pytest.approx(large, abs=1e-4)


@pytest.mark.parametrize(("p", "y", "said"), [
    ([0.1, 0.2, 0.8, 0.9], [False, False, True, True], "separate"),
    ([0.1, 0.2, 0.2, 0.9], [False, False, True, True], "separate"),
    ([0.9, 0.8, 0.2, 0.1], [False, False, True, True], "separate"),
    ([0.1, 0.9, 0.5], [True, True, True], "all candidates are of one kind"),
    ([0.3, 0.3, 0.3], [True, False, True], "one probability"),
    ([], [], "no candidate"),
])
def test_where_no_slope_exists_it_says_why(p, y, said):
    got = calibration(p, y)
    assert got["slope"] is got["slope_interval"] is got["intercept"] is None
    assert said in got["slope_note"]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_calibration_never_breaks_and_the_bins_hold_everybody(pairs):
    p, y = zip(*pairs, strict=True)
    got = calibration(p, y)
    assert got["brier"] == pytest.approx(np.mean([(a - b) ** 2 for a, b in pairs]))
    assert sum(one["candidates"] for one in got["bins"]) == len(p)
    assert sum(one["positives"] for one in got["bins"]) == sum(y)
    for one in got["bins"]:
        assert one["from"] <= one["mean_probability"] + 1e-12
        assert one["mean_probability"] <= one["to"] + 1e-12
    numbers = [got[name] for name in ("slope", "intercept", "intercept_at_slope_1", "brier_skill")]
    assert all(value is None or np.isfinite(value) for value in numbers)


def test_probabilities_that_mean_what_they_say_have_slope_one():
    """Outcomes drawn with the very probabilities: slope 1 and intercept 0 lie in their intervals 95 % of the time."""
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(300):
        p = rng.beta(1.2, 1.2, 250)
        got = calibration(p, rng.random(250) < p)
        inside.append((got["slope_interval"][0] <= 1 <= got["slope_interval"][1],
                       got["intercept_at_slope_1_interval"][0] <= 0 <= got["intercept_at_slope_1_interval"][1]))
    shares = np.mean(inside, axis=0)
    assert np.all(np.abs(shares - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 300))
