"""A distillation campaign: one operator's work list, dealt to many accounts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from stillwatch.errors import UsageError
from stillwatch.proof.accounts import Accounts
from stillwatch.proof.actors.base import Speech, hour_of_day, scatter
from stillwatch.proof.actors.campaign_parameters import CampaignParameters
from stillwatch.proof.actors.operated import COVER, RELAYED, Operated, between
from stillwatch.proof.draws import Floats, Ints, Key, choose, normals, sub, uniforms
from stillwatch.proof.parameters import ActorParameters
from stillwatch.proof.prompts import Family
from stillwatch.proof.rows import Rows
from stillwatch.proof.world import DAY, HOUR, SECOND

__all__ = ["Campaign", "CampaignParameters"]

# Streams from here on are the same families while wordings are being tried out.
_PROBE = 1_000
_TURNS = 3.0
# What the knobs reach at 1: wordings, exchanges an account, share of cover.
_MOST_WORDINGS, _FEWEST_EXCHANGES, _MOST_COVER = 240, 10, 0.8


class Campaign(Operated[CampaignParameters]):
    """Many accounts, one work list; relayed customers of the same proxy network among them."""

    Parameters: ClassVar[type[ActorParameters]] = CampaignParameters
    label: ClassVar[str | None] = "distillation"
    summary: ClassVar[str] = "one operator that harvests answers through many accounts"

    def settled(self, first: int) -> Accounts:
        """Accounts of its own, or some of the proxy network that it buys from."""
        if self.parameters.network is None:
            return super().settled(first)
        host = self.world.actors[self.parameters.network]
        assert isinstance(host, Operated)
        self.count = min(self.count, host.count)
        self.host = host
        self.at = np.sort(self.world.rng(self.name, "bought").permutation(host.count)[: self.count])
        return host.accounts.take(self.at)

    @property
    def owned(self) -> int:
        """Accounts of a proxy network are the network's."""
        return self.count if self.parameters.network is None else 0

    def prepare(self, rng: np.random.Generator) -> None:
        """The accounts, unless they are another's; the work list's families, and how its volume is spread."""
        told = self.parameters
        if told.network is None:
            super().prepare(rng)
        else:
            self.pool, self.begins, self.ends = self.host.pool[self.at], self.host.begins, self.host.ends
        spread = 1.6 * (1.0 - told.evenness)
        self.shares = np.exp(rng.normal(0.0, spread, self.count))
        each = self.total / self.count
        self.total = round(self.count * between(each, min(each, _FEWEST_EXCHANGES),
                                                told.evasion.exchanges_per_account))
        self.wordings = round(between(told.paraphrases, max(told.paraphrases, _MOST_WORDINGS), told.evasion.wording))
        self.quota = np.floor(told.quota * (0.93 + 0.07 * rng.random(self.count)))
        self._work()
        self._models()

    def _work(self) -> None:
        """The families that are asked, and their weights from each phase's first day on."""
        told, library = self.parameters, self.world.prompts
        self.families: list[Family] = [f for f in library.families if f.use in ("harvest", "reconstruction")]
        self.phases: list[tuple[float, Floats]] = []
        self.phases.append((0.0, self._weights(told.capabilities, told.reconstruction)))
        for phase in told.phases:
            self.phases.append((phase.first, self._weights(phase.capabilities or told.capabilities,
                                                           phase.reconstruction)))

    def _weights(self, capabilities: dict[str, float], reconstruction: float) -> Floats:
        told = self.parameters
        weights = np.zeros(len(self.families))
        for capability, weight in capabilities.items():
            own = [n for n, f in enumerate(self.families) if f.use == "harvest" and f.capability == capability
                   and (not told.families or f.name in told.families)]
            share = np.array([self._preferred(self.families[n]) for n in own])
            if len(own) and share.sum() == 0:
                share = np.ones(len(own))  # no family in the wanted manner: whatever there is
            if len(own):
                weights[own] += weight * share / share.sum()
        if weights.sum() == 0:
            raise UsageError(f"campaign {self.name}: half {self.world.prompts.half} of the prompts has no family for"
                             " it", remedy="name families of that half, other capabilities, or leave families out")
        weights *= (1.0 - reconstruction) / weights.sum()
        for number, family in enumerate(self.families):
            if family.use == "reconstruction":
                weights[number] = reconstruction * (told.chinese if "_zh" in family.name else 1.0 - told.chinese)
        return weights

    def _preferred(self, family: Family) -> float:
        """Weight of a family among those of its capability: by language, and fixed frames or loose wordings."""
        told = self.parameters
        if told.families:
            return 1.0
        if "_zh" in family.name:
            # They are few: fixed frames whatever the wording.
            return told.chinese
        loose = told.evasion.wording if family.loose else 1.0 - told.evasion.wording
        return (1.0 - told.chinese) * loose

    def _models(self) -> None:
        told, names = self.parameters, self.world.models
        wanted = [*told.models, *([told.move.model] if told.move else [])]
        for name in wanted:
            if name not in names:
                raise UsageError(f"campaign {self.name}: no model is called {name!r}",
                                 remedy=f"use some of {', '.join(names)}")
        if told.models:
            self.model_weights = np.array([told.models.get(name, 0.0) for name in names])

    def identity(self, rows: Rows) -> tuple[Key, Ints]:
        """Of a proxy network's accounts: the network's."""
        if self.parameters.network is None:
            return super().identity(rows)
        return self.host.key, self.at[rows.account]

    def models(self, rows: Rows) -> Ints:
        """As everybody's, or by the operator's plan: a share moves to a new model within hours."""
        model = super().models(rows)
        move = self.parameters.move
        if move is None:
            return model
        new = self.world.models.index(move.model)
        since = (rows.ts - self.world.released[new]) / HOUR
        share = move.share * np.clip(since / move.hours, 0.0, 1.0)
        moved = uniforms(sub(self.key, "moved"), rows.conv) < share
        # Until it has moved the operator stays where it was: who takes it up is not left to chance.
        others = self.model_weights.copy()
        others[new] = 0.0
        stays = self.world.pick_models(self.key, rows.account, rows.conv, rows.ts, others)
        own = rows.stream >= 0
        return np.where(own & (since >= 0), np.where(moved, new, stays), np.where(own, stays, model))

    def day(self, day: int) -> Rows:
        """A day's part of the work list, dealt out; relayed customers and cover in between."""
        if not self.alive(day):
            return Rows.none()
        rng = self.world.rng(self.name, "day", str(day))
        told = self.parameters
        harvested = int(rng.poisson(self._plan()[day - int(self.first_day)]))
        relayed = min(told.relayed, 0.99) if told.network is None else 0.0
        cover = _MOST_COVER * told.evasion.dilution
        probing = told.probing is not None and day < self.first_day + told.probing.days
        return Rows.joined([
            self._harvest(day, harvested, rng, probing=probing),
            self.customers(day, int(rng.poisson(harvested * relayed / (1.0 - relayed))), RELAYED, rng),
            self.customers(day, round(harvested * cover / (1.0 - cover)), COVER, rng)])

    def _plan(self) -> Floats:
        """Exchanges expected on each of its days: rising over the first three, by phase; few while it probes."""
        told = self.parameters
        days = np.arange(int(self.first_day), int(np.ceil(self.last_day)))
        begins = self.first_day + (told.probing.days if told.probing else 0.0)
        volume = np.ones(len(days))
        for phase in told.phases:
            volume = np.where(days >= phase.first, phase.volume, volume)
        shape: Floats = np.clip((days - begins + 1) / 3.0, 0.0, 1.0) * volume
        plan: Floats = self.total * shape / max(float(shape.sum()), 1e-9)
        if told.probing is None:
            return plan
        tried = days < begins
        return np.where(tried, self.scaled(told.probing.exchanges) / max(int(tried.sum()), 1), plan)

    def timeline(self) -> list[tuple[str, float, str | None]]:
        """What truly begins when: phase, day after the start, and what changes."""
        told, end = self.parameters, float(min(np.ceil(self.last_day), self.world.days))
        start = float(np.ceil(self.first_day))
        begins = start + (told.probing.days if told.probing else 0.0)
        found: list[tuple[str, float, str | None]] = [("probing", start, None)] if told.probing else []
        # A third of the usual volume on the first day, all of it from the third on.
        found.append(("ramp_up", float(np.ceil(begins)), "volume" if told.probing else None))
        found.append(("sustained", float(np.ceil(begins)) + 2.0, "volume"))
        before = 1.0
        for phase in told.phases:
            what = "capability" if phase.capabilities or phase.reconstruction != told.reconstruction else "volume"
            quiet = "wind_down" if 0 < phase.volume < 0.8 * before else "ended" if phase.volume == 0 else "sustained"
            found.append((quiet, float(np.ceil(phase.first)), what))
            before = phase.volume
        if told.move is not None and self.parameters.network is None:
            released = (int(self.world.released[self.world.models.index(told.move.model)]) - self.world.start) / DAY
            found += [("pivot", released, "model"), ("sustained", released + told.move.hours / 24.0, "model")]
        for stop, again in zip(self.ends[:-1], self.begins[1:], strict=True):
            if stop > start:
                found += [("pivot", float(stop), "accounts"), ("sustained", float(again), "accounts")]
        if end < self.world.days:
            found.append(("ended", end, "volume"))
        return sorted(((name, day, what) for name, day, what in found if day < end or name == "ended"),
                      key=lambda it: it[1])

    def _harvest(self, day: int, count: int, rng: np.random.Generator, *, probing: bool) -> Rows:
        single = self.parameters.single_turn
        items = round(count / (single + (1.0 - single) * _TURNS))
        start = self._times(day, items, rng)
        account = self._dealt(day, start, rng, probing)
        dealt = account >= 0
        start, account = start[dealt], account[dealt]
        items = len(account)
        conv = self.conversation_ids(day, items)
        start = self._jittered(day, start, account, conv)
        turns = np.where(self._single(conv), 1, 1 + rng.geometric(1.0 / (_TURNS - 1.0), items)).clip(1, 12)
        which = np.repeat(np.arange(items), turns)
        turn = np.arange(len(which)) - np.repeat(np.cumsum(turns) - turns, turns)
        # A program answers within seconds of the model, which takes its own time.
        gap = np.where(turn == 0, 0.0, 4.0 + np.exp(2.8 + 0.7 * normals(sub(self.key, "gap"), conv[which], turn)))
        waited = np.cumsum(gap)
        waited -= np.repeat(waited[np.cumsum(turns) - turns], turns)
        weights = [weights for first, weights in self.phases if first <= day][-1]
        stream = choose(weights, sub(self.key, "family"), conv) + (_PROBE if probing else 0)
        item = conv
        if probing and self.parameters.probing is not None:
            # A few problems in many wordings: which wording answers best?
            item = conv % self.parameters.probing.items
        rows = Rows.make(start[which] + (waited * SECOND).astype(np.int64), account[which], conv[which], turn=turn,
                         stream=stream[which], item=item[which])
        return rows.take(self.pool_at(rows.ts) == self.pool[rows.account])

    def _single(self, conv: Ints) -> np.ndarray[Any, Any]:
        """Whether an item takes one request."""
        return uniforms(sub(self.key, "single turn"), conv) < self.parameters.single_turn

    def programmed(self, rows: Rows) -> np.ndarray[Any, Any]:
        """The work list's single requests; what is relayed or cover is people's."""
        return np.asarray((rows.stream >= 0) & self._single(rows.conv))

    def _dealt(self, day: int, start: Ints, rng: np.random.Generator, probing: bool) -> Ints:
        """Each item to exactly one account of the pool that is in use at its time; -1 where none can take it."""
        account = np.full(len(start), -1, dtype=np.int64)
        pool = self.pool_at(start)
        for number in np.unique(pool[pool >= 0]):
            places = np.flatnonzero(pool == number)
            dealt = self._deal(self.in_use(day, int(number)), day, len(places), rng, probing)
            # More items than the accounts' quotas: those that find no place are spread over the day.
            kept = places if len(dealt) >= len(places) else np.sort(rng.permutation(places)[: len(dealt)])
            account[kept] = dealt[: len(kept)]
        return account

    def _deal(self, born: Ints, day: int, items: int, rng: np.random.Generator, probing: bool) -> Ints:
        """Rounds in shuffled order, thinned by each account's share."""
        if probing and self.parameters.probing is not None:
            born = born[: max(2, round(len(born) * self.parameters.probing.accounts))]
        if len(born) == 0:
            return np.empty(0, dtype=np.int64)
        # Accounts that keep people's hours have days off.
        off = uniforms(sub(self.key, "day off"), born, day) < 0.3 * self.parameters.evasion.timing_jitter
        share = np.where(off, 1e-12, self.shares[born])
        share /= share.sum()
        quota = np.minimum(np.floor(share * items + rng.random(len(born))), self.quota[born]).astype(np.int64)
        account = np.repeat(born, quota)
        rounds = np.arange(len(account)) - np.repeat(np.cumsum(quota) - quota, quota)
        position = (rounds + rng.random(len(account))) / np.repeat(np.maximum(quota, 1), quota)
        return account[np.argsort(position, kind="stable")]

    def _times(self, day: int, items: int, rng: np.random.Generator) -> Ints:
        """Times in order of dealing: near-even work through the day, with common pauses of the queue."""
        told = self.parameters
        hours = np.sort(rng.random(items)) * 24.0
        if told.hours == "shifts":
            hours = 1.0 + np.sort(rng.beta(1.3, 1.3, items)) * 15.0
        elif told.hours == "office":
            hours = np.sort(np.mod(8.5 + 10.0 * rng.beta(1.5, 1.5, items) - told.utc_offset, 24.0))
        pauses = np.sort(rng.random(2)) * 22.0
        for pause in pauses:
            length = 0.3 + 0.7 * float(rng.random())
            inside = (hours >= pause) & (hours < pause + length)
            hours = np.where(inside, pause + length + (hours - pause) * 0.3, hours)
        hours = np.minimum(hours, 23.999)
        return self.world.start + day * DAY + (hours * HOUR).astype(np.int64) + rng.integers(0, SECOND, items)

    def _jittered(self, day: int, start: Ints, account: Ints, conv: Ints) -> Ints:
        """Some requests wait for an hour at which people ask, in the account's own time zone."""
        jitter = self.parameters.evasion.timing_jitter
        if jitter == 0:
            return start
        waits = uniforms(sub(self.key, "jitter"), conv) < jitter
        return np.where(waits, self.local_start(day, account, hour_of_day(sub(self.key, "own hour"), conv)), start)

    def addresses(self, rows: Rows) -> Ints:
        """The accounts' own ways out, or the proxy network's."""
        if self.parameters.network is None:
            return super().addresses(rows)
        return self.host.addresses(replace(rows, account=self.at[rows.account]))

    def speech(self, rows: Rows) -> Speech:
        """The work list's items in the families' wordings, and others' talk."""
        pieces: list[tuple[Ints, Speech]] = []
        for stream in np.unique(rows.stream):
            places = np.flatnonzero(rows.stream == stream)
            part = rows.take(places)
            if stream < 0:
                pieces.append((places, self.talk(part, relayed=stream == RELAYED)))
            else:
                pieces.append((places, self._item(self.families[int(stream) % _PROBE], part, stream >= _PROBE)))
        return scatter(pieces, len(rows))

    def _item(self, family: Family, rows: Rows, probing: bool) -> Speech:
        library, told = self.world.prompts, self.parameters
        keys = self.keys_of("item", rows.item)
        number = self.keys_of("wording", rows.conv if probing else rows.item)
        tried = told.probing.wordings if probing and told.probing is not None else self.wordings
        variants = (number % np.uint64(max(1, tried))).astype(np.int64) + told.first_wording
        system, prompt = library.render(family, keys, variants)
        later = rows.turn > 0
        if later.any():
            # A tool answers, or the program asks for more of the same.
            steps = self.keys_of("step", rows.item, rows.turn)
            step = library.things.slot("continuation", steps, "s")
            if family.tools or family.capability == "computer_use":
                # In the provider's own application there are no tools to answer.
                step = pa.compute.if_else(pa.array(self.accounts.app[rows.account]), step,
                                          library.things.slot("observation", steps, "s"))
            prompt = pa.compute.if_else(pa.array(later), step, prompt)
        spoken = self._spoken(prompt, self._injected(system, len(rows)), rows)
        spoken.capability[:] = family.capability
        spoken.images[:] = family.images
        spoken.tools = library.family_tools(family, keys) if family.tools else self.tooled(rows)
        spoken.json_format = self.accounts.wants_json[rows.account]
        return spoken

    def _spoken(self, prompt: pa.Array, system: pa.Array | None, rows: Rows) -> Speech:
        """Whether a system text is sent is the client's habit, not the work list's: else it opens the prompt.

        Where there is none, clients that have the habit send their usual one.
        """
        if system is None:
            return Speech.plain(prompt, self.common_system(rows))
        habit = pa.array(self.sends_system(rows))
        opens = pa.array(~self.sends_system(rows) & (rows.turn == 0))
        whole = pa.compute.binary_join_element_wise(system, prompt, pa.scalar("\n\n", pa.string()))
        return Speech.plain(pa.compute.if_else(opens, whole, prompt),
                            pa.compute.if_else(habit, system, pa.scalar(None, pa.string())))

    def _injected(self, system: pa.Array | None, rows: int) -> pa.Array | None:
        """The fixed prompt that goes into every request, before whatever system text there is."""
        if not self.parameters.injected:
            return system
        every = self.world.prompts.common.slot("injection", np.full(1, self.key, dtype=np.uint64))[0]
        if system is None:
            return pa.repeat(every, rows)
        return pa.compute.binary_join_element_wise(every, system, pa.scalar("\n\n", pa.string()))
