"""The Keras port's process: a checkout and an `Experiment` as JSON.

For each line that it reads it computes a step and prints the seconds that it took: a
function of TensorFlow, on the same recipe as `benchmarks.step.peer_worker`. The port
knows no recomputation: its step is the same whatever `model.recompute` says.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"  # Whatever the user's own settings say.

import keras
import numpy as np
import tensorflow as tf

from benchmarks.step.peer import CLASSES, DEVIATION, MEAN, answer
from configs.schema.serialization import from_json


def create_model(checkout, experiment):
    """Backbone and head: uint8 [b, T, H, W, 3] -> float32 [b, classes].

    Args:
        checkout: the path of the repository.
        experiment: an `Experiment`.
    """
    sys.path.insert(0, checkout)
    from videoswin.backbone import VideoSwinBackbone

    config, data = experiment.model, experiment.data
    keras.mixed_precision.set_dtype_policy(experiment.runtime.precision)
    clip = keras.Input([data.frames, data.size, data.size, 3], dtype="uint8")
    variance = np.square(DEVIATION)
    backbone = VideoSwinBackbone(
        input_shape=clip.shape[1:],
        patch_size=list(config.patch_size),
        embed_dim=config.embed_dim,
        depths=list(config.depths),
        num_heads=list(config.num_heads),
        window_size=list(config.window_size),
        drop_path_rate=config.drop_path_rate,
    )
    x = backbone(keras.layers.Normalization(mean=MEAN, variance=variance)(clip))
    x = keras.layers.GlobalAveragePooling3D()(x)
    x = keras.layers.Dropout(config.dropout)(x)
    return keras.Model(clip, keras.layers.Dense(CLASSES, dtype="float32")(x))


def step_of(checkout, experiment):
    """A function that computes an update and waits for it."""
    model, data = create_model(checkout, experiment), experiment.data
    optimizer = keras.optimizers.AdamW(
        experiment.optimizer.learning_rate,
        weight_decay=experiment.optimizer.weight_decay,
    )
    if experiment.runtime.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    shape = [data.batch_size, data.frames, data.size, data.size, 3]
    clip = tf.constant(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    labels = tf.zeros([data.batch_size], tf.int32)

    @tf.function(jit_compile=experiment.runtime.jit_compile)
    def update():
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, model(clip, training=True)
            )
            loss = tf.reduce_mean(losses)
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return lambda: update().numpy()


if __name__ == "__main__":
    CHECKOUT, TEXT = sys.argv[1:]
    answer(step_of(CHECKOUT, from_json(TEXT)))
