"""Network family: address in one spell of use ⊂ address ⊂ /24 or /48 ⊂ autonomous system, one comparison.

An address changes hands: carriers and households get another every few days, and VPN exits serve whoever is there.
Accounts run together use an address at the same time, strangers mostly at different ones. So an address's accounts are
parted into spells: accounts that used it on a same day are in one, and whoever is in one with these. A chain of
days may join strangers, as on a busy exit; the spell is then as popular as the address.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

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
    spells = blocks.append_column("ip_spell", _spells(blocks))
    return [read_off(spells, "ip_spell", "ip_spell"), read_off(blocks, "ip", "ip"),
            read_off(blocks, "prefix", "prefix"), read_off(blocks, "asn", "asn", label)]


def _spells(blocks: pa.Table) -> pa.Array:
    """The spell of each block: its address's digest and the first day of the spell; null where no other account is
    in it, where all of the address's are (it says no more than the address), or where address or days are not known.

    Spells are the connected components of accounts and days of an address, joined where an account used it on a day.
    An account has one spell an address, whatever number of days: being seen daily does not make it share more.
    """
    lists = blocks["days"].combine_chunks()
    row = pc.list_parent_indices(lists).to_numpy()
    day = pc.list_flatten(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    account, ip = (np.asarray(blocks[name].combine_chunks().dictionary_encode().indices.fill_null(-1)).astype(np.int64)
                   for name in ("account_id", "ip"))
    known = ip[row] >= 0
    row, day = row[known], day[known]
    if not len(row):
        return pa.nulls(blocks.num_rows, pa.string())
    users, user = np.unique(ip[row] * (account.max() + 1) + account[row], return_inverse=True)
    days, place = np.unique((ip[row] << 32) + day, return_inverse=True)
    nodes = len(users) + len(days)
    joined = sp.csr_array((np.ones(len(row), dtype=np.int8), (user, place + len(users))), shape=(nodes, nodes))
    count, spell = connected_components(joined, directed=False)
    address = users // (account.max() + 1)
    members = np.bincount(spell[:len(users)], minlength=count)
    of_address = np.bincount(address)
    telling = (members[spell[:len(users)]] >= 2) & (members[spell[:len(users)]] < of_address[address])
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, spell[user], day)
    began = np.full(blocks.num_rows, -1, dtype=np.int64)
    began[row] = np.where(telling[user], first[spell[user]], -1)
    day_of = pa.array(began, mask=began < 0).cast(pa.string())
    return pc.binary_join_element_wise(blocks["ip"].combine_chunks(), day_of, "@")
