"""Cases: people's decisions about groups of linked accounts, with who, when and why, and what scans make of them.

Here is what a scan needs, which reads no store; ``desk`` is what people do, and needs the libraries of the store.
"""

from stillwatch.cases.honour import honour
from stillwatch.cases.rulings import NOBODY, Ruling, Rulings

__all__ = ["NOBODY", "Ruling", "Rulings", "honour"]
