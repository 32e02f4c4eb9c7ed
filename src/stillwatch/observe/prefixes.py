"""A user's own knowledge of networks: prefix lists and MMDB files, and the lookup over them.

Among a user's prefixes the longest that says something decides, separately for the kind of network and
for its autonomous system: a VPN list over a /16 still holds where an MMDB names a /24 inside it. Where
the same prefix is given twice, the one given last holds.
"""

from __future__ import annotations

import csv
import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from stillwatch.errors import InputError, UsageError
from stillwatch.schema import NETWORK_KIND

__all__ = ["Prefix", "PrefixMap", "read_prefixes"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MMDB_MARK = b"\xab\xcd\xefMaxMind.com"
_MMDB_TAIL = 128 * 1024
_DEFAULT_KIND = re.compile(r"^#\s*kind\s*:\s*(\S+)\s*$")
_HEADER = re.compile(r"(cidr|prefix|network)\s*(,|$)", re.IGNORECASE)
_COMMENT = re.compile(r"(^|\s)#.*$")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_SHAPE = "write one prefix a line: cidr[,kind[,asn[,name]]], such as 198.51.100.0/24,vpn"


@dataclass(frozen=True)
class Prefix:
    """What a user says of one network; what is ``None`` was not said."""

    network: Network
    kind: str | None = None
    asn: int | None = None
    name: str | None = None


def read_prefixes(path: Path) -> list[Prefix]:
    """Read a prefix list or an MMDB file, told apart by content.

    Raises ``UsageError`` for a file that is not there or needs a library that is not installed, and
    ``InputError`` that names the line for one that cannot be read.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _MMDB_TAIL))
            is_mmdb = _MMDB_MARK in stream.read()
    except OSError as error:
        raise UsageError(f"network file {path} cannot be opened: {type(error).__name__}",
                         remedy="name a prefix list or an MMDB file that exists and may be read") from error
    return list(_mmdb(path) if is_mmdb else _listed(path))


def _listed(path: Path) -> Iterator[Prefix]:
    default: str | None = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for number, line in enumerate(stream, start=1):
                where = f"{path}, line {number}"
                stated = _DEFAULT_KIND.match(line) if number == 1 else None
                if stated:
                    default = _kind(stated[1], where)
                    continue
                text = _COMMENT.sub("", line).strip()
                if text and not (number == 1 and _HEADER.match(text)):
                    yield _parsed(text, default, where)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is neither an MMDB file nor text in UTF-8",
                         remedy=f"{_SHAPE}; or check that the MMDB file is complete") from error


def _parsed(text: str, default: str | None, where: str) -> Prefix:
    try:
        fields = [value.strip() for value in next(csv.reader([text], strict=True))]
    except csv.Error as error:
        raise InputError(f"{where}: {error}", remedy=_SHAPE) from error
    if len(fields) > 4:
        raise InputError(f"{where}: {len(fields)} fields, at most 4 are known",
                         remedy=f"{_SHAPE}; put a name with commas in double quotes")
    cidr, kind, asn, name = fields + [""] * (4 - len(fields))
    prefix = Prefix(_network(cidr, where), _kind(kind, where) if kind else default,
                    _asn(asn, where) if asn else None, name or None)
    if prefix.kind is None and prefix.asn is None:
        raise InputError(f"{where}: says nothing about {cidr}",
                         remedy="give a kind or an AS number, or make the first line one such as '# kind: vpn'")
    if prefix.name is not None and prefix.asn is None:
        raise InputError(f"{where}: a name without an AS number", remedy=_SHAPE)
    return prefix


def _network(text: str, where: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        try:
            meant = f"write it as {ipaddress.ip_network(text, strict=False)}"
        except ValueError:
            meant = _SHAPE
        raise InputError(f"{where}: {text[:60]!r} is no network prefix", remedy=meant) from error
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = ipaddress.IPv4Address(int(network.network_address) & 0xFFFF_FFFF)
        raise InputError(f"{where}: {text} is an IPv4 prefix written as IPv6",
                         remedy=f"write it as {inner}/{network.prefixlen - 96}")
    return network


def _kind(text: str, where: str) -> str:
    if text not in NETWORK_KIND:
        raise InputError(f"{where}: {text[:60]!r} is no kind of network",
                         remedy=f"use one of: {', '.join(NETWORK_KIND)}")
    return text


def _asn(text: str, where: str) -> int:
    digits = text[2:] if text[:2].upper() == "AS" else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and 0 < int(digits) < 2**32):
        raise InputError(f"{where}: {text[:60]!r} is no AS number",
                         remedy="write a number from 1 to 4294967295, such as 64496 or AS64496")
    return int(digits)


def _mmdb(path: Path) -> Iterator[Prefix]:
    try:
        import maxminddb
    except ImportError as error:
        raise UsageError(f"{path} is an MMDB file, and the library that reads those is not installed",
                         remedy="install stillwatch[mmdb], or give a prefix list") from error
    try:
        with maxminddb.open_database(str(path)) as reader:
            for network, record in reader:
                prefix = _from_record(network, record)
                if prefix is not None:
                    yield prefix
    except (maxminddb.InvalidDatabaseError, OSError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {type(error).__name__}",
                         remedy="fetch the MMDB file again and compare its checksum") from error


def _from_record(network: Network, record: Any) -> Prefix | None:
    """One MMDB record, in the field names of GeoLite2-ASN and GeoIP2-Anonymous-IP and their like.

    Countries and places, which such files often hold too, are not read.
    """
    if not isinstance(record, dict):
        return None
    number = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(number, str):
        number = int(number[2:]) if re.fullmatch(r"AS\d{1,10}", number) else None
    asn = number if isinstance(number, int) and 0 < number < 2**32 else None
    name = record.get("autonomous_system_organization", record.get("as_name")) if asn else None
    kind = None
    if any(record.get(flag) is True for flag in ("is_anonymous_vpn", "is_tor_exit_node")):
        kind = "vpn"
    elif record.get("is_hosting_provider") is True:
        kind = "hosting"
    if asn is None and kind is None:
        return None
    return Prefix(network, kind, asn, name if isinstance(name, str) else None)


class PrefixMap:
    """Numbers by longest matching prefix, looked up for many addresses at once.

    Nested prefixes are flattened into disjoint runs, so that a lookup is one binary search. Number 0
    means that no prefix matches.
    """

    def __init__(self, entries: Iterable[tuple[Network, int]]) -> None:
        v4: dict[tuple[int, int], int] = {}
        v6: dict[tuple[int, int], int] = {}
        for network, number in entries:
            chosen = v4 if network.version == 4 else v6
            chosen[int(network.network_address), network.prefixlen] = number
        starts, self._numbers4 = _flatten(v4, 32)
        self._starts4 = np.array(starts, dtype=np.uint32)
        starts, self._numbers6 = _flatten(v6, 128)
        # Big-endian bytes compare like the 128-bit numbers that numpy does not have.
        self._starts6 = np.array([start.to_bytes(16, "big") for start in starts], dtype="S16")

    def find4(self, addresses: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Numbers for IPv4 addresses as integers."""
        return _search(self._starts4, self._numbers4, addresses)

    def find6(self, addresses: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
        """Numbers for IPv6 addresses as 16 big-endian bytes (dtype ``S16``)."""
        return _search(self._starts6, self._numbers6, addresses)


def _search(starts: npt.NDArray[Any], numbers: npt.NDArray[np.int64],
            addresses: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return numbers[np.searchsorted(starts, addresses, side="right") - 1]


def _flatten(prefixes: dict[tuple[int, int], int], bits: int) -> tuple[Sequence[int], npt.NDArray[np.int64]]:
    """Starts of disjoint runs that cover the whole space, and the number that holds in each."""
    starts, numbers = [0], [0]

    def begin(start: int, number: int) -> None:
        if starts[-1] == start:
            numbers[-1] = number
        elif start < 1 << bits:
            starts.append(start)
            numbers.append(number)

    # Two prefixes are nested or apart, never crossed, so a stack of the enclosing ones is enough.
    around: list[tuple[int, int]] = []

    def close(before: int) -> None:
        while around and around[-1][0] <= before:
            end, _ = around.pop()
            begin(end, around[-1][1] if around else 0)

    for (start, length), number in sorted(prefixes.items()):
        close(start)
        begin(start, number)
        around.append((start + (1 << (bits - length)), number))
    close(1 << bits)
    return starts, np.array(numbers, dtype=np.int64)
