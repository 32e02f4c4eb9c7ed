"""The reliability table of docs/scoreboard.md → src/stillwatch/data/reliability.json, which the report draws.

    python tools/reliability.py            # `make scoreboard` does it too

A test holds both together.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scoreboard.md"
TARGET = ROOT / "src" / "stillwatch" / "data" / "reliability.json"
_ROW = re.compile(r"\| (\d\.\d)–(\d\.\d) \| ([\d,]+) \| (\d\.\d+) \| (\d\.\d+) \| (\d\.\d+)–(\d\.\d+) \|")


def read(page: str) -> dict[str, Any]:
    """The figures of the page's section on probabilities. Raises ``ValueError`` where they are not as expected."""
    section = page.partition("## Are probabilities what they say")[2].partition("\n## ")[0]
    told = re.search(r"Over all ([\d,]+) candidates of all runs, ([\d,]+) of which", " ".join(section.split()))
    runs = re.search(r"left out \([^)]*\), and scored by `stillwatch evaluate`: ([\d,]+) runs, seeds ([\d, ]+?)\.",
                     " ".join(page.split()))
    if told is None or runs is None:
        raise ValueError("docs/scoreboard.md does not say how many candidates it is about")
    bins = [{"from": float(low), "to": float(high), "candidates": int(groups.replace(",", "")),
             "mean_probability": float(mean), "share": float(share), "share_interval": [float(least), float(most)]}
            for low, high, groups, mean, share, least, most in _ROW.findall(section)]
    candidates = int(told[1].replace(",", ""))
    if sum(one["candidates"] for one in bins) != candidates:
        raise ValueError("the bins of docs/scoreboard.md do not add up")
    wronged = re.search(r"\| \*\*all\*\* \| ([\d,]+) of ([\d,]+) \((\d\.\d+)–(\d\.\d+)\) \|",
                        page.partition("## Who is wronged")[2].partition("\n## ")[0])
    if wronged is None:
        raise ValueError("docs/scoreboard.md does not say how many innocent accounts were accused")
    return {"made_from": f"{runs[1]} scans of simulated traffic (docs/scoreboard.md, seeds {runs[2]})",
            "candidates": candidates, "positives": int(told[2].replace(",", "")), "bins": bins,
            "innocent": int(wronged[2].replace(",", "")), "wronged": int(wronged[1].replace(",", "")),
            "wronged_interval": [float(wronged[3]), float(wronged[4])]}


def write() -> None:
    """Write the file from the page."""
    TARGET.write_text(json.dumps(read(PAGE.read_text("utf-8")), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    write()
    print(f"wrote {TARGET}")
