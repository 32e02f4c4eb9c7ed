"""Train the content model: ``python tools/train_content.py --open DIR [--keep-harvest]``.

DIR holds public prompts as JSON lines in folders (``text``, ``source``, ``kind``, ``licence``, sometimes
``system``). Writes ``capability.npz`` and the figures of ``DATA_CARD.md`` beside ``written.jsonl``. The same
input gives the same bytes. ``--keep-harvest`` leaves the second output as it is in the file: explanations and
streams are fitted to it (``data/hypotheses.json``), and must be fitted anew where it changes.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from content_lexicon import lists
from content_rows import Row, bare_problems, framed, open_rows, people_rows, read_open, written_rows
from scipy.optimize import minimize
from scipy.sparse import csr_array, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from stillwatch.observe.capability import BUCKETS, CapabilityModel, cue_values, expand_cues, features
from stillwatch.observe.masking import mask
from stillwatch.observe.text_benchmarks import item_shingles
from stillwatch.observe.text_fold import fold
from stillwatch.observe.text_shingles import shingles, tokenise
from stillwatch.schema import CAPABILITY

CLASSES = tuple(CAPABILITY)
SEED = 20_260_101
STRENGTH = 3.0
LEAST_SOURCES = 2
SCALE = 512.0
# Texts of two sources that begin alike are one text: neither may vouch for the other.
_OPENING = 60
PUBLIC = ("positive/", "hard_negative/", "benign_chat/")
LISTED = 1.5
"""What a word counts for its list, beside itself."""
GROUPS = 14
"""Sources are left out in so many groups, each of some public and some written ones."""
PLAIN = BUCKETS + len(cue_values())
"""Features of words and cues; those of lists come after them."""
FIGURES = {name: re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.S)
           for name in ("capability", "harvest")}


def masked_texts(texts: list[str]) -> list[str]:
    """Texts as the reducer sees them: folded, cut, masked, case-folded."""
    folded = [fold(text, b"") for text in texts]
    return [text.casefold() for text in mask([part.seen if part else "" for part in folded])]


def matrix(rows: list[Row]) -> csr_array:
    """One row a text: the features of its two parts, valued as at inference."""
    words, cue = csr_array((2 * len(rows), BUCKETS)), np.zeros(len(rows), np.int64)
    for texts in ([row.system for row in rows], [row.text for row in rows]):
        found = features(tokenise(masked_texts(texts)))
        ones = np.ones(len(found.bucket))
        words += csr_array((ones, found.bucket, found.first), shape=words.shape)
        cue |= found.cue
    number = np.maximum(np.asarray(words.sum(axis=1)).ravel(), 1)
    valued = csr_array(words.multiply(1 / np.sqrt(number)[:, None]))
    both = csr_array(valued[::2] + valued[1::2])
    return csr_array(hstack([both, csr_array(expand_cues(cue) * cue_values()), both @ lists() * LISTED]))


def weights(rows: list[Row]) -> np.ndarray:
    """Weight of each row: a group's total grows with the square root of its size, so that none drowns others."""
    size = Counter(row.group for row in rows)
    weight = np.array([size[row.group] ** -0.5 for row in rows])
    return weight / weight.mean()


def balance(rows: list[Row], labels: list[object]) -> np.ndarray:
    """Weights that bring classes nearer to each other, and within a language make them equal.

    Were one class more frequent in one language than in another, the language would speak for the class.
    """
    weight = weights(rows)
    kinds = [(row.language, label) for row, label in zip(rows, labels, strict=True)]
    total: Counter[tuple[str, object]] = Counter()
    for kind, part in zip(kinds, weight.tolist(), strict=True):
        total[kind] += part
    if len(set(labels)) == 2:
        language = {name: sum(v for (of, _), v in total.items() if of == name) for name, _ in total}
        weight *= [language[kind[0]] / (2 * total[kind]) for kind in kinds]
    else:
        classes: Counter[object] = Counter()
        for (_, label), part in total.items():
            classes[label] += part
        weight *= [classes[label] ** -0.5 for _, label in kinds]
    return weight / weight.mean()


class Fitted:
    """A linear model of the features that the sources at hand share."""

    def __init__(self, data: csr_array, target: np.ndarray, weight: np.ndarray, source: np.ndarray) -> None:
        self.kept = np.flatnonzero(shared(data, source))
        # In double precision: what a solver does in single precision differs between processors.
        self.model = LogisticRegression(C=STRENGTH, max_iter=200, tol=2e-3).fit(data[:, self.kept], target, weight)
        self.classes = self.model.classes_

    def decision(self, data: csr_array) -> np.ndarray:
        """Logits, shape (rows, classes), or (rows,) for two classes."""
        return self.model.decision_function(data[:, self.kept])

    def weights(self, features: int) -> np.ndarray:
        """Weights of words and cues, shape (``PLAIN``, classes): a word has its own and that of its lists."""
        whole = np.zeros((features, len(self.model.coef_)))
        whole[self.kept] = self.model.coef_.T
        if features > PLAIN:
            whole[:BUCKETS] += lists() @ whole[PLAIN:] * LISTED
        return whole[:PLAIN]


