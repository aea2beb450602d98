"""Four logical CPU devices for every test, and the data that tests share."""

import dataclasses
import logging
import signal
from pathlib import Path

import absl.logging
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs.schema import (
    Checkpoints,
    Data,
    Experiment,
    Model,
    Optimizer,
    Runtime,
    Views,
)

REPOSITORY = Path(__file__).resolve().parents[1]
CLASSES = ("Fall", "Rise", "Slide")

# Devices are fixed at first use, so before any test touches one.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 4,
)


# What starts the tests may ignore these, as nohup and a shell's & do, and what tests
# start would inherit that.
for _signal, _usual in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(_signal) == signal.SIG_IGN:
        signal.signal(_signal, _usual)


@pytest.fixture(autouse=True)
def usual_state():
    """Every test begins as in a new process, whatever another one has left behind.

    In float32, with a level of absl's log that follows Python's (parsing flags fixes
    it), and with nothing logged that is logged once, or once a minute, only.
    """
    keras.mixed_precision.set_global_policy("float32")
    logging.getLogger("absl").setLevel(logging.NOTSET)
    absl.logging._log_timer_per_token.clear()
    absl.logging._log_counter_per_token.clear()
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="session")
def repository():
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared():
    """The folder of real clips and official outputs beside the checkout."""
    path = REPOSITORY.parent / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is absent: real clips and official outputs")
    return path


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    """A UCF101-shaped directory of 13 training and 7 test videos of 3 classes.

    No batch size divides these numbers, and no replica count but 1.
    """
    from data.decoding.write import write_video

    root = tmp_path_factory.mktemp("tiny")
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    train, test = [], []
    for number in range(20):
        label = number % 3
        name = CLASSES[label]
        group = 1 + number // 3
        video = f"{name}/v_{name}_g{group:02}_c01.avi"
        path = root / "UCF-101" / video
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, tiny_frames(number, label))
        if number < 13:
            train.append(f"{video} {label + 1}\n")
        else:
            test.append(f"{video}\n")
    (lists / "trainlist01.txt").write_text("".join(train))
    (lists / "testlist01.txt").write_text("".join(test))
    index = [f"{label} {name}\n" for label, name in enumerate(CLASSES, start=1)]
    (lists / "classInd.txt").write_text("".join(index))
    return root


def tiny_frames(number, label):
    """uint8 [9–15 frames, 40, 48, 3]: a bright bar that falls, rises or slides."""
    generator = np.random.default_rng(number)
    frames = generator.integers(0, 90, [9 + number % 7, 40, 48, 3], dtype=np.uint8)
    for time, frame in enumerate(frames):
        start = (2 * time + 3 * number) % 36
        rows = {0: slice(start, start + 4), 1: slice(36 - start, 40 - start)}
        if label == 2:
            frame[:, start : start + 4] += 150
        else:
            frame[rows[label]] += 150
    return frames


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """A SavedModel from a random state dict whose head prefers the class Rise."""
    from model.convert import convert
    from model.weights.architecture import official_shapes

    architecture = {
        "embed_dim": 8,
        "depths": (2,),
        "num_heads": (2,),
        "window_size": (2, 2, 2),
        "patch_size": (2, 4, 4),
    }
    folder = tmp_path_factory.mktemp("converted")
    generator = np.random.default_rng(0)
    state = {
        name: generator.normal(size=shape, scale=0.02).astype(np.float32)
        for name, shape in official_shapes(architecture, 3).items()
    }
    state["cls_head.fc_cls.bias"] = np.array([0, 50, 0], np.float32)
    np.savez(folder / "state.npz", **state)
    convert(
        folder / "state.npz",
        folder / "out",
        clip=(4, 16, 16),
        class_names=CLASSES,
        window_size=architecture["window_size"],
    )
    return folder / "out"


@pytest.fixture
def tiny(tiny_root):
    """An experiment with every part of a real one, small enough for seconds.

    Shifted windows, bias tables, drop path, dropout, cropping; 23 updates.
    """
    return Experiment(
        epochs=7,
        seed=3,
        data=Data(
            root=str(tiny_root),
            batch_size=4,
            frames=8,
            frame_interval=1,
            size=32,
            crop_area=(0.3, 1.0),
        ),
        model=Model(
            backbone="video_swin",
            embed_dim=8,
            depths=(2, 2),
            num_heads=(1, 2),
            window_size=(2, 4, 4),
            patch_size=(2, 4, 4),
            drop_path_rate=0.2,
            dropout=0.5,
        ),
        optimizer=Optimizer(learning_rate=3e-3, warmup_epochs=1.5),
        runtime=Runtime(replicas=2, deterministic=True),
        checkpoints=Checkpoints(save_every=2),
        views=Views(clips=2, crops=3, batch_size_per_replica=5),
    )


@pytest.fixture
def small(tiny):
    """The same with one stage on one replica: what is tested is not the model.

    A run of it takes a third of the time, most of which is tracing.
    """
    model = dataclasses.replace(tiny.model, depths=(2,), num_heads=(1,))
    runtime = dataclasses.replace(tiny.runtime, replicas=1)
    return dataclasses.replace(tiny, model=model, runtime=runtime)


@pytest.fixture
def keep_signals():
    """Puts back what a run does about signals; none is ignored before it begins."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)
    handlers = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
    signal.set_wakeup_fd(-1)
