"""Questions about accounts of a findings folder: why is one where it is, and what links two."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from stillwatch.link import Incidence
from stillwatch.link.incidence import Ints
from stillwatch.link.membership import belonging
from stillwatch.link.outward import most_shared, tie, ties
from stillwatch.pipeline.opened import Opened, seen_families
from stillwatch.schema import is_detection

__all__ = ["explain_account", "explain_pair", "rarest", "spoken_against", "victim_note"]

_VALUES = 3
_NEIGHBOURS = 10
_A_FAMILY = 4
_RAREST = 2
_NEAREST = 3

UNJUDGED_VICTIM = ("not assessed: linkage alone does not see what an account sent. A stolen key, a customer of a relay"
                   " or a household that shares a device looks the same")
NO_VICTIM = "no sign that somebody else uses the account in what was measured; that is no proof"
NOT_A_MEMBER = "not assessed: no campaign was judged with this account as a member"


def explain_account(opened: Opened, account: str) -> dict[str, Any]:
    """Why an account is where it is: groups, evidence a family, what speaks against, neighbours, what is missing.

    Raises ``UsageError`` for an account that the folder does not know.
    """
    opened.need(account)
    code, incidence = opened.code(account), opened.incidence
    seen = seen_families(incidence, code) if code is not None else [False] * len(incidence.families)
    groups = [_in_group(opened, account, code, row, seen) for row in opened.groups_of(account)]
    neighbours = opened.neighbours(account)
    return {
        "account": account,
        "folder": str(opened.folder),
        "judged": opened.judged,
        "accounts": incidence.size,
        "groups": groups,
        "alone": None if groups else _alone(opened, code),
        "neighbours": neighbours[:_NEIGHBOURS],
        "neighbours_in_all": len(neighbours),
        "seen": [family for family, here in zip(incidence.families, seen, strict=True) if here],
        "never_seen": [family for family, here in zip(incidence.families, seen, strict=True) if not here],
        "inputs_missing": _inputs_missing(opened),
    }


def _inputs_missing(opened: Opened) -> list[str]:
    told = opened.summary.get("missing")
    return [f"{gap.get('input')}: {gap.get('effect')}" for gap in (told if isinstance(told, list) else [])
            if isinstance(gap, dict)]


def _in_group(opened: Opened, account: str, code: int | None, row: dict[str, Any],
              seen: Iterable[bool]) -> dict[str, Any]:
    group = row["group_id"]
    pool, incidence = opened.pools.get(group), opened.incidence
    member, campaign = opened.membership(group, account), opened.campaign.get(group)
    families: list[dict[str, Any]] = []
    bits = np.zeros(len(incidence.families))
    if pool is not None and code is not None:
        bits = belonging(incidence, pool.members).bits[code]
        families = _evidence(opened, code, pool.members, bits)
    return {
        "group_id": group,
        "accounts": 0 if pool is None else len(pool.members),
        "probability": row["probability"],
        "campaign": _campaign(campaign),
        "takes_part": member is not None if opened.judged else None,
        "exchanges": member["exchanges"] if member else None,
        "exchanges_total": member["exchanges_total"] if member else None,
        "families": families,
        "against": (member or {}).get("against") or spoken_against(incidence, bits, seen),
        "victim": (member or {}).get("victim"),
        "victim_note": victim_note(opened, member),
    }


def victim_note(opened: Opened, member: dict[str, Any] | None) -> str:
    """Whether the account may be a victim, or why that cannot be said."""
    if member is None:
        return NOT_A_MEMBER if opened.judged else UNJUDGED_VICTIM
    return str(member["victim"]) if member["victim"] else NO_VICTIM


def _campaign(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {"verdict": row["verdict"], "probability": row["probability"], "q_value": row["q_value"],
            "detection": is_detection(row["verdict"], row["probability"], row["q_value"]),
            "explanation": row["explanation"], "evidence_against": row["evidence_against"] or [],
            "phase": row["phase"], "history": row["history"] or []}


def spoken_against(incidence: Incidence, bits: Any, seen: Iterable[bool]) -> str:
    """What speaks against belonging, from bits a family, in words."""
    families = incidence.families
    said = [f"shares nothing of the group's in {family}" for family, worth in zip(families, bits, strict=True)
            if worth < 0]
    carried = [family for family, worth in zip(families, bits, strict=True) if worth > 0]
    if len(carried) == 1:
        said.append(f"is linked through {carried[0]} alone")
    unseen = [family for family, here in zip(families, seen, strict=True) if not here]
    if unseen:
        said.append(f"never seen with anything of {', '.join(unseen)}")
    return "; ".join(said) if said else "nothing that was measured"


def _evidence(opened: Opened, code: int, members: Ints, bits: Any) -> list[dict[str, Any]]:
    """Each family that the account was seen in: bits for belonging, and the rarest values shared with the group."""
    incidence = opened.incidence
    mine = incidence.value[incidence.account == code]
    inside = np.zeros(incidence.size, dtype=bool)
    inside[members] = True
    use = inside[incidence.account]
    carried = np.bincount(incidence.value[use], minlength=len(incidence.degree))
    told = []
    for place, family in enumerate(incidence.families):
        own = mine[incidence.family[mine] == place]
        shared = own[carried[own] >= 2]
        # Best first: carried by many members and by few others.
        outside = incidence.degree[shared] - carried[shared]
        worth = np.log2(carried[shared] / len(members)) - np.log2(
            (outside + 1.0) / max(1, incidence.size - len(members) + 1))
        shared = shared[np.lexsort((shared, -incidence.level[shared], -worth))]
        if not len(own):
            continue
        label = opened.labels(shared[:_VALUES])
        told.append({
            "family": family, "bits": float(bits[place]), "values": len(own), "shared": len(shared),
            "strongest": [{"kind": incidence.kinds[incidence.kind[v]], "label": label[int(v)],
                           "value": _value(incidence, v), "members": int(carried[v]) - 1,
                           "others": int(incidence.degree[v] - carried[v])} for v in shared[:_VALUES]],
        })
    return sorted(told, key=lambda row: -row["bits"])


def _value(incidence: Incidence, code: int) -> str:
    return str(incidence.values[int(code)].as_py())


def rarest(incidence: Incidence, codes: Ints, most: int) -> Ints:
    """The first ``most`` of the values (codes) in each family, in the order in which they come."""
    kept: list[int] = []
    counted: dict[int, int] = {}
    for code in codes:
        family = int(incidence.family[code])
        counted[family] = counted.get(family, 0) + 1
        if counted[family] <= most:
            kept.append(int(code))
    return np.array(kept, dtype=np.int64)


def needed_bits(opened: Opened) -> float:
    """Bits that a pair has to share before being run together is as probable as not: the prior's odds against."""
    return math.log2((1 - opened.prior) / opened.prior)


