"""The only room that knows truth: simulated traffic with labels."""

from stillwatch.proof.power import Wanted, power
from stillwatch.proof.simulate import describe, scenarios, simulate

__all__ = ["Wanted", "describe", "power", "scenarios", "simulate"]
