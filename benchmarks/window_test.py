"""The window test on open data, by the protocol of arXiv 2606.05725.

    python benchmarks/window_test.py --open DIR [--seeds 11,12] [--page docs/window-test.md] [--json]

``DIR`` holds prompts of public sources as JSON lines (``text``, ``kind``). A pair is a source of attackers' prompts and
a source of ordinary ones. Of the ordinary source a third is the reference, a third calibrates (random windows of it, at
a false-positive rate of 1 %), and a third is tested: as disjoint windows for the false-positive rate, and with a share
of attackers' prompts mixed in. Within a split of the data, windows of the same share are disjoint as far as both
sources reach, and where one window needs more prompts than there are, it repeats some.

*gaussian* is the paper's test, on word vectors; *regularised* is what `stillwatch window-test` does, on words and
shape. PRADA is adapted as there: Shapiro–Wilk's W of the window's nearest-neighbour distances, by its difference from
that of benign windows. Mahalanobis: the mean squared distance of a window's texts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from stillwatch.judge.windows import Gaussian, Regularised, conformal_threshold
from stillwatch.observe.embedding import Hashed, fit_embedding, hashed
from stillwatch.proof.evaluate.intervals import clopper_pearson

ORDINARY = {
    "chat": (("benign_chat/hh_rlhf_harmless_humans", None), ("benign_chat/awesome_chatgpt_prompts", None),
             ("hard_negative/alpaca_eval", "benchmark_question"),
             ("hard_negative/self_instruct_user_oriented_eval", None)),
    "support": (("hard_negative/banking77_support_utterances", None),),
    "batch jobs": (("hard_negative/t0_p3_batch_nlp", None),),
    "mathematics": (("hard_negative/math_eval_simplerl", "benchmark_question"), ("hard_negative/gsm8k_test", None)),
}
ATTACK = {
    "reasoning seeds": (("positive/rllm_reasoning_seeds", None),),
    "tool queries": (("positive/toolbench_queries", "tool_query"),),
    "tool trajectories": (("positive/glaive_tool_trajectories", None),),
    "synthetic tasks": (("positive/skythought", "synthetic_instruction"),),
    "seed tasks": (("positive/self_instruct", "seed_prompt"),),
}
SIZES, SHARES, LEVEL, NULL = (100, 500, 1500), (0.05, 0.10, 0.25, 0.50, 1.0), 0.01, 99
MOST = {100: 10, 500: 5, 1500: 3}
Test = Callable[[Any], float]


@dataclass(frozen=True)
class Split:
    """Detectors prepared on a reference, and what they are tried on as vectors."""

    detectors: dict[str, Test]
    calibration: Any
    benign: Any
    attacks: dict[str, Any]


def texts(folder: Path, parts: Sequence[tuple[str, str | None]]) -> list[str]:
    """Distinct texts of the files, in alphabetical order."""
    found = set()
    for name, kind in parts:
        for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            if kind is None or row["kind"] == kind:
                found.add(row["text"])
    return sorted(found)


def split(ordinary: Hashed, attacks: dict[str, Hashed], seed: int) -> Split:
    """Thirds of the ordinary texts: reference, calibration, test."""
    order = np.random.default_rng(seed).permutation(len(ordinary))
    third = len(order) // 3
    embed, vectors = fit_embedding(ordinary.take(order[:min(third, 3_000)]), seed=seed)
    axes = embed.axes.n_components
    words, regular = Gaussian.of(vectors[:1_000, :axes]), Regularised.of(vectors)
    return Split({
        "regularised": regular.discrepancy,
        "gaussian": lambda window: words.discrepancy(window[:, :axes]),
        "Mahalanobis": lambda window: float(np.mean((((window - regular.mean) @ regular.whiten) ** 2).sum(axis=1))),
        "PRADA": _prada(vectors[:, :axes], axes),
    }, embed(ordinary.take(order[third:2 * third])), embed(ordinary.take(order[2 * third:])),
        {name: embed(rows) for name, rows in attacks.items()})


def _prada(vectors: Any, axes: int) -> Test:
    """How far from normal the nearest-neighbour distances within a window are, against the reference's own."""
    def shape(window: Any) -> float:
        near = 1.0 - (window @ window.T - 3.0 * np.eye(len(window))).max(axis=1)
        return float(stats.shapiro(near[:1_000]).statistic)

    usual = {}

    def test(window: Any) -> float:
        rows = window[:, :axes] / np.maximum(np.linalg.norm(window[:, :axes], axis=1, keepdims=True), 1e-12)
        size = len(rows)
        if size not in usual:
            rng = np.random.default_rng(0)
            unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            usual[size] = float(np.median([shape(unit[rng.choice(len(unit), size, replace=size > len(unit))])
                                           for _ in range(15)]))
        return abs(shape(rows) - usual[size])

    return test


def drawn(pool: Any, count: int, number: int, rng: Any) -> Any:
    """Rows of the ``number``-th window: disjoint from those before while the pool lasts, else drawn at random."""
    if (number + 1) * count <= len(pool):
        return pool[number * count:(number + 1) * count]
    return pool[rng.choice(len(pool), count, replace=count > len(pool))]


