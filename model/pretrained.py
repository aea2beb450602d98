"""A SavedModel of ours as a whole native classifier, with its own classes."""

from configs.errors import ConfigError
from configs.schema import Model
from model.classifier import create_model
from model.handles import load_handle, resolve_architecture


def load_classifier(path):
    """The classifier that a converted or exported SavedModel holds.

    Call it under the strategy's scope.

    Args:
        path: of the SavedModel; a tar file or an address will do.

    Returns:
        (classifier, class names, clip). The classifier takes uint8 clips of any size
        [b, T, 3, H, W] and gives logits; the names are a tuple, numbers where they are
        not known; the clip is the (frames, height, width) it was written for.

    Raises:
        ConfigError: the SavedModel is opaque, or holds no classification head.
    """
    handle = load_handle(path)
    head = handle and handle.head()
    if not head:
        raise ConfigError(
            "A classifier must be a SavedModel written by model.convert, from a "
            "checkpoint with a classification head, or by model.export; "
            f"received {str(path)!r}."
        )
    classes = len(head["bias"])
    config = resolve_architecture(Model(handle=str(path)))
    model = create_model(config, classes=classes)
    model.head.kernel.assign(head["kernel"])
    model.head.bias.assign(head["bias"])
    names = handle.class_names or tuple(map(str, range(classes)))
    return model, names, tuple(handle.description["clip"])
