"""Accounts of one actor: who they are to the provider, and the habits of their clients."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from stillwatch.proof.draws import Floats, Ints, hexes, mix, permuted, sub
from stillwatch.proof.world import CHANNELS, DAY, REGIONS, World, exact_share

__all__ = ["DOMAINS", "LANGUAGES", "Accounts", "settle"]

# Mail domains under reserved names: nobody's.
DOMAINS = ("mail.example", "post.example", "inbox.example", "letters.example", "box.test", "webmail.test")
_PATTERNS = ("aaaa.aaaaaa", "aaaaaa", "aaaaaaa99", "a.aaaaaaa", "aaaa.aaaaaaa99", "aaaaa_aaaa", "aaaaaaaaa", "aaa9",
             "aaaaaaaa99", "aaaaaaaa9999", "aaaaaa.a", "aaaaa.aaaaaaaa")
# Countries of ordinary accounts with their weight, offset from UTC in hours and language.
_COUNTRIES: dict[str, tuple[float, float, str]] = {
    "US": (22, -6, "en"), "GB": (6, 0, "en"), "CA": (4, -5, "en"), "AU": (3, 10, "en"), "DE": (8, 1, "de"),
    "FR": (6, 1, "fr"), "ES": (4, 1, "es"), "MX": (3, -6, "es"), "CO": (2, -5, "es"), "AR": (2, -3, "es"),
    "IT": (3, 1, "en"), "NL": (3, 1, "en"), "PL": (3, 1, "en"), "SE": (2, 1, "en"), "BR": (5, -3, "pt"),
    "CN": (7, 8, "zh"), "JP": (3, 9, "en"), "KR": (3, 9, "en"), "IN": (9, 5.5, "hi"), "TR": (2, 3, "en"),
    "AE": (2, 4, "ar"), "SA": (2, 3, "ar"), "EG": (2, 2, "ar"), "ZA": (2, 2, "en"), "VN": (2, 7, "en"),
}
LANGUAGES = ("en", "zh", "de", "es", "ar", "hi", "fr", "pt")


@dataclass
class Accounts:
    """Accounts of one actor, one array a property; actors change what sets them apart."""

    ids: pa.Array
    created: Ints
    kind: np.ndarray[Any, Any]
    country: np.ndarray[Any, Any]
    domain: np.ndarray[Any, Any]
    pattern: np.ndarray[Any, Any]
    payment: Ints
    phone: Ints
    device: Ints
    signup_address: Ints
    signup_client: Ints
    referral: np.ndarray[Any, Any]
    organization: np.ndarray[Any, Any]
    verified: np.ndarray[Any, Any]
    app: np.ndarray[Any, Any]
    client: Ints
    channel: Ints
    region: Ints
    offset: Floats
    language: Ints
    home: Ints
    lease: Floats
    mobile: Ints
    mobile_share: Floats
    temperature: Floats
    top_p: Floats
    max_tokens: Ints
    n: Ints
    effort: Ints
    logprobs: Ints
    streaming: Floats
    passes_user: np.ndarray[Any, Any]
    own_system: np.ndarray[Any, Any]
    offers_tools: np.ndarray[Any, Any]
    batches: np.ndarray[Any, Any]
    wants_json: np.ndarray[Any, Any]
    keys: Ints
    output_bias: Floats
    vpn: np.ndarray[Any, Any]

    def take(self, chosen: Ints) -> Accounts:
        """The chosen accounts, as another actor that uses them sees them."""
        return Accounts(**{
            field.name: value.take(pa.array(chosen)) if isinstance(value := getattr(self, field.name), pa.Array)
            else value[chosen].copy() for field in fields(Accounts)})

    def __len__(self) -> int:
        return len(self.created)


def _countries(rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    names = np.array(list(_COUNTRIES), dtype=object)
    weights = np.array([row[0] for row in _COUNTRIES.values()])
    return rng.choice(names, size=count, p=weights / weights.sum())


def place(accounts: Accounts, world: World, rng: np.random.Generator, country: np.ndarray[Any, Any]) -> None:
    """Give accounts a country, and with it a time zone, a language, a home and a mobile network."""
    count = len(country)
    accounts.country = country
    accounts.offset = np.array([_COUNTRIES[c][1] for c in country], dtype=np.float64)
    spoken = np.array([LANGUAGES.index(_COUNTRIES[c][2]) for c in country], dtype=np.int64)
    accounts.language = np.where(rng.random(count) < 0.85, spoken, 0)
    for kind, field in (("residential", "home"), ("mobile", "mobile")):
        chosen = np.empty(count, dtype=np.int64)
        for name in sorted(set(country)):
            numbers = world.networks.of(kind, name)
            rows = np.flatnonzero(country == name)
            chosen[rows] = numbers[rng.integers(0, len(numbers), len(rows))]
        setattr(accounts, field, chosen)


def settle(world: World, name: str, count: int, first: int, app_share: float) -> Accounts:
    """Ordinary accounts; ``first`` is the number of the first of them among all of the simulation.

    Habits that say nothing about what an account is (which parameters are sent, what was recorded at
    sign-up) are drawn alike for every actor, in exact shares, so that their presence gives nobody away.
    """
    rng = world.rng(name, "accounts")
    numbers = np.arange(first, first + count)
    app = exact_share(rng, np.zeros(count, dtype=bool), app_share)
    recent = rng.random(count) < 0.25
    age = np.where(recent, rng.uniform(0, world.days, count), rng.gamma(1.5, 200.0, count))
    empty = np.array([None] * count, dtype=object)
    accounts = Accounts(
        ids=hexes(permuted(world.key("account ids"), numbers, 48), "acct_", 12),
        created=np.minimum(world.start + (rng.uniform(0, 2, count) * DAY).astype(np.int64)
                           - (age * DAY).astype(np.int64), world.end - 1),
        kind=np.array(["individual"] * count, dtype=object),
        country=empty.copy(), organization=empty.copy(),
        app=app, client=world.clients.draw(app, rng),
        channel=np.where(app, CHANNELS.index("app"),
                         rng.choice([0, 2, 3, 4], size=count, p=[0.85, 0.06, 0.04, 0.05])),
        region=rng.choice(len(REGIONS), size=count, p=[0.4, 0.15, 0.3, 0.15]),
        offset=np.zeros(count), language=np.zeros(count, dtype=np.int64),
        home=np.zeros(count, dtype=np.int64), lease=np.exp(rng.normal(1.6, 0.9, count)),
        mobile=np.zeros(count, dtype=np.int64), mobile_share=rng.beta(1.0, 3.0, count),
        vpn=np.zeros(count, dtype=bool),
        **_recorded(world, rng, numbers), **_habits(rng, app),
    )
    place(accounts, world, rng, _countries(rng, count))
    signed = exact_share(rng, app, 0.95)
    at_home = world.networks.hosts(accounts.home, mix(sub(world.key(name), "signup"), numbers))
    accounts.signup_address = np.where(signed, at_home, -1)
    return accounts


def _recorded(world: World, rng: np.random.Generator, numbers: Ints) -> dict[str, Any]:
    """What the provider recorded at sign-up."""
    count = len(numbers)
    every = np.zeros(count, dtype=bool)

    def identity(purpose: str, share: float) -> Ints:
        drawn = (mix(world.key("identity", purpose), numbers) >> np.uint64(2)).astype(np.int64)
        return np.where(exact_share(rng, every, share), drawn, -1)

    codes = np.array(["SPRING10", "FRIEND5", "PODCAST", "LAUNCH", "BACKTOWORK"], dtype=object)
    referral = rng.choice(codes, size=count)
    referral[~exact_share(rng, every, 0.08)] = None
    return {
        "domain": rng.choice(np.array(DOMAINS, dtype=object), size=count, p=[0.36, 0.22, 0.16, 0.1, 0.1, 0.06]),
        "pattern": rng.choice(np.array(_PATTERNS, dtype=object), size=count),
        "payment": identity("payment", 0.88),
        "phone": identity("phone", 0.7),
        "device": identity("device", 0.8),
        "signup_address": np.full(count, -1, dtype=np.int64),
        "signup_client": world.clients.draw(~every, rng),
        "referral": referral,
        "verified": exact_share(rng, every, 0.3),
    }


def _habits(rng: np.random.Generator, app: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Which parameters an account's client sends, and with which values."""
    count = len(app)

    def sent(share: float, values: Any, missing: float, weights: Any = None) -> Any:
        return np.where(exact_share(rng, app, share), rng.choice(values, size=count, p=weights), missing)

    return {
        "temperature": sent(0.45, [0.0, 0.2, 0.3, 0.6, 0.7, 0.8, 1.0], np.nan,
                            [0.2, 0.12, 0.08, 0.12, 0.25, 0.08, 0.15]),
        "top_p": sent(0.2, [0.9, 0.95, 1.0], np.nan),
        "max_tokens": sent(0.6, [512, 1024, 2048, 4096, 8192, 16384], -1),
        "n": sent(0.15, [1], -1),
        "effort": sent(0.25, [0, 1, 2], -1),
        "logprobs": sent(0.1, [0, 1], -1),
        "streaming": np.clip(rng.beta(0.6, 0.6, count), 0.0, 1.0),
        "passes_user": exact_share(rng, app, 0.15),
        "own_system": exact_share(rng, app, 0.6),
        "offers_tools": exact_share(rng, app, 0.2),
        "batches": exact_share(rng, app, 0.08),
        "wants_json": exact_share(rng, app, 0.08) & ~app,
        "keys": rng.geometric(0.75, count).astype(np.int64),
        "output_bias": rng.normal(0.0, 0.4, count),
    }
