"""Sightings of every family on tables small enough to say what must come out."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.engine import connect
from stillwatch.observe import Observed, blocks, fixed_sightings, moving_sightings, sampling
from stillwatch.observe.mail import is_disposable
from stillwatch.observe.sightings.identity import sign_up_bursts
from stillwatch.schema import (
    ACCOUNTS,
    ADDRESSES,
    BLOCKS,
    FAMILY,
    FAMILY_OF,
    SAMPLING,
    SIGHTING_KIND,
    STAGED,
    conform,
    empty,
)
from stillwatch.settings import DeploymentKey

KEY = DeploymentKey(bytes(32))
DAY = 86_400_000_000
HOUR = DAY // 24
START = 20_000 * DAY


def table(rows, schema):
    return conform(pa.Table.from_pylist(rows, schema=pa.schema(
        [field for field in schema.arrow if field.name in {name for row in rows for name in row}])), schema)


def block(account, ip, days, **more):
    return {"account_id": account, "ip": ip, "prefix": ip and ip[:2], "asn": "1", "days": days, "count": len(days),
            "first_seen": days[0] * DAY, "last_seen": days[-1] * DAY + HOUR, **more}


def spells(rows):
    seen = moving_sightings(table(rows, BLOCKS), empty(ADDRESSES))
    return {(row["account_id"], row["value"]) for row in seen.to_pylist() if row["kind"] == "ip_spell"}


def staged(engine, rows):
    plain = {"source_file": 0, "source_row": 1, "id_digest": 1, "content_digest": 1}
    return engine.table(table([plain | {"exchange_id": str(n), "ts": row["at"], "ts_us": row.pop("at")} | row
                               for n, row in enumerate(rows)], STAGED))


def test_every_kind_has_a_family_and_every_level_of_a_family_one_kind():
    assert set(FAMILY_OF) == set(SIGHTING_KIND)
    assert {family for family, _ in FAMILY_OF.values()} <= set(FAMILY)
    assert len(set(FAMILY_OF.values())) == len(FAMILY_OF)


def test_an_address_that_changed_hands_is_two_spells():
    """a and b in week 1, c and d in week 5: each pair is a spell; e was alone in between and is in none."""
    rows = [block("a", "ip1", [1, 2, 3]), block("b", "ip1", [3, 4]), block("c", "ip1", [30, 33]),
            block("d", "ip1", [33]), block("e", "ip1", [10])]
    assert spells(rows) == {("a", "ip1@1"), ("b", "ip1@1"), ("c", "ip1@30"), ("d", "ip1@30")}


def test_a_spell_of_all_of_an_address_says_no_more_than_the_address():
    assert spells([block("a", "ip1", [1, 2]), block("b", "ip1", [2, 5]), block("c", "ip1", [5])]) == set()


def test_days_alone_join_nobody():
    """The same days at other addresses, and blocks without address or days, are in no spell."""
    rows = [block("a", "ip1", [1]), block("b", "ip2", [1]), block("c", None, [1]), block("d", "ip1", [9])]
    assert spells(rows) == set()
    assert spells([{"account_id": "a", "count": 1}]) == set()


def test_spells_join_over_clients_and_days_in_a_chain():
    """One account's two clients are one account; a–b and b–c meet on different days and are one spell."""
    rows = [block("a", "ip1", [1], ja4="x"), block("a", "ip1", [2], ja4="y"), block("b", "ip1", [2, 6]),
            block("c", "ip1", [6]), block("z", "ip1", [20])]
    assert spells(rows) == {("a", "ip1@1"), ("b", "ip1@1"), ("c", "ip1@1")}


@pytest.mark.parametrize("seed", range(5))
def test_spells_against_brute_force_and_in_any_order(seed):
    """Against union by repeated passes; row order and accounts' names do not matter."""
    rng = np.random.default_rng(seed)
    rows = [block(f"a{rng.integers(12)}", f"ip{rng.integers(4)}", sorted({*rng.integers(25, size=2).tolist()}))
            for _ in range(40)]
    expected = set()
    for ip in {row["ip"] for row in rows}:
        days = {}
        for row in rows:
            if row["ip"] == ip:
                days.setdefault(row["account_id"], set()).update(row["days"])
        groups = [({account}, set(own)) for account, own in days.items()]
        merged = True
        while merged:
            merged = False
            for i, j in ((hi, lo) for hi in range(len(groups)) for lo in range(hi)):
                if groups[i][1] & groups[j][1]:
                    groups[j] = (groups[i][0] | groups[j][0], groups[i][1] | groups[j][1])
                    del groups[i]
                    merged = True
                    break
        expected |= {(account, f"{ip}@{min(own)}") for accounts, own in groups if 2 <= len(accounts) < len(days)
                     for account in accounts}
    assert spells(rows) == expected
    assert spells([rows[i] for i in rng.permutation(len(rows))]) == expected


