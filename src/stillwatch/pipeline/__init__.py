"""The one place that knows the order of the stages."""

from stillwatch.pipeline.assess import Claims, claims_of, judge_claims, likely_members
from stillwatch.pipeline.candidates import attribute
from stillwatch.pipeline.classifying import classify
from stillwatch.pipeline.convert import convert
from stillwatch.pipeline.decoys import Decoys, make_decoys
from stillwatch.pipeline.observing import Logs, Reduced, ScanInputs, collect, observe, read_logs
from stillwatch.pipeline.scan import is_findings, scan
from stillwatch.pipeline.watch import Clock, Quiet, Watcher

__all__ = [
    "Claims",
    "Clock",
    "Decoys",
    "Logs",
    "Quiet",
    "Reduced",
    "ScanInputs",
    "Watcher",
    "attribute",
    "claims_of",
    "classify",
    "collect",
    "convert",
    "is_findings",
    "judge_claims",
    "likely_members",
    "make_decoys",
    "observe",
    "read_logs",
    "scan",
]
