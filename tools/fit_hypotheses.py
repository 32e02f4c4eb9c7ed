"""Fit the judge's explanations to simulated groups with known labels, and say how well they do.

    python tools/fit_hypotheses.py            # fits, writes src/stillwatch/data/hypotheses.json, prints the figures
    python tools/fit_hypotheses.py --check    # prints the figures of what is shipped, on seeds it was not fitted to

Fitted on seeds 100-105 of the scenario `lookalikes` (half A of the prompts); checked on seeds 200-202 of the same
scenario with half B. Nothing that `scan` reports on is used for fitting: `demo` has other parameters and seeds.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from stillwatch.judge import FEATURES, Explanations, shipped
from stillwatch.proof.calibrate import Example, examples, fit_explanations, log_scores, prior_only_score, said_of

FIT_SEEDS = range(100, 106)
CHECK_SEEDS = range(200, 203)
TARGET = Path(__file__).parent.parent / "src" / "stillwatch" / "data" / "hypotheses.json"


def main() -> None:
    """Fit, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="measure what is shipped, fit nothing")
    if parser.parse_args().check:
        explanations = shipped()
    else:
        known = list(examples("lookalikes", FIT_SEEDS))
        seeds = f"{FIT_SEEDS.start}-{FIT_SEEDS.stop - 1}"
        made_from = f"{len(known)} simulated groups (scenario lookalikes, seeds {seeds}, half A of the prompts)"
        explanations = fit_explanations(known, tuple(FEATURES), made_from)
        TARGET.write_text(explanations.to_json(), "utf-8")
        print(f"wrote {TARGET.name}: {made_from}, temper {explanations.temper}")
        score = log_scores(known, tuple(FEATURES), [explanations.temper])[0]
        print(f"log score on styles left out {score:.3f}, prior only {prior_only_score(known):.3f}")
    report(explanations, list(examples("lookalikes", CHECK_SEEDS, prompts="B")))


def report(explanations: Explanations, known: list[Example]) -> None:
    """Print the confusion of verdicts, and the probability of distillation that each kind of group is given."""
    seeds = f"{CHECK_SEEDS.start}-{CHECK_SEEDS.stop - 1}"
    print(f"\nchecked on {len(known)} groups of seeds {seeds}, half B of the prompts")
    print(f"{'label':20} {'groups':>6} {'right':>6}  highest/lowest P(distillation), prior 0.5   mistaken for")
    for label in sorted({e.label for e in known}):
        rows = [said_of(explanations, e, 0.5) for e in known if e.label == label]
        right = sum(verdict == label for verdict, _ in rows)
        extreme = min(p for _, p in rows) if label == "distillation" else max(p for _, p in rows)
        wrong = Counter(verdict for verdict, _ in rows if verdict != label)
        print(f"{label:20} {len(rows):6} {right:6}  {extreme:12.3f} {' ' * 20}"
              f" {', '.join(f'{verdict} {count}' for verdict, count in wrong.most_common())}")


if __name__ == "__main__":
    main()
