"""Sightings → edges → groups → streams: which accounts are run together, and which work is theirs."""

from stillwatch.link.activity import activity_of
from stillwatch.link.ensembles import balanced_groups
from stillwatch.link.incidence import Incidence, encode
from stillwatch.link.learn import LinkModel
from stillwatch.link.linking import Linked, confirmed, find_groups, group_name, link
from stillwatch.link.score import shared_values
from stillwatch.link.settle import MIN_MEMBERS, Group, part_of
from stillwatch.link.streams import Stream, attributed, separate

__all__ = [
    "MIN_MEMBERS",
    "Group",
    "Incidence",
    "LinkModel",
    "Linked",
    "Stream",
    "activity_of",
    "attributed",
    "balanced_groups",
    "confirmed",
    "encode",
    "find_groups",
    "group_name",
    "link",
    "part_of",
    "separate",
    "shared_values",
]
