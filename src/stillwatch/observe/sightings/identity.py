"""Identity family: device, phone, e-mail shape, referral and sign-up address. Never country or name."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.observe.sightings.shape import at_sign_up
from stillwatch.settings import DeploymentKey

__all__ = ["sightings"]


def sightings(accounts: pa.Table, addresses: pa.Table, key: DeploymentKey) -> list[pa.Table]:
    """Sightings of each identity trait; all but the e-mail domain are digests."""
    address = addresses["address"].take(pc.index_in(accounts["signup_ip"], value_set=addresses["ip"]))
    pattern = pc.binary_join_element_wise(accounts["email_pattern"], accounts["email_domain"], "@")
    return [
        at_sign_up(accounts, accounts["device_id"], "device", key),
        at_sign_up(accounts, accounts["phone_hash"], "phone", key),
        at_sign_up(accounts, address, "signup_ip", key),
        at_sign_up(accounts, pattern, "email_pattern", key),
        at_sign_up(accounts, accounts["referral"], "referral", key),
        at_sign_up(accounts, accounts["email_domain"], "email_domain", None, show=True),
    ]
