"""Run every shipped scenario on seeds that nothing was tuned on, ours and the baselines, and write docs/scoreboard.md.

    python benchmarks/scoreboard.py                                    # everything, about 20 minutes on two cores
    python benchmarks/scoreboard.py --scenarios demo --seeds 2001      # a part of it, printed
    python benchmarks/scoreboard.py --scale 0.1 --jobs 4               # a tenth of the size, printed

What is done is kept in .scoreboard/ (--cache): an interrupted scoreboard goes on where it was, and a change of the code
or of a scenario measures anew what depends on it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from board.page import page
from board.runs import Job, code_digest, kept, run, tuned

from stillwatch import __version__
from stillwatch.errors import StillwatchError
from stillwatch.proof import scenarios
from stillwatch.proof.scenario import load

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "scoreboard.md"
SEEDS = (2005, 2006)
# Scales at which a scenario has 50,000 to 150,000 exchanges.
SCALES = {"demo": 1.0, "reported": 0.002, "reported_2026q3": 0.0005, "hydra": 1.0, "evasive": 1.0, "slow_drip": 1.0,
          "no_text": 1.0, "no_metadata": 1.0, "benign": 0.06, "launch_day": 1.0, "lab_scale_evaluation": 0.25}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line; what is not there is refused before anything runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", nargs="+", metavar="NAME", help=f"default: {' '.join(SCALES)}")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help=f"default: {' '.join(map(str, SEEDS))}")
    parser.add_argument("--scale", type=float, default=1.0, help="times the scenarios' own scales (default 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default: one a core)")
    parser.add_argument("--cache", type=Path, default=ROOT / ".scoreboard", help="where runs are kept")
    parser.add_argument("--out", type=Path, help="file to write; by default docs/scoreboard.md where everything is run,"
                                                 " and standard output where a part is")
    wanted = parser.parse_args(given)
    wanted.whole = wanted.scenarios is None and wanted.seeds is None and wanted.scale == 1.0
    wanted.scenarios = list(dict.fromkeys(wanted.scenarios or SCALES))
    wanted.seeds = list(dict.fromkeys(wanted.seeds or SEEDS))
    strange = sorted(set(wanted.scenarios) - set(scenarios()))
    if strange:
        parser.error(f"there is no scenario {', '.join(strange)}; see stillwatch simulate --list")
    if min(wanted.seeds) < 0 or wanted.scale <= 0 or wanted.jobs < 1:
        parser.error("seeds are 0 or more, --scale is above 0, and --jobs is at least 1")
    for scenario, used in tuned()["development"]["seeds"].items():
        if scenario in wanted.scenarios and set(used) & set(wanted.seeds):
            seeds = ", ".join(map(str, used))
            parser.error(f"{scenario} with seeds {seeds} is what everything was tuned on: give other seeds")
    return wanted


def measure(jobs: list[Job], at_once: int) -> list[str]:
    """Do what is not kept yet; returns what failed. A failure does not stop the others."""
    waiting = [job for job in jobs if kept(job, "ours") is None or kept(job, "theirs") is None]
    print(f"{len(jobs) - len(waiting)} of {len(jobs)} runs are kept already", file=sys.stderr)
    failed: list[str] = []
    start = time.monotonic()
    if not waiting:
        return failed
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        going = {pool.submit(run, job): job for job in waiting}
        try:
            for done, future in enumerate(as_completed(going), start=1):
                error = future.exception()
                if error is not None:
                    failed.append(f"{going[future].name}: {error}")
                left = (time.monotonic() - start) / done * (len(waiting) - done) / 60
                said = failed[-1] if error is not None else future.result()
                print(f"[{done}/{len(waiting)}] {said}; about {left:.0f} minutes left", file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def main(given: list[str] | None = None) -> int:
    """Measure, then write the page; 1 where a run failed, and then nothing is written."""
    wanted = arguments(given)
    scales = {name: SCALES.get(name, 1.0) * wanted.scale for name in wanted.scenarios}
    threads = max((os.cpu_count() or 1) // wanted.jobs, 1)
    jobs = [Job(name, seed, scales[name], wanted.cache, threads) for seed in wanted.seeds for name in wanted.scenarios]
    failed = measure(jobs, wanted.jobs)
    if failed:
        print("\n".join(["", f"{len(failed)} of {len(jobs)} runs failed; nothing is written. The others are kept.",
                         *failed]), file=sys.stderr)
        return 1
    runs = {name: [(kept(job, "ours"), kept(job, "theirs")) for job in jobs if job.scenario == name]
            for name in wanted.scenarios}
    command = "make scoreboard" if wanted.whole else shlex.join(
        ["python", "benchmarks/scoreboard.py", "--scenarios", *wanted.scenarios, "--seeds", *map(str, wanted.seeds),
         *(["--scale", f"{wanted.scale:g}"] if wanted.scale != 1.0 else [])])
    text = page(runs, command=command, seeds=wanted.seeds, scales=scales, tuned=tuned(), version=__version__,
                halves={name: load(name).prompts for name in wanted.scenarios}, digest=code_digest())
    target = wanted.out or (TARGET if wanted.whole else None)
    if target is None:
        print(text, end="")
    else:
        target.write_text(text, "utf-8")
        if target == TARGET:
            # What the report draws is what this page says.
            subprocess.run([sys.executable, str(ROOT / "tools" / "reliability.py")], check=True)
        print(f"wrote {target}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted; what is done is kept. Run the same command to go on.", file=sys.stderr)
        sys.exit(130)
    except StillwatchError as error:
        print(f"{error}", file=sys.stderr)
        sys.exit(2)
