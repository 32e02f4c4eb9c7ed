"""An evaluation's figures as pictures, with matplotlib: an optional extra, and never a display."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from stillwatch.errors import StillwatchError, UsageError
from stillwatch.report.clean import cut

__all__ = ["FORMATS", "INK", "MARK", "SOFT", "STYLE", "WARN", "check_plots", "plot_evaluation"]

FORMATS = ("svg", "png")
Figures: TypeAlias = Mapping[str, Any]
_MOST = 40
INK, MARK, SOFT, WARN = "#1f2933", "#1f6f8b", "#9fb8c3", "#b23a48"
# Hashes of elements' ids and dates would make each picture of the same figures another file.
STYLE = {"svg.hashsalt": "stillwatch", "svg.fonttype": "none", "font.size": 10, "axes.spines.top": False,
          "axes.spines.right": False, "axes.edgecolor": INK, "text.color": INK, "axes.labelcolor": INK,
          "text.parse_math": False, "figure.constrained_layout.use": True}


def check_plots(form: str) -> None:
    """Raise ``UsageError`` unless pictures of this format can be made."""
    if form not in FORMATS:
        raise UsageError(f"pictures cannot be made as {form!r}", remedy=f"use one of: {', '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError("plots need matplotlib, which is not installed",
                         remedy="install the extra: pip install 'stillwatch[plots]'") from error


def plot_evaluation(figures: Figures, folder: Path, form: str = "svg") -> list[Path]:
    """Write each picture that the figures allow; returns their paths.

    ``reliability``, ``recall``, ``verdicts`` and ``gone``; one of which nothing is known is left out. Pictures of these
    names that are there are replaced. Raises ``UsageError`` as ``check_plots``, ``StillwatchError`` where the folder
    cannot be written.
    """
    check_plots(form)
    import matplotlib
    from matplotlib.figure import Figure

    made = []
    with matplotlib.rc_context(STYLE):
        for name, draw, size in _PICTURES:
            shape = size(figures)
            if shape is None:
                continue
            figure = Figure(figsize=shape)
            draw(figure.subplots(), figures)
            path = folder / f"{name}.{form}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                figure.savefig(path, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
            except OSError as error:
                raise StillwatchError(f"writing {path} failed: {error.strerror or type(error).__name__}",
                                      remedy="check free space and permissions") from error
            made.append(path)
    return made


def _bars_high(rows: int) -> tuple[float, float]:
    return 7.0, 1.6 + 0.32 * max(rows, 2)


def _label(one: Figures) -> str:
    return cut(f"{one['run']}: {one['campaign']}" if "run" in one else one["campaign"], 30)


def _percent(axis: Any) -> None:
    axis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _reliability(axes: Any, figures: Figures) -> None:
    it = figures["calibration"]
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--", zorder=1)
    for one in it["bins"]:
        low, high = one["share_interval"]
        axes.plot([one["mean_probability"]] * 2, [low, high], color=MARK, linewidth=1.5, zorder=2)
        axes.scatter([one["mean_probability"]], [one["share"]], s=36, color=MARK, zorder=3)
        axes.annotate(f"{one['candidates']:,}", (one["mean_probability"], one["share"]), xytext=(6, 4),
                      textcoords="offset points", fontsize=8)
    axes.set(xlim=(-0.03, 1.07), ylim=(-0.03, 1.07), xlabel="probability said, mean of the bin",
             ylabel="share that are campaigns",
             title=f"Reliability of {it['candidates']:,} candidates (numbers: in the bin; lines: 95% intervals)")
    axes.title.set_fontsize(10)
    _percent(axes.xaxis)
    _percent(axes.yaxis)


def _recall(axes: Any, figures: Figures) -> None:
    rows = _lowest(figures)
    for place, one in enumerate(rows):
        axes.barh(place, one["recall"], color=MARK if one["recovered"] else WARN, height=0.62)
        low, high = one["recall_interval"]
        axes.plot([low, high], [place, place], color=INK, linewidth=1.3)
    axes.set(xlim=(0, 1.02), xlabel="share of its members that are accused (lines: 95% intervals)",
             title="Recall of each true campaign (red: less than half)"
             + _of(len(rows), figures["campaigns"]))
    _names(axes, [f"{_label(one)} ({one['members']:,})" for one in rows])
    _percent(axes.xaxis)


def _lowest(figures: Figures) -> list[Figures]:
    rows = [one for one in figures["campaigns"] if one["recall"] is not None]
    return sorted(rows, key=lambda one: float(one["recall"]))[:_MOST]


def _of(shown: int, every: list[Any]) -> str:
    return f", the lowest {shown} of {len(every)}" if shown < len(every) else ""


def _names(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _verdicts(axes: Any, figures: Figures) -> None:
    table = figures["verdicts"]
    said = list(dict.fromkeys(verdict for row in table.values() for verdict in row))
    order = [name for name in dict.fromkeys([*table, *said]) if name in said]
    last = ("undetermined", "no candidate")
    said = [*(name for name in order if name not in last), *(name for name in last if name in order)]
    for y, row in enumerate(table.values()):
        whole = sum(row.values())
        for x, verdict in enumerate(said):
            number = row.get(verdict, 0)
            if number:
                axes.add_patch(_square(x, y, number / whole))
                axes.text(x, y, f"{number:,}", ha="center", va="center",
                          color="white" if number / whole > 0.5 else INK)
    axes.set_xticks(range(len(said)), [name.replace("_", " ") for name in said], rotation=35, ha="right")
    _names(axes, [name.replace("_", " ") for name in table])
    axes.set(xlim=(-0.5, len(said) - 0.5), xlabel="verdict of the candidate that overlaps it most",
             ylabel="label", title="What labelled groups were said to be (numbers of groups)")


def _square(x: int, y: int, strength: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=MARK, alpha=0.15 + 0.85 * strength, linewidth=0)


def _gone(axes: Any, figures: Figures) -> None:
    rows = _timed(figures)
    for offset, (name, colour) in enumerate((("exchanges", MARK), ("accounts", SOFT), ("days", INK))):
        values = [one["gone"][name] or 0.0 for one in rows]
        places = [place + 0.26 * (offset - 1) for place in range(len(rows))]
        axes.barh(places, values, height=0.24, color=colour, label=name)
        for place, value in zip(places, values, strict=True):
            axes.text(value + 0.01, place, f"{value:.0%}", va="center", fontsize=7)
    timed = f" ({len(rows)} of {len(figures['campaigns'])})" if len(rows) < len(figures["campaigns"]) else ""
    axes.set(xlim=(0, 1.1), xlabel="share over by that time", title=f"Gone when first detectable, by campaign{timed}")
    _names(axes, [_label(one) for one in rows])
    _percent(axes.xaxis)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _timed(figures: Figures) -> list[Figures]:
    rows = [one for one in figures["campaigns"] if one["gone"] is not None]
    return sorted(rows, key=lambda one: -float(one["gone"]["exchanges"] or 0.0))[:_MOST]


_Size: TypeAlias = Callable[[Figures], "tuple[float, float] | None"]
_PICTURES: tuple[tuple[str, Callable[[Any, Figures], None], _Size], ...] = (
    ("reliability", _reliability, lambda f: (6.4, 5.4) if f["calibration"]["bins"] else None),
    ("recall", _recall, lambda f: _bars_high(len(_lowest(f))) if _lowest(f) else None),
    ("verdicts", _verdicts, lambda f: (7.4, 2.6 + 0.42 * len(f["verdicts"])) if f["verdicts"] else None),
    ("gone", _gone, lambda f: _bars_high(2 * len(_timed(f))) if _timed(f) else None),
)
