"""One Spark for all tests of engines: to start it takes seconds, and a process has one at a time."""

from __future__ import annotations

import pytest

from stillwatch.engine import connect


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    pytest.importorskip("pyspark", reason="the extra stillwatch[spark] is not installed: make spark")
    with connect("spark", threads=2, memory="1GB", scratch=tmp_path_factory.mktemp("scratch")) as engine:
        yield engine