def shared(data: csr_array, source: np.ndarray) -> np.ndarray:
    """Which features stand in texts of at least ``LEAST_SOURCES`` sources: others are one author's habit."""
    names, of = np.unique(source, return_inverse=True)
    by = csr_array((np.ones(len(of)), (of, np.arange(len(of)))), shape=(len(names), len(of)))
    found = by @ (data != 0).astype(np.float32)
    return np.asarray((found > 0).sum(axis=0)).ravel() >= LEAST_SOURCES


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities from logits, row by row."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def capability_logits(model: Fitted, data: csr_array) -> np.ndarray:
    """Logits of all classes; a class that the model has not seen gets a low one."""
    logits = np.full((data.shape[0], len(CLASSES)), -20.0)
    seen = [CLASSES.index(name) for name in model.classes]
    logits[:, seen] = model.decision(data)
    return logits


def source_groups(sources: list[str]) -> list[list[str]]:
    """Groups of sources that are left out together, each of some public and some written ones."""
    names = sorted(set(sources), key=lambda name: (not name.startswith(PUBLIC), name))
    return [names[at::GROUPS] for at in range(min(GROUPS, len(names)))]


class Task:
    """One of the two outputs: its rows, and predictions for each source by a model that never saw it."""

    def __init__(self, name: str, rows: list[Row], data: csr_array, labels: list[object]) -> None:
        kept = [at for at, label in enumerate(labels) if label is not None]
        self.name = name
        self.rows = [rows[at] for at in kept]
        self.data = data[kept]
        self.label = np.array([labels[at] for at in kept])
        self.weight = balance(self.rows, self.label.tolist())
        self.source = np.array([row.source for row in self.rows])
        self.filler = np.array([row.filler for row in self.rows])
        self.opening = np.array([" ".join((row.system + row.text).split())[:_OPENING] for row in self.rows])

    def logits(self, model: Fitted, data: csr_array) -> np.ndarray:
        """Logits, shape (rows, classes) or (rows,)."""
        return capability_logits(model, data) if self.name == "capability" else model.decision(data)

    def leave_out(self) -> Held:
        """Logits of each row from a model trained without its source's group, be it as text or as filler.

        Texts that begin as one of the group's are left out with it; copies between boilerplate train only.
        """
        copy = np.array([row.copy for row in self.rows])
        shape = (len(self.rows), len(CLASSES)) if self.name == "capability" else (len(self.rows),)
        logits = np.zeros(shape)
        for group in source_groups(self.source.tolist()):
            test = np.isin(self.source, group)
            train = ~test & ~np.isin(self.filler, group) & ~np.isin(self.opening, self.opening[test])
            test &= ~copy
            model = Fitted(self.data[train], self.label[train], self.weight[train], self.source[train])
            logits[test] = self.logits(model, self.data[test])
        return Held(logits[~copy], self.label[~copy], self.source[~copy])


@dataclass(frozen=True)
class Held:
    """Logits of rows by models that never saw their source, with their labels and sources."""

    logits: np.ndarray
    label: np.ndarray
    source: np.ndarray

    @property
    def at(self) -> np.ndarray:
        """Places of the labels among the classes."""
        return np.array([CLASSES.index(label) for label in self.label])

    def fair(self) -> np.ndarray:
        """Weights in which every source counts by the square root of its size."""
        size = Counter(self.source.tolist())
        weight = np.array([size[source] ** -0.5 for source in self.source.tolist()])
        return weight / weight.sum()


def temperature(held: Held) -> float:
    """The temperature that minimises the log-loss on held-out sources."""
    at, weight, rows = held.at, held.fair(), np.arange(len(held.label))

    def loss(log_t: np.ndarray) -> float:
        return float(-(weight * np.log(softmax(held.logits / np.exp(log_t[0]))[rows, at] + 1e-12)).sum())

    return float(np.exp(minimize(loss, [0.0], method="Nelder-Mead").x[0]))


def platt(held: Held) -> tuple[float, float]:
    """Slope and offset of the logit that minimise the log-loss on held-out sources (Platt 1999)."""
    weight, label = held.fair(), held.label.astype(float)

    def loss(x: np.ndarray) -> float:
        z = x[0] * held.logits + x[1]
        return float((weight * (np.logaddexp(0, z) - label * z)).sum())

    slope, offset = minimize(loss, [1.0, 0.0], method="Nelder-Mead").x
    return float(slope), float(offset)


