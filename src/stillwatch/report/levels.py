"""Who a dossier is for: what each level shows, what it leaves out, and the terms under which it is shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

from stillwatch.errors import UsageError
from stillwatch.report.signoff import SignOff

__all__ = ["INTERNAL", "TLP", "Disclosure", "Level", "disclosure"]


class Level(StrEnum):
    """Who may read the page."""

    INTERNAL = "internal"
    PARTNER = "partner"
    PUBLIC = "public"


TLP: Mapping[str, str] = {
    "red": "for the named recipients alone",
    "amber+strict": "for the recipient's own organisation alone",
    "amber": "for the recipient's organisation and its clients, where they need it to protect themselves",
    "green": "for the recipient's community, not through public channels",
    "clear": "may be passed on without limit",
}
"""Markings of the Traffic Light Protocol 2.0 (FIRST), strictest first, and what they mean."""

_MARKING = {Level.INTERNAL: "amber+strict", Level.PARTNER: "amber", Level.PUBLIC: "clear"}
_TITLE = {
    Level.INTERNAL: "Internal – contains account ids",
    Level.PARTNER: "For a partner – accounts under pseudonyms",
    Level.PUBLIC: "Public – no accounts",
}
_ALIKE = (
    "Account ids, and every name or digest of a campaign, group, template or trait that could be matched with them.",
    "Every excerpt of what was sent, addresses, e-mail shapes, user agents and other values that were shared: of a"
    " trait only its kind and how many accounts share it.",
    "Groups that are no detection: their number by standing, nothing else. Their accounts are customers of whom"
    " nothing is claimed.",
    "The name of an actor, unless somebody has signed it off for that campaign and the record was given.",
    "Prices, and costs by model: of a cost its sum alone. The deployment's own record of what was decided.",
    "How much everybody else sent, and the names of files, settings and machines of the deployment.",
    "Every sentence of the findings with a word that is not plain English: a name could be in it.",
)
_LEFT_OUT: Mapping[Level, tuple[str, ...]] = {
    Level.INTERNAL: ("Nothing but what this page has no room for, which is counted where it is missing. The findings"
                     " themselves hold no raw text and no raw address.",),
    Level.PARTNER: (
        *_ALIKE,
        "Times more exact than the day, and exchanges of single accounts beyond two digits. Pseudonyms are numbers in"
        " the order of the page; they mean nothing outside it.",
    ),
    Level.PUBLIC: (
        *_ALIKE,
        "Accounts one by one, their links, and single shared traits: they are counted, and evidence is summed by"
        " family.",
        "Sentences for and against, and the history in words: what speaks against is in the probabilities of the other"
        " explanations.",
        "Exact figures: numbers are rounded to two digits and times to the day. Record counts of the scan and digests"
        " of its inputs.",
    ),
}


@dataclass(frozen=True)
class Disclosure:
    """The terms of a page: for whom, what for, until when, how far it may be passed on."""

    level: Level = Level.INTERNAL
    purpose: str | None = None
    expires: date | None = None
    tlp: str = _MARKING[Level.INTERNAL]
    signoffs: tuple[SignOff, ...] = field(default=())

    @property
    def title(self) -> str:
        """What the page is called in its head."""
        return _TITLE[self.level]

    @property
    def marking(self) -> str:
        """The marking as it is written."""
        return f"TLP:{self.tlp.upper()}"

    @property
    def means(self) -> str:
        """What the marking means."""
        return TLP[self.tlp]

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """What the level leaves out."""
        return _LEFT_OUT[self.level]

    @property
    def internal(self) -> bool:
        """Whether nothing is withheld."""
        return self.level is Level.INTERNAL

    @property
    def names_accounts(self) -> bool:
        """Whether accounts are listed, be it under pseudonyms."""
        return self.level is not Level.PUBLIC

    @property
    def digits(self) -> int | None:
        """Significant digits of figures; null for all."""
        return 2 if self.level is Level.PUBLIC else None


INTERNAL = Disclosure()


def disclosure(level: str, purpose: str | None = None, expires: str | None = None, tlp: str | None = None,
               signoffs: tuple[SignOff, ...] = (), today: date | None = None) -> Disclosure:
    """The terms as they were asked for.

    Raises ``UsageError`` for a level or marking that does not exist, for a marking laxer than the level's own, and
    where what is shared has no purpose or no expiry that is still to come.
    """
    chosen = _one_of(level, tuple(Level), "level", "--level")
    standard = _MARKING[Level(chosen)]
    marking = standard if tlp is None else _one_of(tlp.casefold().removeprefix("tlp:"), tuple(TLP), "marking", "--tlp")
    order = list(TLP)
    if order.index(marking) > order.index(standard):
        raise UsageError(f"TLP:{marking.upper()} is laxer than a dossier at level {chosen} may be marked",
                         remedy=f"leave --tlp out for TLP:{standard.upper()}, or use a stricter one")
    purpose = purpose.strip() if purpose else None
    if Level(chosen) is not Level.INTERNAL:
        if not purpose:
            raise UsageError(f"a dossier at level {chosen} needs a purpose",
                             remedy='say what it is shared for, such as --purpose "defence against this campaign"')
        if not expires:
            raise UsageError(f"a dossier at level {chosen} needs an expiry",
                             remedy="say until when it may be kept, such as --expires 2027-06-30")
    return Disclosure(Level(chosen), purpose, _day(expires, today), marking, signoffs)


def _one_of(given: str, known: tuple[str, ...], what: str, flag: str) -> str:
    if given not in known:
        raise UsageError(f"there is no {what} {given!r}", remedy=f"use {flag} with one of: {', '.join(known)}")
    return given


def _day(given: str | None, today: date | None) -> date | None:
    if given is None:
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise UsageError(f"the expiry {given!r} is not a date", remedy="write it as YYYY-MM-DD") from None
    if day <= (today or datetime.now(UTC).date()):
        raise UsageError(f"the expiry {day} is not in the future", remedy="name a later day with --expires")
    return day
