"""Addresses, the shipped network data and users' own files, against oracles that share no code with them."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import ipaddress
import json
import random
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stillwatch.errors import InputError, UsageError
from stillwatch.observe import networks as module
from stillwatch.observe.network_kinds import KINDS, kind_of_name
from stillwatch.observe.networks import Networks, parse_address
from stillwatch.schema import ADDRESSES, NETWORK_KIND

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "src" / "stillwatch" / "data" / "networks"


def described(ips, *files):
    table = Networks.load(files).describe(ips)
    return {row["ip"]: row for row in table.to_pylist()}


def one(ip, *files):
    row = described([ip], *files)[ip]
    return row["asn"], row["network_kind"]


def oracle_address(text):
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return b""
    if getattr(found, "scope_id", None):
        return b""
    embedded = getattr(found, "ipv4_mapped", None)
    if embedded is None and found in ipaddress.ip_network("64:ff9b::/96"):
        embedded = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return (embedded or found).packed


class TestParsing:
    @given(st.text() | st.from_regex(r"[0-9a-f:.\[\]% ]{0,50}", fullmatch=True))
    @example("1.2.3.4\x00")
    @example("\ud800")
    @example("١.2.3.4")
    @example("[" * 1000)
    def test_never_raises_and_finds_what_the_standard_library_finds(self, text):
        found = parse_address(text)
        assert len(found) in (0, 4, 16)
        expected = oracle_address(text.strip())
        if expected or not (":" in text or text != text.strip()):
            assert found == expected

    @given(st.ip_addresses(), st.integers(0, 65535))
    def test_every_address_with_and_without_port(self, address, port):
        expected = oracle_address(str(address))
        host = f"[{address}]" if address.version == 6 else str(address)
        for text in (str(address), f"{host}:{port}", f" {address}\n", host):
            assert parse_address(text) == expected
        if address.version == 6:
            assert parse_address(address.exploded) == expected

    @pytest.mark.parametrize("text", [
        "", " ", "unknown", "-", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "0x1.2.3.4", "16909060", "1.2.3.4:",
        "1.2.3.4:x", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4, 5.6.7.8", "[1.2.3.4]:80", "[2600::1", "2600::1]:80",
        "[2600::1]80", "[2600::1]:", "2600::1%eth0", "2600:::1", "1.2.3.4/24", "host:80", "::1.2.3", "[]", ":", "[]:1",
    ])
    def test_what_is_no_address(self, text):
        assert parse_address(text) == b""


# Independent of the tables in the module: the standard library's view of IANA's registries.
@given(st.ip_addresses())
def test_what_the_standard_library_calls_not_global_gets_no_trait(address):
    row = described([str(address)])[str(address)]
    relay = address.version == 6 and (address.sixtofour or address.teredo)
    embedded = address.version == 6 and (address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96"))
    example = any(address in ipaddress.ip_network(block) for block in
                  ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
    if not embedded and not example and (relay or address.is_multicast or not address.is_global):
        assert (row["prefix"], row["asn"], row["as_name"], row["network_kind"]) == (None, None, None, "unknown")


@pytest.mark.parametrize("ip", [
    "10.1.2.3", "127.0.0.1", "100.64.0.1", "169.254.9.9", "172.31.255.255", "192.168.0.1",
    "224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "::1", "fe80::1", "fd00::1",
    "3fff::1", "ff02::1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::ffff:10.0.0.1",
    "64:ff9b::a00:1", "2001:2::1", "198.19.255.255", "240.0.0.0", "192.88.99.1", "192.0.0.8",
])
def test_addresses_that_are_nobodys_own(ip):
    row = described([ip])[ip]
    assert (row["prefix"], row["asn"], row["network_kind"]) == (None, None, "unknown")


@pytest.mark.parametrize(("ip", "prefix"), [
    ("9.255.255.255", "9.255.255.0/24"), ("11.0.0.0", "11.0.0.0/24"), ("100.63.255.255", "100.63.255.0/24"),
    ("100.128.0.0", "100.128.0.0/24"), ("172.32.0.0", "172.32.0.0/24"), ("223.255.255.255", "223.255.255.0/24"),
    ("8.8.8.8:53", "8.8.8.0/24"), ("::ffff:8.8.8.8", "8.8.8.0/24"), ("64:ff9b::808:808", "8.8.8.0/24"),
    ("[2606:4700:4700::1111]:443", "2606:4700:4700::/48"), ("2001:200::1", "2001:200::/48"),
    ("2a00:1450:4001:82b::200e", "2a00:1450:4001::/48"),
])
def test_prefixes_of_public_addresses(ip, prefix):
    assert described([ip])[ip]["prefix"] == prefix


class TestDescribe:
    def test_one_row_a_distinct_address_sorted_with_the_declared_schema(self):
        table = Networks.load().describe(["9.9.9.9", None, "8.8.8.8", "9.9.9.9", "x"])
        assert table.schema == ADDRESSES.arrow
        assert table["ip"].to_pylist() == ["8.8.8.8", "9.9.9.9", "x"]

    @pytest.mark.parametrize("form", [
        lambda v: pa.array(v), lambda v: pa.chunked_array([v[:1], v[1:]]), lambda v: pa.array(v, pa.large_string()),
        lambda v: pa.array(v).dictionary_encode(),
    ])
    def test_arrow_inputs(self, form):
        values = ["9.9.9.9", "2620:fe::fe", None]
        assert Networks.load().describe(form(values)).equals(Networks.load().describe(values))

    @pytest.mark.parametrize("nothing", [[], [None], pa.array([], pa.string()), pa.nulls(3)])
    def test_nothing(self, nothing):
        table = Networks.load().describe(nothing)
        assert (table.num_rows, table.schema) == (0, ADDRESSES.arrow)

    def test_many_at_once_are_what_they_are_alone(self):
        rng = random.Random(7)
        ips = [str(ipaddress.IPv4Address(rng.getrandbits(32))) for _ in range(200)]
        ips += [str(ipaddress.IPv6Address(0x2 << 124 | rng.getrandbits(124))) for _ in range(200)]
        alone = {ip: described([ip])[ip] for ip in ips}
        assert described(ips) == alone


class TestShippedData:
    @pytest.mark.parametrize(("ip", "asn"), [
        ("8.8.8.8", 15169), ("2001:4860:4860::8888", 15169), ("1.1.1.1", 13335), ("2606:4700:4700::1111", 13335),
        ("9.9.9.9", 19281), ("2620:fe::fe", 19281), ("208.67.222.222", 36692), ("193.0.6.139", 3333),
        ("193.0.14.129", 25152), ("::ffff:9.9.9.9", 19281),
    ])
    def test_well_known_addresses(self, ip, asn):
        assert one(ip)[0] == asn

    @pytest.mark.parametrize(("ip", "kind"), [
        ("52.94.76.1", "hosting"), ("34.64.128.1", "hosting"), ("2600:1f18::1", "hosting"), ("18.9.22.69", "education"),
        ("130.149.7.7", "education"), ("2001:638::1", "education"), ("8.8.8.8", "unknown"), ("73.0.0.1", "unknown"),
    ])
    def test_kinds(self, ip, kind):
        assert one(ip)[1] == kind

    def test_file_is_small_intact_and_attributed(self):
        data = (DATA / "networks.npz.zst").read_bytes()
        sources = json.loads((DATA / "sources.json").read_text())
        assert len(data) < 4_000_000
        assert hashlib.sha256(data).hexdigest() == sources["sha256"]
        notice = (DATA / "ATTRIBUTION.md").read_text()
        for words in ("routeviews.org", "db-ip.com", "nro.net", "CC BY 4.0", "Copyright (c) 2026 Rez Moss"):
            assert words in notice
        assert Networks.load().sources == sources

    def test_arrays_keep_what_lookups_rely_on(self):
        data = module._shipped()
        for starts, numbers in ((data.start4, data.as4), (data.start6, data.as6)):
            assert starts[0] == 0
            assert (np.diff(starts.astype(object)) > 0).all()
            assert len(starts) == len(numbers)
            assert 0 <= numbers.min() <= numbers.max() <= len(data.asn)
        for bounds in (data.cloud4, data.cloud6):
            assert len(bounds) % 2 == 0
            assert (np.diff(bounds.astype(object)) > 0).all()
        assert (np.diff(data.asn) > 0).all()
        assert len(data.asn) == len(data.name) == len(data.kind)

    def test_kinds_are_those_that_the_names_give_today(self):
        # The file holds the kinds so that loading is quick; changed rules need `make data`.
        data = module._shipped()
        some = range(0, len(data.asn), 7)
        assert [KINDS[data.kind[i]] for i in some] == [kind_of_name(data.name[i].as_py()) for i in some]

    def test_codes_of_kinds_are_the_vocabulary(self):
        assert sorted(KINDS) == sorted(NETWORK_KIND)


@pytest.mark.parametrize(("name", "kind"), [
    ("Example Hosting Ltd", "hosting"), ("EXAMPLE CLOUD SAS", "hosting"), ("Example Data Centers, Inc.", "hosting"),
    ("Example VPS", "hosting"), ("Colo Example", "hosting"), ("Example Servers GmbH", "hosting"),
    ("Examplehosting BV", "hosting"), ("Universität Beispiel", "education"), ("Universidade Exemplo", "education"),
    ("Example University Data Center", "education"), ("Example Research and Education Network", "education"),
    ("Example Community College District", "education"), ("Example Institute of Technology", "education"),
    # A word in a word, and words with another meaning.
    ("Colombia Example Telecom", "unknown"), ("Cloudberry Farms", "unknown"), ("Universal Example Inc", "unknown"),
    ("Example Services Ltd", "unknown"), ("City of St. Cloud", "unknown"), ("City of College Park", "unknown"),
    ("Example University Credit Union", "unknown"), ("Hostelworld Example", "unknown"), ("", "unknown"),
    ("Example Telecom", "unknown"), (None, "unknown"),
])
def test_kind_of_name(name, kind):
    assert kind_of_name(name) == kind


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("refresh_networks", ROOT / "tools" / "refresh_networks.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class TestConversion:
    """The converter and the reader together, on made-up ranges, against a walk over the source rows."""

    def ranges(self, bits, rng, count, grain):
        rows, at = [], 0x2 << (bits - 4)
        for _ in range(count):
            first = at + rng.choice([0, 0, rng.randrange(1, 6)]) * grain
            last = first + rng.randrange(1, 5) * grain - 1
            rows.append((first, last, rng.choice([64496, 64497, 4200000001]), ""))
            at = last + 1
        return [(a, b, n, f"Système {n}") for a, b, n, _ in rows]

    @pytest.mark.parametrize("seed", range(5))
    def test_every_address_gets_the_row_that_holds_it(self, tool, seed, tmp_path, monkeypatch):
        rng = random.Random(seed)
        v4, v6 = self.ranges(32, rng, 40, 64), self.ranges(128, rng, 40, 1 << 64)
        cloud4, cloud6 = [row[:2] for row in v4[3:30:4]], [row[:2] for row in v6[3:30:4]]
        folder = tmp_path / "data" / "networks"
        folder.mkdir(parents=True)
        (folder / "networks.npz.zst").write_bytes(tool.packed(tool.convert(v4, v6, cloud4, cloud6)))
        (folder / "sources.json").write_text("{}")
        monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
        made = Networks(module._shipped.__wrapped__())
        for rows, clouds, kind, grain in ((v4, cloud4, ipaddress.IPv4Address, 16),
                                          (v6, cloud6, ipaddress.IPv6Address, 1 << 62)):
            probes = [at for row in rows for at in (row[0] - 1, row[0], row[0] + grain, row[1], row[1] + 1)]
            table = {row["ip"]: row for row in made.describe([str(kind(at)) for at in probes]).to_pylist()}
            for at in probes:
                holder = next((row for row in rows if row[0] <= at <= row[1]), None)
                row = table[str(kind(at))]
                assert (row["asn"], row["as_name"]) == (holder[2:] if holder else (None, None))
                hosted = any(first <= at <= last for first, last in clouds)
                assert row["network_kind"] == ("hosting" if hosted else "unknown")

    def test_the_same_input_gives_the_same_bytes(self, tool):
        rows = self.ranges(32, random.Random(1), 30, 256)
        assert tool.packed(tool.convert(rows, [], [], [])) == tool.packed(tool.convert(rows, [], [], []))

    def test_overlap_and_shared_64(self, tool):
        number = {1: 1, 2: 2}
        assert tool.runs([(10, 20, 1, ""), (15, 30, 2, "")], number) == ([0, 10, 15, 31], [0, 1, 2, 0])
        half = 1 << 63
        rows = [(0, half - 1, 1, ""), (half, 3 * half - 1, 2, ""), (3 * half, 3 * half, 1, "")]
        assert list(tool.upper_half(rows)) == [(0, 0, 1, ""), (1, 1, 2, "")]

    def test_names_lose_what_would_break_a_terminal(self, tool):
        assert tool.clean("A\x1b[31m \u202eB\n C\xad") == "A [31m B C"


def listed(path, text):
    path.write_text(text, "utf-8")
    return path


class TestOwnLists:
    def test_own_data_goes_before_shipped_data(self, tmp_path):
        own = listed(tmp_path / "own.csv", "8.8.8.0/24,vpn,64500,Example Tunnels\n2001:4860::/32,hosting,AS64501\n")
        row = described(["8.8.8.8"], own)["8.8.8.8"]
        assert (row["asn"], row["as_name"], row["network_kind"]) == (64500, "Example Tunnels", "vpn")
        row = described(["2001:4860:4860::8888"], own)["2001:4860:4860::8888"]
        assert (row["asn"], row["as_name"], row["network_kind"]) == (64501, None, "hosting")
        assert one("8.8.9.9", own) == one("8.8.9.9")

    def test_what_a_line_leaves_out_comes_from_elsewhere(self, tmp_path):
        own = listed(tmp_path / "own.csv", "8.8.8.0/24,vpn\n9.9.9.9/32,,3333\n52.94.76.0/24,unknown\n73.0.0.0/8,,680")
        assert one("8.8.8.8", own) == (15169, "vpn")
        shipped = described(["193.0.6.139"])["193.0.6.139"]
        row = described(["9.9.9.9"], own)["9.9.9.9"]
        assert (row["asn"], row["as_name"]) == (3333, shipped["as_name"])
        assert one("52.94.76.1", own)[1] == "unknown"
        assert one("73.0.0.1", own) == (680, "education")

    def test_longest_wins_for_each_statement_apart_and_last_between_equals(self, tmp_path):
        first = listed(tmp_path / "a", "# kind: vpn\n8.8.0.0/16\n8.8.8.8  # one address\n\n#no\n8.8.4.0/24,education")
        second = listed(tmp_path / "b", '8.8.8.0/24,hosting,64500\n8.8.8.0/24,,64502,"Example, Inc."\n'
                        "8.8.4.0/24,hosting\n")
        assert one("8.8.1.1", first, second) == (one("8.8.1.1")[0], "vpn")
        assert one("8.8.8.8", first, second) == (64502, "vpn")
        assert one("8.8.8.9", first, second) == (64502, "hosting")
        assert one("8.8.4.4", first, second) == (15169, "hosting")
        assert one("8.8.4.4", second, first) == (15169, "education")

    @pytest.mark.parametrize("seed", range(8))
    def test_longest_prefix_against_brute_force(self, tmp_path, seed):
        rng = random.Random(seed)
        lines, held = [], []
        for _ in range(120):
            if rng.random() < 0.5:
                length = rng.choice([6, 12, 16, 20, 24, 31, 32])
                at = 20 << 24 | rng.getrandbits(6) << 18 | rng.getrandbits(3) << 8 | rng.getrandbits(2)
                network = ipaddress.ip_network((at >> (32 - length) << (32 - length), length))
            else:
                length = rng.choice([16, 32, 48, 64, 127, 128])
                at = 0x2600 << 112 | rng.getrandbits(3) << 80 | rng.getrandbits(2) << 64 | rng.getrandbits(2)
                network = ipaddress.ip_network((at >> (128 - length) << (128 - length), length))
            kind, asn = rng.choice(["", "vpn", "hosting"]), rng.choice(["", rng.randrange(1, 1000)])
            if kind or asn:
                lines.append(f"{network},{kind},{asn}")
                held.append((network, kind, asn))
        own = listed(tmp_path / "own", "\n".join(lines))
        probes = {str(network[i]) for network, *_ in held for i in (0, -1)}
        probes |= {str(network[0] + step) for network, *_ in held for step in (-1, 1)}
        plain = described(probes)
        for ip, row in described(sorted(probes), own).items():
            address = ipaddress.ip_address(ip)
            around = sorted((n.prefixlen, place, kind, asn) for place, (n, kind, asn) in enumerate(held)
                            if n.version == address.version and address in n)
            asns = [asn for *_, asn in around if asn]
            kinds = [kind for _, _, kind, _ in around if kind]
            assert row["asn"] == (asns[-1] if asns else plain[ip]["asn"])
            if kinds:
                assert row["network_kind"] == kinds[-1]

    def test_private_addresses_stay_without_traits(self, tmp_path):
        own = listed(tmp_path / "own", "0.0.0.0/0,vpn,64500\n::/0,vpn,64500\n")
        assert one("10.0.0.1", own) == (None, "unknown")
        assert one("fd00::1", own) == (None, "unknown")
        assert one("223.255.255.255", own) == (64500, "vpn")
        assert one("2600::1", own) == (64500, "vpn")

    @pytest.mark.parametrize(("text", "line", "remedy"), [
        ("8.8.8.0/24,vpn\n8.8.8.8/24,vpn", 2, "8.8.8.0/24"), ("nonsense,vpn", 1, "cidr"),
        ("8.8.8.0/33,vpn", 1, "cidr"), ("8.8.8.0/24,proxy", 1, "hosting, vpn"), ("8.8.8.0/24", 1, "# kind: vpn"),
        ("# kind: tor\n8.8.8.0/24", 1, "vpn"),
        ("\n8.8.8.0/24,vpn,ASX", 2, "64496"), ("8.8.8.0/24,vpn,0", 1, "64496"),
        ("8.8.8.0/24,vpn,4294967296", 1, "64496"), ("8.8.8.0/24,vpn,1,a,b", 1, "double quotes"),
        ('8.8.8.0/24,vpn,1,"a', 1, "cidr"), ("8.8.8.0/24,vpn,,name", 1, "cidr"),
        ("::ffff:8.8.8.0/120,vpn", 1, "8.8.8.0/24"), (",vpn", 1, "cidr"),
    ])
    def test_errors_name_file_line_and_remedy(self, tmp_path, text, line, remedy):
        own = listed(tmp_path / "own.txt", text)
        with pytest.raises(InputError) as caught:
            Networks.load([own])
        assert f"{own}, line {line}:" in caught.value.message
        assert remedy in caught.value.remedy

    def test_files_that_cannot_be_read(self, tmp_path):
        with pytest.raises(UsageError, match="cannot be opened"):
            Networks.load([tmp_path / "absent"])
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01" * 100)
        with pytest.raises(InputError, match="neither an MMDB file nor text"):
            Networks.load([tmp_path / "binary"])

    @given(st.binary(max_size=200))
    @example(b"\xef\xbb\xbfcidr,kind\n8.8.8.0/24,vpn\r\n")
    def test_hostile_lists_end_in_a_clear_error_or_not_at_all(self, tmp_path_factory, text):
        path = tmp_path_factory.mktemp("own") / "own"
        path.write_bytes(text)
        with contextlib.suppress(InputError):
            assert Networks.load([path]).describe(["8.8.8.8"]).num_rows == 1


def mmdb(records, ip_version):
    """A minimal MMDB file with 24-bit records, written after MaxMind's format specification 2.0."""
    def control(kind, size):
        assert size < 29 + 256
        more = bytes([size - 29]) if size >= 29 else b""
        size = min(size, 29)
        return (bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])) + more

    def encoded(value):
        if isinstance(value, bool):
            return control(14, int(value))
        if isinstance(value, str):
            return control(2, len(value.encode())) + value.encode()
        if isinstance(value, int | tuple):
            kind, number = value if isinstance(value, tuple) else (6, value)
            raw = number.to_bytes(8, "big").lstrip(b"\0")
            return control(kind, len(raw)) + raw
        if isinstance(value, list):
            return control(11, len(value)) + b"".join(map(encoded, value))
        return control(7, len(value)) + b"".join(encoded(k) + encoded(v) for k, v in value.items())

    nodes, data, bits = [[None, None]], b"", 128 if ip_version == 6 else 32
    for cidr, record in records.items():
        network = ipaddress.ip_network(cidr)
        at, length = int(network.network_address), network.prefixlen
        if network.version == 4 and ip_version == 6:
            length += 96
        node = 0
        for depth in range(length):
            bit = at >> (bits - 1 - depth) & 1
            if depth == length - 1:
                nodes[node][bit] = ("data", len(data))
            else:
                if nodes[node][bit] is None:
                    nodes.append([None, None])
                    nodes[node][bit] = ("node", len(nodes) - 1)
                node = nodes[node][bit][1]
        data += encoded(record)
    tree = b""
    for node in nodes:
        for side in node:
            value = len(nodes) if side is None else side[1] if side[0] == "node" else len(nodes) + 16 + side[1]
            tree += struct.pack(">I", value)[1:]
    about = {"node_count": len(nodes), "record_size": (5, 24), "ip_version": (5, ip_version), "languages": [],
             "database_type": "Test", "binary_format_major_version": (5, 2), "binary_format_minor_version": (5, 0),
             "build_epoch": (9, 1), "description": {}}
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encoded(about)


