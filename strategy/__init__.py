"""Where, on how many devices and in which precision a run computes."""

from strategy.devices import create_strategy
from strategy.environment import environment
from strategy.precision import set_precision

__all__ = ["create_strategy", "environment", "set_precision"]
