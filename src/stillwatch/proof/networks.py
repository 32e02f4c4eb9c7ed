"""Addresses of simulated clients, out of real prefixes of the right kind."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
        return self.encoded(codes).dictionary_decode()

    def encoded(self, codes: Ints) -> pa.DictionaryArray:
        """The addresses as text, in canonical form (RFC 5952), each distinct one written once."""
        found = pa.array(codes).dictionary_encode()
        distinct = found.dictionary.to_numpy()
        prefix, host = distinct >> _HOST_BITS, distinct & ((1 << _HOST_BITS) - 1)
        is4 = self._four[prefix]
        places = np.concatenate([np.flatnonzero(is4), np.flatnonzero(~is4)])
        back = np.empty(len(places), dtype=np.int64)
        back[places] = np.arange(len(places))
        written = pa.concat_arrays([self._written4(prefix[is4], host[is4]), self._written6(prefix[~is4], host[~is4])])
        return pa.DictionaryArray.from_arrays(found.indices, written.take(pa.array(back)))

    @cached_property
    def _four(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.array([network.version == 4 for network in self.prefixes])

    @cached_property
    def _starts(self) -> Keys:
        """First address of each prefix, of version 6 its upper half: hosts are numbered in the lower one."""
        return np.array([int(n.network_address) >> (0 if n.version == 4 else 64) for n in self.prefixes], np.uint64)

    @cached_property
    def _sizes(self) -> Ints:
        return np.array([n.num_addresses if n.version == 4 else 1 for n in self.prefixes], dtype=np.int64)

    def _written4(self, prefix: Ints, host: Ints) -> pa.Array:
        last = host % self._sizes[prefix]
        # A network's first and last addresses are nobody's.
        last ^= np.isin(last & 255, (0, 255))
        address = self._starts[prefix].astype(np.int64) + last
        octets = [_DECIMAL.take(pa.array(address >> shift & 255)) for shift in (24, 16, 8, 0)]
        return pc.binary_join_element_wise(*octets, pa.scalar(".", pa.string()))

    def _written6(self, prefix: Ints, host: Ints) -> pa.Array:
        upper = self._starts[prefix] + ((host & 0xFFFF).astype(np.uint64) << np.uint64(8))
        lower = host.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        groups = [(half >> np.uint64(shift) & np.uint64(0xFFFF)).astype(np.int64)
                  for half in (upper, lower) for shift in (48, 32, 16, 0)]
        written = pc.binary_join_element_wise(*[_hexadecimal().take(pa.array(group)) for group in groups],
                                              pa.scalar(":", pa.string()))
        # A run of zeros is written "::", which the standard library knows how to do.
        runs = np.any([(one == 0) & (other == 0) for one, other in pairwise(groups)], axis=0)
        short = [str(ipaddress.IPv6Address(int(high) << 64 | int(low)))
                 for high, low in zip(upper[runs], lower[runs], strict=True)]
        return pc.replace_with_mask(written, pa.array(runs), pa.array(short, pa.string()))


_DECIMAL = pa.array([str(number) for number in range(256)], pa.string())


@cache
def _hexadecimal() -> pa.Array:
    return pa.array([f"{number:x}" for number in range(1 << 16)], pa.string())


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
