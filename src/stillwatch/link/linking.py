"""Sightings → edges → groups, in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.link.cells import cells_of
from stillwatch.link.choose import Settled, choose, settled_of
from stillwatch.link.cocluster import is_large, plans
from stillwatch.link.incidence import Incidence, Ints, encode
from stillwatch.link.learn import LinkModel, learn, weigh
from stillwatch.link.pairs import Floats, Pairs, choose_edges, share_pairs
from stillwatch.link.settle import MIN_MEMBERS, Group, describe
from stillwatch.schema import EDGES, GROUPS, conform
from stillwatch.settings import DeploymentKey

__all__ = ["Linked", "confirmed", "find_groups", "group_name", "link"]


@dataclass(frozen=True)
class Linked:
    """Result of linking: the encoded sightings, what was learnt, the edges and the groups."""

    incidence: Incidence
    model: LinkModel
    pairs: Pairs
    edges: Ints
    bits: Floats
    groups: tuple[Group, ...]

    def edge_table(self) -> pa.Table:
        """The edges as schema ``EDGES``."""
        names = self.incidence.accounts.to_pylist()
        families = np.array(self.incidence.families, dtype=object)
        rows = []
        for edge in self.edges:
            ends = sorted((names[self.pairs.a[edge]], names[self.pairs.b[edge]]))
            rows.append({"account_a": ends[0], "account_b": ends[1], "bits": float(self.bits[edge].sum()),
                         "families": families[self.bits[edge] > 0].tolist()})
        rows.sort(key=lambda row: (row["account_a"], row["account_b"]))
        return conform(pa.Table.from_pylist(rows, schema=EDGES.arrow), EDGES)

    def group_table(self, key: DeploymentKey) -> pa.Table:
        """The groups as schema ``GROUPS``."""
        names = np.array(self.incidence.accounts.to_pylist(), dtype=object)
        rows = []
        for group in self.groups:
            members = names[group.members].tolist()
            name = group_name(members, key)
            rows += [{"group_id": name, "account_id": member, "probability": float(p)}
                     for member, p in sorted(zip(members, group.probability, strict=True))]
        rows.sort(key=lambda row: (row["group_id"], row["account_id"]))
        return conform(pa.Table.from_pylist(rows, schema=GROUPS.arrow), GROUPS)


def group_name(members: list[str], key: DeploymentKey) -> str:
    """A name that depends on the members alone: 64 bits of the keyed digest of their sorted ids, in hex."""
    return key.digest("group", "".join(f"{len(member)}:{member}" for member in sorted(members)))[:16]


def link(sightings: pa.Table, family_of: Mapping[str, tuple[str, int]], *, seed: int = 0,
         model: LinkModel | None = None) -> Linked:
    """Link accounts by their sightings (schema ``SIGHTINGS``).

    ``family_of`` gives each kind its family and level. ``model`` reuses what was learnt elsewhere (decoys are
    judged by the model of the real data). The result does not depend on row order or account names.
    """
    incidence = encode(sightings, family_of)
    # A caller that keeps no reference of its own has the memory back.
    del sightings
    pa.default_memory_pool().release_unused()
    pairs = share_pairs(incidence)
    if model is None:
        model = learn(pairs, incidence)
    elif model.families != incidence.families:
        model = _aligned(model, incidence)
    bits, probability = weigh(pairs, model)
    edges = choose_edges(probability)
    return Linked(incidence, model, pairs, edges, bits, tuple(find_groups(incidence, seed)))


def find_groups(incidence: Incidence, seed: int) -> list[Group]:
    """The groups alone, strongest first: communities of accounts and values propose, evidence decides."""
    cells = cells_of(incidence)
    lists = plans(cells, seed)

    def settled(plan: Callable[[], list[Ints]]) -> Settled:
        return settled_of(cells, plan())

    if not is_large(cells):
        return choose(cells, map(settled, lists), seed)
    # Leiden and numpy's loops let other threads run. Two, since each holds up to a gigabyte a million accounts.
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as threads:
        return choose(cells, threads.map(settled, lists), seed)


def confirmed(incidence: Incidence, accounts: Collection[str]) -> Group | None:
    """What these sightings say of accounts that others proposed as a group: those of them that belong together.

    ``None`` where they show no more than choosing them by itself would.
    """
    place = pc.index_in(pa.array(sorted(accounts), pa.string()), value_set=incidence.accounts)
    codes = np.sort(place.drop_null().to_numpy().astype(np.int64))
    if len(codes) < MIN_MEMBERS:
        return None
    return next(iter(describe(cells_of(incidence), [codes])), None)


def _aligned(model: LinkModel, incidence: Incidence) -> LinkModel:
    place = [model.families.index(family) for family in incidence.families]
    return LinkModel(incidence.families, model.m[place], model.u[place], model.prior)
