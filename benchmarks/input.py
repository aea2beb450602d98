"""How fast clips are read, against a bare OpenCV loop and the customary recipes.

    python -m benchmarks.input --root=DIR

Every contender reads the same clips of the training list: 32 of 64 frames, a random
region resized to 224 x 224. Rates are clips per second of processor time, that is per
busy core, medians over rounds in which the contenders take turns, so that a machine
that is busy otherwise or changes its clock does not decide. The last line is JSON.

The customary recipes are what mmaction2's configs do with each decoder: decode the
frames, resize the short side to 256, crop, resize to 224 x 224, flip, normalise to
float32, transpose. Decoders come with the extra `bench`; absent ones are left out.
"""

import argparse
import functools
import importlib.util
import json
import math
import statistics
import time

from configs.command.errors import DataError
from configs.command.tensorflow_import import import_tensorflow
from configs.schema import Data, Views
from data import check_root


def command_line():
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.input")
    parser.add_argument("--root", required=True, help="a UCF101-shaped directory")
    parser.add_argument("--clips", type=int, default=96, help="clips of each turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    options = parser.parse_args()
    try:
        check_root(Data(root=options.root))
    except DataError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    OPTIONS = command_line()
    import_tensorflow()

import cv2
import numpy as np
import tensorflow as tf

from data import open_clips
from data.sampling.plan import train_plan

MEAN = np.float32([123.675, 116.28, 103.53])
DEVIATION = np.float32([58.395, 57.12, 57.375])
BATCH_SIZE = 8
WARM_UP = 4  # batches


def bare_loop(path, plan, out):
    """Seek, grab, retrieve, resize, split: the least OpenCV needs for a clip."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    top, left, height, width = plan.regions[0]
    order = np.argsort(plan.frames)  # a video shorter than its clip starts again
    position = int(plan.frames[order[0]])
    capture.set(cv2.CAP_PROP_POS_FRAMES, position)
    for slot in order:
        while position <= plan.frames[slot]:
            capture.grab()
            position += 1
        _, image = capture.retrieve()
        patch = image[top : top + height, left : left + width]
        red, green, blue = out[slot]
        cv2.split(cv2.resize(patch, out.shape[-2:]), [blue, green, red])


def decord_recipe(path, plan, out):
    """decord, then the customary steps."""
    import decord

    frames = decord.VideoReader(path, num_threads=1).get_batch(plan.frames).asnumpy()
    return customary(frames, plan, out.shape[-1])


def pyav_recipe(path, plan, out):
    """PyAV from the first frame on, as mmaction2 uses it, then the customary steps."""
    import av

    wanted, frames = set(plan.frames.tolist()), {}
    with av.open(path) as container:
        container.streams.video[0].thread_type = "NONE"
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                frames[number] = frame.to_ndarray(format="rgb24")
            if len(frames) == len(wanted):
                break
    return customary([frames[n] for n in plan.frames], plan, out.shape[-1])


def torchcodec_recipe(path, plan, out):
    """torchcodec, then the customary steps as torchvision does them on tensors."""
    import torch
    from torchcodec.decoders import VideoDecoder

    torch.set_num_threads(1)
    decoder = VideoDecoder(path, num_ffmpeg_threads=1)
    frames = decoder.get_frames_at(plan.frames.tolist()).data
    resize = functools.partial(
        torch.nn.functional.interpolate, mode="bilinear", antialias=True
    )
    height, width = frames.shape[-2:]
    scale = 256 / min(height, width)
    frames = resize(frames, size=(round(height * scale), round(width * scale)))
    top, left, height, width = (round(side * scale) for side in plan.regions[0])
    frames = frames[..., top : top + height, left : left + width]
    frames = resize(frames, size=out.shape[-2:])
    if plan.flip:
        frames = frames.flip(-1)
    shape = (3, 1, 1)
    mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
    return (frames.float() - mean.view(shape)) / deviation.view(shape)


def customary(frames, plan, size):
    """float32 [T, 3, size, size] from RGB frames, one copy a step."""
    height, width = frames[0].shape[:2]
    scale = 256 / min(height, width)
    whole = (round(width * scale), round(height * scale))
    top, left, height, width = (round(side * scale) for side in plan.regions[0])
    frames = [cv2.resize(frame, whole) for frame in frames]
    frames = [frame[top : top + height, left : left + width] for frame in frames]
    frames = [cv2.resize(frame, (size, size)) for frame in frames]
    if plan.flip:
        frames = [cv2.flip(frame, 1) for frame in frames]
    clip = np.stack([(frame.astype(np.float32) - MEAN) / DEVIATION for frame in frames])
    return np.ascontiguousarray(clip.transpose(0, 3, 1, 2))


RECIPES = {
    "decord": (decord_recipe, ["decord"]),
    "pyav": (pyav_recipe, ["av"]),
    "torchcodec": (torchcodec_recipe, ["torch", "torchcodec"]),
}


def open_set(root, threads):
    """Training clips of 32 x 3 x 224 x 224 as a run reads them."""
    data = Data(root=root, batch_size=BATCH_SIZE, validation="none", threads=threads)
    return data, open_clips(data, Views(), seed=0)


class Pipeline:
    """Reads from a training stream that works ahead of what is taken from it."""

    def __init__(self, clips):
        """Opens the stream.

        Args:
            clips: `Clips` to stream from.
        """
        self.dataset = clips.train(tf.distribute.get_strategy(), 0)

    def seconds(self, number, clock):
        """Time for that many clips once the stream runs steadily.

        They are taken as fast as they come, so as many are begun as are finished.
        """
        stream = iter(self.dataset)
        for _ in range(WARM_UP):
            next(stream)
        start = clock()
        for _ in range(number // BATCH_SIZE):
            next(stream)
        seconds = clock() - start
        del stream
        time.sleep(1)  # until the clips that nobody takes are done
        return seconds


class Loop:
    """Reads the same clips one after the other with one of the recipes."""

    def __init__(self, recipe, requests, size):
        """Prepares an array that every clip is read into.

        Args:
            recipe: one of `RECIPES`, or `bare_loop`.
            requests: list of (path, plan).
            size: height and width of a clip in pixels.
        """
        self.recipe, self.requests = recipe, requests
        self.out = np.zeros((len(requests[0][1].frames), 3, size, size), np.uint8)

    def seconds(self, number, clock):
        """Time for that many clips."""
        start = clock()
        for path, plan in self.requests[:number]:
            self.recipe(path, plan, self.out)
        return clock() - start


def contenders(root, number):
    """Name -> what reads the first `number` clips of the training stream."""
    data, clips = open_set(root, 1)
    found = {"pipeline": Pipeline(clips)}
    indices = [
        int(video)
        for features, *_ in found["pipeline"].dataset.take(number // BATCH_SIZE)
        for video in features["video"]
    ]
    requests = []
    for position, index in enumerate(indices):
        path, video = clips.train_file(index)
        requests.append((path, train_plan(video, data, seed=0, position=position)))
    found["bare loop"] = Loop(bare_loop, requests, data.size)
    for name, (recipe, modules) in RECIPES.items():
        if all(map(importlib.util.find_spec, modules)):
            found[f"{name} recipe"] = Loop(recipe, requests, data.size)
    return found


def rates(found, number, rounds, clock):
    """Name -> median clips per second by a clock, taking turns."""
    measured = {name: [] for name in found}
    for turn in range(rounds + 1):
        for name, contender in found.items():
            seconds = contender.seconds(number, clock)
            if turn:  # the first turn warms up
                measured[name].append(number / seconds)
    return {name: statistics.median(values) for name, values in measured.items()}


def report(per_core, parallel):
    """Lines of the table, last the JSON line.

    Args:
        per_core: contender -> clips per second of processor time.
        parallel: threads -> clips per second of the pipeline.
    """
    ratios = {name: per_core["pipeline"] / rate for name, rate in per_core.items()}
    yield f"{'clips per second and core':<28}{'':>8}{'pipeline is':>14}"
    for name, rate in per_core.items():
        yield f"{name:<28}{rate:>8.1f}{ratios[name]:>13.2f}x"
    for threads, rate in parallel.items():
        yield f"{f'pipeline, {threads} threads':<28}{rate:>8.1f}"
    summary = {
        f"of_{name.replace(' ', '_')}": round(ratio, 3)
        for name, ratio in ratios.items()
        if name != "pipeline"
    }
    summary["two_threads"] = round(parallel[2] / parallel[1], 3)
    summary["clips_per_second_per_core"] = round(per_core["pipeline"], 1)
    yield json.dumps(summary)


def main(options):
    """Prints the table and the JSON line."""
    number = math.ceil(options.clips / BATCH_SIZE) * BATCH_SIZE

    found = contenders(options.root, number)
    per_core = rates(found, number, options.rounds, time.process_time)
    streams = {n: Pipeline(open_set(options.root, n)[1]) for n in (1, 2)}
    parallel = rates(streams, number, options.rounds, time.perf_counter)

    print("\n".join(report(per_core, parallel)))


if __name__ == "__main__":
    main(OPTIONS)
