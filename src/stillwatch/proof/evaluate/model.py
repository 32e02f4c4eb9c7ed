"""What an evaluation counts. Everything is a count, a probability or a time, so that runs can be pooled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, TypeVar

from stillwatch.errors import UsageError
from stillwatch.proof.evaluate.intervals import Rate

__all__ = [
    "ATTRIBUTES",
    "Candidate",
    "Cost",
    "Counts",
    "Evaluation",
    "Gone",
    "Group",
    "Held",
    "Missing",
    "Population",
    "Separation",
    "TrueCampaign",
    "Volume",
    "pooled",
]

ATTRIBUTES = ("kind", "language", "country", "vpn", "size")


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def precision(self) -> Rate:
        """tp of tp + fp."""
        return Rate(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Rate:
        """tp of tp + fn."""
        return Rate(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """2 tp / (2 tp + fp + fn); null where there is nothing to find and nothing was said."""
        whole = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / whole if whole else None

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


@dataclass(frozen=True)
class Held:
    """A detection that holds some of a campaign: ``overlap`` of its ``size`` accounts or exchanges are the campaign's.
    """

    campaign_id: str
    overlap: int
    size: int

    @property
    def precision(self) -> Rate:
        """The part of the detection that is the campaign's."""
        return Rate(self.overlap, self.size)


@dataclass(frozen=True)
class Volume:
    """Exchanges attributed to detections, against the true number."""

    attributed: int = 0
    true: int = 0

    @property
    def error(self) -> float | None:
        """(attributed − true) / true; null where there is nothing true."""
        return (self.attributed - self.true) / self.true if self.true else None

    def __add__(self, other: Volume) -> Volume:
        return Volume(self.attributed + other.attributed, self.true + other.true)


@dataclass(frozen=True)
class Gone:
    """What of a campaign was over when it became detectable: exchanges, accounts, and time in seconds."""

    detectable_at: datetime
    exchanges: Rate
    accounts: Rate
    elapsed: float
    span: float

    @property
    def days(self) -> float | None:
        """The part of the time from the first to the last exchange; null where they are one moment."""
        return min(max(self.elapsed / self.span, 0.0), 1.0) if self.span > 0 else None


@dataclass(frozen=True)
class TrueCampaign:
    """What became of one true distillation campaign.

    ``gone_note`` says why there is no ``gone``. ``exchanges``, ``best_by_exchanges`` and ``volume`` are null where
    either side names no exchanges.
    """

    run: str
    campaign: str
    accounts: Rate
    held: tuple[Held, ...] = ()
    exchanges: Rate | None = None
    best_by_exchanges: Held | None = None
    volume: Volume | None = None
    gone: Gone | None = None
    gone_note: str | None = None

    @property
    def best(self) -> Held | None:
        """The detection that holds most of its accounts."""
        return self.held[0] if self.held else None


@dataclass(frozen=True)
class Group:
    """What was said of one labelled group: its best-overlapping candidate, if any."""

    run: str
    campaign: str
    label: str
    accounts: int
    accused: int
    candidate: Candidate | None = None
    overlap: int = 0


@dataclass(frozen=True)
class Candidate:
    """A candidate campaign; ``accounts`` are its likely members, ``true`` those in a true distillation campaign."""

    run: str
    campaign_id: str
    verdict: str
    probability: float
    q_value: float | None
    detection: bool
    accounts: int
    true: int

    @property
    def positive(self) -> bool:
        """Whether more than half of its likely members are true members."""
        return 2 * self.true > self.accounts

    @property
    def false_campaign(self) -> bool:
        """Whether it is a detection of which less than half of the accused are true members, or that accuses nobody."""
        return self.detection and (2 * self.true < self.accounts or not self.accounts)


@dataclass(frozen=True)
class Population:
    """Accounts in all and benign ones, and how many of those were accused; ``active`` are those in the logs.

    ``groups`` has, for an attribute that is known and each of its values, the benign accounts that were accused. The
    value ``None`` is of accounts of which the attribute is not known.
    """

    accounts: int
    benign: Rate
    active: Rate | None
    groups: Mapping[str, Mapping[str | None, Rate]]
    size_edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class Separation:
    """Adjusted Rand indices, the rows that each is of, and the number of true campaigns."""

    campaigns: int
    ari: float | None
    exchanges: int
    ari_attributed: float | None
    exchanges_attributed: int
    ari_all: float | None
    exchanges_all: int


