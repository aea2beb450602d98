"""The model: backbones and head, optimizer, evaluation, and weights in and out."""

from model.create import create_model, graph_fingerprint, resolve_model
from model.evaluation.evaluator import Evaluator
from model.evaluation.metrics import scores
from model.evaluation.report import summary, write_report
from model.evaluation.rules import (
    check_classes,
    check_output,
    check_seen,
    facts_before,
    finished_result,
    own_suffix,
    require_folder,
)
from model.optimizer import create_optimizer, describe_groups
from model.trained import (
    open_trained,
    state_dict,
    trained_videos_before,
    write_saved_model,
)
from model.weights.formats import STATE_DICTS, require_new_output, write_state_dict

__all__ = [
    "STATE_DICTS",
    "Evaluator",
    "check_classes",
    "check_output",
    "check_seen",
    "create_model",
    "create_optimizer",
    "describe_groups",
    "facts_before",
    "finished_result",
    "graph_fingerprint",
    "open_trained",
    "own_suffix",
    "require_folder",
    "require_new_output",
    "resolve_model",
    "scores",
    "state_dict",
    "summary",
    "trained_videos_before",
    "write_report",
    "write_saved_model",
    "write_state_dict",
]
