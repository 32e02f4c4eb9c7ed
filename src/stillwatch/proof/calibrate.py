"""Groups with a known label, measured: what the judge's densities are fitted to and checked on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stillwatch.engine import Engine, connect
from stillwatch.judge import ORDINARY, Explanations, fit
from stillwatch.pipeline import Claims, ScanInputs, claims_of, observe
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
        """The actor's name without the number of the copy; groups of ordinary customers are one style a scenario."""
        return f"{Path(self.scenario).stem}/{self.name.rstrip('0123456789').rstrip('-')}"


def examples(scenario: str | Path, seeds: Sequence[int], *, scale: float = 1.0,
             prompts: str | None = None) -> Iterator[Example]:
    """Simulate a scenario, link it as a scan does, and measure every group that linking finds.

    A group has the label that most of its exchanges have in truth; ``ordinary`` where that is none. The key is fixed:
    nothing measured depends on it.
    """
    key = DeploymentKey(bytes(32))
    settings = load_settings()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder, connect(settings.engine) as engine:
            traffic = Path(folder) / "traffic"
            simulate(scenario, traffic, scale=scale, seed=seed, prompts=prompts)
            inputs = ScanInputs([str(traffic / "exchanges")], accounts=traffic / "accounts.parquet")
            reduced = observe(engine, inputs, Path(folder) / "staged", settings=settings, key=key)
            claims = claims_of(engine, reduced, settings=settings, key=key)
            names, labels = _labels(engine, claims, traffic / "truth")
            for group, it in claims.measured.items():
                if it.exchanges:
                    yield Example(str(scenario), seed, names[group], labels[group], it.features)


def _labels(engine: Engine, claims: Claims, truth: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Each group's campaign and label in truth: those of more than half of its exchanges, or nobody's."""
    kind = {row["campaign"]: row["label"] for row in pq.read_table(truth / "campaigns.parquet").to_pylist()}
    known = pq.read_table(truth / "exchanges.parquet", columns=["exchange_id", "campaign"])
    mine = engine.arrow(claims.work.exchanges.select("exchange_id", "group_id"))
    joined = mine.join(known, "exchange_id", join_type="left outer")
    counted = joined.group_by(["group_id", "campaign"], use_threads=False).aggregate([("exchange_id", "count")])
    of_group: dict[str, dict[str, int]] = {}
    for row in counted.to_pylist():
        of_group.setdefault(row["group_id"], {})[row["campaign"] or ORDINARY] = row["exchange_id_count"]
    names, labels = {}, {}
    for group, counts in of_group.items():
        by_label: dict[str, int] = {}
        for campaign, count in counts.items():
            label = kind.get(campaign, ORDINARY)
            by_label[label] = by_label.get(label, 0) + count
        label = max(sorted(by_label), key=lambda name: by_label[name])
        labels[group] = label if 2 * by_label[label] > sum(by_label.values()) else ORDINARY
        names[group] = max(sorted(counts), key=lambda name: counts[name])
    return names, labels


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
