"""The scoreboard as a page of Markdown, from runs that are scored already. The same runs give the same page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from baselines import BASELINES
from baselines.honeypot import MOST_REQUESTS

from board.runs import Ours, Theirs
from stillwatch.proof.evaluate import NO_CANDIDATE, Evaluation, Rate, figures, pooled

__all__ = ["Runs", "page"]

Runs = Mapping[str, Sequence[tuple[Ours, Theirs]]]
_NONE = "–"
_ALL = "all"
_SHOWN = ("kind", "language", "vpn", "size")


def page(runs: Runs, *, command: str, seeds: Sequence[int], scales: Mapping[str, float], halves: Mapping[str, str],
         tuned: Mapping[str, Any], version: str, digest: str) -> str:
    """The whole page. ``runs`` has every scenario's runs in the order of ``seeds``."""
    every = [one for several in runs.values() for one in several]
    whole = figures(pooled([ours.evaluation for ours, _ in every]))
    parts = [
        _heading(command, seeds, version, digest, len(every)),
        _development(scales, halves, seeds, tuned),
        _found(runs),
        _wronged(runs),
        _beside(runs),
        _parameters(tuned),
        _verdicts(whole["verdicts"]),
        _calibration(whole["calibration"]),
        _fairness(whole["wrongly_accused"]),
        _cost(runs, scales),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return _NONE if value is None else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """A relative error in per cent."""
    return _NONE if value is None else f"{value:+.1%}".replace("%", " %")


def interval(bounds: Sequence[float | None] | None, digits: int = 3) -> str:
    """A 95 % interval; an open end is infinite."""
    if bounds is None:
        return _NONE
    low, high = (("∞" if bound is None else f"{bound:.{digits}f}") for bound in bounds)
    return f"{low}–{high}"


def rate(hits: Rate) -> str:
    """So many of so many, with the proportion's exact 95 % interval."""
    return f"{hits.hits:,} of {hits.of:,} ({interval(hits.interval, 4)})" if hits.of else _NONE


def _worst(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _smallest(evaluation: Evaluation) -> Rate | None:
    """Members of a run's smallest campaign that were accused."""
    campaigns = sorted(evaluation.campaigns, key=lambda one: (one.accounts.of, one.campaign))
    return campaigns[0].accounts if campaigns else None


def _smallests(evaluations: Iterable[Evaluation]) -> tuple[Rate, float | None]:
    """The smallest campaign of each run: accused and members added up, and the lowest recall."""
    known = [found for one in evaluations if (found := _smallest(one)) is not None]
    return sum(known, Rate(0, 0)), _worst(one.value for one in known)


def _separation(evaluation: Evaluation) -> float | None:
    """Mean adjusted Rand index of the runs that have several campaigns: one alone cannot be mixed up with another."""
    known = [one.ari for one in evaluation.separation if one.campaigns > 1 and one.ari is not None]
    return fmean(known) if known else None


def _scenarios(runs: Runs) -> list[tuple[str, list[Evaluation]]]:
    """Our evaluations by scenario, and all of them."""
    found = [(name, [ours.evaluation for ours, _ in several]) for name, several in runs.items()]
    return [*found, (f"**{_ALL}**", [one for _, several in found for one in several])]


def _heading(command: str, seeds: Sequence[int], version: str, digest: str, runs: int) -> str:
    return f"""
<!-- Written by the command below; do not edit. -->

# Scoreboard

    {command}

Simulated traffic with known truth, scanned by `stillwatch scan` with its defaults, looking back left out
(`--look-seconds 0`; it changes no other figure), and scored by `stillwatch evaluate`: {runs} runs, seeds
{', '.join(map(str, seeds))}. Every figure is defined in [evaluate](reference/evaluate.md). They say how well Stillwatch
does on *this* traffic; nobody has public logs of a real campaign to say more with. Stillwatch {version}, code
{digest[:12]}.

*Accused* is an account whose membership is at least as probable as not in a detection; *members* are the accounts of
campaigns that are labelled distillation. Precision and recall are over accounts, the seeds of a scenario pooled;
*worst* is the lowest of its runs. Intervals are exact (Clopper–Pearson), 95 %."""


def _development(scales: Mapping[str, float], halves: Mapping[str, str], seeds: Sequence[int],
                 tuned: Mapping[str, Any]) -> str:
    made = tuned["development"]
    on = ", ".join(f"`{name}` (scale {scales[name]:g}, half {halves[name]})" for name in scales)
    same = sorted({name for name, half in halves.items() if half == made["prompts"]})
    note = f" Half {made['prompts']} is also in {', '.join(f'`{name}`' for name in same)}." if same else ""
    from_to = ", ".join(f"`{name}` (seeds {used[0]}–{used[-1]})" for name, used in made["seeds"].items())
    return f"""
## What was development, and what is reported on

- *Development*: {from_to}, every seed with numbers of its own, half {made['prompts']} of the prompts. Our explanations
  were fitted to these runs (`tools/fit_hypotheses.py`), and the baselines' parameters are those of the highest F1 on
  them (`{tuned['made_by']}`).
- *Reported*: {on}; seeds {', '.join(map(str, seeds))}, on which nothing was fitted or tuned.{note}"""


def _found(runs: Runs) -> str:
    rows, exchanges = [], []
    for name, several in _scenarios(runs):
        whole = pooled(several)
        told = figures(whole)
        small, lowest = _smallests(several)
        rows.append([name, f"{len(whole.campaigns):,}", number(whole.accounts.precision.value),
                     number(_worst(one.accounts.precision.value for one in several)),
                     number(whole.accounts.recall.value), number(_worst(one.accounts.recall.value for one in several)),
                     f"{told['campaigns_recovered']['count']} of {len(whole.campaigns)}" if whole.campaigns else _NONE,
                     number(small.value), number(lowest)])
        exchanges.append([name, number(None if whole.exchanges is None or not whole.campaigns
                                       else whole.exchanges.f1),
                          number(_separation(whole)),
                          signed(None if whole.volume is None else whole.volume.error)])
    return f"""
## What is found

Campaigns are counted over all runs. One is recovered when at least half of its accounts are accused; the smallest is
that of fewest accounts in its run.

{table(["scenario", "campaigns", "precision", "worst", "recall", "worst", "recovered", "smallest: recall", "worst"],
       rows)}

By exchanges: F1 over exchanges, the adjusted Rand index of true campaigns against detections over the campaigns'
exchanges (mean of the runs with several campaigns), and the error of the attributed volume.

{table(["scenario", "exchange F1", "adjusted Rand index", "volume error"], exchanges)}"""


def _wronged(runs: Runs) -> str:
    rows = []
    for name, several in _scenarios(runs):
        whole = pooled(several)
        told = figures(whole)
        alike = [group for group in told["groups"] if group["label"] != "distillation"]
        right = sum(group["verdict"] == group["label"] for group in alike)
        seen = sum(group["verdict"] != NO_CANDIDATE for group in alike)
        called = sum(bool(group["candidate"]) and group["candidate"]["detection"] for group in alike)
        benign = _NONE if whole.population is None else rate(whole.population.benign)
        rows.append([name, benign, f"{told['false_campaigns']['count']} of {told['false_campaigns']['of']}",
                     f"{len(alike)}", f"{seen}", f"{right}", f"{called}"])
    return f"""
## Who is wronged

Benign accounts that were accused, of all benign accounts; detections of which less than half is a campaign's; and the
innocent groups that look alike: how many there are, how many a scan put forward as a candidate, to how many of those it
gave the right verdict, and how many overlap a detection most.

{table(["scenario", "benign accounts accused", "false detections", "look-alikes", "seen", "named right",
        "in a detection"], rows)}"""


def _beside(runs: Runs) -> str:
    rows = []
    for name, several in runs.items():
        whole = [pooled([ours.evaluation for ours, _ in several]),
                 *(pooled([theirs.evaluations[b] for _, theirs in several]) for b in BASELINES)]
        rows.append([name, *(_both(one) for one in whole)])
    every = [one for several in runs.values() for one in several]
    totals = [_total("**Stillwatch**", [ours.evaluation for ours, _ in every], [ours.seconds for ours, _ in every])]
    totals += [_total(baseline.title, [theirs.evaluations[name] for _, theirs in every],
                      [theirs.seconds[name] for _, theirs in every]) for name, baseline in BASELINES.items()]
    return f"""
## Beside other methods

All read the same files; each is scored by the same code. All runs pooled:

{table(["method", "precision", "recall", "F1", "smallest campaigns: recall", "benign accounts accused",
        "seconds a run"], totals)}

Precision / recall by scenario. Where there is no campaign, how many were accused:

{table(["scenario", "Stillwatch", *BASELINES], rows)}

Campaigns of the simulator share addresses unless their scenario says otherwise, which is what connected components
live on; see `evasive` and `no_metadata` for those that do not. honeypotllm is fed the first {MOST_REQUESTS:,} requests
of an account. The MMD test judges windows of one account at a time; its paper pools the traffic of several: see
[the window test](window-test.md) for its own protocol, and ours beside it."""


def _both(one: Evaluation) -> str:
    if not one.campaigns:
        return f"{one.accounts.fp:,} accused"
    return f"{number(one.accounts.precision.value, 2)} / {number(one.accounts.recall.value, 2)}"


def _total(name: str, several: Sequence[Evaluation], seconds: Sequence[float]) -> list[str]:
    whole = pooled(several)
    benign = _NONE if whole.population is None else rate(whole.population.benign)
    return [name, number(whole.accounts.precision.value), number(whole.accounts.recall.value),
            number(whole.accounts.f1), number(_smallests(several)[0].value), benign, number(fmean(seconds), 1)]


def _parameters(tuned: Mapping[str, Any]) -> str:
    rows = []
    for name, known in tuned["baselines"].items():
        told = {key: value for key, value in known["parameters"].items() if key != "thresholds"}
        rows.append([f"`{name}`", BASELINES[name].title, number(known["precision"]), number(known["recall"]),
                     number(known["f1"]), ", ".join(f"{key} {json.dumps(value)}" for key, value in told.items())])
    return f"""
What each baseline was tuned to, and what that gave on development runs. With `clean`, the MMD test's reference has the
campaigns' accounts taken out by the labels, which no provider could do.

{table(["name", "method", "precision", "recall", "F1", "parameters"], rows)}"""


def _verdicts(told: Mapping[str, Mapping[str, int]]) -> str:
    columns = sorted({verdict for row in told.values() for verdict in row}, key=lambda verdict: (
        verdict == NO_CANDIDATE, verdict not in told, verdict))
    rows = [[label, *(f"{row[verdict]}" if verdict in row else "" for verdict in columns)]
            for label, row in told.items()]
    return f"""
## Which verdict each kind of group received

Rows are labels, columns verdicts of the candidate that overlaps the group most, all runs.

{table(["label", *columns], rows)}"""


def _calibration(told: Mapping[str, Any]) -> str:
    rows = [[f"{b['from']:.1f}–{b['to']:.1f}", f"{b['candidates']}", number(b["mean_probability"]), number(b["share"]),
             interval(b["share_interval"])] for b in told["bins"]]
    slope = (f"{number(told['slope'], 2)} ({interval(told['slope_interval'], 2)})" if told["slope"] is not None
             else f"none: {told['slope_note']}")
    return f"""
## Are probabilities what they say

Over all {told['candidates']:,} candidates of all runs, {told['positives']:,} of which are mostly a campaign's: Brier
score {number(told['brier'], 4)}, skill against the base rate {number(told['brier_skill'])}, calibration slope {slope}.
The prior of a scan is that of the world, not of these scenarios, where campaigns are common.

{table(["probability", "candidates", "mean probability", "share of campaigns", "interval"], rows)}"""


def _fairness(told: Mapping[str, Any]) -> str:
    rows = [[name, _value(group["value"]), f"{group['accused']:,} of {group['accounts']:,}", number(group["rate"], 4),
             "∞" if group["ratio_infinite"] else number(group["ratio"], 2), interval(group["ratio_interval"], 2),
             group["result"]]
            for name in _SHOWN for group in told["by"].get(name, []) if group["value"] is not None]
    failing = [f"{group['attribute']} {_value(group['value'])}" for group in told["fails"]]
    countries = told["by"].get("country", [])
    said = f"Fails: {', '.join(failing)}." if failing else "No group fails."
    return f"""
## Fair to whom

Benign accounts that were accused, by what is known of them, against all others of which it is known. A ratio over
{told['ratio_limit']} whose interval lies above 1 *fails*; it *holds* when the interval lies at or below
{told['ratio_limit']}. Sizes are quarters of a run's benign accounts by exchanges. {said} Of {len(countries)} countries,
{sum(group['result'] == 'fails' for group in countries)} fail and
{sum(group['result'] == 'cannot tell' for group in countries)} have too few accounts or accused to tell.

{table(["by", "group", "accused", "rate", "ratio", "interval", "result"], rows)}"""


def _value(value: str | None) -> str:
    return str(value).replace("|", "/")


def _cost(runs: Runs, scales: Mapping[str, float]) -> str:
    def row(name: str, scale: str, several: Sequence[Ours]) -> list[str]:
        def mean(of: Callable[[Ours], float]) -> float:
            return fmean(of(one) for one in several)

        return [name, scale, f"{mean(lambda one: one.exchanges):,.0f}", f"{mean(lambda one: one.accounts):,.0f}",
                number(mean(lambda one: one.seconds), 1), number(max(one.seconds for one in several), 1),
                number(max(one.peak_memory for one in several) / 1024**3, 2)]

    rows = [row(name, f"{scales[name]:g}", [ours for ours, _ in several]) for name, several in runs.items()]
    rows.append(row(f"**{_ALL}**", "", [ours for several in runs.values() for ours, _ in several]))
    return f"""
## What it takes

A scan as a process of its own, a hundred decoys included; several ran side by side on one machine, so seconds are for
orientation. Exchanges, accounts and seconds are means of the runs.

{table(["scenario", "scale", "exchanges", "accounts", "seconds", "longest", "peak memory, GiB"], rows)}"""
