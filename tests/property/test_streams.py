"""Streams against known truth: each member's share of own work, and what is relayed through it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.engine import connect
from stillwatch.link import attributed, separate

MEMBERS = 40
SEEDS = range(10, 15)


def counted(sent, names=str):
    """Content of (account, template, system, own) exchanges: one row a content, and how many of it were own."""
    rows = {}
    for account, template, system, own in sent:
        entry = rows.setdefault((names(account), template, system), [0, 0])
        entry[0] += 1
        entry[1] += own
    keys = list(rows)
    table = pa.table({"account_id": pa.array([key[0] for key in keys], pa.string()),
                      "template_id": pa.array([key[1] for key in keys], pa.string()),
                      "system_id": pa.array([key[2] for key in keys], pa.string()),
                      "count": pa.array([rows[key][0] for key in keys], pa.int64())})
    return table, np.array([rows[key][1] for key in keys])


def mixture(seed, *, wordings=12, exchanges=200, others=260):
    """Members with own shares π of their own, which send ``wordings`` of a work list, else what everybody sends.

    Everybody sends forty common families of prompts, of Zipf's frequencies, and text of no family.
    """
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.1, 0.95, MEMBERS)
    popular = 1.0 / np.arange(1, 41)
    popular /= popular.sum()
    sent = []
    for account in range(MEMBERS + others):
        own = rng.random(exchanges) < (share[account] if account < MEMBERS else 0.0)
        work = rng.integers(wordings, size=exchanges)
        common = rng.choice(40, size=exchanges, p=popular)
        loose = rng.random(exchanges) < 0.4
        for mine, item, theme, no_family in zip(own, work, common, loose, strict=True):
            template = f"own{item}" if mine else None if no_family else f"common{theme}"
            sent.append((account, template, "list" if mine and item % 2 else None, bool(mine)))
    return sent, share


def members(names=str):
    return pa.array([names(account) for account in range(MEMBERS)])


def judged(sent, names=str):
    """The stream, its content's exchanges and those that were own, row by row, and the members' place."""
    content, own = counted(sent, names)
    inside = pc.is_in(content["account_id"], value_set=members(names))
    stream = separate(content, members(names))
    mine = content.filter(inside)
    assert stream.table.drop_columns(["own"]).num_rows == mine.num_rows
    return stream, mine["count"].to_numpy(), own[inside.to_numpy()]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wordings", [3, 12, 300])
def test_every_members_share_is_found(seed, wordings):
    """With one wording for hundreds of requests, and with 300 of which a member sends some once or never."""
    sent, share = mixture(seed, wordings=wordings)
    stream, count, _ = judged(sent)
    account = np.array([int(name) for name in stream.table["account_id"].to_pylist()])
    own = np.bincount(account, weights=stream.table["own"].to_numpy() * count) / np.bincount(account, weights=count)
    error = np.abs(own - share)
    print(f"seed {seed}, {wordings} wordings: worst error {error.max():.3f}, mean {error.mean():.3f}")
    # A share seen in 200 exchanges has a standard deviation of up to 0.035.
    assert error.max() <= 4 * 0.036
    assert error.mean() <= 0.04
    assert stream.share == pytest.approx(share.mean(), abs=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_relayed_exchanges_are_attributed_to_nobody(seed):
    """An exchange is attributed where it is more probably own than not: at most two per cent of those relayed."""
    stream, count, own = judged(mixture(seed)[0])
    taken = stream.table["own"].to_numpy() >= 0.5
    relayed = count - own
    wrong, found = relayed[taken].sum() / relayed.sum(), own[taken].sum() / own.sum()
    print(f"seed {seed}: {wrong:.4f} of the relayed and {found:.4f} of the own exchanges attributed")
    assert wrong <= 0.02
    assert found >= 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_work_that_customers_also_send_is_shared_out_by_how_much_each_member_sends(seed):
    """A third of the work list is what everybody sends: of that, a member who mostly harvests owns more.

    What is sent either way cannot all be told apart: a few per cent of what is relayed goes with it.
    """
    sent, share = mixture(seed, wordings=6)
    renamed = {"own0": "common20", "own1": "common21"}
    sent = [(account, renamed.get(template, template), None if template in renamed else system, own)
            for account, template, system, own in sent]
    stream, count, own = judged(sent)
    taken = stream.table["own"].to_numpy() >= 0.5
    relayed = count - own
    print(f"seed {seed}: {relayed[taken].sum() / relayed.sum():.4f} of the relayed attributed")
    assert relayed[taken].sum() / relayed.sum() <= 0.04
    rows = stream.table.append_column("count", pa.array(count)).filter(pc.equal(stream.table["template_id"],
                                                                                "common20"))
    of = np.array([share[int(name)] for name in rows["account_id"].to_pylist()])
    assert np.corrcoef(of, rows["own"].to_numpy())[0, 1] > 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_names_and_order_change_nothing(seed):
    sent, _ = mixture(seed, exchanges=60)
    rng = np.random.default_rng([seed, 1])
    place = rng.permutation(MEMBERS + 260)

    def named(account):
        return f"n{place[account]:03d}"

    content, _ = counted(sent)
    other, _ = counted([sent[at] for at in rng.permutation(len(sent))], named)
    one, two = separate(content, members()), separate(other, pa.array(rng.permutation(members(named).to_pylist())))
    assert one.share == pytest.approx(two.share, abs=1e-9)
    found, again = ({(a, t, s): own for a, t, s, own in zip(*stream.table.to_pydict().values(), strict=True)}
                    for stream in (one, two))
    back = {named(account): str(account) for account in range(MEMBERS + 260)}
    assert {(back[a], t, s): own for (a, t, s), own in again.items()} == pytest.approx(found, abs=1e-9)


def test_what_one_member_alone_sends_and_what_has_no_family_is_nobodys_own():
    sent, _ = mixture(10, exchanges=60)
    sent += [(3, "alone", None, True)] * 50
    table = judged(sent)[0].table
    own = dict(zip(zip(*(table[name].to_pylist() for name in ("account_id", "template_id", "system_id")), strict=True),
                   table["own"].to_pylist(), strict=True))
    assert own["3", "alone", ""] == 0.0
    assert all(share == 0.0 for (_, template, system), share in own.items() if not template and not system)


def test_a_group_that_sends_nothing_and_logs_of_members_alone():
    content, _ = counted(mixture(10, exchanges=20, others=5)[0])
    nothing = separate(content, pa.array(["nobody"]))
    assert nothing.table.num_rows == 0
    assert nothing.share == 0.0
    alone = separate(content.filter(pc.is_in(content["account_id"], value_set=members())), members())
    assert ((alone.table["own"].to_numpy() >= 0) & (alone.table["own"].to_numpy() <= 1)).all()


def an_attribution(own, chance, has_text=True):
    """Groups of each exchange where accounts x and y sent the same text, by own shares and memberships.

    ``own`` and ``chance`` are by (group, account); exchanges are named by account and row.
    """
    with connect() as engine:
        digest = "d1" if has_text else None
        staged = engine.table(pa.table({
            "source_file": ["f"] * 4, "source_row": [0, 1, 2, 3], "account_id": ["x", "x", "y", "z"],
            "text_digest": pa.array([digest] * 4, pa.string()), "structure_capability": ["vision"] * 4,
            "structure_probability": [0.3] * 4}))
        texts = engine.table(pa.table({"text_digest": ["d1"], "template_id": ["t"],
                                       "system_id": pa.array([None], pa.string()), "capability": ["coding"],
                                       "probability": [0.8], "harvest": [0.5]}))
        members = pa.table({"group_id": [g for g, _ in chance], "account_id": [a for _, a in chance],
                            "probability": list(chance.values())})
        streams = pa.table({"group_id": [g for g, _ in own], "account_id": [a for _, a in own],
                            "template_id": ["t"] * len(own), "system_id": [""] * len(own), "own": list(own.values())})
        rows = engine.arrow(attributed(engine, staged, texts, members, streams)).to_pylist()
        asked = {(row["capability"], row["capability_probability"]) for row in rows}
        # What is asked for is the text's to say, and the structure's where there is none.
        assert asked == {("coding", 0.8) if has_text else ("vision", 0.3)}
        return {(row["account_id"], row["source_row"]): (row["group_id"], round(row["chance"], 6)) for row in rows}


def test_one_text_is_one_members_work_and_anothers_relayed_traffic():
    """The share is the member's own: what x sends for the group, y only relays; z is no member."""
    own = {("g", "x"): 0.9, ("g", "y"): 0.3}
    found = an_attribution(own, {("g", "x"): 0.8, ("g", "y"): 1.0})
    assert found == {("x", 0): ("g", 0.72), ("x", 1): ("g", 0.72)}


def test_of_two_groups_the_more_probable_has_an_exchange_and_ties_go_by_name():
    own = {(g, a): 1.0 for g in "gh" for a in "xy"}
    found = an_attribution(own, {("g", "x"): 0.6, ("h", "x"): 0.9, ("g", "y"): 0.7, ("h", "y"): 0.7})
    assert found == {("x", 0): ("h", 0.9), ("x", 1): ("h", 0.9), ("y", 2): ("g", 0.7)}


def test_without_text_an_exchange_is_the_groups_as_surely_as_its_account_is():
    found = an_attribution({("g", "x"): 0.0}, {("g", "x"): 0.8, ("g", "y"): 0.4}, has_text=False)
    assert found == {("x", 0): ("g", 0.8), ("x", 1): ("g", 0.8)}
