"""How much of the model's own speed an evaluation reaches.

    python -m benchmarks.evaluation --root=DIR

Every view of every test video goes through Swin-T with random weights, as in
`evaluate.py`; before and after it, the model computes as many batches of the same size
that are in memory already, the first of the same views. Rates are views per second,
those that fill up the last batch counted on both sides; `of_bare_forward` is the
evaluation's over the mean of the two others, in the median of the rounds. The last line
is JSON.
"""

import argparse
import dataclasses
import itertools
import json
import math
import statistics
import time

from configs.command.errors import DataError
from configs.command.tensorflow_import import import_tensorflow
from configs.schema import Data, Views
from configs.ucf101_swin_tiny import config
from data import check_root

HELD = 12  # Batches in memory; those of 32 x 224 x 224 take 20 MB each.


def command_line():
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation")
    parser.add_argument("--root", required=True, help="a UCF101-shaped directory")
    parser.add_argument("--frames", type=int, default=16, help="frames of a clip")
    parser.add_argument("--size", type=int, default=112, help="its height and width")
    parser.add_argument("--clips", type=int, default=1, help="as views.clips")
    parser.add_argument("--crops", type=int, default=3, help="as views.crops")
    parser.add_argument("--rounds", type=int, default=3, help="evaluations")
    options = parser.parse_args()
    try:
        check_root(Data(root=options.root))
    except DataError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    OPTIONS = command_line()
    import_tensorflow()

import numpy as np
import tensorflow as tf

from data import open_clips
from model import Evaluator, create_model


def bare_seconds(forward, held, batches):
    """What the model alone takes, on the held batches again and again.

    Args:
        forward: clips to probabilities, traced already.
        held: list of uint8 [b, T, 3, H, W].
        batches: how many are computed.
    """
    begin = time.perf_counter()
    for clips in itertools.islice(itertools.cycle(held), batches):
        forward(clips).numpy()
    return time.perf_counter() - begin


def measure(options):
    """The rates of all rounds.

    Args:
        options: what the command line says.

    Returns:
        list of dicts of `bare_forward` and `evaluation`, in views per second.
    """
    experiment = config()
    data = dataclasses.replace(
        experiment.data, root=options.root, frames=options.frames, size=options.size
    )
    views = Views(clips=options.clips, crops=options.crops)
    clips = open_clips(data, views, seed=0)
    model = create_model(
        experiment.model, num_classes=len(clips.class_names), pretrained=False
    )
    strategy = tf.distribute.get_strategy()
    evaluator = Evaluator(model, strategy)
    evaluator.try_batch(clips.views(strategy))  # traces it
    forward = tf.function(
        lambda clip: tf.nn.softmax(model(clip, training=False)), autograph=False
    )
    # Different ones, as in the evaluation: one alone stays in the processor's caches.
    first = itertools.islice(clips.views(strategy), HELD)
    held = [inputs["clip"] for inputs, _, _ in first]
    forward(held[0])
    batches = math.ceil(clips.test_size * views.count / views.batch_size_per_replica)
    computed, rounds = batches * views.batch_size_per_replica, []
    for _ in range(options.rounds):
        before = bare_seconds(forward, held, batches)
        begin = time.perf_counter()
        evaluator(clips.views(strategy), videos=clips.test_size, views=views)
        seconds = time.perf_counter() - begin
        bare = np.mean([before, bare_seconds(forward, held, batches)]).item()
        rounds.append(
            {"bare_forward": computed / bare, "evaluation": computed / seconds}
        )
    return rounds


def main(options):
    """Measures and prints."""
    rounds = measure(options)
    for row in rounds:
        print("  ".join(f"{name} {rate:.2f}/s" for name, rate in row.items()))
    ratios = [row["evaluation"] / row["bare_forward"] for row in rounds]
    print(json.dumps({"of_bare_forward": round(statistics.median(ratios), 3)}))


if __name__ == "__main__":
    main(OPTIONS)
