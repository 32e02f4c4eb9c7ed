"""The case store: acts and their rules, the audit that nobody can change, erasure, migrations."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest
import sqlalchemy as sa
from rich.text import Text

from cases_fixture import ANN, BOB, EVIDENCE_ROWS, campaign, names, seen, tables
from stillwatch.cases import desk
from stillwatch.cases.desk import Act, open_store
from stillwatch.cases.reading import read_rulings
from stillwatch.cases.sample import draw
from stillwatch.cases.store import MIGRATIONS
from stillwatch.cases.tables import metadata
from stillwatch.errors import InputError, UsageError
from stillwatch.report.cases import render_case, render_history
from stillwatch.schema import CAMPAIGNS


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "cases.db", create=True)


def opened(store, accounts, ident="c1", **more):
    return str(desk.open_case(store, seen(accounts, ident, **more), ANN).case_id)


def states(store):
    return {str(row["case_id"]): row["state"] for row in desk.list_cases(store)}


def test_the_migrated_tables_are_the_declared_ones(store):
    with store.reading() as connection:
        found = sa.inspect(connection)
        for name, table in metadata.tables.items():
            here = {c["name"]: (str(c["type"]), c["nullable"]) for c in found.get_columns(name)}
            declared = {c.name: (str(c.type), bool(c.nullable)) for c in table.columns}
            assert here == declared, name
            assert found.get_pk_constraint(name)["constrained_columns"] == [c.name for c in table.primary_key]
        assert set(found.get_table_names()) == {*metadata.tables, "alembic_version"}


def test_a_decision_is_in_the_history_with_who_when_why_and_what_it_changed(store):
    case = opened(store, names(0, 5))
    desk.dismiss(store, case, Act(" Bob ", "one household"), "shared_network")
    entry = desk.history(store, case)[-1]
    assert (entry["by"], entry["why"], entry["act"]) == ("Bob", "one household", "dismiss")
    assert entry["before"] == {"state": "open"}
    assert entry["after"] == {"state": "dismissed", "verdict": "shared_network", "snapshot": 1}
    assert entry["at"].endswith("+00:00")
    assert not entry["changed"]
    shown = desk.show_case(store, "c1")
    assert (shown["state"], shown["decided_by"], shown["verdict"]) == ("dismissed", "Bob", "shared_network")
    assert [row["account_id"] for row in shown["accounts"]] == names(0, 5)


@pytest.mark.parametrize("statement", [
    "UPDATE audit SET by = 'nobody'", "DELETE FROM audit", "UPDATE audit SET entry = entry + 10",
    "INSERT OR REPLACE INTO audit (entry, at, by, act) VALUES (1, 'x', 'x', 'note')",
])
def test_no_entry_of_the_audit_can_be_changed_or_deleted(store, statement):
    opened(store, names(0, 5))
    before = desk.history(store)
    with sqlite3.connect(store.path) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert desk.history(store) == before


def test_a_decision_stands_until_it_is_appealed(store):
    case = opened(store, names(0, 5))
    desk.confirm(store, case, ANN)
    for again in (lambda: desk.dismiss(store, case, BOB), lambda: desk.confirm(store, case, BOB)):
        with pytest.raises(UsageError, match="confirmed already"):
            again()
    desk.appeal(store, case, BOB)
    assert states(store) == {case: "appealed"}
    with pytest.raises(UsageError, match="same person"):
        desk.confirm(store, case, Act("ANN", "still right"))
    desk.dismiss(store, case, ANN)
    assert states(store) == {case: "dismissed"}


def test_a_dismissal_is_contested_with_new_evidence_alone(store):
    case = opened(store, names(0, 5))
    desk.dismiss(store, case, ANN)
    for nothing in (None, "", "  "):
        with pytest.raises(UsageError, match="unless there is new evidence"):
            desk.appeal(store, case, BOB, nothing)
    desk.appeal(store, case, BOB, "the payer was named in court")
    assert "the payer was named in court" in desk.history(store, case)[-1]["why"]
    assert states(store) == {case: "appealed"}


def test_a_campaign_seen_again_is_the_same_case_and_reopens_by_new_evidence_alone(store):
    case = opened(store, names(0, 20))
    desk.dismiss(store, case, ANN)
    again = desk.open_case(store, seen(names(0, 21), "c2"), BOB)
    assert (str(again.case_id), again.outcome, again.news) == (case, "see", ())
    assert states(store) == {case: "dismissed"}
    # Who joined later was not on the table when it was decided: not known, however often it is seen.
    assert read_rulings(store.path).all[0].members == frozenset(names(0, 20))
    # However much it has grown: a dismissal is never passed by.
    more = desk.open_case(store, seen(names(0, 60), "c3"), BOB)
    assert (str(more.case_id), more.outcome) == (case, "reopen")
    assert "40 of its 60 accounts" in more.news[0]
    assert states(store) == {case: "open"}
    assert desk.history(store, case)[-1]["after"]["new_evidence"] == list(more.news)


def test_splitting_and_merging_move_accounts_and_keep_evidence(store):
    one, two = opened(store, names(0, 10)), opened(store, names(50, 55), "c2",
                                                    evidence=(("template", "t", 40.0),))
    child = str(desk.split(store, one, names(0, 3), ANN))
    rulings = {str(ruling.case_id): ruling for ruling in read_rulings(store.path).all}
    assert rulings[child].members == frozenset(names(0, 3))
    assert rulings[one].members == frozenset(names(3, 10))
    assert rulings[child].evidence == rulings[one].evidence == {(k, v): b for k, v, b in EVIDENCE_ROWS}
    assert rulings[child].root == rulings[one].root == int(one)
    desk.merge(store, one, [two, child], BOB)
    assert states(store) == {one: "open", two: "merged", child: "merged"}
    merged = read_rulings(store.path).all
    assert [str(ruling.case_id) for ruling in merged] == [one]
    assert merged[0].members == frozenset([*names(0, 10), *names(50, 55)])
    assert merged[0].evidence["template", "t"] == 40.0
    with pytest.raises(UsageError, match=f"part of case {one}"):
        desk.confirm(store, two, ANN)
    with pytest.raises(UsageError, match="nobody would be left"):
        desk.split(store, one, [*names(0, 10), *names(50, 55)], ANN)


def test_a_removed_account_is_put_back_by_undoing_it(store):
    case = opened(store, names(0, 5))
    desk.confirm(store, case, ANN)
    desk.remove_account(store, case, ["acct_001"], BOB)
    assert read_rulings(store.path).all[0].removed == {"acct_001"}
    with pytest.raises(UsageError, match="no member"):
        desk.remove_account(store, case, ["acct_001"], BOB)
    desk.restore_account(store, case, ["acct_001"], BOB)
    assert read_rulings(store.path).all[0].members == frozenset(names(0, 5))
    assert [entry["act"] for entry in desk.history(store)][-2:] == ["remove_account", "restore_account"]


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("  ", "x"), ("Ann", ""), ("Ann", " \n"), ("A" * 300, "x"),
                                            ("Ann", "x" * 20_000)])
def test_who_and_why_must_be_said_in_few_words(by, reason):
    with pytest.raises(UsageError):
        Act(by, reason)


def test_hostile_words_are_kept_as_text(store):
    words = "'; DROP TABLE audit; -- \x1b[31m \u202e \ud800 \0 " + "x" * 5000
    case = opened(store, ["%", "_", "acct'\"", "\x1b[2J", "x" * 1_000_000])
    desk.note(store, case, Act("Robert'); --", words))
    entry = desk.history(store)[-1]
    assert "DROP TABLE audit" in entry["why"]
    assert "\\ud800 \\x00" in entry["why"]
    assert len(desk.show_case(store, case)["accounts"]) == 5


def everything(path):
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_an_erased_account_is_on_no_page_of_the_store_and_decisions_stay(store):
    case = opened(store, names(0, 5))
    desk.dismiss(store, case, Act("Ann", "acct_003 is a teacher; so is her (acct_003) key"))
    desk.note(store, case, Act("Ann", "nothing about anybody"))
    assert b"acct_003" in everything(store.path)
    told = desk.erase(store, "acct_003", Act("Bob", "acct_003 asked for it"))
    assert told == {"texts_changed": 1, "complete": True}
    assert b"acct_003" not in everything(store.path)
    entries = desk.history(store)
    assert [entry["changed"] for entry in entries] == [False, True, False, False]
    assert entries[1]["why"].startswith("[erased account] is a teacher")
    assert entries[-1]["why"] == "[erased account] asked for it"
    assert entries[0]["after"]["accounts"].count("(erased)") == 1
    shown = desk.show_case(store, case)
    assert shown["state"] == "dismissed"
    assert [row["account_id"] for row in shown["accounts"]] == ["acct_000", "acct_001", "acct_002", "acct_004", None]
    with pytest.raises(UsageError, match="does not know"):
        desk.erase(store, "acct_003", ANN)


def test_erasing_takes_an_id_out_where_it_is_a_word_of_its_own(store):
    case = opened(store, ["a", "b", "c", "a+b(.*)"])
    desk.note(store, case, Act("Ann", "a and another; a, (a) and a+b(.*) of aa_a"))
    desk.erase(store, "a", Act("Ann", "a left"))
    assert desk.history(store)[1]["why"] == ("[erased account] and another; [erased account], ([erased account]) and"
                                             " [erased account]+b(.*) of aa_a")
    desk.erase(store, "a+b(.*)", ANN)
    assert [row["account_id"] for row in desk.show_case(store, case)["accounts"]] == ["b", "c", None, None]


@pytest.mark.slow
def test_erasing_says_so_where_another_process_keeps_old_pages(store):
    case = opened(store, names(0, 5))
    with store.reading() as connection:
        connection.execute(sa.text("SELECT count(*) FROM cases")).scalar()
        assert desk.erase(store, "acct_001", ANN)["complete"] is False
    assert store.forget()
    assert b"acct_001" not in everything(store.path)
    assert case


def migrations(folder, body):
    """The shipped migrations, and one more."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "m9999_more.py").write_text(
        'from alembic import op\nrevision = "9999"\ndown_revision = "0001"\n\n\ndef upgrade():\n'
        + "".join(f"    {line}\n" for line in body), "utf-8")
    return folder


