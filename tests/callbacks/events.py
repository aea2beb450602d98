"""Reads event files as TensorBoard does."""

from tensorboard.backend.event_processing.plugin_event_accumulator import (
    TENSORS,
    EventAccumulator,
)
from tensorboard.util.tensor_util import make_ndarray


def shown(path, kind="scalars"):
    """(tag, step, value) of all that one page of TensorBoard shows of a folder.

    Args:
        path: the folder.
        kind: the page: "scalars", "images", "text" or "hparams".
    """
    events = EventAccumulator(
        str(path), size_guidance={TENSORS: 0}, tensor_size_guidance={kind: 0}
    )
    events.Reload()
    for tag in events.Tags()["tensors"]:
        if events.SummaryMetadata(tag).plugin_data.plugin_name == kind:
            for event in events.Tensors(tag):
                yield tag, event.step, make_ndarray(event.tensor_proto).tolist()


def scalars(path):
    """(tag, step, value) of every point of the curves of a folder."""
    return shown(path)
