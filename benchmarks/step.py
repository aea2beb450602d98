"""What a training step of Swin-T costs, and how much of a run is spent saving.

    python -m benchmarks.step [--steps=5] [--size=224] [--frames=32]

Updates of one clip on one device, random weights; medians, in one process. Prints a
table and, last, a line of JSON: `recompute` is the time of a step with recomputed
blocks as a multiple of one without, `saving` the fraction of the time that the loop
stands still at the default cadence of checkpoints, every so many steps and at the end
of each epoch of UCF101 (durations as measured, so both on the same disk and device; a
step of one clip is the shortest there is).
"""

import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path

from absl import flags

from configs.command.launch import run, start

FLAGS = flags.FLAGS

if __name__ == "__main__":
    flags.DEFINE_integer("steps", 5, "Counted steps, after one that traces.")
    flags.DEFINE_integer("size", 224, "Height and width of the clip.")
    flags.DEFINE_integer("frames", 32, "Frames of the clip.")
    start(lambda _: None, positional=False)  # What follows imports TensorFlow.

import numpy as np
import tensorflow as tf

from configs.schema import Calendar, Checkpoints, Optimizer
from configs.ucf101_swin_tiny import config as swin_tiny
from model import create_model, create_optimizer
from storage.checkpoints import CheckpointStore

TRAINING_VIDEOS = 9537  # of UCF101's first split


def main(_):
    """Times steps without and with recomputation, then saves."""
    model = create(recompute="none")
    seconds = {"step": time_steps(model), "save": time_saves(model)}
    del model
    seconds["step, recomputed"] = time_steps(create(recompute="block"))
    for name, values in seconds.items():
        print(f"{name:18}{statistics.median(values):8.2f} s  (of {len(values)})")
    step, save = (statistics.median(seconds[name]) for name in ("step", "save"))
    epoch = Calendar(TRAINING_VIDEOS, swin_tiny().data.batch_size, epochs=1)
    saving = save * (1 / Checkpoints().save_every + 1 / epoch.steps)
    ratios = {
        "recompute": statistics.median(seconds["step, recomputed"]) / step,
        "saving": saving / (saving + step),
    }
    print(json.dumps({name: round(value, 5) for name, value in ratios.items()}))


def create(recompute):
    """A compiled Swin-T with 101 classes."""
    model_config = dataclasses.replace(swin_tiny().model, recompute=recompute)
    model = create_model(model_config, num_classes=101)
    optimizer = create_optimizer(
        Optimizer(), model, batch_size=1, steps=1000, warmup_steps=10
    )
    model.compile(optimizer)
    return model


def time_steps(model):
    """Seconds of each counted step."""
    clip = np.random.default_rng(0).integers(
        0, 256, [1, FLAGS.frames, 3, FLAGS.size, FLAGS.size], np.uint8
    )
    inputs = {"clip": clip, "seed": np.ones([1, 2], np.int32), "video": np.zeros(1)}
    batch = (inputs, np.zeros(1, np.int32), np.ones(1, np.float32))
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    update, iterator = model.make_train_function(), iter(dataset)
    float(update(iterator)["loss"])
    return [timed(lambda: float(update(iterator)["loss"])) for _ in range(FLAGS.steps)]


def time_saves(model):
    """Seconds of each of three checkpoints, verified writes to the temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoints"
        store = CheckpointStore(path, model, run_id="benchmark", keep=2)
        return [timed(lambda step=step: store.save(step)) for step in range(3)]


def timed(action):
    """Seconds that a call takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


if __name__ == "__main__":
    run(main, positional=False)
