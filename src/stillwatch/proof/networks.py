"""Addresses of simulated clients, out of real prefixes of the right kind."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import pyarrow as pa

from stillwatch.proof.draws import Ints, Key, Keys, mix

__all__ = ["KINDS", "Networks", "networks"]

KINDS = ("residential", "mobile", "education", "corporate", "hosting", "vpn")
_HOST_BITS = 40


@dataclass(frozen=True)
class Networks:
    """Prefixes by kind and country.

    An address is coded in one integer, ``prefix number << 40 | host``: rows carry codes and text is made
    once for each distinct one.
    """

    prefixes: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    countries: tuple[str, ...]
    by_place: dict[tuple[str, str], Ints]

    def of(self, kind: str, country: str | None = None) -> Ints:
        """Numbers of the prefixes of a kind, in the country where it has any."""
        if country is not None and (kind, country) in self.by_place:
            return self.by_place[kind, country]
        return self.by_place[kind, ""]

    def countries_of(self, kind: str) -> tuple[str, ...]:
        """Countries that have prefixes of a kind."""
        return tuple(sorted(country for k, country in self.by_place if k == kind and country))

    def within(self, numbers: Ints, key: Key, *counters: object) -> Ints:
        """Address codes: for each row a prefix among ``numbers`` and a host in it."""
        drawn = mix(key, *counters)
        prefix = numbers[(drawn >> np.uint64(_HOST_BITS)).astype(np.int64) % len(numbers)]
        return self.hosts(prefix, drawn)

    def hosts(self, prefix: Ints, drawn: Keys) -> Ints:
        """Address codes of a host each, in the given prefixes."""
        host = (drawn & np.uint64((1 << _HOST_BITS) - 1)).astype(np.int64)
        return (prefix << _HOST_BITS) | host

    def text(self, codes: Ints) -> pa.Array:
        """The addresses as text, in canonical form."""
        distinct, places = np.unique(codes, return_inverse=True)
        written = pa.array([self._address(int(code)) for code in distinct], pa.string())
        return written.take(pa.array(places))

    def _address(self, code: int) -> str:
        network = self.prefixes[code >> _HOST_BITS]
        host = code & ((1 << _HOST_BITS) - 1)
        if network.version == 4:
            size = network.num_addresses
            last = host % size
            # A network's first and last addresses are nobody's.
            if last & 255 in (0, 255):
                last ^= 1
            return str(network.network_address + last)
        site = host & 0xFFFF
        identifier = (host * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        return str(network.network_address + (site << 72) + identifier)


@cache
def networks() -> Networks:
    """The shipped table of prefixes."""
    read = json.loads((resources.files("stillwatch") / "data/scenarios/prefixes.json").read_text("utf-8"))
    rows = read["prefixes"]
    places: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(rows):
        places.setdefault((row["kind"], row["country"]), []).append(number)
        places.setdefault((row["kind"], ""), []).append(number)
    return Networks(
        prefixes=tuple(ipaddress.ip_network(row["prefix"]) for row in rows),
        countries=tuple(row["country"] for row in rows),
        by_place={place: np.array(numbers, dtype=np.int64) for place, numbers in places.items()},
    )
