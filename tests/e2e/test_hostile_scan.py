"""Logs in which every name and text is hostile, from the file to the page, the terminal and the spreadsheet."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from browser import open_browser, ran
from hostile import CANARY, CORPUS, forbidden

START = datetime(2026, 3, 1, tzinfo=UTC)
RING = 60
TEN_MB = "<b>" + "y" * 10_000_000


def write(folder):
    """Everybody is called by a hostile string of their own; the first sixty share addresses, a card and a work list."""
    folder.mkdir()
    names = list(CORPUS)
    log = folder / "a\u202egol <img src=x onerror=alert(1)>.jsonl"
    with log.open("w", encoding="utf-8") as stream:
        for number, name in enumerate(names):
            inside = number < RING
            for turn in range(14 if inside else 3):
                other = names[(number * 7 + turn) % len(names)]
                stream.write(json.dumps({
                    "exchange_id": f"{name}{turn}",
                    "ts": (START + timedelta(minutes=11 * turn, seconds=number)).isoformat(),
                    "account_id": name, "api_key_id": other, "end_user_id": other, "channel": other, "region": other,
                    "ip": f"198.51.100.{number % 2}" if inside else f"203.0.{number // 250}.{number % 250}",
                    "user_agent": names[number % 3] if inside else other, "sdk": names[3] if inside else other,
                    "ja4": other, "model": names[5], "system_prompt": names[9] if inside else other,
                    "prompt": f"{names[11]} Solve step by step, with all reasoning: what is {number * turn} times 7?"
                    if inside else f"{other} {name}", "response": other, "tools": [other], "conversation_id": other,
                    "input_tokens": 300, "output_tokens": 900}) + "\n")
        for field in ("account_id", "user_agent", "prompt"):
            stream.write(json.dumps({"ts": START.isoformat(), "account_id": "long", field: TEN_MB}) + "\n")
    with (folder / "accounts.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        rows.writerow(("account_id", "created_at", "email_domain", "email_pattern", "payment_fingerprint", "referral",
                       "organization"))
        for number, name in enumerate(names):
            if "\0" not in name:
                rows.writerow((name, START.isoformat(), name, name, "card" if number < RING else name, names[7], name))
    with (folder / "agreements.jsonl").open("w", encoding="utf-8") as stream:
        for name in names[RING:RING + 40]:
            stream.write(json.dumps({"account_id": name, "permits": "evaluation", "note": name}) + "\n")
    return log


@pytest.mark.slow
def test_from_the_logs_to_the_page_the_terminal_and_the_spreadsheet(stillwatch, tmp_path):
    log, out = write(tmp_path / "in"), tmp_path / "findings"

    def said(*arguments):
        done = stillwatch(*arguments, STILLWATCH_CASES_FILE=str(tmp_path / "cases.db"))
        assert done.code == 0, (arguments[0], done.err[-2000:])
        assert forbidden(done.out + done.err) == set(), arguments[0]
        assert "unexpected" not in done.err
        return done

    said("scan", log, "--accounts", tmp_path / "in" / "accounts.csv",
         "--agreements", tmp_path / "in" / "agreements.jsonl", "--out", out, "--decoys", 10, "--look-seconds", 0)
    campaigns = pq.read_table(out / "campaigns.parquet").to_pylist()
    members = pq.read_table(out / "members.parquet").to_pylist()
    ring = max(campaigns, key=lambda row: sum(one["campaign_id"] == row["campaign_id"]
                                              and one["account_id"] in CORPUS[:RING] for one in members))
    ours = [one["account_id"] for one in members if one["campaign_id"] == ring["campaign_id"]]
    assert len(set(ours) & set(CORPUS[:RING])) > RING / 2, "the ring was found, so its names are on the page"
    shared = ("--purpose", "joint defence", "--expires", "2999-12-31")
    pages = [out / "report.html"]
    pages += [out / f"report-{level}.html" for level in ("partner", "public")
              if said("report", out, "--level", level, *shared)]
    with open_browser(tmp_path) as browser:
        for page in pages:
            assert ran(browser, page) == []
            assert forbidden(page.read_text("utf-8")) == set()
            assert page.stat().st_size < 8_000_000
    assert all(CANARY not in page.read_text("utf-8") for page in pages[1:])
    for who in ours[:3]:
        said("explain", out, "--", who)
        said("expand", out, "--out", tmp_path / f"{abs(hash(who))}.csv", "--", who)
    said("case", "open", out, ring["campaign_id"], "--by=<script>", "--reason=\x1b]0;x\x07")
    said("case", "show", "1")
    said("diff", out, out)
    said("export", out, "--out", tmp_path / "tables", "--format", "csv")
    for path in [*(tmp_path / "tables").glob("*.csv"), *tmp_path.glob("*.csv")]:
        raw = path.read_text("utf-8")
        assert forbidden(raw) == set()
        for row in csv.reader(raw.splitlines()):
            assert not [cell for cell in row if cell.lstrip().startswith(tuple("=+-@＝＋－＠"))
                        and not re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", cell)], path.name
