"""Reads event files as TensorBoard does."""

from tensorboard.backend.event_processing.plugin_event_accumulator import (
    TENSORS,
    EventAccumulator,
)
from tensorboard.util.tensor_util import make_ndarray


def scalars(path):
    """(tag, step, value) of every point that TensorBoard shows of a folder."""
    events = EventAccumulator(str(path), size_guidance={TENSORS: 0})
    events.Reload()
    for tag in events.Tags()["tensors"]:
        for event in events.Tensors(tag):
            yield tag, event.step, make_ndarray(event.tensor_proto).item()
