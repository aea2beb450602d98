"""The program on a model's page gives what this project's own evaluation gives."""

import contextlib
import io
import re
import sys

import numpy as np
import pytest
import tensorflow as tf

from configs.schema import Data, Model, Views
from data import views_of_files
from data.decoding.write import write_video
from model import create_model
from model.classifier import Classifier
from model.weights.saved_model import PAGE, write_classifier

NAMES = ("Fall", "ä rise", "Slide")
SMALL = Model(
    embed_dim=8,
    depths=(1,),
    num_heads=(1,),
    window_size=(2, 4, 4),
    patch_size=(2, 4, 4),
)


@pytest.fixture(scope="module")
def model():
    model = create_model(SMALL, num_classes=3, seed=1)
    model.head.kernel.assign(10 * tf.random.stateless_normal([8, 3], [1, 2]))
    return model


def exported(folder, model, protocol, name='my "model"'):
    output = folder / name
    variables = list(model.backbone.named_weights().values())
    description = {
        "name": name,
        "architecture": SMALL.architecture,
        "drop_path_rate": 0.0,
        "class_names": NAMES,
        "clip": (4, 32, 32),
        "protocol": protocol,
        "licence": "none",
        "origin": "a test",
        "source": "a test",
        "source_sha256": "0" * 64,
    }
    write_classifier(output, model, description, variables)
    return output


def run_program(page, video, monkeypatch):
    """What the first program on a page prints."""
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    monkeypatch.setattr(sys, "argv", ["program", str(video)])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    return printed.getvalue().splitlines()


@pytest.mark.parametrize("frames", [3, 20])
@pytest.mark.parametrize(
    "options",
    [
        {"frame_sampling": "interval", "frame_interval": 3},
        {"frame_sampling": "interval", "frame_interval": 2},
        {"frame_sampling": "segments"},
    ],
)
def test_it_shows_a_video_as_an_evaluation_does(
    model, tmp_path, monkeypatch, options, frames
):
    assert isinstance(model, Classifier)
    page = (exported(tmp_path, model, options) / PAGE).read_text()
    pictures = np.random.default_rng(0).integers(0, 256, [frames, 48, 64, 3], np.uint8)
    video = tmp_path / "video.avi"
    write_video(video, np.repeat(np.repeat(pictures, 1, 1), 1, 2))
    monkeypatch.chdir(tmp_path)
    lines = run_program(page, video, monkeypatch)

    data = Data(frames=4, size=32, **options)
    views = Views(clips=1, crops=1)
    [(_, clips)] = views_of_files([str(video)], data=data, views=views)
    probabilities = tf.nn.softmax(model(clips))[0].numpy()
    order = np.argsort(-probabilities)
    assert lines == [f"{probabilities[i]:.3f}  {NAMES[i]}" for i in order]
    assert probabilities.max() - probabilities.min() > 0.1