def tried(it: Split, size: int, seed: int, pair: dict[str, str]) -> list[dict[str, Any]]:
    """Every detector on every share of attackers at one size of window."""
    rng = np.random.default_rng([seed, size])
    shuffled = {name: rows[rng.permutation(len(rows))] for name, rows in it.attacks.items()}
    null = [it.calibration[rng.choice(len(it.calibration), size, replace=size > len(it.calibration))]
            for _ in range(NULL)]
    limit = {name: conformal_threshold(np.array([test(w) for w in null]), LEVEL) for name, test in it.detectors.items()}
    whole = max(1, min(4 * MOST[size], len(it.benign) // size))
    benign = [drawn(it.benign, size, number, rng) for number in range(whole)]
    rows = [{**pair, "attack": None, "size": size, "share": 0.0, "detector": name, "of": whole,
             "hits": sum(test(w) > limit[name] for w in benign)} for name, test in it.detectors.items()]
    for attack, pool in shuffled.items():
        for share in SHARES:
            bad = round(share * size)
            many = max(1, min(MOST[size], len(it.benign) // max(1, size - bad)))
            windows = [np.vstack([drawn(pool, bad, n, rng), drawn(it.benign, size - bad, n, rng)]) for n in range(many)]
            rows += [{**pair, "attack": attack, "size": size, "share": share, "detector": name, "of": many,
                      "hits": sum(test(w) > limit[name] for w in windows)} for name, test in it.detectors.items()]
    return rows


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rates pooled over pairs and splits with their intervals; balanced accuracy over the mean of the shares."""
    made = []
    for size in SIZES:
        for detector in dict.fromkeys(row["detector"] for row in rows):
            mine = [row for row in rows if row["size"] == size and row["detector"] == detector]
            entry: dict[str, Any] = {"size": size, "detector": detector}
            for share in (0.0, *SHARES):
                some = [row for row in mine if row["share"] == share]
                hits, of = sum(row["hits"] for row in some), sum(row["of"] for row in some)
                # Each attacker's source counts alike, however many windows it has.
                rates = [_rate([row for row in some if row["attack"] == name])
                         for name in dict.fromkeys(row["attack"] for row in some)]
                entry[str(share)] = {"rate": float(np.mean(rates)), "hits": hits, "of": of,
                                     "interval": list(clopper_pearson(hits, of))}
            power = float(np.mean([entry[str(share)]["rate"] for share in SHARES]))
            entry["balanced_accuracy"] = (power + 1.0 - entry["0.0"]["rate"]) / 2.0
            made.append(entry)
    return made


def _rate(rows: list[dict[str, Any]]) -> float:
    return sum(row["hits"] for row in rows) / max(1, sum(row["of"] for row in rows))


def shown(entries: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    """The tables as Markdown."""
    head = ["queries", "detector", "FPR", *(f"TPR at {share:.0%}" for share in SHARES), "balanced accuracy"]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    for entry in entries:
        cells = [_cell(entry[str(share)]) for share in (0.0, *SHARES)]
        lines.append(f"| {entry['size']:,} | {entry['detector']} | {' | '.join(cells)}"
                     f" | {entry['balanced_accuracy']:.1%} |")
    lines += ["", "By pair, *regularised*, a quarter of the window from the attacker:", "",
              f"| ordinary | {' | '.join(f'{name}, {size:,}' for size in SIZES[:2] for name in ATTACK)} |",
              f"| --- |{' --- |' * (2 * len(ATTACK))}"]
    for name in ORDINARY | {"all four": ()}:
        rates = [_rate([row for row in rows if (row["ordinary"], row["attack"], row["size"], row["share"],
                                                row["detector"]) == (name, attack, size, 0.25, "regularised")])
                 for size in SIZES[:2] for attack in ATTACK]
        lines.append(f"| {name} | {' | '.join(f'{rate:.0%}' for rate in rates)} |")
    return "\n".join(lines)


def _cell(entry: dict[str, Any]) -> str:
    low, high = entry["interval"]
    return f"{entry['rate']:.1%} ({low:.0%}–{high:.0%})"


def measured(folder: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """All pairs, sizes and seeds."""
    ordinary = {name: hashed(texts(folder, parts)) for name, parts in ORDINARY.items()}
    ordinary["all four"] = Hashed.joined(list(ordinary.values()))
    attacks = {name: hashed(texts(folder, parts)) for name, parts in ATTACK.items()}
    rows = []
    for seed in seeds:
        for name, pool in ordinary.items():
            it = split(pool, attacks, seed)
            for size in SIZES:
                print(f"seed {seed}, {name}, {size}", file=sys.stderr)
                rows += tried(it, size, seed, {"ordinary": name})
    return rows


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--open", type=Path, required=True, help="folder of open prompts")
    parser.add_argument("--seeds", default="11,12", help="splits of the data, by comma")
    parser.add_argument("--page", type=Path, help="Markdown page whose tables are replaced")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    told = parser.parse_args()
    rows = measured(told.open, [int(seed) for seed in told.seeds.split(",")])
    entries = table(rows)
    if told.page:
        mark = "<!-- measured -->"
        before, _, rest = told.page.read_text("utf-8").partition(mark)
        told.page.write_text(f"{before}{mark}\n\n{shown(entries, rows)}\n\n{mark}{rest.partition(mark)[2]}", "utf-8")
    print(json.dumps({"table": entries, "rows": rows}) if told.json else shown(entries, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
