"""The shipped scenarios, as a user has them written."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stillwatch.proof import simulate

WRITE = """
import sys
from pathlib import Path
from stillwatch.proof import simulate
simulate("demo", Path(sys.argv[1]), seed=7, scale=0.25)
"""


def digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return whole.hexdigest()


def test_the_demo_is_the_same_in_any_process(tmp_path: Path) -> None:
    """Neither the order of hashes nor the number of threads reaches the output."""
    digests = set()
    for number, environment in enumerate(({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "1",
                                                                    "ARROW_NUM_THREADS": "1", "TZ": "Asia/Tokyo"})):
        out = tmp_path / str(number)
        subprocess.run([sys.executable, "-c", WRITE, str(out)], check=True, env={**os.environ, **environment})
        digests.add(digest(out))
    assert len(digests) == 1


def test_the_demo_is_what_its_description_says(tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    counts = simulate("demo", tmp_path / "demo", seed=0, tick=lambda done, total: progress.append((done, total)))
    assert progress[-1] == (counts["exchanges"], counts["exchanges"])
    assert 40_000 <= counts["exchanges"] <= 65_000
    labels = pq.read_table(tmp_path / "demo/truth/campaigns.parquet")["label"].to_pylist()
    assert labels.count("distillation") == 1
    assert {"shared_application", "education", "benchmarking", "enterprise", "reseller", "batch_processing",
            "shared_network"} <= set(labels)
    campaign = counts["actors"]["Quiet Heron"]
    assert 60 <= campaign["accounts"] <= 100


@pytest.mark.slow
def test_half_and_seed_change_the_words_of_lookalikes(tmp_path: Path) -> None:
    """The same traffic in words that nothing was developed on."""
    said = {}
    for half in ("A", "B"):
        simulate("lookalikes", tmp_path / half, seed=1, scale=0.2, prompts=half)
        table = pq.read_table(tmp_path / half / "exchanges", columns=["prompt", "turn"])
        said[half] = {prompt for prompt in table["prompt"].to_pylist() if len(prompt) > 80}
    common = said["A"] & said["B"]
    assert len(common) < 0.02 * len(said["A"])
