"""What was put into a file comes out of it, or nothing does."""

import numpy as np
import pytest

from stillwatch.pipeline.lockbox import DamagedError, Lockbox

BOX = Lockbox(b"k" * 32)
FRAME = 1 << 20


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME + 17])
def test_values_and_files_of_any_size_come_back_as_they_were(tmp_path, size):
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "plain").write_bytes(content)
    BOX.put_file(tmp_path / "a", tmp_path / "plain")
    BOX.get_file(tmp_path / "a", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    BOX.put(tmp_path / "b", {"content": content, "numbers": np.arange(size // 8)})
    back = BOX.get(tmp_path / "b")
    assert back["content"] == content
    assert back["numbers"].tolist() == list(range(size // 8))
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0
    if size > 100:
        assert content[:50] not in (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes()


def test_what_was_cut_changed_moved_or_written_under_another_key_is_damaged(tmp_path):
    path, value = tmp_path / "a", np.random.default_rng(1).bytes(2 * FRAME + 100)
    BOX.put(path, value)
    whole = path.read_bytes()
    frame = 5 + FRAME + 16
    cuts = [0, 4, 8, 9, 12, 8 + frame, 8 + frame + 3, len(whole) - 21, len(whole) - 1]
    flips = [0, 8, 9, 13, 100, 8 + frame, len(whole) // 2, len(whole) - 21, len(whole) - 1]
    damaged = [whole[:cut] for cut in cuts]
    damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:] for at in flips]
    first, second = whole[8 : 8 + frame], whole[8 + frame : 8 + 2 * frame]
    damaged.append(whole[:8] + second + first + whole[8 + 2 * frame :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(DamagedError):
            BOX.get(path)
        with pytest.raises(DamagedError):
            BOX.get_file(path, tmp_path / f"back-{len(list(tmp_path.iterdir()))}")
    (tmp_path / "b").write_bytes(whole)
    with pytest.raises(DamagedError):
        BOX.get(tmp_path / "b")
    path.write_bytes(whole)
    with pytest.raises(DamagedError):
        Lockbox(b"K" * 32).get(path)
    assert BOX.get(path) == value


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    BOX.put(tmp_path / "a", 1)
    with pytest.raises(TypeError):
        BOX.put(tmp_path / "a", (n for n in ()))
    assert BOX.get(tmp_path / "a") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(FileNotFoundError):
        BOX.get(tmp_path / "c")
