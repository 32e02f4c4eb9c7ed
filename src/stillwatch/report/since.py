"""Since when detections could have been reported, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import median

from stillwatch.report.load import Campaign, Findings
from stillwatch.report.numbers import date, plural, surely
from stillwatch.schema import ACTIVITY

__all__ = ["not_looked", "reportable"]


def reportable(findings: Findings) -> str | None:
    """When this scan's rules would first have reported the detections, and how much had been sent by then.

    The activity is by day, and looks are at midnights: only at the end of the logs is a look within a day, and then
    all has been sent.
    """
    known = [(at, _sent(c, at, findings)) for c in findings.detections
             if (at := c.row["detectable_at"]) is not None]
    if not known:
        return None
    shares = [share for _, share in known if share is not None]
    if len(known) == 1:
        at = known[0][0]
        return f"By the same rules it was reportable from {_at(at)}" + (
            f", with {surely(shares[0])} of its exchanges sent." if shares else ".")
    first, last = min(at for at, _ in known), max(at for at, _ in known)
    said = (f"By the same rules {plural(len(known), 'campaign')} were reportable from {_at(first)} at the earliest and"
            f" {_at(last)} at the latest")
    return said + (f", with {surely(median(shares))} of their exchanges sent in the median and {surely(max(shares))} at"
                   " most." if shares else ".")


def not_looked(findings: Findings) -> str | None:
    """Detections of which it was not found since when they were reportable, and why."""
    open_ = [c for c in findings.detections if c.row["detectable_at"] is None]
    if not open_:
        return None
    ended = findings.summary.record("looks").time("ended")
    whom = plural(len(open_), "detection")
    if ended is None:
        return f"Since when {whom} could have been reported was not looked for."
    return (f"Time for finding since when {whom} could have been reported ran out: not before {_at(ended)}"
            " (--look-seconds).")


def _at(when: datetime) -> str:
    """A day, since looks are at midnights; with the time where one is at the end of the logs."""
    utc = when.astimezone(UTC)
    return date(when) if (utc.hour, utc.minute) == (0, 0) else f"{date(when)}, {utc:%H:%M}"


def _sent(campaign: Campaign, at: datetime, findings: Findings) -> float | None:
    days = [(row["day"], row["exchanges"] or 0) for row in findings.rows(ACTIVITY, campaign)]
    whole = sum(sent for _, sent in days)
    return sum(sent for day, sent in days if day < at) / whole if whole else None