def save(path: Path, parts: dict[str, np.ndarray]) -> None:
    """Write an uncompressed archive with no times in it, so that equal contents are equal bytes."""
    import io
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, value in parts.items():
            buffer = io.BytesIO()
            np.save(buffer, value, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue(),
                             zipfile.ZIP_DEFLATED)


def assemble(capability: Task, asked: Held, second: tuple[np.ndarray, float, tuple[float, float]]) -> CapabilityModel:
    """The shipped model: trained on every source, calibrated on held-out ones.

    ``second`` is the other output: its weights of words and cues before scaling, bias, and slope and offset.
    """
    first = Fitted(capability.data, capability.label, capability.weight, capability.source)
    weight = np.zeros((PLAIN, len(CLASSES) + 1))
    bias = np.zeros(len(CLASSES) + 1)
    seen = [CLASSES.index(name) for name in first.classes]
    weight[:, seen], bias[seen] = first.weights(capability.data.shape[1]), first.model.intercept_
    weight[BUCKETS:] *= cue_values()[:, None]
    whole = np.clip(np.round(weight * SCALE), -32767, 32767).astype(np.int16)
    whole[:, -1], bias[-1] = second[0], second[1]
    return CapabilityModel(whole[:BUCKETS], whole[BUCKETS:], SCALE, bias, CLASSES, temperature(asked), *second[2])


def train_harvest(task: Task, kind: Held) -> tuple[np.ndarray, float, tuple[float, float]]:
    """The second output trained: whole weights of words and cues, bias, and calibration."""
    model = Fitted(task.data, task.label, task.weight, task.source)
    weight = model.weights(PLAIN)[:, 0]
    weight[BUCKETS:] *= cue_values()
    whole = np.clip(np.round(weight * SCALE), -32767, 32767).astype(np.int16)
    return whole, float(model.model.intercept_[0]), platt(kind)


def stored_harvest(path: Path) -> tuple[np.ndarray, float, tuple[float, float]]:
    """The second output of a file, as ``train_harvest`` gives it."""
    with np.load(path, allow_pickle=False) as stored:
        whole = np.concatenate([stored["weight"][:, -1], stored["cue_weight"][:, -1]])
        return whole, float(stored["bias"][-1]), tuple(stored["calibration"][2:].tolist())


