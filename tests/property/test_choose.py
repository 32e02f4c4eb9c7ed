"""Which settled groups are reported: a campaign however large, and no group that one value makes."""

import numpy as np
import pytest

from link_traffic import FAMILIES, named_groups, ordinary, paid, precision_recall, sightings
from stillwatch.link import link

SEEDS = range(30, 34)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_campaign_that_is_a_third_of_the_logs_is_found(seed):
    """Against everybody, what every third account shares is common; it has many such things."""
    rng = np.random.default_rng(seed)
    rows = ordinary(rng, 240) + paid(rng, 120, addresses=60, each=5)
    for i in range(120):
        rows += [(f"p{i}", "template", f"pwording{k}", 2) for k in rng.choice(200, 25, replace=False)]
    groups = named_groups(link(sightings(rows), FAMILIES))
    precision, recall = max((precision_recall(group, frozenset(f"p{i}" for i in range(120))) for group in groups),
                            key=min, default=(0.0, 0.0))
    print(f"seed {seed}: precision {precision:.3f}, recall {recall:.3f}")
    assert precision >= 0.97
    assert recall >= 0.9


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("users", [40, 150])
def test_the_users_of_one_browser_are_no_group(seed, users):
    rng = np.random.default_rng(seed)
    rows = [row for row in ordinary(rng, 300) if not (row[1] == "agent" and int(row[0][1:]) < users)]
    rows += [(f"o{i}", "agent", "browser of few", 9) for i in range(users)]
    inside = {f"o{i}" for i in range(users)}
    assert not [group for group in named_groups(link(sightings(rows), FAMILIES))
                if len(group & inside) > 0.5 * users and len(group & inside) > 0.9 * len(group)]