def test_a_migration_keeps_what_is_there_and_an_older_program_says_that_the_store_is_newer(store, tmp_path):
    case = opened(store, names(0, 5))
    newer = migrations(tmp_path / "m", ["op.execute('ALTER TABLE cases ADD COLUMN colour TEXT')"])
    migrated = open_store(store.path, create=False, migrations=newer)
    assert states(migrated) == {case: "open"}
    with pytest.raises(InputError, match="newer Stillwatch"):
        open_store(store.path, create=False)


def test_a_migration_that_fails_half_way_loses_nothing(store, tmp_path):
    case = opened(store, names(0, 5))
    failing = migrations(tmp_path / "m", ["op.execute('ALTER TABLE cases ADD COLUMN colour TEXT')",
                                          "op.execute('DELETE FROM members')", "op.execute('DROP TABLE nothing')"])
    with pytest.raises(InputError, match="could not be brought up to date"):
        open_store(store.path, create=False, migrations=failing)
    same = open_store(store.path, create=False)
    assert len(desk.show_case(same, case)["accounts"]) == 5
    with same.reading() as connection:
        assert "colour" not in {column["name"] for column in sa.inspect(connection).get_columns("cases")}


def test_what_is_no_case_store_is_left_alone(tmp_path):
    text, other = tmp_path / "thesis.txt", tmp_path / "other.db"
    text.write_text("all of it")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE birds (name)")
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(InputError):
            open_store(path, create=True)
        assert path.read_bytes() == before
    with pytest.raises(UsageError, match="no case store"):
        open_store(tmp_path / "absent.db", create=False)
    assert not (tmp_path / "absent.db").exists()


