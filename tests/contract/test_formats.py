"""Every registered format, third parties' included, under the same contract."""

from __future__ import annotations

import pytest

from stillwatch.ingest import formats
from stillwatch.ingest.checks import check_format


@pytest.mark.parametrize("name", list(formats()))
def test_format_keeps_the_contract(name):
    check_format(formats()[name])
