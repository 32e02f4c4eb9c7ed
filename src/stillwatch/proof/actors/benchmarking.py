"""An evaluation: known items, the same on every model, from a few accounts of one organisation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from stillwatch.proof.actors.base import Actor, Speech
from stillwatch.proof.draws import Floats, Ints, mix, sub
from stillwatch.proof.parameters import ActorParameters, Share
from stillwatch.proof.rows import Rows
from stillwatch.proof.texts import by_group, joined
from stillwatch.proof.world import DAY, HOUR

__all__ = ["Benchmarking", "BenchmarkingParameters"]

# How harnesses frame the items of each suite; written after lm-evaluation-harness (MIT) and simple-evals (MIT).
_FRAMES = {
    "gsm8k": ("Question: ", "\nAnswer:"),
    "math500": ("Solve the following math problem step by step. The last line of your response should be of the form"
                " Answer: $ANSWER\n\n", ""),
    "mmlu_stem": ("Answer the following multiple choice question.\n\n", "\n\nAnswer:"),
    "minerva_math": ("Problem:\n", "\n\nSolution:"),
    "mt_bench": ("", ""),
    "alpaca_eval": ("", ""),
    "aime24": ("", "\nPlease reason step by step, and put your final answer within \\boxed{}."),
}


class BenchmarkingParameters(ActorParameters):
    """Parameters of an evaluation."""

    suites: tuple[str, ...] = Field(("gsm8k", "mt_bench", "math500"), min_length=1,
                                    description=f"benchmarks: {', '.join(_FRAMES)}")
    items: int = Field(250, ge=1, description="items of a suite that a run takes, at most")
    run_hours: float = Field(2.5, gt=0, description="how long a run takes")
    samples: int = Field(1, ge=1, le=1000, description="answers asked for each item in a run")
    kind: Literal["research", "internal", "individual", "startup"] = Field("research", description="kind of the"
                                                                           " accounts")
    machines: int = Field(2, ge=1, le=10_000, description="addresses of the site")
    judged: Share = Field(0.15, description="share of requests that ask a model to judge answers")
    organisation: str | None = Field(None, description="invented organisation; from the name where not given")


class Benchmarking(Actor[BenchmarkingParameters]):
    """Runs of suites over the models, repeated, with a burst when a model comes out."""

    Parameters: ClassVar[type[ActorParameters]] = BenchmarkingParameters
    label: ClassVar[str | None] = "benchmarking"
    summary: ClassVar[str] = "an evaluation team that runs known items on every model"

    def prepare(self, rng: np.random.Generator) -> None:
        """One organisation, one server room, one harness."""
        accounts, net = self.accounts, self.world.networks
        accounts.kind[:] = self.parameters.kind
        if self.parameters.kind != "individual":
            accounts.organization[:] = self.parameters.organisation or f"{self.name} Labs"
            accounts.verified[:] = True
        accounts.domain[:] = f"lab{int(rng.integers(100, 999))}.example"
        self.one_payer()
        self.established(rng)
        self.one_program(rng)
        accounts.temperature *= 0.0
        site = net.of("corporate") if rng.random() < 0.5 else net.of("hosting")
        self.site = site[rng.integers(0, len(site), 1)]
        self.suites = [suite for suite in self.parameters.suites if suite in _FRAMES]
        self._runs(rng)

    def _runs(self, rng: np.random.Generator) -> None:
        """A run is a suite on a model at an hour; as many as the volume allows, denser after a release."""
        library, world = self.world.prompts, self.world
        sizes = {suite: min(self.parameters.items, len(library.pool(suite))) * self.parameters.samples
                 for suite in self.suites}
        mean = float(np.mean(list(sizes.values())))
        count = max(2, round(self.total / mean))
        models = len(world.models)
        days = self.first_day + (self.last_day - self.first_day) * np.sort(rng.random(count)) * 0.97
        model = np.arange(count) % models
        released = (world.released[model] - world.start) / DAY
        soon: Floats = released + rng.exponential(0.6, count)
        late = days < released
        self.run_start = np.where(late, np.minimum(soon, world.days - 0.2), days)
        self.run_model = model
        self.run_suite = (np.arange(count) // models) % len(self.suites)
        self.run_items = np.array([sizes[self.suites[number]] for number in self.run_suite], dtype=np.int64)
        self.run_account = rng.integers(0, self.count, count)

    def day(self, day: int) -> Rows:
        """The runs that start on a day, item by item."""
        rng = self.world.rng(self.name, "day", str(day))
        runs = np.flatnonzero((self.run_start >= day) & (self.run_start < day + 1))
        if len(runs) == 0:
            return Rows.none()
        sizes = self.run_items[runs]
        run = np.repeat(runs, sizes)
        item = np.arange(len(run)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        share = (item + rng.random(len(run))) / np.repeat(sizes, sizes)
        ts = self.world.start + (self.run_start[run] * DAY + share * self.parameters.run_hours * HOUR).astype(np.int64)
        item %= np.maximum(sizes[np.searchsorted(runs, run)] // self.parameters.samples, 1)
        conv = self.conversation_ids(day, len(run))
        judged = rng.random(len(run)) < self.parameters.judged
        return Rows.make(ts, self.run_account[run], conv, item=item * 100_000 + run, stream=judged.astype(np.int64))

    def models(self, rows: Rows) -> Ints:
        """The model of the run."""
        return self.run_model[rows.item % 100_000]

    def programmed(self, rows: Rows) -> np.ndarray[Any, Any]:
        """All are a harness's."""
        return np.ones(len(rows), dtype=bool)

    def addresses(self, rows: Rows) -> Ints:
        """The machines of one site."""
        spread = rows.account if self.parameters.machines <= 2 else rows.conv
        which = mix(sub(self.key, "machine"), spread) % np.uint64(self.parameters.machines)
        return self.world.networks.within(self.site, sub(self.key, "site"), which)

    def speech(self, rows: Rows) -> Speech:
        """Items as harnesses send them; judging prompts about items."""
        library = self.world.prompts
        suite = self.run_suite[rows.item % 100_000]
        item = rows.item // 100_000

        def frame(group: int, places: Ints) -> pa.Array:
            before, after = _FRAMES[self.suites[group]]
            return joined([before, library.picked(self.suites[group], item[places]), after], len(places))

        spoken = Speech.plain(by_group(suite, frame))
        spoken.capability[:] = "reasoning_trace"
        judge = library.named("judge")[0]
        judged = rows.stream == 1
        system, prompt = library.render(judge, self.keys_of("judge", item), np.zeros(len(rows), dtype=np.int64))
        spoken.prompt = pa.compute.if_else(pa.array(judged), prompt, spoken.prompt)
        if system is not None:
            spoken.system = pa.compute.if_else(pa.array(judged), system, spoken.system)
        spoken.capability[judged] = judge.capability
        return spoken
