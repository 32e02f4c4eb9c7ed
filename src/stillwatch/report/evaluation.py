"""An evaluation's figures in a terminal: the conclusion first, in 100 columns, without colour carrying any meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stillwatch.report.clean import clean, cut
from stillwatch.report.numbers import count, plural, short, surely
from stillwatch.report.numbers import q as q_words

__all__ = ["render_evaluation", "share"]

Figures: TypeAlias = Mapping[str, Any]
_ROWS = 24
_NOT_KNOWN = "not known"


def render_evaluation(figures: Figures) -> list[RenderableType]:
    """What ``stillwatch evaluate`` prints for people, from the figures that it prints for programs."""
    parts: list[RenderableType] = [Text(_headline(figures).upper(), style="bold"), Text(""), _counts(figures)]
    parts += [_heading("Each true campaign"), _campaigns(figures)]
    parts += [_heading("Whom it wrongs"), *_wronged(figures)]
    parts += [_heading("What each labelled group was said to be"), _groups(figures)]
    parts += [_heading("Campaigns told apart"), *_lines(*_separation(figures["separation"]))]
    parts += [_heading("Whether probabilities mean what they say"), *_calibration(figures["calibration"])]
    parts += _cost(figures["cost"])
    if figures["missing"]:
        parts += [_heading("What could not be told"),
                  *_lines(*(f"- {gap['input']}: {gap['effect']}" for gap in figures["missing"]))]
    return parts


def share(value: float | None) -> str:
    """A rate in per cent, never rounded to all or nothing; a dash where there is none."""
    if value is None:
        return "–"
    if value in (0.0, 1.0):
        return f"{value:.0%}"
    if not 0.001 <= value <= 0.999:
        return "<0.1%" if value < 0.5 else ">99.9%"
    return f"{value * 100:.1f}%"


def _between(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{share(interval[0])}–{share(interval[1])}"


def _with_interval(figures: Figures, name: str) -> str:
    interval = _between(figures[f"{name}_interval"])
    return f"{share(figures[name])} ({interval})" if interval else share(figures[name])


def _heading(text: str) -> RenderableType:
    return Text(f"\n{text}", style="bold")


def _lines(*texts: str) -> list[RenderableType]:
    # Text, never markup: a square bracket in a name must not become a style.
    return [Text(clean(text)) for text in texts]


def _table(*columns: str, left: int = 1) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, header_style="bold", collapse_padding=True)
    for number, name in enumerate(columns):
        # A figure broken over two lines is misread.
        table.add_column(name, justify="left" if number < left else "right", no_wrap=True, vertical="bottom")
    return table


def _add(table: Table, cells: Iterable[object], style: str = "") -> None:
    table.add_row(*(Text(clean(cell)) for cell in cells), style=style)


def _rest(table: Table, left: int) -> RenderableType:
    return Group(table, *_lines(f"and {left:,} more in --json")) if left > 0 else table


def _headline(figures: Figures) -> str:
    recovered, wronged = figures["campaigns_recovered"], figures["accounts"]["fp"]
    found = (f"{recovered['count']:,} of {plural(recovered['of'], 'true campaign')} recovered" if recovered["of"]
             else "there is no true campaign")
    wrong = "nobody wrongly accused" if not wronged else f"{plural(wronged, 'account')} wrongly accused"
    runs = f"{figures['runs']} runs: " if figures["runs"] > 1 else ""
    return f"{runs}{found}; {wrong}; {plural(figures['false_campaigns']['count'], 'false campaign')}"


def _counts(figures: Figures) -> RenderableType:
    table = _table("", "precision (95% interval)", "recall (95% interval)", "F1", "right", "wrong", "missed")
    for name, key in (("accused accounts", "accounts"), ("attributed exchanges", "exchanges"),
                      ("linked accounts", "linked")):
        it = figures[key]
        if it is None:
            _add(table, (name, _NOT_KNOWN, _NOT_KNOWN, "–", "–", "–", "–"))
            continue
        _add(table, (name, _with_interval(it, "precision"), _with_interval(it, "recall"), share(it["f1"]),
                     short(it["tp"]), short(it["fp"]), short(it["fn"])))
    return Group(table, *_lines(
        "accused: likely members of detections, against members of true distillation campaigns; linked: likely members"
        " of any candidate, against members of any labelled group"))


def _campaigns(figures: Figures) -> RenderableType:
    campaigns = figures["campaigns"]
    if not campaigns:
        return Text("The truth has no distillation campaign: there is nothing to recall.")
    table = _table("campaign", "members", "recall\n(95% interval)", "detec-\ntions", "best one's\nprecision",
                   "exchanges\nfound", "volume\nerror", "gone when\ndetectable")
    for one in sorted(campaigns, key=lambda c: (c["recall"] is None, c["recall"]))[:_ROWS]:
        _add(table, (_name(one), short(one["members"]), _with_interval(one, "recall"), count(len(one["detections"])),
                     share(one["best"]["precision"]) if one["best"] else "–",
                     share(one["exchanges"]["recall"]) if one["exchanges"] else "–",
                     _signed(one["volume"]["error"]) if one["volume"] else "–", _gone(one)),
             "" if one["recovered"] else "bold red")
    notes = ["lowest recall first; recovered: at least half of its members accused; gone: share of its exchanges,"
             " accounts and days over at that time"]
    if figures["volume"] is not None:
        notes.append(f"volume in all: {count(figures['volume']['attributed'])} attributed,"
                     f" {count(figures['volume']['true'])} true ({_signed(figures['volume']['error'])})")
    return Group(_rest(table, len(campaigns) - _ROWS), *_lines(*notes))


def _name(one: Figures, longest: int = 17) -> str:
    return cut(f"{one['run']}: {one['campaign']}" if "run" in one else one["campaign"], longest)


def _signed(error: float | None) -> str:
    return "–" if error is None else f"{error:+.1%}" if error < 9.95 else f"×{short(error + 1.0)}"


def _gone(one: Figures) -> str:
    it = one["gone"]
    if it is None:
        note = str(one["gone_note"])
        return "not computed" if "not computed" in note else note if len(note) < 16 else _NOT_KNOWN
    return "/".join(_about(it[name]) for name in ("exchanges", "accounts", "days"))


def _about(value: float | None) -> str:
    """A rate in whole per cent, never rounded to all or nothing."""
    if value is None or value in (0.0, 1.0):
        return share(value)
    return "<1%" if value < 0.01 else ">99%" if value > 0.99 else f"{value:.0%}"


def _wronged(figures: Figures) -> list[RenderableType]:
    false, rate = figures["false_campaigns"], figures["false_accusation"]
    said = [f"False campaigns: {count(false['count'])} of {plural(false['of'], 'detection')}"
            + (f" ({_between(false['rate_interval'])})" if false["of"] else "")]
    if rate is None:
        said.append(f"Wrongly accused: {plural(figures['accounts']['fp'], 'account')}; of how many is not known.")
        return _lines(*said)
    said.append(f"Wrongly accused: {count(rate['count'])} of {plural(rate['of'], 'benign account')}"
                f" ({_between(rate['rate_interval'])})")
    if rate["active"] is not None:
        said.append(f"  of those that sent anything: {count(rate['active']['count'])} of {count(rate['active']['of'])}"
                    f" ({_between(rate['active']['rate_interval'])})")
    for one in figures["prevalence"]:
        said.append(f"Precision if 1 account in {one['one_in']:,} were a member: "
                    + _with_interval(one, "precision"))
    by = figures["wrongly_accused"]["by"]
    parts = _lines(*said)
    for fails in figures["wrongly_accused"]["fails"]:
        parts.append(Text(clean(f"UNFAIR: {fails['attribute']} {fails['value']} is accused over"
                                f" {figures['wrongly_accused']['ratio_limit']:g} times as often as all others"),
                          style="bold red"))
    return [*parts, *_lines(*(_told(name, groups) for name, groups in by.items())), *_accused_groups(by)]


def _told(name: str, groups: Sequence[Figures]) -> str:
    known = [group for group in groups if group["result"] != "not known"]
    said = [f"{result}: {number}" for result in ("fails", "holds", "cannot tell")
            if (number := sum(group["result"] == result for group in known))]
    unseen = sum(group["accounts"] for group in groups if group["result"] == "not known")
    return (f"By {name}: {plural(len(known), 'group')}{' (' if said else ''}{', '.join(said)}{')' if said else ''}"
            + (f"; {plural(unseen, 'account')} of unknown {name}" if unseen else ""))


def _accused_groups(by: Mapping[str, Sequence[Figures]]) -> list[RenderableType]:
    rows = [(name, group) for name, groups in by.items() for group in groups if group["accused"]]
    if not rows:
        return _lines("Nobody was wrongly accused, so no group can be compared: that is not evidence of fairness.") \
            if by else []
    table = _table("", "benign accounts", "accused", "rate (95% interval)", "against all others", "result", left=1)
    rows.sort(key=lambda row: (row[1]["result"] != "fails", -(row[1]["rate"] or 0.0)))
    for name, group in rows[:_ROWS]:
        _add(table, (cut(f"{name}: {_NOT_KNOWN if group['value'] is None else group['value']}", 30),
                     count(group["accounts"]), count(group["accused"]), _with_interval(group, "rate"), _ratio(group),
                     group["result"]), "bold red" if group["result"] == "fails" else "")
    return [_rest(table, len(rows) - _ROWS)]


def _ratio(group: Figures) -> str:
    if group["ratio_interval"] is None:
        return "–"
    low, high = group["ratio_interval"]
    value = "only here" if group["ratio_infinite"] else f"×{group['ratio']:.2f}"
    return f"{value} ({low:.2f}–{'∞' if high is None else f'{high:.2f}'})"


def _groups(figures: Figures) -> RenderableType:
    groups = figures["groups"]
    if not groups:
        return Text("The truth has no labelled group.")
    table = _table("group", "is", "was said to be", "harvest", "q", "accounts", "in the candidate", "accused", left=3)
    shown = sorted(groups, key=lambda one: (one["label"] == "distillation", not one["accused"], one["label"]))
    for one in shown[:_ROWS]:
        best = one["candidate"]
        _add(table, (_name(one), one["label"].replace("_", " "), one["verdict"].replace("_", " "),
                     _terse(surely(best["probability"])) if best else "–",
                     _terse(q_words(best["q_value"])) if best else "–", short(one["accounts"]),
                     f"{short(best['overlap'])} of {short(best['accounts'])}" if best else "–",
                     short(one["accused"])),
             "bold red" if one["accused"] and one["label"] != "distillation" else "")
    return _rest(table, len(groups) - _ROWS)


def _terse(words: str) -> str:
    return words.replace("under ", "<").replace("over ", ">").replace("not computed", "–")


def _separation(it: Figures | None) -> list[str]:
    if it is None:
        return ["Not known: one side names no exchanges."]
    if it["ari"] is None:
        return ["There are no exchanges of a true distillation campaign."]
    said = [f"Adjusted Rand index {it['ari']:.3f} over {count(it['exchanges'])} exchanges of true campaigns, "
            f"{_index(it['ari_attributed'])} over the {count(it['exchanges_attributed'])} of them that are attributed,"
            f" {_index(it['ari_all'])} over all {count(it['exchanges_all'])} true or attributed ones"]
    if not it["runs_with_several_campaigns"]:
        said.append("There is one true campaign: the first two say nothing of telling campaigns apart.")
    return said


def _index(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _calibration(it: Figures) -> list[RenderableType]:
    if not it["candidates"]:
        return _lines("There is no candidate with likely members.")
    skill = "no skill can be told, since all are of one kind" if it["brier_skill"] is None else \
        f"skill {it['brier_skill']:+.3f} against always saying {share(it['base_rate'])}"
    slope = f"no slope: {it['slope_note']}" if it["slope"] is None else \
        (f"slope {it['slope']:.2f} ({it['slope_interval'][0]:.2f} to {it['slope_interval'][1]:.2f}), intercept"
         f" {it['intercept']:.2f} ({it['intercept_interval'][0]:.2f} to {it['intercept_interval'][1]:.2f})")
    table = _table("said", "candidates", "mean said", "truly campaigns (95% interval)")
    for one in it["bins"]:
        _add(table, (f"{one['from']:.0%}–{one['to']:.0%}", count(one["candidates"]), share(one["mean_probability"]),
                     _with_interval(one, "share")))
    return [*_lines(f"{plural(it['candidates'], 'candidate')}, {count(it['positives'])} of them campaigns; Brier score"
                    f" {it['brier']:.4f}, {skill}", slope), table]


def _cost(it: Figures | None) -> list[RenderableType]:
    if it is None:
        return []
    peak = it["peak_memory_bytes"]
    parts = [f"{it['seconds']:,.1f} s" if it["seconds"] is not None else "",
             f"{it['records_per_second']:,.0f} records a second" if it["records_per_second"] else "",
             f"at most {peak / 2**20:,.0f} MiB of memory" if peak is not None else "peak memory not recorded"]
    return [_heading("What the scan took"), *_lines(", ".join(part for part in parts if part))]
