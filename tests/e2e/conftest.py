"""The command line as a user runs it, and one simulated scan that several tests look at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest


@dataclass(frozen=True)
class Run:
    """What a run of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def environment(home):
    """No settings of the machine leak in; the deployment key is the tests' own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STILLWATCH_")}
    return kept | {"STILLWATCH_KEY_FILE": str(home / "key"), "COLUMNS": "100"}


@pytest.fixture(scope="session")
def stillwatch(environment):
    def run(*arguments, cwd=None, **settings):
        done = subprocess.run([sys.executable, "-m", "stillwatch", *map(str, arguments)], capture_output=True,
                              text=True, check=False, cwd=cwd, timeout=600, env=environment | settings)
        return Run(done.returncode, done.stdout, done.stderr)

    return run


@dataclass(frozen=True)
class Scanned:
    """Simulated traffic, the findings of a scan of it, and its JSON summary."""

    traffic: Path
    findings: Path
    summary: dict

    def truth(self, label):
        """Accounts of the groups with this label."""
        named = {row["campaign"] for row in pq.read_table(self.traffic / "truth" / "campaigns.parquet").to_pylist()
                 if row["label"] == label}
        return {row["account_id"] for row in pq.read_table(self.traffic / "truth" / "members.parquet").to_pylist()
                if row["campaign"] in named}


@pytest.fixture(scope="session")
def demo(stillwatch, tmp_path_factory):
    """The shipped demo, on a seed that nothing was developed on."""
    folder = tmp_path_factory.mktemp("demo")
    made = stillwatch("simulate", "demo", "--out", folder / "traffic", "--seed", 4711)
    assert made.code == 0, made.err
    done = stillwatch("scan", folder / "traffic" / "exchanges", "--accounts", folder / "traffic" / "accounts.parquet",
                      "--out", folder / "findings", "--json")
    assert done.code == 0, done.err
    return Scanned(folder / "traffic", folder / "findings", done.json)
