"""The closed vocabularies of the contract, and the open ones that name what we know."""

from __future__ import annotations

from collections.abc import Mapping

from stillwatch.schema.model import Vocabulary

VERDICT = Vocabulary(
    "verdict",
    "What best explains a group of linked accounts. Linked is not guilty: all but the first are innocent.",
    {
        "distillation": "harvesting a model's answers as training data for another model",
        "benchmarking": "evaluating models on known items",
        "shared_application": "one application used by many unrelated customers",
        "shared_network": "only the network is shared: a carrier, a campus, a company, a VPN",
        "education": "a class or course doing the same exercises",
        "reseller": "one infrastructure that relays many customers' mixed traffic",
        "batch_processing": "scheduled processing of an owner's own data",
        "enterprise": "one verified organisation with several accounts",
        "undetermined": "no known explanation fits better than accounts that have nothing in common but habits",
    },
)

CAPABILITY = Vocabulary(
    "capability",
    "What an exchange asks the model to show.",
    {
        "reasoning_trace": "step-by-step reasoning, elicited or reconstructed",
        "reward_grading": "rubric grading, as a reward model gives it",
        "agentic_tool_use": "choosing and calling tools over several steps",
        "coding": "writing or changing programs",
        "computer_use": "operating a graphical or shell environment",
        "vision": "understanding of images",
        "data_analysis": "analysis of tables and figures",
        "safety_rewrite": "policy-safe rewrites of sensitive questions",
        "instruction_following": "general instructions answered in bulk",
        "other": "anything else, ordinary conversation included",
    },
)

PHASE = Vocabulary(
    "phase",
    "Where a campaign is in its life at the end of the logs.",
    {
        "probing": "small variants tried before scaling",
        "ramp_up": "volume rises",
        "sustained": "volume is steady",
        "pivot": "traffic is moving to another model or pool",
        "wind_down": "volume falls",
        "ended": "no traffic at the end of the logs",
    },
)

CHANGE = Vocabulary(
    "change",
    "What changed where one phase of a campaign ends and the next begins.",
    {
        "volume": "how much was asked",
        "capability": "what was asked for",
        "model": "which models were asked",
        "accounts": "which accounts asked",
    },
)

ACCOUNT_KIND = Vocabulary(
    "account_kind",
    "What an account was opened as.",
    {
        "individual": "a person",
        "education": "a school or university programme",
        "research": "a research programme",
        "startup": "a start-up programme",
        "enterprise": "a company",
        "internal": "the provider's own",
        "reseller": "a company that sells access on",
    },
)

PERMIT = Vocabulary(
    "permit",
    "What an agreement on file allows.",
    {
        "distillation": "training on answers",
        "evaluation": "benchmarking at scale",
        "resale": "selling access on",
    },
)

NETWORK_KIND = Vocabulary(
    "network_kind",
    "What a network is for, as far as public data tell.",
    {
        "hosting": "data centres and clouds: addresses that belong to servers",
        "vpn": "commercial VPN exits and Tor, from the user's own lists",
        "education": "universities and research networks",
        "unknown": "not known to be any of the above",
    },
)

FAMILY = Vocabulary(
    "family",
    "Kinds of traits that are one comparison with ordered levels, never several independent ones.",
    {
        "network": "addresses, prefixes and autonomous systems",
        "client": "TLS fingerprint, library fingerprint, user agent, and the library and platform they tell of",
        "sampling": "the request parameters that a script keeps sending",
        "payment": "payment instruments",
        "identity": "e-mail shape, phone, device, referral; address, client and time of sign-up",
        "content": "families of prompts and system prompts",
        "rhythm": "synchrony in time",
    },
    closed=False,
)

SIGHTING_KIND = Vocabulary(
    "sighting_kind",
    "Kinds of traits that Stillwatch itself observes; users add their own.",
    {
        "ip_spell": "client address in one spell of use: by accounts that used it on the same days (UTC)",
        "ip": "client address",
        "prefix": "/24 of an IPv4 address, /48 of an IPv6 address",
        "asn": "autonomous system of the address",
        "ja4": "TLS client fingerprint",
        "sdk": "client library fingerprint",
        "user_agent": "HTTP User-Agent",
        "client_library": "library with major and minor version, read from the two",
        "client_platform": "operating system, machine and runtime with major and minor version, read from the two",
        "sampling": "tuple of request parameters and tools that an account uses habitually",
        "payment": "payment fingerprint",
        "email_domain": "domain of the e-mail address",
        "email_pattern": "shape of the local part together with its domain",
        "phone": "phone digest",
        "device": "device id",
        "referral": "promotion or referral code",
        "signup_ip": "address at sign-up",
        "signup_burst": "burst of sign-ups, more than usual and unlike everybody's, that it was opened in",
        "signup_user_agent": "HTTP User-Agent at sign-up",
        "email_disposable": "mail domain whose addresses are made to be thrown away",
        "template": "family of prompts alike after masking",
        "system_prompt": "family of system prompts alike after masking",
        "rhythm": "ensemble of accounts that keep time with one another, as one load balancer deals",
    },
    closed=False,
)

