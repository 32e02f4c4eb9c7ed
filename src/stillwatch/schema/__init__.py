"""Every table and closed vocabulary, declared once.

Arrow schemas, validation and the reference documentation are rendered from these declarations.
"""

from stillwatch.schema.findings import (
    ACTIVITY,
    ATTRIBUTED,
    CAMPAIGNS,
    EVIDENCE,
    MEMBERS,
    QUARANTINE,
    SAMPLES,
)
from stillwatch.schema.inputs import ACCOUNTS, AGREEMENTS, EXCHANGES, LAUNCHES
from stillwatch.schema.model import TIMESTAMP, Column, SchemaError, Sensitivity, Table, Vocabulary
from stillwatch.schema.truth import TRUE_CAMPAIGNS, TRUE_EXCHANGES, TRUE_MEMBERS
from stillwatch.schema.validate import conform, empty
from stillwatch.schema.vocabularies import (
    ACCOUNT_KIND,
    CAPABILITY,
    FAMILY,
    NETWORK_KIND,
    OPERATION,
    PERMIT,
    PHASE,
    QUARANTINE_REASON,
    SIGHTING_KIND,
    VERDICT,
    VOCABULARIES,
)
from stillwatch.schema.working import ADDRESSES, EDGES, GROUPS, INGESTED, PROFILES, SIGHTINGS, STAGED, TEXTS

TABLES: tuple[Table, ...] = (
    EXCHANGES,
    ACCOUNTS,
    LAUNCHES,
    AGREEMENTS,
    CAMPAIGNS,
    MEMBERS,
    ATTRIBUTED,
    EVIDENCE,
    ACTIVITY,
    SAMPLES,
    QUARANTINE,
    SIGHTINGS,
    EDGES,
    GROUPS,
    TRUE_CAMPAIGNS,
    TRUE_MEMBERS,
    TRUE_EXCHANGES,
    INGESTED,
    STAGED,
    TEXTS,
    ADDRESSES,
    PROFILES,
)

__all__ = [
    "ACCOUNTS",
    "ACCOUNT_KIND",
    "ACTIVITY",
    "ADDRESSES",
    "AGREEMENTS",
    "ATTRIBUTED",
    "CAMPAIGNS",
    "CAPABILITY",
    "EDGES",
    "EVIDENCE",
    "EXCHANGES",
    "FAMILY",
    "GROUPS",
    "INGESTED",
    "LAUNCHES",
    "MEMBERS",
    "NETWORK_KIND",
    "OPERATION",
    "PERMIT",
    "PHASE",
    "PROFILES",
    "QUARANTINE",
    "QUARANTINE_REASON",
    "SAMPLES",
    "SIGHTINGS",
    "SIGHTING_KIND",
    "STAGED",
    "TABLES",
    "TEXTS",
    "TIMESTAMP",
    "TRUE_CAMPAIGNS",
    "TRUE_EXCHANGES",
    "TRUE_MEMBERS",
    "VERDICT",
    "VOCABULARIES",
    "Column",
    "SchemaError",
    "Sensitivity",
    "Table",
    "Vocabulary",
    "conform",
    "empty",
]
