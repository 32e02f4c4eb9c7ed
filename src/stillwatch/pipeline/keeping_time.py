"""Rhythm as sightings: accounts that one load balancer seems to deal to share the trait of belonging together."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.engine import Engine, Relation
from stillwatch.link import activity_of, balanced_groups
from stillwatch.observe import rhythm
from stillwatch.schema import SIGHTINGS, conform, empty
from stillwatch.settings import DeploymentKey

__all__ = ["rhythm_sightings"]

_SAID = {"coincide": "active in the same minutes", "balance": "kept in step"}


def rhythm_sightings(engine: Engine, staged: Relation, key: DeploymentKey) -> pa.Table:
    """One sighting of kind ``rhythm`` an account, where any accounts keep time with one another; none otherwise.

    Accounts of one ensemble (see ``link.ensembles``) have one value, everybody else one of their own: who keeps time
    with nobody was looked at too, and that is what makes an ensemble rare.
    """
    activity = activity_of(rhythm(engine, staged))
    groups = balanced_groups(activity)
    if not groups:
        return empty(SIGHTINGS)
    names = activity.accounts.to_pylist()
    value = {name: key.digest("rhythm", name) for name in names}
    label: dict[str, str] = {}
    for group in groups:
        members = sorted(names[code] for code in group.members)
        shared = key.digest("rhythm", "".join(f"{len(name)}:{name}" for name in members))
        for name in members:
            if name not in label:  # an account in two ensembles counts for the larger
                value[name], label[name] = shared, _SAID.get(group.route, group.route)
    return conform(pa.table({
        "account_id": pa.array(names, pa.string()), "kind": pa.repeat(pa.scalar("rhythm"), len(names)),
        "value": pa.array([value[name] for name in names], pa.string()),
        "count": pa.repeat(pa.scalar(1, pa.int64()), len(names)),
        "label": pa.array([label.get(name) for name in names], pa.string()),
    }), SIGHTINGS)