def test_blocks_keep_the_days_in_order():
    with connect() as engine:
        rows = staged(engine, [{"account_id": "a", "at": START + day * DAY} for day in (5, 1, 1, 3)]
                      + [{"account_id": "b", "at": START}, {"account_id": "unknown", "at": START}])
        seen = blocks(engine, rows, empty(ADDRESSES), KEY)
    assert {row["account_id"]: row["days"] for row in seen.to_pylist()} == {
        "a": [20_001, 20_003, 20_005], "b": [20_000]}


def test_clients_are_seen_as_strings_library_and_platform():
    rows = [block("a", "ip1", [1], user_agent="OpenAI/Python 2.30.0", sdk="os=Linux;arch=x64"),
            block("a", "ip2", [2], user_agent="OpenAI/Python 2.30.1"), block("b", "ip1", [1])]
    seen = [row for row in moving_sightings(table(rows, BLOCKS), empty(ADDRESSES)).to_pylist()
            if FAMILY_OF[row["kind"]][0] == "client"]
    assert {(row["account_id"], row["kind"], row["value"], row["count"]) for row in seen} == {
        ("a", "user_agent", "OpenAI/Python 2.30.0", 1), ("a", "user_agent", "OpenAI/Python 2.30.1", 1),
        ("a", "sdk", "os=Linux;arch=x64", 1), ("a", "client_library", "openai/python 2.30", 2),
        ("a", "client_platform", "linux x64", 1)}
    assert all(row["label"] == row["value"] for row in seen)


def habits(rows):
    with connect() as engine:
        found = sampling(engine, staged(engine, rows), KEY)
    return conform(found, SAMPLING).to_pylist()


def calls(account, count, **parameters):
    return [{"account_id": account, "at": START + n * HOUR, **parameters} for n in range(count)]


def test_a_habit_is_an_exact_tuple_used_often_enough():
    """a: 20 of one tuple, 3 of another, 2 of a third; b: the first of a's; c: 3 of 40 are a trial."""
    main = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 4096, "tools": ["run", "look"]}
    found = habits(calls("a", 20, **main) + calls("a", 3, temperature=0.0) + calls("a", 2, n=4)
                   + calls("b", 3, **main) + calls("c", 37, stream=True) + calls("c", 3, temperature=0.0)
                   + calls("unknown", 9, **main))
    per_account = {name: {row["label"]: row for row in found if row["account_id"] == name} for name in "abc"}
    shown = "temperature 0.7, top_p 0.95, max_tokens 4096, 2 tools"
    assert {name: set(rows) for name, rows in per_account.items()} == {
        "a": {shown, "temperature 0"}, "b": {shown}, "c": {"stream yes"}}
    assert len(found) == 4
    one, other = per_account["a"][shown], per_account["b"][shown]
    assert one["habit"] == other["habit"] != per_account["a"]["temperature 0"]["habit"]
    assert (one["count"], other["count"]) == (20, 3)
    assert "run" not in shown
    assert len(one["habit"]) >= 16


def test_tuples_that_read_alike_are_one_habit_and_others_are_not():
    same = habits(calls("a", 3, temperature=0.0, tools=[]) + calls("b", 3, temperature=-0.0)
                  + calls("c", 3, temperature=0.7) + calls("d", 3, temperature=0.7 + 1e-12))
    habit = {row["account_id"]: row["habit"] for row in same}
    assert habit["a"] == habit["b"] != habit["c"] == habit["d"]
    # What a client chooses freely cannot make one tuple pass for another.
    hostile = habits(calls("a", 3, reasoning_effort="low;stream=3:yes")
                     + calls("b", 3, reasoning_effort="low", stream=True)
                     + calls("c", 3, tools=["x,1:y"]) + calls("d", 3, tools=["x", "y"])
                     + calls("e", 3, temperature=math.nan)
                     + calls("f", 3, temperature=math.inf, tools=[None, "z" * 9_999]))
    assert len({row["habit"] for row in hostile}) == 6
    assert all(len(row["label"]) < 300 for row in hostile)


def test_parameters_that_no_record_has_are_no_habit():
    assert habits(calls("a", 9) + calls("b", 9)) == []


def test_work_on_random_parameters_is_bounded():
    rng = np.random.default_rng(5)
    rows = [{"account_id": "a", "at": START + n, "max_tokens": int(rng.integers(30))} for n in range(3_000)]
    assert len(habits(rows)) <= 10
    assert habits([{"account_id": "a", "at": START + n, "max_tokens": n} for n in range(3_000)]) == []


