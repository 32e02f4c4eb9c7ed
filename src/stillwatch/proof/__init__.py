"""The only room that knows truth: simulated traffic with labels."""

from stillwatch.proof.describe import describe, list_scenarios, scenarios
from stillwatch.proof.power import Wanted, power
from stillwatch.proof.simulate import simulate

__all__ = ["Wanted", "describe", "list_scenarios", "power", "scenarios", "simulate"]
