"""Keys that others can read are refused, and findings are their owner's alone unless somebody shared them."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import findings_fixture as fixture
from stillwatch.cli import app
from stillwatch.errors import InputError
from stillwatch.folders import new_folder
from stillwatch.sealing import signing_key
from stillwatch.settings import create_key, load_key


@pytest.fixture(autouse=True)
def _usual_umask():
    old = os.umask(0o022)
    yield
    os.umask(old)


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.fixture(params=["deployment", "signing"])
def made(request, tmp_path):
    """A key file, and how it is read."""
    path = tmp_path / "key"
    read = load_key if request.param == "deployment" else signing_key
    (create_key if request.param == "deployment" else signing_key)(path)
    return path, read


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o604, 0o620, 0o660, 0o777])
def test_a_key_that_others_can_read_is_refused_with_what_to_do(made, bits):
    path, read = made
    path.chmod(bits)
    with pytest.raises(InputError, match="can be read by others") as told:
        read(path)
    assert f"chmod 600 {path}" in told.value.remedy
    path.chmod(0o600)
    assert read(path) is not None


@pytest.mark.parametrize("bits", [0o600, 0o400])
def test_a_key_of_its_owner_alone_is_read(made, bits):
    path, read = made
    path.chmod(bits)
    assert read(path) is not None


def test_a_link_to_a_key_is_judged_by_where_it_leads(made):
    # As Kubernetes mounts a secret: a link to a link to the file.
    path, read = made
    data = path.parent / "..2026"
    data.mkdir()
    path.rename(data / "key")
    (path.parent / "..data").symlink_to("..2026")
    path.symlink_to("..data/key")
    assert read(path) is not None
    (data / "key").chmod(0o644)
    with pytest.raises(InputError, match="read by others"):
        read(path)


def test_a_mounted_key_is_read_since_nobody_in_the_container_can_change_its_mode(made, monkeypatch):
    path, read = made
    path.chmod(0o444)
    with monkeypatch.context() as patched:
        patched.setattr("os.geteuid", lambda: path.stat().st_uid + 1)
        assert read(path) is not None
    with monkeypatch.context() as patched:
        patched.setattr("os.statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID))
        assert read(path) is not None
    with pytest.raises(InputError, match="read by others"):
        read(path)


def test_a_command_says_so_and_a_new_key_mends_it(tmp_path):
    key = tmp_path / "key"
    create_key(key)
    key.chmod(0o644)

    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "stillwatch", "key", *arguments], capture_output=True, text=True,
                              check=False, env=os.environ | {"STILLWATCH_KEY_FILE": str(key)})

    refused = run()
    assert refused.returncode == 1
    assert "can be read by others" in refused.stderr
    assert "chmod 600" in refused.stderr
    assert run("--replace").returncode == 0
    assert mode(key) == 0o600


def folder(target, text="x"):
    with new_folder(target, lambda _: True, "folder of the test") as draft:
        (draft / "inner").mkdir()
        (draft / "inner" / "a").write_text(text)
        (draft / "b").write_text(text)
    return {mode(path) for path in (target, target / "inner")}, {mode(path) for path in target.rglob("*")
                                                                 if path.is_file()}


def test_a_new_folder_is_its_owners_alone_whatever_the_umask(tmp_path):
    for mask in (0o022, 0, 0o277):
        os.umask(mask)
        assert folder(tmp_path / f"out{mask}") == ({0o700}, {0o600})


@pytest.mark.parametrize("bits", [0o750, 0o755, 0o700, 0o770])
def test_who_shares_a_folder_says_so_once(bits, tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    target.chmod(bits)
    for text in ("one", "two"):
        assert folder(target, text) == ({bits}, {bits & 0o666})
        assert (target / "b").read_text() == text


def test_what_one_group_may_read_is_never_for_another(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()
    target.chmod(0o750)

    def refused(*_):
        raise PermissionError

    monkeypatch.setattr("os.chown", refused)
    assert folder(target) == ({0o700}, {0o600})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to any group")
def test_a_folder_keeps_its_group(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    os.chown(target, -1, 4242)
    folder(target)
    assert {path.stat().st_gid for path in (target, *target.rglob("*"))} == {4242}


def test_what_commands_write_about_accounts_is_their_owners_alone(tmp_path):
    findings = fixture.typical(tmp_path / "f")
    who = pq.read_table(findings / "members.parquet")["account_id"][0].as_py()
    for arguments, target in ((("export", findings, "--out", tmp_path / "e"), tmp_path / "e"),
                              (("expand", findings, who, "--out", tmp_path / "l.csv"), tmp_path / "l.csv"),
                              (("report", findings, "--out", tmp_path / "r.html"), tmp_path / "r.html")):
        done = CliRunner().invoke(app, [str(one) for one in arguments])
        assert done.exit_code == 0, done.output
        assert all(mode(path) & 0o077 == 0 for path in (target, *target.rglob("*")))
