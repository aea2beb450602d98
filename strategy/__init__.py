"""Where, on how many devices and in which precision a run computes, and with whom."""

from strategy.agreement import check_same, lock_folder, open_folder
from strategy.devices import create_strategy
from strategy.environment import environment, versions
from strategy.precision import set_precision
from strategy.proof.compiled import check_compiled
from strategy.proof.devices import check_devices, check_versions, without_bfloat16
from strategy.proof.folder import check_folder
from strategy.proof.reduction import check_reduction
from strategy.proof.report import report_findings, tried
from strategy.proof.runs import check_input, check_run, compare_runs, tolerance
from strategy.proof.small_run import CLASSES, known_clips, one_replica, small_run
from strategy.workers import Workers, join_workers

__all__ = [
    "CLASSES",
    "Workers",
    "check_compiled",
    "check_devices",
    "check_folder",
    "check_input",
    "check_reduction",
    "check_run",
    "check_same",
    "check_versions",
    "compare_runs",
    "create_strategy",
    "environment",
    "join_workers",
    "known_clips",
    "lock_folder",
    "one_replica",
    "open_folder",
    "report_findings",
    "set_precision",
    "small_run",
    "tolerance",
    "tried",
    "versions",
    "without_bfloat16",
]
