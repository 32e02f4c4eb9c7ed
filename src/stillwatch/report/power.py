"""What `power` found, for people: a table in the terminal, a chart, and one page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from stillwatch.errors import InputError
from stillwatch.report.clean import clean
from stillwatch.report.power_chart import chart
from stillwatch.report.power_words import interval, limit_words, number, share, title

__all__ = ["render_power_page", "render_power_text"]
_CROWDED = 0.1


def _load(folder: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads((folder / "summary.json").read_text("utf-8"))
        if read["command"] != "power":
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} holds no results of stillwatch power", remedy="run stillwatch power into it"
                         ) from error
    return read


def render_power_text(folder: Path) -> list[RenderableType]:
    """The results as rich renderables, to be printed in turn."""
    summary = _load(folder)
    parts: list[RenderableType] = [Text(clean(summary["notice"]).upper(), style="bold red"),
                                   Text(clean(_about(summary)))]
    for axis in summary["axes"]:
        parts += [Text(""), Text(clean(title(axis)), style="bold"), _table(axis), Text(clean(limit_words(axis)))]
    parts += [Text(""), *(Text(clean(line)) for line in _caveats(summary))]
    return parts


def _about(summary: Mapping[str, Any]) -> str:
    point, scans = summary["reference"], summary["scans"]
    said = (f"Reference campaign: {point['accounts']:,} accounts with {point['exchanges']:,} exchanges each, careless,"
            f" planted over {summary['logs']['days']:.1f} days of {summary['logs']['exchanges']:,} exchanges of your"
            f" own; {summary['repeats']:,} repeats; one axis is stepped at a time.")
    if not summary["complete"]:
        said += f" NOT COMPLETE: {scans['done']:,} of {scans['planned']:,} scans; the same call goes on."
    return said


def _caveats(summary: Mapping[str, Any]) -> list[str]:
    largest = summary["largest_plant"] / max(1, summary["logs"]["accounts"])
    crowded = [f"The largest planted campaign has {share(largest)} as many accounts as these logs. A campaign that is a"
               " large part of everybody makes what it shares look common, and is linked less well: logs of more"
               " customers say more."] if largest > _CROWDED else []
    return [
        *crowded,
        "Detected: a detection has mostly planted accounts among its accused. Recall: share of the planted accounts"
        " that are accused, over all repeats, with its Clopper–Pearson interval; over repeats: the same with the"
        " repeats as trials. New: your own accounts that are accused with a plant and not without it.",
        f"Conditional on {summary['conditional_on']}. It says at which limit a campaign is found, on a grid fixed"
        " beforehand, and nothing about what would be best to evade.",
    ]


def _table(axis: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, header_style="bold")
    for heading in ("step", "detected", "recall", "interval", "over repeats", "linked", "new"):
        table.add_column(heading, justify="right", no_wrap=True)
    for step in axis["steps"]:
        table.add_row(*(Text(clean(cell)) for cell in _cells(step)))
    return table


def _cells(step: Mapping[str, Any]) -> tuple[str, ...]:
    linked = step["linked"] / step["planted"] if step["planted"] else None
    newly = step["newly_accused"]
    return (number(step["value"]), f"{step['detected']}/{step['repeats']}", share(step["recall"]),
            interval(step["recall_interval"]), interval(step["recall_over_repeats"]), share(linked),
            "–" if newly is None else f"{newly:,}")


def render_power_page(folder: Path) -> Path:
    """Write ``power.svg`` and ``power.html`` into the folder; returns the page. Only its owner may read them."""
    summary = _load(folder)
    drawn = chart(summary["axes"], summary["notice"])
    env = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True,
                      finalize=lambda value: value if isinstance(value, Markup) else clean(value),
                      loader=PackageLoader("stillwatch.report", "templates"))
    page = env.get_template("power.html.jinja").render(
        notice=summary["notice"], about=_about(summary), chart=Markup(drawn), caveats=_caveats(summary),  # noqa: S704
        axes=[{"title": title(axis), "limit": limit_words(axis), "rows": [_cells(step) for step in axis["steps"]]}
              for axis in summary["axes"]],
        version=summary["version"])
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    for name, text in (("power.svg", f"{head}<!-- {escape(summary['notice'])} -->\n{drawn}\n"), ("power.html", page)):
        draft = folder / f".{name}.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        draft.replace(folder / name)
    return folder / "power.html"
