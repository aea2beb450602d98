"""The most memory that tensors take during one update, measured; prints bytes.

    python -m benchmarks.peak --variant=tiny --frames=32 --size=224 \\
        --precision=float32 --recompute=none --clips=1 --parts=1

By TensorFlow's own counters of its first device, so for one replica, on a CPU or a GPU;
random weights. The most of two updates after the one that traces: which operations
overlap is up to TensorFlow's threads. `benchmarks.what_fits --check` compares it with
the estimate.
"""

import argparse

import tensorflow as tf

from benchmarks.step.updates import Update
from configs.schema import Data, Experiment, Runtime, video_swin
from strategy import create_strategy


def main():
    """Measures what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--variant", required=True, help="tiny, small or base")
    parser.add_argument("--precision", required=True, help="as runtime.precision")
    parser.add_argument("--recompute", required=True, help="as model.recompute")
    parser.add_argument("--frames", required=True, type=int, help="of a clip")
    parser.add_argument("--size", required=True, type=int, help="height and width")
    parser.add_argument("--clips", required=True, type=int, help="of a batch")
    parser.add_argument(
        "--parts", required=True, type=int, help="as runtime.accumulation_steps"
    )
    flags = parser.parse_args()
    experiment = Experiment(
        model=video_swin(flags.variant, recompute=flags.recompute),
        data=Data(frames=flags.frames, size=flags.size, batch_size=flags.clips),
        runtime=Runtime(precision=flags.precision, accumulation_steps=flags.parts),
    )
    print(peak_of_updates(experiment))


def peak_of_updates(experiment):
    """Bytes of tensors at their peak, what is there between updates included."""
    update = Update(create_strategy(Runtime(replicas=1)), experiment)
    update.first()
    device = "GPU:0" if tf.config.list_physical_devices("GPU") else "CPU:0"
    tf.config.experimental.reset_memory_stats(device)
    for _ in range(2):
        update.seconds()
    return tf.config.experimental.get_memory_info(device)["peak"]


if __name__ == "__main__":
    main()
