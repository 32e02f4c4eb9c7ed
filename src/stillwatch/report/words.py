"""What the findings say, in sentences that a lawyer, a journalist and an engineer read alike.

The page and the terminal take their wording from here, so that they cannot disagree. "Run together",
"harvesting" and "operated by" are three claims with three kinds of evidence and are never merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stillwatch.report.checked import checked
from stillwatch.report.load import Campaign, Findings, Record
from stillwatch.report.numbers import count, date, plural, q, span, surely
from stillwatch.report.screen import coarse
from stillwatch.report.since import not_looked, reportable
from stillwatch.schema.findings import DETECTION_PROBABILITY, DETECTION_Q

__all__ = [
    "NOT_GUILTY",
    "Claim",
    "Conclusion",
    "Identity",
    "claims",
    "conclude",
    "conditional_on",
    "identity",
    "name",
    "standing",
]

NOT_GUILTY = ("Linked is not guilty: an account may be a victim, such as one with a stolen key or a customer"
              " whose requests were relayed.")
_MATCH = "a match, no proof"
_STALE_DAYS = 14
_KINDS = ("kept", "quarantined", "duplicates", "merged", "out_of_scope")


@dataclass(frozen=True)
class Claim:
    """One of the three claims: what is said, how surely, on what grounds, and whether it meets its limit.

    The grade names limits and no strength in words, which only a calibration on real cases could support.
    """

    question: str
    answer: str
    strength: str
    grounds: str
    grade: str = "no claim"


@dataclass(frozen=True)
class Conclusion:
    """The first screen: a headline, what was scanned, what follows, since when, the claims, what stayed unseen; how old
    logs are that end long before, and what no log could say."""

    headline: str
    scanned: str
    sentences: tuple[str, ...]
    reportable: str | None
    claims: tuple[Claim, ...]
    unseen: tuple[str, ...]
    age: str
    in_no_log: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """Records in = kept + quarantined + duplicates + merged + out of scope, and whether it holds."""

    records_in: int | None
    parts: tuple[tuple[str, int | None], ...]

    @property
    def holds(self) -> bool | None:
        """Whether the parts add up; null where a figure is missing."""
        known = [number for _, number in self.parts if number is not None]
        if self.records_in is None or len(known) < len(self.parts):
            return None
        return sum(known) == self.records_in

    @property
    def sentence(self) -> str:
        """The identity with its figures."""
        parts = " + ".join(f"{count(number)} {part}" for part, number in self.parts)
        return f"{plural(self.records_in, 'record')} in = {parts}"


def name(term: str) -> str:
    """A vocabulary's term as words."""
    return term.replace("_", " ")


def standing(campaign: Campaign) -> str:
    """What a candidate campaign is called in a list: its verdict, with detections told from suspicions."""
    if campaign.detected:
        return "DETECTED"
    if campaign.row["decision"] == "cleared":
        return "cleared"
    verdict = str(campaign.row["verdict"])
    return "suspected" if verdict == "distillation" else name(verdict)


def conditional_on(findings: Findings) -> str:
    """What the probabilities were calibrated on."""
    return findings.summary.text("conditional_on") or "simulated alternatives, which are not recorded here"


def identity(findings: Findings) -> Identity:
    """The count identity of the scan."""
    counts = findings.summary.record("counts")
    return Identity(counts.whole("records_in"), tuple((name(kind), counts.whole(kind)) for kind in _KINDS))


