"""Address → prefix, autonomous system and kind of network, from data shipped with the package.

How reliable this is: the autonomous system is right for routed addresses as of the date of the source
(``Networks.sources``); systems change hands and prefixes move, so a file of the user's own goes first.
The kind is a hint. ``hosting`` comes from the prefix lists that clouds publish and from words in the name
of the autonomous system, ``education`` from such words only, ``vpn`` from the user's own lists only, and
everything else is ``unknown``, which does not mean residential. Relays for consumers' privacy run in clouds
too, so ``hosting`` never means that no person is behind the address. Measured error rates are in
docs/decisions/0002-network-data.md. No country is read, kept or shipped.
"""

from __future__ import annotations

import io
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from stillwatch.errors import StillwatchError
from stillwatch.observe.network_kinds import KINDS, kind_of_name
from stillwatch.observe.prefixes import PrefixMap, read_prefixes
from stillwatch.schema import ADDRESSES

__all__ = ["Networks", "parse_address"]

Ints: TypeAlias = npt.NDArray[np.int64]

_LONGEST = 64
_PORT = re.compile(r":[0-9]{1,5}")
_MAPPED = bytes(10) + b"\xff\xff"
_NAT64 = bytes.fromhex("0064ff9b") + bytes(8)
# IANA's special-purpose registries (RFC 6890 and later), multicast and class E: nobody's own address. Not the blocks
# for documentation: where logs hold them they stand for public addresses, as examples do.
_SPECIAL4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
)
# Inside 2000::/3, the only global unicast space: protocol assignments (Teredo among them)
# and 6to4. A Teredo or 6to4 address names a relay and an address that its holder chose freely.
_SPECIAL6 = ("2001::/23", "2002::/16", "3fff::/20")


def parse_address(text: str) -> bytes:
    """The address in ``text`` as 4 or 16 bytes in network order; empty where there is none. Never raises.

    Read are IPv4, IPv6, IPv6 in brackets, either with a port, and white space around them. IPv4-mapped
    IPv6 and IPv4 behind the well-known NAT64 prefix (RFC 6052) are the IPv4 address. Not read are lists
    of addresses (which one is the client is the log's to say), zones, leading zeros and short forms.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return b""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        return _packed6(host) if closed and (not rest or _is_port(rest)) else b""
    if text.count(":") > 1:
        return _packed6(text)
    host, colon, port = text.partition(":")
    if colon and not _is_port(colon + port):
        return b""
    try:
        return socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return b""


def _packed6(host: str) -> bytes:
    try:
        packed = socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError):
        return b""
    return packed[12:] if packed[:12] in (_MAPPED, _NAT64) else packed


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text[1:]) < 65536


def _parse_all(texts: Iterable[str]) -> list[bytes]:
    """``parse_address`` of each, with a short way for plain IPv4."""
    packed, plain, family = [], socket.inet_pton, socket.AF_INET
    for text in texts:
        try:
            packed.append(plain(family, text))
        except (OSError, ValueError):
            packed.append(parse_address(text))
    return packed


def _special(networks: Sequence[str], dtype: type[np.unsignedinteger[Any]], drop: int) -> npt.NDArray[Any]:
    """Bounds of the networks, first and one past last in turn, without the lowest ``drop`` bits."""
    bounds: list[int] = []
    for network in map(ipaddress.ip_network, networks):
        first, last = int(network.network_address) >> drop, int(network.broadcast_address) >> drop
        bounds += [first, last + 1]
    # The bound after class E is one past the type's range, and no address reaches it.
    return np.array([bound for bound in bounds if bound <= np.iinfo(dtype).max], dtype=dtype)


_BOUNDS4 = _special(_SPECIAL4, np.uint32, 0)
_BOUNDS6 = _special(_SPECIAL6, np.uint64, 64)


def _inside(bounds: npt.NDArray[Any], keys: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which keys lie in one of the ranges whose bounds are given in turn."""
    odd: npt.NDArray[np.bool_] = np.searchsorted(bounds, keys, side="right") % 2 == 1
    return odd


@dataclass(frozen=True)
class _Shipped:
    """The data file: sorted starts of disjoint ranges, and a table of autonomous systems.

    Number 0 in ``as4`` and ``as6`` is no system; number i is row i - 1 of ``asn``, ``name`` and ``kind``.
    IPv6 is kept by its upper 64 bits. Cloud ranges are bounds, first and one past last in turn.
    """

    start4: npt.NDArray[np.uint32]
    as4: Ints
    start6: npt.NDArray[np.uint64]
    as6: Ints
    cloud4: npt.NDArray[np.uint32]
    cloud6: npt.NDArray[np.uint64]
    asn: Ints
    name: pa.Array
    kind: npt.NDArray[np.uint8]
    sources: dict[str, Any]


