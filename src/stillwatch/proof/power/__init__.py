"""Injection and recovery: what a campaign must be like to be found in these logs."""

from stillwatch.proof.power.run import Wanted, power

__all__ = ["Wanted", "power"]