@pytest.mark.parametrize(("domain", "listed"), [
    ("mailinator.com", True), ("MAILINATOR.com.", True), ("x.y.mailinator.com", True), ("mailinator.example", False),
    ("com", False), ("", False), (".", False), ("mail.example", False), ("a." * 5_000 + "mailinator.com", False),
])
def test_disposable_domains(domain, listed):
    assert is_disposable(domain) is listed


@given(st.text(max_size=400))
def test_disposable_never_raises(domain):
    assert is_disposable(domain) in (True, False)


def observed(accounts, seen):
    own = table([block(name, None, [20_000]) for name in seen], BLOCKS)
    return fixed_sightings(Observed(own, None, accounts, empty(ADDRESSES)), KEY).to_pylist()


def opened(name, at, domain="mail.test", **more):
    return {"account_id": name, "created_at": at, "email_domain": domain, "email_pattern": "aaa9", **more}


def town(rng, batch=40):
    """400 accounts over 200 days, and a batch of one domain in three hours."""
    rows = [opened(f"t{n:03}", START + int(rng.integers(200 * DAY)), rng.choice(["mail.test", "post.test"]))
            for n in range(400)]
    at = START + 150 * DAY
    return rows + [opened(f"z{n:03}", at + int(rng.integers(3 * HOUR)), "quick.test") for n in range(batch)]


def bursts_of(rows, seen=None):
    found = observed(table(rows, ACCOUNTS), seen or [row["account_id"] for row in rows])
    return {row["account_id"]: row for row in found if row["kind"] == "signup_burst"}


def test_a_batch_of_sign_ups_is_one_value_of_the_accounts_in_it():
    found = bursts_of(town(np.random.default_rng(1)))
    batch = {name for name in found if name.startswith("z")}
    assert len(batch) == 40
    assert len(found) - 40 <= 3
    assert len({row["value"] for row in found.values()}) == 1
    label = found["z000"]["label"]
    assert f"{len(found)} sign-ups where fewer than 1 would be usual" in label
    assert found["z000"]["value"] not in label


def test_a_burst_is_the_populations_not_that_of_the_accounts_in_the_logs():
    """Only accounts in the logs are seen in it; those outside the logs still count in it."""
    rows = town(np.random.default_rng(2))
    whole = bursts_of(rows)
    some = [row["account_id"] for row in rows][::2]
    assert set(bursts_of(rows, some)) == set(whole) & set(some)
    # Of the batch only few are in the logs: too few to be a burst, had only these been looked at.
    assert set(bursts_of(rows, ["z000", "z001", "t000"])) >= {"z000", "z001"}


def test_bursts_do_not_depend_on_names_or_order():
    rng = np.random.default_rng(3)
    rows = [row | {"created_at": row["created_at"] // HOUR * HOUR} for row in town(rng)]  # many ties
    found = {name: row["value"] for name, row in bursts_of(rows).items()}
    assert found
    names = rng.permutation(len(rows))
    new_name = {row["account_id"]: f"n{names[n]:04}" for n, row in enumerate(rows)}
    renamed = [rows[n] | {"account_id": new_name[rows[n]["account_id"]]} for n in rng.permutation(len(rows))]
    assert {name: row["value"] for name, row in bursts_of(renamed).items()} == {
        new_name[name]: value for name, value in found.items()}


def test_identity_is_seen_as_it_should_be():
    """Readable: domains, sign-up agents and disposable mail. Digested: the rest. Never country or organisation."""
    accounts = table([opened("a", START, "mailinator.com", signup_user_agent="curl/8", referral="SPRING",
                             device_id="d1", phone_hash="p1", country="XX", billing_country="XX",
                             organization="Slate and Fern"),
                      opened("b", None, None, signup_user_agent=None)], ACCOUNTS)
    found = observed(accounts, ["a", "b"])
    shown = {row["kind"]: (row["value"], row["label"]) for row in found if row["label"]}
    assert shown == {"email_domain": ("mailinator.com",) * 2, "signup_user_agent": ("curl/8",) * 2,
                     "email_disposable": ("disposable mail",) * 2}
    kinds = {row["kind"] for row in found if row["account_id"] == "a"}
    assert kinds == {*shown, "device", "phone", "email_pattern", "referral"}
    assert {row["kind"] for row in found if row["account_id"] == "b"} == set()
    secret = {"d1", "p1", "SPRING", "aaa9@mailinator.com", "XX", "Slate and Fern"}
    assert not secret & {row["value"] for row in found}


def test_times_that_are_mistakes_make_no_burst():
    """Years outside 2000–2100 and missing times; a span of aeons takes no memory."""
    rows = [opened(f"a{n}", at) for n, at in enumerate([-(2**62), 2**62, 0, None, *range(30)])]
    assert [found.num_rows for found in sign_up_bursts(table(rows, ACCOUNTS), empty(ADDRESSES), KEY)] == [0]
