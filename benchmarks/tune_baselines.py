"""Choose the baselines' parameters on development runs, as ours were chosen, and write them to baselines/tuned.json.

    python benchmarks/tune_baselines.py

Every combination of a baseline's grid is tried on the runs that our own explanations were fitted to (scenarios
`lookalikes` and `assorted`, every seed with numbers of its own, half A of the prompts); kept is the one with the
highest F1 over accounts, all runs pooled, where whoever is in a campaign labelled distillation is to be accused and
nobody else. The scoreboard reports on other seeds. About forty minutes on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

from baselines import BASELINES, Baseline, Parameters
from baselines.mmd import Windows
from baselines.shared import culprits

from stillwatch.proof import simulate
from stillwatch.proof.scenario import load
from stillwatch.proof.vary import DEVELOPMENT, varied

TARGET = Path(__file__).parent / "baselines" / "tuned.json"
WORLDS = [(scenario, seed) for scenario, seeds in DEVELOPMENT.items() for seed in seeds]
PROMPTS = "A"


def combinations(grid: Mapping[str, Sequence[Any]], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every choice of the named parameters, in the order of the grid."""
    for values in itertools.product(*(grid[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def score(accused: Sequence[set[str]], guilty: Sequence[set[str]]) -> tuple[float, float, float]:
    """Precision, recall and F1 over accounts, runs pooled. Nobody accused is precision 0: it found nothing."""
    right = sum(len(a & g) for a, g in zip(accused, guilty, strict=True))
    said, all_guilty = sum(map(len, accused)), sum(map(len, guilty))
    precision, recall = right / max(said, 1), right / max(all_guilty, 1)
    return precision, recall, 2 * right / max(said + all_guilty, 1)


def calibrated(module: ModuleType, parameters: dict[str, Any], measured: Sequence[Any],
               guilty: Sequence[set[str]]) -> dict[str, Any]:
    """The parameters with thresholds from the benign accounts, for a baseline that calibrates some."""
    if not hasattr(module, "calibrate"):
        return parameters
    benign = [_without(windows, bad) for windows, bad in zip(measured, guilty, strict=True)]
    return parameters | {"thresholds": module.calibrate(benign, parameters["level"])}


def _without(windows: Windows, bad: set[str]) -> tuple[Any, Any]:
    kept = [name not in bad for name in windows.names]
    return windows.prompts[kept], windows.score[kept]


def best(baseline: Baseline, measurements: Sequence[tuple[Parameters, Sequence[Any]]],
         guilty: Sequence[set[str]]) -> dict[str, Any]:
    """The parameters with the highest F1; of equals, the first in the grid."""
    module = baseline.module
    deciding = [name for name in baseline.grid if name not in module.MEASURING]
    found: dict[str, Any] | None = None
    for measuring, measured in measurements:
        for chosen in combinations(baseline.grid, deciding):
            parameters = calibrated(module, {**measuring, **chosen}, measured, guilty)
            precision, recall, f1 = score([set(module.decide(m, parameters).accounts) for m in measured], guilty)
            if found is None or f1 > found["f1"]:
                found = {"parameters": parameters, "precision": precision, "recall": recall, "f1": f1}
    assert found is not None
    return found | {name: round(found[name], 4) for name in ("precision", "recall", "f1")}


def development() -> dict[str, Any]:
    """What was tuned on, as it is kept beside the parameters."""
    return {"seeds": {scenario: list(seeds) for scenario, seeds in DEVELOPMENT.items()}, "prompts": PROMPTS}


def _measured(module: str, folder: Path, measuring: Parameters) -> Any:
    return BASELINES[module].module.measure(folder, measuring)


def _simulated(folder: Path, world: tuple[str, int]) -> None:
    scenario, seed = world
    simulate(varied(load(scenario), seed), folder, seed=seed, prompts=PROMPTS, workers=0)


def main() -> None:
    """Simulate, try everything, write the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    parser.add_argument("--only", nargs="*", choices=list(BASELINES), help="tune these, keep the others as they are")
    wanted = parser.parse_args()
    chosen = {name: BASELINES[name] for name in wanted.only or BASELINES}
    kept = json.loads(TARGET.read_text("utf-8"))["baselines"] if wanted.only and TARGET.exists() else {}
    pool_of = ProcessPoolExecutor(wanted.jobs, mp_context=get_context("spawn"))
    with tempfile.TemporaryDirectory() as temporary, pool_of as pool:
        folders = [Path(temporary) / f"{scenario}-{seed}" for scenario, seed in WORLDS]
        list(pool.map(_simulated, folders, WORLDS))
        guilty = [culprits(folder) for folder in folders]
        known: dict[tuple[str, str], list[Any]] = {}
        for name, baseline in chosen.items():
            start = time.monotonic()
            measurements = []
            for measuring in combinations(baseline.grid, baseline.module.MEASURING):
                # Two rows of one module differ in their thresholds alone.
                key = baseline.module.__name__, json.dumps(measuring)
                if key not in known:
                    known[key] = list(pool.map(_measured, [name] * len(folders), folders, [measuring] * len(folders)))
                measurements.append((measuring, known[key]))
            kept[name] = best(baseline, measurements, guilty)
            print(f"{baseline.title}: F1 {kept[name]['f1']:.3f}, {time.monotonic() - start:.0f} s"
                  f" {json.dumps({k: v for k, v in kept[name]['parameters'].items() if k != 'thresholds'})}",
                  file=sys.stderr, flush=True)
    tuned = {"made_by": "python benchmarks/tune_baselines.py", "development": development(),
             "baselines": {name: kept[name] for name in BASELINES if name in kept}}
    TARGET.write_text(json.dumps(tuned, indent=1) + "\n", "utf-8")
    print(f"wrote {TARGET.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
