"""Groups → verdicts: what explains them, how surely, and how often such a claim would be false."""

from stillwatch.judge.candidate import Candidate, SharedValue
from stillwatch.judge.hypotheses import ORDINARY, Explanations, fit, reads_text, shipped
from stillwatch.judge.measure import FEATURES, Measured, Surroundings, measure
from stillwatch.judge.qvalues import q_values
from stillwatch.judge.rewire import rewire, rewire_sightings, strata
from stillwatch.judge.verdict import Judged, Knowledge, judge

__all__ = [
    "FEATURES",
    "ORDINARY",
    "Candidate",
    "Explanations",
    "Judged",
    "Knowledge",
    "Measured",
    "SharedValue",
    "Surroundings",
    "fit",
    "judge",
    "measure",
    "q_values",
    "reads_text",
    "rewire",
    "rewire_sightings",
    "shipped",
    "strata",
]
