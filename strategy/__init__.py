"""Where, on how many devices and in which precision a run computes, and with whom.

The public names are imported when they are first used, and TensorFlow with them: what
is checked before a program starts must not wait for it.
"""

from configs.command.lazy import names_from

__getattr__ = names_from(
    __name__,
    {
        "check_same": "strategy.agreement",
        "lock_folder": "strategy.agreement",
        "open_folder": "strategy.agreement",
        "count_workers": "strategy.cluster",
        "create_strategy": "strategy.devices",
        "warn_of_devices": "strategy.devices",
        "computing_environment": "strategy.environment",
        "versions": "strategy.environment",
        "replica_memory": "strategy.memory",
        "set_precision": "strategy.precision",
        "check_compiled": "strategy.proof.compiled",
        "check_devices": "strategy.proof.devices",
        "check_versions": "strategy.proof.devices",
        "without_bfloat16": "strategy.proof.devices",
        "check_folder": "strategy.proof.folder",
        "check_reduction": "strategy.proof.reduction",
        "report_findings": "strategy.proof.report",
        "tried": "strategy.proof.report",
        "check_input": "strategy.proof.runs",
        "check_run": "strategy.proof.runs",
        "compare_runs": "strategy.proof.runs",
        "tolerance": "strategy.proof.runs",
        "CLASSES": "strategy.proof.small_run",
        "known_clips": "strategy.proof.small_run",
        "one_replica": "strategy.proof.small_run",
        "small_run": "strategy.proof.small_run",
        "Workers": "strategy.workers",
        "join_workers": "strategy.workers",
    },
)

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
    "computing_environment",
    "count_workers",
    "create_strategy",
    "join_workers",
    "known_clips",
    "lock_folder",
    "one_replica",
    "open_folder",
    "replica_memory",
    "report_findings",
    "set_precision",
    "small_run",
    "tolerance",
    "tried",
    "versions",
    "warn_of_devices",
    "without_bfloat16",
]
