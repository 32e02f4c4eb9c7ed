"""Groups with a known label, measured: what the judge's densities are fitted to and checked on."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stillwatch.engine import Engine, connect_as
from stillwatch.judge import ORDINARY, Explanations, fit, reads_text
from stillwatch.pipeline import Claims, ScanInputs, claims_of, observe
from stillwatch.proof.scenario import load
from stillwatch.proof.simulate import simulate
from stillwatch.proof.vary import varied
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
    permitted: bool = False

    @property
    def style(self) -> str:
        """The actor's name without the number of the copy; groups of ordinary customers are one style a scenario."""
        return f"{Path(self.scenario).stem}/{self.name.rstrip('0123456789').rstrip('-')}"


def examples(scenario: str | Path, seeds: Sequence[int], *, scale: float = 1.0, prompts: str | None = None,
             vary: bool = False) -> Iterator[Example]:
    """Simulate a scenario, link it as a scan does, and measure every group that linking finds.

    With ``vary`` every seed has other numbers too (see ``varied``). A group has the label that most of its exchanges
    have in truth; ``ordinary`` where that is none. The key is fixed: nothing measured depends on it.
    """
    key = DeploymentKey(bytes(32))
    settings = load_settings()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder, connect_as(settings) as engine:
            traffic = Path(folder) / "traffic"
            told = load(scenario)
            simulate(varied(told, seed) if vary else told, traffic, scale=scale, seed=seed, prompts=prompts)
            inputs = ScanInputs([str(traffic / "exchanges")], accounts=traffic / "accounts.parquet")
            reduced = observe(engine, inputs, Path(folder) / "staged", settings=settings, key=key)
            claims = claims_of(engine, reduced, settings=settings, key=key)
            names, labels = _labels(engine, claims, traffic / "truth")
            permitted = _permitted(traffic)
            for group, it in claims.measured.items():
                if it.exchanges:
                    yield Example(str(scenario), seed, names[group], labels[group], it.features,
                                  names[group] in permitted)


def _permitted(traffic: Path) -> set[str]:
    """Campaigns any of whose accounts an agreement covers."""
    if not (traffic / "agreements.parquet").is_file():
        return set()
    covered = set(pq.read_table(traffic / "agreements.parquet")["account_id"].to_pylist())
    members = pq.read_table(traffic / "truth" / "members.parquet").to_pylist()
    return {row["campaign"] for row in members if row["account_id"] in covered}


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
    """Fit densities, and the tempers that score best on styles of groups left out of the fit."""
    tempers = np.round(np.arange(0.1, 1.01, 0.1), 2).tolist()
    best = {}
    for read, scores in log_scores(known, features, tempers).items():
        best[read] = tempers[int(np.argmax(scores))] if scores else 1.0
    return _fitted(known, features, (best[True], best[False]), made_from)


def _fitted(known: Sequence[Example], features: Sequence[str], tempers: tuple[float, float] = (1.0, 1.0),
            made_from: str = "") -> Explanations:
    """Fit with each style worth the square root of its number of groups.

    Ten seeds of one class are ten looks at one class, not ten classes: counted singly, they would make the densities
    as narrow as the simulator is repetitive.
    """
    count = Counter((e.label, e.style) for e in known)
    weights = [count[e.label, e.style] ** -0.5 for e in known]
    return fit([(e.label, e.features) for e in known], features, temper=tempers[0], blind_temper=tempers[1],
               made_from=made_from, weights=weights)


def log_scores(known: Sequence[Example], features: Sequence[str],
               tempers: Sequence[float]) -> dict[bool, list[float]]:
    """Log score a temper of "distillation or not" on styles that the fit has not seen, the two counted alike; for
    groups whose texts are known (``True``) and for others.

    Each style is judged by densities fitted to the other styles, at even odds of distillation. Generation that is
    permitted is left out: nothing but the agreement on file, which ends the question, tells it apart. So is a style
    that is the only one of its verdict. A list is empty where no group is of its sort.
    """
    said: dict[tuple[bool, bool], list[list[float]]] = {}
    for label, style in sorted({(e.label, e.style) for e in known}):
        rest = [e for e in known if e.style != style]
        mine = [e for e in known if (e.label, e.style) == (label, style) and not e.permitted]
        if label not in {e.label for e in rest} or not mine:
            continue
        fitted = _fitted(rest, features)
        for e in mine:
            guilty = fitted.guilt_at(e.features, 0.5, tempers)
            right = guilty if label == "distillation" else 1.0 - guilty
            said.setdefault((reads_text(e.features), label == "distillation"), []).append(
                np.log(np.maximum(right, 1e-12)).tolist())
    return {read: np.mean([np.mean(scores, axis=0) for (known_text, _), scores in said.items() if known_text == read],
                          axis=0).tolist() if any(known_text == read for known_text, _ in said) else []
            for read in (True, False)}


def prior_only_score() -> float:
    """The same for somebody who looks at no feature."""
    return float(np.log(0.5))


def said_of(explanations: Explanations, example: Example, prior: float) -> tuple[str, float]:
    """The verdict on an example and its probability of distillation, at a prior."""
    return explanations.weigh(example.features, prior)[0].verdict, explanations.guilt(example.features, prior)
