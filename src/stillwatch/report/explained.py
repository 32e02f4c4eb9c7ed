"""Why an account is where it is, or what links two, in a terminal: the conclusion first, then for, then against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from stillwatch.report.clean import clean, cut
from stillwatch.report.link_words import (
    ACCOUNT,
    bits_words,
    heading,
    inside,
    lines,
    more,
    others_words,
    trait,
)
from stillwatch.report.numbers import count, plural, q, surely
from stillwatch.report.words import NOT_GUILTY, name

__all__ = ["render_account", "render_pair", "with_reasons"]

_BITS = ("Bits are a score: each doubles how much more usual it is among accounts that are run together than among"
         " others.")


def render_account(told: Mapping[str, Any]) -> list[RenderableType]:
    """What ``stillwatch explain FINDINGS ACCOUNT`` prints for people, from what it prints for programs."""
    who, groups = cut(told["account"], ACCOUNT), told["groups"]
    head = f"{who}: in {plural(len(groups), 'group')}" if groups else f"{who}: in no group, nothing is claimed of it"
    parts: list[RenderableType] = [Text(head, style="bold"), *lines(NOT_GUILTY)]
    for group in groups:
        parts += _group(group, told)
    if told["alone"]:
        parts += _alone(told["alone"], told)
    parts += _neighbours(told)
    return parts + _missing(told["never_seen"], told["inputs_missing"])


def _group(group: Mapping[str, Any], told: Mapping[str, Any]) -> list[RenderableType]:
    parts = [heading(f"Group {cut(group['group_id'], ACCOUNT)}: {plural(group['accounts'], 'account')}")]
    parts.append(inside(f"It belongs to the group with probability {surely(group['probability'])}."))
    if group["campaign"]:
        parts += [inside(text) for text in _verdict(group["campaign"])]
    elif told["judged"]:
        parts.append(inside("The group was not judged: no campaign has its name."))
    if group["takes_part"] is False and group["campaign"]:
        parts.append(inside("It is linked to the group and no member of the campaign: nothing of the group's own work"
                            " came from it, or an agreement covers it."))
    if group["exchanges"] is not None:
        parts.append(inside(f"{count(group['exchanges'])} of its {plural(group['exchanges_total'], 'exchange')} are"
                            " attributed to the group."))
    parts.append(Text("  Why it is here", style="bold"))
    parts += [inside(f"{cut(row['family'], 40)} {bits_words(row['bits'])} bits: {_why(row, group['accounts'])}", 4)
              for row in group["families"]] or [inside("nothing that is kept", 4)]
    parts.append(Text("  What speaks against", style="bold"))
    parts.append(inside(f"its belonging: {group['against']}", 4))
    if group["campaign"] and group["campaign"]["evidence_against"]:
        parts.append(inside(f"harvesting: {cut('; '.join(group['campaign']['evidence_against']), 600)}", 4))
    parts.append(Text("  May it be a victim?", style="bold"))
    parts.append(inside(group["victim_note"], 4))
    return parts


def _verdict(campaign: Mapping[str, Any]) -> list[str]:
    standing = "a DETECTION" if campaign["detection"] else "no detection"
    said = [f"Verdict of the group: {name(campaign['verdict'])}, {standing} (harvesting:"
            f" {surely(campaign['probability'])}; run together by chance: q = {q(campaign['q_value'])})."]
    if campaign["explanation"]:
        said.append(cut(campaign["explanation"], 600))
    said += [cut(text, 600) for text in campaign["history"]]
    return said


def with_reasons(told: Mapping[str, Any]) -> dict[str, Any]:
    """An explanation in which every family of evidence has its ``why``, one plain sentence."""
    groups = [dict(group) | {"families": [dict(row) | {"why": _why(row, group["accounts"])}
                                          for row in group["families"]]} for group in told["groups"]]
    return dict(told) | {"groups": groups}


def _why(row: Mapping[str, Any], accounts: int) -> str:
    if not row["strongest"]:
        return f"shares none of {plural(row['values'], 'value')} with the group"
    first = row["strongest"][0]
    return (f"shares {trait(first)} with {first['members']:,} of {accounts - 1:,} other members;"
            f" {others_words(first['others'])} outside{more(row['shared'] - 1, 'shared value')}"
            + ("; too common to count" if abs(row["bits"]) < 0.05 else ""))


def _alone(alone: Mapping[str, Any], told: Mapping[str, Any]) -> list[RenderableType]:
    parts = [heading("Why it is in no group")]
    if not alone["values"]:
        return [*parts, inside("It was seen with nothing that could link it.")]
    parts.append(inside(f"It was seen with {plural(alone['values'], 'value')}; {count(alone['shared_values'])} of them"
                        " also with other accounts."))
    if alone["shares"]:
        parts.append(inside(f"The rarest that it shares, of {plural(told['accounts'], 'account')}:"))
        parts += [inside(f"{trait(row)}: {plural(row['accounts'], 'account')}, {row['bits']:.1f} bits", 4)
                  for row in alone["shares"]]
    near = alone["nearest"]
    best = (f"Its best match, {cut(near['account'], ACCOUNT)}, has {near['bits']:.1f}, less what many values match by"
            " chance." if near else "Nothing rare enough is shared with anybody.")
    parts.append(inside(f"What would be needed: what it shares with one other account must be worth about"
                        f" {alone['needed']:.1f} bits over all families, or what it shares with a whole group as much."
                        f" {best}"))
    parts += [inside(f"Group {cut(row['group_id'], ACCOUNT)} ({plural(row['accounts'], 'account')}): it belongs with"
                     f" probability {surely(row['probability'])}.") for row in alone["groups"]]
    return parts


def _neighbours(told: Mapping[str, Any]) -> list[RenderableType]:
    rows = told["neighbours"]
    if not rows:
        return [heading("Strongest neighbours"), inside("none: no single account shares enough with it")]
    parts = [heading(f"Strongest neighbours ({count(told['neighbours_in_all'])} in all)")]
    parts += [inside(f"{cut(row['account'], ACCOUNT)}: {row['bits']:.1f} bits,"
                     f" {', '.join(cut(family, 40) for family in row['families']) or 'no family'}") for row in rows]
    return parts


def _missing(never: Sequence[str], inputs: Sequence[str]) -> list[RenderableType]:
    said = [f"never seen with anything of: {', '.join(cut(family, 40) for family in never)}"] if never else []
    said += [cut(text, 300) for text in inputs]
    return [heading("What is missing"), *(inside(text) for text in said or ["nothing: every family was seen"]),
            *lines("", f"{_BITS} Missing is not disagreement, and no link is no proof of innocence.")]


def render_pair(told: Mapping[str, Any]) -> list[RenderableType]:
    """What ``stillwatch explain FINDINGS ACCOUNT ACCOUNT`` prints for people."""
    one, other = (cut(account, ACCOUNT) for account in told["accounts"])
    parts: list[RenderableType] = [Text(f"{one} and {other}: {_together(told)}", style="bold"), *lines(NOT_GUILTY)]
    parts += [inside(text) for text in _standing(told)]
    parts.append(heading(f"What links them ({plural(told['shared_in_all'], 'shared value')})"))
    parts += _shared(told) or [inside("nothing: no value was seen with both")]
    parts.append(heading("What speaks against"))
    apart = [f"{cut(row['family'], 40)}: both were seen ({row['values'][0]:,} and {row['values'][1]:,} values) and"
             " share nothing" for row in told["disagree"]]
    parts += [inside(text) for text in apart] or [inside("nothing: in every family in which both were seen they agree")]
    parts.append(heading("What is missing"))
    gone = [f"{cut(row['family'], 40)}: {' and '.join(cut(account, ACCOUNT) for account in row['accounts'])} never seen"
            " with anything" for row in told["missing"]]
    gone += [cut(text, 300) for text in told["inputs_missing"]]
    parts += [inside(text) for text in gone] or [inside("nothing: both were seen in every family")]
    parts.append(heading("May one be a victim?"))
    parts += [inside(f"{who}: {note}") for who, note in zip((one, other), told["victims"], strict=True)]
    return [*parts, *lines("", _BITS)]


def _together(told: Mapping[str, Any]) -> str:
    if told["accounts"][0] == told["accounts"][1]:
        return "the same account"
    if told["edge"]:
        return "linked, more probably run together than not"
    return "in one group, without a link of their own" if told["same_groups"] else "not linked"


def _standing(told: Mapping[str, Any]) -> list[str]:
    edge, said = told["edge"], []
    if edge:
        through = ", ".join(cut(family, 40) for family in edge["families"]) or "nothing"
        said.append(f"Linking gave the pair {edge['bits']:.1f} bits, through {through};"
                    f" it takes about {told['needed']:.1f} to be more probable than not.")
    else:
        best = sum(row["bits"] for row in told["shared"] if row["counts"])
        said.append(f"It takes about {told['needed']:.1f} bits to be more probable than not. The rarest that they share"
                    f" in each family comes to {best:.1f} before what many values match by chance and what they"
                    " disagree in.")
    for row in told["same_groups"]:
        chances = " and ".join(surely(chance) for chance in row["probability"])
        verdict = f", judged {name(row['campaign']['verdict'])}" if row["campaign"] else ""
        said.append(f"Both are in group {cut(row['group_id'], ACCOUNT)}{verdict} (membership {chances}).")
    if not told["same_groups"]:
        both = [", ".join(groups) or "none" for groups in told["groups"]]
        said.append(f"They are in no group together (groups: {both[0]}; {both[1]}).")
    return said


def _shared(told: Mapping[str, Any]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    order = list(dict.fromkeys(row["family"] for row in told["shared"]))
    for family in order:
        rows = [row for row in told["shared"] if row["family"] == family]
        parts.append(Text(f"  {clean(cut(family, 40))}", style="bold"))
        for row in rows:
            also = "" if row["counts"] else ", not counted again"
            parts.append(inside(f"{trait(row)}: {plural(row['accounts'], 'account')} of {told['population']:,},"
                                f" {row['bits']:.1f} bits{also}{_when(row)}", 4))
    return parts


def _when(row: Mapping[str, Any]) -> str:
    days = row["apart_days"]
    if days is None:
        return ""
    if days == 0:
        return "; in the same period"
    return f"; {days:.0f} days apart" if days >= 2 else f"; {days * 24:.0f} hours apart"
