"""The dossier: one self-contained HTML page, without scripts and without network."""

from __future__ import annotations

import os
import tempfile
from math import isfinite
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stillwatch import __version__
from stillwatch.errors import UsageError
from stillwatch.report import numbers
from stillwatch.report.clean import clean, cut
from stillwatch.report.load import Findings, load
from stillwatch.report.view import family_of, page
from stillwatch.report.words import NOT_GUILTY, conclude, conditional_on, identity, name, standing
from stillwatch.schema import CAPABILITY, QUARANTINE_REASON, VERDICT

__all__ = ["render_html"]


def render_html(findings: Path, out: Path | None = None) -> Path:
    """Write the dossier of a findings folder and return where it is (``report.html`` in it by default).

    The page is written beside its place and then moved there, so a failure leaves the old page; only its
    owner may read it, since it names accounts. The same folder gives the same bytes. Raises ``UsageError``
    for a folder or a place that is not there and ``InputError`` for findings that cannot be read.
    """
    target = out if out is not None else findings / "report.html"
    text = _environment().get_template("report.html.jinja").render(_context(load(findings)))
    if target.is_dir():
        raise UsageError(f"{target} is a folder", remedy="name a file for the page, such as report.html")
    try:
        _replace(target, text)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {target}: {error.strerror}",
                         remedy="name a file in a folder that exists and may be written, with --out") from error
    return target


def _replace(target: Path, text: str) -> None:
    handle, made = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(made).replace(target)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _context(findings: Findings) -> dict[str, object]:
    summary = findings.summary
    return {
        "conclusion": conclude(findings), "page": page(findings), "identity": identity(findings),
        "conditional_on": conditional_on(findings), "summary": summary, "created": summary.time("created_at"),
        "decoys": summary.record("decoys"), "missing": summary.records("missing"), "caps": summary.records("caps"),
        "inputs": summary.records("inputs"), "quarantine": findings.quarantine, "not_guilty": NOT_GUILTY,
        "verdicts": VERDICT.terms, "capabilities": CAPABILITY.terms, "reasons": QUARANTINE_REASON.terms,
        "version": __version__,
    }


def _environment() -> Environment:
    """Templates in which every printed value is cleaned and then escaped, without the template's doing."""
    env = Environment(autoescape=True, undefined=StrictUndefined, finalize=_printed, keep_trailing_newline=True,
                      loader=PackageLoader("stillwatch.report", "templates"))
    env.filters |= {
        "bits": _bits, "capital": _capital, "clean": clean, "count": numbers.count, "cut": cut, "date": numbers.date,
        "family": family_of, "name": name, "plural": numbers.plural, "q": numbers.q, "standing": standing,
        "surely": numbers.surely, "time": numbers.time,
    }
    env.globals["span"] = numbers.span
    return env


def _printed(value: object) -> object:
    return value if isinstance(value, Markup) else clean(value)


def _bits(value: float | None, unit: str = "bits") -> str:
    if value is None or not isfinite(value):
        return "not known"
    return f"{value:.1f} {unit}".rstrip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
