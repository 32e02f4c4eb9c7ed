"""Tables between the stages. None of them holds raw text."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.inputs import EXCHANGES
from stillwatch.schema.model import TIMESTAMP, Column, Sensitivity, Table
from stillwatch.schema.vocabularies import CAPABILITY, FAMILY, NETWORK_KIND, SIGHTING_KIND

PSEUDONYMOUS = Sensitivity.PSEUDONYMOUS
CONTENT = Sensitivity.CONTENT

_PLACE = (
    Column("source_file", pa.int32(), "number of the input file, in reading order", required=True),
    Column("source_row", pa.int64(), "line or row of the record in its file, from 1", required=True),
    Column("id_digest", pa.int64(), "64-bit digest of exchange_id", PSEUDONYMOUS, required=True),
    Column("content_digest", pa.int64(), "64-bit keyed digest of every column of the record but exchange_id,"
           " to tell a repeat from a conflict", PSEUDONYMOUS, required=True),
)

INGESTED = Table(
    "work.ingested",
    "Exchanges as ingest yields them: the contract's columns and where each came from. Never written"
    " to disk by a scan.",
    EXCHANGES.columns + _PLACE,
    key=("source_file", "source_row"),
)

STAGED = Table(
    "work.staged",
    "Exchanges reduced to what the statistics need: text is replaced by keyed digests and lengths.",
    (
        *EXCHANGES.without("system_prompt", "prompt", "response", "extra"),
        *_PLACE,
        Column("ts_us", pa.int64(), "ts as a number, for arithmetic that every engine does alike",
               unit="µs since 1970-01-01 UTC", required=True),
        Column("prompt_digest", pa.int64(), "keyed digest of the prompt, white space folded; null without"
               " text", PSEUDONYMOUS),
        Column("text_digest", pa.int64(), "keyed digest of the masked system text and masked prompt"
               " together: the key of work.texts; null without text", PSEUDONYMOUS),
        Column("prompt_chars", pa.int64(), "length of the prompt", unit="characters"),
        Column("response_chars", pa.int64(), "length of the answer", unit="characters"),
        Column("structure_capability", pa.string(), "what the exchange asks for, judged by its structure; null where"
               " there is text to judge by", vocabulary=CAPABILITY),
        Column("structure_probability", pa.float64(), "probability of that capability", unit="0-1"),
    ),
    key=("source_file", "source_row"),
)

TEXTS = Table(
    "work.texts",
    "One row a distinct masked text (system text and prompt together); everything that is costly about"
    " text is done once here.",
    (
        Column("text_digest", pa.int64(), "key", PSEUDONYMOUS, required=True),
        Column("template_id", pa.string(), "family of prompts alike after masking; null where the prompt"
               " belongs to none", PSEUDONYMOUS),
        Column("system_id", pa.string(), "family of system prompts alike after masking; null without"
               " system text", PSEUDONYMOUS),
        Column("capability", pa.string(), "what the text asks the model to show", vocabulary=CAPABILITY),
        Column("probability", pa.float64(), "probability of that capability", unit="0-1"),
        Column("harvest", pa.float64(), "probability that the text is of a kind that data-generation"
               " pipelines send, rather than benchmarks, applications and people", unit="0-1"),
        Column("benchmark", pa.string(), "public benchmark that the item is from, or null"),
        Column("pattern", pa.string(), "short masked and redacted excerpt that a reader recognises the"
               " text by", CONTENT),
        Column("exchanges", pa.int64(), "exchanges with this text", required=True),
    ),
    key=("text_digest",),
)

ADDRESSES = Table(
    "work.addresses",
    "What is known of each distinct client address.",
    (
        Column("ip", pa.string(), "address as it was logged", Sensitivity.SECRET, required=True),
        Column("address", pa.string(), "the address in its one canonical form, without port or brackets; null"
               " where the text is no public address", Sensitivity.SECRET),
        Column("prefix", pa.string(), "its /24 (IPv4) or /48 (IPv6) in CIDR notation; null where the text is"
               " no public address", Sensitivity.SECRET),
        Column("asn", pa.int64(), "autonomous system number; null where unknown"),
        Column("as_name", pa.string(), "name of the autonomous system"),
        Column("network_kind", pa.string(), "what the network is for", vocabulary=NETWORK_KIND,
               required=True),
    ),
    key=("ip",),
)

BLOCKS = Table(
    "work.blocks",
    "Where and with what an account was seen, together: one row an account, address and client. Network"
    " and client sightings are read off it, and decoys rewire its rows whole.",
    (
        Column("account_id", pa.string(), "account", PSEUDONYMOUS, required=True),
        Column("ip", pa.string(), "keyed digest of the address", PSEUDONYMOUS),
        Column("prefix", pa.string(), "keyed digest of its /24 or /48", PSEUDONYMOUS),
        Column("asn", pa.string(), "autonomous system, as text"),
        Column("ja4", pa.string(), "TLS client fingerprint", PSEUDONYMOUS),
        Column("sdk", pa.string(), "client library fingerprint", PSEUDONYMOUS),
        Column("user_agent", pa.string(), "HTTP User-Agent", PSEUDONYMOUS),
        Column("network_kind", pa.string(), "what the network is for", vocabulary=NETWORK_KIND),
        Column("days", pa.list_(pa.int32()), "days on which it was seen, ascending", unit="days since 1970-01-01 UTC"),
        Column("first_seen", TIMESTAMP, "first exchange", unit="µs, UTC"),
        Column("last_seen", TIMESTAMP, "last exchange", unit="µs, UTC"),
        Column("count", pa.int64(), "exchanges", required=True),
    ),
)

SAMPLING = Table(
    "work.sampling",
    "The tuples of request parameters that each account uses habitually.",
    (
        Column("account_id", pa.string(), "account", PSEUDONYMOUS, required=True),
        Column("habit", pa.string(), "keyed digest of temperature, top_p, n, max_tokens, logprobs, reasoning_effort,"
               " response_format, stream and the tools offered, together", PSEUDONYMOUS, required=True),
        Column("first_seen", TIMESTAMP, "first exchange", unit="µs, UTC"),
        Column("last_seen", TIMESTAMP, "last exchange", unit="µs, UTC"),
        Column("count", pa.int64(), "exchanges", required=True),
        Column("label", pa.string(), "the parameters as text; of the tools only their number", PSEUDONYMOUS),
    ),
    key=("account_id", "habit"),
)

RHYTHM = Table(
    "work.rhythm",
    "In which minutes each account was active: all that the statistics of synchrony look at.",
    (
        Column("account_id", pa.string(), "account", PSEUDONYMOUS, required=True),
        Column("region", pa.string(), "serving region"),
        Column("minute", pa.int64(), "when", unit="minutes since 1970-01-01 UTC", required=True),
        Column("count", pa.int64(), "exchanges in that minute", required=True),
    ),
    key=("account_id", "region", "minute"),
)

SIGHTINGS = Table(
    "findings.sightings",
    "Every trait that an account was seen with. A public table: users add kinds of their own.",
    (
        Column("account_id", pa.string(), "account", PSEUDONYMOUS, required=True),
        Column("kind", pa.string(), "kind of trait", vocabulary=SIGHTING_KIND, required=True),
        Column("value", pa.string(), "the trait, as a keyed digest where it is secret", PSEUDONYMOUS,
               required=True),
        Column("first_seen", TIMESTAMP, "first time seen together", unit="µs, UTC"),
        Column("last_seen", TIMESTAMP, "last time seen together", unit="µs, UTC"),
        Column("count", pa.int64(), "exchanges (or records) in which it was seen", required=True),
        Column("label", pa.string(), "what a reader may see of the value, null where it is secret",
               PSEUDONYMOUS),
    ),
    key=("account_id", "kind", "value"),
)

EDGES = Table(
    "findings.edges",
    "Pairs of accounts that share rarer traits than chance explains.",
    (
        Column("account_a", pa.string(), "the smaller account id", PSEUDONYMOUS, required=True),
        Column("account_b", pa.string(), "the larger account id", PSEUDONYMOUS, required=True),
        Column("bits", pa.float64(), "evidence that the two are run together, log2 of a score ratio",
               unit="bits", required=True),
        Column("families", pa.list_(pa.string()), "families that contribute", vocabulary=FAMILY),
    ),
    key=("account_a", "account_b"),
)

GROUPS = Table(
    "findings.groups",
    "Accounts that belong together.",
    (
        Column("group_id", pa.string(), "the same for the same members on every run", PSEUDONYMOUS,
               required=True),
        Column("account_id", pa.string(), "member", PSEUDONYMOUS, required=True),
        Column("probability", pa.float64(), "probability of membership", unit="0-1", required=True),
    ),
    key=("group_id", "account_id"),
)

PROFILES = Table(
    "work.profiles",
    "What each account did, in total: the per-account aggregates that judging needs.",
    (
        Column("account_id", pa.string(), "key", PSEUDONYMOUS, required=True),
        Column("exchanges", pa.int64(), "exchanges", required=True),
        Column("first_seen", TIMESTAMP, "first exchange", unit="µs, UTC"),
        Column("last_seen", TIMESTAMP, "last exchange", unit="µs, UTC"),
        Column("days", pa.int64(), "days with at least one exchange", unit="days"),
        Column("input_tokens", pa.int64(), "total", unit="tokens"),
        Column("output_tokens", pa.int64(), "total", unit="tokens"),
        Column("single_turn", pa.int64(), "exchanges known to be fresh single-turn requests"),
        Column("turn_known", pa.int64(), "exchanges whose number of messages is known"),
        Column("end_users", pa.int64(), "distinct end users passed on"),
        Column("models", pa.int64(), "distinct models asked"),
        Column("prompts", pa.int64(), "distinct prompts"),
        Column("text_known", pa.int64(), "exchanges with text"),
    ),
    key=("account_id",),
)
