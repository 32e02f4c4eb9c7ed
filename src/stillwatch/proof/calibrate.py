"""Groups with a known label, measured: what the judge's densities are fitted to and checked on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engine import connect
from stillwatch.judge import MIN_ACCOUNTS, Explanations, fit, measure
from stillwatch.pipeline import ScanInputs, attribute, observe
from stillwatch.proof.simulate import simulate
from stillwatch.settings import DeploymentKey, load_settings

__all__ = ["Example", "examples", "fit_explanations", "log_score", "prior_only_score", "said_of"]


@dataclass(frozen=True)
class Example:
    """A labelled group as the judge would see it."""

    scenario: str
    seed: int
    name: str
    label: str
    features: Mapping[str, float]


def examples(scenario: str | Path, seeds: Sequence[int], *, scale: float = 1.0,
             prompts: str | None = None) -> Iterator[Example]:
    """Simulate a scenario and measure each of its labelled groups, and two random halves of each.

    Halves stand for groups that linking finds in part. The key is fixed: nothing measured depends on it.
    """
    key = DeploymentKey(bytes(32))
    settings = load_settings()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder, connect(settings.engine) as engine:
            traffic = Path(folder) / "traffic"
            simulate(scenario, traffic, scale=scale, seed=seed, prompts=prompts)
            inputs = ScanInputs([str(traffic / "exchanges")], accounts=traffic / "accounts.parquet")
            reduced = observe(engine, inputs, Path(folder) / "staged", settings=settings, key=key)
            truth = pq.read_table(traffic / "truth" / "members.parquet")
            label = {row["campaign"]: row["label"]
                     for row in pq.read_table(traffic / "truth" / "campaigns.parquet").to_pylist()}
            members = _groups(truth, seed)
            work = attribute(engine, reduced.staged, reduced.texts, reduced.content, members)
            for name, it in measure(engine, work.exchanges, members, reduced.accounts, reduced.blocks).items():
                campaign = name.split("/")[0]
                if it.exchanges and label[campaign] != "undetermined":
                    yield Example(str(scenario), seed, name, label[campaign], it.features)


def _groups(truth: pa.Table, seed: int) -> pa.Table:
    """Every labelled group whole and as two halves: ``group_id, account_id, probability``."""
    rng = np.random.default_rng(seed)
    known: dict[str, list[str]] = {}
    for row in truth.sort_by([("campaign", "ascending"), ("account_id", "ascending")]).to_pylist():
        known.setdefault(row["campaign"], []).append(row["account_id"])
    groups = {}
    for name, accounts in known.items():
        groups[name] = accounts
        if len(accounts) >= 2 * MIN_ACCOUNTS:
            shuffled = rng.permutation(accounts).tolist()
            groups |= {f"{name}/1": shuffled[::2], f"{name}/2": shuffled[1::2]}
    return pa.table({
        "group_id": [name for name, accounts in groups.items() for _ in accounts],
        "account_id": [account for accounts in groups.values() for account in accounts],
        "probability": [1.0 for accounts in groups.values() for _ in accounts],
    })


def fit_explanations(known: Sequence[Example], features: Sequence[str], made_from: str) -> Explanations:
    """Fit densities, and the temper that scores best on groups of seeds left out of the fit."""
    tempers = np.round(np.arange(0.05, 1.01, 0.05), 2)
    scores = {temper: log_score(known, features, float(temper)) for temper in tempers}
    best = max(scores, key=lambda temper: (scores[temper], -temper))
    return fit([(e.label, e.features) for e in known], features, temper=float(best), made_from=made_from)


def log_score(known: Sequence[Example], features: Sequence[str], temper: float) -> float:
    """Mean log probability of the true verdict, each seed judged by densities fitted to the other seeds.

    Every verdict has the same prior here: how common each is in the simulation says nothing about the world.
    """
    total = []
    for seed in sorted({e.seed for e in known}):
        rest = [(e.label, e.features) for e in known if e.seed != seed]
        fitted = fit(rest, features, temper=temper)
        even = 1.0 / (len(fitted.shape) + 1)
        for e in known:
            if e.seed == seed:
                said = {w.verdict: w.probability for w in fitted.weigh(e.features, even)}
                total.append(np.log(max(said.get(e.label, 0.0), 1e-12)))
    return float(np.mean(total))


def prior_only_score(known: Sequence[Example]) -> float:
    """The same for somebody who looks at no feature: all verdicts, and ``undetermined``, equally likely."""
    return float(-np.log(len({e.label for e in known}) + 1))


def said_of(explanations: Explanations, example: Example, prior: float) -> tuple[str, float]:
    """The verdict on an example and its probability of distillation, at a prior."""
    weighed = explanations.weigh(example.features, prior)
    return weighed[0].verdict, next(w.probability for w in weighed if w.verdict == "distillation")