class TestOwnMmdb:
    def write(self, path, records, ip_version=6):
        pytest.importorskip("maxminddb", reason="the extra stillwatch[mmdb] is not installed")
        path.write_bytes(mmdb(records, ip_version))
        return path

    @pytest.mark.parametrize("ip_version", [4, 6])
    def test_systems_as_geolite_names_them(self, tmp_path, ip_version):
        own = self.write(tmp_path / "a.mmdb", {
            "8.8.8.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Hosting"},
        }, ip_version)
        row = described(["8.8.8.8"], own)["8.8.8.8"]
        assert (row["asn"], row["as_name"], row["network_kind"]) == (64500, "Example Hosting", "hosting")
        assert one("8.8.4.4", own)[0] == 15169

    def test_other_fields_and_no_country(self, tmp_path):
        own = self.write(tmp_path / "renamed.dat", {
            "8.8.8.0/24": {"is_anonymous_vpn": True}, "8.8.4.0/24": {"is_hosting_provider": True},
            "9.9.9.0/24": {"asn": "AS64500", "as_name": "Example", "country": "XX"}, "1.1.1.0/24": {"country": "XX"},
            "2600::/16": {"is_tor_exit_node": True, "asn": "none"},
        })
        assert one("8.8.8.8", own) == (15169, "vpn")
        assert one("8.8.4.4", own) == (15169, "hosting")
        assert one("9.9.9.9", own) == (64500, "unknown")
        assert one("1.1.1.1", own) == one("1.1.1.1")
        assert one("2600::1", own)[1] == "vpn"
        assert "XX" not in str(described(["9.9.9.9", "1.1.1.1"], own))

    def test_a_list_over_a_wider_network_still_holds(self, tmp_path):
        own = self.write(tmp_path / "a.mmdb", {"8.8.8.0/24": {"autonomous_system_number": 64500}})
        vpn = listed(tmp_path / "vpn.txt", "# kind: vpn\n8.8.0.0/16\n")
        assert one("8.8.8.8", own, vpn) == one("8.8.8.8", vpn, own) == (64500, "vpn")

    def test_without_the_library_the_error_says_what_to_install(self, tmp_path, monkeypatch):
        path = tmp_path / "a.mmdb"
        path.write_bytes(mmdb({"8.8.8.0/24": {"autonomous_system_number": 64500}}, 4))
        monkeypatch.setitem(sys.modules, "maxminddb", None)
        with pytest.raises(UsageError) as caught:
            Networks.load([path])
        assert "stillwatch[mmdb]" in caught.value.remedy

    @pytest.mark.parametrize("cut", [20, 60, 100, 140])
    def test_a_damaged_file_is_a_clear_error(self, tmp_path, cut):
        whole = self.write(tmp_path / "a.mmdb", {
            f"8.8.{i}.0/24": {"autonomous_system_number": 64500 + i} for i in range(9)})
        damaged = tmp_path / "b.mmdb"
        damaged.write_bytes(whole.read_bytes()[:40] + whole.read_bytes()[40 + cut * 4:])
        with pytest.raises(InputError, match="damaged"):
            Networks.load([damaged])


def test_a_lookup_does_not_change_the_shipped_data(tmp_path):
    before = module._shipped()
    own = listed(tmp_path / "own", "8.8.8.0/24,vpn,64500,Example\n")
    Networks.load([own]).describe(["8.8.8.8"])
    assert module._shipped() is before
    assert len(replace(before).asn) == len(before.name)
    assert one("8.8.8.8") == (15169, "unknown")


def test_documentation_addresses_stand_for_public_ones_of_no_known_network():
    found = Networks.load().describe(["203.0.113.9", "198.51.100.1:443", "2001:db8::1"]).to_pylist()
    assert {row["prefix"] for row in found} == {"198.51.100.0/24", "203.0.113.0/24", "2001:db8::/48"}
    assert {row["asn"] for row in found} == {None}
    assert {row["network_kind"] for row in found} == {"unknown"}
