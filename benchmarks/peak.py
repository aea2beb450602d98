"""The most memory that tensors take during one update, measured; prints bytes.

    python -m benchmarks.peak --variant=tiny --frames=32 --size=224 \\
        --precision=float32 --recompute=none --clips=1 --parts=1

By TensorFlow's own counters of its first device, so for one replica, on a CPU or a GPU;
random weights. The most of two updates after the one that traces: which operations
overlap is up to TensorFlow's threads. `benchmarks.what_fits --check` compares it with
the estimate.
"""

import argparse

import numpy as np
import tensorflow as tf
import tf_keras as keras

from configs.schema import Optimizer, video_swin
from model import create_model, create_optimizer

CLASSES = 101


def main():
    """Measures what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("variant", "precision", "recompute"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("frames", "size", "clips", "parts"):
        parser.add_argument(f"--{name}", required=True, type=int)
    flags = parser.parse_args()
    keras.mixed_precision.set_global_policy(flags.precision)
    config = video_swin(flags.variant, recompute=flags.recompute)
    shape = [flags.clips, flags.frames, 3, flags.size, flags.size]
    print(peak_of_updates(config, shape, flags.parts))


def peak_of_updates(config, shape, parts):
    """Bytes of tensors at their peak, what is there between updates included.

    Args:
        config: a `configs.schema.Model`.
        shape: [b, T, 3, H, W] of the clips of an update.
        parts: in which they are computed.
    """
    model = create_model(config, num_classes=CLASSES)
    optimizer = create_optimizer(
        Optimizer(), model, batch_size=shape[0], steps=1000, warmup_steps=10
    )
    model.compile(optimizer, accumulation_steps=parts)
    clip = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    inputs = {
        "clip": clip,
        "seed": np.ones([shape[0], 2], np.int32),
        "video": np.zeros(shape[0]),
    }
    batch = (inputs, np.zeros(shape[0], np.int32), np.ones(shape[0], np.float32))
    iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
    update = model.make_train_function()
    update(iterator)
    device = "GPU:0" if tf.config.list_physical_devices("GPU") else "CPU:0"
    tf.config.experimental.reset_memory_stats(device)
    for _ in range(2):
        update(iterator)
    return tf.config.experimental.get_memory_info(device)["peak"]


if __name__ == "__main__":
    main()