FAMILY_OF: Mapping[str, tuple[str, int]] = {
    "ip_spell": ("network", 4),
    "ip": ("network", 3),
    "prefix": ("network", 2),
    "asn": ("network", 1),
    "ja4": ("client", 5),
    "user_agent": ("client", 4),
    "sdk": ("client", 3),
    "client_library": ("client", 2),
    "client_platform": ("client", 1),
    "sampling": ("sampling", 1),
    "payment": ("payment", 1),
    "device": ("identity", 9),
    "phone": ("identity", 8),
    "signup_ip": ("identity", 7),
    "email_pattern": ("identity", 6),
    "referral": ("identity", 5),
    "signup_burst": ("identity", 4),
    "email_domain": ("identity", 3),
    "signup_user_agent": ("identity", 2),
    "email_disposable": ("identity", 1),
    "template": ("content", 2),
    "system_prompt": ("content", 1),
    "rhythm": ("rhythm", 1),
}
"""Kind of sighting → its family and its level in it: a higher level is a finer agreement of the same comparison."""

TOOL_FAMILIES: frozenset[str] = frozenset({"client", "sampling", "content"})
"""Families of what comes with a tool: whoever runs the same program sends from the same library, with the same sampling
and, where it brings prompts, the same wordings. Two operators may share all of it and nothing else."""

QUARANTINE_REASON = Vocabulary(
    "quarantine_reason",
    "Why a record was set aside.",
    {
        "unparsable": "not valid JSON or CSV, or a compressed stream that breaks off",
        "not_an_object": "valid JSON, but not an object",
        "too_large": "longer than the longest record that is read (see settings.max_record_bytes)",
        "expands_too_far": "a compressed file, or what spans share, that expands beyond reason",
        "too_deep": "nested beyond what the parser reads",
        "not_unicode": "text that is not Unicode",
        "no_timestamp": "no time of arrival",
        "bad_timestamp": "a time that cannot be read",
        "time_out_of_range": "a time outside 2000-2100",
        "number_out_of_range": "a number beyond 64 bits, infinite, or not a number",
        "unrecognised_record": "no field that the file's format knows",
        "unrecognised_file": "a file in a folder that no format recognises",
        "id_conflict": "an exchange_id seen before with other content; the first is kept",
        "connector_failure": "the format's reader failed on this record; please report it",
    },
)

OPERATION = Vocabulary(
    "operation",
    "What kind of call an exchange is, after OpenTelemetry's gen_ai.operation.name.",
    {
        "chat": "a chat request",
        "text_completion": "a completion request",
        "embeddings": "an embeddings request",
        "generate_content": "a multimodal generation request",
        "batch": "an element of a batch job",
    },
    closed=False,
)

CASE_STATE = Vocabulary(
    "case_state",
    "Where a case stands.",
    {
        "open": "nobody has decided yet",
        "confirmed": "a person found the claim to be right",
        "dismissed": "a person found it to be wrong: its accounts stay cleared unless there is new evidence",
        "appealed": "a decision is contested and not in force; somebody has to decide again",
        "merged": "it is part of another case now",
    },
)

CASE_ROLE = Vocabulary(
    "case_role",
    "What an account is in a case.",
    {
        "member": "it is one of the group",
        "removed": "a person took it out: scans leave it out of the group",
    },
)

CASE_ACT = Vocabulary(
    "case_act",
    "What was done to a case.",
    {
        "open": "opened from a campaign of a findings folder",
        "sample": "chosen for review by chance",
        "see": "seen again in other findings",
        "reopen": "opened again by the new evidence that the entry names",
        "confirm": "decided: the claim is right",
        "dismiss": "decided: the claim is wrong",
        "split": "accounts taken out into a case of their own",
        "merge": "joined with another case",
        "remove_account": "an account taken out",
        "restore_account": "an account that was taken out put back",
        "note": "a note written",
        "appeal": "a decision contested",
        "erase": "an account erased from the store",
    },
)

DECISION = Vocabulary(
    "decision",
    "What people's decisions made of a campaign in a scan.",
    {
        "none": "a case is open and nobody has decided",
        "cleared": "a person dismissed it, and nothing new of substance has come: it is no detection",
        "new_evidence": "a person dismissed it, and there is new evidence, which the explanation names",
        "confirmed": "a person confirmed it; that changes no figure",
    },
)

VOCABULARIES: tuple[Vocabulary, ...] = (
    VERDICT,
    CAPABILITY,
    PHASE,
    CHANGE,
    ACCOUNT_KIND,
    PERMIT,
    NETWORK_KIND,
    FAMILY,
    SIGHTING_KIND,
    QUARANTINE_REASON,
    OPERATION,
    DECISION,
    CASE_STATE,
    CASE_ROLE,
    CASE_ACT,
)

KIND_WORDS: Mapping[str, str] = {
    "ip": "address", "ip_spell": "spell of an address", "prefix": "address range", "asn": "network",
    "ja4": "TLS fingerprint", "sdk": "client library", "user_agent": "user agent",
    "client_library": "library and version", "client_platform": "platform", "sampling": "habit of sampling",
    "payment": "payment instrument", "device": "device", "phone": "phone number", "signup_ip": "sign-up address",
    "email_pattern": "e-mail pattern", "referral": "referral code", "signup_burst": "burst of sign-ups",
    "email_domain": "e-mail domain", "email_disposable": "provider of disposable mail",
    "signup_user_agent": "user agent at sign-up", "template": "family of prompts",
    "system_prompt": "family of system prompts", "rhythm": "rhythm",
}
"""What a reader calls one value of a kind of sighting."""
