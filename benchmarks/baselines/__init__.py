"""What others would do with the same logs, so that our figures have something to stand beside.

Each module reads what ``stillwatch simulate`` writes and has the same names:

- ``measure(traffic, parameters)``: the costly part, which looks at no label;
- ``decide(measured, parameters)``: the thresholds, so that a grid of them costs one measurement;
- ``accuse(traffic, parameters)``: one after the other, an :class:`Accusation`;
- ``GRID`` and ``MEASURING``: what is tried when a baseline is tuned, and which of it ``measure`` depends on.

Parameters are tuned on development runs alone (``python benchmarks/tune_baselines.py``) and kept in ``tuned.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from baselines import components, honeypot, mmd, synchrotrap
from baselines.shared import Accusation, Parameters

__all__ = ["BASELINES", "Accusation", "Baseline", "Parameters"]


@dataclass(frozen=True)
class Baseline:
    """One row of the scoreboard: a module, what it is called, and the parameters it is tuned over."""

    module: ModuleType
    title: str
    grid: Mapping[str, Sequence[Any]]


BASELINES: Mapping[str, Baseline] = {
    "components": Baseline(components, "connected components on shared addresses", components.GRID),
    "synchrotrap": Baseline(synchrotrap, "SynchroTrap-style co-occurrence", synchrotrap.GRID),
    "mmd": Baseline(mmd, "MMD window test of each account, calibrated to 1 % of the benign", mmd.GRID),
    "mmd_unbounded": Baseline(mmd, "MMD window test of each account, best F1", mmd.UNBOUNDED),
    "honeypotllm": Baseline(honeypot, "honeypotllm 0.1.3, tuned", honeypot.GRID),
    "honeypotllm_default": Baseline(honeypot, "honeypotllm 0.1.3, its own threshold",
                                    {name: (value,) for name, value in honeypot.DEFAULTS.items()}),
}
