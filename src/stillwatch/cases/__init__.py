"""Cases: people's decisions about groups of linked accounts, with who, when and why, and what scans make of them."""

from stillwatch.cases.acts import Opened, appeal, confirm, dismiss, note, open_case
from stillwatch.cases.honour import honour
from stillwatch.cases.reading import history, list_cases, read_rulings, show_case
from stillwatch.cases.regroup import erase, merge, remove_account, restore_account, split
from stillwatch.cases.rulings import NOBODY, Ruling, Rulings
from stillwatch.cases.sample import audit_sample
from stillwatch.cases.seen import Seen, see
from stillwatch.cases.store import Store, open_store
from stillwatch.cases.writing import Act

__all__ = [
    "NOBODY",
    "Act",
    "Opened",
    "Ruling",
    "Rulings",
    "Seen",
    "Store",
    "appeal",
    "audit_sample",
    "confirm",
    "dismiss",
    "erase",
    "history",
    "honour",
    "list_cases",
    "merge",
    "note",
    "open_case",
    "open_store",
    "read_rulings",
    "remove_account",
    "restore_account",
    "see",
    "show_case",
    "split",
]