def test_a_damaged_store_is_said_to_be(store):
    opened(store, names(0, 50))
    data = bytearray(store.path.read_bytes())
    data[2000:40_000] = b"\xa5" * 38_000
    store.path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged|cannot be used"):
        desk.list_cases(open_store(store.path, create=False))


def test_only_the_owner_may_read_the_store(store):
    opened(store, names(0, 5))
    assert all(file.stat().st_mode & 0o077 == 0 for file in store.path.parent.iterdir())


def findings(size):
    return tables(*((campaign(f"c{number:02d}", names(10 * number, 10 * number + 4), probability=number / size,
                              exchanges=number) | {"exchanges": number}, names(10 * number, 10 * number + 4))
                    for number in range(size)))


def test_the_audit_sample_is_fair_whatever_the_score_and_the_order_of_rows():
    rows = findings(20)[CAMPAIGNS.name]
    times = dict.fromkeys(rows["campaign_id"].to_pylist(), 0)
    for seed in range(2000):
        for drawn in draw(rows, 5, seed):
            times[drawn] += 1
    # Each is drawn with probability 1/4: 500 of 2,000, standard deviation 19; five of them on either side.
    assert all(abs(count - 500) < 97 for count in times.values()), times
    backwards = rows.take(list(reversed(range(20))))
    assert draw(rows, 5, 3) == draw(backwards, 5, 3)
    assert draw(rows, 99, 3) == sorted(times)


