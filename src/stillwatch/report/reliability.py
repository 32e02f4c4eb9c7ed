"""Whether probabilities mean what they say: the shipped model on simulated traffic, and a deployment's own cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from stillwatch.report.charts import frame, written
from stillwatch.report.checked import figures, wronged
from stillwatch.report.drawings import as_markup
from stillwatch.report.numbers import count, plural, surely

__all__ = ["calibration_words", "chart", "reliability"]

_HEIGHT = 200
_TOP = 22

Told = Mapping[str, Any]


def reliability(decided: Told | None) -> dict[str, Any]:
    """What the page needs: ``shipped``, and ``own`` from ``cases.desk.calibration``, null where that is not given."""
    return {"shipped": _shipped(), "own": None if decided is None else _own(decided)}


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Any]:
    told = figures()
    words = (f"{plural(told['candidates'], 'candidate group')}, {count(told['positives'])} of them mostly a campaign's,"
             f" from {told['made_from']}. Nothing was fitted to them, but the same simulator made what was"
             f" fitted. Real campaigns may differ from all of these. {wronged()}")
    return {"words": words, "bins": [_row(one, one["candidates"]) for one in told["bins"]],
            "chart": chart([(one, one["candidates"]) for one in told["bins"]], ident="reliability-simulated",
                           title="Reliability on simulated traffic", what="are campaigns")}


def _own(told: Told) -> dict[str, Any]:
    return {"words": calibration_words(told), "bins": [_row(one, one["cases"]) for one in told["bins"]],
            "chart": chart([(one, one["cases"]) for one in told["bins"]], ident="reliability-own",
                           title="Reliability in this deployment's own cases", what="were confirmed")}


def _row(one: Told, groups: int) -> dict[str, Any]:
    low, high = one["share_interval"]
    return {"range": f"{one['from']:.0%}–{one['to']:.0%}", "groups": groups, "mean": surely(one["mean_probability"]),
            "share": f"{one['share']:.0%}", "interval": f"{low:.0%}–{high:.0%}"}


def calibration_words(told: Told) -> list[str]:
    """What a deployment's decisions say of its probabilities, and what they cannot say, as sentences."""
    drawn, decided = told["drawn"], told["decided"]
    chosen = sum(told["chosen"].values())
    aside = (f" {plural(chosen, 'further case')} {'was' if chosen == 1 else 'were'} decided that a score or a person"
             f" chose ({count(told['chosen']['confirmed'])} confirmed): that says nothing of the groups that nobody"
             " chose, and no rate is made of it.") if chosen else ""
    if not drawn:
        return [f"No case was drawn by chance, so nothing can be said.{aside} Draw some: stillwatch case audit-sample"
                " FINDINGS --size 20 --seed 1 --reason TEXT."]
    said = [f"Chance drew {plural(drawn, 'case')}; {count(decided)} {'is' if decided == 1 else 'are'} decided,"
            f" {count(told['confirmed'])} of them confirmed.{aside}"]
    if decided < drawn:
        open_ones = drawn - decided
        said.append(f"{plural(open_ones, 'drawn case')} {'is' if open_ones == 1 else 'are'} not decided: if those are"
                    " the hard ones, the figures flatter.")
    if decided:
        low, high = told["odds_factor_interval"]
        said.append(f"To agree with the decisions, the odds of every probability would be multiplied by"
                    f" {told['odds_factor']:.2g} ({low:.2g}–{high:.2g}; where cases are few it is drawn towards 1)."
                    " Nothing is changed by it: whoever wants it, multiplies the odds of the scan's --prior.")
    said.append("A decision is what a person thought who had seen the probability, not the truth."
                + (f" With fewer than {count(told['enough'])} decided cases, probabilities remain conditional on"
                   " simulated alternatives." if decided + chosen < told["enough"] else ""))
    return said


def chart(bins: Sequence[tuple[Told, int]], *, ident: str, title: str, what: str) -> Markup:
    """Share that came true (upwards) against the probability said (along), a dot a bin with its interval and how many;
    on the dotted line both agree. "" without bins."""
    if not bins:
        return Markup()
    parts = []
    for level, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        if level:  # nought is written below, for both axes
            parts.append(f'<text class="quiet" x="0" y="{_up(level) - 4}">{level:.0%}</text>')
        parts.append(f'<line class="axis" x1="0" x2="100%" y1="{_up(level)}" y2="{_up(level)}"/>'
                     f'<text class="quiet" x="{level:.0%}" y="{_HEIGHT + _TOP + 16}"'
                     f' text-anchor="{anchor}">{level:.0%}</text>')
    parts.append(f'<line class="ideal" x1="0" x2="100%" y1="{_up(0)}" y2="{_up(1)}"/>')
    for one, groups in bins:
        at, (low, high) = f"{one['mean_probability'] * 100:.2f}%", one["share_interval"]
        anchor = "start" if one["mean_probability"] < 0.9 else "end"
        parts.append(f'<line class="reach" x1="{at}" x2="{at}" y1="{_up(low)}" y2="{_up(high)}"/>'
                     f'<circle class="dot" cx="{at}" cy="{_up(one["share"])}" r="5"/>'
                     f'<text x="{at}" y="{_up(one["share"]) - 9}" text-anchor="{anchor}">'
                     f'{written(count(groups), 12)}</text>')
    legend = ("Along: probability said. Upwards: share that", f"{what}. Numbers: groups. Bars: 95% intervals.")
    parts += [f'<text class="quiet" x="0" y="{_HEIGHT + _TOP + below}">{written(line, 60)}</text>'
              for below, line in zip((34, 50), legend, strict=True)]
    desc = " ".join(legend) + " " + "; ".join(f"said {surely(one['mean_probability'])}, came true {one['share']:.0%} of"
                                   f" {count(groups)}" for one, groups in bins)
    return as_markup(frame("".join(parts), ident=ident, title=title, desc=desc, height=_HEIGHT + _TOP + 56))


def _up(share: float) -> float:
    return round(_TOP + (1.0 - share) * _HEIGHT, 1)
