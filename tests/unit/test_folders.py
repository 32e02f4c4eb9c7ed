"""Folders appear whole or not at all."""

import fcntl
import os
import time

import pytest

from stillwatch.errors import UsageError
from stillwatch.folders import new_folder


def ours(folder):
    return (folder / "mark").exists()


def write(target, text):
    with new_folder(target, ours, "folder of the test") as draft:
        (draft / "mark").write_text(text)
        assert not ours(target) or (target / "mark").read_text() != text


def test_a_new_folder_takes_the_place_of_an_old_one_and_nothing_else_is_left(tmp_path):
    target = tmp_path / "out"
    for text in ("one", "two"):
        write(target, text)
        assert (target / "mark").read_text() == text
        assert [path.name for path in target.iterdir()] == ["mark"]
    assert list(tmp_path.iterdir()) == [target]


def test_without_an_atomic_exchange_it_still_works(tmp_path, monkeypatch):
    monkeypatch.setattr("stillwatch.folders._exchange", lambda *_: False)
    write(tmp_path / "out", "one")
    write(tmp_path / "out", "two")
    assert (tmp_path / "out" / "mark").read_text() == "two"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failure_leaves_the_old_folder(tmp_path):
    write(tmp_path / "out", "one")

    def fails():
        with new_folder(tmp_path / "out", ours, "folder") as draft:
            (draft / "mark").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert (tmp_path / "out" / "mark").read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_not_ours_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter").write_text("mine")
    with pytest.raises(UsageError, match="out"):
        write(tmp_path / "out", "one")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        write(tmp_path / "file", "one")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "one")


def test_drafts_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path):
    dead, living, fresh, old = (tmp_path / f".out.{i}.draft" for i in range(4))
    for draft in (dead, living, fresh, old):
        draft.mkdir()
    (dead / ".lock").touch()
    before = time.time() - 3600
    os.utime(old, (before, before))
    with (living / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write(tmp_path / "out", "one")
        assert {path.name for path in tmp_path.iterdir()} == {"out", living.name, fresh.name}


def test_a_folder_set_aside_by_a_killed_process_comes_back(tmp_path):
    aside = tmp_path / ".out.1.old"
    aside.mkdir()
    (aside / "mark").write_text("old")
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out", ours, "folder"):
        raise RuntimeError
    assert (tmp_path / "out" / "mark").read_text() == "old"


def test_who_comes_second_does_not_overwrite_what_is_not_its_own(tmp_path):
    def late():
        with new_folder(tmp_path / "out", lambda _: False, "fresh folder") as draft:
            (draft / "mark").write_text("second")
            write(tmp_path / "out", "first")

    with pytest.raises(UsageError, match="exists already"):
        late()
    assert (tmp_path / "out" / "mark").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1
