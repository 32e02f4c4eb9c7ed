"""A small random world for the engines' contract: exchanges with nulls and odd values, texts, groups and their work."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.link.streams import separate
from stillwatch.observe import Networks
from stillwatch.schema import ACCOUNTS, STAGED, TEXTS, conform
from stillwatch.settings import DeploymentKey

KEY = DeploymentKey(bytes(range(32)))
DAY_US = 86_400_000_000
START_US = 20_514 * DAY_US
# Text that engines compare, fold, escape or cut differently where they do not take it as plain bytes.
ODD = ("a", "A", "á", "á", "ａ", "a ", " a", "'; --", '"', "\\", "%", "_", "\t", "a\nb", "\U0001f600", "ß", "ss",
       "İ", "null", "NULL", "0", "00", "-0", "１", "ﬀ", "z" * 3000)
GROUPS = ("0a", "0b")


@dataclass(frozen=True)
class World:
    """Files and tables; ``parts`` hold staged exchanges, ``repeated`` the same with some of them twice."""

    parts: list[Path]
    repeated: list[Path]
    texts: pa.Table
    accounts: pa.Table
    members: pa.Table
    streams: pa.Table
    content: pa.Table


def staged(seed: int, exchanges: int) -> pa.Table:
    """Exchanges (schema ``STAGED``): every nullable column has nulls, and every text odd ones."""
    draw = random.Random(seed)
    people = [f"account-{number}" for number in range(24)] + [odd for odd in ODD if odd.strip() == odd] + ["unknown"]
    # The last moment of a minute, an hour, a day and the first of the next, where a division that rounds goes wrong;
    # the last day of the years that are read.
    edges = (-1, 0, 1, 59_999_999, 3_599_999_999)
    moments = [START_US + step * DAY_US + edge for step in (0, 1, 7, 40) for edge in edges]
    moments += [4_102_444_799_999_999, 946_684_800_000_000]
    # Ingest fills these in, whatever a log lacks.
    gaps = {column.name for column in STAGED.columns if not column.required} - {
        "account_id", "exchange_id", "structure_capability", "structure_probability"}
    made: dict[str, list] = {name: [] for name in STAGED.names}
    for row in range(exchanges):
        ts = draw.choice(moments) if draw.random() < 0.1 else START_US + draw.randrange(20 * DAY_US)
        digest = draw.randrange(-40, 40)
        values = {
            "exchange_id": f"exchange-{row}", "ts": ts, "ts_us": ts, "account_id": draw.choice(people),
            "source_file": row // 1000, "source_row": row % 1000 + 1, "id_digest": draw.getrandbits(63) - 2**62,
            "content_digest": draw.getrandbits(63) - 2**62, "text_digest": digest, "prompt_digest": digest // 2,
            "temperature": draw.choice([0.0, -0.0, 0.1 + 0.2, 0.3, 1e-320, 1e308]), "top_p": draw.choice([0.9, 1.0]),
            "n": draw.choice([1, 2, 2**62]), "max_tokens": draw.choice([1, 4096]),
            "tools": draw.choice([[], ["a"], ["a", "b"], ["b", "a"]]), "modalities": [],
            "turn": draw.choice([0, 1, 1, 2]), "status": 200, "latency_ms": draw.random(),
            "input_tokens": draw.choice([0, 1, draw.randrange(5000), 2**63 - 1, -(2**63)]),
            "output_tokens": draw.randrange(10) * 10, "reasoning_tokens": draw.choice([0, 5, 10, 17]),
            "cached_tokens": 0, "prompt_chars": 5, "response_chars": 7, "stream": draw.random() < 0.5,
            "logprobs": draw.random() < 0.5, "model": draw.choice(["m-1", "m-2", "M-1"]),
            "structure_capability": "other", "structure_probability": draw.randrange(10**6) / 10**6,
            "ip": draw.choice(["192.0.2.1", "198.51.100.7", "2001:db8::1", "nonsense", *ODD[:6]]),
        }
        for column in STAGED.columns:
            value = values.get(column.name, draw.choice(ODD) if column.type == pa.string() else None)
            made[column.name].append(None if column.name in gaps and draw.random() < 0.15 else value)
    columns = [pa.array(made[c.name], pa.int64()).cast(c.type) if c.name == "ts" else pa.array(made[c.name], c.type)
               for c in STAGED.columns]
    return pa.Table.from_arrays(columns, schema=STAGED.arrow)


def texts(seed: int) -> pa.Table:
    """Most of the texts that ``staged`` sends, and some that nobody sent."""
    draw = random.Random(seed)
    rows = [{"text_digest": digest, "template_id": draw.choice([None, "t1", "t2", "T1"]),
             "system_id": draw.choice([None, "s1", "a"]), "capability": draw.choice(["coding", "other"]),
             "probability": draw.randrange(10**6) / 10**6,
             "harvest": draw.choice([None, draw.randrange(10**6) / 10**6]),
             "benchmark": None, "pattern": draw.choice([None, "x"]), "exchanges": 3}
            for digest in range(-35, 60)]
    return conform(pa.Table.from_pylist(rows, schema=TEXTS.arrow), TEXTS)


def world(folder: Path, seed: int = 5, exchanges: int = 3000) -> World:
    """Write the files, and make up who is in which group."""
    draw = random.Random(seed)
    rows = staged(seed, exchanges)
    again = pa.concat_tables([rows, rows.slice(0, 40), rows.slice(60, 20).set_column(
        rows.schema.get_field_index("content_digest"), rows.schema.field("content_digest"),
        pa.array([7] * 20, pa.int64()))])
    # What comes again comes in a file of its own, after the others.
    for name, place, kind in (("source_file", [3] * 60, pa.int32()), ("source_row", range(1, 61), pa.int64())):
        column = pa.chunked_array([rows[name].combine_chunks(), pa.array(place, kind)])
        again = again.set_column(again.schema.get_field_index(name), again.schema.field(name), column)
    made: dict[str, list[Path]] = {}
    for name, table in (("part", rows), ("again", again)):
        made[name] = [folder / f"{name}-{number}.parquet" for number in range(2)]
        half = table.num_rows // 2
        pq.write_table(table.slice(0, half), made[name][0])
        pq.write_table(table.slice(half), made[name][1])
    known = texts(seed)
    people = sorted(set(rows["account_id"].to_pylist()) - {"unknown"})
    pairs = [(group, account) for group in GROUPS for account in people if draw.random() < 0.5]
    members = pa.table({"group_id": [group for group, _ in pairs], "account_id": [account for _, account in pairs],
                        "probability": pa.array([draw.choice([0.5, 0.9, 1.0, 1 / 3]) for _ in pairs])})
    content = _content(rows, known)
    streams = []
    for group in GROUPS:
        own = separate(content, pa.array([account for name, account in pairs if name == group])).table
        streams.append(own.append_column("group_id", pa.array([group] * own.num_rows)))
    accounts = pa.table({"account_id": people, "signup_ip": [draw.choice([None, "203.0.113.9"]) for _ in people]})
    return World(made["part"], made["again"], known, conform(accounts, ACCOUNTS), members,
                 pa.concat_tables(streams), content)


def _content(rows: pa.Table, known: pa.Table) -> pa.Table:
    joined = rows.select(["account_id", "text_digest"]).join(
        known.select(["text_digest", "template_id", "system_id", "harvest"]), "text_digest", join_type="inner")
    summed = joined.group_by(["account_id", "template_id", "system_id"], use_threads=False).aggregate(
        [("harvest", "mean"), ("text_digest", "count")])
    return summed.rename_columns({"harvest_mean": "harvest", "text_digest_count": "count"})


def described(addresses: pa.Array) -> pa.Table:
    """What is known of addresses."""
    return Networks.load().describe(addresses)
