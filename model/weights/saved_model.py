"""SavedModels of this project, read and written.

They need nothing of this project to run or to train. Beside the graph they keep
`assets.extra/model.json` (architecture, class names, input, origin), a documentation
page and, where there is one, the classification head as `assets.extra/head.npz`. The
native model can be built from these again. Any other SavedModel is opaque: it runs as
it is (`model.hub`).
"""

import dataclasses
import json
import tarfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from configs.command.errors import ConfigError, StorageError
from configs.schema.model import ARCHITECTURE
from model.classifier import MEAN, STANDARD_DEVIATION
from model.hub.saved_model import SIGNATURE, local_directory, read_variables
from model.weights.model_card import documentation
from model.weights.names import official_names
from storage.files import written_aside

DESCRIPTION = Path("assets.extra", "model.json")
HEAD_FILE = Path("assets.extra", "head.npz")
PAGE = Path("assets.extra", "documentation.md")


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

    def weights(self):
        """The backbone's weights by path."""
        names = official_names(self.architecture["depths"])
        values = read_variables(self.directory)
        if len(values) < len(names):  # a classifier's head may follow
            raise ConfigError(
                f"{self.directory} must hold {len(names)} variables; "
                f"received {len(values)}."
            )
        return dict(zip(names, values, strict=False))

    def head(self):
        """`kernel` [C, classes] and `bias` [classes], or None without a head."""
        if not (self.directory / HEAD_FILE).is_file():
            return None
        with np.load(self.directory / HEAD_FILE) as arrays:
            return dict(arrays)


def load_handle(handle):
    """What a SavedModel of ours holds; None for one that is opaque.

    Args:
        handle: a path, a tar file or an address.

    Raises:
        ConfigError: there is no SavedModel behind the handle, or its description is
            damaged or of another form than this version writes.
    """
    directory = local_directory(handle)
    path = directory / DESCRIPTION
    try:
        description = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise ConfigError(f"{path} must be JSON: {error}") from error
    if not isinstance(description, dict):
        raise ConfigError(f"{path} must hold an object; received {description!r}.")
    architecture = description.get("architecture")
    if not architecture:
        return None
    if set(architecture) != set(ARCHITECTURE):
        raise ConfigError(
            f"{path} must describe an architecture by {', '.join(ARCHITECTURE)}; "
            f"received {', '.join(architecture)}. Convert the checkpoint again with "
            "python -m model.convert."
        )
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


def write_backbone(output, backbone, description, head=None):
    """Writes a native backbone: normalised clips to features.

    Args:
        output: the folder, which must not exist; the tar file is `output`.tar.gz.
        backbone: a `VideoSwin`.
        description: name, architecture, drop_path_rate, class_names, clip (frames,
            height, width), licence, origin, source and source_sha256; for a released
            model also training (`model.weights.released.Variant.training`).
        head: `kernel` and `bias` to keep beside the graph.

    Raises:
        ConfigError: an output exists.
    """
    function, signature, facts = backbone_function(backbone, description["clip"])
    root = Reusable(in_order(backbone), function)
    description = description | facts | {"kind": "backbone"}
    write(output, root, signature, description, head)


def write_classifier(output, model, description, variables, graph=None):
    """Writes a whole classifier: uint8 clips to probabilities and class names.

    Args:
        output: as in `write_backbone`.
        model: a `Classifier`; around a Video Swin the SavedModel is also a handle.
        description: as in `write_backbone`; architecture None for another backbone.
        variables: the backbone's, in the order in which the SavedModel keeps them.
        graph: a further object that the backbone's function needs; None without one.

    Raises:
        ConfigError: an output exists.
    """
    kernel, bias = model.head.kernel, model.head.bias
    names = description["class_names"] or list(map(str, range(bias.shape[0])))
    function, signature, facts = classifier_function(model, description["clip"], names)
    root = Reusable([*variables, kernel, bias], function)
    if graph is not None:
        root.graph = graph
    head = {"kernel": kernel.numpy(), "bias": bias.numpy()}
    description = description | facts | {"kind": "classifier"}
    write(output, root, signature, description, head)


def in_order(backbone):
    """A native backbone's variables in the order of `official_names`."""
    variables = backbone.named_weights()
    return [variables[path] for path in official_names(backbone.depths)]


def write(output, root, signature, description, head):
    """Writes the SavedModel, what is known beside it, and a tar file of both."""
    archive = Path(f"{output}.tar.gz")
    with written_aside(output) as folder, written_aside(archive) as packed:
        try:
            tf.saved_model.save(root, str(folder), signatures={SIGNATURE: signature})
        except tf.errors.OpError as error:  # A full disk is no OSError to TensorFlow.
            reason = error.message.splitlines()[0].rpartition("; ")[2]
            raise StorageError(f"{output} could not be written: {reason}") from error
        (folder / DESCRIPTION).parent.mkdir(exist_ok=True)
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")
        (folder / PAGE).write_text(documentation(description))
        if head:
            np.savez(folder / HEAD_FILE, **head)
        # Weights hardly compress: the lowest level.
        with tarfile.open(packed, "w:gz", compresslevel=1) as file:
            file.add(folder, arcname=".")


def fresh_seeds(clip):
    """Seeds [B, 2] for stochastic depth where nobody hands them in."""
    return tf.random.uniform([tf.shape(clip)[0], 2], maxval=2**31 - 1, dtype=tf.int32)


def backbone_function(backbone, clip):
    """Normalised clips [n, 3, T, H, W] -> features [n, C, T', H', W']."""
    spec = tf.TensorSpec([None, 3, *clip], tf.float32, name="clip")

    @tf.function(autograph=False)
    def features(clip, training=False):
        seed = fresh_seeds(clip) if training else None
        x = tf.transpose(clip, [0, 2, 1, 3, 4])
        return tf.transpose(backbone(x, training=training, seed=seed), [0, 4, 1, 2, 3])

    @tf.function(input_signature=[spec], autograph=False)
    def signature(clip):
        return {"features": features(clip)}

    output = features.get_concrete_function(spec, training=False).output_shapes
    features.get_concrete_function(spec, training=True)
    return features, signature, facts(spec, output, "normalised")


def classifier_function(model, clip, class_names):
    """uint8 clips [n, T, 3, H, W] -> probabilities [n, classes] and their names."""
    frames, height, width = clip
    spec = tf.TensorSpec([None, frames, 3, height, width], tf.uint8, name="clip")

    @tf.function(autograph=False)
    def probabilities(clip, training=False):
        seed = fresh_seeds(clip) if training else None
        return tf.nn.softmax(model({"clip": clip, "seed": seed}, training=training))

    @tf.function(input_signature=[spec], autograph=False)
    def signature(clip):
        return {"probabilities": probabilities(clip), "names": tf.constant(class_names)}

    output = probabilities.get_concrete_function(spec, training=False).output_shapes
    probabilities.get_concrete_function(spec, training=True)
    return probabilities, signature, facts(spec, output, "0 to 255")


def facts(spec, output, values):
    """What the input has to be and what comes out, for description and page."""
    return {
        "input": {
            "type": spec.dtype.name,
            "shape": shape_text(spec.shape),
            "range": values,
            "mean": MEAN,
            "std": STANDARD_DEVIATION,
        },
        "output": shape_text(output),
    }


def shape_text(shape):
    """A shape with a free batch as `[n, 3, 32]`."""
    return f"[{', '.join('n' if size is None else str(size) for size in shape)}]"
