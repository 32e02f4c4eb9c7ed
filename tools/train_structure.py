"""Train the structural model: ``python tools/train_structure.py``.

Simulates development scenarios in words of half A of the prompts, fits capabilities to cells of structure (see
``observe/structure.py``), writes ``structure.npz``, and measures on traffic without text in words of half B. Writes
the figures of ``STRUCTURE_CARD.md`` too. The same program gives the same bytes.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from train_content import save

from stillwatch.observe.structure import AXES, cells
from stillwatch.proof.simulate import simulate
from stillwatch.schema import CAPABILITY

CLASSES = tuple(CAPABILITY)
TRAINED_ON = (("assorted", 1), ("assorted", 2), ("lookalikes", 1), ("lookalikes", 2))
LOOKALIKE = 0.1
"""Weight of an exchange of an innocent group: these have fewer capabilities than a scan's candidates."""
ROWS_A_CELL = 50.0
"""How many exchanges a distinct cell and capability count on average, against the regularisation."""
FIGURES = re.compile(r"(<!-- figures -->\n).*?(<!-- end -->)", re.S)


def labelled(scenario: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cell, capability, whether a campaign sent it, and the group's name, of each labelled exchange."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "traffic"
        simulate(scenario, made, seed=seed)
        columns = ["exchange_id", "tools", "turn", "modalities", "input_tokens"]
        sent = ds.dataset(made / "exchanges").to_table(columns).combine_chunks()
        truth = pq.read_table(made / "truth" / "exchanges.parquet", columns=["exchange_id", "campaign", "capability"])
        groups = pq.read_table(made / "truth" / "campaigns.parquet").to_pylist()
    place = pc.index_in(sent["exchange_id"], value_set=truth["exchange_id"].combine_chunks())
    known = truth.take(place)
    label = {row["campaign"]: row["label"] for row in groups}
    asked = np.array([CLASSES.index(name) if name in CLASSES else -1 for name in known["capability"].to_pylist()])
    group = np.array([name or "" for name in known["campaign"].to_pylist()])
    harvests = np.array([label.get(name) == "distillation" for name in group.tolist()])
    here = asked >= 0
    return cells(sent)[here], asked[here], harvests[here], group[here]


def one_hot(cell: np.ndarray) -> csr_array:
    """Each axis, tools with turn, and size apart for fresh and for later turns, as indicator features."""
    tools, turn, pictures, size = np.unravel_index(cell, tuple(AXES.values()))
    later = (turn == 2).astype(np.int64)
    parts = ((tools, AXES["tools"]), (turn, AXES["turn"]), (pictures, AXES["pictures"]),
             (tools * AXES["turn"] + turn, AXES["tools"] * AXES["turn"]), (size * 2 + later, AXES["size"] * 2))
    offset, columns = 0, []
    for value, number in parts:
        columns.append(value + offset)
        offset += number
    index = np.stack(columns, axis=1)
    first = np.arange(len(cell) + 1) * len(parts)
    return csr_array((np.ones(index.size), index.ravel(), first), shape=(len(cell), offset))


def fit(cell: np.ndarray, asked: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Probabilities of the capabilities for every cell, shape (cells, classes)."""
    # Equal exchanges once, with their number: a model of a few hundred rows fits in a second.
    key, where = np.unique(cell * len(CLASSES) + asked, return_inverse=True)
    total = np.bincount(where, weight)
    total *= len(total) / total.sum() * ROWS_A_CELL
    model = LogisticRegression(C=1.0, max_iter=2_000, tol=1e-6).fit(one_hot(key // len(CLASSES)), key % len(CLASSES),
                                                                    total)
    share = np.zeros((int(np.prod(list(AXES.values()))), len(CLASSES)))
    share[:, model.classes_] = model.predict_proba(one_hot(np.arange(len(share))))
    return share


def trained() -> tuple[np.ndarray, float]:
    """The shipped probabilities, and how much of them is the base rate.

    A new campaign words its prompts otherwise, so that a cell says less of it than of those trained on: how much
    less is the mixture with the base rate that is best for campaigns left out one by one (least log-loss).
    """
    read = [labelled(scenario, seed) for scenario, seed in TRAINED_ON]
    cell, asked, harvests, group = (np.concatenate([part[at] for part in read]) for at in range(4))
    weight = np.where(harvests, 1.0, LOOKALIKE)
    grid = np.linspace(0, 0.9, 10)
    losses = []
    for name in sorted(set(group[harvests].tolist())):
        out = group == name
        share, base = fit(cell[~out], asked[~out], weight[~out]), _base(asked[~out], weight[~out])
        own, common = share[cell[out], asked[out]], base[asked[out]]
        losses.append([-np.log((1 - mixed) * own + mixed * common).mean() for mixed in grid])
    mixed = float(grid[np.mean(losses, axis=0).argmin()])
    return (1 - mixed) * fit(cell, asked, weight) + mixed * _base(asked, weight), mixed


def _base(asked: np.ndarray, weight: np.ndarray) -> np.ndarray:
    total = np.bincount(asked, weight, minlength=len(CLASSES)) + 1.0
    return total / total.sum()


def measure(share: np.ndarray, scenario: str, seed: int) -> list[str]:
    """Rows of the card's table: accuracy of what campaigns sent, beside that of always saying the commonest."""
    cell, asked, harvests, group = labelled(scenario, seed)
    cell, asked, group = cell[harvests], asked[harvests], group[harvests]
    right = share.argmax(axis=1)[cell] == asked
    rows = []
    for name in ("", *sorted(set(group.tolist()))):
        of = group == name if name else np.ones(len(cell), np.bool_)
        least = np.bincount(asked[of]).max() / of.sum()
        log_loss = -np.log(np.maximum(share[cell[of], asked[of]], 1e-4)).mean()
        rows.append(f"| {scenario} | {seed} | {name or 'all campaigns'} | {of.sum():,} | {right[of].mean():.2f}"
                    f" | {least:.2f} | {log_loss:.2f} |")
    return rows


def main() -> None:
    """Simulate, fit, write, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src/stillwatch/data/content")
    parser.add_argument("--measure", nargs="*", default=["no_text:11", "no_text:12", "no_text:21", "no_text:22",
                                                         "demo:11", "demo:12"], metavar="SCENARIO:SEED")
    given = parser.parse_args()
    share, mixed = trained()
    save(given.out / "structure.npz", {"share": np.round(share * 10_000).astype(np.uint16),
                                       "classes": np.array(CLASSES)})
    lines = ["| scenario | seed | campaign | exchanges | accuracy | always the commonest | log-loss |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for asked in given.measure:
        scenario, _, seed = asked.partition(":")
        lines += measure(share, scenario, int(seed))
    figures = "\n".join([*lines, "", f"The base rate makes up {mixed:.1f} of each probability."])
    card = given.out / "STRUCTURE_CARD.md"
    if card.exists():
        card.write_text(FIGURES.sub(lambda m: m[1] + figures + "\n" + m[2], card.read_text("utf-8")), "utf-8")
    print(figures)


if __name__ == "__main__":
    main()
