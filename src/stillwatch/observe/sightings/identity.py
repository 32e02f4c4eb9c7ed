"""Identity family: device, phone, e-mail shape, referral and sign-up address. Never country or name."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.observe.sightings.shape import at_sign_up
from stillwatch.settings import DeploymentKey

__all__ = ["KINDS", "sightings"]

KINDS = {
    "device": ("identity", 6),
    "phone": ("identity", 5),
    "signup_ip": ("identity", 4),
    "email_pattern": ("identity", 3),
    "referral": ("identity", 2),
    "email_domain": ("identity", 1),
}


def sightings(accounts: pa.Table, addresses: pa.Table, key: DeploymentKey) -> list[pa.Table]:
    """Sightings of each identity trait; all but the e-mail domain are digests."""
    public = pc.is_in(accounts["signup_ip"],
                      value_set=addresses["ip"].filter(pc.is_valid(addresses["prefix"])))
    pattern = pc.binary_join_element_wise(accounts["email_pattern"], accounts["email_domain"], "@")
    return [
        at_sign_up(accounts, accounts["device_id"], "device", key),
        at_sign_up(accounts, accounts["phone_hash"], "phone", key),
        at_sign_up(accounts, pc.if_else(public, accounts["signup_ip"], None), "signup_ip", key),
        at_sign_up(accounts, pattern, "email_pattern", key),
        at_sign_up(accounts, accounts["referral"], "referral", key),
        at_sign_up(accounts, accounts["email_domain"], "email_domain", None, show=True),
    ]
