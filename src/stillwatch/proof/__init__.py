"""The only room that knows truth: simulated traffic with labels."""

from stillwatch.proof.simulate import describe, scenarios, simulate

__all__ = ["describe", "scenarios", "simulate"]
