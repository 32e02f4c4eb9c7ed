"""What is kept of an unfinished scan: under its key alone, for its owner alone, until the scan is done."""

import errno
import fcntl

import pyarrow as pa
import pytest

from stillwatch.errors import UsageError
from stillwatch.observe import TextReducer
from stillwatch.pipeline.kept import Kept, digest_of, work_folder
from stillwatch.pipeline.lockbox import Lockbox
from stillwatch.pipeline.watch import Clock, Quiet
from stillwatch.schema import INGESTED, conform
from stillwatch.settings import DeploymentKey

WORDS = ["apple", "birch", "cedar", "daisy", "elder", "fern", "grass", "hazel", "iris"]
KEY = DeploymentKey(b"k" * 32)


class Heard(Quiet):
    def __init__(self):
        self.stages = []

    def stage(self, name, total=None):
        self.stages.append(name)


def interrupted(out, key=KEY, **values):
    """A scan that finishes these stages (of the key ``k``) and then fails; its error."""
    def run():
        with Kept.open(out, key) as kept:
            for name, value in values.items():
                kept.put(name, "k", value)
            raise RuntimeError

    with pytest.raises(RuntimeError) as failed:
        run()
    return failed.value


def test_what_a_failed_run_finished_is_there_for_the_next_and_goes_when_that_ends_well(tmp_path):
    out = tmp_path / "out"
    error = interrupted(out, reading=[1, 2])
    assert str(work_folder(out)) in error.__notes__[0]
    assert work_folder(out).stat().st_mode & 0o077 == 0
    with Kept.open(out, KEY) as kept:
        assert kept.get("reading", "k") == [1, 2]
        assert kept.get("reading", "other") is None
        assert kept.get("linking", "k") is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_finished_nothing_leaves_nothing(tmp_path):
    assert not getattr(interrupted(tmp_path / "out"), "__notes__", [])
    assert list(tmp_path.iterdir()) == []


def test_it_stays_where_that_is_asked_for(tmp_path):
    with Kept.open(tmp_path / "out", KEY, keep=True) as kept:
        kept.put("reading", "k", 1)
    with Kept.open(tmp_path / "out", KEY, keep=True) as kept:
        assert kept.get("reading", "k") == 1


def test_a_stage_is_made_once_and_again_only_under_another_key(tmp_path):
    made = []

    def make():
        made.append(1)
        return len(made)

    heard = Heard()
    clock = Clock(heard)
    with Kept.open(tmp_path / "out", KEY, keep=True) as kept:
        assert [kept.made(clock, "a stage", key, make) for key in ("k", "k", "l", "l")] == [1, 1, 2, 2]
        assert kept.made(clock, "a stage", "k", make) == 3, "what came from other things is gone"
        assert kept.made(clock, "another", "k", make) == 4
        assert kept.made(clock, "a stage", "k", make) == 3
    assert heard.stages == ["a stage", "a stage: kept from before", "a stage", "a stage: kept from before", "a stage",
                            "another", "a stage: kept from before"]
    assert clock.resumed == ["a stage"] * 3
    assert set(clock.seconds) == {"a stage", "another"}


def test_another_deployment_key_reads_nothing(tmp_path):
    interrupted(tmp_path / "out", reading="a secret")
    with Kept.open(tmp_path / "out", DeploymentKey(b"l" * 32)) as kept:
        assert kept.get("reading", "k") is None


def test_a_folder_of_somebody_elses_is_refused_and_left(tmp_path):
    folder = work_folder(tmp_path / "out")
    folder.mkdir()
    (folder / "letter").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"), Kept.open(tmp_path / "out", KEY):
        pass
    assert (folder / "letter").read_text() == "mine"
    (tmp_path / "b.work").write_text("mine")
    with pytest.raises(UsageError), Kept.open(tmp_path / "b", KEY):
        pass


