"""What a SavedModel of this project computes, and the signatures that programs call."""

import tensorflow as tf

from model.classifier import MEAN, STANDARD_DEVIATION
from model.hub.saved_model import SIGNATURE

CHANNELS_LAST = "channels_last"  # of clips as most programs have them
ROWS = "rows"  # with a row for each clip in every output, as TensorFlow Serving asks


def fresh_seeds(clip):
    """Seeds [B, 2] for stochastic depth where nobody hands them in."""
    return tf.random.uniform([tf.shape(clip)[0], 2], maxval=2**31 - 1, dtype=tf.int32)


def backbone_function(backbone, clip):
    """Normalised clips [n, 3, T, H, W] -> features [n, C, T', H', W']."""
    spec = tf.TensorSpec([None, 3, *clip], tf.float32, name="clip")

    @tf.function(autograph=False)
    def features(clip, training=False):
        masks = backbone.draw_masks(fresh_seeds(clip)) if training else ()
        x = tf.transpose(clip, [0, 2, 1, 3, 4])
        x = backbone(x, training=training, masks=masks)
        return tf.transpose(x, [0, 4, 1, 2, 3])

    @tf.function(input_signature=[spec], autograph=False)
    def signature(clip):
        return {"features": features(clip)}

    output = features.get_concrete_function(spec, training=False).output_shapes
    features.get_concrete_function(spec, training=True)
    return features, {SIGNATURE: signature}, facts(spec, output, "normalised")


def classifier_function(model, clip, class_names):
    """uint8 clips [n, T, 3, H, W] -> probabilities [n, classes] and their names.

    The names are [classes], since they are the same for all clips; of the signature
    `rows` alone they are [n, classes]: TensorFlow Serving answers a request of
    "instances" only where every output has as many rows as there are instances.
    """
    frames, height, width = clip
    spec = tf.TensorSpec([None, frames, 3, height, width], tf.uint8, name="clip")
    last = tf.TensorSpec([None, frames, height, width, 3], tf.uint8, name="clip")

    @tf.function(autograph=False)
    def probabilities(clip, training=False):
        masks = model.draw_masks(fresh_seeds(clip)) if training else ()
        return tf.nn.softmax(model({"clip": clip, "masks": masks}, training=training))

    @tf.function(input_signature=[spec], autograph=False)
    def signature(clip):
        return {"probabilities": probabilities(clip), "names": tf.constant(class_names)}

    @tf.function(input_signature=[last], autograph=False)
    def channels_last(clip):
        return signature(tf.transpose(clip, [0, 1, 4, 2, 3]))

    @tf.function(input_signature=[spec], autograph=False)
    def rows(clip):
        result = signature(clip)
        shape = tf.shape(result["probabilities"])
        return result | {"names": tf.broadcast_to(result["names"], shape)}

    output = probabilities.get_concrete_function(spec, training=False).output_shapes
    probabilities.get_concrete_function(spec, training=True)
    signatures = {SIGNATURE: signature, CHANNELS_LAST: channels_last, ROWS: rows}
    return probabilities, signatures, facts(spec, output, "0 to 255")


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
