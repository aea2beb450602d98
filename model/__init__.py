"""The model: backbones, optimizer and schedule, and the formats they are stored in."""

from model.classifier import create_model
from model.evaluation import Evaluator
from model.handles import (
    check_handle,
    create_backbone,
    graph_fingerprint,
    load_handle,
    resolve_architecture,
)
from model.optimizer import create_optimizer, describe_groups
from model.pretrained import load_classifier
from model.schedule import WarmUpCosine

__all__ = [
    "Evaluator",
    "WarmUpCosine",
    "check_handle",
    "create_backbone",
    "create_model",
    "create_optimizer",
    "describe_groups",
    "graph_fingerprint",
    "load_classifier",
    "load_handle",
    "resolve_architecture",
]
