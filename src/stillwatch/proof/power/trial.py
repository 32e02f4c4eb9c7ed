"""One planted scan: a campaign among the user's exchanges, scanned by the scan's own rules, and what was found.

Who was planted is known here alone: linking and judging see accounts like any other.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.engine import Engine, connect_as
from stillwatch.errors import StillwatchError
from stillwatch.ingest import ingest
from stillwatch.judge import Judged, shipped
from stillwatch.observe import Networks, TextReducer
from stillwatch.pipeline import (
    Claims,
    Clock,
    Decoys,
    Quiet,
    Reduced,
    claims_of,
    collect,
    judge_claims,
    likely_members,
    make_decoys,
)
from stillwatch.proof.draws import sub
from stillwatch.proof.power.grid import Point
from stillwatch.proof.power.logs import Base, Incomplete, with_accounts
from stillwatch.proof.power.plant import Planted, ordinary_talk, plant
from stillwatch.schema import STAGED, is_detection
from stillwatch.schema.findings import ACCUSED_PROBABILITY

__all__ = ["Outcome", "assess", "scanned", "trial"]

_TEXT = ("system_prompt", "prompt", "response")


@dataclass(frozen=True)
class Outcome:
    """What one scan found of what was planted.

    ``planted`` counts accounts that did some of the campaign's own work, ``seen`` those of them that are in the
    logs at all (less where logs are incomplete), ``exchanges`` the campaign's own that are. ``recovered`` counts
    planted accounts that are accused; ``detected`` says whether a detection has mostly planted accounts among its
    accused. ``linked`` counts planted accounts in the group that holds most of them, with that group's verdict,
    probability and q-value (null where it was certain beforehand that no q-value would make a detection).
    ``accused`` holds keyed digests of the user's own accounts that are accused.
    """

    planted: int = 0
    seen: int = 0
    exchanges: int = 0
    recovered: int = 0
    detected: bool = False
    linked: int = 0
    verdict: str | None = None
    probability: float | None = None
    q_value: float | None = None
    decoys: int = 0
    accused: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"accused": list(self.accused)}

    @classmethod
    def read(cls, held: dict[str, Any]) -> Outcome:
        """From what ``as_dict`` gave."""
        return cls(**held | {"accused": tuple(held["accused"])})


def trial(base: Base, point: Point, repeat: int, scratch: Path) -> Outcome:
    """Scan the logs with the campaign of a point planted; without one where the point has no accounts."""
    with TemporaryDirectory(prefix="scan-", dir=scratch) as made:
        folder = Path(made)
        planted = plant(point, repeat, base.here, folder, seed=base.seed, key=base.key) if point.accounts else None
        return scanned(base, base.missing(point), planted, folder)


def scanned(base: Base, missing: Incomplete, planted: Planted | None, folder: Path) -> Outcome:
    """Scan what is left of the logs and of what was planted in them; ``folder`` is for what must not outlive it."""
    settings = base.settings
    with connect_as(settings, scratch=folder) as engine:
        parts, reducer = base.left(missing, folder / "left")
        logs = base.logs
        members: frozenset[str] = frozenset()
        seen, own = 0, 0
        if planted is not None:
            reducer = reducer.copy()
            rows, mine = _staged(base, planted, missing, reducer, engine, folder)
            pq.write_table(rows, folder / "staged.parquet")
            parts = [*parts, folder / "staged.parquet"]
            logs, members = with_accounts(logs, planted.accounts), planted.members
            seen, own = len(set(rows["account_id"].to_pylist()) & members), int(mine.sum())
        reduced = collect(engine, logs, engine.parquet(parts), reducer.texts(patterns=False),
                          Networks.load(base.networks), base.key)
        claims = claims_of(engine, reduced, settings=settings, key=base.key)
        judged, decoys = assess(reduced, claims, base)
    return _outcome(base, claims, judged, decoys, members, seen, own)


def _staged(base: Base, planted: Planted, missing: Incomplete, reducer: TextReducer, engine: Engine,
            folder: Path) -> tuple[pa.Table, Any]:
    """Planted exchanges as ingest and the reduction of texts make them of a log, and which are the campaign's own.

    What accounts relay or send as cover is ordinary talk: these logs' own.
    """
    path = folder / "planted.parquet"
    pq.write_table(planted.exchanges, path)
    read = ingest([path], folder / "planted", settings=base.settings, key=base.key, engine=engine)
    if read.counts.kept != planted.exchanges.num_rows:
        raise StillwatchError("some planted exchanges were not read", remedy="please report this as a bug")
    rows = pa.concat_tables([pq.read_table(part) for part in read.parts])
    own = pc.is_in(rows["exchange_id"], value_set=planted.exchanges["exchange_id"].filter(pa.array(planted.own)))
    held = pa.array(missing.holds(rows["id_digest"].to_numpy(), pc.cast(rows["ts"], pa.int64()).to_numpy()))
    rows, mine = rows.filter(held), own.filter(held).to_numpy()
    after = pa.array(np.full(rows.num_rows, len(base.logs.ingested.files), dtype=np.int32))
    rows = rows.set_column(rows.schema.get_field_index("source_file"), rows.schema.field("source_file"), after)
    talk = rows.filter(pa.array(~mine))
    for name in _TEXT:
        talk = talk.set_column(talk.schema.get_field_index(name), talk.schema.field(name),
                               pa.nulls(talk.num_rows, pa.string()))
    harvest, ordinary = (
        pa.Table.from_batches([reducer(batch) for batch in part.combine_chunks().to_batches()], schema=STAGED.arrow)
        for part in (rows.filter(pa.array(mine)), talk))
    ordinary = ordinary_talk(ordinary, base.here.donors, sub(base.draw, "talk"))
    return pa.concat_tables([harvest, ordinary]).combine_chunks(), mine


def assess(reduced: Reduced, claims: Claims, base: Base) -> tuple[Judged, Decoys]:
    """Judge as a scan does, with as few decoys as decide who is accused.

    A q-value changes neither verdict nor probability, and no decoy lowers it. So without a group that would be a
    detection at q = 0 no decoys are made, and no more are made once no such group's q-value can be small enough:
    the accusations are those of a scan that makes all of them. There is no time limit: results do not depend on
    how fast the machine is.
    """
    explanations, scores = shipped(), claims.scores
    settings = base.settings.model_copy(update={"decoy_seconds": math.inf})

    def judged(q: list[float], floor: float) -> Judged:
        return judge_claims(reduced, claims, q, floor, explanations, settings)

    best = judged([0.0] * len(scores), 0.0)
    hopeful = {row["campaign_id"] for row in _detections(best)}
    if not hopeful:
        return judged([1.0] * len(scores), 0.0), Decoys(settings.decoys)
    places = [place for place, group in enumerate(claims.found.candidates) if group.group_id in hopeful]

    likely = likely_members(claims, explanations, settings.prior)
    # Trials run side by side already.
    decoys = make_decoys(reduced, scores, claims.groups, likely, settings, Clock(Quiet()),
                         lambda made: made.hopeless(scores, places), processes=1)
    if decoys.made < decoys.wanted:
        return judged(decoys.at_least(scores), 0.0), decoys
    q, floor, _ = decoys.q_values(scores)
    return judged(q, floor), decoys


def _detections(judged: Judged) -> list[dict[str, Any]]:
    rows = judged.campaigns.select(["campaign_id", "verdict", "probability", "q_value"]).to_pylist()
    return [row for row in rows if is_detection(row["verdict"], row["probability"], row["q_value"])]


def _outcome(base: Base, claims: Claims, judged: Judged, decoys: Decoys, members: frozenset[str], seen: int,
             own: int) -> Outcome:
    """Compare what was planted with what is accused."""
    accused: dict[str, set[str]] = {row["campaign_id"]: set() for row in _detections(judged)}
    for row in judged.members.select(["campaign_id", "account_id", "probability"]).to_pylist():
        if row["campaign_id"] in accused and row["probability"] >= ACCUSED_PROBABILITY:
            accused[row["campaign_id"]].add(row["account_id"])
    everybody: set[str] = set().union(*accused.values())
    overlap = [len(members.intersection(group.accounts)) for group in claims.found.candidates]
    said: dict[str, Any] = {}
    if max(overlap, default=0):
        name = claims.found.candidates[int(np.argmax(overlap))].group_id
        said = judged.campaigns.filter(pc.equal(judged.campaigns["campaign_id"], name)).to_pylist()[0]
    return Outcome(
        planted=len(members), seen=seen, exchanges=own,
        recovered=len(everybody & members),
        detected=any(2 * len(group & members) >= len(group) > 0 for group in accused.values()) if members else False,
        linked=max(overlap, default=0),
        verdict=said.get("verdict"), probability=said.get("probability"),
        q_value=said.get("q_value") if decoys.made == decoys.wanted else None,
        decoys=decoys.made,
        accused=tuple(sorted(base.key.digest("accused", name) for name in everybody - members)),
    )
