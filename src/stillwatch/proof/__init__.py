"""The only room that knows truth: simulated traffic with labels.

``proof.evaluate`` and ``proof.power`` are imported for themselves: they need the whole pipeline, and the processes that
write simulations should start without it.
"""

from stillwatch.proof.describe import describe, list_scenarios, scenarios
from stillwatch.proof.simulate import simulate

__all__ = ["describe", "list_scenarios", "scenarios", "simulate"]
