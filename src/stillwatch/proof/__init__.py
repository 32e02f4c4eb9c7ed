"""The only room that knows truth: simulated traffic with labels."""

from stillwatch.proof.describe import describe, scenarios
from stillwatch.proof.simulate import simulate

__all__ = ["describe", "scenarios", "simulate"]