def test_two_scans_for_one_folder_do_not_share(tmp_path):
    with Kept.open(tmp_path / "out", KEY, keep=True) as first:
        first.put("reading", "k", 1)
        with Kept.open(tmp_path / "out", KEY) as second:
            assert second.get("reading", "k") is None
            second.put("reading", "k", 2)
            assert not second.finished
        assert first.get("reading", "k") == 1


def test_a_folder_that_was_removed_while_its_lock_was_opened_is_not_held(tmp_path, monkeypatch):
    real = fcntl.flock

    def removed(file, how):
        real(file, how)
        (work_folder(tmp_path / "out") / ".lock").unlink()

    monkeypatch.setattr(fcntl, "flock", removed)
    with Kept.open(tmp_path / "out", KEY) as kept:
        kept.put("reading", "k", 1)
        assert kept.get("reading", "k") is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_where_there_is_no_room_the_scan_goes_on_without_keeping(tmp_path, monkeypatch, code):
    heard = Heard()

    def full(*_):
        raise OSError(code, "full")

    with Kept.open(tmp_path / "out", KEY, watcher=heard) as kept:
        kept.put("reading", "k", 1)
        monkeypatch.setattr(Lockbox, "put", full)
        assert kept.made(Clock(heard), "linking", "k", lambda: 5) == 5
        assert kept.get("reading", "k") is None
        assert list(tmp_path.iterdir()) == [], "what was kept gives its room to the findings"
    assert any("no room" in stage for stage in heard.stages)


def test_other_troubles_of_writing_are_told(tmp_path, monkeypatch):
    def broken(*_):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Lockbox, "put", broken)
    with pytest.raises(PermissionError), Kept.open(tmp_path / "out", KEY) as kept:
        kept.put("reading", "k", 1)


def test_digests_tell_parts_apart():
    assert digest_of(1, "a") == digest_of(1, "a")
    assert len({digest_of(*parts) for parts in ((1, "a"), ("1", "a"), (1, "a", None), ([1, "a"],), ("a", 1))}) == 5


def exchanges(prompts):
    rows = [{"exchange_id": f"e{n}", "ts": n, "account_id": "a", "prompt": prompt, "system_prompt": system,
             "source_file": 0, "source_row": n + 1, "id_digest": n, "content_digest": n}
            for n, (system, prompt) in enumerate(prompts)]
    table = conform(pa.Table.from_pylist(rows, schema=pa.schema(
        [field if field.name != "ts" else pa.field("ts", pa.int64()) for field in INGESTED.arrow])), INGESTED)
    return table.combine_chunks().to_batches()[0]


def test_a_reducer_that_was_kept_says_of_texts_what_it_said(tmp_path):
    prompts = [("You grade answers.", f"Rate the following answer with reasons: {WORDS[n % 7]} {WORDS[n // 7]}")
               for n in range(60)] + [(None, "hello"), (None, None), ("Only a system prompt", None), (None, "hello")]
    whole = TextReducer(KEY, seed=3)
    staged = whole(exchanges(prompts))
    box = Lockbox(b"k" * 32)
    box.put(tmp_path / "reducer", whole.without_excerpts())
    box.put(tmp_path / "excerpts", whole.excerpts)
    assert whole.texts().num_rows > 10
    back = box.get(tmp_path / "reducer")
    assert back.excerpts[0].to_pylist() == back.excerpts[1].to_pylist() == []
    assert back.texts(patterns=False).drop(["pattern"]).equals(whole.texts().drop(["pattern"]))
    back.give_back(box.get(tmp_path / "excerpts"))
    assert back.texts().equals(whole.texts())
    # And parts of it, with what is known already and without.
    counts = dict.fromkeys(staged.column("text_digest").drop_null().to_pylist()[:20], 1)
    again = box.get(tmp_path / "reducer")
    again.recall(whole.texts())
    for reducer in (back, again):
        assert reducer.restricted(counts).texts(patterns=False).equals(whole.restricted(counts).texts(patterns=False))
    assert back(exchanges(prompts)).equals(whole(exchanges(prompts))), "it can be given more"
