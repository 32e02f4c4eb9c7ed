"""Two findings folders compared: which campaigns are new, grown, shrunk, split, merged or gone, and why.

Campaigns are matched by their members, not by name: first the likest pairs (Jaccard index of a half or more, each
campaign once, the likest first); then what is left joins the campaign of the other folder that holds most of its
accounts, if that is half of them or more. What is joined is one change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stillwatch.report.load import Campaign, Findings, Record, load
from stillwatch.schema import EVIDENCE, MEMBERS

__all__ = ["CHANGES", "compare"]

CHANGES = ("new", "grown", "shrunk", "split", "merged", "regrouped", "gone", "changed", "same")
_LIKE = 0.5  # Jaccard index from which two campaigns are one seen twice
_CONTAINED = 0.5  # share of its accounts that a campaign has in another for being a part of it
_MOVED_PROBABILITY = 0.01
_MOVED_BITS = 1.0
_KINDS = 6
_ABOUT = ("version", "code", "engine", "seed", "key_fingerprint", "conditional_on")
_FIGURES = ("verdict", "probability", "q_value", "accounts", "exchanges", "decision", "actor", "phase")

Members: TypeAlias = Mapping[str, frozenset[str]]
_Node: TypeAlias = tuple[int, str]


@dataclass(frozen=True)
class _Side:
    """One folder: members, bits of the strongest value a kind, and values, by campaign."""

    found: Findings
    campaigns: Mapping[str, Campaign]
    members: Members
    bits: Mapping[str, Mapping[str, float]]
    values: Mapping[str, frozenset[tuple[str, str]]]


def compare(before: Path, after: Path) -> dict[str, Any]:
    """What changed from one findings folder to another, as data for programs and for ``report.diff_text``.

    Raises as ``stillwatch.report.load.load``. Depends on the content of the tables alone, not on the order of rows.
    """
    old, new = _side(load(before)), _side(load(after))
    changes = [_change(old, new, *component) for component in _components(old.members, new.members)]
    changes.sort(key=lambda change: (CHANGES.index(change["change"]), not change["detection"],
                                     -change["accounts_after"] - change["accounts_before"], change["before"],
                                     change["after"]))
    return {
        "before": _about(old.found), "after": _about(new.found), "changes": changes,
        "counts": {kind: sum(change["change"] == kind for change in changes) for kind in CHANGES},
        "differences": _differences(old.found.summary, new.found.summary),
    }


def _side(found: Findings) -> _Side:
    members: dict[str, set[str]] = defaultdict(set)
    for row in found.tables[MEMBERS.name].select(["campaign_id", "account_id"]).to_pylist():
        members[row["campaign_id"]].add(row["account_id"])
    bits: dict[str, dict[str, float]] = defaultdict(dict)
    values: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in found.tables[EVIDENCE.name].select(["campaign_id", "kind", "value", "bits"]).to_pylist():
        own = bits[row["campaign_id"]]
        own[row["kind"]] = max(own.get(row["kind"], 0.0), row["bits"] or 0.0)
        values[row["campaign_id"]].add((row["kind"], row["value"] or ""))
    campaigns = {campaign.ident: campaign for campaign in found.campaigns}
    return _Side(found, campaigns, {name: frozenset(members[name]) for name in campaigns},
                 {name: bits[name] for name in campaigns}, {name: frozenset(values[name]) for name in campaigns})


def _components(old: Members, new: Members) -> list[tuple[list[str], list[str]]]:
    """Campaigns that belong together, as (old ones, new ones); every campaign is in exactly one."""
    shared = _shared(old, new)
    likeness = {pair: number / (len(old[pair[0]]) + len(new[pair[1]]) - number) for pair, number in shared.items()}
    edges: list[tuple[_Node, _Node]] = []
    taken: set[_Node] = set()
    for one, other in sorted(likeness, key=lambda pair: (-likeness[pair], -shared[pair], pair)):
        if likeness[one, other] >= _LIKE and not {(0, one), (1, other)} & taken:
            edges.append(((0, one), (1, other)))
            taken |= set(edges[-1])
    best: dict[_Node, tuple[int, str]] = {}
    for pair, number in shared.items():
        for side in (0, 1):
            node = (side, pair[side])
            best[node] = max(best.get(node, (0, "")), (number, pair[1 - side]))
    for node, (most, other) in sorted(best.items()):
        size = len((old, new)[node[0]][node[1]])
        if node not in taken and most >= max(min(2, size), _CONTAINED * size):
            edges.append((node, (1 - node[0], other)))
    return _joined([*((0, name) for name in old), *((1, name) for name in new)], edges)


def _shared(old: Members, new: Members) -> dict[tuple[str, str], int]:
    """How many accounts two campaigns have in common, where they have any."""
    holders: dict[str, list[str]] = defaultdict(list)
    for name, accounts in new.items():
        for account in accounts:
            holders[account].append(name)
    common: dict[tuple[str, str], int] = defaultdict(int)
    for name, accounts in old.items():
        for account in accounts:
            for other in holders.get(account, ()):
                common[name, other] += 1
    return common


def _joined(nodes: Sequence[_Node], edges: Iterable[tuple[_Node, _Node]]) -> list[tuple[list[str], list[str]]]:
    """Connected components, as names of the one and of the other side."""
    near: dict[_Node, set[_Node]] = {node: set() for node in nodes}
    for one, other in edges:
        near[one].add(other)
        near[other].add(one)
    components, seen = [], set()
    for start in sorted(near):
        if start in seen:
            continue
        reached, ahead = {start}, [start]
        while ahead:
            fresh = near[ahead.pop()] - reached
            reached |= fresh
            ahead += fresh
        seen |= reached
        components.append((sorted(name for side, name in reached if side == 0),
                           sorted(name for side, name in reached if side == 1)))
    return components


def _change(old: _Side, new: _Side, before: list[str], after: list[str]) -> dict[str, Any]:
    was, now = (frozenset().union(*(side.members[name] for name in names))
                for side, names in ((old, before), (new, after)))
    joined, left = sorted(now - was), sorted(was - now)
    figures = [_figures(side, names) for side, names in ((old, before), (new, after))]
    change: dict[str, Any] = {
        "before": before, "after": after, "accounts_before": len(was), "accounts_after": len(now),
        "likeness": len(was & now) / max(1, len(was | now)), "joined": joined, "left": left,
        "joined_from": _elsewhere(joined, old, before), "left_to": _elsewhere(left, new, after),
        "was": figures[0], "is": figures[1],
        "detection_before": any(old.campaigns[name].detected for name in before),
        "detection": any(new.campaigns[name].detected for name in after),
        "verdict_changed": bool(before and after) and {row["verdict"] for row in figures[0]} != {
            row["verdict"] for row in figures[1]},
        "evidence": _evidence(old, new, before, after),
    }
    return change | {"change": _kind(change)}


def _kind(change: Mapping[str, Any]) -> str:
    before, after = len(change["before"]), len(change["after"])
    if not before or not after:
        return "gone" if before else "new"
    if before > 1 or after > 1:
        return "regrouped" if before > 1 and after > 1 else "merged" if before > 1 else "split"
    if len(change["joined"]) != len(change["left"]):
        return "grown" if len(change["joined"]) > len(change["left"]) else "shrunk"
    was, now = change["was"][0], change["is"][0]
    moved = abs(was["probability"] - now["probability"]) >= _MOVED_PROBABILITY or any(
        was[name] != now[name] for name in _FIGURES if name != "probability")
    return "changed" if moved or change["joined"] or change["evidence"] else "same"


def _figures(side: _Side, names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        row = {figure: side.campaigns[name].row[figure] for figure in _FIGURES}
        # Without a case and with an undecided one, nobody has decided.
        rows.append({"campaign_id": name, **row, "decision": row["decision"] or "none",
                     "detected": side.campaigns[name].detected})
    return rows


def _elsewhere(accounts: Sequence[str], side: _Side, but: Sequence[str]) -> dict[str, int]:
    """In which other campaigns of a folder accounts are, and how many in none (under an empty name)."""
    found: dict[str, int] = defaultdict(int)
    wanted = frozenset(accounts)
    for name in sorted(side.members):
        if name not in but and (shared := len(side.members[name] & wanted)):
            found[name] = shared
    held = frozenset().union(*(members for name, members in side.members.items() if name not in but))
    if wanted - held:
        found[""] = len(wanted - held)
    return dict(found)


def _evidence(old: _Side, new: _Side, before: Sequence[str], after: Sequence[str]) -> list[dict[str, Any]]:
    """Kinds of evidence whose strongest value moved by a bit or more, the largest move first."""
    was, now = _strongest(old, before), _strongest(new, after)
    rows = []
    for kind in sorted({*was, *now}):
        one, other = was.get(kind, 0.0), now.get(kind, 0.0)
        if abs(one - other) >= _MOVED_BITS:
            values = [{value for name in names for its_kind, value in side.values[name] if its_kind == kind}
                      for side, names in ((old, before), (new, after))]
            rows.append({"kind": kind, "bits_before": one, "bits_after": other,
                         "values_new": len(values[1] - values[0]), "values_gone": len(values[0] - values[1])})
    return sorted(rows, key=lambda row: (-abs(row["bits_after"] - row["bits_before"]), row["kind"]))


def _strongest(side: _Side, names: Iterable[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in names:
        for kind, most in side.bits[name].items():
            found[kind] = max(found.get(kind, 0.0), most)
    return found


def _about(found: Findings) -> dict[str, Any]:
    summary = found.summary
    return {"folder": str(found.folder), "version": summary.text("version"), "created_at": summary.text("created_at"),
            "campaigns": len(found.campaigns), "detections": len(found.detections), "accused": found.accused,
            "accounts": summary.whole("accounts"), "first": summary.record("span").text("first"),
            "last": summary.record("span").text("last"),
            "exchanges": summary.record("counts").whole("kept")}


def _differences(old: Record, new: Record) -> list[dict[str, str | None]]:
    """What the scans themselves did not have in common: program, settings, inputs, decoys, decisions."""
    found = []

    def differs(name: str, one: object, other: object) -> None:
        if one != other:
            found.append({"what": name, "before": None if one is None else str(one),
                          "after": None if other is None else str(other)})

    for name in _ABOUT:
        differs(name, old.data.get(name), new.data.get(name))
    for part in ("settings", "versions"):
        was, now = dict(old.record(part).pairs()), dict(new.record(part).pairs())
        for name in sorted({*was, *now}):
            differs(f"{part}: {name}", was.get(name), now.get(name))
    for side, (one, other) in (("inputs", (old, new)), ("beside", (old, new))):
        was, now = ({str(row.text("digest")): str(row.text("path")) for row in part.records(side)}
                    for part in (one, other))
        differs(f"{side} only there", _listed(was[digest] for digest in was.keys() - now.keys()),
                _listed(now[digest] for digest in now.keys() - was.keys()))
    differs("missing", _listed(row.text("input") or "" for row in old.records("missing")),
            _listed(row.text("input") or "" for row in new.records("missing")))
    differs("decoys made", old.record("decoys").whole("made"), new.record("decoys").whole("made"))
    differs("smallest q possible", old.record("decoys").number("floor"), new.record("decoys").number("floor"))
    differs("decisions", old.record("decisions").text("digest"), new.record("decisions").text("digest"))
    return found


def _listed(names: Iterable[str]) -> str | None:
    """Names in one text, sorted and counted where they are many."""
    all_of = sorted(names)
    return (", ".join(all_of[:_KINDS]) + (f" and {len(all_of) - _KINDS:,} more" if len(all_of) > _KINDS else "")
            if all_of else None)
