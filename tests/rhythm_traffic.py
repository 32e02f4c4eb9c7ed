"""Minutes of activity with a known truth: ordinary accounts, and pools behind load balancers of several designs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stillwatch.schema import RHYTHM, conform

DAY = 1440
START = 29_538_720  # a Monday, in minutes since 1970


def table(account, minute, region=None):
    """Rows of (account code, minute) → the rhythm table; minutes count from a Monday."""
    account, minute = np.asarray(account, dtype=np.int64), np.floor(minute).astype(np.int64)
    key, count = np.unique(account * 10**7 + minute, return_counts=True)
    account, minute = key // 10**7, key % 10**7
    names = np.char.add("a", np.char.zfill(account.astype(str), 7))
    regions = pa.nulls(len(account), pa.string()) if region is None else pa.array([region[i] for i in account])
    return conform(pa.table({"account_id": pa.array(names), "region": regions, "minute": pa.array(minute + START),
                             "count": pa.array(count)}), RHYTHM)


def hours(shift=0.0, weekend=0.4, night=0.15):
    """A week's rate, an hour: a day's hump, shifted by a time zone, and quieter week-ends."""
    hour = np.arange(168)
    day = night + np.exp(-0.5 * (((hour - shift) % 24 - 13) / 3.5) ** 2)
    return day * np.where(((hour - shift) % 168) < 120, 1.0, weekend)


def arrivals(rng, number, days, rate, begin=0.0, end=None, launch=None, lift=4.0):
    """``number`` minutes with the hourly rate of the week (Poisson given their number), within begin … end days."""
    end = days if end is None else end
    hour = np.arange(int(days * 24))
    begin, end = min(int(begin * 24), len(hour) - 1), int(end * 24)
    weight = rate[hour % 168] * ((hour >= begin) & (hour < max(end, begin + 1)))
    if launch is not None:
        weight = weight * np.where((hour // 24 == launch) & (hour % 24 >= 15), lift, 1.0)
    return (rng.choice(len(hour), size=number, p=weight / weight.sum()) + rng.random(number)) * 60


def volumes(rng, accounts, mean=75.0, sigma=1.5):
    """Heavy-tailed: log-normal, at least 1, at most 20,000."""
    return np.clip(rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, accounts), 1, 20_000).astype(int)


def ordinary(rng, accounts, days, zones=(0, 6, 9, 17), mean=75.0, sessions=0.4, crons=0.05, first=0):
    """Independent accounts: time zones, heavy-tailed volumes, sessions, jobs on the hour, all curious about a
    launch."""
    account, minute = [], []
    rates = [hours(zone, weekend, night) for zone in zones for weekend, night in ((0.3, 0.05), (0.9, 0.3))]
    for code, number in enumerate(volumes(rng, accounts, mean)):
        rate = rates[rng.integers(len(rates))]
        begin, end = (0.0, days) if rng.random() < 0.5 else sorted(rng.random(2) * days)
        kind = rng.random()
        if kind < crons:
            every = int(rng.choice([1, 1, 2, 6, 24, 24]))
            phase = int(rng.integers(every)) * 60 + int(rng.choice([0, 0, 0, 30, rng.integers(60)]))
            when = np.arange(int(begin * DAY), int(max(end, begin + 1) * DAY), every * 60) + phase + rng.random() * 2
        elif kind < crons + sessions:
            heads = arrivals(rng, max(1, number // 6), days, rate, begin, end, launch=days // 2)
            when = rng.choice(heads, number) + rng.exponential(12.0, number)
        else:
            when = arrivals(rng, number, days, rate, begin, end, launch=days // 2)
        account.append(np.full(len(when), first + code))
        minute.append(when)
    account, minute = np.concatenate(account), np.concatenate(minute)
    keep = (minute >= 0) & (minute < days * DAY)
    return account[keep], minute[keep]


def _queue(rng, items, days, office=False):
    """Arrival minutes of a steady queue, by night too or in office hours of working days only."""
    if not office:
        return np.sort(rng.random(items) * days * DAY)
    rate = np.where((np.arange(168) % 24 >= 9) & (np.arange(168) % 24 < 17) & (np.arange(168) < 120), 1.0, 0.0)
    return np.sort(arrivals(rng, items, days, rate))


def round_robin(rng, accounts, each, days, office=False):
    """A steady queue dealt in strict order."""
    when = _queue(rng, accounts * each, days, office)
    return np.arange(len(when)) % accounts, when


def least_loaded(rng, accounts, each, days, office=True):
    """Each item goes to the account that had fewest so far, ties at random."""
    when = _queue(rng, accounts * each, days, office)
    return np.concatenate([rng.permutation(accounts) for _ in range(each)]), when


def bursts(rng, accounts, each, days, items=300, fired=5.0, deal="random"):
    """Jobs of so many items, each fired over ``fired`` minutes at any time of day, dealt at random or in turn."""
    total = accounts * each
    jobs = -(-total // items)
    starts = np.sort(rng.random(jobs) * (days * DAY - fired))
    when = np.sort(np.repeat(starts, items)[:total] + rng.random(total) * fired)
    who = rng.integers(accounts, size=total) if deal == "random" else np.arange(total) % accounts
    return who, when


BALANCERS = {
    "round_robin": lambda rng, n, each, days: round_robin(rng, n, each, days),
    "round_robin_office": lambda rng, n, each, days: round_robin(rng, n, each, days, office=True),
    "bursts": lambda rng, n, each, days: bursts(rng, n, each, days),
    "bursts_small_slow": lambda rng, n, each, days: bursts(rng, n, each, days, items=150, fired=15.0),
    "bursts_in_turn": lambda rng, n, each, days: bursts(rng, n, each, days, items=300, fired=8.0, deal="turn"),
    "least_loaded_office": lambda rng, n, each, days: least_loaded(rng, n, each, days),
    "least_loaded_steady": lambda rng, n, each, days: least_loaded(rng, n, each, days, office=False),
}


def planted(seed, balancer, accounts=20_000, pool=200, each=60, days=28, mean=75.0):
    """(rhythm table, names of the pool's accounts)."""
    rng = np.random.default_rng([seed, days, pool])
    account, minute = ordinary(rng, accounts, days, mean=mean)
    who, when = BALANCERS[balancer](rng, pool, each, days)
    rows = table(np.concatenate([account, who + accounts]), np.concatenate([minute, when]))
    return rows, {f"a{code:07d}" for code in range(accounts, accounts + pool)}
