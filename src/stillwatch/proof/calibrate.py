"""Groups with a known label, measured: what the judge's densities are fitted to and checked on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.engine import connect
from stillwatch.judge import Explanations, fit, measure
from stillwatch.link import MIN_MEMBERS
from stillwatch.pipeline import ScanInputs, attribute, observe
from stillwatch.proof.simulate import simulate
from stillwatch.settings import DeploymentKey, load_settings

__all__ = ["Example", "examples", "fit_explanations", "log_scores", "prior_only_score", "said_of"]


@dataclass(frozen=True)
class Example:
    """A labelled group as the judge would see it."""

    scenario: str
    seed: int
    name: str
    label: str
    features: Mapping[str, float]

    @property
    def style(self) -> str:
        """The group's name without the part of it that this example is."""
        return self.name.split("/")[0]


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
                size = members.filter(pc.equal(members["group_id"], name)).num_rows
                if it.exchanges and size >= MIN_MEMBERS:
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
        if len(accounts) >= 2 * MIN_MEMBERS:
            shuffled = rng.permutation(accounts).tolist()
            groups |= {f"{name}/1": shuffled[::2], f"{name}/2": shuffled[1::2]}
    return pa.table({
        "group_id": [name for name, accounts in groups.items() for _ in accounts],
        "account_id": [account for accounts in groups.values() for account in accounts],
        "probability": [1.0 for accounts in groups.values() for _ in accounts],
    })


def fit_explanations(known: Sequence[Example], features: Sequence[str], made_from: str) -> Explanations:
    """Fit densities, and the temper that scores best on styles of groups left out of the fit."""
    tempers = np.round(np.arange(0.05, 1.01, 0.05), 2)
    scores = log_scores(known, features, tempers.tolist())
    best = float(tempers[int(np.argmax(np.round(scores, 6)))])
    return fit(_by_style(known, features), features, temper=best, made_from=made_from)


def _by_style(known: Sequence[Example], features: Sequence[str]) -> list[tuple[str, dict[str, float]]]:
    """The quartiles of every feature, a style of group: three observations each, however often it was simulated.

    Ten seeds of one class are ten looks at one class, not ten classes: counted singly, they would make the densities
    as narrow as the simulator is repetitive.
    """
    found = []
    for style in sorted({(e.label, e.style) for e in known}):
        groups = [e.features for e in known if (e.label, e.style) == style]
        for quantile in (0.25, 0.5, 0.75):
            seen = {name: [g[name] for g in groups if name in g] for name in features}
            found.append((style[0], {name: float(np.quantile(values, quantile))
                                     for name, values in seen.items() if values}))
    return found


def log_scores(known: Sequence[Example], features: Sequence[str], tempers: Sequence[float]) -> list[float]:
    """Mean log probability of the true verdict a temper, each style judged by densities fitted to the other styles.

    A verdict of which no other style is known cannot be given, so its style is left out of the score. Every verdict
    has the same prior here: how common each is in the simulation says nothing about the world.
    """
    total: dict[float, list[float]] = {temper: [] for temper in tempers}
    for label, style in sorted({(e.label, e.style) for e in known}):
        rest = [e for e in known if e.style != style]
        if label not in {e.label for e in rest}:
            continue
        fitted = fit(_by_style(rest, features), features)
        even = 1.0 / (len(fitted.shape) + 1)
        for temper, scores in total.items():
            tempered = replace(fitted, temper=temper)
            for e in known:
                if (e.label, e.style) == (label, style):
                    said = {w.verdict: w.probability for w in tempered.weigh(e.features, even)}
                    scores.append(float(np.log(max(said[label], 1e-12))))
    return [float(np.mean(scores)) for scores in total.values()]


def prior_only_score(known: Sequence[Example]) -> float:
    """The same for somebody who looks at no feature: all verdicts, and ``undetermined``, equally likely."""
    return float(-np.log(len({e.label for e in known}) + 1))


def said_of(explanations: Explanations, example: Example, prior: float) -> tuple[str, float]:
    """The verdict on an example and its probability of distillation, at a prior."""
    weighed = explanations.weigh(example.features, prior)
    return weighed[0].verdict, next(w.probability for w in weighed if w.verdict == "distillation")