def predict(model: CapabilityModel, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of texts, computed as a scan does."""
    found = features(tokenise(masked_texts(texts)))
    return model.probabilities(*model.sums(found), found.cue)


def by_source(held: Held, value: np.ndarray, head: str) -> list[str]:
    """One row a source left out: its rows and the means of two figures of each row."""
    lines = [head, "| --- | --- | --- | --- |"]
    for source in sorted(set(held.source)):
        of = held.source == source
        first, second = value[of].mean(axis=0)
        lines.append(f"| {source} | {of.sum()} | {first:.2f} | {second:.2f} |")
    return lines


def by_class(asked: Held, shares: np.ndarray) -> list[str]:
    """One row a capability: F1 over all sources left out, and over public ones; then what is taken for what."""
    guess, at = shares.argmax(axis=1), asked.at
    public = np.array([source.startswith(PUBLIC) for source in asked.source])
    parts = {"all": np.ones(len(at), np.bool_), "public": public}
    lines = ["", "| capability | rows | sources | F1 | rows, public | F1, public | mostly taken for, public |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    means: dict[str, list[float]] = {name: [] for name in parts}
    scores = {name: f1_score(at[of], guess[of], labels=range(len(CLASSES)), average=None, zero_division=0)
              for name, of in parts.items()}
    for number, name in enumerate(CLASSES):
        cells = []
        for part, of in parts.items():
            here = of & (at == number)
            cells.append(f"{here.sum()} | {scores[part][number]:.2f}")
            if here.sum() >= 100 and len(set(asked.source[here])) >= 2:
                means[part].append(scores[part][number])
        sources = len(set(asked.source[at == number]))
        wrong = Counter(guess[public & (at == number) & (guess != number)].tolist()).most_common(2)
        cells.append(", ".join(f"{CLASSES[taken]} {count}" for taken, count in wrong) or "–")
        lines.append(f"| {name} | {cells[0].split(' | ')[0]} | {sources} | {cells[0].split(' | ')[1]} | {cells[1]}"
                     f" | {cells[2]} |")
    said = ", ".join(f"{name} sources {np.mean(scores):.2f} ({len(scores)} classes)" for name, scores in means.items()
                     if scores)
    return [*lines, "", f"Capability, macro-F1 over classes with at least 100 rows of two sources: {said}."
            f" Accuracy {(guess == at).mean():.2f}, of public sources {(guess == at)[public].mean():.2f}."]


def report(asked: Held, model: CapabilityModel) -> str:
    """The figures of capabilities, in Markdown."""
    shares = softmax(asked.logits / model.temperature)
    at = asked.at
    loss = -np.log(shares[np.arange(len(at)), at] + 1e-12)
    table = by_source(asked, np.stack([shares.argmax(axis=1) == at, loss], axis=1),
                      "| source left out | rows | capability accuracy | log-loss |")
    return "\n".join([*table, *by_class(asked, shares), f"Temperature {model.temperature:.2f}."])


def report_harvest(kind: Held, model: CapabilityModel, probe: list[Row]) -> str:
    """The figures of ``harvest``, in Markdown."""
    harvest = 1 / (1 + np.exp(-(model.slope * kind.logits + model.offset)))
    label, weight = kind.label.astype(float), kind.fair()
    base, brier = (weight * label).sum(), (weight * (harvest - label) ** 2).sum()
    lines = by_source(kind, np.stack([harvest, label], axis=1), "| source left out | rows | mean harvest | label |")
    lines += ["", f"Slope {model.slope:.2f}, offset {model.offset:.2f}.", "",
              f"Harvest, pooled over held-out sources: AUC {roc_auc_score(label, harvest):.2f}; with every source"
              f" counting by the square root of its rows AUC {roc_auc_score(label, harvest, sample_weight=weight):.2f},"
              f" Brier {brier:.3f} (skill {1 - brier / (base * (1 - base)):.2f})."]
    of = np.array([source.startswith(PUBLIC) for source in kind.source])
    if of.any() and 0 < label[of].mean() < 1:
        lines.append(f"Harvest, public sources only: AUC {roc_auc_score(label[of], harvest[of]):.2f}.")
    value = predict(model, [row.text for row in probe])[1]
    for language, name in (("en", "English"), ("zh", "Chinese")):
        of = value[[row.language == language for row in probe]]
        lines.append(f"Ordinary prompts in {name}, never trained on ({len(of)}, the same in both languages):"
                     f" mean harvest {of.mean():.3f}, largest {of.max():.3f}.")
    return "\n".join(lines)


def benchmark_items(found: dict[str, list[dict[str, Any]]]) -> dict[str, np.ndarray]:
    """Hashes that recognise benchmark items; no text."""
    names = {name.split("/")[1].removesuffix("_test").removesuffix("_simplerl"): rows for name, rows in found.items()
             if name.startswith("hard_negative/") and any(r["kind"] == "benchmark_question" for r in rows)}
    items = [(number, row["text"]) for number, rows in enumerate(names.values())
             for row in rows if row["kind"] == "benchmark_question"]
    # The same question in two collections is one item, of the first.
    masked = masked_texts([text for _, text in items])
    first = dict(zip(masked[::-1], [number for number, _ in items][::-1], strict=True))
    shingle, item = item_shingles(shingles(tokenise(list(first))))
    return {"names": np.array(list(names)), "shingle": shingle, "item": item.astype(np.int32),
            "benchmark": np.array(list(first.values()), np.int16)}


def main() -> None:
    """Read, train, write, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", type=Path, required=True, help="folder of public prompts")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src/stillwatch/data/content")
    parser.add_argument("--keep-harvest", action="store_true", help="train capabilities only")
    given = parser.parse_args()
    found = read_open(given.open)
    written = given.out / "written.jsonl"
    rows = [*open_rows(found, written, SEED), *bare_problems(found, SEED), *written_rows(written, found, "train", SEED),
            *people_rows(SEED)]
    rows += framed(rows, written, SEED)
    data = matrix(rows)
    capability = Task("capability", rows, data, [row.capability for row in rows])
    asked = capability.leave_out()
    figures = {}
    if given.keep_harvest:
        model = assemble(capability, asked, stored_harvest(given.out / "capability.npz"))
    else:
        harvest = Task("harvest", rows, data[:, :PLAIN], [row.harvest for row in rows])
        kind = harvest.leave_out()
        model = assemble(capability, asked, train_harvest(harvest, kind))
        figures["harvest"] = report_harvest(kind, model, written_rows(written, found, "measure", SEED))
    figures["capability"] = report(asked, model)
    save(given.out / "capability.npz", {
        "weight": model.weight, "cue_weight": model.cue_weight, "bias": model.bias, "classes": np.array(CLASSES),
        "calibration": np.array([model.scale, model.temperature, model.slope, model.offset]),
    })
    save(given.out / "benchmarks.npz", benchmark_items(found))
    card = given.out / "DATA_CARD.md"
    for name, said in figures.items():
        if card.exists():
            card.write_text(FIGURES[name].sub(lambda m, said=said: m[1] + said + "\n" + m[2], card.read_text("utf-8")),
                            "utf-8")
        print(said)
    print(json.dumps({"rows": len(rows), "bytes": (given.out / "capability.npz").stat().st_size}))


if __name__ == "__main__":
    main()
