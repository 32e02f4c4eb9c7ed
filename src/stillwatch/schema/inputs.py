"""Tables that users bring: exchanges, accounts, launches, agreements."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.schema.model import TIMESTAMP, Column, Sensitivity, Table
from stillwatch.schema.vocabularies import ACCOUNT_KIND, OPERATION, PERMIT

PSEUDONYMOUS = Sensitivity.PSEUDONYMOUS
SECRET = Sensitivity.SECRET
CONTENT = Sensitivity.CONTENT

_TEXT = pa.string()
_INT = pa.int64()
_LIST = pa.list_(pa.string())

EXCHANGES = Table(
    "input.exchanges",
    "One row is one request with its answer. Only `ts` must be there; what a source lacks is null.",
    (
        Column("exchange_id", _TEXT, "the provider's request id, unique; where missing, a stable digest"
               " of the row's content and its place in the file", PSEUDONYMOUS),
        Column("ts", TIMESTAMP, "when the request arrived", unit="µs, UTC", required=True),
        Column("account_id", _TEXT, "the paying account or organisation; `unknown` where neither an account"
               " nor a credential is named", PSEUDONYMOUS),
        Column("api_key_id", _TEXT, "which key of the account (an id or keyed digest, never the key)",
               PSEUDONYMOUS),
        Column("end_user_id", _TEXT, "the account's own end user, where it passes one", PSEUDONYMOUS),
        Column("channel", _TEXT, "access pathway: api, bedrock, vertex, azure, app, …"),
        Column("region", _TEXT, "serving region"),
        Column("ip", _TEXT, "client address, IPv4 or IPv6", SECRET),
        Column("user_agent", _TEXT, "HTTP User-Agent", PSEUDONYMOUS),
        Column("sdk", _TEXT, "client library fingerprint: the x-stainless-* headers or their like,"
               " joined by `;`", PSEUDONYMOUS),
        Column("ja4", _TEXT, "TLS client fingerprint", PSEUDONYMOUS),
        Column("model", _TEXT, "requested model"),
        Column("operation", _TEXT, "kind of call", vocabulary=OPERATION),
        Column("stream", pa.bool_(), "streamed answer asked for"),
        Column("temperature", pa.float64(), "sampling temperature as sent"),
        Column("top_p", pa.float64(), "nucleus sampling mass as sent"),
        Column("n", _INT, "choices asked for"),
        Column("max_tokens", _INT, "output cap", unit="tokens"),
        Column("logprobs", pa.bool_(), "log-probabilities asked for"),
        Column("reasoning_effort", _TEXT, "as sent, where the model has it"),
        Column("response_format", _TEXT, "text, json_object, json_schema, …"),
        Column("modalities", _LIST, "kinds of input content: text, image, audio, file"),
        Column("tools", _LIST, "names of the tools offered", PSEUDONYMOUS),
        Column("turn", _INT, "messages in the request (1 = a fresh single-turn request)", unit="messages"),
        Column("conversation_id", _TEXT, "links the turns of one conversation, where known", PSEUDONYMOUS),
        Column("system_prompt", _TEXT, "system text", CONTENT),
        Column("prompt", _TEXT, "text of the last user message", CONTENT),
        Column("response", _TEXT, "text of the answer, where it is kept", CONTENT),
        Column("reasoning_signature", _TEXT, "digest of a reasoning block replayed in the request",
               PSEUDONYMOUS),
        Column("input_tokens", _INT, "usage: input", unit="tokens"),
        Column("output_tokens", _INT, "usage: output", unit="tokens"),
        Column("cached_tokens", _INT, "usage: input read from a cache", unit="tokens"),
        Column("reasoning_tokens", _INT, "usage: hidden reasoning", unit="tokens"),
        Column("status", _INT, "HTTP status"),
        Column("latency_ms", pa.float64(), "time to the last byte", unit="ms"),
        Column("extra", _TEXT, "whatever the source held beyond these columns, as one JSON object"
               " (credentials removed)", CONTENT),
    ),
    key=("exchange_id",),
)

ACCOUNTS = Table(
    "input.accounts",
    "One row is one account as the provider knows it.",
    (
        Column("account_id", _TEXT, "key", PSEUDONYMOUS, required=True),
        Column("created_at", TIMESTAMP, "sign-up time", unit="µs, UTC"),
        Column("kind", _TEXT, "what the account was opened as", vocabulary=ACCOUNT_KIND),
        Column("country", _TEXT, "declared country, ISO 3166-1 alpha-2; never raises a probability, a"
               " verdict or an action"),
        Column("email_domain", _TEXT, "domain of the e-mail address", PSEUDONYMOUS),
        Column("email_pattern", _TEXT, "the local part with letters → `a`, digits → `9`", PSEUDONYMOUS),
        Column("payment_fingerprint", _TEXT, "the processor's card or account fingerprint", SECRET),
        Column("billing_country", _TEXT, "ISO 3166-1 alpha-2; never raises a probability, a verdict or an"
               " action"),
        Column("phone_hash", _TEXT, "digest", SECRET),
        Column("device_id", _TEXT, "digest", SECRET),
        Column("signup_ip", _TEXT, "address at sign-up", SECRET),
        Column("signup_user_agent", _TEXT, "user agent at sign-up", PSEUDONYMOUS),
        Column("referral", _TEXT, "promotion or referral code", PSEUDONYMOUS),
        Column("organization", _TEXT, "verified organisation, null where none", PSEUDONYMOUS),
        Column("verified", pa.bool_(), "identity or organisation verification passed"),
    ),
    key=("account_id",),
)

LAUNCHES = Table(
    "input.launches",
    "When a model was released. Without it, launches are inferred.",
    (
        Column("model", _TEXT, "model as it is named in the exchanges", required=True),
        Column("released_at", TIMESTAMP, "time of release", unit="µs, UTC", required=True),
    ),
    key=("model",),
)

AGREEMENTS = Table(
    "input.agreements",
    "What makes harvesting unauthorised: agreements on file.",
    (
        Column("account_id", _TEXT, "the account it covers, or null", PSEUDONYMOUS),
        Column("organization", _TEXT, "the organisation it covers, or null", PSEUDONYMOUS),
        Column("permits", _TEXT, "what it allows", vocabulary=PERMIT, required=True),
        Column("valid_from", TIMESTAMP, "start, null for always", unit="µs, UTC"),
        Column("valid_to", TIMESTAMP, "end, null for open", unit="µs, UTC"),
        Column("note", _TEXT, "free text", PSEUDONYMOUS),
    ),
)
