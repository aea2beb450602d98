"""SavedModels of this project, read and written.

They need nothing of this project to run or to train. Beside the graph they keep
`assets.extra/model.json` (architecture, class names, input, origin), a documentation
page and, where they are known, the classification head as `assets.extra/head.npz` and
the videos it was trained on as `assets.extra/trained_videos.json`. The native model can
be built from these again. Any other SavedModel is opaque: it runs as it is
(`model.hub`).
"""

import dataclasses
import json
import math
import tarfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from configs.command.errors import ConfigError, StorageError
from model.hub.saved_model import local_directory, read_variables
from model.weights.description import read_description, read_head
from model.weights.model_card import documentation
from model.weights.names import official_names
from model.weights.protocol import read_protocol
from model.weights.signatures import backbone_function, classifier_function
from storage.files import written_aside
from storage.trained_videos import TRAINED_VIDEOS, read_trained_videos

DESCRIPTION = Path("assets.extra", "model.json")
HEAD_FILE = Path("assets.extra", "head.npz")
TABLE = "relative_position_bias_table"
PAGE = Path("assets.extra", "documentation.md")
SEEN_FILE = Path("assets.extra", TRAINED_VIDEOS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Handle:
    """A SavedModel that can be rebuilt as the native model."""

    directory: Path
    description: dict

    @property
    def architecture(self):
        """The arguments of `VideoSwin` that say what the network is."""
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.description["architecture"].items()
        }

    @property
    def class_names(self):
        """Names of the head's classes as a tuple; None where they are not known."""
        names = self.description["class_names"]
        return None if names is None else tuple(names)

    @property
    def protocol(self):
        """The `configs.schema.Protocol` of the model, as far as it says.

        Raises:
            ConfigError: it says something that cannot be.
        """
        path, clip = self.directory / DESCRIPTION, self.description["clip"]
        return read_protocol(self.description.get("protocol"), path, clip)

    @property
    def trained_videos(self):
        """The `TrainedVideos` of the model; None where they are not known."""
        return read_trained_videos(self.directory / SEEN_FILE)

    def weights(self):
        """The backbone's weights by path."""
        names = official_names(self.architecture["depths"])
        values = read_variables(self.directory)
        if len(values) < len(names):  # a classifier's head may follow
            raise ConfigError(
                f"{self.directory} must hold {len(names)} variables; "
                f"received {len(values)}."
            )
        weights = dict(zip(names, values, strict=False))
        self._require_architecture(weights)
        return weights

    def _require_architecture(self, weights):
        """Refuses weights of another network than described, before it is built."""
        sizes = self.architecture
        rows = math.prod(2 * size - 1 for size in sizes["window_size"])
        tables = [v.shape for path, v in weights.items() if path.endswith(TABLE)]
        heads = [
            (rows, number)
            for number, depth in zip(sizes["num_heads"], sizes["depths"], strict=False)
            for _ in range(depth)
        ]
        channels = next(iter(weights.values())).shape[-1:]
        if channels != (sizes["embed_dim"],) or tables != heads:
            raise ConfigError(
                f"{self.directory / DESCRIPTION} must describe the network whose "
                f"variables lie beside it; it says {sizes}, and they are of another."
            )

    def head(self):
        """`kernel` [C, classes] and `bias` [classes], or None without a head.

        Raises:
            ConfigError: the file with them is damaged.
        """
        sizes = self.architecture
        return read_head(
            self.directory / HEAD_FILE,
            features=sizes["embed_dim"] << (len(sizes["depths"]) - 1),
            class_names=self.class_names,
        )


def load_handle(handle):
    """What a SavedModel of ours holds; None for one that is opaque.

    Args:
        handle: a path, a tar file or an address.

    Raises:
        ConfigError: there is no SavedModel behind the handle, or its description is
            damaged or of another form than this version writes.
    """
    directory = local_directory(handle)
    description = read_description(directory / DESCRIPTION)
    if not description:
        return None
    return Handle(directory=directory, description=description)