@dataclass(frozen=True)
class Cost:
    """What a scan took, by its own account."""

    seconds: float | None
    stages: Mapping[str, float]
    peak_memory_bytes: int | None
    records: int | None


@dataclass(frozen=True)
class Missing:
    """Something that was not there, and what could not be told for that."""

    input: str
    effect: str


@dataclass(frozen=True)
class Evaluation:
    """One run scored, or several pooled. ``figures`` in ``figures.py`` turns it into rates and intervals.

    ``exchanges``, ``volume`` and ``separation`` are null or empty where either side names no exchanges;
    ``population`` where no accounts are known beyond those of the truth and the findings.
    """

    runs: tuple[str, ...]
    accounts: Counts
    linked: Counts
    exchanges: Counts | None
    volume: Volume | None
    campaigns: tuple[TrueCampaign, ...]
    groups: tuple[Group, ...]
    candidates: tuple[Candidate, ...]
    population: Population | None
    separation: tuple[Separation, ...]
    cost: tuple[Cost, ...]
    missing: tuple[Missing, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)


def pooled(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Several runs as one: counts are added, campaigns, groups and candidates are listed one after another.

    What is of exchanges, or of the population, is pooled over the runs in which it is known, and ``missing`` says of
    how many it is not. Raises ``UsageError`` where there is no run, or two have one name.
    """
    runs = [run for one in evaluations for run in one.runs]
    if not runs or len(set(runs)) < len(runs):
        raise UsageError("runs can be pooled only where there are some and each has a name of its own",
                         remedy="give evaluate() a name for every run")
    gaps = []
    for name in ("exchanges", "population"):
        lacking = sum(len(one.runs) for one in evaluations if getattr(one, name) is None)
        if lacking:
            gaps.append(Missing(name, f"not known in {lacking} of {len(runs)} runs: figures are of the others"))
    listed = {f.name: tuple(item for one in evaluations for item in getattr(one, f.name)) for f in fields(Evaluation)
              if f.name in ("campaigns", "groups", "candidates", "separation", "cost")}
    return Evaluation(
        runs=tuple(runs),
        accounts=_sum([one.accounts for one in evaluations], Counts()),
        linked=_sum([one.linked for one in evaluations], Counts()),
        exchanges=_known(one.exchanges for one in evaluations),
        volume=_known(one.volume for one in evaluations),
        population=_populations([one.population for one in evaluations if one.population is not None]),
        missing=(*gaps, *_gaps(evaluations, len(runs))),
        inputs={},
        **listed,
    )


def _gaps(evaluations: Sequence[Evaluation], runs: int) -> list[Missing]:
    """What single runs lacked, once, and how many of them lacked it."""
    lacking = Counter(gap for one in evaluations for gap in one.missing)
    return [gap if number == runs else Missing(gap.input, f"{gap.effect} (in {number} of {runs} runs)")
            for gap, number in lacking.items()]


_Added = TypeVar("_Added", Counts, Rate, Volume)


def _sum(parts: Sequence[_Added], start: _Added) -> _Added:
    for part in parts:
        start = start + part
    return start


def _known(parts: Iterable[_Added | None]) -> _Added | None:
    there = [part for part in parts if part is not None]
    return _sum(there[1:], there[0]) if there else None


def _populations(parts: Sequence[Population]) -> Population | None:
    if not parts:
        return None
    groups: dict[str, dict[str | None, Rate]] = {}
    for part in parts:
        for attribute, values in part.groups.items():
            into = groups.setdefault(attribute, {})
            for value, rate in values.items():
                into[value] = into.get(value, Rate(0, 0)) + rate
    return replace(
        parts[0],
        accounts=sum(part.accounts for part in parts),
        benign=_sum([part.benign for part in parts], Rate(0, 0)),
        active=_known(part.active for part in parts),
        groups=groups,
        # Quartiles are each run's own: pooled, the bins are "lowest quarter of its run", and have no edges.
        size_edges=parts[0].size_edges if len(parts) == 1 else (),
    )
