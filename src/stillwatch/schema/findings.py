"""Tables of a findings folder."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.model import TIMESTAMP, Column, Sensitivity, Table
from stillwatch.schema.vocabularies import (
    CAPABILITY,
    DECISION,
    FAMILY,
    PHASE,
    QUARANTINE_REASON,
    VERDICT,
)

DETECTION_Q = 0.01
DETECTION_PROBABILITY = 0.9
ACCUSED_PROBABILITY = 0.5


def is_detection(verdict: str, probability: float | None, q_value: float | None) -> bool:
    """The contract's one meaning of a detection; a figure that is not known never makes one."""
    return (verdict == "distillation" and q_value is not None and 0 <= q_value <= DETECTION_Q
            and probability is not None and probability >= DETECTION_PROBABILITY)


PSEUDONYMOUS = Sensitivity.PSEUDONYMOUS
CONTENT = Sensitivity.CONTENT

_ID = Column("campaign_id", pa.string(), "the same for the same members on every run", PSEUDONYMOUS,
             required=True)
_FIRST = Column("first_seen", TIMESTAMP, "first attributed exchange", unit="µs, UTC")
_LAST = Column("last_seen", TIMESTAMP, "last attributed exchange", unit="µs, UTC")


def _size(name: str, meaning: str, unit: str = "") -> Column:
    return Column(name, pa.int64(), meaning, unit=unit)


CAMPAIGNS = Table(
    "findings.campaigns",
    "One row a candidate campaign, benign explanations included.",
    (
        _ID,
        Column("lineage_id", pa.string(), "stays as the campaign grows from scan to scan", PSEUDONYMOUS),
        Column("verdict", pa.string(), "best explanation", vocabulary=VERDICT, required=True),
        Column("probability", pa.float64(), "P(distillation), whatever the verdict; conditional on what it"
               " was calibrated on", unit="0-1", required=True),
        Column("q_value", pa.float64(), "false-discovery rate of the linkage claim (run together), from"
               " decoys", unit="0-1"),
        _size("accounts", "accounts whose membership is at least as probable as not"),
        _size("exchanges", "attributed exchanges"),
        _size("sessions", "distinct sessions among them"),
        _size("tasks", "distinct tasks among them: one task makes many exchanges"),
        _size("input_tokens", "of the attributed exchanges", "tokens"),
        _size("output_tokens", "of the attributed exchanges", "tokens"),
        _FIRST,
        _LAST,
        Column("detectable_at", TIMESTAMP, "earliest midnight (UTC), or the end of the logs, at which this"
               " scan's own rules would have reported it from the rows up to then; null where it is no detection or"
               " `missing` says why", unit="µs, UTC"),
        Column("detectable_q", pa.float64(), "q-value of that look, paid for the looks before it since the first row:"
               " times k(k+1) for look k, at most 1", unit="0-1"),
        Column("capabilities", pa.list_(pa.struct([("capability", pa.string()), ("share", pa.float64())])),
               "what is being taken, largest share first", vocabulary=CAPABILITY),
        Column("phase", pa.string(), "where it is in its life at the end of the logs; null where there is too little to"
               " tell",
               vocabulary=PHASE),
        Column("actor", pa.string(), "best-matching known actor, or null", PSEUDONYMOUS),
        Column("actor_probability", pa.float64(), "of that match", unit="0-1"),
        Column("explanation", pa.string(), "two plain sentences that name the strongest evidence for and"
               " against"),
        Column("linkage_bits", pa.float64(), "score of the linkage claim: surprise of what is shared in network"
               " and client, the families that decoys rewire; each value counted once", unit="bits"),
        Column("strongest_family", pa.string(), "family of evidence that says most; null where the verdict is innocent",
               vocabulary=FAMILY),
        Column("stands_without", pa.float64(), "share of the linked accounts that linking finds together again without"
               " that family", unit="0-1"),
        Column("fold_share", pa.float64(), "share of the linked accounts that half of the exchanges groups and the"
               " other half confirms; of the two ways round the weaker; null where harvesting is not the best"
               " explanation",
               unit="0-1"),
        Column("fold_probability", pa.float64(), "probability of distillation of those accounts by the half that did"
               " not group them, the weaker way round; null where none are confirmed", unit="0-1"),
        Column("q_floor", pa.float64(), "smallest q that this number of decoys can show", unit="0-1"),
        Column("hypotheses", pa.list_(pa.struct([("verdict", pa.string()), ("probability", pa.float64()),
                                                 ("log_likelihood", pa.float64())])),
               "every explanation weighed, most probable first"),
        Column("evidence_for", pa.list_(pa.string()), "what speaks for harvesting, plain sentences"),
        Column("evidence_against", pa.list_(pa.string()), "what speaks against, plain sentences"),
        Column("history", pa.list_(pa.string()), "what became of it over time, plain sentences; see `phases`, `moves`"
               " and `pools`"),
        Column("missing", pa.list_(pa.string()), "inputs that this judgement had to do without"),
        Column("case_id", pa.int64(), "case of the store given with `--cases` that it belongs to, or null"),
        Column("decision", pa.string(), "what a person's decision made of it; null without a case",
               vocabulary=DECISION),
    ),
    key=("campaign_id",),
)

