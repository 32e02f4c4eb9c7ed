"""The window test: unbiased, calibrated, and blind to order and names."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from stillwatch.cli import app
from stillwatch.errors import InputError, UsageError
from stillwatch.judge import Regularised, conformal_threshold, p_values
from stillwatch.judge.windows import Gaussian
from stillwatch.observe.embedding import fit_embedding, hashed
from stillwatch.observe.text_sample import TextSampler
from stillwatch.pipeline.window_test import WindowOptions, read_groups, run_window_test
from stillwatch.schema import INGESTED, WINDOWS
from stillwatch.settings import DeploymentKey, Settings

KEY = DeploymentKey(b"k" * 32)


# --- the statistic ---------------------------------------------------------------------------------------------------

def test_discrepancies_are_what_their_formulas_say():
    rng = np.random.default_rng(1)
    reference, window = rng.normal(size=(12, 3)), rng.normal(size=(7, 3)) + 0.4
    test = Gaussian.of(reference)
    distances = [np.linalg.norm(a - b) for i, a in enumerate(reference) for b in reference[:i]]
    assert test.width == pytest.approx(np.median(distances))

    def kernel(a, b):
        return np.mean([np.exp(-np.sum((a - b) ** 2) / (2 * (s * test.width) ** 2)) for s in (0.5, 1, 2, 4)])

    def among(rows):
        return np.mean([kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j])

    between = np.mean([kernel(a, b) for a in window for b in reference])
    assert test.discrepancy(window) == pytest.approx(among(window) + among(reference) - 2 * between)

    regular, cov = Regularised.of(reference), np.cov(reference.T)
    inverse = np.linalg.inv(cov + np.trace(cov) / 3 * np.eye(3))
    centred = window - reference.mean(axis=0)
    pairs = [a @ inverse @ b for i, a in enumerate(centred) for j, b in enumerate(centred) if i != j]
    assert regular.discrepancy(window) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("kind", [Gaussian, Regularised])
def test_windows_of_the_same_kind_average_nothing_and_others_do_not(kind):
    rng = np.random.default_rng(2)
    test = kind.of(rng.normal(size=(4_000 if kind is Regularised else 800, 4)))
    same = [test.discrepancy(rng.normal(size=(30, 4))) for _ in range(200)]
    other = [test.discrepancy(rng.normal(size=(30, 4)) + 0.5) for _ in range(50)]
    assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(200) + 0.01
    assert np.mean(other) > np.quantile(same, 0.99)


def test_the_threshold_is_passed_as_seldom_as_it_says():
    rng = np.random.default_rng(3)
    passed = [rng.exponential() > conformal_threshold(rng.exponential(size=59), 0.05) for _ in range(4_000)]
    assert np.mean(passed) == pytest.approx(0.05, abs=0.012)
    assert conformal_threshold(np.arange(98.0), 0.01) == np.inf
    assert conformal_threshold(np.arange(99.0), 0.01) == 98.0


def test_p_values_are_uniform_on_windows_like_the_benign():
    rng = np.random.default_rng(4)
    p = np.array([p_values(rng.normal(size=1), rng.normal(size=99))[0] for _ in range(3_000)])
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 3_000))
    assert p.min() >= 0.01


# --- texts as numbers ------------------------------------------------------------------------------------------------

def chat(rng, count):
    words = ["the", "a", "my", "garden", "weather", "dog", "walk", "recipe", "soup", "train", "ticket", "letter",
             "friend", "birthday", "song", "film", "book"]
    return [" ".join(rng.choice(words, rng.integers(4, 20))).capitalize() + "?" for _ in range(count)]


def seeds(rng, count):
    return [f"Compute $\\frac{{{rng.integers(99)}}}{{{rng.integers(1, 99)}}}$ and prove that n^{rng.integers(9)} + 1 is"
            f" prime. Reason step by step.\nAnswer:" for _ in range(count)]


def test_an_embedding_does_the_same_each_time_and_takes_any_text():
    rng = np.random.default_rng(5)
    reference = hashed(chat(rng, 300))
    one, two = (fit_embedding(reference, dimensions=16) for _ in range(2))
    odd = hashed(["", "\x00", "数学题", "a" * 50_000, " \n ", "é"])
    assert np.array_equal(one[0](odd), two[0](odd))
    assert np.isfinite(one[0](odd)).all()
    assert one[1].shape[0] == 150
    assert one[0](hashed([])).shape == (0, one[1].shape[1])
    # Words and shape count alike: the variance of either part of the reference is 1 in all.
    assert one[1][:, :16].var(axis=0).sum() == pytest.approx(1.0)
    assert one[1][:, 16:].var(axis=0).sum() == pytest.approx(1.0)


def test_other_texts_are_told_from_ordinary_ones_in_small_windows():
    rng = np.random.default_rng(6)
    embed, ordinary = fit_embedding(hashed(chat(rng, 800)), dimensions=32)
    test = Regularised.of(ordinary)
    benign = np.array([test.discrepancy(embed(hashed(chat(rng, 40)))) for _ in range(100)])
    mixed = [test.discrepancy(embed(hashed(chat(rng, 30) + seeds(rng, 10)))) for _ in range(20)]
    assert np.mean(np.array(mixed) > conformal_threshold(benign, 0.05)) == 1.0


def batch(texts, first=0, accounts=None):
    columns = {name: [None] * len(texts) for name in INGESTED.names}
    columns |= {"exchange_id": [f"e{first + n}" for n in range(len(texts))], "prompt": texts,
                "ts": [1_700_000_000_000_000 + first + n for n in range(len(texts))],
                "account_id": accounts or ["a"] * len(texts), "source_file": [0] * len(texts),
                "source_row": [first + n for n in range(len(texts))],
                "id_digest": [hash((first + n) * 7919) * 2**31 % 2**63 for n in range(len(texts))],
                "content_digest": [0] * len(texts)}
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[column.name], pa.int64()).cast(column.type) if column.name == "ts" else
         pa.array(columns[column.name], column.type) for column in INGESTED.columns], schema=INGESTED.arrow)


def test_a_sample_depends_neither_on_batches_nor_on_order_and_holds_no_text():
    texts = chat(np.random.default_rng(7), 300)
    samples = []
    for cuts in ((0, 300), (0, 50, 51, 200, 300), (200, 300, 0, 200)):
        sampler = TextSampler(40)
        pairs = [(a, b) for a, b in itertools.pairwise(cuts) if a < b]
        for a, b in pairs:
            out = sampler(batch(texts[a:b], a))
            assert not {"prompt", "system_prompt", "response", "extra"} & set(out.schema.names)
            assert out.num_rows == b - a
        samples.append(sampler.sample())
    assert samples[0].seen == 300
    for sample in samples[1:]:
        assert sample.place.tolist() == samples[0].place.tolist()
        assert np.array_equal(sample.texts.shape, samples[0].texts.shape)
        assert (sample.texts.counts != samples[0].texts.counts).nnz == 0
    assert len(samples[0].texts) == 40
    nobody = TextSampler(40)
    nobody(batch(["hi", None, "there"], 0, ["unknown", "a", "a"]))
    assert nobody.sample().accounts.tolist() == ["a"]


# --- on logs ---------------------------------------------------------------------------------------------------------

def logs(path: Path, rng, rename=lambda name: name, reverse=False):
    """Sixty ordinary accounts, and six that send a fifth of what a pipeline sends."""
    rows = []
    for number in range(66):
        bad = number >= 60
        said = chat(rng, 16 if bad else 20) + (seeds(rng, 4) if bad else [])
        for place, text in enumerate(rng.permutation(said).tolist()):
            rows.append({"exchange_id": f"x{number}-{place}", "ts": f"2026-03-{1 + place:02d}T10:{number % 60:02d}:00Z",
                         "account_id": rename(f"acct{number}"), "model": "m", "prompt": text})
    rows = rows[::-1] if reverse else rows
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return str(path)


def run(source, options, seed=0):
    return run_window_test([source], options, settings=Settings(seed=seed), key=KEY)


def test_linked_accounts_are_unusual_together_where_none_is_alone(tmp_path):
    source = logs(tmp_path / "a.jsonl", np.random.default_rng(8))
    alone = run(source, WindowOptions(20, 0.01))
    assert alone["unusual"] == []  # 65 other accounts cannot show a hundredth
    assert alone["units_tested"] == 66
    assert all(row["threshold"] is None for row in alone["windows"])
    pooled = run(source, WindowOptions(100, 0.01, {
        "bad": [f"acct{n}" for n in range(60, 66)], "good": [f"acct{n}" for n in range(6)], "few": ["acct7", "none"]}))
    assert pooled["unusual"] == ["bad"]
    assert pooled["units"] == 3
    assert {row["unit"]: row["accounts"] for row in pooled["windows"]} == {"bad": 6, "good": 6}


def test_pooled_benign_accounts_pass_seldom(tmp_path):
    source = logs(tmp_path / "a.jsonl", np.random.default_rng(9))
    found = 0
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(60)[:30]
        told = run(source, WindowOptions(50, 0.05, {f"g{n}": [f"acct{a}" for a in order[n * 3:n * 3 + 3]]
                                                    for n in range(10)}), seed)
        found += len(told["unusual"])
    assert found <= 6  # of 40 at 5 %: P(more) < 1 %


def test_neither_order_nor_names_matter(tmp_path):
    groups = {"bad": [f"acct{n}" for n in range(60, 66)]}
    first = run(logs(tmp_path / "a.jsonl", np.random.default_rng(8)), WindowOptions(100, 0.01, groups))
    other = run(logs(tmp_path / "b.jsonl", np.random.default_rng(8), lambda name: name[::-1], reverse=True),
                WindowOptions(100, 0.01, {"bad": [name[::-1] for name in groups["bad"]]}))
    for row, same in zip(first["windows"], other["windows"], strict=True):
        assert row["discrepancy"] == pytest.approx(same["discrepancy"], rel=1e-6)
        assert row["p_value"] == pytest.approx(same["p_value"], abs=2e-3)


def test_what_cannot_be_done_is_said(tmp_path):
    source = logs(tmp_path / "a.jsonl", np.random.default_rng(8))
    with pytest.raises(UsageError):
        run(source, WindowOptions(5, 0.01))
    with pytest.raises(InputError, match="only 0 prompts"):
        run(source, WindowOptions(20, 0.01, {"all": [f"acct{n}" for n in range(66)]}))
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n", "utf-8")
    (tmp_path / "good.csv").write_text("campaign_id,account_id\nc,1\nc,2\n", "utf-8")
    with pytest.raises(InputError, match="no group_id"):
        read_groups(tmp_path / "bad.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_groups(Path(source))
    assert read_groups(tmp_path / "good.csv") == {"c": ["1", "2"]}


def test_the_command_prints_json_and_writes_its_table(tmp_path, monkeypatch):
    monkeypatch.setenv("STILLWATCH_KEY_FILE", str(tmp_path / "key"))
    source = logs(tmp_path / "a.jsonl", np.random.default_rng(8))
    call = ["window-test", source, *(part for n in range(60, 66) for part in ("--account", f"acct{n}"))]
    done = CliRunner().invoke(app, [*call, "--json", "--out", str(tmp_path / "w.parquet")])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["unusual"] == ["given"]
    assert pq.read_schema(tmp_path / "w.parquet").names == list(WINDOWS.names)
    shown = CliRunner().invoke(app, [*call, "-q"])
    assert "1 of 1 tested are unlike the rest" in shown.stdout
    assert "not guilty" in shown.stdout
    assert "garden" not in shown.output + done.output
    assert CliRunner().invoke(app, ["window-test", source, "--window", "3"]).exit_code == 2
    assert CliRunner().invoke(app, ["window-test", str(tmp_path / "absent")]).exit_code == 2