@cache
def _shipped() -> _Shipped:
    folder = resources.files("stillwatch") / "data" / "networks"
    try:
        raw = zstandard.ZstdDecompressor().decompress((folder / "networks.npz.zst").read_bytes())
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            planes = dict(stored)
        sources = orjson.loads((folder / "sources.json").read_bytes())
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise StillwatchError(f"the network data of the package cannot be read: {type(error).__name__}",
                              remedy="reinstall stillwatch; from a checkout, run make data") from error

    def column(name: str, dtype: str) -> npt.NDArray[Any]:
        # Stored as byte planes (all lowest bytes, then all next ones, …), which compress far better.
        rows = np.ascontiguousarray(planes[name].T).view(dtype).reshape(-1)
        return rows.astype(rows.dtype.newbyteorder("="))

    def rising(name: str, dtype: str) -> npt.NDArray[Any]:
        return np.cumsum(column(name, dtype), dtype=dtype)

    lengths = column("name_length", "<u2").astype(np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
    names = pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(planes["name"]))
    return _Shipped(
        start4=rising("start4", "<u4"), as4=column("as4", "<u4").astype(np.int64),
        start6=rising("start6", "<u8"), as6=column("as6", "<u4").astype(np.int64),
        cloud4=rising("cloud4", "<u4"), cloud6=rising("cloud6", "<u8"),
        asn=rising("asn", "<u4").astype(np.int64), name=names, kind=planes["kind"], sources=sources,
    )


@dataclass(frozen=True)
class _Own:
    """A user's prefixes: numbers of kinds (position in ``KINDS`` + 1) and of systems (as in ``_Shipped``)."""

    kinds: PrefixMap
    systems: PrefixMap


