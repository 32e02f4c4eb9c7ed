"""Fit the judge's explanations to simulated groups with known labels, and say how well they do.

    python tools/fit_hypotheses.py            # fits, writes src/stillwatch/data/hypotheses.json, prints the figures
    python tools/fit_hypotheses.py --check    # prints the figures of what is shipped, on seeds it was not fitted to

Fitted on the groups that linking finds in `lookalikes` and `assorted`, half A of the prompts, every seed with numbers
of its own (see `stillwatch.proof.vary`); checked on other seeds of both with half B. Nothing that the scoreboard
reports on is used for fitting: its scenarios have other parameters and seeds. About six minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from stillwatch.judge import FEATURES, ORDINARY, Explanations, shipped
from stillwatch.proof.calibrate import Example, examples, fit_explanations, log_scores, prior_only_score, said_of
from stillwatch.proof.vary import DEVELOPMENT

CHECK = {"lookalikes": range(210, 213), "assorted": range(320, 324)}
TARGET = Path(__file__).parent.parent / "src" / "stillwatch" / "data" / "hypotheses.json"


def main() -> None:
    """Fit, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="measure what is shipped, fit nothing")
    if parser.parse_args().check:
        explanations = shipped()
    else:
        known = gathered(DEVELOPMENT, "A")
        made_from = (f"{len(known)} simulated groups, as linking found them ({named(DEVELOPMENT)}, half A of the"
                     " prompts)")
        explanations = fit_explanations(known, tuple(FEATURES), made_from)
        TARGET.write_text(explanations.to_json(), "utf-8")
        print(f"wrote {TARGET.name}: {made_from}")
        for read, temper in ((True, explanations.temper), (False, explanations.blind_temper)):
            (score,) = log_scores(known, tuple(FEATURES), [temper])[read]
            print(f"texts {'known' if read else 'not known'}: temper {temper}, log score on styles left out"
                  f" {score:.3f}, prior only {prior_only_score():.3f}")
    report(explanations, gathered(CHECK, "B"))


def gathered(seeds: Mapping[str, range], prompts: str) -> list[Example]:
    """The examples of every scenario and seed, in that order however many processes make them."""
    wanted = [(scenario, seed, prompts) for scenario, several in seeds.items() for seed in several]
    found: list[Example] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for (scenario, seed, _), several in zip(wanted, pool.map(one, wanted), strict=True):
            found += several
            print(f"{scenario} {seed}: {len(found)} groups so far", flush=True)
    return found


def one(wanted: tuple[str, int, str]) -> list[Example]:
    """The examples of one scenario and seed."""
    scenario, seed, prompts = wanted
    return list(examples(scenario, [seed], prompts=prompts, vary=True))


def named(seeds: Mapping[str, range]) -> str:
    """The scenarios and seeds in words."""
    return ", ".join(f"scenario {name}, seeds {several.start}-{several.stop - 1}" for name, several in seeds.items())


def report(explanations: Explanations, known: list[Example]) -> None:
    """Print the confusion of verdicts, and the probability of distillation that each kind of group is given."""
    print(f"\nchecked on {len(known)} groups of {named(CHECK)}, half B of the prompts")
    print(f"{'label':20} {'groups':>6} {'right':>6}  highest/lowest P(distillation), prior 0.5   mistaken for")
    for label in sorted({e.label for e in known}):
        rows = [said_of(explanations, e, 0.5) for e in known if e.label == label]
        expected = "undetermined" if label == ORDINARY else label
        right = sum(verdict == expected for verdict, _ in rows)
        extreme = min(p for _, p in rows) if label == "distillation" else max(p for _, p in rows)
        wrong = Counter(verdict for verdict, _ in rows if verdict != expected)
        print(f"{label:20} {len(rows):6} {right:6}  {extreme:12.3f} {' ' * 20}"
              f" {', '.join(f'{verdict} {count}' for verdict, count in wrong.most_common())}")


if __name__ == "__main__":
    main()