class Reusable(tf.__internal__.tracking.AutoTrackable):
    """The reusable SavedModel interface over a function of clips.

    `variables` comes first, so that the checkpoint calls them `variables/0` and so on.
    It holds no layers: Keras would trace each of them once more.
    """

    def __init__(self, variables, function):
        """Keeps what a SavedModel needs.

        Args:
            variables: all variables of the function, in the order in which they are
                kept.
            function: maps clips to the output.
        """
        self.variables = variables
        self.trainable_variables = [v for v in variables if v.trainable]
        self.regularization_losses = []
        self.__call__ = function


def write_backbone(output, backbone, description, head=None, trained_videos=None):
    """Writes a native backbone: normalised clips to features.

    Args:
        output: the folder, which must not exist; the tar file is `output`.tar.gz.
        backbone: a `VideoSwin`.
        description: name, architecture, drop_path_rate, class_names, clip (frames,
            height, width), licence, origin, source and source_sha256; where it is known
            also protocol (`Protocol.known`), and for a released model training
            (`model.weights.released.Variant.training`).
        head: `kernel` and `bias` to keep beside the graph.
        trained_videos: `TrainedVideos`; None where they are not known.

    Raises:
        ConfigError: an output exists.
    """
    function, signatures, facts = backbone_function(backbone, description["clip"])
    root = Reusable(in_order(backbone), function)
    description = description | facts | {"kind": "backbone"}
    write(output, root, signatures, description, head, trained_videos)


def write_classifier(
    output, model, description, variables, graph=None, trained_videos=None
):
    """Writes a whole classifier: uint8 clips to probabilities and class names.

    Args:
        output: as in `write_backbone`.
        model: a `Classifier`; around a Video Swin the SavedModel is also a handle.
        description: as in `write_backbone`; architecture None for another backbone.
        variables: the backbone's, in the order in which the SavedModel keeps them.
        graph: a further object that the backbone's function needs; None without one.
        trained_videos: as in `write_backbone`.

    Raises:
        ConfigError: an output exists.
    """
    kernel, bias = model.head.kernel, model.head.bias
    names = description["class_names"] or list(map(str, range(bias.shape[0])))
    function, signatures, facts = classifier_function(model, description["clip"], names)
    root = Reusable([*variables, kernel, bias], function)
    if graph is not None:
        root.graph = graph
    head = {"kernel": kernel.numpy(), "bias": bias.numpy()}
    description = description | facts | {"kind": "classifier"}
    write(output, root, signatures, description, head, trained_videos)


def in_order(backbone):
    """A native backbone's variables in the order of `official_names`."""
    variables = backbone.named_weights()
    return [variables[path] for path in official_names(backbone.depths)]


def write(output, root, signatures, description, head, trained_videos):
    """Writes the SavedModel, what is known beside it, and a tar file of both."""
    archive = Path(f"{output}.tar.gz")
    with written_aside(output) as folder, written_aside(archive) as packed:
        try:
            tf.saved_model.save(root, str(folder), signatures=signatures)
        except tf.errors.OpError as error:  # A full disk is no OSError to TensorFlow.
            reason = error.message.splitlines()[0].rpartition("; ")[2]
            raise StorageError(f"{output} could not be written: {reason}") from error
        (folder / DESCRIPTION).parent.mkdir(exist_ok=True)
        text = json.dumps(description, indent=2) + "\n"
        (folder / DESCRIPTION).write_text(text, "utf-8")
        page = documentation(description)
        (folder / PAGE).write_text(page, "utf-8", "backslashreplace")
        if head:
            np.savez(folder / HEAD_FILE, **head)
        if trained_videos is not None:
            (folder / SEEN_FILE).write_text(trained_videos.to_json(), "utf-8")
        # Weights hardly compress: the lowest level.
        with tarfile.open(packed, "w:gz", compresslevel=1) as file:
            file.add(folder, arcname=".")