class Networks:
    """What is known of networks: the shipped data, and a user's own files before it."""

    def __init__(self, data: _Shipped, own: _Own | None = None) -> None:
        self._data = data
        self._own = own

    @classmethod
    def load(cls, overrides: Sequence[Path] = ()) -> Networks:
        """Read the shipped data and a user's own files, the last of which wins between equal prefixes.

        Each is an MMDB file (needs the extra ``stillwatch[mmdb]``) or a list, one prefix a line:
        ``cidr[,kind[,asn[,name]]]``, with ``#`` comments and a kind for all lines in a first line such as
        ``# kind: vpn``. Raises ``UsageError`` or ``InputError`` that names the file and the line.
        """
        data = _shipped()
        prefixes = [prefix for path in overrides for prefix in read_prefixes(path)]
        if not prefixes:
            return cls(data)
        known = {int(asn): row for row, asn in enumerate(data.asn)}
        asns: list[int] = []
        names: list[str | None] = []
        rows: dict[tuple[int, str | None], int] = {}
        systems = []
        for prefix in prefixes:
            if prefix.asn is None:
                continue
            wanted = prefix.asn, prefix.name
            if prefix.name is None and prefix.asn in known:
                row = known[prefix.asn]
            else:
                row = rows.setdefault(wanted, len(data.asn) + len(asns))
                if row == len(data.asn) + len(asns):
                    asns.append(prefix.asn)
                    names.append(prefix.name)
            systems.append((prefix.network, row + 1))
        kinds = [(p.network, KINDS.index(p.kind) + 1) for p in prefixes if p.kind is not None]
        added = np.array([KINDS.index(kind_of_name(name)) for name in names], dtype=np.uint8)
        data = replace(data, asn=np.concatenate([data.asn, np.array(asns, dtype=np.int64)]),
                       name=pa.concat_arrays([data.name, pa.array(names, pa.string())]),
                       kind=np.concatenate([data.kind, added]))
        return cls(data, _Own(PrefixMap(kinds), PrefixMap(systems)))

    @property
    def sources(self) -> dict[str, Any]:
        """Name, version, licence and attribution of what the shipped data was made from."""
        return self._data.sources

    def describe(self, ips: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> pa.Table:
        """What is known of each distinct address (schema ``ADDRESSES``), sorted by text; nulls are left out.

        Text that is no public address (garbage, private, loopback, reserved, 6to4, Teredo)
        has no prefix and no system and is of unknown kind, whatever a user's file says of it.
        """
        texts = pc.unique(ips if isinstance(ips, pa.Array | pa.ChunkedArray) else pa.array(ips, pa.string()))
        texts = texts.cast(pa.string()).drop_null()
        texts = texts.take(pc.sort_indices(texts))
        packed = _parse_all(texts.to_pylist())
        size = np.fromiter(map(len, packed), dtype=np.int64, count=len(packed))
        at4, at6 = np.flatnonzero(size == 4), np.flatnonzero(size == 16)
        v4 = np.frombuffer(b"".join(packed[i] for i in at4), dtype=">u4").astype(np.uint32)
        wide = np.frombuffer(b"".join(packed[i] for i in at6), dtype="S16")
        v6 = wide.view(">u8")[::2].astype(np.uint64)
        public4 = ~_inside(_BOUNDS4, v4)
        public6 = (v6 >> np.uint64(61) == 1) & ~_inside(_BOUNDS6, v6)
        at4, v4, at6, v6, wide = at4[public4], v4[public4], at6[public6], v6[public6], wide[public6]

        system = np.zeros(len(packed), dtype=np.int64)
        kind = np.zeros(len(packed), dtype=np.int64)
        system[at4], kind[at4] = self._find4(v4)
        system[at6], kind[at6] = self._find6(v6, wide)
        row = pa.array(system - 1, mask=system == 0)
        return pa.Table.from_arrays(
            [
                texts,
                _canonical(packed, at4, at6),
                _prefixes(len(packed), at4, v4, at6, v6),
                pa.array(self._data.asn).take(row),
                self._data.name.take(row),
                pa.array(KINDS).take(pa.array(kind)),
            ],
            schema=ADDRESSES.arrow,
        )

    def _find4(self, v4: npt.NDArray[np.uint32]) -> tuple[Ints, Ints]:
        data, own = self._data, self._own
        system = data.as4[np.searchsorted(data.start4, v4, side="right") - 1]
        return self._settle(system, _inside(data.cloud4, v4), own.systems.find4(v4) if own else None,
                            own.kinds.find4(v4) if own else None)

    def _find6(self, v6: npt.NDArray[np.uint64], wide: npt.NDArray[np.bytes_]) -> tuple[Ints, Ints]:
        data, own = self._data, self._own
        system = data.as6[np.searchsorted(data.start6, v6, side="right") - 1]
        return self._settle(system, _inside(data.cloud6, v6), own.systems.find6(wide) if own else None,
                            own.kinds.find6(wide) if own else None)

    def _settle(self, system: Ints, cloud: npt.NDArray[np.bool_], own_system: Ints | None,
                own_kind: Ints | None) -> tuple[Ints, Ints]:
        """Numbers of the system and of the kind: the user's word, then published cloud ranges, then names."""
        if own_system is not None:
            system = np.where(own_system > 0, own_system, system)
        kind = np.where(system > 0, self._data.kind[system - 1].astype(np.int64), 0)
        kind = np.where(cloud, KINDS.index("hosting"), kind)
        if own_kind is not None:
            kind = np.where(own_kind > 0, own_kind - 1, kind)
        return system, kind


def _canonical(packed: Sequence[bytes], at4: Ints, at6: Ints) -> pa.Array:
    """Canonical text of the public addresses: one address is one value, however it was logged."""
    texts: list[str | None] = [None] * len(packed)
    for rows, family in ((at4, socket.AF_INET), (at6, socket.AF_INET6)):
        for row in rows:
            texts[row] = socket.inet_ntop(family, packed[row])
    return pa.array(texts, pa.string())


def _prefixes(count: int, at4: Ints, v4: npt.NDArray[np.uint32], at6: Ints,
              v6: npt.NDArray[np.uint64]) -> pa.Array:
    """/24 and /48 as text at the given places, null elsewhere; each distinct one is written once."""
    net4, which4 = np.unique(v4 & np.uint32(0xFFFF_FF00), return_inverse=True)
    net6, which6 = np.unique(v6 & np.uint64(0xFFFF_FFFF_FFFF_0000), return_inverse=True)
    written = [socket.inet_ntop(socket.AF_INET, int(net).to_bytes(4, "big")) + "/24" for net in net4]
    low = bytes(8)
    written += [socket.inet_ntop(socket.AF_INET6, int(net).to_bytes(8, "big") + low) + "/48" for net in net6]
    number = np.full(count, -1, dtype=np.int64)
    number[at4] = which4
    number[at6] = which6 + len(net4)
    return pa.array(written, pa.string()).take(pa.array(number, mask=number < 0))