MEMBERS = Table(
    "findings.members",
    "Accounts of each candidate campaign. Linked is not guilty: see `against` and `victim`.",
    (
        _ID,
        Column("account_id", pa.string(), "member", PSEUDONYMOUS, required=True),
        Column("probability", pa.float64(), "probability of membership", unit="0-1", required=True),
        _size("exchanges", "attributed exchanges of this account"),
        _FIRST,
        _LAST,
        _size("exchanges_total", "all exchanges of this account"),
        Column("against", pa.string(), "what speaks against this account's being part of it"),
        Column("victim", pa.string(), "why the account may be a victim (stolen key, relayed customer),"
               " or null"),
    ),
    key=("campaign_id", "account_id"),
)

ATTRIBUTED = Table(
    "findings.exchanges",
    "Attributed exchanges only; one exchange is in at most one campaign.",
    (
        Column("exchange_id", pa.string(), "exchange", PSEUDONYMOUS, required=True),
        _ID,
        Column("capability", pa.string(), "what was asked for", vocabulary=CAPABILITY),
        Column("probability", pa.float64(), "probability that the exchange belongs to the campaign",
               unit="0-1"),
        Column("capability_probability", pa.float64(), "probability of the capability, from text where it is kept and"
               " else from structure", unit="0-1"),
    ),
    key=("exchange_id",),
)

CLASSIFIED = Table(
    "content.classified",
    "What `classify` writes: what each exchange asks for, one row an exchange in reading order.",
    (
        Column("exchange_id", pa.string(), "exchange", PSEUDONYMOUS, required=True),
        Column("template_id", pa.string(), "family of prompts alike after masking; null where the prompt belongs to"
               " none and without text", PSEUDONYMOUS),
        Column("capability", pa.string(), "what is asked for, from text where it is kept and else from structure",
               vocabulary=CAPABILITY, required=True),
        Column("probability", pa.float64(), "probability of that capability", unit="0-1", required=True),
        Column("benchmark", pa.string(), "public benchmark that the item is from, or null"),
        Column("harvest", pa.float64(), "probability that the text is of a kind that data-generation pipelines send;"
               " null without text", unit="0-1"),
    ),
    key=("exchange_id",),
)

EVIDENCE = Table(
    "findings.evidence",
    "What links the members of a candidate campaign.",
    (
        _ID,
        Column("kind", pa.string(), "kind of trait", required=True),
        Column("value", pa.string(), "the trait, digested", PSEUDONYMOUS),
        _size("accounts", "members that share it"),
        Column("bits", pa.float64(), "its contribution to the linkage score", unit="bits"),
        Column("why", pa.string(), "one plain sentence"),
    ),
)

ACTIVITY = Table(
    "findings.activity",
    "What each candidate campaign sent on each day, beside everything that was sent that day.",
    (
        _ID,
        Column("day", TIMESTAMP, "start of the day", unit="µs, UTC", required=True),
        _size("exchanges", "attributed exchanges that day"),
        _size("accounts", "members with an attributed exchange that day"),
        _size("population_exchanges", "all exchanges that day, the campaign's included"),
    ),
    key=("campaign_id", "day"),
)

HOURS = Table(
    "findings.hours",
    "What a few accounts of each candidate campaign sent in each hour: at most 40, those with most attributed"
    " exchanges. Hours without any are left out.",
    (
        _ID,
        Column("account_id", pa.string(), "member", PSEUDONYMOUS, required=True),
        Column("hour", TIMESTAMP, "start of the hour", unit="µs, UTC", required=True),
        _size("exchanges", "attributed exchanges of the account in that hour"),
    ),
    key=("campaign_id", "account_id", "hour"),
)

USAGE = Table(
    "findings.usage",
    "Tokens of each candidate campaign by model, as the logs count them: what prices are applied to.",
    (
        _ID,
        Column("model", pa.string(), "requested model; empty where none is named", required=True),
        _size("exchanges", "attributed exchanges"),
        _size("uncounted", "of them without a count of input or of output tokens"),
        _size("input_tokens", "sum of what is counted", "tokens"),
        _size("output_tokens", "sum of what is counted", "tokens"),
        _size("cached_tokens", "input read from a cache; whether input_tokens includes it depends on the provider",
              "tokens"),
    ),
    key=("campaign_id", "model"),
)

SAMPLES = Table(
    "findings.samples",
    "A few families of prompts for each candidate campaign, as short excerpts, masked and redacted.",
    (
        _ID,
        Column("template_id", pa.string(), "family of prompts alike after masking", PSEUDONYMOUS,
               required=True),
        Column("pattern", pa.string(), "short masked and redacted excerpt that a reader recognises the text"
               " by", CONTENT),
        _size("exchanges", "attributed exchanges of the family"),
        _size("accounts", "members that sent it"),
        Column("capability", pa.string(), "what the text asks the model to show", vocabulary=CAPABILITY),
    ),
    key=("campaign_id", "template_id"),
)

QUARANTINE = Table(
    "findings.quarantine",
    "Records that could not be read, in `quarantine.jsonl`: where they are and why, never what they hold.",
    (
        Column("file", pa.string(), "input file", PSEUDONYMOUS, required=True),
        Column("line", pa.int64(), "line or row in the file, from 1; 0 for the file itself", required=True),
        Column("reason", pa.string(), "why", vocabulary=QUARANTINE_REASON, required=True),
        Column("detail", pa.string(), "which column or limit, never content"),
    ),
)
