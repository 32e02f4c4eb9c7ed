"""Seals: one changed byte anywhere is found and named; what is sealed is exactly what is there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import findings_fixture as fixture
from stillwatch.digests import canonical, code_digest
from stillwatch.errors import InputError, UsageError
from stillwatch.sealing import seal, signing_key, verify
from stillwatch.sealing.keys import fingerprint


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """Findings sealed as the second of three entries."""
    home = tmp_path_factory.mktemp("sealed")
    places = {"ledger": home / "ledger.jsonl", "key": home / "key.signing"}
    for name in ("one", "two", "three"):
        fixture.typical(home / name)
        (home / name / "deep").mkdir()
        (home / name / "deep" / "note.txt").write_text(name)
        seal(home / name, **places)
    return home


def checked(home, **more):
    return verify(home / "two", ledger=home / "ledger.jsonl", own_key=signing_key(home / "key.signing").public, **more)


def where(found):
    return {problem["where"] for problem in found.problems}


def test_untouched_findings_are_as_they_were_sealed(sealed):
    found = checked(sealed)
    assert found.problems == found.unchecked == []
    assert len(found.held) == 4
    assert set(found.manifest["files"]) == {path.relative_to(sealed / "two").as_posix()
                                            for path in (sealed / "two").rglob("*") if path.is_file()} - {"seal.json"}


def is_named(name, home):
    """Whether verifying says that the file is wrong; a seal that is no JSON any more cannot be checked at all."""
    try:
        return name in where(checked(home))
    except InputError as error:
        return name == "seal.json" and name in error.message


FILES = ("seal.json", "ledger.jsonl", "campaigns.parquet", "summary.json", "deep/note.txt")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), place=st.integers(0, 10**9), change=st.integers(1, 255))
def test_one_changed_byte_anywhere_is_found_and_named(sealed, tmp_path_factory, name, place, change):
    home = Path(shutil.copytree(sealed, tmp_path_factory.mktemp("bad") / "home"))
    path = home / name if name == "ledger.jsonl" else home / "two" / name
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    path.write_bytes(data)
    assert is_named(name, home)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), place=st.integers(0, 10**9), grow=st.booleans())
def test_one_byte_more_or_less_is_found(sealed, tmp_path_factory, name, place, grow):
    home = Path(shutil.copytree(sealed, tmp_path_factory.mktemp("bad") / "home"))
    path = home / name if name == "ledger.jsonl" else home / "two" / name
    data = path.read_bytes()
    place %= len(data)
    path.write_bytes(data[:place] + (b" " if grow else b"") + data[place + (not grow):])
    assert is_named(name, home)


def copy_of(sealed, tmp_path):
    return Path(shutil.copytree(sealed, tmp_path / "home"))


def test_files_that_came_or_went_are_named(sealed, tmp_path):
    home = copy_of(sealed, tmp_path)
    (home / "two" / "members.parquet").unlink()
    (home / "two" / "deep" / "more.txt").write_text("x")
    found = {problem["where"]: problem["what"] for problem in checked(home).problems}
    assert found == {"members.parquet": "was sealed and is missing",
                     "deep/more.txt": "was not there when the findings were sealed"}


def test_links_and_pipes_are_neither_followed_nor_waited_for(sealed, tmp_path):
    home = copy_of(sealed, tmp_path)
    (home / "two" / "elsewhere").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="elsewhere"):
        checked(home)
    (home / "two" / "elsewhere").unlink()
    os.mkfifo(home / "two" / "pipe")
    with pytest.raises(InputError, match="pipe"):
        seal(home / "two", ledger=home / "ledger.jsonl", key=home / "key.signing")


@pytest.mark.parametrize("change", ["drop_first", "drop_own", "swap", "cut_after"])
def test_lines_of_the_ledger_that_went_or_moved_are_found(sealed, tmp_path, change):
    home = copy_of(sealed, tmp_path)
    lines = (home / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    kept = {"drop_first": lines[1:], "drop_own": [lines[0], lines[2]], "swap": [lines[1], lines[0], lines[2]],
            "cut_after": lines[:1]}[change]
    (home / "ledger.jsonl").write_bytes(b"".join(kept))
    assert "ledger.jsonl" in where(checked(home))


def test_a_seal_of_other_findings_or_another_key_does_not_fit(sealed, tmp_path):
    home = copy_of(sealed, tmp_path)
    shutil.copy(home / "one" / "seal.json", home / "two" / "seal.json")
    assert where(checked(home)) == {"deep/note.txt"}
    other = seal(home / "two", ledger=tmp_path / "l.jsonl", key=tmp_path / "k.signing")
    found = checked(home, expected=fingerprint(signing_key(home / "key.signing").public))
    assert any("not the one whose fingerprint you gave" in problem["what"] for problem in found.problems)
    assert not checked(home, expected=f" {other.fingerprint.upper()} ").problems
    # Somebody else's seal beside one's own ledger is not wrong, but not checked against a ledger either.
    assert any("sealer's ledger" in text for text in checked(home).unchecked)
    assert where(checked(home, theirs=True)) == {"ledger.jsonl"}, "said to be the sealer's, it must hold the seal"


def test_a_seal_made_up_with_another_key_is_told_apart(sealed, tmp_path):
    """Whoever can write the folder can seal it anew, with a key of their own: only the fingerprint gives them away."""
    home = copy_of(sealed, tmp_path)
    (home / "two" / "summary.json").write_text("{}")
    seal(home / "two", ledger=tmp_path / "l.jsonl", key=tmp_path / "k.signing")
    found = checked(home)
    assert found.problems == []
    assert any("whose key that is" in text for text in found.unchecked)


def test_without_a_ledger_the_rest_is_checked_and_that_is_said(sealed, tmp_path):
    found = verify(sealed / "two", ledger=tmp_path / "none.jsonl")
    assert found.problems == []
    assert any("ledger" in text for text in found.unchecked)


def test_a_key_that_others_can_read_is_refused(tmp_path):
    signing_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(InputError, match="read by others"):
        signing_key(tmp_path / "key")


def test_a_folder_without_findings_is_not_sealed_and_a_file_that_is_no_ledger_stays(sealed, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no findings"):
        seal(tmp_path / "empty", ledger=tmp_path / "l", key=tmp_path / "k")
    for text in ("dear diary", "dear\ndiary\n"):
        (tmp_path / "diary").write_text(text)
        with pytest.raises(InputError, match="no entry"):
            seal(sealed / "one", ledger=tmp_path / "diary", key=tmp_path / "k", out=tmp_path / "s.json")
        assert (tmp_path / "diary").read_text() == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2**53 + 1, 2**53 - 1) | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="ascii")), inner,
                                                                max_size=4), max_leaves=12)


@given(json_values)
def test_the_canonical_form_says_what_it_was_made_from_and_nothing_else_has_it(value):
    form = canonical(value)
    assert json.loads(form) == value
    assert canonical(json.loads(form)) == form
    form.decode("ascii")


def test_the_canonical_form_of_a_known_object_is_that_of_rfc_8785():
    """The sorting example of RFC 8785, section 3.2.3, as far as its keys are ASCII; and its literals."""
    assert canonical({"1": "One", "\r": "Carriage Return", "literals": [None, True, False]}) == (
        b'{"\\r":"Carriage Return","1":"One","literals":[null,true,false]}')


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, -2**53, {1: 2}, {"a": [0.1]}, b"x"])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError):
        canonical(value)


def test_the_code_has_one_digest():
    assert code_digest() == code_digest()
    assert len(code_digest()) == 64
