"""The window test on logs: embed a sample of the prompts, calibrate benign against benign, test each window."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.engine import connect_as
from stillwatch.errors import InputError, UsageError
from stillwatch.ingest import ingest
from stillwatch.judge import Regularised, conformal_threshold, p_values
from stillwatch.observe.embedding import fit_embedding
from stillwatch.observe.text_sample import TextSample, TextSampler
from stillwatch.pipeline.watch import Quiet, Watcher
from stillwatch.schema import WINDOWS, conform
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["WindowOptions", "read_groups", "run_window_test"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_SAMPLE = 100_000
_REFERENCE, _EACH, _FEWEST = 4_000, 20, 200
_DRAWS = 999


@dataclass(frozen=True)
class WindowOptions:
    """``size`` requests a window, benign windows pass with probability ``level``; ``groups`` are sets of linked
    accounts, each pooled, by name: without them every account is tested by itself."""

    size: int = 100
    level: float = 0.01
    groups: Mapping[str, Sequence[str]] | None = None


def read_groups(path: Path) -> dict[str, list[str]]:
    """Groups of accounts from Parquet or CSV with ``group_id`` (or ``campaign_id``) and ``account_id``."""
    try:
        data = pq.read_table(path) if path.suffix != ".csv" else pa.csv.read_csv(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read", remedy="give Parquet or CSV with group_id and account_id") from error
    name = next((name for name in ("group_id", "campaign_id") if name in data.column_names), None)
    if name is None or "account_id" not in data.column_names:
        raise InputError(f"{path} has no group_id (or campaign_id) and account_id",
                         remedy="give groups.parquet of `stillwatch link`, members.parquet of `scan`, or one like them")
    found: dict[str, list[str]] = {}
    columns = [data[column].cast(pa.string()).to_pylist() for column in (name, "account_id")]
    for group, account in zip(*columns, strict=True):
        if group is not None and account is not None:
            found.setdefault(group, []).append(account)
    return found


def run_window_test(inputs: Sequence[str], options: WindowOptions, *, settings: Settings, key: DeploymentKey,
                    out: Path | None = None, format_name: str | None = None, mapping: Path | None = None,
                    watcher: Watcher | None = None) -> dict[str, Any]:
    """Test windows of every account, or of every group; returns the summary, ``windows`` (schema ``WINDOWS``) in it.

    Raises ``UsageError`` for options that make no sense and ``InputError`` where the logs hold too few prompts.
    """
    if options.size < 10 or not 0 < options.level < 1:
        raise UsageError("a window has 10 requests or more, and a rate is between 0 and 1",
                         remedy="give --window 100 --fpr 0.01")
    watcher = watcher or Quiet()
    watcher.stage("reading logs")
    sampler, read = TextSampler(_SAMPLE), 0

    def tick(_: str, records: int) -> None:
        nonlocal read
        read += records
        watcher.tick(read)

    with tempfile.TemporaryDirectory(prefix="stillwatch-") as scratch, \
            connect_as(settings) as engine:
        found = ingest(inputs, Path(scratch) / "read", settings=settings, key=key, engine=engine, format=format_name,
                       mapping=mapping, reduce=sampler, tick=tick)
        sample = _settled(sampler.sample(), found.parts)
    watcher.stage("testing windows")
    rows, said = _tested(sample, options, settings.seed)
    table = conform(pa.Table.from_pylist(rows, schema=_written()), WINDOWS).sort_by(
        [(name, "ascending") for name in WINDOWS.key])
    if out is not None:
        out.touch(mode=0o600)
        pq.write_table(table, out, compression="zstd")
    shown = table.to_pylist()
    return {"version": __version__, "command": "window-test", "counts": found.counts.as_dict(), "seed": settings.seed,
            "window": options.size, "false_positive_rate": options.level, "sampled": len(sample.texts),
            "sampled_from": sample.seen, **said,
            "unusual": sorted({row["unit"] for row in shown if row["unusual"]}),
            "windows": json.loads(json.dumps(shown, default=str))}


def _written() -> pa.Schema:
    """The declared columns with times as whole microseconds."""
    shape = WINDOWS.arrow
    for name in ("started_at", "ended_at"):
        shape = shape.set(shape.get_field_index(name), pa.field(name, pa.int64()))
    return shape


def _settled(sample: TextSample, parts: Sequence[Path]) -> TextSample:
    """Without records that turned out to be repeats or conflicts."""
    kept: set[tuple[int, int]] = set()
    for part in parts:
        places = pq.read_table(part, columns=["source_file", "source_row"])
        kept.update(zip(places["source_file"].to_pylist(), places["source_row"].to_pylist(), strict=True))
    return sample.take(np.array([at for at, (file, row) in enumerate(sample.place.tolist()) if (file, row) in kept],
                                dtype=np.int64))


def _tested(sample: TextSample, options: WindowOptions, seed: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of the table, and what the summary says of them."""
    by_account: dict[str, list[int]] = {}
    for place, account in enumerate(sample.accounts.tolist()):
        by_account.setdefault(account, []).append(place)
    named = {account for accounts in (options.groups or {}).values() for account in accounts}
    rest = [account for account in by_account if account not in named]
    reference = [place for account in rest for place in by_account[account][:_EACH]]
    # Rows are in an order of their own, by digests: the first of them are a random choice.
    reference = sorted(reference)[:_REFERENCE]
    if len(reference) < _FEWEST:
        raise InputError(f"only {len(reference)} prompts of accounts that are not tested can be compared with",
                         remedy=f"give logs with {_FEWEST} or more, and fewer accounts in --groups")
    embed, ordinary = fit_embedding(sample.texts.take(np.array(reference)), seed=seed)
    test = Regularised.of(ordinary)
    vectors = embed(sample.texts)
    in_time = {account: np.array(sorted(places, key=lambda place: (sample.ts[place], place)), dtype=np.int64)
               for account, places in by_account.items()}
    units = options.groups or {account: [account] for account in by_account}
    windows = {unit: _windows([in_time[a] for a in accounts if a in in_time], sample.ts, options.size)
               for unit, accounts in units.items()}
    values = {unit: np.array([test.discrepancy(vectors[window]) for window in found])
              for unit, found in windows.items() if found}
    # An account of an order that no name decides: that of its first row in the sample.
    order = sorted(rest, key=lambda account: by_account[account][0])
    null_of = _null(values, order, in_time, vectors, test, options, seed)
    rows: list[dict[str, Any]] = []
    for unit, found in windows.items():
        if found:
            sizes = [len(set(sample.accounts[window].tolist())) for window in found]
            rows += _rows(unit, found, sizes, values[unit], null_of(unit, max(sizes)), sample.ts, options.level)
    return rows, {"units": len(units), "units_tested": len(values), "reference": len(reference)}


