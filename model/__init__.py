"""The model: backbones, optimizer and schedule, and the formats they are stored in."""

from model.handles import (
    check_handle,
    create_backbone,
    load_handle,
    resolve_architecture,
)
from model.optimizer import create_optimizer, describe_groups
from model.schedule import WarmUpCosine

__all__ = [
    "WarmUpCosine",
    "check_handle",
    "create_backbone",
    "create_optimizer",
    "describe_groups",
    "load_handle",
    "resolve_architecture",
]
