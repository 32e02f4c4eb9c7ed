"""Findings against truth: who and what was found, missed and wrongly accused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from scipy import sparse

from stillwatch.engine import Engine, connect
from stillwatch.pipeline import Quiet, Watcher
from stillwatch.proof.evaluate.exchanges import Contingency, contingency, gone, timed, volumes
from stillwatch.proof.evaluate.fairness import population
from stillwatch.proof.evaluate.intervals import Rate
from stillwatch.proof.evaluate.linkage import Accounts, Bools, Ints, Judged, Labelled, Linkage, judged, labelled
from stillwatch.proof.evaluate.model import (
    Candidate,
    Counts,
    Evaluation,
    Gone,
    Group,
    Held,
    Missing,
    Separation,
    TrueCampaign,
    Volume,
)
from stillwatch.proof.evaluate.reading import Findings, Truth, read_findings, read_truth
from stillwatch.proof.evaluate.separation import adjusted_rand

__all__ = ["evaluate", "score"]

_NOT_COMPUTED = "detectable_at is not computed by this scan"


def evaluate(findings: Path, truth: Path, *, accounts: Path | None = None, logs: Path | None = None, name: str = "",
             engine: str = "duckdb", memory: str | None = None, threads: int = 0,
             watcher: Watcher | None = None) -> Evaluation:
    """Score a findings folder against labels.

    ``truth`` is as for ``read_truth``; ``name`` tells runs apart when they are pooled. Raises ``UsageError`` for
    folders that are not there and ``InputError`` for files that are not what they should be.
    """
    watch = watcher or Quiet()
    watch.stage("reading findings and labels")
    found, known = read_findings(Path(findings)), read_truth(Path(truth), accounts=accounts, logs=logs)
    with connect(engine, memory=memory, threads=threads) as opened:
        made = score(opened, found, known, name=name, watcher=watch)
    return replace(made, inputs={"findings": str(findings), **made.inputs})


def score(engine: Engine, findings: Findings, truth: Truth, *, name: str = "",
          watcher: Watcher | None = None) -> Evaluation:
    """Score findings against labels that are read already, or made in memory. Raises ``InputError``."""
    watch = watcher or Quiet()
    known, labels = judged(findings.campaigns), labelled(truth.campaigns)
    watch.stage("counting accounts")
    sent = None if truth.logs is None else volumes(engine, truth.logs)
    accounts = Accounts.of([table["account_id"] for table in (findings.members, truth.members, truth.accounts, sent)
                            if table is not None])
    linkage = Linkage.of(findings, truth, known, labels, accounts)
    watch.stage("counting exchanges")
    rows = None
    if findings.exchanges is not None and truth.exchanges is not None:
        rows = contingency(engine, truth.exchanges, labels.names, findings.exchanges, known.ids)
        linkage = replace(linkage, rows=_shared_rows(rows, known, labels))
    scored = _Scored(name, known, labels, linkage, rows)
    watch.stage("measuring what was gone when detectable")
    campaigns, gaps = _with_times(engine, findings, truth, scored)
    positive = linkage.any_of(linkage.groups, labels.distillation)
    accused = linkage.any_of(linkage.members, known.detection)
    listed = scored.candidates(positive)
    return Evaluation(
        runs=(name,),
        accounts=_counts(accused, positive),
        linked=_counts(linkage.any_of(linkage.members, np.ones(len(known.ids), dtype=bool)),
                       linkage.any_of(linkage.groups, np.ones(len(labels.names), dtype=bool))),
        exchanges=scored.exchange_counts(),
        volume=scored.whole_volume(),
        campaigns=campaigns,
        groups=scored.groups(accused, listed),
        candidates=listed,
        population=population(accounts, truth.accounts, sent, positive, accused),
        separation=scored.separation(),
        cost=() if findings.cost is None else (findings.cost,),
        missing=(*truth.missing, *gaps),
        inputs=truth.inputs,
    )


def _counts(said: Bools, true: Bools) -> Counts:
    return Counts(int((said & true).sum()), int((said & ~true).sum()), int((~said & true).sum()))


def _shared_rows(rows: Contingency, known: Judged, labels: Labelled) -> sparse.csc_array:
    both = (rows.group >= 0) & (rows.candidate >= 0)
    return sparse.csc_array(sparse.coo_array((rows.n[both], (rows.candidate[both], rows.group[both])),
                                             shape=(len(known.ids), len(labels.names))))


def _with_times(engine: Engine, findings: Findings, truth: Truth,
                scored: _Scored) -> tuple[tuple[TrueCampaign, ...], list[Missing]]:
    """The true campaigns with what of each was gone, and what could not be told."""
    gaps = []
    if findings.exchanges is None:
        gaps.append(Missing("exchanges.parquet of the findings", "which exchanges are attributed is not known: nothing"
                            " of exchanges"))
    if findings.cost is None:
        gaps.append(Missing("summary.json of the findings", "what the scan took is not known"))
    campaigns = scored.campaigns()
    when = {one.campaign: at for one in campaigns if (at := scored.detectable(one)) is not None}
    if scored.known.detection.any() and not any(
            at is not None for at, d in zip(scored.known.detectable_at, scored.known.detection, strict=True) if d):
        gaps.append(Missing("detectable_at", "not computed by this scan: nothing of what was gone when a campaign"
                            " was detectable"))
    over: dict[str, Gone] = {}
    if when and truth.exchanges is not None:
        if timed(truth.exchanges, truth.logs):
            over = gone(engine, truth.exchanges, truth.logs, when)
        else:
            gaps.append(Missing("ts, account_id", "neither the truth's exchanges nor the logs say when true exchanges"
                                " were: nothing of what was gone when a campaign was detectable"))
    made = []
    for one in campaigns:
        why = None
        if one.campaign not in over:
            why = ("not detected" if not one.held else _NOT_COMPUTED if one.campaign not in when
                   else "the times of its exchanges are not known")
        made.append(replace(one, gone=over.get(one.campaign), gone_note=why))
    return tuple(made), gaps


@dataclass(frozen=True)
class _Scored:
    """One run's findings and truth, matched."""

    run: str
    known: Judged
    labels: Labelled
    linkage: Linkage
    rows: Contingency | None

    def exchange_counts(self) -> Counts | None:
        """Exchanges attributed to detections against those of true distillation campaigns."""
        if self.rows is None:
            return None
        said, true = self._sides(self.rows)
        return Counts(*(int(self.rows.n[which].sum()) for which in (said & true, said & ~true, ~said & true)))

    def whole_volume(self) -> Volume | None:
        """All exchanges attributed to detections, against all true ones."""
        counts = self.exchange_counts()
        return None if counts is None else Volume(counts.tp + counts.fp, counts.tp + counts.fn)

    def _sides(self, rows: Contingency) -> tuple[Bools, Bools]:
        """Cells that are attributed to a detection, and cells of true distillation campaigns."""
        return (np.append(self.known.detection, False)[rows.candidate],
                np.append(self.labels.distillation, False)[rows.group])

    def separation(self) -> tuple[Separation, ...]:
        """Adjusted Rand indices over exchanges; a class −1 stands for none."""
        rows = self.rows
        if rows is None:
            return ()
        said, true = self._sides(rows)
        one, other = np.where(true, rows.group, -1), np.where(said, rows.candidate, -1)
        made: list[tuple[float | None, int]] = []
        for which in (true, true & said, true | said):
            cells = zip(one[which].tolist(), other[which].tolist(), rows.n[which].tolist(), strict=True)
            made.append((adjusted_rand(cells), int(rows.n[which].sum())))
        return (Separation(len(np.unique(rows.group[true])), *made[0], *made[1], *made[2]),)

    def candidates(self, positive: Bools) -> tuple[Candidate, ...]:
        """Every candidate, with its likely members and the true ones among them."""
        known = self.known
        sizes = self.linkage.sizes()
        true = np.asarray(self.linkage.members @ positive.astype(np.int64))
        return tuple(Candidate(self.run, known.ids[c], known.verdicts[c], known.probability[c], known.q_value[c],
                               bool(known.detection[c]), int(sizes[c]), int(true[c])) for c in range(len(known.ids)))

    def groups(self, accused: Bools, listed: Sequence[Candidate]) -> tuple[Group, ...]:
        """Every labelled group with the candidate that overlaps it most."""
        sizes = np.asarray(self.linkage.groups.sum(axis=1)).ravel()
        hit = np.asarray(self.linkage.groups @ accused.astype(np.int64))
        every = np.ones(len(self.known.ids), dtype=bool)
        made = []
        for g, name in enumerate(self.labels.names):
            best = next(iter(self.linkage.candidates_of(g, every, self.known)), None)
            made.append(Group(self.run, name, self.labels.labels[g], int(sizes[g]), int(hit[g]),
                              *((None, 0) if best is None else (listed[best[0]], best[1]))))
        return tuple(made)

    def campaigns(self) -> tuple[TrueCampaign, ...]:
        """Every true distillation campaign with the detections that hold it, and its volume."""
        sizes, attributed = self.linkage.sizes(), self._attributed()
        owners: dict[int, int] = {}
        for d in np.flatnonzero(self.known.detection):
            whose = self.linkage.group_of(int(d), self.labels.distillation, self.labels.names, by_rows=True)
            if whose is not None:
                owners[whose] = owners.get(whose, 0) + int(attributed[d])
        accused = self.linkage.any_of(self.linkage.members, self.known.detection)
        made = []
        for g in np.flatnonzero(self.labels.distillation).tolist():
            held = self.linkage.candidates_of(g, self.known.detection, self.known)
            members = self.linkage.groups.indices[slice(*self.linkage.groups.indptr[g:g + 2])]
            one = TrueCampaign(self.run, self.labels.names[g], Rate(int(accused[members].sum()), len(members)),
                               tuple(Held(self.known.ids[c], n, int(sizes[c])) for c, n in held))
            made.append(one if self.rows is None else self._with_rows(one, g, self.rows, owners.get(g, 0), attributed))
        return tuple(made)

    def _with_rows(self, one: TrueCampaign, g: int, rows: Contingency, volume: int,
                   attributed: Ints) -> TrueCampaign:
        said, _ = self._sides(rows)
        mine = rows.group == g
        total, found = int(rows.n[mine].sum()), int(rows.n[mine & said].sum())
        best = next(iter(self.linkage.candidates_of(g, self.known.detection, self.known, by_rows=True)), None)
        return replace(one, exchanges=Rate(found, total), volume=Volume(volume, total), best_by_exchanges=None
                       if best is None else Held(self.known.ids[best[0]], best[1], int(attributed[best[0]])))

    def _attributed(self) -> Ints:
        """Exchanges attributed to each candidate."""
        made = np.zeros(len(self.known.ids) + 1, dtype=np.int64)
        if self.rows is not None:
            np.add.at(made, self.rows.candidate, self.rows.n)
        return made[:-1]

    def detectable(self, one: TrueCampaign) -> datetime | None:
        """When a campaign was first detectable: the earliest time of its detections.

        They are those that overlap no other campaign more, and the one that overlaps it most.
        """
        if not one.held:
            return None
        place = {ident: c for c, ident in enumerate(self.known.ids)}
        g = self.labels.names.index(one.campaign)
        its = [place[h.campaign_id] for number, h in enumerate(one.held) if number == 0 or self.linkage.group_of(
            place[h.campaign_id], self.labels.distillation, self.labels.names) == g]
        return min((at for c in its if (at := self.known.detectable_at[c]) is not None), default=None)