def claims(campaigns: Sequence[Campaign], findings: Findings) -> tuple[Claim, Claim, Claim]:
    """The three claims about these campaigns; with several, the weakest figure stands for all."""
    made = findings.summary.record("decoys").whole("made")
    decoys = f"{count(made)} decoys" if made is not None else "decoys"
    among = [c for c in findings.campaigns if c.row["q_value"] is not None]
    meet = sum(c.row["q_value"] <= DETECTION_Q for c in among)
    linked = (f"Error rate from {decoys} made of these logs. It covers chance only: an innocent class, tool"
              " or reseller is coordinated too."
              + (f" {count(meet)} of the {plural(len(among), 'linked group')} here meet this limit." if meet > 1
                 else ""))
    harvest = f"Conditional on {conditional_on(findings)}: real groups may differ from those it was learnt from."
    actor_grounds = "No claim about who is behind it follows from the other two."
    if not campaigns:
        nothing = ("not claimed", "no detection")
        return (Claim("Run together?", *nothing, linked),
                Claim("Harvesting training data?", *nothing, harvest),
                Claim("Operated by whom?", "nothing is claimed", "not assessed", actor_grounds))
    worst = max(_least(c.row["q_value"], 1.0) for c in campaigns)
    lowest = min(_least(c.row["probability"], 0.0) for c in campaigns)
    q_known = all(c.row["q_value"] is not None for c in campaigns)
    at_worst = "at worst " if len(campaigns) > 1 else ""
    at_least = "at least " if len(campaigns) > 1 else ""
    return (
        Claim("Run together?",
              f"about {surely(worst)} of groups with such a score are expected to be chance" if q_known
              else "not assessed", f"{at_worst}q = {q(worst)}" if q_known else "q not computed", linked,
              _grade(q_known and worst <= DETECTION_Q, f"q at most {DETECTION_Q:g}")),
        Claim("Harvesting training data?", _harvest_answer(lowest),
              f"{at_least}probability {surely(lowest)}", f"{harvest} {checked(lowest)}".strip(),
              _grade(lowest >= DETECTION_PROBABILITY, f"at least {DETECTION_PROBABILITY:.0%}")),
        _actor(campaigns, actor_grounds),
    )


def _grade(met: bool, limit: str) -> str:
    return f"{'meets' if met else 'short of'} the limit ({limit})"


def conclude(findings: Findings) -> Conclusion:
    """The first screen's words."""
    found = findings.detections
    headline = f"{plural(len(found), 'campaign')} detected" if found else "No campaign detected"
    return Conclusion(headline, _scanned(findings), _sentences(findings), reportable(findings),
                      claims(found, findings), _unseen(findings), _age(findings), _in_no_log(findings.summary))