def test_the_sample_is_marked_and_says_how_it_was_drawn(store):
    known = opened(store, names(0, 4), "c00", probability=0.0)
    told = desk.audit_sample(store, findings(3), "k1", "1.0", ANN, size=3, seed=4)
    assert known in {str(one.case_id) for one in told}
    assert [row["sampled"] for row in desk.list_cases(store)] == [True] * 3
    entry = next(row for row in desk.history(store) if row["act"] == "sample")
    assert entry["after"] == {"among": 3, "size": 3, "seed": 4}
    assert json.dumps(desk.list_cases(store, sampled=True))


def test_who_was_split_off_stays_apart_from_what_the_rest_became_part_of(tmp_path):
    """Case 2 loses a part and then becomes part of case 1: a group of both must still be taken apart."""
    store = open_store(tmp_path / "cases.db", create=True)
    for first, ident in ((0, "c1"), (20, "c2")):
        desk.open_case(store, seen(names(first, first + 10), ident), ANN)
    child = desk.split(store, "2", names(26, 30), ANN)
    desk.merge(store, "1", ["2"], BOB)
    rulings = read_rulings(store.path)
    assert {ruling.case_id: (ruling.root, ruling.joined) for ruling in rulings.all} == {
        1: (1, frozenset({2})), child: (1, frozenset())}
    whole = [*names(0, 10), *names(20, 30)]
    assert [[whole[place] for place in part] for part in rulings.parts(whole)] == [
        [*names(0, 10), *names(20, 26)], names(26, 30)]
    found = names(20, 30)
    assert [[found[place] for place in part] for part in rulings.parts(found)] == [names(20, 26), names(26, 30)]
    # And back again, which ties them in a ring.
    desk.merge(store, "1", [str(child)], ANN)
    assert [(ruling.root, ruling.joined) for ruling in read_rulings(store.path).all] == [(1, frozenset({2, child}))]


def test_what_each_merged_case_brought_along_is_told_apart(store):
    groups = [names(0, 10), names(10, 16), names(16, 20)]
    first, second, third = (opened(store, group, f"c{number}") for number, group in enumerate(groups))
    assert all(ruling.sides == () for ruling in read_rulings(store.path).all)
    desk.merge(store, second, [third], BOB)
    desk.merge(store, first, [second], BOB)
    desk.confirm(store, first, BOB)
    ruling, = read_rulings(store.path).all
    assert sorted(map(sorted, ruling.sides)) == groups
    assert [ruling.is_of(group) for group in (*groups, names(8, 12), names(0, 20))] == [True, True, True, False, True]


def test_people_read_what_an_act_changed_and_what_a_case_is_part_of(store):
    first, second = opened(store, names(0, 5)), opened(store, names(10, 13), "c2")
    desk.remove_account(store, first, names(0, 1), BOB)
    desk.confirm(store, first, ANN)
    desk.appeal(store, first, BOB)
    desk.merge(store, second, [first], BOB)
    desk.dismiss(store, second, BOB, "education")

    def lines(parts):
        return [part.plain.strip() for part in parts if isinstance(part, Text)]

    said = lines(render_history(desk.history(store)))
    day = said[0][:10]
    for line in ("5 accounts", "member → removed; 1 account", "open → confirmed",
                 f"confirmed → appealed; decided on {day} by Ann", "appealed → merged; into case 2",
                 "5 accounts; from case 1", "open → dismissed; as education"):
        assert line in said
    assert lines(render_case(desk.show_case(store, first)))[:2] == ["Case 1: merged", "Part of case 2 now."]
    assert any(line.startswith("Joined to it: case 1.") for line in lines(render_case(desk.show_case(store, second))))
