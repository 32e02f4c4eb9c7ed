"""Groups → verdicts: what explains them, how surely, and how often such a claim would be false."""

from stillwatch.judge.candidate import Candidate, SharedValue
from stillwatch.judge.hypotheses import ORDINARY, Explanations, fit, reads_text, shipped
from stillwatch.judge.life_words import life_sentences
from stillwatch.judge.lives import Follows, Life, Lives, life_tables, lives
from stillwatch.judge.measure import FEATURES, Measured, Surroundings, measure
from stillwatch.judge.qvalues import q_values
from stillwatch.judge.rewire import rewire, rewire_sightings, strata
from stillwatch.judge.verdict import Judged, Knowledge, judge
from stillwatch.judge.windows import Regularised, conformal_threshold, p_values

__all__ = [
    "FEATURES",
    "ORDINARY",
    "Candidate",
    "Explanations",
    "Follows",
    "Judged",
    "Knowledge",
    "Life",
    "Lives",
    "Measured",
    "Regularised",
    "SharedValue",
    "Surroundings",
    "conformal_threshold",
    "fit",
    "judge",
    "life_sentences",
    "life_tables",
    "lives",
    "measure",
    "p_values",
    "q_values",
    "reads_text",
    "rewire",
    "rewire_sightings",
    "shipped",
    "strata",
]
