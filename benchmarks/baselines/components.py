"""Connected components on shared addresses: what an analyst does first with a table of logins.

Two accounts are joined when an address was used by both and by at most ``most_accounts`` in all (a carrier's NAT or an
office joins nobody); a component of at least ``least_members`` accounts is accused. ``level`` is the address itself
or its network (/24, /48); ``signups`` counts the address at sign-up too.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baselines.shared import Accusation, Parameters, groups_of, query, read, table

__all__ = ["GRID", "MEASURING", "Addresses", "accuse", "decide", "measure"]

GRID = {
    "level": ("address", "network"),
    "signups": (False, True),
    "most_accounts": (2, 3, 4, 6, 8, 12, 16, 24, 32, 64),
    "least_members": (2, 3, 5, 10, 20, 30, 50),
}
MEASURING = ("level", "signups")


@dataclass(frozen=True)
class Addresses:
    """Who used what: the pairs of (account, address), each once, and how many accounts each address had."""

    names: list[str]
    account: npt.NDArray[np.int64]
    address: npt.NDArray[np.int64]
    holders: npt.NDArray[np.int64]


def measure(traffic: Path, parameters: Parameters) -> Addresses:
    """Read who used which address."""
    sources = [f"select account_id, ip from {read(traffic)}"]
    accounts = Path(traffic) / "accounts.parquet"
    if parameters["signups"] and accounts.is_file():
        sources.append(f"select account_id, signup_ip as ip from {table(accounts)}")
    seen = query(f"select distinct account_id, ip from ({' union all '.join(sources)})"
                 " where account_id is not null and ip is not null order by all")
    if parameters["level"] == "network" and seen.num_rows:
        coded = seen["ip"].combine_chunks().dictionary_encode()
        networks = pa.array([_network(ip) for ip in coded.dictionary.to_pylist()], pa.string())
        seen = query("select distinct * from seen order by all",
                     seen=seen.set_column(1, "ip", networks.take(coded.indices)))
    account = seen["account_id"].combine_chunks().dictionary_encode()
    address = seen["ip"].combine_chunks().dictionary_encode()
    codes = np.asarray(address.indices, dtype=np.int64)
    return Addresses(account.dictionary.to_pylist(), np.asarray(account.indices, dtype=np.int64), codes,
                     np.bincount(codes, minlength=1))


def _network(ip: str) -> str:
    """The /24 or /48 of an address; text that is none stands for itself."""
    try:
        version = ipaddress.ip_address(ip).version
        return str(ipaddress.ip_network((ip, 24 if version == 4 else 48), strict=False))
    except ValueError:
        return ip


def decide(measured: Addresses, parameters: Parameters) -> Accusation:
    """Drop addresses that too many share, join what is left, accuse what is large."""
    kept = measured.holders[measured.address] <= parameters["most_accounts"]
    left, right = measured.account[kept], measured.address[kept] + len(measured.names)
    return Accusation.of_groups(groups_of(measured.names, left, right, parameters["least_members"]))


def accuse(traffic: Path, parameters: Parameters) -> Accusation:
    """Accuse every account of a large component."""
    return decide(measure(traffic, parameters), parameters)
