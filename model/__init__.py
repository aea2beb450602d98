"""The model: backbones and head, optimizer, evaluation, and weights in and out."""

from model.create import create_model, graph_fingerprint, resolve_model
from model.evaluation.evaluator import Evaluator
from model.evaluation.metrics import scores
from model.evaluation.report import suffix_of, summary, write_report
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
    "create_model",
    "create_optimizer",
    "describe_groups",
    "graph_fingerprint",
    "open_trained",
    "require_new_output",
    "resolve_model",
    "scores",
    "state_dict",
    "suffix_of",
    "summary",
    "trained_videos_before",
    "write_report",
    "write_saved_model",
    "write_state_dict",
]
