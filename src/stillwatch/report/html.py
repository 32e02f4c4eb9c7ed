"""The dossier: one self-contained HTML page, without scripts and without network."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from importlib import resources
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stillwatch import __version__
from stillwatch.errors import StillwatchError, UsageError
from stillwatch.report import numbers
from stillwatch.report.checked import wronged
from stillwatch.report.clean import clean, cut
from stillwatch.report.disclose import disclose, identifiers
from stillwatch.report.drawings import family_of
from stillwatch.report.glossary import GLOSSARY
from stillwatch.report.levels import INTERNAL, Disclosure
from stillwatch.report.load import GRAPH_ACCOUNTS, Findings, load, only
from stillwatch.report.prices import Prices, priced
from stillwatch.report.reliability import reliability
from stillwatch.report.screen import found_in
from stillwatch.report.view import page
from stillwatch.report.words import NOT_GUILTY, conclude, conditional_on, identity, name, standing
from stillwatch.schema import CAPABILITY, QUARANTINE_REASON, VERDICT

__all__ = ["render_html"]

_TEMPLATES = resources.files("stillwatch.report") / "templates"
# Anchors and outlines of our own making.
_OUR_MARKUP = re.compile(r' (?:id|href|aria-labelledby)="(?:#?(?:first|detections|suspected|undetermined|innocent)'
                         r'-[a-z0-9-]+ ?)+"| d="[MHVZ0-9. -]*"')
_KINDS = {"suspected": "suspected but not detected", "undetermined": "undetermined",
          "innocent": "explained innocently"}


def render_html(findings: Path, out: Path | None = None, terms: Disclosure = INTERNAL, campaign: str | None = None,
                *, prices: Prices | None = None, decided: Mapping[str, Any] | None = None) -> Path:
    """Write the dossier of a findings folder and return where it is.

    By default that is ``report.html`` in the folder, or ``report-LEVEL.html`` at another level than the internal one.
    ``terms`` say what is shown of the findings and for whom; ``campaign`` leaves one campaign of them. ``prices`` add
    what tokens come to, ``decided`` (``cases.desk.calibration``) the deployment's own record, which is internal. The
    page is written beside its place and then moved there, so a failure leaves the old page; only its owner may read
    it, until somebody decides otherwise. The same folder, terms and files give the same bytes. Raises ``UsageError``
    for a folder, a campaign or a place that is not there, ``InputError`` for findings that cannot be read, and
    ``StillwatchError`` where the finished page holds an identifier that its level forbids.
    """
    target = out if out is not None else findings / f"report{'' if terms.internal else f'-{terms.level}'}.html"
    whole = priced(only(load(findings), campaign), prices)
    if not terms.internal and found_in(terms.purpose or "", identifiers(whole)):
        raise UsageError("the purpose names an account, a value of the findings or an address",
                         remedy="say it without: it is printed on the page")
    env = _environment()
    # Below the internal level times are known to the day, and must not look as if they were midnight.
    env.filters["when"] = numbers.time if terms.internal else numbers.date
    template = env.get_template("report.html.jinja")
    shown, record = disclose(whole, terms), reliability(decided if terms.internal else None)
    text = template.render(_context(shown, terms) | record)
    if not terms.internal:
        _check(text, template.render(_context(replace(shown, campaigns=()), terms) | record), whole, terms)
    if target.is_dir():
        raise UsageError(f"{target} is a folder", remedy="name a file for the page, such as report.html")
    try:
        _replace(target, text)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {target}: {error.strerror}",
                         remedy="name a file in a folder that exists and may be written, with --out") from error
    return target


def _check(text: str, blank: str, findings: Findings, terms: Disclosure) -> None:
    """The last look: whatever the rules above it allow, no identifier of the findings leaves.

    What stands on every page is no identifier (``blank`` is the page without a campaign): else whoever calls an
    account ``#main`` would keep the page from being written.
    """
    names = identifiers(findings) - {signoff.actor for signoff in terms.signoffs}
    ours = " ".join([blank, *(source.read_text("utf-8") for source in sorted(_TEMPLATES.iterdir(), key=str))])
    leaks = set(found_in(unescape(_OUR_MARKUP.sub("", text)), names)) - set(found_in(unescape(ours), names))
    if leaks:
        raise StillwatchError(f"the page was not written: it would hold {len(leaks):,} of the names that level"
                              f" {terms.level} forbids",
                              remedy="this is a fault of Stillwatch: please report it, without the page")


def _replace(target: Path, text: str) -> None:
    handle, made = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(made).replace(target)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _context(findings: Findings, terms: Disclosure) -> dict[str, object]:
    summary = findings.summary
    return {
        "terms": terms,
        "conclusion": conclude(findings), "page": page(findings, terms), "identity": identity(findings),
        "conditional_on": conditional_on(findings), "summary": summary, "created": summary.time("created_at"),
        "decoys": summary.record("decoys"), "missing": summary.records("missing"), "caps": summary.records("caps"),
        "inputs": summary.records("inputs"), "quarantine": findings.quarantine, "not_guilty": NOT_GUILTY,
        "glossary": GLOSSARY, "wronged": wronged(),
        "verdicts": VERDICT.terms, "capabilities": CAPABILITY.terms, "reasons": QUARANTINE_REASON.terms,
        "version": __version__, "withheld": findings.withheld, "kinds": _KINDS, "graph_accounts": GRAPH_ACCOUNTS,
    }


def _environment() -> Environment:
    """Templates in which every printed value is cleaned and then escaped, without the template's doing."""
    env = Environment(autoescape=True, undefined=StrictUndefined, finalize=_printed, keep_trailing_newline=True,
                      loader=PackageLoader("stillwatch.report", "templates"))
    env.filters |= {
        "bits": _bits, "capital": _capital, "clean": clean, "count": numbers.count, "cut": cut, "date": numbers.date,
        "day": numbers.day,
        "family": family_of, "name": name, "plural": numbers.plural, "q": numbers.q, "standing": standing,
        "surely": numbers.surely, "time": numbers.time, "when": numbers.time,
    }
    env.globals["span"] = numbers.span
    return env


def _printed(value: object) -> object:
    return value if isinstance(value, Markup) else clean(value)


def _bits(value: float | None, unit: str = "bits") -> str:
    if value is None or not isfinite(value):
        return "not known"
    return f"{value:,.1f} {unit}".rstrip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
