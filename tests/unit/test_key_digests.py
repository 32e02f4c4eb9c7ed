"""Digests made in bulk are the digests made one by one."""

import pytest

from stillwatch.settings import DeploymentKey


@pytest.mark.parametrize("size", [1, 32, 64, 65, 200])
def test_digests_in_bulk_are_those_made_one_by_one(size):
    key = DeploymentKey(bytes(range(size)))
    values = ["", "198.51.100.7", "ü" * 90, "\ud800", "x" * 55, "x" * 56, "x" * 1000]
    for domain in ("ip", "payment", ""):
        assert key.digests(domain, values) == [key.digest(domain, value) for value in values]
    assert key.digests("ip", []) == []