def _alone(opened: Opened, code: int | None) -> dict[str, Any]:
    """Why an account is in no group: the rarest that it shares, its nearest account and group, and what is needed."""
    if code is None:
        return {"shares": [], "values": 0, "shared_values": 0, "nearest": None, "groups": [],
                "needed": needed_bits(opened)}
    incidence = opened.incidence
    mine = incidence.value[incidence.account == code]
    shared = mine[incidence.degree[mine] >= 2]
    shared = shared[np.lexsort((shared, incidence.degree[shared]))]
    shown = rarest(incidence, shared, _RAREST)
    label = opened.labels(shown)
    return {
        "values": len(mine),
        "shared_values": len(shared),
        "shares": [{"kind": incidence.kinds[incidence.kind[v]], "label": label[int(v)], "value": _value(incidence, v),
                    "accounts": int(incidence.degree[v]),
                    "bits": math.log2(incidence.size / incidence.degree[v])} for v in shown],
        "nearest": _nearest_account(opened, code, shared),
        "groups": _nearest_groups(opened, code, shared),
        "needed": needed_bits(opened),
    }


def _nearest_account(opened: Opened, code: int, shared: Ints) -> dict[str, Any] | None:
    """The account with which this one shares most, through values of not too many accounts."""
    incidence = opened.incidence
    bound = most_shared(incidence.size)
    small = np.zeros(len(incidence.degree), dtype=bool)
    small[shared[incidence.degree[shared] <= bound]] = True
    others = np.unique(incidence.account[small[incidence.value]])
    others = others[others != code]
    if not len(others):
        return None
    _, right, bits = ties(incidence, np.array([code]), others, bound)
    if not len(bits) or bits.max() <= 0:
        return None
    best = right[np.lexsort((others[right], -bits))[0]]
    return {"account": opened.name(others[best]), "bits": float(bits.max())}