def _least(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or value != value else value


def _harvest_answer(probability: float) -> str:
    return "what is asked for looks like training data" if probability >= DETECTION_PROBABILITY else \
        "not established" if probability >= 0.5 else "improbable"


def _actor(campaigns: Sequence[Campaign], grounds: str) -> Claim:
    named = [c for c in campaigns if c.row["actor"]]
    if not named and any(c.row.get("actor_withheld") for c in campaigns):
        return Claim("Operated by whom?", "a known actor is matched, and its name withheld", "no claim made here",
                     "Nobody has signed off that it may be named outside. " + grounds)
    if not named:
        return Claim("Operated by whom?", "nothing is claimed", "not assessed", grounds)
    if len(campaigns) > 1:
        return Claim("Operated by whom?", f"matched for {count(len(named))} of {count(len(campaigns))}",
                     "see each campaign", grounds, _MATCH)
    row = named[0].row
    signed = row.get("signed_off")
    if signed is not None:
        grounds = f"Signed off for naming on {date(signed.at)} (record {signed.digest[:12]})."
        return Claim("Operated by whom?", f"best match: {row['actor']}",
                     f"probability {surely(row['actor_probability'])}",
                     f"Infrastructure may serve several sponsors, so a match is no proof. {grounds}", _MATCH)
    return Claim("Operated by whom?", f"best match: {row['actor']}",
                 f"probability {surely(row['actor_probability'])}",
                 "Infrastructure may serve several sponsors, so a match is no proof.", _MATCH)


def _scanned(findings: Findings) -> str:
    summary = findings.summary
    kept, accounts = summary.record("counts").whole("kept"), summary.whole("accounts")
    inputs = len(summary.records("inputs"))
    period = summary.record("span")
    first, last = period.time("first"), period.time("last")
    said = plural(kept, "exchange") if kept is not None else "An unknown number of exchanges"
    if accounts:
        said += f" of {plural(accounts, 'account')}"
    elif accounts == 0:
        said += ", none with an account"
    if first or last:
        said += f", {span(first, last)} (UTC)"
    return said + (f", from {plural(inputs, 'input')}." if inputs else ".")


def _age(findings: Findings) -> str:
    """That the logs end long before the scan, where they do: what is told of them may be over."""
    made, last = findings.summary.time("created_at"), findings.summary.record("span").time("last")
    if made is None or last is None or (made - last).days < _STALE_DAYS:
        return ""
    return (f"The logs end {plural((made - last).days, 'day')} before this scan: what it found may be over, and"
            " addresses and keys may have changed hands.")


def _sentences(findings: Findings) -> tuple[str, ...]:
    found = findings.detections
    suspected = [c for c in findings.campaigns if c.row["verdict"] == "distillation" and not c.detected]
    undecided = [c for c in findings.campaigns if c.row["verdict"] == "undetermined"]
    kinds = {"suspected": len(suspected), "undetermined": len(undecided),
             "innocent": len(findings.campaigns) - len(found) - len(suspected) - len(undecided)}
    kinds = {kind: number + findings.withheld.get(kind, 0) for kind, number in kinds.items()}
    said = []
    if found:
        size = plural(findings.accused, "account")
        taken = coarse(sum(c.row["exchanges"] or 0 for c in found), findings.digits)
        since = min((c.row["first_seen"] for c in found if c.row["first_seen"]), default=None)
        said.append(f"{size} in {plural(len(found), 'group')} appear to be run together and to harvest the"
                    f" model's answers as training data: {plural(taken, 'exchange')}"
                    + (f" since {date(since)}." if since else "."))
    elif findings.campaigns or findings.withheld:
        said.append("No group of linked accounts is claimed to harvest training data.")
    else:
        said.append("No group of linked accounts was found.")
    rest = []
    if kinds["suspected"]:
        rest.append(f"{count(kinds['suspected'])} suspected but short of a detection (q at most {DETECTION_Q:g} and"
                    f" probability at least {DETECTION_PROBABILITY:.0%})")
    if kinds["undetermined"]:
        rest.append(f"{count(kinds['undetermined'])} undetermined")
    if kinds["innocent"]:
        rest.append(f"{count(kinds['innocent'])} with an innocent explanation")
    if rest:
        said.append(f"{'Other linked' if found else 'Linked'} groups, none accused: {'; '.join(rest)}.")
    if not found:
        said.append("This is no proof that there is no campaign: see what this scan could not see.")
    return tuple(said)


def _unseen(findings: Findings) -> tuple[str, ...]:
    summary = findings.summary
    counts = summary.record("counts")
    kept, nameless = counts.whole("kept"), summary.whole("exchanges_without_account")
    said = []
    if kept == 0:
        said.append("No exchange was read, so there was nothing to look at.")
    elif kept and nameless is not None and nameless >= kept:
        said.append("No record names an account, so nothing can be linked.")
    elif kept and nameless:
        said.append(f"{count(nameless)} of {plural(kept, 'exchange')} ({surely(nameless / kept)}) name no"
                    " account: they are counted, never linked.")
    if summary.whole("accounts") == 1:
        said.append("All records are of one account; a campaign is several accounts, so none can be found.")
    said += _short_of_decoys(summary)
    said += [sentence for sentence in [not_looked(findings)] if sentence]
    for item in summary.records("missing"):
        effect = item.text("effect")
        if item.text("input") == "account_id" and nameless:
            continue  # said above, with its share
        said.append(f"Missing: {item.text('input') or 'an input'}" + (f" – {effect}" if effect else "."))
    said += _not_read(summary)
    if findings.absent:
        said.append(f"This folder lacks {', '.join(findings.absent)}; what rests on it is left out.")
    return tuple(said)


def _short_of_decoys(summary: Record) -> list[str]:
    decoys = summary.record("decoys")
    floor, made, wanted = decoys.number("floor"), decoys.whole("made"), decoys.whole("wanted")
    if floor is not None and floor > DETECTION_Q:
        return [f"With {plural(made, 'decoy')} q cannot go below {q(floor)}, so no group could be a"
                f" detection (q at most {DETECTION_Q:g})."]
    if made is not None and wanted is not None and made < wanted:
        return [f"Only {count(made)} of {count(wanted)} decoys were made in the time allowed."]
    return []


def _not_read(summary: Record) -> list[str]:
    said, quarantined = [], summary.record("counts").whole("quarantined")
    broken = sum(bool(read.text("broken")) for read in summary.records("inputs"))
    if broken:
        said.append(f"{plural(broken, 'input file')} {'is' if broken == 1 else 'are'} damaged or cut off, and what"
                    " follows the damage was not read: restore and scan again (summary.json says which, and how much).")
    if quarantined:
        said.append(f"{plural(quarantined, 'record')} could not be read and"
                    f" {'was' if quarantined == 1 else 'were'} set aside.")
    return said


def _in_no_log(summary: Record) -> tuple[str, ...]:
    said = "Who held a key, and what became of the answers: no log says."
    if any(read.text("role") == "agreements" for read in summary.records("beside")):
        return (said,)
    return "Whether anybody was permitted to do it: no agreements were given (--agreements).", said
