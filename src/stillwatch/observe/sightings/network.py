"""Network family: address ⊂ /24 or /48 ⊂ autonomous system, one comparison with three levels."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.observe.sightings.shape import read_off

__all__ = ["sightings"]


def sightings(blocks: pa.Table, addresses: pa.Table) -> list[pa.Table]:
    """Sightings of every level. Only the autonomous system is readable, by number and kind: addresses are digests,
    and the name of a company whose servers somebody rents is no evidence against it."""
    systems = addresses.select(["asn", "network_kind"]).filter(pc.is_valid(addresses["asn"]))
    systems = systems.group_by("asn", use_threads=False).aggregate([("network_kind", "min")])
    number = pc.cast(systems["asn"], pa.string())
    labels = pc.binary_join_element_wise(pc.binary_join_element_wise("AS", number, " (", ""),
                                         systems["network_kind_min"], ")", "")
    label = pc.take(labels, pc.index_in(blocks["asn"], value_set=number))
    return [read_off(blocks, "ip", "ip"), read_off(blocks, "prefix", "prefix"),
            read_off(blocks, "asn", "asn", label)]