def _nearest_groups(opened: Opened, code: int, shared: Ints) -> list[dict[str, Any]]:
    """The groups that share most values with the account, and its probability of belonging to each."""
    incidence = opened.incidence
    mark = np.zeros(len(incidence.degree), dtype=bool)
    mark[shared] = True
    touched = np.bincount(incidence.account[mark[incidence.value]], minlength=incidence.size) > 0
    share = sorted(((-float(touched[pool.members].mean()), name) for name, pool in opened.pools.items()))
    told = []
    for touching, name in share[:_NEAREST]:
        if touching < 0:
            chance = float(belonging(incidence, opened.pools[name].members).probability[code])
            told.append({"group_id": name, "accounts": len(opened.pools[name].members), "probability": chance})
    return sorted(told, key=lambda row: (-row["probability"], row["group_id"]))


def explain_pair(opened: Opened, one: str, other: str) -> dict[str, Any]:
    """What links two accounts, value by value; what they disagree in; what is missing on either side.

    Raises ``UsageError`` for an account that the folder does not know.
    """
    for account in (one, other):
        opened.need(account)
    incidence = opened.incidence
    codes = (opened.code(one), opened.code(other))
    seen = [seen_families(incidence, code) if code is not None else [False] * len(incidence.families) for code in codes]
    both = np.zeros(0, np.int64) if codes[0] is None or codes[1] is None else tie(incidence, codes[0], codes[1])
    in_groups = [{row["group_id"]: row["probability"] for row in opened.groups_of(account)} for account in (one, other)]
    agree = {incidence.families[incidence.family[v]] for v in both}
    return {
        "accounts": [one, other],
        "folder": str(opened.folder),
        "judged": opened.judged,
        "population": incidence.size,
        "edge": opened.edge(one, other),
        "needed": needed_bits(opened),
        "shared": _pair_values(opened, one, other, rarest(incidence, both, _A_FAMILY)),
        "shared_in_all": len(both),
        "disagree": [_apart(incidence, codes, place) for place, family in enumerate(incidence.families)
                     if seen[0][place] and seen[1][place] and family not in agree],
        "missing": [{"family": family, "accounts": [account for account, side in zip((one, other), seen, strict=True)
                                                    if not side[place]]}
                    for place, family in enumerate(incidence.families) if not (seen[0][place] and seen[1][place])],
        "same_groups": [{"group_id": group, "campaign": _campaign(opened.campaign.get(group)),
                         "probability": [side[group] for side in in_groups]}
                        for group in sorted(set(in_groups[0]) & set(in_groups[1]))],
        "groups": [sorted(side) for side in in_groups],
        "victims": [_victims(opened, account, in_groups[place]) for place, account in enumerate((one, other))],
        "inputs_missing": _inputs_missing(opened),
    }


def _victims(opened: Opened, account: str, groups: Iterable[str]) -> str:
    rows = [opened.membership(group, account) for group in sorted(groups)]
    known = [row for row in rows if row is not None]
    worst = next((row for row in known if row["victim"]), known[0] if known else None)
    return victim_note(opened, worst)


def _apart(incidence: Incidence, codes: tuple[int | None, int | None], family: int) -> dict[str, Any]:
    """A family in which both were seen, and share nothing."""
    sizes = [int((incidence.family[incidence.value[incidence.account == code]] == family).sum()) for code in codes]
    return {"family": incidence.families[family], "values": sizes}


def _pair_values(opened: Opened, one: str, other: str, codes: Ints) -> list[dict[str, Any]]:
    """Each shared value: how many accounts have it, what that is worth, and when each of the two was seen with it.

    In each family only the first, the rarest, ``counts``: an address is not evidence again as its range and network.
    """
    incidence, label, used = opened.incidence, opened.labels(codes), set[str]()
    told = []
    for code in codes:
        kind, family = incidence.kinds[incidence.kind[code]], incidence.families[incidence.family[code]]
        value, degree = _value(incidence, code), int(incidence.degree[code])
        times = [opened.times(account, kind, value) for account in (one, other)]
        told.append({
            "kind": kind, "family": family, "label": label[int(code)], "value": value, "accounts": degree,
            "bits": math.log2(incidence.size / degree), "counts": family not in used,
            "seen": [[None if moment is None else moment.isoformat() for moment in span] for span in times],
            "apart_days": _gap_days(times),
        })
        used.add(family)
    return told


def _gap_days(times: list[tuple[Any, Any]]) -> float | None:
    """Days from the end of the one's time to the beginning of the other's; 0 where they overlap, null if unknown."""
    (a, b), (c, d) = times
    if None in (a, b, c, d):
        return None
    gap = max((c - b).total_seconds(), (a - d).total_seconds(), 0.0)
    return float(gap / 86_400)
