"""The analysts' desk: everything that is done with a case store, in one place."""

from stillwatch.cases.acts import Opened, appeal, confirm, dismiss, note, open_case, open_cases
from stillwatch.cases.audited import calibration
from stillwatch.cases.reading import history, list_cases, read_rulings, show_case
from stillwatch.cases.regroup import erase, merge, remove_account, restore_account, split
from stillwatch.cases.sample import audit_sample
from stillwatch.cases.seen import Seen, see
from stillwatch.cases.store import Store, open_store
from stillwatch.cases.writing import Act

__all__ = [
    "Act",
    "Opened",
    "Seen",
    "Store",
    "appeal",
    "audit_sample",
    "calibration",
    "confirm",
    "dismiss",
    "erase",
    "history",
    "list_cases",
    "merge",
    "note",
    "open_case",
    "open_cases",
    "open_store",
    "read_rulings",
    "remove_account",
    "restore_account",
    "see",
    "show_case",
    "split",
]
