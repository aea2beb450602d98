"""Every option of a run, in sections that check themselves."""

from configs.schema.calendar import Calendar
from configs.schema.data import Data, Views
from configs.schema.experiment import Experiment
from configs.schema.model import Model, video_swin
from configs.schema.optimizer import Optimizer
from configs.schema.protocol import Protocol
from configs.schema.runtime import Checkpoints, Runtime

__all__ = [
    "Calendar",
    "Checkpoints",
    "Data",
    "Experiment",
    "Model",
    "Optimizer",
    "Protocol",
    "Runtime",
    "Views",
    "video_swin",
]