def _rows(unit: str, windows: Sequence[Ints], sizes: Sequence[int], values: Floats, null: Floats, ts: Ints,
          level: float) -> list[dict[str, Any]]:
    """One unit's rows: the more windows it has, the more unusual one must be (Bonferroni)."""
    p = p_values(values, null)
    limit = conformal_threshold(null, level / len(windows))
    return [{"unit": unit, "window": number, "accounts": accounts, "queries": len(window),
             "started_at": int(ts[window].min()), "ended_at": int(ts[window].max()), "discrepancy": float(value),
             "threshold": limit if math.isfinite(limit) else None, "p_value": float(chance),
             "unusual": bool(chance * len(windows) <= level)}
            for number, (window, accounts, value, chance) in enumerate(zip(windows, sizes, values, p, strict=True), 1)]


def _windows(members: Sequence[Ints], ts: Ints, size: int) -> list[Ints]:
    """Whole windows of the members' requests together, in order of time."""
    if not members:
        return []
    together = np.concatenate(members)
    together = together[np.lexsort((together, ts[together]))]
    return [together[at:at + size] for at in range(0, len(together) - size + 1, size)]


def _null(values: Mapping[str, Floats], order: Sequence[str], in_time: Mapping[str, Ints], vectors: Floats,
          test: Regularised, options: WindowOptions, seed: int) -> Any:
    """For a unit and its number of accounts: discrepancies of benign windows of as many accounts."""
    rng = np.random.default_rng([seed, 1])
    if options.groups is None:
        # One window of every other account: people differ, and that is what a window must stand out from.
        one = {unit: float(values[unit][rng.integers(len(values[unit]))]) for unit in order if unit in values}
        return lambda unit, _: np.array([value for other, value in one.items() if other != unit])
    made: dict[int, Floats] = {}

    def pooled(_: str, accounts: int) -> Floats:
        if accounts not in made:
            drawn = [_draw(order, in_time, accounts, options.size, rng) for _ in range(_DRAWS)]
            made[accounts] = np.array([test.discrepancy(vectors[window]) for window in drawn if window is not None])
        return made[accounts]

    return pooled


def _draw(order: Sequence[str], in_time: Mapping[str, Ints], accounts: int, size: int,
          rng: np.random.Generator) -> Ints | None:
    """A window of random accounts, about as many as given: each brings a run of its requests, and where they have too
    few, further accounts join; ``None`` where all together have too few."""
    share, got, parts = math.ceil(size / accounts), 0, []
    for number in rng.permutation(len(order)).tolist():
        own = in_time[order[number]]
        begin = int(rng.integers(max(1, len(own) - share + 1)))
        parts.append(own[begin:begin + min(share, size - got)])
        got += len(parts[-1])
        if got == size:
            return np.concatenate(parts)
    return None
