"""The model: backbones and head, optimizer, evaluation, and weights in and out.

The public names are imported when they are first used, and TensorFlow with them: what
is checked before a program starts must not wait for it.
"""

from configs.command.lazy import names_from

__getattr__ = names_from(
    __name__,
    {
        "check_handle": "model.hub.handles",
        "check_wanted": "model.wanted",
        "create_model": "model.create",
        "graph_fingerprint": "model.create",
        "resolve_model": "model.create",
        "Evaluator": "model.evaluation.evaluator",
        "validation_row": "model.evaluation.evaluator",
        "scores": "model.evaluation.metrics",
        "summary": "model.evaluation.report",
        "write_report": "model.evaluation.report",
        "check_classes": "model.evaluation.rules",
        "check_output": "model.evaluation.rules",
        "check_seen": "model.evaluation.rules",
        "facts_before": "model.evaluation.rules",
        "finished_result": "model.evaluation.rules",
        "own_suffix": "model.evaluation.rules",
        "require_folder": "model.evaluation.rules",
        "log_what_fits": "model.memory",
        "class_weights": "model.optimizer.class_weights",
        "create_optimizer": "model.optimizer",
        "describe_groups": "model.optimizer",
        "log_groups": "model.optimizer",
        "open_trained": "model.trained",
        "state_dict": "model.trained",
        "trained_videos_before": "model.trained",
        "write_saved_model": "model.trained",
        "STATE_DICTS": "model.weights.outputs",
        "require_new_output": "model.weights.outputs",
        "write_state_dict": "model.weights.formats",
    },
)

__all__ = [
    "STATE_DICTS",
    "Evaluator",
    "check_classes",
    "check_handle",
    "check_output",
    "check_seen",
    "check_wanted",
    "class_weights",
    "create_model",
    "create_optimizer",
    "describe_groups",
    "facts_before",
    "finished_result",
    "graph_fingerprint",
    "log_groups",
    "log_what_fits",
    "open_trained",
    "own_suffix",
    "require_folder",
    "require_new_output",
    "resolve_model",
    "scores",
    "state_dict",
    "summary",
    "trained_videos_before",
    "validation_row",
    "write_report",
    "write_saved_model",
    "write_state_dict",
]
