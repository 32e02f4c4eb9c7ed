"""Identity family: device, phone, e-mail shape, referral, sign-up address, client and burst. Never country or name."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.observe.mail import is_disposable
from stillwatch.observe.sightings.shape import at_sign_up
from stillwatch.observe.signups import TRAITS, Burst, bursts
from stillwatch.settings import DeploymentKey

__all__ = ["sightings", "sign_up_bursts"]

_Y2000_US = 946_684_800_000_000
_Y2100_US = 4_102_444_800_000_000


def sightings(accounts: pa.Table, addresses: pa.Table, key: DeploymentKey) -> list[pa.Table]:
    """Sightings of each identity trait; all but the e-mail domain and the sign-up's user agent are digests."""
    address = addresses["address"].take(pc.index_in(accounts["signup_ip"], value_set=addresses["ip"]))
    pattern = pc.binary_join_element_wise(accounts["email_pattern"], accounts["email_domain"], "@")
    return [
        at_sign_up(accounts, accounts["device_id"], "device", key),
        at_sign_up(accounts, accounts["phone_hash"], "phone", key),
        at_sign_up(accounts, address, "signup_ip", key),
        at_sign_up(accounts, pattern, "email_pattern", key),
        at_sign_up(accounts, accounts["referral"], "referral", key),
        at_sign_up(accounts, accounts["email_domain"], "email_domain", None, show=True),
        at_sign_up(accounts, accounts["signup_user_agent"], "signup_user_agent", None, show=True),
        at_sign_up(accounts, _disposable(accounts["email_domain"]), "email_disposable", None, show=True),
    ]


def _disposable(domains: pa.ChunkedArray) -> pa.ChunkedArray:
    """``disposable mail`` where a domain is listed as such, else null; each distinct domain is looked up once."""
    distinct = domains.unique()
    listed = pa.array([word is not None and is_disposable(word) for word in distinct.to_pylist()], pa.bool_())
    hit = pc.is_in(domains, value_set=distinct.filter(listed), skip_nulls=True)
    return pc.if_else(hit, pa.scalar("disposable mail"), pa.scalar(None, pa.string()))


def sign_up_bursts(accounts: pa.Table, addresses: pa.Table, key: DeploymentKey) -> list[pa.Table]:
    """Sightings of bursts of sign-ups (see ``observe.signups``): which burst each account was opened in.

    ``accounts`` holds all accounts, whether they are in the logs or not: how many are opened is the population's.
    """
    # Outside these years a time is a mistake, and an aeon of empty days.
    opened = accounts["created_at"].cast(pa.int64())
    known = accounts.filter(pc.and_(pc.greater_equal(opened, _Y2000_US), pc.less(opened, _Y2100_US)))
    known = known.sort_by([("created_at", "ascending"), ("account_id", "ascending")])
    prefix = addresses["prefix"].take(pc.index_in(known["signup_ip"], value_set=addresses["ip"]))
    known = known.append_column("signup_prefix", prefix)
    created = known["created_at"].cast(pa.int64()).to_numpy()
    found = bursts(created, known.select(list(TRAITS)))
    which = np.full(known.num_rows, -1, dtype=np.int64)
    for number, burst in enumerate(found):
        which[burst.first:burst.last + 1] = number
    place = pa.array(which, mask=which < 0)
    shown = pa.array([_shown(burst) for burst in found], pa.string())
    table = at_sign_up(known, shown.take(place), "signup_burst", key)
    labels = shown.take(place.drop_null())
    return [table.set_column(table.schema.get_field_index("label"), "label", labels)]


def _shown(burst: Burst) -> str:
    """A burst as a reader sees it; distinct bursts read differently, since they do not overlap."""
    start, end = (datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")
                  for at in (burst.start_us, burst.end_us))
    expected = f"{burst.expected:.0f}" if burst.expected >= 1 else "fewer than 1"
    return f"{start} to {end} UTC: {burst.count:,} sign-ups where {expected} would be usual"
