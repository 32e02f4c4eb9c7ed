"""The one place that knows the order of the stages."""

from stillwatch.pipeline.candidates import attribute
from stillwatch.pipeline.convert import convert
from stillwatch.pipeline.scan import Reduced, ScanInputs, is_findings, observe, scan
from stillwatch.pipeline.watch import Clock, Quiet, Watcher

__all__ = [
    "Clock",
    "Quiet",
    "Reduced",
    "ScanInputs",
    "Watcher",
    "attribute",
    "convert",
    "is_findings",
    "observe",
    "scan",
]
