"""Small traffic with one campaign, whole and as it was at earlier moments, for the tests of looking back."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.pipeline import ScanInputs
from stillwatch.proof import simulate
from stillwatch.settings import DeploymentKey, load_settings

KEY = DeploymentKey(bytes(32))
DAY = 86_400_000_000
SCENARIO = """
name: small
summary: one campaign in a village
start: 2026-03-02
days: 9
models:
- {name: birch-1, weight: 2, reasoning: true}
- {name: birch-mini}
actors:
- {actor: individuals, name: villagers, accounts: 70, exchanges: 1100}
- actor: campaign
  name: Grey Rook
  accounts: 20
  exchanges: 900
  capabilities: {reasoning_trace: 3, reward_grading: 1}
  active: {first: 2}
  proxies: {kind: hosting, exits: 8, per_account: 3, prefixes: 2}
  clients: 3
- {actor: shared_application, name: Tin Lantern, style: agent, accounts: 10, exchanges: 300}
- {actor: education, name: Larch Course, accounts: 12, exchanges: 260}
"""


def settings(**flags):
    """As few decoys as let three groups show q = 0.01; with the prior, a small campaign is a detection."""
    return load_settings(**{"decoys": 34, "prior": 0.5, "threads": 1} | flags)


def write(folder, seed):
    """Simulate the traffic; it lies in ``folder/logs``."""
    folder.mkdir(exist_ok=True)
    (folder / "small.yaml").write_text(SCENARIO)
    simulate(folder / "small.yaml", folder / "logs", seed=seed, workers=0)
    return folder / "logs"


def rows(logs):
    """All exchanges and accounts."""
    return pq.read_table(logs / "exchanges"), pq.read_table(logs / "accounts.parquet")


def until(table, column, at_us):
    """The rows up to a moment (µs), that moment included; rows without a time stay."""
    later = pc.greater(pc.cast(table[column], pa.int64()), at_us)
    return table.filter(pc.invert(pc.fill_null(later, False)))


def given(folder, exchanges, accounts):
    """Tables as the inputs of a scan."""
    folder.mkdir(parents=True)
    pq.write_table(exchanges, folder / "exchanges.parquet")
    pq.write_table(accounts, folder / "accounts.parquet")
    return ScanInputs([str(folder / "exchanges.parquet")], accounts=folder / "accounts.parquet")


def at(us):
    """Microseconds as a time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
