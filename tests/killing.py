"""Run a command many times, each time on a fresh copy of a folder, and kill it with SIGKILL at another moment.

    python killing.py < order.json > outcome.json

Half of the kills are at a step (an instruction of SQLite's, or a file that is opened, renamed or removed), half after
some time. One process is forked for each, so that a moment costs milliseconds and not an interpreter's start.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from stillwatch.cases import store
from stillwatch.cli import app

_FILES = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.link", "os.truncate", "os.chmod",
                    "sqlite3.connect", "fcntl.flock"})


class _Steps:
    """Counts steps, and kills this process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.done, self._at = 0, at

    def step(self, *_: object) -> int:
        self.done += 1
        if self.done == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def watch(self) -> None:
        prepare = store._prepare

        def watched(connection, other):
            connection.set_progress_handler(self.step, 1)
            prepare(connection, other)

        store._prepare = watched
        sys.addaudithook(lambda event, _: self.step() if event in _FILES else None)


def _child(folder: Path, command: list[str], at: int | None) -> None:
    """Run the command on the folder and end this process as the program would."""
    code = 1
    steps = _Steps(at)
    try:
        os.environ |= {"STILLWATCH_CASES_FILE": str(folder / "cases.db"), "STILLWATCH_KEY_FILE": str(folder / "key"),
                       "STILLWATCH_LEDGER_FILE": str(folder / "ledger.jsonl")}
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        steps.watch()
        app([part.replace("{home}", str(folder)) for part in command], standalone_mode=False)
        code = 0
    except BaseException as error:
        code = getattr(error, "exit_code", 1)
    finally:
        # A folder's own name is no part of it, so what is learnt goes beside it.
        folder.with_suffix(".steps").write_text(str(steps.done))
        os._exit(code)


def run(folder: Path, command: list[str], at: int | None = None, seconds: float | None = None) -> int | None:
    """The exit code; null where the process was killed."""
    pid = os.fork()
    if not pid:
        _child(folder, command, at)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def main() -> None:
    order = json.load(sys.stdin)
    home, work, command = Path(order["home"]), Path(order["work"]), order["command"]
    for name in ("case", "seal"):
        import_module(f"stillwatch.cli.{name}")  # once, for all
    pick = random.Random(order["seed"])

    def copy(number: int) -> Path:
        folder = work / f"{number:03d}"
        shutil.copytree(home, folder)
        return folder

    whole = copy(0)
    began = time.monotonic()
    told = [{"folder": str(whole), "code": run(whole, command), "at": None}]
    lasted, steps = time.monotonic() - began, int(whole.with_suffix(".steps").read_text())
    for number in range(1, order["trials"] + 1):
        by_step = {"at": pick.randint(1, steps)} if number % 2 else {"seconds": pick.uniform(0.0, 1.1 * lasted)}
        folder = copy(number)
        told.append({"folder": str(folder), "code": run(folder, command, **by_step), "at": by_step})
    json.dump({"steps": steps, "runs": told}, sys.stdout)


if __name__ == "__main__":
    main()
