"""Findings scored against labels: who was found, who was missed, who was wronged.

What other modules use, and nothing else:

- ``evaluate(findings, truth, *, accounts=None, logs=None, name="")`` reads two folders and returns an ``Evaluation``,
  which holds counts;
- ``score(engine, Findings(…), Truth(…), name=…)`` does the same for tables in memory, such as a baseline's;
  ``read_findings`` and ``read_truth`` make the two from folders;
- ``pooled([Evaluation, …])`` adds runs up to one ``Evaluation``; each run needs a ``name`` of its own;
- ``figures(evaluation)`` turns counts into the published figures, as a dictionary of JSON values.

docs/reference/evaluate.md gives the formula of every figure. Nothing here ever reads more than ids, labels, times and
what accounts are.
"""

from stillwatch.proof.evaluate.figures import NO_CANDIDATE, figures
from stillwatch.proof.evaluate.intervals import Rate, clopper_pearson, rate_ratio
from stillwatch.proof.evaluate.model import Evaluation, pooled
from stillwatch.proof.evaluate.reading import Findings, Truth, read_findings, read_truth
from stillwatch.proof.evaluate.scoring import evaluate, score

__all__ = [
    "NO_CANDIDATE",
    "Evaluation",
    "Findings",
    "Rate",
    "Truth",
    "clopper_pearson",
    "evaluate",
    "figures",
    "pooled",
    "rate_ratio",
    "read_findings",
    "read_truth",
    "score",
]
